#include "node/storage/dump_accounts.hpp"

#include <array>
#include <vector>

#include "node/storage/metadata.hpp"

namespace ddb::storage {
namespace {

// All of them name the account in `User`.
constexpr std::array<const char*, 7> privilege_tables = {
    "global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "roles_mapping", "proxies_priv"};
constexpr std::size_t statement_bytes = 64u << 10;

Result<std::string> column_list(Connection& connection, const char* table) {
    auto rows = connection.rows(std::string("SELECT column_name FROM information_schema.columns WHERE "
                                            "table_schema='mysql' AND table_name='") +
                                table + "' ORDER BY ordinal_position");
    if (!rows.ok()) return rows.error();
    if (rows->empty()) return fail(ErrorCode::corrupt, std::string("table mysql.") + table + " is missing");
    std::string out;
    for (const auto& row : *rows) out += (out.empty() ? "" : ",") + quoted_name(row.at(0).value_or(""));
    return out;
}

// Values in hexadecimal: whatever the session's character set and modes, they arrive as they are.
std::string value_list(const Connection::Row& row) {
    std::string out = "(";
    for (const auto& value : row) {
        if (out.size() > 1) out += ",";
        out += value ? to_hex_literal(*value) : "NULL";
    }
    return out + ")";
}

Status add_table(Connection& connection, const char* table, const std::string& where, std::string& out) {
    auto columns = column_list(connection, table);
    if (!columns.ok()) return columns.error();
    const std::string name = std::string("mysql.") + table;
    auto rows = connection.rows("SELECT " + *columns + " FROM " + name + where);
    if (!rows.ok()) return rows.error();
    out += "DELETE FROM " + name + where + ";\n";
    std::size_t begin = out.size();
    for (const auto& row : *rows) {
        const bool first = out.size() == begin;
        out += first ? "INSERT INTO " + name + " (" + *columns + ") VALUES\n" : ",\n";
        out += value_list(row);
        if (out.size() - begin < statement_bytes) continue;
        out += ";\n";
        begin = out.size();
    }
    if (out.size() != begin) out += ";\n";
    return ok();
}

}  // namespace

Result<std::string> accounts_sql(Connection& connection, const std::string& service_user, bool with_root) {
    const std::string where =
        " WHERE User NOT IN (" + to_hex_literal(service_user) + (with_root ? ")" : ",'root','mysql','mariadb.sys')");
    std::string out = "SET SESSION sql_mode='';\n";
    for (const char* table : privilege_tables) {
        if (auto status = add_table(connection, table, where, out); !status.ok()) return status.error();
    }
    return out + "FLUSH PRIVILEGES;\n";
}

}  // namespace ddb::storage
