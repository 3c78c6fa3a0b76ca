// One machine of the simulated cluster: its disk, its database server and, while it runs, a real core.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "node/core/core.hpp"
#include "tests/simulator/network.hpp"
#include "tests/simulator/sim_database.hpp"
#include "tests/simulator/sim_journal.hpp"

namespace ddb::simulator {

// A client's request while this host works on it.
struct Job {
    enum class Phase { asking, absent, parts, proposed, accepted };
    std::size_t client = 0;
    RequestNumber request;
    Phase phase = Phase::asking;
    Epoch epoch;                   // of the office it runs under
    TxnId txn;                     // from `proposed` on
    LogIndex index;                // from `accepted` on
    std::uint32_t parts_left = 0;  // to be proposed before the entry that makes them count
    PartsRange parts;              // those that have their place in the log
    bool attached = true;          // the client still waits for it here
    bool only_ask = false;         // the client wants to know the request's fate and not to run it again
};

struct Host {
    Place place = 0;
    Voter voter;
    bool impostor = false;             // claims the id of another host
    bool retired = false;              // an operator keeps it down
    bool joins = false;                // started blank, to be added to the formed cluster
    Incarnation born;                  // under which the journal began; it may hold a later one
    bool copied = false;               // and it did not find out yet
    std::optional<JournalImage> copy;  // an old one, put back by mistake after some crash
    SimJournal journal;
    SimDatabase database;
    std::unique_ptr<core::Core> core;  // null while down

    // --- process ---
    std::uint64_t starts_at_ms = 0;
    std::uint64_t starts = 0;
    std::uint64_t paused_until_ms = 0;
    std::uint64_t tick_us = 10'000;  // of the world's time; a fast clock has short ones
    std::uint64_t next_tick_us = 0;
    std::uint64_t clock_stops_until_ms = 0;
    std::optional<unsigned> dies_after_effects;
    std::uint64_t stalled_since_ms = 0;
    bool stall_reported = false;

    // --- database server ---
    bool server_up = true;
    std::uint64_t server_returns_at_ms = 0;
    bool leaving = false;
    std::uint64_t leaves_at_ms = 0;
    bool loading = false;                                 // the content is void until a transfer is over
    bool server_wiped = false;                            // known to the process that starts next
    bool fenced = false;                                  // it was found to differ: nothing more is applied here
    std::optional<std::uint64_t> asks_for_another_at_ms;  // once it is fenced
    LogIndex target;                                      // told by Decided, and the end of the last one of this start
    bool report_due = true;

    // --- office ---
    core::Role role = core::Role::unformed;
    bool serving = false;
    Epoch office;
    std::optional<std::uint64_t> quiesce_answer_at_ms;

    // --- clients ---
    std::uint64_t next_token = 1;
    std::map<std::uint64_t, Job> jobs;        // by token
    std::map<std::uint64_t, LogIndex> reads;  // floor by token

    [[nodiscard]] bool awake(std::uint64_t now_ms) const { return core && now_ms >= paused_until_ms; }
    [[nodiscard]] std::string label() const {
        return "node " + std::to_string(voter.id.value) + (impostor ? " (its double)" : "");
    }
};

}  // namespace ddb::simulator
