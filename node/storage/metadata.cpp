#include "node/storage/metadata.hpp"

#include <sodium.h>

#include <array>

#include "node/storage/calculation_settings.hpp"
#include "node/storage/forced_logs.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t proof_digits = 32;

std::string hex(const unsigned char* bytes, std::size_t count) {
    std::string out(count * 2 + 1, '\0');
    sodium_bin2hex(out.data(), out.size(), bytes, count);
    out.pop_back();
    return out;
}

const char* name_of(EntryKind kind) {
    switch (kind) {
        case EntryKind::noop:
            return "noop";
        case EntryKind::rows:
        case EntryKind::rows_end:
            return "rows";
        case EntryKind::rows_part:
            return "rows_part";
        case EntryKind::statement:
            return "statement";
        case EntryKind::membership:
            return "membership";
        case EntryKind::marker:
            return "marker";
        case EntryKind::audit:
            return "audit";
    }
    return "other";
}

// The procedures check the proof against the key in their text, which only holders of rights on mysql.proc can read. No
// table is read: that would open the transaction's read view before its first statement.
std::string checked(const MarkerKey& key, const char* argument) {
    return std::string("IF NOT (proof <=> LEFT(SHA2(CONCAT('") + key.secret() + "', " + argument + "), 256), " +
           std::to_string(proof_digits) +
           ")) THEN SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO = 1227, MESSAGE_TEXT = 'Only the ddb node may call this'; "
           "END IF; ";
}

constexpr const char* proof_parameter = "proof CHAR(32) CHARACTER SET ascii";

// Runs in the client's session: a literal of no named character set would be of that session's, which may be utf32,
// with a client's that is none. Then the proof would be eight characters, and no transaction could begin.
std::string call_with_proof(const char* procedure, const MarkerKey& key, std::uint64_t number,
                            std::string_view more = {}) {
    std::string out =
        std::string("CALL ddb_meta.") + procedure + "(" + std::to_string(number) + ",_ascii'" + key.proof(number) + "'";
    if (!more.empty()) out.append(",").append(more);
    return out + ")";
}

std::vector<std::string> mark_procedure_sql(const ServerDialect& dialect, const MarkerKey& key) {
    const bool notes = dialect.calculates_rows();
    const std::string begin = std::string("(txn BIGINT UNSIGNED, ") + proof_parameter +
                              (notes ? ", " + std::string(settings_parameters) : std::string()) +
                              ") MODIFIES SQL DATA SQL SECURITY DEFINER BEGIN " + checked(key, "txn");
    if (!notes)
        return dialect.create_procedure_sql("ddb_meta.mark", begin + "INSERT INTO ddb_meta.applied VALUES (txn); END");
    std::vector<std::string> out =
        dialect.create_procedure_sql("ddb_meta.mark", begin + "INSERT IGNORE INTO ddb_meta.applied VALUES (txn); " +
                                                          note_settings_body(dialect) + "END");
    out.insert(out.begin(), settings_table_sql());
    return out;
}

}  // namespace

MarkerKey MarkerKey::random() {
    std::array<unsigned char, 32> bytes{};
    randombytes_buf(bytes.data(), bytes.size());
    return MarkerKey(hex(bytes.data(), bytes.size()));
}

std::string MarkerKey::proof(std::uint64_t number) const {
    const std::string text = secret_ + std::to_string(number);
    std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
    crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
    return hex(digest.data(), proof_digits / 2);
}

Result<std::unique_ptr<Connection>> open_service(const ConnectOptions& options) {
    auto connection = Connection::open(options);
    if (!connection.ok()) return connection;
    auto done = (*connection)->execute((*connection)->dialect().service_session_sql());
    if (!done.ok()) return done.error();
    return connection;
}

