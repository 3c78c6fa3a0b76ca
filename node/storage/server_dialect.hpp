// What differs between the database servers ddb runs beside: each difference once, with its reason. Everything else in
// this folder speaks to both alike. Immutable and without state; one object for each kind, shared by all threads.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "node/storage/binlog_stream.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

class Connection;
struct ConnectOptions;
struct StatementContext;

// One row of these expressions, which comes as it is also in a user's session: whatever its character_set_results, that
// may turn digits into other bytes, and its sql_select_limit, that may leave no row.
[[nodiscard]] std::string select_as_is_sql(std::initializer_list<std::string_view> expressions);

class ServerDialect {
  public:
    // By what the server says of its version.
    [[nodiscard]] static const ServerDialect& of(std::string_view version);

    virtual ~ServerDialect() = default;
    ServerDialect(const ServerDialect&) = delete;
    ServerDialect& operator=(const ServerDialect&) = delete;

    [[nodiscard]] virtual bool speaks(const std::string& version) const = 0;  // new enough for what stands here

    // --- sessions and settings ---
    // What every session of the service account begins with, and every session of a user's.
    [[nodiscard]] virtual std::string service_session_sql() const = 0;
    [[nodiscard]] virtual std::string user_session_sql(int lock_wait_s) const = 0;
    // The applier's, behind that: what rows are calculated with where nothing tells of the session that wrote them.
    [[nodiscard]] virtual std::string applier_session_sql() const = 0;
    // The audit's, which reads one snapshot.
    [[nodiscard]] virtual std::string audit_session_sql() const = 0;
    // Status variables: how far the storage engine's log was written, and how much of it is on disk.
    struct RedoLogCounters {
        const char* written;
        const char* flushed;
    };
    [[nodiscard]] virtual RedoLogCounters redo_log_counters() const = 0;
    // RENAME TABLE takes temporary tables, and is logged for them too.
    [[nodiscard]] virtual bool logs_temporary_renames() const = 0;
    // CREATE TABLE … SELECT keeps its rows from others' foreign key checks until it commits. Where it does not, one may
    // have inserted a child of a row that is in the binary log behind it.
    [[nodiscard]] virtual bool locks_what_it_fills() const = 0;
    // INSERT … VALUES without a list of columns calculates no defaults of invisible ones.
    [[nodiscard]] virtual bool leaves_out_defaults() const = 0;
    [[nodiscard]] virtual bool has_sequences() const = 0;
    // DROP DATABASE that is ended when its tables are gone says OK, and keeps the routines.
    [[nodiscard]] virtual bool leaves_routines_behind() const = 0;
    [[nodiscard]] virtual bool is_mysql() const = 0;
    // Stored columns are calculated anew where rows are applied; else they come with the row.
    [[nodiscard]] virtual bool calculates_rows() const = 0;
    // Where a difference of unsigned numbers is an error or not, as the mode was of whatever session opened the table:
    // the modes to try one after the other.
    [[nodiscard]] virtual std::vector<std::string> arithmetic_modes_sql() const = 0;
    // Whatever runs behind a statement, XA END and XA ROLLBACK too, takes away what SHOW WARNINGS tells of it.
    [[nodiscard]] virtual bool forgets_warnings() const = 0;
    // Global settings that only a running server takes, or only once its own tables are complete.
    [[nodiscard]] virtual std::vector<std::string> server_settings_sql() const = 0;
    // When this run of the server began, in seconds of the host's clock: definitions that it is in the middle of when
    // it ends may leave traces without their group in the binary log. 0: it leaves none.
    [[nodiscard]] virtual Result<std::uint64_t> traces_of_run(Connection& connection) const = 0;
    [[nodiscard]] virtual std::string require_primary_keys_sql(bool on) const = 0;
    // A server of this version that demands a key of every table lets ALTER TABLE and DROP INDEX take it away.
    [[nodiscard]] virtual bool lets_keys_go(std::string_view version) const = 0;

    // --- binary log ---
    [[nodiscard]] virtual std::string binlog_position_sql() const = 0;
    [[nodiscard]] virtual std::string forget_binlog_sql() const = 0;
    // What a session has to run behind a BINLOG statement with a Format_description event; empty: nothing.
    [[nodiscard]] virtual std::string after_format_description_sql() const = 0;
    // The GTIDs in the binary log that are not of statement entries.
    [[nodiscard]] virtual Result<std::string> foreign_gtids(Connection& connection) const = 0;

