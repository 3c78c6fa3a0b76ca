// What goes into the core and what comes out: the whole of its contact with the world. Plain values.
//
// Persist, then act: everything that must not happen before a journal write is durable is kept inside the core until
// the matching JournalCompleted arrives. What stands in Effects may be done at once, in any order, except that
// Effects::journal goes to the journal in the order of the take_effects() calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"
#include "schemas/peer_messages.hpp"
#include "schemas/result.hpp"

namespace ddb::core {

// --- start -----------------------------------------------------------------------------------------------------------

struct CoreConfig {
    NodeId id;
    Incarnation incarnation;
    std::uint32_t expect = 3;  // nodes at first start
    std::string address;       // of our own peer link, told in Hello and in the membership
    bool has_user_data = false;
    bool refuse_formation = false;  // the server already holds ddb_meta, or another reason given below; may be added
                                    // to a formed cluster all the same
    std::string refuse_reason;
    std::uint32_t heartbeat_ticks = 10;
    std::uint32_t election_ticks = 60;
    bool take_over = true;             // the highest fit id ends up coordinator
    std::uint32_t stable_ticks = 300;  // how long a higher id must have been level before it is handed the office
    std::uint64_t seed = 1;            // of the injected random generator; another one at each start of a node
    std::size_t payload_cache_bytes_max = 32u << 20;  // newest payloads kept in memory; older ones come by ReadEntries
    std::size_t kept_entries_max =
        20'000;  // then what every voter holds durably is dropped; outcomes of 3/5 survive a restart
    std::size_t kept_entries_hard_max = 1'000'000;   // then also what an absent or rebuilding member still lacks
    std::uint64_t kept_bytes_hard_max = 8ull << 30;  // payloads of the kept log: likewise
    bool rebuild_at_start = false;  // the server was wiped or lost what the journal knows: ask for a rebuild
};

// Durable election state. Never goes backwards.
struct HardState {
    Epoch epoch;
    NodeId granted_to;  // within `epoch`; 0 = nobody
    friend bool operator==(const HardState&, const HardState&) = default;
};

// What the journal held at start. Payloads of old entries need not be present (Entry::payload empty is legal here when
// `payloads_from` is above that entry's index).
struct RecoveredState {
    HardState hard;
    std::optional<Membership> signed_list;      // formation list this node signed, whether or not it completed
    std::optional<Membership> base_membership;  // of the formed cluster at `base`; empty = unformed
    EntryId base;                               // last entry below the kept log; {0,0} for a log from its beginning
    Digest base_digest;
    std::vector<Entry> entries;  // contiguous from base.index + 1
    LogIndex payloads_from;      // entries below this index carry no payload, but for those of kind membership
    LogIndex decided;            // a lower bound is fine
    LogIndex applied;            // by the local server
    bool rebuilding = false;     // a rebuild was begun and not finished: the database's content is void
    // Outcomes at `base`, as they came with JournalWrite::reset; the journal drops them when it drops entries behind
    // that base (JournalWrite::drop_before). Without them everything up to the base counts as forgotten.
    LogIndex outcomes_floor;
    TxnId forgotten;
    std::vector<OutcomeRecord> outcomes;
    // Payload bytes of the kept entries that come without their payload.
    std::uint64_t payload_bytes_left_out = 0;
};

// --- inputs ----------------------------------------------------------------------------------------------------------

struct Tick {};  // 10 ms of the owner's monotonic clock

struct MessageReceived {
    Voter from;
    PeerMessage message;
};

// A node we could dial, learnt from a beacon, the configuration or the membership. A hint, nothing more.
struct LinkUp {
    NodeId peer;
};
struct LinkDown {  // hint: the peer's socket closed
    NodeId peer;
};

struct JournalCompleted {
    OpId op;
    Epoch epoch;  // as in the JournalWrite it belongs to
};

// The local database. Sent whenever a field changes, at most once per tick otherwise.
struct LocalReport {
    LogIndex applied;          // decided entries the server has, contiguous
    LogIndex durable_applied;  // and flushed
    bool server_up = false;
    bool fenced = false;
    bool leaving_office = false;  // the path of DESIGN §3.1 is still under way: not fit
    bool disk_stalled = false;
    bool idle = true;  // no transaction, temporary table or user lock is open: a hand-over would disturb nobody
    Payload format_description;  // of the running server's binary log: the payload of our no-op entries
};

// Only accepted while this node is coordinator of `epoch` and serving; otherwise ProposalRefused.
struct Propose {
    ProposalToken token;
    Epoch epoch;
    Entry entry;  // id and digest are filled in by the core
};

struct ReadIndexQuery {
    ReadToken token;  // increasing
};

// Fate of a transaction or of a session's request. Answered at the coordinator once its own no-op is decided.
struct OutcomeQuery {
    std::uint64_t token = 0;
    TxnId txn;  // or
    SessionId session;
    RequestNumber request;
    LogIndex seen;  // retries: the decided index the client knew when it first sent
};

// Payloads the core asked for with ReadEntries, from the journal.
struct EntriesRead {
    NodeId peer;
    Epoch epoch;
    std::vector<Entry> entries;
};

struct StepDown {  // operator's command
    std::uint64_t token = 0;
};

// Coordinator only. Answered with CommandAnswer once decided, or refused with the reason. An incarnation of 0 means
// whichever journal that node has (remove), or said hello with (add).
struct ChangeMember {
    enum class Kind : std::uint8_t { add, remove };
    std::uint64_t token = 0;
    Kind kind = Kind::add;
    Voter voter;
    std::string address;
};

// The database diverged, was wiped, or an operator asks: it is to be loaded from another node's.
struct RebuildWanted {
    std::string reason;
};
// The transfer broke off. The core asks again after a back-off.
struct RebuildFailed {
    std::string reason;
};
// The database now holds exactly the entries up to `point.applied`; its position row is written.
struct SnapshotInstalled {
    DumpPoint point;
};

// This node serves a dump that holds the entries up to `applied`, or more: what its receiver needs besides stays in the
// log, within the hard limits. A later PinLog replaces it.
struct PinLog {
    LogIndex applied;
};
struct UnpinLog {};

// The session layer is quiet and holds new work back, as asked by Effects::quiesce; or gave up waiting.
struct Quiesced {
    bool done = false;
};

using Input = std::variant<Tick, MessageReceived, LinkUp, LinkDown, JournalCompleted, LocalReport, Propose,
                           ReadIndexQuery, OutcomeQuery, EntriesRead, StepDown, Quiesced, ChangeMember, RebuildWanted,
                           RebuildFailed, SnapshotInstalled, PinLog, UnpinLog>;

// --- effects ---------------------------------------------------------------------------------------------------------

// One atomic journal write. `sync` false: may ride on the next synced one (a lost decided index costs nothing).
struct JournalWrite {
    OpId op;
    Epoch epoch;
    bool sync = true;
    std::optional<HardState> hard;
    std::optional<Membership> signed_list;
    std::optional<Membership> base_membership;  // the cluster is formed
    std::optional<LogIndex> truncate_after;     // drop entries above, before appending
    std::vector<Entry> entries;
    std::optional<LogIndex> decided;
    std::optional<LogIndex> drop_before;  // entries below may be removed for good; outcomes kept from a reset go, too
    std::optional<bool> rebuilding;       // durable marker
    // Replaces the whole kept log by this base, before anything else in this write is done.
    std::optional<Snapshot> reset;
    std::optional<Incarnation> incarnation;  // of this journal from now on; its earlier one never speaks again
};

struct Send {
    NodeId to;
    PeerMessage message;
};

enum class Role : std::uint8_t { unformed, follower, candidate, coordinator, learner };
[[nodiscard]] const char* to_string(Role role);

struct RoleChanged {
    Role role = Role::unformed;
    Epoch epoch;
    NodeId coordinator;  // 0 = none known
    std::string reason;
};

// The coordinator's no-op is decided and its server has applied everything decided: it may serve writes and reads.
struct OfficeOpened {
    Epoch epoch;
    LogIndex noop_index;
};
// No longer coordinator of `epoch`: take the one path of DESIGN §3.1, then report leaving_office = false.
struct OfficeClosed {
    Epoch epoch;
    std::string reason;
};

// Entries in (from, up_to] are decided and durable here: apply or commit them, in order.
struct Decided {
    LogIndex from;
    LogIndex up_to;
};

struct ProposalAccepted {  // has its place in the log; the outcome follows with Decided, or ProposalUnknown
    ProposalToken token;
    EntryId id;
};
struct ProposalRefused {  // never given to the journal: a definite failure
    ProposalToken token;
    Error error;
};
struct ProposalUnknown {  // office was lost before the entry was decided
    ProposalToken token;
    EntryId id;
};

struct ReadIndexAnswer {  // covers every query with an equal or smaller token
    ReadToken token;
    bool accepted = false;  // false: no coordinator known or it does not serve; ask again
    LogIndex index;
};

enum class Fate : std::uint8_t { decided, absent, too_old, not_coordinator };
struct OutcomeAnswer {
    std::uint64_t token = 0;
    Fate fate = Fate::absent;
    EntryId id;
    TxnId txn;
    Outcome outcome;
};

// A hand-over is due: hold new work back for at most 200 ms, answer with Quiesced.
struct Quiesce {
    NodeId successor;
};
struct QuiesceEnd {};  // given up: let work go on

struct ReadEntries {
    NodeId peer;
    Epoch epoch;
    LogIndex from;
    LogIndex to;  // inclusive; at most prepare_entries_max
};

// Start a transfer from `donor`, in place of one that may still run. The marker is durable: applying has stopped for
// good, and what the database holds is void.
struct RebuildNeeded {
    NodeId donor;
    std::string reason;
};
// SnapshotInstalled is durable: normal work goes on, and Decided follows from point.applied.
struct RebuildOver {};

// The journal was lost or replaced; this identity is durable and belongs on every message from here on.
struct IdentityTaken {
    Incarnation incarnation;
};

struct CommandAnswer {
    std::uint64_t token = 0;
    Status status;
    LogIndex index{};  // of the entry with the new membership; 0 for other commands and refusals
};

// Formation or configuration cannot go on without a person; repeated only when the text changes.
struct Complaint {
    std::string text;
};

struct Trace {
    std::string text;  // one line, for the log at debug level and for golden scripts
};

using Effect = std::variant<Send, RoleChanged, OfficeOpened, OfficeClosed, Decided, ProposalAccepted, ProposalRefused,
                            ProposalUnknown, ReadIndexAnswer, OutcomeAnswer, Quiesce, QuiesceEnd, ReadEntries,
                            RebuildNeeded, RebuildOver, IdentityTaken, CommandAnswer, Complaint, Trace>;

struct Effects {
    std::optional<JournalWrite> journal;
    std::vector<Effect> now;  // in the order they came up
};

}  // namespace ddb::core
