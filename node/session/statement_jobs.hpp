// What executors do for back sessions: whole sequences of calls on one connection, blocking, without any shared state.
// Every function takes the connection and gives it back in its report; null there means that it is gone, and with it
// whatever was not prepared.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/session/classifier.hpp"
#include "node/session/file_source.hpp"
#include "node/session/hidden_commands.hpp"
#include "node/session/named_tables.hpp"
#include "node/session/results.hpp"
#include "node/storage/local_database.hpp"

namespace ddb::session {

struct StatementJob {
    const storage::LocalDatabase* database = nullptr;
    storage::Journal* journal = nullptr;
    std::string sql;
    StatementKind kind = StatementKind::dml;
    std::shared_ptr<FileSource> file;  // of LOAD … LOCAL
    SessionId session;
    RequestNumber request;
    std::string xid;
    TxnId txn;
    std::shared_ptr<CreditStream> stream;
    std::uint64_t kept_bytes_max = 0;
    bool check_first = false;    // XA START must have succeeded before the statement is sent, not just stand in front
    bool describe = false;       // of run_plain: do not run it
    bool begin = false;          // of run_in_transaction: XA START goes ahead
    bool read_only = false;      // the transaction is
    bool read_write = false;     // the transaction is, unlike others of the session
    bool snapshot = false;       // and its read view opens with it
    std::uint64_t sequence = 0;  // of run_definition
    bool grant = false;          // likewise: it may fail with effects and without a word in the log
    bool temporary_tables = false;    // the session has some
    std::string refused_without_key;  // likewise: see Classified
    std::string prepared_text;        // of EXECUTE, where it is known
    std::string user;                 // to look at the server after a lost connection
    std::string password;
    storage::LoginOptions login;
};

struct JobReport {
    std::unique_ptr<storage::Connection> connection;
    StatementEnd end;
    std::deque<SessionMessage> kept;  // result that waits for the decision
    bool prepared = false;            // XA PREPARE returned and a group was logged
    bool xa_uncertain = false;        // the connection was lost during XA PREPARE
    bool xa_active = false;           // of run_in_transaction: still there
    bool logged = false;              // of run_definition
    bool uncertain = false;           // of run_definition: nobody knows whether it ran
    bool left_state = false;          // as Connection::left_state()
    bool autocommit_off = false;      // in the server, behind what failed and hides statements
    std::string last_gtid;
    std::string settings_event;                   // of run_definition
    std::string ran;                              // likewise, and of name_columns: the text instead of the client's
    KeptWarnings warnings;                        // that the server does not know any more
    std::uint64_t wait_ms = 0;                    // of ask_lock_wait
    std::string value;                            // of a variable that was asked for
    HiddenCommand hidden = HiddenCommand::other;  // of run_in_transaction, where the server says that it commits
    std::optional<std::string> hidden_text;       // of PREPARE; of an EXECUTE where the server says that it commits
};

using ConnectionPtr = std::unique_ptr<storage::Connection>;

[[nodiscard]] JobReport run_plain(ConnectionPtr connection, const StatementJob& job);
// PREPARE: the text that was meant may be refused, as it would be by itself.
[[nodiscard]] JobReport run_prepare(ConnectionPtr connection, const StatementJob& job);
// Of an EXECUTE that commits: it may be a definition, and is one then.
void learn_hidden_text(JobReport& report, const StatementJob& job);
// What the server says of the statement without running it; the client sees nothing of it.
[[nodiscard]] JobReport look_at(ConnectionPtr connection, const StatementJob& job);
// Under locks that the server takes for it and gives up again; errors are those of the session's own that forbid it.
[[nodiscard]] JobReport ask_under_locks(ConnectionPtr connection, const StatementJob& job, const std::string& lock_sql,
                                        const LockQuestions& questions);
// How long its session wants to wait for a table.
[[nodiscard]] JobReport ask_lock_wait(ConnectionPtr connection, const StatementJob& job);
// Runs nothing: so that the warnings of the statement before outlast what is said on its connection next.
[[nodiscard]] JobReport keep_last_warnings(ConnectionPtr connection, const StatementJob& job);
// As a statement of its own: read-only first, again as a write when the server says 1792 and `read_only` does not.
[[nodiscard]] JobReport run_read(ConnectionPtr connection, const StatementJob& job);
// As a statement of its own, up to and including XA PREPARE.
[[nodiscard]] JobReport run_write(ConnectionPtr connection, const StatementJob& job);
[[nodiscard]] JobReport run_in_transaction(ConnectionPtr connection, const StatementJob& job);
// What run_in_transaction() sends ahead of the statement; and whether it calls the server once, if nothing fails, with
// no more than start_early() takes.
[[nodiscard]] std::vector<std::string> before_in_transaction(const StatementJob& job);
[[nodiscard]] bool is_one_call(const StatementJob& job);
[[nodiscard]] JobReport prepare(ConnectionPtr connection, const StatementJob& job);
// Of a transaction that was read-only: what it wrote to temporary tables stays.
[[nodiscard]] JobReport commit_read_only(ConnectionPtr connection, const StatementJob& job);
// Of no transaction: the server forgets what SET TRANSACTION said about the next one.
[[nodiscard]] JobReport forget_next(ConnectionPtr connection, const StatementJob& job);
[[nodiscard]] JobReport roll_back(ConnectionPtr connection, const StatementJob& job);
// Under a statement GTID of its own, outside XA (FACTS 35).
[[nodiscard]] JobReport run_definition(ConnectionPtr connection, const StatementJob& job);
// A transaction whose PREPARE may have happened on a connection that is gone; tries for some seconds.
[[nodiscard]] bool roll_back_orphan(const storage::LocalDatabase& database, const StatementJob& job);

// The same wherever the session connects: here, at the coordinator, and again after a loss.
[[nodiscard]] inline storage::LoginOptions login_of(const OpenSession& open) {
    return {open.found_rows, open.collation, open.interactive, open.host, open.port, open.tls};
}

using storage::xa_sql;

// Server errors after which only rollback is possible (FACTS 10).
[[nodiscard]] constexpr bool ends_transaction(std::uint16_t code) {
    return code == 1213 || code == 1020;
}
// What a session is told that uses a table otherwise than it has locked it; or that somebody killed the question.
[[nodiscard]] constexpr bool forbidden_by_locks(std::uint16_t code) {
    constexpr std::uint16_t not_for_writing = 1099;
    constexpr std::uint16_t not_locked = 1100;
    return code == not_for_writing || code == not_locked || code == error_interrupted;
}

[[nodiscard]] inline Error under_locks() {
    return Error{ErrorCode::sql,
                 "Can't execute the given command because you have active locked tables or an active transaction", 1192,
                 "HY000"};
}

// What they run is known to the server only: it may leave the session in a state in which XA START fails.
[[nodiscard]] constexpr bool hides_statements(StatementKind kind) {
    return kind == StatementKind::call || kind == StatementKind::execute;
}
// One entry of the log could not keep the order of what these commit.
[[nodiscard]] inline bool runs_several(const Classified& statement) {
    return statement.kind == StatementKind::call || statement.block;
}
// As a client is told, of a statement or of the transaction that it ran in.
[[nodiscard]] Error lost_connection(const Error& cause, bool in_transaction);
[[nodiscard]] Error cannot_commit(const Classified& statement, Error error);

}  // namespace ddb::session
