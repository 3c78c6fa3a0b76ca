// The protocol as a deterministic state machine: formation, membership, election, log, two-phase commit, read index and
// outcomes. Touches no clock, socket, thread, disk, database or log, and never iterates an unordered container: the
// same inputs give the same effects. Owned by one thread (the node's loop); lives as long as the node.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/core/io.hpp"

namespace ddb::core {

struct PeerStatus {
    NodeId id;
    std::string address;
    bool learner = false;
    bool reachable = false;  // heard within an election timeout
    LogIndex matched;        // coordinator only: durable there and equal to our log
    LogIndex applied;
    bool fit = false;          // coordinator only, as the next
    bool has_database = true;  // false: it waits to be loaded from another node
};

// Says hello and is no member: it may be added.
struct NewcomerStatus {
    Voter voter;
    std::string address;
};

struct CoreStatus {
    Role role = Role::unformed;
    bool serving = false;  // coordinator with an open office
    Epoch epoch;
    NodeId coordinator;
    EntryId last;
    LogIndex decided;
    LogIndex durable;    // own journal
    LogIndex kept_from;  // first entry still in it: who lacks an earlier one has to be loaded from another node
    LogIndex applied;
    std::optional<Membership> membership;
    std::vector<PeerStatus> peers;  // by id, without ourselves
    std::vector<NewcomerStatus> newcomers;
    std::string waiting_for;  // in words: what keeps this node from serving; empty when nothing does
    bool rebuilding = false;  // the database is being loaded from another node's
    Incarnation incarnation;  // ours; another one than configured once the journal turned out to be lost
};

class Core {
  public:
    Core(CoreConfig config, RecoveredState recovered);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    // Takes one input; effects gather inside, so that several inputs share one journal write and one PREPARE per peer.
    void step(Input input);
    // Everything that may be done now; empty when nothing is due.
    [[nodiscard]] Effects take_effects();

    [[nodiscard]] CoreStatus status() const;
    // The entry at `index` when it is kept in memory with its payload; null otherwise (read the journal then).
    [[nodiscard]] const Entry* entry(LogIndex index) const;
    // Donor: what belongs to a dump of our database whose position is `at`. Null when `at` is not kept (below the base
    // or above what is decided).
    [[nodiscard]] std::optional<DumpPoint> dump_point(LogIndex at) const;
    // Voters whose journal durably holds the entry at `index`, ourselves included (coordinator only).
    [[nodiscard]] std::uint16_t holders(LogIndex index) const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::core