    // --- statement entries: their GTID tells after a crash whether they ran ---
    // Bodies of the procedures that set it for a user's session, which must not be able to; `sequence` is the
    // parameter.
    [[nodiscard]] virtual std::string statement_begin_body() const = 0;
    [[nodiscard]] virtual std::string statement_end_body() const = 0;
    // The same for a session of the service account, run by an applier.
    [[nodiscard]] virtual std::string applied_statement_sql(std::uint64_t sequence) const = 0;
    // What succeeded on the coordinator may have done so because of settings that its event does not have.
    [[nodiscard]] virtual std::string lenient_session_sql() const = 0;
    // The GTID of the last group of the statement that ran in this session under `sequence`; empty: nothing was logged.
    [[nodiscard]] virtual Result<std::string> last_statement_gtid(Connection& connection,
                                                                  std::uint64_t sequence) const = 0;
    // As above, of a session that is gone.
    [[nodiscard]] virtual Result<std::string> found_statement_gtid(Connection& connection,
                                                                   std::uint64_t sequence) const = 0;
    // A SET statement with those of a user's session that change what a definition makes and are in no event of it.
    [[nodiscard]] virtual Result<std::string> unlogged_settings_sql(Connection& user) const = 0;
    // Only the binary log has these GTIDs; else the storage engine does, together with what ran.
    [[nodiscard]] virtual bool tells_by_binlog() const = 0;
    [[nodiscard]] virtual Result<RanStatements> ran_statements(const ConnectOptions& options,
                                                               std::uint64_t least) const = 0;
    // The settings of a Query event that the two servers write in different ways.
    virtual void add_context(const StatementContext& context, std::vector<std::string>& out) const = 0;
    [[nodiscard]] virtual std::string character_set_sql(std::uint16_t collation) const = 0;
    // CREATE USER and its like are logged in words of the server's own, which are of UTF-8 whatever the event says.
    [[nodiscard]] virtual bool logs_accounts_as_utf8() const = 0;
    // A role belongs to who created it, and only its administrators may grant it.
    [[nodiscard]] virtual bool roles_have_administrators() const = 0;

    // --- ddb_meta and accounts ---
    // Makes it anew, or for the first time.
    [[nodiscard]] virtual std::vector<std::string> create_procedure_sql(const std::string& name,
                                                                        const std::string& definition) const = 0;
    // Everybody may call the procedures of ddb_meta and read its log of transactions.
    [[nodiscard]] virtual std::vector<std::string> public_rights_sql() const = 0;
    // Rows of the server's own tables without which no node works: see own_rows.hpp.
    struct VitalTable {
        const char* table;
        const char* columns;
        std::string where;
        bool of_privileges;
        bool may_change;  // only what is gone is put back
    };
    [[nodiscard]] virtual std::vector<VitalTable> vital_tables() const = 0;
    // The active roles of a user's session, where these take them away: as a list for role_rights_sql(), else empty.
    [[nodiscard]] virtual Result<std::string> inactive_rights(Connection& user) const = 0;
    [[nodiscard]] virtual std::vector<std::string> role_rights_sql(const std::string& roles) const = 0;
    // What the accounts of that name (or of none) keep that log in by the name of the system's user who connects: a row
    // each, whose text has the hashes of passwords that would do as well.
    [[nodiscard]] virtual std::string system_logins_sql(const std::string& escaped_user) const = 0;
    struct PrivilegeTable {
        const char* name;
        const char* user_column;
    };
    [[nodiscard]] virtual std::vector<PrivilegeTable> privilege_tables() const = 0;
    [[nodiscard]] virtual std::vector<std::string> system_accounts() const = 0;  // every server makes its own

    // --- state transfer and audit ---
    [[nodiscard]] virtual std::vector<const char*> dump_programs() const = 0;  // the best first
    [[nodiscard]] virtual std::vector<const char*> client_programs() const = 0;
    [[nodiscard]] virtual std::vector<std::string> dump_options() const = 0;
    // Of both programs where they connect to a socket, which may lead to a relay that reads along: no TLS.
    [[nodiscard]] virtual std::vector<std::string> socket_options() const = 0;
    [[nodiscard]] virtual std::string load_session_sql() const = 0;
    [[nodiscard]] virtual std::string data_bytes_sql() const = 0;  // of the users' table files
    // Asked twice, the answers differ when a definition was changed in between.
    // Every statement that changes a definition is counted when it begins, whoever runs it. (Reading a table that was
    // altered behind the snapshot fails by itself in most cases, but not after an instant ALTER.)
    [[nodiscard]] virtual std::string definitions_counted_sql() const = 0;
    // The two tables of each foreign key, as the server's storage engine has it, whether or not both are there.
    [[nodiscard]] virtual std::string foreign_keys_sql() const = 0;

  protected:
    ServerDialect() = default;
};

}  // namespace ddb::storage
