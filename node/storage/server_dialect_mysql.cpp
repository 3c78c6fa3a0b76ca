#include <algorithm>
#include <charconv>
#include <optional>

#include "node/storage/calculation_settings.hpp"
#include "node/storage/connection.hpp"
#include "node/storage/server_dialects.hpp"

namespace ddb::storage {
namespace {

// Option bits of Q_FLAGS2 as the server writes them.
constexpr std::uint32_t option_auto_is_null = 0x00004000;
constexpr std::uint32_t option_no_foreign_keys = 0x04000000;
constexpr std::uint32_t option_relaxed_unique = 0x08000000;

// One stretch of a GTID set: the numbers that one server gave under one tag.
struct GtidRange {
    std::string_view uuid;
    std::string_view tag;   // empty: none
    std::string_view text;  // first-last, or one number
    [[nodiscard]] std::uint64_t last() const {
        std::uint64_t out = 0;
        const std::string_view digits = text.substr(text.rfind('-') == text.npos ? 0 : text.rfind('-') + 1);
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), out);
        return out;
    }
};

// A set as the server writes it: uuid:1-5:8:tag:1-3,\nuuid:…
std::vector<GtidRange> ranges_of(std::string_view set) {
    std::vector<GtidRange> out;
    while (!set.empty()) {
        const std::string_view of_server = set.substr(0, set.find(','));
        set.remove_prefix(std::min(of_server.size() + 1, set.size()));
        GtidRange range;
        bool first = true;
        for (std::size_t at = 0; at <= of_server.size();) {
            const std::size_t end = std::min(of_server.find(':', at), of_server.size());
            std::string_view word = of_server.substr(at, end - at);
            at = end + 1;
            while (!word.empty() && (word.front() == '\n' || word.front() == ' ')) word.remove_prefix(1);
            if (word.empty()) continue;
            if (first) {
                range.uuid = word;
            } else if (word.front() >= '0' && word.front() <= '9') {
                range.text = word;
                out.push_back(range);
            } else {
                range.tag = word;
            }
            first = false;
        }
    }
    return out;
}

struct Executed {
    std::string uuid;  // of the server
    std::string set;
};

Result<Executed> executed(Connection& connection) {
    auto rows = connection.rows(select_as_is_sql({"@@global.server_uuid", "@@global.gtid_executed"}));
    if (!rows.ok()) return rows.error();
    if (rows->size() != 1) return fail(ErrorCode::corrupt, "the server shows no GTIDs");
    return Executed{rows->front().at(0).value_or(""), rows->front().at(1).value_or("")};
}

}  // namespace

// Tagged GTIDs are the newest thing that is needed.
bool MySqlDialect::speaks(const std::string& version) const {
    unsigned major = 0, minor = 0;
    const char* const end = version.data() + version.size();
    const auto first = std::from_chars(version.data(), end, major);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return false;
    if (std::from_chars(first.ptr + 1, end, minor).ec != std::errc()) return false;
    return major > 8 || (major == 8 && minor >= 4);
}

std::string MySqlDialect::service_session_sql() const {
    return "SET SESSION sql_log_bin=0, transaction_isolation='READ-COMMITTED', lock_wait_timeout=1, "
           "innodb_lock_wait_timeout=1, time_zone='+00:00', sql_mode='STRICT_ALL_TABLES', autocommit=1, "
           "max_execution_time=0, wait_timeout=31536000, collation_connection='utf8mb4_bin'";
}

std::string MySqlDialect::user_session_sql(int lock_wait_s) const {
    const std::string seconds = std::to_string(lock_wait_s);
    // Nothing that takes a privilege: this is run as the user.
    return "SET SESSION session_track_schema=1, session_track_state_change=1, session_track_gtids=OWN_GTID, "
           "session_track_system_variables="
           "'autocommit,character_set_client,character_set_connection,character_set_results,time_zone,lc_time_names,"
           "wait_timeout', wait_timeout=@@SESSION.wait_timeout, lock_wait_timeout=" +
           seconds + ", innodb_lock_wait_timeout=" + seconds;
}

