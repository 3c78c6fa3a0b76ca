#include <charconv>

#include "node/storage/calculation_settings.hpp"
#include "node/storage/connection.hpp"
#include "node/storage/server_dialects.hpp"

namespace ddb::storage {
namespace {

// Option bits of Q_FLAGS2 as the server writes them.
constexpr std::uint32_t option_auto_is_null = 0x00040000;
constexpr std::uint32_t option_explicit_timestamp = 0x01000000;
constexpr std::uint32_t option_no_foreign_keys = 0x04000000;
constexpr std::uint32_t option_relaxed_unique = 0x08000000;
constexpr std::uint32_t option_if_exists = 0x10000000;

// A statement's groups are numbered onwards from its sequence, which is a multiple of 16.
bool belongs_to(std::string_view gtid, std::uint64_t sequence) {
    if (!gtid.starts_with(std::to_string(statement_domain) + "-")) return false;
    std::uint64_t number = 0;
    (void)std::from_chars(gtid.data() + gtid.rfind('-') + 1, gtid.data() + gtid.size(), number);
    return first_sequence(number) == sequence;
}

// Calls `each` for every GTID of the binary log's state: the last of each domain and server.
template <class Each>
Status for_each_gtid(Connection& connection, const Each& each) {
    const auto state = connection.scalar("SELECT @@global.gtid_binlog_state");
    if (!state.ok()) return state.error();
    std::string_view rest = state->has_value() ? std::string_view(**state) : std::string_view();
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        each(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    return ok();
}

// A list of names, the character set's and the collation's; a collation that goes with several sets has a number for
// each of them.
std::string collations_sql(const std::vector<std::uint16_t>& collations) {
    if (collations.empty()) return "SET SESSION character_set_collations=''";
    std::string numbers;
    for (const std::uint16_t number : collations) numbers += (numbers.empty() ? "" : ",") + std::to_string(number);
    return "SET SESSION character_set_collations=(SELECT GROUP_CONCAT(character_set_name, '=', full_collation_name) "
           "FROM "
           "information_schema.collation_character_set_applicability WHERE id IN (" +
           numbers + "))";
}

}  // namespace

bool MariaDbDialect::speaks(const std::string& /*version*/) const {
    return true;
}

std::string MariaDbDialect::service_session_sql() const {
    // innodb_snapshot_isolation would turn the position row's update into an error after a wait.
    return "SET SESSION sql_log_bin=0, tx_isolation='READ-COMMITTED', innodb_snapshot_isolation=0, "
           "lock_wait_timeout=1, "
           "innodb_lock_wait_timeout=1, time_zone='+00:00', sql_mode='STRICT_ALL_TABLES', autocommit=1, "
           "max_statement_time=0, wait_timeout=31536000, sql_safe_updates=0, collation_connection='utf8mb4_bin'";
}

std::string MariaDbDialect::user_session_sql(int lock_wait_s) const {
    const std::string seconds = std::to_string(lock_wait_s);
    return "SET SESSION session_track_schema=1, session_track_state_change=1, session_track_system_variables="
           "'autocommit,character_set_client,character_set_connection,character_set_results,time_zone,last_gtid,"
           "wait_timeout', wait_timeout=@@SESSION.wait_timeout, lock_wait_timeout=" +
           seconds + ", innodb_lock_wait_timeout=" + seconds;
}

// As sessions have it that say nothing of their zone: an UPDATE takes an old entry out of an index of a virtual column
// as the zone has it, INSERT puts in what comes with the row.
std::string MariaDbDialect::applier_session_sql() const {
    return "SET SESSION autocommit=0, time_zone=@@GLOBAL.time_zone";
}

std::string MariaDbDialect::audit_session_sql() const {
    return "SET SESSION time_zone='+00:00', sql_mode='', net_write_timeout=60, lock_wait_timeout=1, "
           "tx_isolation='REPEATABLE-READ'";
}

ServerDialect::RedoLogCounters MariaDbDialect::redo_log_counters() const {
    return {"Innodb_lsn_current", "Innodb_lsn_flushed"};
}

bool MariaDbDialect::logs_temporary_renames() const {
    return true;
}

// The server counts its uptime to the moment that its own clock functions tell: the difference is exact.
Result<std::uint64_t> MariaDbDialect::traces_of_run(Connection& connection) const {
    const auto began =
        connection.scalar(select_as_is_sql({"(SELECT CAST(UNIX_TIMESTAMP() AS SIGNED) - CAST(VARIABLE_VALUE AS SIGNED) "
                                            "FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME')"}));
    if (!began) return began.error();
    const std::string digits = began->value_or("");
    std::uint64_t seconds = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    if (read.ec != std::errc{} || seconds == 0)
        return fail(ErrorCode::io, "the server does not tell since when it runs: " + digits);
    return seconds;
}

bool MariaDbDialect::locks_what_it_fills() const {
    return false;  // it writes neither undo log nor transaction id for them
}

bool MariaDbDialect::leaves_out_defaults() const {
    return false;
}

bool MariaDbDialect::has_sequences() const {
    return true;
}

bool MariaDbDialect::leaves_routines_behind() const {
    return true;
}

bool MariaDbDialect::is_mysql() const {
    return false;
}

bool MariaDbDialect::calculates_rows() const {
    return calculates_rows_;
}

std::vector<std::string> MariaDbDialect::arithmetic_modes_sql() const {
    return {};
}

bool MariaDbDialect::forgets_warnings() const {
    return false;
}

std::vector<std::string> MariaDbDialect::server_settings_sql() const {
    // Engines only now: enforced earlier, the server's own tables could not be restored.
    return {"SET GLOBAL enforce_storage_engine=InnoDB", "SET GLOBAL binlog_annotate_row_events=OFF"};
}

std::string MariaDbDialect::require_primary_keys_sql(bool on) const {
    return std::string("SET GLOBAL innodb_force_primary_key=") + (on ? "ON" : "OFF");
}

bool MariaDbDialect::lets_keys_go(std::string_view version) const {
    constexpr int first_that_does = 11;
    int major = 0;
    (void)std::from_chars(version.data(), version.data() + version.size(), major);
    return major >= first_that_does;
}

std::string MariaDbDialect::binlog_position_sql() const {
    return "SHOW MASTER STATUS";
}

std::string MariaDbDialect::forget_binlog_sql() const {
    return "RESET MASTER";
}

std::string MariaDbDialect::after_format_description_sql() const {
    return {};
}

Result<std::string> MariaDbDialect::foreign_gtids(Connection& connection) const {
    std::string out;
    const std::string ours = std::to_string(statement_domain) + "-";
    const Status status = for_each_gtid(connection, [&](std::string_view gtid) {
        if (!gtid.starts_with(ours)) out += (out.empty() ? "" : ",") + std::string(gtid);
    });
    if (!status.ok()) return status.error();
    return out;
}

std::string MariaDbDialect::statement_begin_body() const {
    return "SET SESSION gtid_domain_id = " + std::to_string(statement_domain) + ", SESSION gtid_seq_no = sequence";
}

std::string MariaDbDialect::statement_end_body() const {
    return "SET SESSION gtid_domain_id = @@GLOBAL.gtid_domain_id, SESSION gtid_seq_no = 0";
}

std::string MariaDbDialect::applied_statement_sql(std::uint64_t sequence) const {
    return "SET SESSION sql_log_bin=1, lock_wait_timeout=1, innodb_lock_wait_timeout=1, max_statement_time=0, "
           "sql_safe_updates=0, default_storage_engine=InnoDB, gtid_domain_id=" +
           std::to_string(statement_domain) + ", gtid_seq_no=" + std::to_string(sequence);
}

// Settings that may make a definition fail and are not in its event, as they let everything through.
std::string MariaDbDialect::lenient_session_sql() const {
    return "SET SESSION innodb_strict_mode=0, check_constraint_checks=0, system_versioning_alter_history='KEEP'";
}

Result<std::string> MariaDbDialect::last_statement_gtid(Connection& connection, std::uint64_t sequence) const {
    auto gtid = connection.scalar(select_as_is_sql({"@@last_gtid"}));
    if (!gtid.ok()) return gtid.error();
    return *gtid && belongs_to(**gtid, sequence) ? **gtid : std::string();
}

Result<std::string> MariaDbDialect::found_statement_gtid(Connection& connection, std::uint64_t sequence) const {
    std::string out;
    const Status status = for_each_gtid(connection, [&](std::string_view gtid) {
        if (belongs_to(gtid, sequence)) out = gtid;
    });
    if (!status.ok()) return status.error();
    return out;
}

Result<std::string> MariaDbDialect::unlogged_settings_sql(Connection& user) const {
    constexpr std::size_t words = 3;  // the rest are numbers
    static const std::initializer_list<std::string_view> settings{"@@old_mode",
                                                                  "@@default_regex_flags",
                                                                  "@@alter_algorithm",
                                                                  "@@div_precision_increment",
                                                                  "@@default_week_format",
                                                                  "@@innodb_compression_default",
                                                                  "@@innodb_default_encryption_key_id",
                                                                  "@@old_passwords",
                                                                  "@@sql_quote_show_create",
                                                                  "@@standard_compliant_cte",
                                                                  "@@innodb_ft_enable_stopword"};
    const auto row = user.rows(select_as_is_sql(settings));
    if (!row.ok()) return row.error();
    if (row->size() != 1) return fail(ErrorCode::corrupt, "the server shows no settings");
    std::string out = "SET SESSION ";
    if (calculates_rows_) {
        const auto calculated =
            user.rows(select_as_is_sql({"@@time_zone", "@@lc_time_names", "@@block_encryption_mode", "@@sql_mode"}));
        if (!calculated.ok()) return calculated.error();
        if (calculated->size() != 1) return fail(ErrorCode::corrupt, "the server shows no settings");
        const auto value = [&](std::size_t i) { return calculated->front().at(i).value_or(""); };
        out = calculation_sql(value(0), value(1), value(2), value(3)) + ", ";
    }
    for (std::size_t i = 0; i < settings.size(); ++i) {
        const std::string quote = i < words ? "'" : "";
        out.append(i > 0 ? ", " : "").append(settings.begin()[i].substr(2)).append("=");
        out += quote + row->front().at(i).value_or("") + quote;
    }
    return out;
}

bool MariaDbDialect::tells_by_binlog() const {
    return true;
}

Result<RanStatements> MariaDbDialect::ran_statements(const ConnectOptions& options, std::uint64_t least) const {
    return statements_in_binlog(options, least);
}

void MariaDbDialect::add_context(const StatementContext& context, std::vector<std::string>& out) const {
    if (context.character_set_collations) out.push_back(collations_sql(*context.character_set_collations));
    if (!context.flags2) return;
    const auto set = [&](const char* name, bool value) {
        out.push_back("SET SESSION " + std::string(name) + "=" + (value ? "1" : "0"));
    };
    const std::uint32_t flags = *context.flags2;
    set("sql_auto_is_null", (flags & option_auto_is_null) != 0);
    set("explicit_defaults_for_timestamp", (flags & option_explicit_timestamp) != 0);
    set("foreign_key_checks", (flags & option_no_foreign_keys) == 0);
    set("unique_checks", (flags & option_relaxed_unique) == 0);
    set("sql_if_exists", (flags & option_if_exists) != 0);
}

std::string MariaDbDialect::character_set_sql(std::uint16_t collation) const {
    return "SELECT character_set_name FROM information_schema.collation_character_set_applicability WHERE id=" +
           std::to_string(collation);
}

bool MariaDbDialect::logs_accounts_as_utf8() const {
    return false;
}

bool MariaDbDialect::roles_have_administrators() const {
    return true;
}

std::vector<std::string> MariaDbDialect::create_procedure_sql(const std::string& name,
                                                              const std::string& definition) const {
    return {"CREATE OR REPLACE PROCEDURE " + name + definition};
}

std::vector<std::string> MariaDbDialect::public_rights_sql() const {
    return {"GRANT SELECT ON ddb_meta.transactions_log TO PUBLIC", "GRANT EXECUTE ON PROCEDURE ddb_meta.mark TO PUBLIC",
            "GRANT EXECUTE ON PROCEDURE ddb_meta.statement_begin TO PUBLIC",
            "GRANT EXECUTE ON PROCEDURE ddb_meta.statement_end TO PUBLIC"};
}

std::vector<ServerDialect::VitalTable> MariaDbDialect::vital_tables() const {
    const std::string everybody = "Host = '' AND Db = 'ddb_meta' AND User = 'PUBLIC'";
    return {{"mysql.proc", "*",
             "db = 'ddb_meta' AND name IN ('mark', 'statement_begin', 'statement_end') AND type = 'PROCEDURE'", false,
             false},
            {"mysql.procs_priv", "*", everybody, true, false},
            {"mysql.tables_priv", "*", everybody, true, false},
            {"mysql.global_priv", "*", own_account, true, true},
            // What else everybody had is for whoever took it to give again.
            {"mysql.global_priv", "Host, User, JSON_SET(Priv, '$.access', 0)", "Host = '' AND User = 'PUBLIC'", true,
             true}};
}

Result<std::string> MariaDbDialect::inactive_rights(Connection& /*user*/) const {
    return std::string();  // PUBLIC's rights are everybody's, whatever roles are active
}

std::vector<std::string> MariaDbDialect::role_rights_sql(const std::string& /*roles*/) const {
    return {};
}

std::string MariaDbDialect::system_logins_sql(const std::string& escaped_user) const {
    return "SELECT Priv FROM mysql.global_priv WHERE User IN ('', '" + escaped_user +
           "') AND Priv LIKE '%\"unix_socket\"%'";
}

std::vector<ServerDialect::PrivilegeTable> MariaDbDialect::privilege_tables() const {
    return {{"global_priv", "User"},  {"db", "User"},         {"tables_priv", "User"},
            {"columns_priv", "User"}, {"procs_priv", "User"}, {"roles_mapping", "User"},
            {"proxies_priv", "User"}};
}

std::vector<std::string> MariaDbDialect::system_accounts() const {
    return {"mysql", "mariadb.sys"};
}

std::vector<const char*> MariaDbDialect::dump_programs() const {
    return {"mariadb-dump", "mysqldump"};
}

std::vector<const char*> MariaDbDialect::client_programs() const {
    return {"mariadb", "mysql"};
}

std::vector<std::string> MariaDbDialect::socket_options() const {
    return {"--skip-ssl"};  // from 11.4 on they would speak it
}

std::vector<std::string> MariaDbDialect::dump_options() const {
    return {"--dump-history", "--system=timezones"};
}

std::string MariaDbDialect::load_session_sql() const {
    return lenient_session_sql() + ", sql_log_bin=0, lock_wait_timeout=60, max_statement_time=0, autocommit=1";
}

std::string MariaDbDialect::data_bytes_sql() const {
    return "SELECT COALESCE(SUM(file_size), 0) FROM information_schema.innodb_sys_tablespaces WHERE name LIKE '%/%' "
           "AND "
           "name NOT LIKE 'mysql/%'";
}

std::string MariaDbDialect::definitions_counted_sql() const {
    return "SELECT CAST(SUM(variable_value) AS CHAR) FROM information_schema.global_status WHERE variable_name REGEXP "
           "'^COM_(ALTER|CREATE|DROP|TRUNCATE|RENAME|OPTIMIZE|REPAIR)'";
}

std::string MariaDbDialect::foreign_keys_sql() const {
    return "SELECT SUBSTRING_INDEX(for_name, '/', -1), SUBSTRING_INDEX(ref_name, '/', -1) FROM "
           "information_schema.innodb_sys_foreign";
}

}  // namespace ddb::storage
