// A database server as far as the protocol sees it: it applies entries in order, holds the newest of them only in
// memory, and may be down. Its content is one table, kept as a hash that depends on every write and their order.
#pragma once

#include <cstdint>

#include "schemas/entry.hpp"
#include "tests/simulator/sim_journal.hpp"

namespace ddb::simulator {

class SimDatabase {
  public:
    [[nodiscard]] LogIndex applied() const { return newest_.position; }
    [[nodiscard]] LogIndex durable() const { return durable_.position; }
    [[nodiscard]] std::uint64_t content() const { return newest_.content; }

    // False: the journal does not hold what the entry refers to.
    [[nodiscard]] bool apply(const Entry& entry, const JournalImage& journal);
    void flush() { durable_ = newest_; }
    void crash() { newest_ = durable_; }
    void wipe() { newest_ = durable_ = State{}; }

  private:
    struct State {
        LogIndex position;
        std::uint64_t content = 0;
    };
    State newest_;
    State durable_;
};

}  // namespace ddb::simulator
