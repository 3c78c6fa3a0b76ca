#include "node/storage/dump_accounts.hpp"

#include <vector>

#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t statement_bytes = 64u << 10;

struct Columns {
    std::string names;
    std::vector<std::string> types;
};

Result<Columns> columns_of(Connection& connection, const char* table) {
    auto rows = connection.rows(std::string("SELECT column_name, data_type FROM information_schema.columns WHERE "
                                            "table_schema='mysql' AND table_name='") +
                                table + "' ORDER BY ordinal_position");
    if (!rows.ok()) return rows.error();
    if (rows->empty()) return fail(ErrorCode::corrupt, std::string("table mysql.") + table + " is missing");
    Columns out;
    for (const auto& row : *rows) {
        out.names += (out.names.empty() ? "" : ",") + quoted_name(row.at(0).value_or(""));
        out.types.push_back(row.at(1).value_or(""));
    }
    return out;
}

// In hexadecimal: whatever the session's character set and modes, it arrives as it is. But where a number is wanted the
// digits would be one themselves, and a document has to be text.
std::string literal(const std::string& value, const std::string& type) {
    if (type.ends_with("int")) return value;
    if (type == "json") return "CONVERT(" + to_hex_literal(value) + " USING utf8mb4)";
    return to_hex_literal(value);
}

std::string value_list(const Connection::Row& row, const Columns& columns) {
    std::string out = "(";
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) out += ",";
        out += row[i] ? literal(*row[i], columns.types[i]) : "NULL";
    }
    return out + ")";
}

Status add_table(Connection& connection, const char* table, const std::string& where, std::string& out) {
    auto columns = columns_of(connection, table);
    if (!columns.ok()) return columns.error();
    const std::string name = std::string("mysql.") + table;
    auto rows = connection.rows("SELECT " + columns->names + " FROM " + name + where);
    if (!rows.ok()) return rows.error();
    out += "DELETE FROM " + name + where + ";\n";
    std::size_t begin = out.size();
    for (const auto& row : *rows) {
        const bool first = out.size() == begin;
        out += first ? "INSERT INTO " + name + " (" + columns->names + ") VALUES\n" : ",\n";
        out += value_list(row, *columns);
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
