#include "node/storage/stored_texts.hpp"

#include <string>
#include <utility>

namespace ddb::storage {
namespace {

constexpr int answer_timeout_ms = 10'000;

// A text that is not told may be anything.
[[nodiscard]] std::string texts(const std::string& kind, const std::string& text, const std::string& more = "") {
    return "SELECT " + kind + "_name AS name, COALESCE(" + text + ", '@') AS body FROM information_schema." +
           (kind == "table" ? "views" : "routines") + " WHERE " + kind +
           "_schema NOT IN ('sys', 'mysql', 'performance_schema', 'ddb_meta')" + more;
}

[[nodiscard]] std::string of_routines(const std::string& more = "") {
    return texts("routine", "routine_definition", more);
}

[[nodiscard]] std::string of_views() {
    return texts("table", "view_definition");
}

Result<std::vector<NamedText>> read(Connection& connection, const std::string& lists) {
    auto rows = connection.rows("SELECT DISTINCT name, body FROM (" + lists + ") AS known LIMIT " +
                                std::to_string(stored_texts_max + 1));
    if (!rows) return rows.error();
    if (rows->size() > stored_texts_max) return fail(ErrorCode::overloaded, "too many views and routines");
    std::vector<NamedText> found;
    for (auto& row : *rows) found.push_back({row[0].value_or(""), row[1].value_or("")});
    return found;
}

}  // namespace

Result<StoredTexts> texts_about_sessions(const ConnectOptions& service, const std::string& words) {
    ConnectOptions options = service;
    options.read_timeout_ms = answer_timeout_ms;
    auto connection = Connection::open(options);
    if (!connection) return connection.error();
    // Of a view that somebody has locked there would be nothing to see.
    if (auto set = (*connection)->execute("SET SESSION lock_wait_timeout = 5"); !set) return set.error();
    auto some = (*connection)
                    ->rows("SELECT 1 FROM (" + of_routines() + " UNION ALL " + of_views() +
                           ") AS known WHERE body REGEXP '" + words + "' LIMIT 1");
    if (!some) return some.error();
    if (some->empty()) return StoredTexts{};
    auto readable = read(**connection, of_routines(" AND routine_type <> 'PROCEDURE'") + " UNION ALL " + of_views());
    if (!readable) return readable.error();
    auto procedures = read(**connection, of_routines(" AND routine_type = 'PROCEDURE'"));
    if (!procedures) return procedures.error();
    return StoredTexts{std::move(*readable), std::move(*procedures)};
}

}  // namespace ddb::storage
