// The invariants of DESIGN §4, checked from outside: what nodes journal, send, decide, apply and answer. Shares no code
// with the core and believes nothing it says about itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "node/core/io.hpp"
#include "tests/simulator/sim_journal.hpp"

namespace ddb::simulator {

struct Violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The durable journal of a node, up or down.
struct Holder {
    Voter voter;
    const JournalImage* durable = nullptr;
};
using Holders = std::vector<Holder>;

// "2/7": epoch 2, index 7.
[[nodiscard]] std::string name(EntryId id);

class Checker {
  public:
    // Before the write is applied to the journal, whose newest state is given.
    void journaled(Voter node, const JournalImage& newest, const core::JournalWrite& write);
    void sent(Voter node, NodeId to, const JournalImage& durable, const PeerMessage& message);
    void became_coordinator(Voter node, Epoch epoch, const JournalImage& newest, const Holders& holders);
    void decided(Voter node, const JournalImage& own, const core::Decided& decided, const Holders& holders);
    // One entry said to be decided, by whatever way; its content is looked up in the journals.
    void one_decided(Voter node, EntryId id, const Holders& holders);

    void applied(Voter node, EntryId id, std::uint64_t content);
    // After a crash or a wipe: what was above is gone and is applied anew.
    void database_is_at(Voter node, LogIndex index) { positions_[node] = index; }

    void acknowledged(EntryId id, SessionId session, RequestNumber request);
    // The client was told: not done, will never be.
    void failed(TxnId txn);
    void failed(SessionId session, RequestNumber request);
    // A strong read asked when `read_floor()` was the answer's least index.
    // Also what is decided, as another read may have seen it.
    [[nodiscard]] LogIndex read_floor() const { return std::max(newest_acknowledged_, newest_decided_); }
    void read_answered(Voter node, LogIndex floor, LogIndex index);

    // The database was loaded from another node's.
    void loaded(Voter node, EntryId id, std::uint64_t content);
    // The newest decided one; empty before formation.
    [[nodiscard]] const std::optional<Membership>& membership() const { return membership_; }

    // At the end.
    void finish() const;
    [[nodiscard]] LogIndex newest_decided() const { return newest_decided_; }
    [[nodiscard]] std::size_t acknowledged_count() const { return acknowledged_.size(); }
    [[nodiscard]] std::size_t changes() const { return changes_; }
    [[nodiscard]] std::size_t coordinators() const { return coordinators_.size(); }

  private:
    using Request = std::pair<SessionId, RequestNumber>;
    struct Seen {
        EntryId previous;
        Entry entry;
    };
    struct Decision {
        EntryId id;
        Epoch latest;  // it was decided in this epoch at the latest
    };
    void reset(Voter node, const JournalImage& newest, const Snapshot& snapshot) const;

    std::map<Epoch, Voter> coordinators_;
    std::map<EntryId, Seen> entries_;  // everything ever journaled anywhere
    std::map<LogIndex, Decision> decided_;
    std::map<Voter, core::HardState> hard_;
    std::map<TxnId, EntryId> decided_txns_;
    std::map<Request, EntryId> decided_requests_;
    std::set<EntryId> acknowledged_;
    std::set<TxnId> failed_txns_;
    std::set<Request> failed_requests_;
    std::map<Voter, LogIndex> positions_;
    std::map<LogIndex, std::uint64_t> contents_;
    std::map<Voter, Membership> appended_;  // the last one each gave to its journal
    std::optional<Membership> membership_;
    LogIndex membership_at_;
    std::size_t changes_ = 0;
    LogIndex newest_decided_;
    LogIndex newest_acknowledged_;
};

}  // namespace ddb::simulator
