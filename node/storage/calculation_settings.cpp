#include "node/storage/calculation_settings.hpp"

#include <algorithm>
#include <array>

#include "node/storage/binlog_bytes.hpp"
#include "node/storage/metadata.hpp"

namespace ddb::storage {
namespace {

constexpr std::string_view usual_zone = "SYSTEM";
constexpr std::string_view usual_names = "en_US";
constexpr std::string_view usual_encryption = "aes-128-ecb";

// Those of sql_mode that are asked when a row is calculated; the first two are on by default. MariaDB asks none.
constexpr std::array<std::string_view, 5> calculating_modes{"NO_ZERO_IN_DATE", "NO_ZERO_DATE", "ALLOW_INVALID_DATES",
                                                            "PAD_CHAR_TO_FULL_LENGTH", "TIME_TRUNCATE_FRACTIONAL"};
constexpr std::size_t usual_modes = 2;

[[nodiscard]] bool has_mode(std::string_view modes, std::string_view mode) {
    while (!modes.empty()) {
        if (modes.substr(0, modes.find(',')) == mode) return true;
        modes.remove_prefix(std::min(modes.find(','), modes.size() - 1) + 1);
    }
    return false;
}

}  // namespace

// NO_UNSIGNED_SUBTRACTION is settled when a table is opened, and the applier's own affair.
std::string calculation_sql(std::string_view zone, std::string_view names, std::string_view encryption,
                            std::string_view modes) {
    std::string out = "SET SESSION time_zone=" + to_hex_literal(zone) + ",lc_time_names=" + to_hex_literal(names) +
                      ",block_encryption_mode=" + to_hex_literal(encryption) + ",sql_mode=CONCAT('STRICT_ALL_TABLES";
    for (const std::string_view mode : calculating_modes) {
        if (has_mode(modes, mode)) out.append(",").append(mode);
    }
    return out + "',IF(FIND_IN_SET('NO_UNSIGNED_SUBTRACTION',@@sql_mode),',NO_UNSIGNED_SUBTRACTION',''))";
}

std::string usual_calculation_sql(const ServerDialect& dialect) {
    const std::string modes = std::string(calculating_modes[0]) + "," + std::string(calculating_modes[1]);
    return calculation_sql(usual_zone, usual_names, usual_encryption, dialect.is_mysql() ? modes : std::string());
}

bool notes_settings(const TableMap& table) {
    return table.database == meta_schema && table.table == "settings";
}

std::string noted_settings_sql(const EventView& event, const RowsEvent& rows) {
    constexpr std::uint64_t columns = 5;
    const bool inserts = event.type == EventType::write_rows || event.type == EventType::write_rows_v1;
    if (!inserts || rows.columns != columns) return {};
    ByteCursor in(rows.rows);
    in.take(1 + 8);  // nothing is NULL; the transaction's number
    const auto text = [&](std::size_t prefix) { return in.take(static_cast<std::size_t>(in.number(prefix))); };
    const std::string_view zone = text(1);
    const std::string_view names = text(1);
    const std::string_view encryption = text(1);
    const std::string_view modes = text(2);
    return in.failed() ? std::string() : calculation_sql(zone, names, encryption, modes);
}

std::string settings_table_sql() {
    return "CREATE TABLE IF NOT EXISTS ddb_meta.settings (txn BIGINT UNSIGNED NOT NULL PRIMARY KEY, zone VARCHAR(255) "
           "NOT NULL, day_names VARCHAR(64) NOT NULL, cipher VARCHAR(64) NOT NULL, modes VARCHAR(1000) NOT NULL) "
           "ENGINE=InnoDB CHARACTER SET ascii";
}

std::string note_settings_body(const ServerDialect& dialect) {
    std::string usual = "zone = '" + std::string(usual_zone) + "'";
    if (dialect.is_mysql()) {
        usual +=
            " AND day_names = '" + std::string(usual_names) + "' AND cipher = '" + std::string(usual_encryption) + "'";
        for (std::size_t i = 0; i < calculating_modes.size(); ++i) {
            usual += std::string(i < usual_modes ? " AND " : " AND NOT ") + "FIND_IN_SET('" +
                     std::string(calculating_modes[i]) + "', modes)";
        }
    }
    return "IF ROW_COUNT() = 0 OR NOT (" + usual +
           ") THEN INSERT INTO ddb_meta.settings VALUES (txn, zone, day_names, cipher, modes); DELETE FROM "
           "ddb_meta.settings WHERE ddb_meta.settings.txn = txn; END IF; ";
}

}  // namespace ddb::storage