std::string MySqlDialect::applier_session_sql() const {
    return "SET SESSION autocommit=0";  // it is told of those, and of what is usual (calculation_settings)
}

std::string MySqlDialect::audit_session_sql() const {
    return "SET SESSION time_zone='+00:00', sql_mode='', net_write_timeout=60, lock_wait_timeout=1, "
           "transaction_isolation='REPEATABLE-READ'";
}

ServerDialect::RedoLogCounters MySqlDialect::redo_log_counters() const {
    return {"Innodb_redo_log_current_lsn", "Innodb_redo_log_flushed_to_disk_lsn"};
}

bool MySqlDialect::logs_temporary_renames() const {
    return false;
}

// Its data dictionary is of the same transaction as the rest.
Result<std::uint64_t> MySqlDialect::traces_of_run(Connection&) const {
    return std::uint64_t{0};
}

bool MySqlDialect::locks_what_it_fills() const {
    return true;
}

bool MySqlDialect::leaves_out_defaults() const {
    return true;
}

bool MySqlDialect::has_sequences() const {
    return false;
}

bool MySqlDialect::leaves_routines_behind() const {
    return false;
}

bool MySqlDialect::is_mysql() const {
    return true;
}

bool MySqlDialect::calculates_rows() const {
    return true;
}

std::vector<std::string> MySqlDialect::arithmetic_modes_sql() const {
    return {"SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE'",
            "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,NO_UNSIGNED_SUBTRACTION'"};
}

bool MySqlDialect::forgets_warnings() const {
    return true;
}

std::vector<std::string> MySqlDialect::server_settings_sql() const {
    return {"SET GLOBAL binlog_rows_query_log_events=OFF"};
}

std::string MySqlDialect::require_primary_keys_sql(bool on) const {
    return std::string("SET GLOBAL sql_require_primary_key=") + (on ? "ON" : "OFF");
}

bool MySqlDialect::lets_keys_go(std::string_view /*version*/) const {
    return false;
}

std::string MySqlDialect::binlog_position_sql() const {
    return "SHOW BINARY LOG STATUS";
}

std::string MySqlDialect::forget_binlog_sql() const {
    return "RESET BINARY LOGS AND GTIDS";
}

// The event makes the session one that replays a log, in which every transaction must bring its GTID along.
std::string MySqlDialect::after_format_description_sql() const {
    return "SET SESSION gtid_next='AUTOMATIC'";
}

Result<std::string> MySqlDialect::foreign_gtids(Connection& connection) const {
    const auto now = executed(connection);
    if (!now.ok()) return now.error();
    std::string out;
    for (const GtidRange& range : ranges_of(now->set)) {
        if (sequence_of_tag(range.tag)) continue;
        out += (out.empty() ? "" : ",") + std::string(range.uuid) + ":";
        out += (range.tag.empty() ? "" : std::string(range.tag) + ":") + std::string(range.text);
    }
    return out;
}

std::string MySqlDialect::statement_begin_body() const {
    return "SET SESSION gtid_next = CONCAT('AUTOMATIC:" + std::string(coordinator_tag) +
           "', LPAD(LOWER(HEX(sequence)), " + std::to_string(tag_digits) + ", '0'))";
}

std::string MySqlDialect::statement_end_body() const {
    return "SET SESSION gtid_next = 'AUTOMATIC'";
}

std::string MySqlDialect::applied_statement_sql(std::uint64_t sequence) const {
    return "SET SESSION sql_log_bin=1, lock_wait_timeout=1, innodb_lock_wait_timeout=1, max_execution_time=0, "
           "sql_safe_updates=0, default_storage_engine=InnoDB, gtid_next='AUTOMATIC:" +
           statement_tag(applier_tag, sequence) + "'";
}

std::string MySqlDialect::lenient_session_sql() const {
    return "SET SESSION innodb_strict_mode=0, restrict_fk_on_non_standard_key=0";
}

Result<std::string> MySqlDialect::last_statement_gtid(Connection& connection, std::uint64_t sequence) const {
    return found_statement_gtid(connection, sequence);
}

