// What became of the newest decided write entries, found by transaction and by a session's request. Filled in log order
// and evicted by index, so every node remembers the same. Part of a core, same thread.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"

namespace ddb::core {

class Outcomes {
  public:
    // Entries up to `floor` were never seen here.
    explicit Outcomes(LogIndex floor) : floor_(floor) {}
    // As they came with a snapshot.
    Outcomes(LogIndex floor, TxnId forgotten, std::vector<OutcomeRecord> found);

    // As they were when the newest decided entry was snapshot.last; floors may be higher than they were then.
    void fill(Snapshot& snapshot) const;

    // Decided entries, in order; those that no client can ask for are skipped.
    void record(const Entry& entry);

    [[nodiscard]] const OutcomeRecord* by_txn(const TxnId& txn) const;
    [[nodiscard]] const OutcomeRecord* by_request(const SessionId& session, RequestNumber request) const;
    // Not found above, but may have been decided and forgotten.
    [[nodiscard]] bool may_be_forgotten(const TxnId& txn) const;
    [[nodiscard]] bool may_be_forgotten(LogIndex seen) const { return seen < floor_; }

  private:
    using Request = std::pair<SessionId, RequestNumber>;
    LogIndex floor_;
    TxnId forgotten_;                  // no newer transaction has been forgotten
    std::size_t uncertain_ = 0;        // recorded since a floor whose newest transactions are not known
    std::deque<OutcomeRecord> found_;  // ascending by index
    std::map<TxnId, LogIndex> by_txn_;
    std::map<Request, LogIndex> by_request_;
    [[nodiscard]] const OutcomeRecord* at(LogIndex index) const;
    void remember(OutcomeRecord record);
};

}  // namespace ddb::core
