#include "node/session/dropped_databases.hpp"

#include <vector>

#include "node/session/classifier_rules.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 64;

[[nodiscard]] bool is_database(const Token& token) {
    return token.is("DATABASE") || token.is("SCHEMA");
}

// Quotes inside of a quoted name stand there twice.
[[nodiscard]] std::string name_of(const Token& token) {
    const char quote = token.kind == Token::Kind::quoted ? '`' : token.quote;
    std::string name;
    for (std::size_t i = 0; i < token.text.size(); ++i) {
        name += token.text[i];
        if (quote != 0 && token.text[i] == quote) ++i;
    }
    return name;
}

}  // namespace

std::optional<DroppedDatabase> dropped_database(std::string_view sql) {
    const std::vector<Token> all = scan(sql, tokens_max);
    const Tokens tokens = rules::behind_settings(all);
    if (token_at(tokens, 0).is("DROP") && is_database(token_at(tokens, 1))) return DroppedDatabase{};
    const bool replaces = token_at(tokens, 0).is("CREATE") && token_at(tokens, 1).is("OR") &&
                          token_at(tokens, 2).is("REPLACE") && is_database(token_at(tokens, 3));
    if (!replaces || !token_at(tokens, 4).may_name()) return std::nullopt;
    return DroppedDatabase{name_of(token_at(tokens, 4))};
}

}  // namespace ddb::session
