#include "node/storage/table_users.hpp"

#include <utility>

#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

constexpr int answer_timeout_ms = 10'000;

[[nodiscard]] std::string by_text_sql() {
    const std::string others = " NOT IN ('sys', 'mysql', 'performance_schema')";
    return "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema" + others +
           " UNION ALL SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema" +
           others +
           " UNION ALL SELECT event_object_table, action_statement FROM information_schema.triggers WHERE "
           "trigger_schema" +
           others + " LIMIT " + std::to_string(table_users_max + 1);
}

Result<std::vector<NamedText>> read(Connection& connection, const std::string& sql) {
    auto rows = connection.rows(sql);
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
    auto by_text = read(**connection, by_text_sql());
    if (!by_text) return by_text.error();
    auto by_key = read(**connection,
                       (*connection)->dialect().foreign_keys_sql() + " LIMIT " + std::to_string(table_users_max + 1));
    if (!by_key) return by_key.error();
    const std::size_t keys = by_key->size();
    for (std::size_t i = 0; i < keys; ++i) by_key->push_back({(*by_key)[i].text, (*by_key)[i].name});
    return TableUsers{std::move(*by_text), std::move(*by_key)};
}

}  // namespace ddb::storage
