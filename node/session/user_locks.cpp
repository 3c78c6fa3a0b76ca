#include "node/session/user_locks.hpp"

#include "node/session/classifier_rules.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 64;
constexpr std::size_t names_max = 1000;

// The index behind the function's closing parenthesis; 0: it is not closed.
[[nodiscard]] std::size_t behind_call(Tokens tokens, std::size_t i) {
    int depth = 0;
    for (; i < tokens.size(); ++i) {
        depth += tokens[i].symbol('(') ? 1 : tokens[i].symbol(')') ? -1 : 0;
        if (depth == 0) return i + 1;
    }
    return 0;
}

// SELECT or DO of one function, with or without another name for it: what is run once, and for certain.
[[nodiscard]] bool calls_once(Tokens tokens) {
    if (!token_at(tokens, 0).is("SELECT") && !token_at(tokens, 0).is("DO")) return false;
    if (token_at(tokens, 1).kind != Token::Kind::word || !token_at(tokens, 2).symbol('(')) return false;
    std::size_t i = behind_call(tokens, 2);
    if (i == 0) return false;
    if (token_at(tokens, i).is("AS")) ++i;
    const Token name = token_at(tokens, i);
    if (name.may_name() || name.kind == Token::Kind::string) ++i;
    if (token_at(tokens, i).symbol(';')) ++i;
    return i == tokens.size();
}

}  // namespace

void UserLocks::ran(std::string_view sql) {
    const bool takes = contains_ignoring_case(sql, "GET_LOCK");
    if (!takes && (!any() || !contains_ignoring_case(sql, "RELEASE_"))) return;
    const std::vector<Token> tokens = scan(sql, tokens_max);
    const bool once = calls_once(tokens);
    const Token function = token_at(tokens, 1);
    const Token name = token_at(tokens, 3);
    const bool named =
        name.kind == Token::Kind::string && (token_at(tokens, 4).symbol(',') || token_at(tokens, 4).symbol(')'));
    if (takes) {
        const bool known = once && named && function.is("GET_LOCK") && times_.size() < names_max;
        if (known) {
            ++times_[lower_case(name.text)];
        } else {
            unknown_ = true;
        }
        return;
    }
    if (!once) return;
    if (function.is("RELEASE_ALL_LOCKS")) forget();
    if (!function.is("RELEASE_LOCK") || !named) return;
    const auto it = times_.find(lower_case(name.text));
    if (it != times_.end() && --it->second == 0) times_.erase(it);
}

}  // namespace ddb::session
