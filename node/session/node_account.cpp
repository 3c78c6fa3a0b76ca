#include "node/session/node_account.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 100'000;

// Passwords and what certificates are asked for are strings as well: an account's name is behind one of these.
[[nodiscard]] bool name_follows(const Token& token) {
    constexpr std::array<std::string_view, 9> words{"USER", "ROLE",  "EXISTS", "TO",    "FROM",
                                                    "FOR",  "ADMIN", "GRANT",  "REVOKE"};
    return token.symbol(',') || one_of(token, words);
}

// GRANT … ON <object> TO, whose columns and object may be called as anything.
[[nodiscard]] std::size_t behind_object(const std::vector<Token>& tokens) {
    const auto is = [](std::string_view word) { return [word](const Token& token) { return token.is(word); }; };
    if (tokens.empty() || (!tokens[0].is("GRANT") && !tokens[0].is("REVOKE"))) return 1;
    const auto on = std::find_if(tokens.begin(), tokens.end(), is("ON"));
    if (on == tokens.end() || (on - 1)->is("PROXY")) return 1;
    const auto end = std::find_if(on, tokens.end(), is(tokens[0].is("GRANT") ? "TO" : "FROM"));
    return static_cast<std::size_t>(end - tokens.begin()) + 1;
}

}  // namespace

bool touches_account(std::string_view sql, std::string_view user) {
    const std::vector<Token> tokens = scan(sql, tokens_max);
    for (std::size_t i = behind_object(tokens); i < tokens.size(); ++i) {
        const bool name = tokens[i].may_name() || tokens[i].kind == Token::Kind::string;
        if (!name || tokens[i].text != user) continue;
        const bool of_proxy = tokens[i - 1].is("ON") && i > 1 && tokens[i - 2].is("PROXY");
        if (of_proxy || name_follows(tokens[i - 1])) return true;
    }
    return false;
}

}  // namespace ddb::session