Result<std::string> MySqlDialect::found_statement_gtid(Connection& connection, std::uint64_t sequence) const {
    const auto now = executed(connection);
    if (!now.ok()) return now.error();
    const std::string tag = statement_tag(coordinator_tag, sequence);
    std::string out;
    for (const GtidRange& range : ranges_of(now->set)) {
        if (range.uuid == now->uuid && range.tag == tag)
            out = now->uuid + ":" + tag + ":" + std::to_string(range.last());
    }
    return out;
}

Result<std::string> MySqlDialect::unlogged_settings_sql(Connection& user) const {
    const auto row = user.rows(
        select_as_is_sql({"@@time_zone", "@@lc_time_names", "@@block_encryption_mode", "@@sql_mode",
                          "@@div_precision_increment", "@@default_week_format", "@@innodb_ft_enable_stopword"}));
    if (!row.ok()) return row.error();
    if (row->size() != 1) return fail(ErrorCode::corrupt, "the server shows no settings");
    const auto value = [&](std::size_t i) { return row->front().at(i).value_or(""); };
    // The Query events of a definition have its sql_mode.
    return calculation_sql(value(0), value(1), value(2), value(3)) + ", div_precision_increment=" + value(4) +
           ", default_week_format=" + value(5) + ", innodb_ft_enable_stopword=" + value(6);
}

// The set of executed GTIDs is kept by the storage engine with what was executed: no need to read the log.
bool MySqlDialect::tells_by_binlog() const {
    return false;
}

Result<RanStatements> MySqlDialect::ran_statements(const ConnectOptions& options, std::uint64_t /*least*/) const {
    auto connection = Connection::open(options);
    if (!connection.ok()) return connection.error();
    const auto now = executed(**connection);
    if (!now.ok()) return now.error();
    RanStatements out;
    for (const GtidRange& range : ranges_of(now->set)) {
        const auto sequence = sequence_of_tag(range.tag);
        if (!sequence || range.uuid != now->uuid) continue;
        RanStatement& statement = out[first_sequence(*sequence)];
        if (range.tag.starts_with(coordinator_tag)) {
            // One transaction, the rows of a CREATE … SELECT included.
            statement.with_rows = true;
        } else {
            statement.last = std::max(statement.last, *sequence);
        }
    }
    return out;
}

void MySqlDialect::add_context(const StatementContext& context, std::vector<std::string>& out) const {
    const auto set = [&](const char* name, std::uint64_t value) {
        out.push_back("SET SESSION " + std::string(name) + "=" + std::to_string(value));
    };
    if (context.flags2) {
        const std::uint32_t flags = *context.flags2;
        set("sql_auto_is_null", (flags & option_auto_is_null) != 0 ? 1 : 0);
        set("foreign_key_checks", (flags & option_no_foreign_keys) != 0 ? 0 : 1);
        set("unique_checks", (flags & option_relaxed_unique) != 0 ? 0 : 1);
    }
    if (context.explicit_timestamp_defaults)
        set("explicit_defaults_for_timestamp", *context.explicit_timestamp_defaults);
    if (context.default_collation_for_utf8mb4) {
        set("default_collation_for_utf8mb4", *context.default_collation_for_utf8mb4);
    }
    if (context.require_primary_key) set("sql_require_primary_key", *context.require_primary_key);
    if (context.default_table_encryption) set("default_table_encryption", *context.default_table_encryption);
}

std::string MySqlDialect::character_set_sql(std::uint16_t collation) const {
    return "SELECT character_set_name FROM information_schema.collations WHERE id=" + std::to_string(collation);
}

bool MySqlDialect::logs_accounts_as_utf8() const {
    return true;
}

bool MySqlDialect::roles_have_administrators() const {
    return false;
}

std::vector<std::string> MySqlDialect::create_procedure_sql(const std::string& name,
                                                            const std::string& definition) const {
    return {"DROP PROCEDURE IF EXISTS " + name, "CREATE PROCEDURE " + name + definition};
}

