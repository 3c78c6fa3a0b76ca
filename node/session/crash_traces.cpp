#include "node/session/crash_traces.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "node/session/classifier_rules.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 10'000;

[[nodiscard]] bool has(Tokens tokens, std::string_view word) {
    return std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) { return token.is(word); });
}

// Of CREATE and DROP: what they make or drop, behind UNIQUE, DEFINER = …, ALGORITHM = … and the like.
[[nodiscard]] bool is_whole(Tokens tokens, std::span<const std::string_view> objects) {
    constexpr std::array<std::string_view, 13> kinds{"TABLE",    "TABLES", "VIEW",     "TRIGGER",   "INDEX",
                                                     "DATABASE", "SCHEMA", "FUNCTION", "PROCEDURE", "PACKAGE",
                                                     "USER",     "ROLE",   "SEQUENCE"};
    const auto kind = std::find_if(tokens.begin(), tokens.end(), [&](const Token& t) { return one_of(t, kinds); });
    return kind != tokens.end() && one_of(*kind, objects);
}

}  // namespace

bool may_leave_traces(std::string_view sql) {
    const std::vector<Token> all = scan(sql, tokens_max);
    if (all.size() >= tokens_max) return true;
    const Tokens tokens(all);
    constexpr std::array<std::string_view, 5> created{"TABLE", "VIEW", "TRIGGER", "INDEX", "SEQUENCE"};
    constexpr std::array<std::string_view, 6> dropped{"TABLE", "TABLES", "VIEW", "TRIGGER", "INDEX", "SEQUENCE"};
    constexpr std::array<std::string_view, 4> maintain{"FLUSH", "CHECK", "ANALYZE", "OPTIMIZE"};
    const Token verb = token_at(tokens, 0);
    if (one_of(verb, maintain)) return false;
    if (verb.is("RENAME")) return !token_at(tokens, 1).is("TABLE") && !token_at(tokens, 1).is("TABLES");
    if (verb.is("CREATE")) return token_at(tokens, 1).is("OR") || !is_whole(tokens, created);
    if (verb.is("DROP")) {
        const bool list =
            std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.symbol(','); });
        return list || !is_whole(tokens, dropped);
    }
    // Of partitions: several tables of the storage engine, one after the other.
    if (verb.is("ALTER"))
        return !has(tokens.first(std::min<std::size_t>(tokens.size(), 4)), "TABLE") || has(tokens, "PARTITION");
    return true;
}

}  // namespace ddb::session
