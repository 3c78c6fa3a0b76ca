#include "node/storage/table_users.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

constexpr int answer_timeout_ms = 10'000;

[[nodiscard]] std::string of_users(const std::string& columns, const std::string& table, const std::string& schema) {
    return "SELECT " + columns + " FROM information_schema." + table + " WHERE " + schema +
           " NOT IN ('sys', 'mysql', 'performance_schema')";
}

Result<std::vector<NamedText>> read(Connection& connection, const std::string& sql) {
    auto rows = connection.rows(sql + " LIMIT " + std::to_string(table_users_max + 1));
    if (!rows) return rows.error();
    std::vector<NamedText> found;
    for (auto& row : *rows) {
        if (!row[0] || !row[1]) return fail(ErrorCode::sql, "a view or routine does not tell its text");
        found.push_back({std::move(*row[0]), std::move(*row[1])});
    }
    if (found.size() > table_users_max) return fail(ErrorCode::overloaded, "too many views, routines or foreign keys");
    return found;
}

}  // namespace

Result<TableUsers> table_users(const ConnectOptions& service) {
    ConnectOptions options = service;
    options.read_timeout_ms = answer_timeout_ms;
    auto connection = Connection::open(options);
    if (!connection) return connection.error();
    // A table that is being changed is passed over at once: its own triggers lead from nowhere else to it.
    if (auto set = (*connection)->execute("SET SESSION lock_wait_timeout = 0"); !set) return set.error();
    auto by_text = read(**connection, of_users("table_name, view_definition", "views", "table_schema") + " UNION ALL " +
                                          of_users("routine_name, routine_definition", "routines", "routine_schema"));
    if (!by_text) return by_text.error();
    auto by_trigger =
        read(**connection, of_users("event_object_table, action_statement", "triggers", "trigger_schema"));
    if (!by_trigger) return by_trigger.error();
    auto by_key = read(**connection, (*connection)->dialect().foreign_keys_sql());
    if (!by_key) return by_key.error();
    const std::size_t keys = by_key->size();
    for (std::size_t i = 0; i < keys; ++i) by_key->push_back({(*by_key)[i].text, (*by_key)[i].name});
    return TableUsers{std::move(*by_text), std::move(*by_trigger), std::move(*by_key)};
}

Result<bool> fills_for_children(const ConnectOptions& service, const std::string& database, const std::string& table,
                                bool replaces) {
    ConnectOptions options = service;
    options.read_timeout_ms = answer_timeout_ms;
    auto connection = Connection::open(options);
    if (!connection) return connection.error();
    if ((*connection)->dialect().locks_what_it_fills()) return false;
    // Names of other characters than those of plain words are encoded there: taken for one another.
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const std::string name = database + "/" + table;
    const bool encoded = std::count_if(name.begin(), name.end(), plain) + 1 != static_cast<std::ptrdiff_t>(name.size());
    const std::string same = "LOWER(ref_name) = LOWER('" + (*connection)->escape(name) + "')";
    auto found = (*connection)
                     ->scalar("SELECT COUNT(*) FROM information_schema.innodb_sys_foreign WHERE " +
                              (encoded ? "LOCATE('@', ref_name) > 0" : same));
    if (!found) return found.error();
    if (found->value_or("0") == "0" || replaces) return found->value_or("0") != "0";
    auto there =
        (*connection)
            ->scalar("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='" +
                     (*connection)->escape(database) + "' AND table_name='" + (*connection)->escape(table) + "'");
    if (!there) return there.error();
    return there->value_or("0") == "0";
}

}  // namespace ddb::storage