// There is no PUBLIC, but the rights that a nameless user has on a database are everybody's.
std::vector<std::string> MySqlDialect::public_rights_sql() const {
    return {"REPLACE INTO mysql.db (Host, Db, User, Select_priv, Execute_priv) VALUES ('%', 'ddb_meta', '', 'Y', 'Y')",
            "FLUSH PRIVILEGES"};
}

std::vector<ServerDialect::VitalTable> MySqlDialect::vital_tables() const {
    return {{"mysql.user", "*", own_account, true, true},
            {"mysql.global_grants", "*", own_account, true, true},
            {"mysql.db", "*", "Db = 'ddb_meta' AND User = ''", true, false}};
}

// Everybody's, that is, who has no active role. Others have them from a role of theirs, as far as nobody has dropped it
// since, or taken all its rights from it.
Result<std::string> MySqlDialect::inactive_rights(Connection& user) const {
    // As bytes, and by a LIMIT of its own: character_set_results may be utf16, sql_select_limit 0.
    auto roles = user.scalar("SELECT CAST(CURRENT_ROLE() AS BINARY) LIMIT 1");
    if (!roles.ok()) return roles.error();
    const std::string text = roles->value_or("NONE");
    if (text == "NONE") return std::string();
    auto grants = user.rows("SHOW GRANTS FOR CURRENT_USER() USING " + text);
    if (user.broken()) return grants.error();
    const bool there = grants.ok() && std::any_of(grants->begin(), grants->end(), [](const auto& row) {
                           return row.front().value_or("").find("EXECUTE ON `ddb_meta`.* TO") != std::string::npos;
                       });
    return there ? std::string() : text;
}

std::vector<std::string> MySqlDialect::role_rights_sql(const std::string& roles) const {
    return {"GRANT SELECT, EXECUTE ON ddb_meta.* TO " + roles};
}

std::string MySqlDialect::system_logins_sql(const std::string& escaped_user) const {
    return "SELECT '' FROM mysql.user WHERE User IN ('', '" + escaped_user + "') AND plugin = 'auth_socket'";
}

std::vector<ServerDialect::PrivilegeTable> MySqlDialect::privilege_tables() const {
    return {{"user", "User"},          {"db", "User"},
            {"tables_priv", "User"},   {"columns_priv", "User"},
            {"procs_priv", "User"},    {"proxies_priv", "User"},
            {"global_grants", "USER"}, {"default_roles", "USER"},
            {"role_edges", "TO_USER"}, {"password_history", "User"}};
}

std::vector<std::string> MySqlDialect::system_accounts() const {
    return {"mysql.sys", "mysql.session", "mysql.infoschema"};
}

std::vector<const char*> MySqlDialect::dump_programs() const {
    return {"mysqldump"};
}

std::vector<const char*> MySqlDialect::client_programs() const {
    return {"mysql"};
}

std::vector<std::string> MySqlDialect::socket_options() const {
    return {};
}

std::vector<std::string> MySqlDialect::dump_options() const {
    // GTIDs of the donor would say on the receiver that its own statement entries have run.
    return {"--set-gtid-purged=OFF"};
}

std::string MySqlDialect::load_session_sql() const {
    return lenient_session_sql() + ", sql_log_bin=0, lock_wait_timeout=60, max_execution_time=0, autocommit=1";
}

std::string MySqlDialect::data_bytes_sql() const {
    return "SELECT COALESCE(SUM(file_size), 0) FROM information_schema.innodb_tablespaces WHERE name LIKE '%/%' AND "
           "name NOT LIKE 'mysql/%'";
}

std::string MySqlDialect::definitions_counted_sql() const {
    // No table of the performance schema has these counters.
    return "SHOW GLOBAL STATUS WHERE Variable_name REGEXP '^Com_(alter|create|drop|truncate|rename|optimize|repair)'";
}

std::string MySqlDialect::foreign_keys_sql() const {
    return "SELECT SUBSTRING_INDEX(for_name, '/', -1), SUBSTRING_INDEX(ref_name, '/', -1) FROM "
           "information_schema.innodb_foreign";
}

}  // namespace ddb::storage
