// What waits to be written to the journal and what was given to it and is not yet durable. "Persist, then act" is kept
// here by structure: durable() and hard_pending() move only with completions. Part of a core, same thread.
#pragma once

#include <deque>
#include <optional>

#include "node/core/io.hpp"

namespace ddb::core {

class JournalQueue {
  public:
    explicit JournalQueue(LogIndex durable) : durable_(durable), written_(durable) {}

    // Gathered into one write, taken by take().
    void put_hard(const HardState& hard);
    void put_signed_list(const Membership& list);
    void put_formed(const Membership& membership);
    void append(const Entry& entry);
    void truncate_after(LogIndex index);
    void put_rebuilding(bool rebuilding);
    void put_incarnation(Incarnation incarnation);
    // The whole log gives way to this base; nothing of it is durable until the write completes.
    void reset(const Snapshot& snapshot);
    // Neither needs a sync of its own: the first rides on the next write, flush_lazily() sends it alone.
    void put_decided(LogIndex decided) { decided_ = decided; }
    void flush_lazily() { flush_lazily_ = true; }
    void drop_before(LogIndex index, const std::optional<Membership>& base_membership);

    [[nodiscard]] std::optional<JournalWrite> take(Epoch epoch);

    // What became durable with a completion; `known` is false for a stale one, which changes nothing.
    struct Completed {
        bool known = false;
        bool hard = false;  // and nothing newer of it is waiting
        bool signed_list = false;
        bool formed = false;
        bool entries = false;
        bool reset = false;
        bool rebuilding = false;  // the marker, either way
        bool incarnation = false;
    };
    // The journal writes in order: a completion covers every earlier write too.
    [[nodiscard]] Completed complete(OpId op, Epoch epoch);

    // Our log is durable up to here and not overwritten since.
    [[nodiscard]] LogIndex durable() const { return durable_; }
    // The newest election state is not yet durable: nothing may leave this node.
    [[nodiscard]] bool hard_pending() const { return hard_pending_ > 0; }

  private:
    struct Operation {
        OpId op;
        Epoch epoch;
        Completed covers;
        LogIndex
            durable_to;  // when it covers entries or a new base; lowered when they are dropped before they are durable
    };

    LogIndex durable_;
    LogIndex written_;  // end of the log in the journal once all that was taken is written
    JournalWrite gathering_;
    bool gathering_sync_ = false;
    bool gathering_formed_ = false;
    bool gathering_any_ = false;
    std::optional<LogIndex> decided_;
    bool flush_lazily_ = false;
    int hard_pending_ = 0;
    OpId last_op_;
    std::deque<Operation> operations_;
};

}  // namespace ddb::core
