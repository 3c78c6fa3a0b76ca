// This node's database server as the rest of the node sees it: one object that owns the managed server (or the link to
// an external one), the capture thread, the apply thread and the committer. It decides nothing: it is told what is
// decided. Public calls are made on the loop thread and never block, unless said otherwise; answers come as events on
// `sink`, which is called on this module's threads and must be quick (it posts into the loop's mailbox).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "node/storage/connection.hpp"
#include "node/storage/definition_clock.hpp"
#include "node/storage/journal.hpp"
#include "node/storage/other_copies.hpp"
#include "schemas/audit_messages.hpp"
#include "schemas/entry.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// How our transactions are told from other people's in XA RECOVER: every xid begins with this (then 128 random bits in
// hex).
inline constexpr std::string_view xid_prefix = "ddb-";
[[nodiscard]] std::string random_xid();
// XA START and its kin. The name goes as bytes: a text would be of the session's character set, in which it may be too
// long.
[[nodiscard]] std::string xa_sql(const char* verb, const std::string& xid);

// The GTID sequence number under which the statement entry of `txn` runs, on the coordinator as on every follower: it
// is how a server tells after a crash whether it ran. Multiples of 16: should one statement write several groups, the
// server numbers them onwards and they are still recognised; Captured::sequence is always the first.
[[nodiscard]] constexpr std::uint64_t statement_sequence(TxnId txn) {
    return (txn.epoch.value << 40) | ((txn.counter << 4) & ((std::uint64_t{1} << 40) - 1));
}

struct DatabaseOptions {
    bool managed = true;
    std::string server_program;  // of managed: empty = found in PATH (mariadbd, mysqld)
    std::string data_dir;        // of the node: the server's files lie below it in mysql/
    std::uint16_t tcp_port = 0;  // managed: 0 = socket only
    Endpoint external;
    std::string service_user = "ddb";
    std::string service_password;
    NodeId node;
    std::uint64_t transaction_bytes_max = 1u << 30;  // max_binlog_cache_size
    int lock_wait_ms = 30'000;
    std::uint32_t committed_log_rows = 10'000;  // kept in ddb_meta.transactions_log
    bool demand_keys = true;                    // of every table; false: tests that have tables without
    bool content_void = false;  // a rebuild was begun and not finished: nothing in there may be served or applied to
};

// --- events ----------------------------------------------------------------------------------------------------------

struct ServerUp {
    LogIndex applied;  // position row plus the contiguous markers
    Payload format_description;
    std::string version;
    std::uint64_t pid = 0;           // of a managed server
    bool extended_metadata = false;  // as Connection has it
};
struct ServerDown {
    std::string reason;
};
struct Applied {
    LogIndex index;
    LogIndex durable;
};
// Where the rows of a group lie in the binary log that was too large to be held in memory.
struct GroupPlace {
    std::string file;
    std::uint32_t begin = 0;  // offset of the group's first event
    std::uint32_t end = 0;    // offset of what follows it
    std::size_t largest_event_bytes = 0;
    std::uint32_t row_events = 0;  // that belong into the payload
    // Ranges of it that were undone by ROLLBACK TO SAVEPOINT, ascending by their ends.
    std::vector<std::pair<std::uint32_t, std::uint32_t>> undone;
};
// A group of the binary log, in the order of the binary log. Only between OfficeReady and close_office().
struct Captured {
    enum class Kind : std::uint8_t {
        xa,         // a prepared transaction: `xid`
        statement,  // runs under our statement GTID domain: `sequence`
        other,      // neither: sequence groups, or somebody else's write; `thread_id` says whose
    };
    Epoch epoch;  // of the office
    Kind kind = Kind::other;
    std::string xid;
    std::uint64_t sequence = 0;
    std::uint64_t thread_id = 0;
    std::string gtid;
    std::uint32_t row_events = 0;
    std::uint64_t rows = 0;
    std::string events;           // payload for a `rows` entry, ddb_meta stripped; empty: nothing but our own marker
    bool logged_as_text = false;  // of kind xa: not all of it was logged as rows, nobody can repeat it
    bool changes_statistics = false;  // in rows that are not among the events: the transaction is not for nothing
    std::optional<GroupPlace> place;  // the rows are to be read from there, and `events` holds none
    StatementPayload statement;       // of kind statement (a CREATE … SELECT has several groups under one sequence)
    bool ddl = false;                 // of kind other
    bool server_tables = false;   // some rows are of schema mysql, whose tables MariaDB changes outside transactions
    bool unchecked_keys = false;  // some rows were written under foreign_key_checks=0
};
// The next piece of the group that read_group() named, payload for a `rows_part` entry: all pieces together are whole
// events.
struct CapturedPart {
    Epoch epoch;
    std::string events;
    bool last = false;
};
struct OfficeReady {  // writes may begin: everything applied, read_only lifted, capture stands at the end of the binary
                      // log
    Epoch epoch;
};
struct OfficeLeft {  // nothing of that tenure is prepared or running any more, read_only is set
    Epoch epoch;
};
// An entry of our own tenure took effect here: XA COMMIT returned (or there was nothing to do).
struct Committed {
    LogIndex index;
    std::unique_ptr<Connection> connection;  // given back to its session; null when it broke (the commit still holds)
};
struct Fenced {  // this database differs from the log, or may: nothing more is applied or read here
    std::string reason;
};
// The audit's snapshot at `index` is taken and its tables are listed, or `failed` says why not: definitions may change
// again.
struct AuditCut {
    LogIndex index;
    std::string failed;
};
struct Audited {
    LogIndex index;
    std::string failed;  // empty: `tables` holds every table
    std::vector<AuditedTable> tables;
};
struct ForeignWrite {  // seen in the binary log, owned by nobody of ours, applied or not by us
    std::string description;
};