Result<bool> metadata_exists(Connection& connection) {
    auto found = connection.scalar(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='ddb_meta' AND table_name='position'");
    if (!found.ok()) return found.error();
    return found->value_or("0") != "0";
}

Result<bool> user_data_exists(Connection& connection) {
    auto found = connection.scalar(
        "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name NOT IN "
        "('information_schema','mysql','performance_schema','sys','ddb_meta')");
    if (!found.ok()) return found.error();
    return found->value_or("0") != "0";
}

Status create_metadata(Connection& connection, const MarkerKey& key) {
    const ServerDialect& dialect = connection.dialect();
    std::vector<std::string> statements = {
        "CREATE DATABASE IF NOT EXISTS ddb_meta CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "CREATE TABLE IF NOT EXISTS ddb_meta.position (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, applied BIGINT "
        "UNSIGNED NOT "
        "NULL, epoch BIGINT UNSIGNED NOT NULL, format_description BLOB NOT NULL, cluster VARCHAR(32) NOT NULL) "
        "ENGINE=InnoDB",
        "INSERT IGNORE INTO ddb_meta.position VALUES (1, 0, 0, '', '')",
        "CREATE TABLE IF NOT EXISTS ddb_meta.applied (txn BIGINT UNSIGNED NOT NULL PRIMARY KEY) ENGINE=InnoDB",
        "CREATE TABLE IF NOT EXISTS ddb_meta.transactions_log (log_index BIGINT UNSIGNED NOT NULL PRIMARY KEY, epoch "
        "BIGINT "
        "UNSIGNED NOT NULL, txn VARCHAR(48) NOT NULL, session CHAR(32) NOT NULL, kind VARCHAR(12) NOT NULL, "
        "statement_count INT UNSIGNED NOT NULL, `rows` BIGINT UNSIGNED NOT NULL, created_at DATETIME(6) NOT NULL) "
        "ENGINE=InnoDB"};
    const auto add = [&](const std::vector<std::string>& more) {
        statements.insert(statements.end(), more.begin(), more.end());
    };
    const auto usual = log_settings(connection);
    if (!usual.ok()) return usual.error();
    const auto sync_binlog_sql = [](const std::string& value) { return "SET GLOBAL sync_binlog = " + value + "; "; };
    add(mark_procedure_sql(dialect, key));
    add(dialect.create_procedure_sql("ddb_meta.statement_begin",
                                     std::string("(sequence BIGINT UNSIGNED, ") + proof_parameter +
                                         ", forced BOOLEAN) NO SQL SQL SECURITY DEFINER BEGIN " +
                                         checked(key, "sequence") + "IF forced THEN " + sync_binlog_sql("1") +
                                         "END IF; " + dialect.statement_begin_body() + "; END"));
    add(dialect.create_procedure_sql("ddb_meta.statement_end", "() NO SQL SQL SECURITY DEFINER BEGIN " +
                                                                   sync_binlog_sql(usual->binlog) +
                                                                   dialect.statement_end_body() + "; END"));
    add(dialect.public_rights_sql());
    for (const std::string& sql : statements) {
        // Never all at once: what follows a failure must not run. The error may quote a procedure's text with the key.
        if (auto done = connection.execute(sql); !done.ok()) {
            Error error = done.error();
            error.message = "creating ddb_meta (" + sql.substr(0, sql.find('(')) + "): " + error.message;
            return error;
        }
    }
    return ok();
}

Status forget_routines(Connection& connection) {
    constexpr const char* none = "ddb_meta.none";
    for (const std::string& sql :
         {"CREATE OR REPLACE PROCEDURE " + std::string(none) + "() DO 0", "DROP PROCEDURE " + std::string(none)}) {
        if (auto done = connection.execute(sql); !done.ok()) return done.error();
    }
    return ok();
}

Result<Position> read_position(Connection& connection) {
    auto rows = connection.rows(
        "SELECT applied, epoch, format_description, cluster FROM ddb_meta.position WHERE id = 1 FOR UPDATE");
    if (!rows.ok()) return rows.error();
    if (rows->size() != 1)
        return fail(ErrorCode::corrupt, "ddb_meta.position has no row: the database must be rebuilt");
    const auto& row = rows->front();
    Position position;
    position.index = LogIndex{std::strtoull(row[0].value_or("0").c_str(), nullptr, 10)};
    position.epoch = Epoch{std::strtoull(row[1].value_or("0").c_str(), nullptr, 10)};
    position.format_description = row[2].value_or("");
    position.cluster = row[3].value_or("");
    return position;
}

Result<std::vector<std::uint64_t>> read_markers(Connection& connection) {
    auto rows = connection.rows("SELECT txn FROM ddb_meta.applied ORDER BY txn");
    if (!rows.ok()) return rows.error();
    std::vector<std::uint64_t> out;
    out.reserve(rows->size());
    for (const auto& row : *rows) out.push_back(std::strtoull(row[0].value_or("0").c_str(), nullptr, 10));
    return out;
}

std::string to_hex_literal(std::string_view bytes) {
    return "x'" + hex(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) + "'";
}

std::optional<std::string> from_hex(std::string_view digits) {
    const auto value = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    if (digits.size() % 2 != 0) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const int high = value(digits[i]), low = value(digits[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
    }
    return out;
}

std::string set_position_sql(LogIndex index, Epoch epoch, const std::string* format_description) {
    std::string sql = "UPDATE ddb_meta.position SET applied=" + std::to_string(index.value) +
                      ", epoch=" + std::to_string(epoch.value);
    if (format_description != nullptr) sql += ", format_description=" + to_hex_literal(*format_description);
    return sql + " WHERE id=1";
}

// In UTC, whatever the session's time zone.
std::string log_rows_sql(std::span<const Entry> entries) {
    std::string sql = "REPLACE INTO ddb_meta.transactions_log VALUES ";
    const char* separator = "";
    for (const Entry& entry : entries) {
        if (entry.kind == EntryKind::rows_part) continue;  // told by the entry that ends them
        sql += separator;
        sql += "(" + std::to_string(entry.id.index.value) + "," + std::to_string(entry.id.epoch.value) + ",'";
        if (entry.txn) sql += to_string(entry.txn);
        sql += "','";
        if (entry.session) sql += to_string(entry.session);
        sql += std::string("','") + name_of(entry.kind) + "'," + std::to_string(entry.statement_count) + "," +
               std::to_string(entry.row_count) + ",TIMESTAMPADD(MICROSECOND," + std::to_string(entry.created_at_us) +
               ",'1970-01-01'))";
        separator = ",";
    }
    return *separator != '\0' ? sql : "DO 0";
}

std::string trim_log_sql(LogIndex newest, std::uint32_t kept_rows) {
    const std::uint64_t last = newest.value > kept_rows ? newest.value - kept_rows : 0;
    return "DELETE FROM ddb_meta.transactions_log WHERE log_index <= " + std::to_string(last);
}

std::string delete_markers_sql(std::span<const std::uint64_t> markers) {
    // Only the rows named may be touched: a scan, which the optimiser prefers for a long IN list whatever index is
    // forced, would wait for the markers of transactions that are still open. The join order leaves it no choice.
    std::string sql = "DELETE ddb_meta.applied FROM JSON_TABLE('[";
    const char* separator = "";
    for (const std::uint64_t marker : markers) {
        sql += separator + std::to_string(marker);
        separator = ",";
    }
    return sql +
           "]', '$[*]' COLUMNS (txn BIGINT UNSIGNED PATH '$')) named STRAIGHT_JOIN ddb_meta.applied FORCE INDEX "
           "(PRIMARY) ON "
           "ddb_meta.applied.txn = named.txn";
}

std::string set_cluster_sql(const std::string& uuid) {
    return "UPDATE ddb_meta.position SET cluster=" + to_hex_literal(uuid) + " WHERE id=1";
}

std::string call_mark_sql(const ServerDialect& dialect, const MarkerKey& key, TxnId txn) {
    return call_with_proof("mark", key, marker_of(txn),
                           dialect.calculates_rows() ? settings_arguments : std::string_view());
}

std::string call_statement_begin_sql(const MarkerKey& key, std::uint64_t sequence, bool forced) {
    return call_with_proof("statement_begin", key, sequence, forced ? "TRUE" : "FALSE");
}

std::string call_statement_end_sql() {
    return "CALL ddb_meta.statement_end()";
}

}  // namespace ddb::storage
