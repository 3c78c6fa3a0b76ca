#include "node/storage/dump_accounts.hpp"

#include <vector>

#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

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
    const ServerDialect& dialect = connection.dialect();
    std::string not_these = to_hex_literal(service_user);
    if (!with_root) {
        not_these += ",'root'";
        for (const std::string& account : dialect.system_accounts()) not_these += "," + to_hex_literal(account);
    }
    std::string out = "SET SESSION sql_mode='';\n";
    for (const auto& table : dialect.privilege_tables()) {
        const std::string where = std::string(" WHERE ") + table.user_column + " NOT IN (" + not_these + ")";
        if (auto status = add_table(connection, table.name, where, out); !status.ok()) return status.error();
    }
    return out + "FLUSH PRIVILEGES;\n";
}

}  // namespace ddb::storage
