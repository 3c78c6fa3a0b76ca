// What a statement is, for routing: decided from its text alone, before anything runs. Pure; any thread.
//
// The classes need not be exact, only safe (FACTS 1-4): a local read that writes is refused by the server inside a
// read-only XA (1792), and what commits implicitly is refused inside any XA (1399); both are then run where they
// belong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/session/hidden_rows.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

enum class StatementKind : std::uint8_t {
    empty,        // nothing but comments
    read,         // tried read-only first; see Classified::local
    diagnostics,  // SHOW WARNINGS, SELECT @@warning_count: belongs to the connection that ran the previous statement
    use,
    begin,
    commit,
    rollback,
    savepoint,        // SAVEPOINT, ROLLBACK TO, RELEASE SAVEPOINT
    set,              // session and user variables, NAMES, ROLE
    set_transaction,  // of the next transaction only
    dml,              // everything that is nothing else: runs inside an XA
    call,
    execute,          // EXECUTE, BEGIN NOT ATOMIC and other compounds: may hide anything
    plain,            // runs outside any XA on the coordinator, changes no data: PREPARE, KILL, HELP
    temporary_table,  // CREATE / DROP TEMPORARY TABLE
    ddl,
    account,  // as ddl, and secret
    lock_tables,
    unlock_tables,
    read_lock,  // FLUSH TABLES WITH READ LOCK
    ddb_set,    // SET ddb_…: read level and write concern of the session; no server knows them
    ddb_show,   // SHOW DDB …
    refused,
};

enum class HandlerVerb : std::uint8_t { none, open, read, close };

enum class DdbView : std::uint8_t { status, nodes, transactions };

// A setting that stays as every node has it: said again, as not everybody may, and what the client is told.
struct KeptSetting {
    std::string sql;
    std::string warning;
};

// SET of what replication stands on to what a variable holds, as scripts do that put back what they found: whether it
// is what every node has is known when the variable is read. `sql` ends in front of the value.
struct AskedSetting {
    std::string sql;
    std::string variable;
    bool autocommit = false;  // it is that, of the session; any value may be said
};

struct Classified {
    StatementKind kind = StatementKind::dml;
    bool local = false;            // of read: may be tried on any node
    bool reads_tables = true;      // of set: false when no subquery or function can read
    bool secret = false;           // may carry a password
    bool grant = false;            // GRANT or REVOKE (FACTS 17)
    bool set_statement = false;    // SET STATEMENT … FOR it
    bool takes_user_lock = false;  // GET_LOCK
    bool releases_user_lock = false;
    bool session_state = false;  // success changes what later statements of the session mean
    bool consistent_snapshot = false;
    bool read_only = false;                         // of begin
    bool read_write = false;                        // of begin: it says so
    bool chain = false;                             // COMMIT / ROLLBACK AND CHAIN
    bool release = false;                           // COMMIT / ROLLBACK RELEASE: the client's connection ends with it
    std::optional<bool> autocommit;                 // of set
    std::optional<bool> read_only_default;          // SET [SESSION] TRANSACTION READ ONLY | WRITE
    std::optional<bool> each_statement_reads_anew;  // READ COMMITTED or less (true), more (false)
    std::optional<bool> serializable;               // whether the session's transactions are from here on
    bool global_isolation = false;                  // of set: sessions to come may begin at another level
    std::optional<Consistency> read_consistency;    // of ddb_set
    std::optional<WriteConcern> write_concern;      // of ddb_set
    std::optional<ReadBalance> read_balance;        // of ddb_set
    bool standard_balance = false;                  // of ddb_set: DEFAULT, as the node is configured
    bool repeatable = false;                        // of set: does the same on any server, to its session alone
    bool shows_status = false;                      // of read: SHOW STATUS
    bool of_server = false;                         // of read: tells of one server as it is now, and of no data
    bool block = false;                             // of execute: several statements, BEGIN NOT ATOMIC and its kin
    Hides hides = Hides::nothing;                   // of read: SHOW DATABASES, SHOW GRANTS and the like
    bool tableless = false;                         // of read: no table, and no function that might read one
    bool own_account = false;                       // of account: SET PASSWORD and the like, of who says it
    bool counts_anew = false;                       // FLUSH STATUS: the session's counters are looked at next
    HandlerVerb handler = HandlerVerb::none;        // of read
    bool maintains = false;                         // of ddl: FLUSH, CHECK TABLE: changes nothing that a dump has
    bool hides_handler = false;                     // PREPARE and EXECUTE: it may open one
    bool hides_temporary = false;                   // likewise, and blocks: it may make a temporary table
    DdbView view = DdbView::status;                 // of ddb_show
    std::optional<KeptSetting> kept_setting;        // of plain: a SET GLOBAL that is answered by a warning
    std::optional<AskedSetting> asked_setting;      // of plain
    std::string refusal;                            // of refused: the reason and the way out
    // Of CREATE of a table, view, routine, trigger or sequence: the database that it names, empty where it names none.
    std::optional<std::string> creates_in;
    std::string refused_without_key;  // of ddl: the reason where rows of the table have no order
};

[[nodiscard]] Classified classify(std::string_view sql);

// Perhaps. Not seen: those of procedures, functions, and texts in user variables.
[[nodiscard]] constexpr bool makes_temporary_tables(const Classified& statement) {
    return statement.kind == StatementKind::temporary_table || statement.hides_temporary;
}

// Of a user or role in SET PASSWORD and SET DEFAULT ROLE: MariaDB logs it so that no server can read it.
[[nodiscard]] constexpr bool breaks_logged_name(std::string_view name) {
    return name.find_first_of("'\\") != std::string_view::npos;
}
inline constexpr std::string_view logged_names_reason =
    "SET PASSWORD and SET DEFAULT ROLE are refused for names with a quote or backslash, which servers log without "
    "escaping them; use ALTER USER";

// True when the statement leaves user variables behind that were computed from what this coordinator's session had
// seen: saying it again on another one would give other values.
[[nodiscard]] bool computes_variables(const Classified& statement, std::string_view sql);

// True when the statement may set LAST_INSERT_ID() although the server's answer to it has no insert id.
[[nodiscard]] bool hides_generated_id(StatementKind kind, std::string_view sql);

}  // namespace ddb::session
