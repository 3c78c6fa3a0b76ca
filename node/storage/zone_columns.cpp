#include "node/storage/zone_columns.hpp"

#include <sys/socket.h>

#include "node/storage/calculation_settings.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

// Tables, and whether they have such a stored column. Some too many: what only asks whether a TIMESTAMP is NULL.
constexpr std::string_view tables_sql =
    "SELECT made.TABLE_SCHEMA, made.TABLE_NAME, MAX(made.EXTRA LIKE '%STORED%') FROM information_schema.COLUMNS made "
    "JOIN information_schema.COLUMNS used USING (TABLE_SCHEMA, TABLE_NAME) LEFT JOIN information_schema.STATISTICS "
    "keyed ON keyed.TABLE_SCHEMA = made.TABLE_SCHEMA AND keyed.TABLE_NAME = made.TABLE_NAME AND keyed.COLUMN_NAME = "
    "made.COLUMN_NAME WHERE made.GENERATION_EXPRESSION <> '' AND made.GENERATION_EXPRESSION NOT LIKE 'ROW %' AND "
    "(made.EXTRA LIKE '%STORED%' OR keyed.INDEX_NAME IS NOT NULL) AND (made.DATA_TYPE = 'timestamp' OR "
    "made.GENERATION_EXPRESSION LIKE '%unix%' OR ((used.DATA_TYPE = 'timestamp' OR used.GENERATION_EXPRESSION <> '') "
    "AND LOCATE(CONCAT('`', used.COLUMN_NAME, '`'), made.GENERATION_EXPRESSION) > 0)) GROUP BY 1, 2";
// Indexes of an expression, which MySQL has.
constexpr std::string_view more_tables_sql =
    " UNION ALL SELECT DISTINCT keyed.TABLE_SCHEMA, keyed.TABLE_NAME, 0 FROM information_schema.STATISTICS keyed JOIN "
    "information_schema.COLUMNS used USING (TABLE_SCHEMA, TABLE_NAME) WHERE keyed.EXPRESSION IS NOT NULL AND "
    "(used.DATA_TYPE = 'timestamp' OR keyed.EXPRESSION LIKE '%unix%')";

// As a dump's, but for the zone.
constexpr const char* session_sql =
    "SET SESSION time_zone=@@GLOBAL.time_zone, sql_mode='NO_AUTO_VALUE_ON_ZERO', foreign_key_checks=0, unique_checks=0";

[[nodiscard]] bool in_utc(const std::string& zone) {
    return zone == "UTC" || zone == "Etc/UTC" || zone == "GMT" || zone == "+00:00";
}

}  // namespace

Result<std::vector<std::string>> remake_in_own_zone(const ConnectOptions& service, const std::stop_token& stop) {
    std::vector<std::string> left;
    ConnectOptions patient = service;
    patient.read_timeout_ms = 0;  // an index takes as long as it takes
    auto opened = Connection::open(patient);
    if (!opened.ok()) return opened.error();
    Connection& connection = **opened;
    const std::stop_callback end_connection(stop, [&] { ::shutdown(connection.socket(), SHUT_RDWR); });
    const auto zone =
        connection.scalar("SELECT IF(@@GLOBAL.time_zone = 'SYSTEM', @@system_time_zone, @@GLOBAL.time_zone)");
    if (!zone.ok()) return zone.error();
    if (in_utc(zone->value_or(""))) return left;
    const bool mysql = connection.is_mysql();
    const auto tables = connection.rows(std::string(tables_sql) + std::string(mysql ? more_tables_sql : ""));
    if (!tables.ok()) return tables.error();
    const auto set = connection.execute(connection.dialect().load_session_sql());
    if (!set.ok()) return set.error();
    if (auto own = connection.execute(session_sql); !own.ok()) return own.error();
    for (const auto& row : *tables) {
        const std::string name = quoted_name(row.at(0).value_or("")) + "." + quoted_name(row.at(1).value_or(""));
        if (stop.stop_requested()) return fail(ErrorCode::shutting_down, "stopped");
        // In place stored columns stay as they are, and full-text indexes may forbid it.
        const bool stored = row.at(2) == "1";
        const std::string force = "ALTER TABLE " + name + " FORCE, ALGORITHM=";
        auto made = connection.execute(force + (stored ? "COPY" : "INPLACE"));
        if (!made.ok() && !stored && made.error().code == ErrorCode::sql) made = connection.execute(force + "COPY");
        if (made.ok()) continue;
        if (made.error().code != ErrorCode::sql) return made.error();
        left.push_back(name + " (" + made.error().message + ")");
    }
    return left;
}

}  // namespace ddb::storage
