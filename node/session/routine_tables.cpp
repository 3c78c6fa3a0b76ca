#include "node/session/routine_tables.hpp"

#include <array>
#include <cstddef>
#include <vector>

#include "node/session/keyless_tables.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/table_names.hpp"
#include "node/session/temporary_engine.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 200'000;  // longer bodies stay as they are

// PRIMARY KEY, of a column or by itself, or the KEY of a column, which means the same: in the list of columns, where
// INDEX and KEY of their own begin an item. `list`: what stands behind the table's name.
[[nodiscard]] bool declares_key(Tokens list) {
    constexpr std::array<std::string_view, 2> other_keys{"UNIQUE", "FOREIGN"};
    int depth = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
        depth += list[i].symbol('(') ? 1 : list[i].symbol(')') ? -1 : 0;
        if (depth == 0 || list[i].is("SELECT")) return false;
        if (list[i].is("PRIMARY")) return true;
        const Token before = i == 0 ? Token{} : list[i - 1];
        const bool begins_item = before.symbol('(') || before.symbol(',');
        if (list[i].is("KEY") && !begins_item && !one_of(before, other_keys)) return true;
    }
    return false;
}

// `text`, which are `tokens`. Empty where it stays.
[[nodiscard]] std::string mended(Tokens tokens, std::string_view text) {
    const std::size_t name = create_head(tokens).name;
    std::size_t end = name;
    if (name == 0 || !skip_name(tokens, end)) return {};
    std::string engine = with_innodb(text);
    if (upper_case(engine) == upper_case(text)) engine.clear();
    if (declares_key(tokens.subspan(end))) return engine;
    std::string key = with_row_key(engine.empty() ? text : engine);
    return key.empty() ? engine : key;
}

}  // namespace

std::string with_routine_tables(std::string_view body) {
    if (!contains_ignoring_case(body, "TEMPORARY")) return {};
    const std::vector<Token> tokens = scan(body, tokens_max);
    if (tokens.size() == tokens_max) return {};
    std::string out;
    std::size_t copied = 0;  // of the body
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (!create_head(Tokens(tokens).subspan(i)).temporary) continue;
        std::size_t end = i;
        while (end < tokens.size() && !tokens[end].symbol(';')) ++end;
        const std::size_t at = tokens[i].offset;
        const std::size_t behind = end < tokens.size() ? tokens[end].offset : body.size();
        const std::string other = mended(Tokens(tokens).subspan(i, end - i), body.substr(at, behind - at));
        i = end;
        if (other.empty()) continue;
        out.append(body.substr(copied, at - copied)).append(other);
        copied = behind;
    }
    return copied == 0 ? std::string() : out.append(body.substr(copied));
}

}  // namespace ddb::session