// State transfer, receiver (DESIGN §3.5). `attempt` is what begin_rebuild() was given: an answer to an earlier one is
// told by it.
struct RebuildReady {  // the server is empty and waits for the dump
    std::uint64_t attempt = 0;
};
// What the loaded dump says of itself: it holds everything up to `index`, and the transactions with these markers.
struct LoadedPosition {
    std::uint64_t attempt = 0;
    LogIndex index;
    std::vector<std::uint64_t> markers;  // ascending
};
struct RebuildLoaded {  // it holds the snapshot, durably; still nothing is served
    std::uint64_t attempt = 0;
};
struct RebuildBroken {  // one of the steps failed; begin_rebuild() starts all over
    std::uint64_t attempt = 0;
    std::string reason;
};

using DatabaseEvent =
    std::variant<ServerUp, ServerDown, Applied, Captured, CapturedPart, OfficeReady, OfficeLeft, Committed, Fenced,
                 ForeignWrite, AuditCut, Audited, RebuildReady, LoadedPosition, RebuildLoaded, RebuildBroken>;

// What leads from one table to others: who reads it without naming it, and which tables the server's own checks tie
// together.
struct NamedText {
    std::string name;
    std::string text;
};

struct StoredTexts {
    std::vector<NamedText> readable;  // views, functions and packages: what a query can name
    std::vector<NamedText> procedures;
};

struct TableUsers {
    std::vector<NamedText> by_text;     // views and routines, with what they consist of
    std::vector<NamedText> by_trigger;  // tables, with what their triggers do
    std::vector<NamedText> by_key;      // tables, with the name of another one, at either end of a foreign key
};

// --- calls -----------------------------------------------------------------------------------------------------------

class LocalDatabase {
  public:
    using Sink = std::function<void(DatabaseEvent)>;

    // Blocks until the server runs, is checked, has the ddb_meta schema and went through recovery (XA ROLLBACK of ours,
    // read_only). Errors name the variable or file and the remedy. `journal` must outlive this object.
    [[nodiscard]] static Result<std::unique_ptr<LocalDatabase>> start(const DatabaseOptions& options, Journal& journal,
                                                                      Sink sink);
    ~LocalDatabase();  // blocks: stops the threads, then a managed server (SIGTERM, SIGKILL after 20 s)

    [[nodiscard]] ServerUp initial() const;  // state after start
    [[nodiscard]] bool had_meta() const;     // ddb_meta existed before this start
    [[nodiscard]] bool has_user_data() const;
    [[nodiscard]] std::string metadata_cluster() const;  // hex UUID recorded in ddb_meta, empty before formation
    Status record_cluster(const std::string& uuid);      // blocking, once, at formation

    // Entries up to here are decided and durable in our journal. In office, entries of the tenure are committed through
    // what was registered; everything else is applied from its events, read from the journal.
    void decided(LogIndex up_to);
    // A read waits until `index` is applied: applied at once, not gathered with later entries.
    void hurry(LogIndex index);

    // DESIGN §3.1. open: answered by OfficeReady. close: answered by OfficeLeft; end the sessions' own work first by
    // dropping their connections where possible; whatever remains is killed here.
    void open_office(Epoch epoch, LogIndex noop_index);
    void close_office(Epoch epoch);

    // A prepared transaction of the open office whose entry has its place in the log: committed when `decided` reaches
    // it.
    void register_prepared(LogIndex index, TxnId txn, std::string xid, std::unique_ptr<Connection> connection);
    // An entry of the open office that has already taken effect (a statement) or has none here.
    void register_done(LogIndex index, bool part);
    // Of the open office: begins to read the rows of a large group. Each piece comes when it is asked for; where that
    // fails, the office ends. One group at a time: the one before has ended.
    void read_group(Epoch epoch, GroupPlace place);
    void want_part();
    // Before one is given up that differs from the log by a statement, this must be known; where there is no other copy
    // it stays.
    void set_other_copies(OtherCopies copies);
    void fence(std::string reason);  // → Fenced: whoever captures knows that this database differs from the log
    // The audit entry of the open office. On whatever node it takes effect: → AuditCut, then Audited.
    void register_audit(LogIndex index);
    void end_audit();  // its result is not wanted any more

