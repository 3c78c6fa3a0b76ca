#include "node/storage/zone_indexes.hpp"

#include "node/storage/calculation_settings.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

// Some too many: all that have such an index and a TIMESTAMP, or make one.
constexpr std::string_view tables_sql =
    "SELECT DISTINCT keyed.TABLE_SCHEMA, keyed.TABLE_NAME FROM information_schema.STATISTICS keyed JOIN "
    "information_schema.COLUMNS made USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME) JOIN information_schema.COLUMNS "
    "used USING (TABLE_SCHEMA, TABLE_NAME) WHERE made.EXTRA LIKE '%VIRTUAL%' AND (used.DATA_TYPE = 'timestamp' OR "
    "made.GENERATION_EXPRESSION LIKE '%unix%')";
// Indexes of an expression, which MySQL has.
constexpr std::string_view more_tables_sql =
    " UNION SELECT keyed.TABLE_SCHEMA, keyed.TABLE_NAME FROM information_schema.STATISTICS keyed JOIN "
    "information_schema.COLUMNS used USING (TABLE_SCHEMA, TABLE_NAME) WHERE keyed.EXPRESSION IS NOT NULL AND "
    "(used.DATA_TYPE = 'timestamp' OR keyed.EXPRESSION LIKE '%unix%')";

[[nodiscard]] bool in_utc(const std::string& zone) {
    return zone == "UTC" || zone == "Etc/UTC" || zone == "GMT" || zone == "+00:00";
}

}  // namespace

Status remake_zone_indexes(const ConnectOptions& service) {
    ConnectOptions patient = service;
    patient.read_timeout_ms = 0;  // an index takes as long as it takes
    auto opened = Connection::open(patient);
    if (!opened.ok()) return opened.error();
    Connection& connection = **opened;
    const auto zone =
        connection.scalar("SELECT IF(@@GLOBAL.time_zone = 'SYSTEM', @@system_time_zone, @@GLOBAL.time_zone)");
    if (!zone.ok()) return zone.error();
    if (in_utc(zone->value_or(""))) return ok();
    const bool mysql = calculates_rows(connection.dialect());
    const auto tables = connection.rows(std::string(tables_sql) + std::string(mysql ? more_tables_sql : ""));
    if (!tables.ok()) return tables.error();
    const auto set = connection.execute(connection.dialect().load_session_sql());
    if (!set.ok()) return set.error();
    if (auto own = connection.execute("SET SESSION foreign_key_checks=0, time_zone=@@GLOBAL.time_zone"); !own.ok())
        return own.error();
    for (const auto& row : *tables) {
        const std::string name = quoted_name(row.at(0).value_or("")) + "." + quoted_name(row.at(1).value_or(""));
        // In place, what stored columns have been loaded with stays; not where there are full-text indexes.
        for (const char* how : {"INPLACE", "COPY"}) {
            const auto made = connection.execute("ALTER TABLE " + name + " FORCE, ALGORITHM=" + how);
            if (made.ok()) break;
            if (made.error().code != ErrorCode::sql) return made.error();
        }
    }
    return ok();
}

}  // namespace ddb::storage
