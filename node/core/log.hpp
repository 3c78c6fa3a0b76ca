// The replicated log as the core keeps it in memory: everything but the payload for all kept entries, the payload for
// the newest ones. Also knows the newest membership in it. Part of a core, same thread.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"

namespace ddb::core {

class Log {
  public:
    Log(EntryId base, Digest base_digest, std::optional<Membership> base_membership);

    // At start only: entries below `payloads_from` come without their payload. False when a membership entry cannot be
    // read.
    [[nodiscard]] bool restore(std::vector<Entry> entries, LogIndex payloads_from, std::uint64_t bytes_left_out);
    // Begins anew behind `last`.
    void reset(EntryId last, const Digest& digest, Membership membership);

    [[nodiscard]] EntryId base() const { return base_; }
    [[nodiscard]] EntryId last() const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    // True for entries that are kept, so not for the base itself.
    [[nodiscard]] bool holds(LogIndex index) const;
    // For base.index <= index <= last.index.
    [[nodiscard]] EntryId id_at(LogIndex index) const;
    [[nodiscard]] const Digest& digest_at(LogIndex index) const;
    // For kept entries.
    [[nodiscard]] const Entry& at(LogIndex index) const;
    [[nodiscard]] bool has_payload(LogIndex index) const { return holds(index) && index >= payloads_from_; }
    [[nodiscard]] LogIndex payloads_from() const { return payloads_from_; }
    // Index of the last entry before the epoch of the entry at `index` began; base.index where that is below the base.
    [[nodiscard]] LogIndex before_epoch_at(LogIndex index) const;

    // The next in order. A membership entry takes effect here; its payload was checked by the caller (readable()).
    void append(Entry entry);
    [[nodiscard]] static bool readable(const Entry& entry);
    void truncate_after(LogIndex index);
    void drop_before(LogIndex index);
    // Lets go of the oldest payloads while too many are held; only up to `durable`, which the journal can give back.
    void evict_payloads(LogIndex durable, std::size_t bytes_max);

    // Payloads of all kept entries, in memory or not.
    [[nodiscard]] std::uint64_t kept_bytes() const { return kept_bytes_; }
    // First entry that a server which has applied everything up to `applied` still needs: the one behind it, or the
    // first part of a transaction that takes effect, or may yet, behind it.
    [[nodiscard]] LogIndex needed_after(LogIndex applied) const;
    // Oldest entry that may stay when at most that much is kept.
    [[nodiscard]] LogIndex newest_within(std::size_t entries_max, std::uint64_t bytes_max) const;

    // Newest in the log, decided or not; null before formation.
    [[nodiscard]] const Membership* membership() const;
    // Newest up to `index`, which is not below the base.
    [[nodiscard]] const Membership* membership_at(LogIndex index) const;
    [[nodiscard]] LogIndex membership_index() const;  // of the entry that holds it; base.index when it is older
    void set_base_membership(Membership membership) { base_membership_ = std::move(membership); }
    [[nodiscard]] const std::optional<Membership>& base_membership() const { return base_membership_; }

  private:
    // Transactions that came in parts.
    struct Parts {
        TxnId txn;
        LogIndex first;
        LogIndex end;  // the entry that let them take effect, or the first of a newer epoch, which made them void
    };
    void note_parts(const Entry& entry);

    EntryId base_;
    Digest base_digest_;
    std::optional<Membership> base_membership_;
    std::deque<Entry> entries_;
    LogIndex payloads_from_;
    std::size_t payload_bytes_ = 0;    // in memory
    std::deque<std::uint64_t> sizes_;  // of the payloads of entries_, also where they are not in memory
    std::uint64_t kept_bytes_ = 0;
    std::vector<std::pair<LogIndex, Membership>> memberships_;  // above the base, ascending
    std::vector<Parts> open_parts_;                             // without an end yet, all of the newest epoch
    std::deque<Parts> ended_parts_;                             // ascending by `end`, which is kept
};

}  // namespace ddb::core
