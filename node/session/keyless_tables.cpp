#include "node/session/keyless_tables.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "node/session/sql_scan.hpp"
#include "node/session/table_names.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t head_max = 24;
constexpr std::size_t tokens_max = 10'000;
// No AUTO_INCREMENT: its numbers would be the client's LAST_INSERT_ID(). These grow as well, so rows keep their order.
constexpr std::string_view row_key = "`ddb_row_key` BIGINT UNSIGNED INVISIBLE DEFAULT (UUID_SHORT()) PRIMARY KEY";

[[nodiscard]] std::size_t behind(const Token& token) {
    return token.offset + as_written(token).size();
}

[[nodiscard]] bool begins_query(Tokens tokens, std::size_t i) {
    constexpr std::array<std::string_view, 4> words{"SELECT", "WITH", "VALUES", "TABLE"};
    while (token_at(tokens, i).symbol('(')) ++i;
    return one_of(token_at(tokens, i), words);
}

// The index behind the table's name; 0 for what is no ALTER TABLE.
[[nodiscard]] std::size_t behind_altered(Tokens tokens) {
    std::size_t i = alter_head(tokens);
    return i != 0 && skip_name(tokens, i) ? i : 0;
}

}  // namespace

std::string row_check(std::uint16_t code, TxnId txn) {
    constexpr std::uint16_t mysql_wants_key = 3750;
    if (code != mysql_wants_key) return {};
    return "ddb_row_key_" + std::to_string(txn.epoch.value) + "_" + std::to_string(txn.counter);
}

std::string with_row_key(std::string_view create_table, const std::string& check) {
    const std::vector<Token> tokens = scan(create_table, head_max);
    const CreateHead head = create_head(tokens);
    // OR REPLACE: the table that was there is gone when the server finds no key.
    if (head.name == 0 || (head.replaces && !head.temporary)) return {};
    std::size_t i = head.name;
    if (!skip_name(tokens, i)) return {};
    const bool list = token_at(tokens, i).symbol('(');
    if (token_at(tokens, list ? i + 1 : i).is("LIKE")) return {};
    const bool columns = list && !begins_query(tokens, i);
    const std::size_t at = behind(tokens[columns ? i : i - 1]);
    std::string key(row_key);
    if (!check.empty()) key += " CONSTRAINT `" + check + "` CHECK (`ddb_row_key` <> 0)";
    std::string out(create_table.substr(0, at));
    if (columns) {
        out.append(key).append(", ");
    } else {
        out.append(" (").append(key).append(")");
    }
    return out.append(create_table.substr(at));
}

std::string table_given_key(std::string_view sql) {
    const std::vector<Token> tokens = scan(sql, tokens_max);
    const std::size_t end = behind_altered(tokens);
    if (end == 0) return {};
    if (std::none_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.is("PRIMARY"); })) return {};
    return as_written(tokens, alter_head(tokens), end);
}

std::string altered_table(std::span<const Token> tokens) {
    const std::size_t end = behind_altered(tokens);
    return end == 0 ? std::string() : as_written(tokens, alter_head(tokens), end);
}

AlteredTable altered_instead(std::string_view sql, std::string_view other) {
    constexpr std::array<std::string_view, 4> elsewhere{"RENAME", "EXCHANGE", "DISCARD", "IMPORT"};
    const std::vector<Token> tokens = scan(sql, tokens_max);
    if (std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) { return one_of(token, elsewhere); }))
        return {};
    std::size_t begin = alter_head(tokens);
    if (token_at(tokens, 0).is("DROP") && token_at(tokens, 1).is("INDEX")) {
        const auto on = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.is("ON"); });
        begin = on == tokens.end() ? 0 : static_cast<std::size_t>(on - tokens.begin()) + 1;
    }
    std::size_t end = begin;
    if (begin == 0 || !skip_name(tokens, end)) return {};
    std::string out(sql.substr(0, tokens[begin].offset));
    out.append(other).append(sql.substr(behind(tokens[end - 1])));
    return {as_written(tokens, begin, end), std::move(out)};
}

bool has_row_key(std::string_view shown) {
    return shown.find("`ddb_row_key` bigint") != std::string_view::npos &&
           shown.find("PRIMARY KEY (`ddb_row_key`)") != std::string_view::npos;
}

std::string without_row_key(std::string_view alter_table) {
    const std::vector<Token> tokens = scan(alter_table, tokens_max);
    std::size_t end = behind_altered(tokens);
    if (token_at(tokens, end).is("WAIT")) ++end;
    if (token_at(tokens, end).is("NOWAIT") || token_at(tokens, end).kind == Token::Kind::number) ++end;
    const std::size_t at = behind(tokens[end - 1]);
    return std::string(alter_table.substr(0, at)) + " DROP COLUMN `ddb_row_key`," + std::string(alter_table.substr(at));
}

}  // namespace ddb::session
