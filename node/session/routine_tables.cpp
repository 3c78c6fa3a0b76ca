#include "node/session/routine_tables.hpp"

#include <array>
#include <cstddef>
#include <map>
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
    constexpr std::array<std::string_view, 4> other_keys{"UNIQUE", "FOREIGN", "SPATIAL", "FULLTEXT"};
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

[[nodiscard]] std::size_t end_of(Tokens tokens, std::size_t i) {
    while (i < tokens.size() && !tokens[i].symbol(';')) ++i;
    return i;
}

// As it is written, but for its quotes.
[[nodiscard]] std::string plain_name(Tokens name) {
    std::string out;
    for (const Token& token : name) out += lower_case(token.text);
    return out;
}

// How the body makes a table, or the last of several ways.
struct Made {
    std::size_t begin = 0;  // of the statement, among the tokens
    std::size_t name = 0;
    bool counts = false;  // AUTO_INCREMENT, perhaps
    bool once = true;
    bool filled = false;
};
using AllMade = std::map<std::string, Made>;

[[nodiscard]] AllMade made_in(Tokens tokens) {
    AllMade out;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const CreateHead head = create_head(tokens.subspan(i));
        std::size_t end = i + head.name;
        if (!head.temporary || head.name == 0 || !skip_name(tokens, end)) continue;
        const auto [at, first] = out.try_emplace(plain_name(tokens.subspan(i + head.name, end - i - head.name)));
        Made& made = at->second;
        made.begin = i;
        made.name = i + head.name;
        made.once = first;
        for (const std::size_t behind = end_of(tokens, i); end < behind; ++end) {
            made.counts |= tokens[end].is("AUTO_INCREMENT") || tokens[end].is("LIKE");
            made.filled |= tokens[end].is("SELECT") || tokens[end].is("VALUES") || tokens[end].is("WITH");
        }
    }
    return out;
}

// Of a CREATE TEMPORARY TABLE. `text`, which are `tokens`. Empty where it stays.
[[nodiscard]] std::string created(Tokens tokens, std::string_view text) {
    const std::size_t name = create_head(tokens).name;
    std::size_t end = name;
    if (name == 0 || !skip_name(tokens, end)) return {};
    std::string engine = with_innodb(text);
    if (upper_case(engine) == upper_case(text)) engine.clear();
    if (declares_key(tokens.subspan(end))) return engine;
    std::string key = with_row_key(engine.empty() ? text : engine);
    return key.empty() ? engine : key;
}

// Of a DROP TABLE of nothing but what the body has made, the same.
[[nodiscard]] std::string dropped(Tokens tokens, std::string_view text, const AllMade& made) {
    const bool tables = token_at(tokens, 1).is("TABLE") || token_at(tokens, 1).is("TABLES");
    if (!tokens[0].is("DROP") || !tables) return {};
    std::size_t i = token_at(tokens, 2).is("IF") ? 4 : 2;
    do {
        const std::size_t begin = i;
        if (!skip_name(tokens, i) || !made.contains(plain_name(tokens.subspan(begin, i - begin)))) return {};
    } while (token_at(tokens, i++).symbol(','));
    const std::size_t at = tokens[1].offset - tokens[0].offset;
    return std::string(text.substr(0, at)).append("TEMPORARY ").append(text.substr(at));
}

// Of a TRUNCATE, which would commit: the same by what does not. `all`: the body's tokens, of `body`.
[[nodiscard]] std::string emptied(Tokens tokens, const AllMade& made, Tokens all, std::string_view body) {
    const std::size_t name = token_at(tokens, 1).is("TABLE") ? 2 : 1;
    std::size_t end = name;
    if (!tokens[0].is("TRUNCATE") || !skip_name(tokens, end) || end != tokens.size()) return {};
    const auto at = made.find(plain_name(tokens.subspan(name)));
    if (at == made.end()) return {};
    const Made& how = at->second;
    if (!how.counts) return "DELETE FROM " + as_written(tokens, name, end);
    // Its numbers begin anew.
    if (!how.once || how.filled) return {};
    const std::size_t behind = end_of(all, how.begin);
    const std::size_t begins = all[how.begin].offset;
    const std::size_t ends = behind < all.size() ? all[behind].offset : body.size();
    const std::string_view text = body.substr(begins, ends - begins);
    const std::string mended = created(all.subspan(how.begin, behind - how.begin), text);
    const std::size_t head = all[how.name].offset - begins;
    return "CREATE OR REPLACE TEMPORARY TABLE " + (mended.empty() ? std::string(text) : mended).substr(head);
}

}  // namespace

std::string with_routine_tables(std::string_view body) {
    if (!contains_ignoring_case(body, "TEMPORARY")) return {};
    const std::vector<Token> all = scan(body, tokens_max);
    if (all.size() == tokens_max) return {};
    const Tokens tokens = all;
    const AllMade made = made_in(tokens);
    std::string out;
    std::size_t copied = 0;  // of the body
    for (std::size_t i = 0; i < tokens.size() && !made.empty(); ++i) {
        const bool creates = create_head(tokens.subspan(i)).temporary;
        if (!creates && !tokens[i].is("DROP") && !tokens[i].is("TRUNCATE")) continue;
        const std::size_t end = end_of(tokens, i);
        const std::size_t at = tokens[i].offset;
        const std::size_t behind = end < tokens.size() ? tokens[end].offset : body.size();
        const Tokens statement = tokens.subspan(i, end - i);
        const std::string_view text = body.substr(at, behind - at);
        std::string other = creates ? created(statement, text) : dropped(statement, text, made);
        if (!creates && other.empty()) other = emptied(statement, made, tokens, body);
        i = end;
        if (other.empty()) continue;
        out.append(body.substr(copied, at - copied)).append(other);
        copied = behind;
    }
    return copied == 0 ? std::string() : out.append(body.substr(copied));
}

}  // namespace ddb::session
