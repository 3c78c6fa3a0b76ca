#include "node/storage/dump_sequences.hpp"

#include <set>

#include "node/storage/sql_words.hpp"

namespace ddb::storage {
namespace {

using TableName = std::pair<std::string, std::string>;

[[nodiscard]] std::string name_of(const TableName& table) {
    return quoted_name(table.first) + "." + quoted_name(table.second);
}

}  // namespace

std::set<TableName> sequences_in(std::string_view expression) {
    constexpr std::string_view call = "val(";
    std::set<TableName> out;
    for (std::size_t at = expression.find(call); at != std::string_view::npos; at = expression.find(call, at + 1)) {
        std::size_t name_at = at + call.size();
        auto database = take_quoted_name(expression, name_at);
        if (!database || !expression.substr(name_at).starts_with('.')) continue;
        if (auto name = take_quoted_name(expression, ++name_at)) out.emplace(std::move(*database), std::move(*name));
    }
    return out;
}

Result<std::string> sequence_rows_sql(Connection& connection) {
    const auto there =
        connection.rows("SELECT table_schema, table_name FROM information_schema.tables WHERE table_type='SEQUENCE'");
    if (!there.ok()) return there.error();
    constexpr std::uint16_t gone = 1146;
    std::string out;
    for (const auto& sequence : *there) {
        const std::string name = name_of({sequence.at(0).value_or(""), sequence.at(1).value_or("")});
        const auto rows = connection.rows("SELECT * FROM " + name);
        if (!rows.ok() && rows.error().mysql_code == gone) continue;
        if (!rows.ok()) return rows.error();
        for (const auto& row : *rows) {
            std::string values;
            for (const auto& value : row) values += (values.empty() ? "" : ",") + value.value_or("NULL");
            out += "INSERT INTO " + name + " VALUES (" + values + ");\n";
        }
    }
    return out;
}

Result<StandIns> sequence_stand_ins(Connection& connection) {
    auto defaults = connection.rows(
        "SELECT table_schema, column_default FROM information_schema.columns WHERE column_default LIKE '%val(`%'");
    if (!defaults.ok()) return defaults.error();
    if (defaults->empty()) return StandIns{};
    auto there =
        connection.rows("SELECT table_schema, table_name FROM information_schema.tables WHERE table_type='SEQUENCE'");
    if (!there.ok()) return there.error();
    std::set<TableName> sequences;
    for (const auto& row : *there) sequences.emplace(row.at(0).value_or(""), row.at(1).value_or(""));
    std::set<TableName> needed;
    for (const auto& row : *defaults) {
        for (const TableName& sequence : sequences_in(row.at(1).value_or(""))) {
            const bool in_front = sequence.first == row.at(0) && sequences.contains(sequence);
            if (!in_front) needed.insert(sequence);
        }
    }
    StandIns out;
    std::set<std::string> databases;
    for (const TableName& sequence : needed) {
        if (databases.insert(sequence.first).second) {
            const std::string name = quoted_name(sequence.first);
            constexpr std::uint16_t no_such_database = 1049;
            auto shown = connection.rows("SHOW CREATE DATABASE IF NOT EXISTS " + name);
            const bool gone = !shown.ok() && shown.error().mysql_code == no_such_database;
            if (!shown.ok() && !gone) return shown.error();
            if (!gone && (shown->empty() || shown->front().size() < 2))
                return fail(ErrorCode::corrupt, "the server does not show database " + name);
            out.before += (gone ? "CREATE DATABASE IF NOT EXISTS " + name : shown->front()[1].value_or("")) + ";\n";
            if (gone) out.after = "DROP DATABASE " + name + ";\n" + out.after;
        }
        out.before += "CREATE SEQUENCE IF NOT EXISTS " + name_of(sequence) + ";\n";
        // A name that is something else's by now has replaced it.
        if (!sequences.contains(sequence))
            out.after = "DROP SEQUENCE IF EXISTS " + name_of(sequence) + ";\n" + out.after;
    }
    return out;
}

}  // namespace ddb::storage