    // Any thread, blocking: a connection as that user. Reads on any node; writes only while the office is open.
    [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const std::string& user, const std::string& password,
                                                              const std::string& database,
                                                              const LoginOptions& login = {}) const;
    // Any thread. Whether the server compares the host of a login with its account's: else each is one of its own host.
    [[nodiscard]] bool knows_hosts() const;
    // Any thread, blocking: KILL of a connection or its running statement, by the service account.
    Status kill(std::uint64_t connection_id, bool query_only) const;
    // Any thread. First part of every write transaction, sent ahead of the user's first statement (Connection::start
    // with `before`): XA START and the marker for `txn`.
    [[nodiscard]] std::vector<std::string> begin_sql(const std::string& xid, TxnId txn) const;
    // XA END and XA PREPARE; the last OK packet's gtid says whether anything was logged.
    [[nodiscard]] std::vector<std::string> prepare_sql(const std::string& xid) const;
    // Before and after a statement that replicates as text: sets its GTID (domain 7777, `sequence`) and sets it back,
    // through definer-rights procedures. One that may leave traces is not known to have run, or not to have, where the
    // server ended in its middle; for others the binary log is forced to the disk meanwhile.
    [[nodiscard]] std::vector<std::string> statement_begin_sql(std::uint64_t sequence,
                                                               bool may_leave_traces = false) const;
    [[nodiscard]] std::vector<std::string> statement_end_sql() const;
    // The GTID of the last group that the statement under `sequence` wrote, empty when it wrote none: asked on the
    // connection it ran on, or on another one when that is gone and the statement has ended.
    [[nodiscard]] static Result<std::string> statement_gtid(Connection& connection, std::uint64_t sequence);
    [[nodiscard]] static Result<std::string> lost_statement_gtid(Connection& connection, std::uint64_t sequence);
    // Any thread, blocking. What was committed and what was logged so far is on the disk when it returns.
    Status force_to_disk() const;
    // Which run of the server may leave traces of a definition that it does not log; 0: none.
    [[nodiscard]] static Result<std::uint64_t> traces_of_run(Connection& connection);
    // An event for the front of a statement entry: settings of the user's session that the server's own do not tell.
    [[nodiscard]] static Result<std::string> settings_event(Connection& user);
    // For a statement of which there is no Query event: also what these would tell.
    [[nodiscard]] static Result<std::string> whole_settings_event(Connection& user);

    // Any thread. Those that are applied are counted; a coordinator's sessions count theirs.
    [[nodiscard]] DefinitionClock& definitions() const;

    // Any thread. Whether every table has to have a primary key.
    [[nodiscard]] bool demands_keys() const;

    // Any thread, blocking: see privileges_digest.hpp.
    [[nodiscard]] Result<std::string> privileges_digest() const;
    // Any thread, blocking: see orphan_routines.hpp.
    [[nodiscard]] Status drop_orphan_routines(const std::string& replaced) const;
    // Any thread, blocking: by the service account, of a transaction whose connection is gone, or can say it no more.
    [[nodiscard]] Status roll_back(const std::string& xid) const;
    // Any thread, blocking. Gives a user's session the rights that everybody has on ddb_meta, where its active roles
    // take them away (MySQL). They count when these become active anew. Whether they were given just now.
    [[nodiscard]] Result<bool> admit_roles(Connection& user) const;
    // Any thread, blocking: see own_rows.hpp.
    [[nodiscard]] Status mend_own_rows() const;
    // Any thread, blocking: see stored_texts.hpp.
    [[nodiscard]] Result<StoredTexts> texts_about_sessions(const std::string& words) const;
    // Any thread, blocking. An error also where there are too many.
    [[nodiscard]] Result<TableUsers> table_users() const;
    // Blocks: CREATE TABLE … SELECT of this one may be seen by others' foreign key checks before it commits. One that
    // is there already is filled only where it is replaced.
    [[nodiscard]] Result<bool> fills_for_children(const std::string& database, const std::string& table,
                                                  bool replaces) const;
    // Whose rows the events of a group change; nullopt: malformed.
    [[nodiscard]] static std::optional<std::vector<std::string>> changed_tables(std::string_view events);

    // State transfer, donor: no statement entry is applied from the moment statements_held() says so until taken back.
    void hold_statements(bool hold);
    [[nodiscard]] bool statements_held() const;
    // State transfer, receiver. In this order; between begin and end nothing is served or applied, a loss of the server
    // is reported by whoever notices it, and a start in between needs DatabaseOptions::content_void.
    void begin_rebuild(std::uint64_t attempt);  // → RebuildReady: everything is gone
    void read_loaded_position();                // → LoadedPosition; after the dump was loaded
    // → RebuildLoaded. `entries`: those behind the loaded position up to `last`, of which only the fields count.
    void install_snapshot(EntryId last, std::vector<Entry> entries);
    void end_rebuild();  // → ServerUp: an ordinary server at `last`

    [[nodiscard]] const ConnectOptions& service() const;  // the account of the node's own work
    [[nodiscard]] const std::string& server_program() const;
    [[nodiscard]] std::string socket() const;
    [[nodiscard]] std::uint64_t server_pid() const;
    [[nodiscard]] bool stalled() const;  // the server does not answer or, in office, get a commit to its disk

  private:
    class Impl;
    explicit LocalDatabase(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::storage
