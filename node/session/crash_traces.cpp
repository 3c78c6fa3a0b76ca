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

constexpr std::size_t tokens_max = 32;

// Of CREATE: what it makes stands behind DEFINER = …, ALGORITHM = … and the like.
[[nodiscard]] bool is_taken_back(Tokens tokens) {
    constexpr std::array<std::string_view, 12> kinds{"TABLE",  "VIEW",     "TRIGGER",   "SEQUENCE", "INDEX", "DATABASE",
                                                     "SCHEMA", "FUNCTION", "PROCEDURE", "PACKAGE",  "USER",  "ROLE"};
    constexpr std::array<std::string_view, 4> taken_back{"TABLE", "VIEW", "TRIGGER", "SEQUENCE"};
    const auto kind = std::find_if(tokens.begin(), tokens.end(), [&](const Token& t) { return one_of(t, kinds); });
    return kind != tokens.end() && one_of(*kind, taken_back);
}

}  // namespace

bool may_leave_traces(std::string_view sql) {
    const std::vector<Token> all = scan(sql, tokens_max);
    const Tokens tokens(all);
    constexpr std::array<std::string_view, 3> maintain{"FLUSH", "CHECK", "ANALYZE"};
    const Token verb = token_at(tokens, 0);
    if (one_of(verb, maintain)) return false;
    if (verb.is("RENAME")) return !token_at(tokens, 1).is("TABLE") && !token_at(tokens, 1).is("TABLES");
    return !verb.is("CREATE") || token_at(tokens, 1).is("OR") || !is_taken_back(tokens);
}

}  // namespace ddb::session
