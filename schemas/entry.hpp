// One entry of the replicated log and its parts. Plain values; entries are immutable once proposed, so their payload is
// shared between the core, the journal thread, the peer links and the applier instead of being copied.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/ids.hpp"

namespace ddb {

// Largest change of one row: an UPDATE's event has it twice, and one statement may write 64 MiB.
inline constexpr std::size_t row_event_bytes_max = 144u << 20;

// Largest payload of one log entry. The rows of a larger transaction travel in `rows_part` entries.
inline constexpr std::size_t entry_payload_bytes_max = 64u << 20;

// Immutable bytes with shared ownership; copying costs a reference count.
class Payload {
  public:
    Payload() = default;
    explicit Payload(std::string bytes)
        : bytes_(bytes.empty() ? nullptr : std::make_shared<const std::string>(std::move(bytes))) {}

    [[nodiscard]] std::string_view view() const { return bytes_ ? std::string_view(*bytes_) : std::string_view(); }
    [[nodiscard]] std::size_t size() const { return bytes_ ? bytes_->size() : 0; }
    friend bool operator==(const Payload& a, const Payload& b) { return a.view() == b.view(); }

  private:
    std::shared_ptr<const std::string> bytes_;
};

struct EntryId {
    Epoch epoch;
    LogIndex index;
    friend constexpr auto operator<=>(const EntryId&,
                                      const EntryId&) = default;  // epoch first: the order of "newer log"
};

enum class EntryKind : std::uint8_t {
    noop = 1,        // first entry of each tenure; payload = Format_description event of the coordinator's server
    rows = 2,        // payload = RowsPayload
    statement = 3,   // DDL and account statements; payload = StatementPayload
    membership = 4,  // payload = Membership
    marker = 5,      // global snapshot
    audit = 6,
    // Some of the rows of a transaction too large for one entry; payload as of `rows`, without effect by itself. All of
    // them come before, and in the epoch of, the entry of the same transaction that names them: a `rows_end`, or the
    // `statement` of a CREATE … SELECT. Without that entry they are void.
    rows_part = 7,
    rows_end = 8,  // the transaction takes effect; payload = PartsRange
};

// Its transaction left its id in ddb_meta.applied of the coordinator's server.
[[nodiscard]] constexpr bool leaves_marker(EntryKind kind) {
    return kind == EntryKind::rows || kind == EntryKind::rows_end;
}

// What a client was told, or would have been told; remembered so that a retried request gets the first answer.
struct Outcome {
    std::uint64_t affected_rows = 0;
    std::uint64_t last_insert_id = 0;
    std::uint16_t warnings = 0;
    std::uint16_t error_code = 0;  // statements that fail with effects: the error is the expected result everywhere
    std::string info;              // the OK packet's info text ("Rows matched: …"), or the error's message
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

struct Entry {
    EntryId id;
    EntryKind kind = EntryKind::noop;
    TxnId txn;
    SessionId session;      // empty for entries no client asked for
    RequestNumber request;  // of that session
    std::uint32_t statement_count = 0;
    std::uint64_t row_count = 0;
    std::uint64_t created_at_us = 0;  // wall clock of the coordinator, information only
    Outcome outcome;
    Payload payload;
    Digest digest;  // BLAKE2b over the previous entry's digest and every field above (see digest.hpp)
};

// Body of a `rows` entry: whole binary-log events as the server wrote them (Table_map and rows events, without the
// events of ddb_meta), to be applied under the format description of the newest noop entry of the same epoch.
// Kept as raw concatenated events; each event carries its own length in its header.

// Where the parts of a transaction lie in the log: the `rows_part` entries with its id from `first` on, `count` of
// them. Their payloads, one behind the other, are such events; each may begin and end in the middle of one.
struct PartsRange {
    LogIndex first;
    std::uint32_t count = 0;
    friend bool operator==(const PartsRange&, const PartsRange&) = default;
};

// Body of a `statement` entry: msgpack of this struct.
struct StatementPayload {
    std::string
        events;  // the captured events (Query events with status variables, and rows of CREATE … SELECT); may be empty
    std::string sql;  // the text as the binary log shows it; empty when `events` tells everything
    std::string database;
    std::uint16_t expected_error = 0;
    bool secret = false;              // carries a password: never into a log, trace or listing
    std::optional<PartsRange> parts;  // rows that follow those in `events`
};

// The members of the cluster. Kept sorted by id.
struct Member {
    Voter voter;
    bool learner = false;
    std::string address;  // "host:port" of the peer link; a hint, may be stale
    friend bool operator==(const Member&, const Member&) = default;
};
struct Membership {
    ClusterUuid cluster;
    std::vector<Member> members;
    friend bool operator==(const Membership&, const Membership&) = default;
};

// One remembered outcome: see node/core/outcomes.hpp.
struct OutcomeRecord {
    EntryId id;
    TxnId txn;
    SessionId session;
    RequestNumber request;
    Outcome outcome;
    friend bool operator==(const OutcomeRecord&, const OutcomeRecord&) = default;
};
inline constexpr std::size_t outcomes_max = 10'000;

// What a node needs besides the database's contents to go on from a log position.
struct Snapshot {
    EntryId last;                         // the log begins behind it; the database holds what is before
    Digest digest;                        // of that entry (chained)
    Membership membership;                // newest at `last`
    LogIndex outcomes_floor;              // outcomes of entries up to here are forgotten
    TxnId forgotten;                      // no newer transaction has been forgotten
    std::vector<OutcomeRecord> outcomes;  // ascending by index, at most outcomes_max
    friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// A dump of a database: the entries up to `applied` are in it. The log that goes with it begins behind `log.last`,
// which is earlier where parts of a transaction that may yet take effect lie before `applied`.
struct DumpPoint {
    EntryId applied;
    Snapshot log;
    friend bool operator==(const DumpPoint&, const DumpPoint&) = default;
};

}  // namespace ddb
