// A journal that forgets in a crash what was not synced, as a real one may. Writes become durable in order; a
// completion may still be under way when its write is durable already.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "node/core/io.hpp"

namespace ddb::simulator {

struct JournalImage {
    core::HardState hard;
    std::optional<Membership> signed_list;
    std::optional<Membership> base_membership;
    EntryId base;
    Digest base_digest;
    std::map<std::uint64_t, Entry> entries;  // by index
    LogIndex decided;
    bool rebuilding = false;
    std::optional<Incarnation> incarnation;  // taken by the core
    Snapshot outcomes_at_base;               // its outcome fields only

    [[nodiscard]] LogIndex last() const;
    [[nodiscard]] const Entry* find(LogIndex index) const;
    [[nodiscard]] EntryId id_at(LogIndex index) const;  // {0,0} where nothing is known
    void apply(const core::JournalWrite& write);
};

class SimJournal {
  public:
    void write(core::JournalWrite write, std::uint64_t durable_at_ms);
    // Completions due now, in order. A stalled disk completes nothing.
    [[nodiscard]] std::deque<core::JournalCompleted> advance(std::uint64_t now_ms);
    // Keeps the durable part and the first `kept_writes` of what was under way. A write that was being written is torn;
    // opening cuts it off, so it counts as not kept.
    void crash(std::uint64_t kept_writes);
    void wipe();
    void restore(const JournalImage& copy);
    [[nodiscard]] std::size_t under_way() const { return waiting_.size(); }
    void stall_until(std::uint64_t ms) { stalled_until_ms_ = ms; }
    [[nodiscard]] std::uint64_t stalled_until_ms() const { return stalled_until_ms_; }

    [[nodiscard]] const JournalImage& durable() const { return durable_; }
    [[nodiscard]] const JournalImage& newest() const { return newest_; }  // with everything given to it
    // Entries below `payloads_from` are given without their payload, as after a start with a long log.
    [[nodiscard]] core::RecoveredState recover(LogIndex payloads_from = LogIndex{}) const;

  private:
    struct Waiting {
        core::JournalWrite write;
        std::uint64_t durable_at_ms = 0;
    };
    JournalImage durable_;
    JournalImage newest_;
    std::deque<Waiting> waiting_;
    std::uint64_t stalled_until_ms_ = 0;
};

}  // namespace ddb::simulator
