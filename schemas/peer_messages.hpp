// What members say to each other about formation, election, the log and reads. Plain values; the meaning of each is in
// node/core/DESIGN.md, the bytes in WIRE.md. Every message travels in an envelope (bus/envelope.hpp) that already names
// cluster, sender (id, incarnation, boot) and the sender's epoch.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"

namespace ddb {

// --- formation -------------------------------------------------------------------------------------------------------

// Says who the sender is; sent to every known address while unformed, and as the answer of a formed node.
struct Hello {
    Voter voter;
    std::uint32_t expect = 0;
    bool formed = false;
    ClusterUuid cluster;  // of a formed node
    std::string address;  // where the sender's peer link listens
    bool has_user_data = false;
    bool forms = true;  // unformed: counts for a formation; false: may only be added to a formed cluster
};

// "I signed this list, durably, and will never sign another": a node sends it to all listed once its journal holds it.
struct FormationSignature {
    Membership list;
};

// --- membership ------------------------------------------------------------------------------------------------------

// The decided membership, told to a node whose view of it is out of date: one that was added and does not know, one
// that was removed, one whose id belongs to another journal.
struct MembershipNotice {
    EntryId at;  // of the entry that holds the list, or the base of the sender's log when it is older
    Membership list;
};

// --- election --------------------------------------------------------------------------------------------------------

// Would you grant me an epoch? Changes nothing at the receiver.
struct Probe {
    Epoch epoch;  // the asker's current one
    EntryId last;
    bool fit = true;
};
struct ProbeReply {
    Epoch epoch;
    bool accepted = false;
    bool stands = false;  // Bully's ANSWER: the voter outranks the asker, is fit, and stands itself
    std::string reason;   // in words when not accepted
};

struct GrantRequest {
    Epoch epoch;  // the one asked for
    EntryId last;
};
struct GrantReply {
    Epoch epoch;  // the replier's epoch
    bool granted = false;
    std::string reason;
};

// The coordinator offers its office; the receiver stands at once, without a probe round.
struct HandOver {
    Epoch epoch;
    EntryId last;  // what the receiver must hold to accept
};

// --- log -------------------------------------------------------------------------------------------------------------

inline constexpr std::size_t prepare_entries_max = 512;
inline constexpr std::size_t prepare_bytes_max = 1u << 20;  // one entry may exceed it alone

// Phase one. Without entries it is the coordinator's heartbeat. `decided` is phase two (DECIDE) riding along.
struct Prepare {
    Epoch epoch;
    EntryId previous;
    Digest previous_digest;
    std::vector<Entry> entries;
    LogIndex decided;
    LogIndex keep_from;  // every voter holds what is below durably in its server: may be truncated; 0 = unknown
    ReadRound round;     // not 0: answer at once, it confirms the office
    // The receiver voted for everything up to here in this epoch. One that holds less lost its journal.
    LogIndex acknowledged;
};

enum class VoteReason : std::uint8_t {
    none = 0,
    gap = 1,
    stale_epoch = 2,
    bad_checksum = 3,
    journal_full = 4,
    not_member = 5
};

struct Vote {
    Epoch epoch;
    bool accepted = false;
    VoteReason reason = VoteReason::none;
    LogIndex
        up_to;  // accepted: durable and equal to the coordinator's log up to here. refused: next to send is above this
    ReadRound round;           // of the Prepare answered
    LogIndex applied;          // of the voter's server
    LogIndex durable_applied;  // applied and flushed by the server
    bool fit = true;
};

// --- snapshots -------------------------------------------------------------------------------------------------------

// To the coordinator: our database has to be loaded from another node's.
struct SnapshotRequest {
    std::string reason;
    NodeId avoid;  // a donor that failed; 0 = none
};
// Load your database from `donor`: asked for, or because the log kept by the coordinator begins behind yours.
struct SnapshotOffer {
    Epoch epoch;
    NodeId donor;
    LogIndex kept_from;  // first entry of the coordinator's kept log
};

// --- reads -----------------------------------------------------------------------------------------------------------

// Answers cover every question of the sender with an equal or smaller token. `epoch`: the newest that the sender knew
// when it asked.
struct ReadIndexRequest {
    ReadToken token;
    Epoch epoch;
};
struct ReadIndexReply {
    ReadToken token;
    Epoch epoch;
    bool accepted = false;  // false: not the coordinator, or not yet serving
    LogIndex index;
};

using PeerMessage =
    std::variant<Hello, FormationSignature, Probe, ProbeReply, GrantRequest, GrantReply, HandOver, Prepare, Vote,
                 ReadIndexRequest, ReadIndexReply, MembershipNotice, SnapshotRequest, SnapshotOffer>;

// --- PUB/SUB: hints, liveness display and monitoring only ------------------------------------------------------------

struct Announcement {
    NodeId node;
    std::string role;  // "coordinator", "follower", "candidate", "learner", "unformed"
    Epoch epoch;
    NodeId coordinator;  // 0 = none known
    LogIndex last;
    LogIndex decided;
    LogIndex applied;
    bool fit = true;
    std::uint32_t sessions = 0;
    std::uint64_t uptime_s = 0;
    std::string event;  // empty for a heartbeat, else a short sentence ("became coordinator of epoch 7")
};

}  // namespace ddb
