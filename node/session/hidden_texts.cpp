#include "node/session/hidden_texts.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 1000;  // longer expressions are not looked at

// What stands behind the first `begin` tokens; empty where that has an end of its own, or effects.
[[nodiscard]] std::string rest_of(std::string_view sql, const std::vector<Token>& tokens, std::size_t begin) {
    if (tokens.size() <= begin || tokens.size() == tokens_max) return {};
    std::size_t end = sql.size();
    int depth = 0;
    for (std::size_t i = begin; i < tokens.size(); ++i) {
        const Token& token = tokens[i];
        depth += token.symbol('(') ? 1 : token.symbol(')') ? -1 : 0;
        const bool parameters = token.is("USING") && depth == 0;
        if (parameters || token.symbol(':') || token.versioned) return {};  // @v := … would be done twice
        if (!token.symbol(';')) continue;
        if (i + 1 != tokens.size()) return {};
        end = token.offset;
    }
    return std::string(sql.substr(tokens[begin].offset, end - tokens[begin].offset));
}

[[nodiscard]] bool plain_bytes(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
}

[[nodiscard]] char escaped(char c) {
    switch (c) {
        case 'n':
        case 'r':
        case 't':
        case 'b':
        case 'Z':
        case '0':
            return ' ';
        default:
            return c;
    }
}

[[nodiscard]] std::string value_of(const Token& token) {
    std::string out;
    for (std::size_t i = 0; i < token.text.size(); ++i) {
        const bool last = i + 1 == token.text.size();
        if (token.text[i] == '\\' && !last) {
            out += escaped(token.text[++i]);
        } else {
            out += token.text[i];
            if (token.text[i] == token.quote && !last) ++i;  // it stands there twice
        }
    }
    return out;
}

}  // namespace

std::optional<PreparedAs> prepared_as(std::string_view sql) {
    if (!SqlScanner(sql).next().is("PREPARE")) return std::nullopt;
    const std::vector<Token> tokens = scan(sql, tokens_max);
    if (tokens.size() < 4 || !tokens[2].is("FROM")) return std::nullopt;
    return PreparedAs{lower_case(tokens[1].text), rest_of(sql, tokens, 3)};
}

std::string executed_expression(std::string_view sql) {
    if (!SqlScanner(sql).next().is("EXECUTE")) return {};
    const std::vector<Token> tokens = scan(sql, tokens_max);
    return tokens.size() > 1 && tokens[1].is("IMMEDIATE") ? rest_of(sql, tokens, 2) : std::string();
}

std::string executed_name(std::string_view sql) {
    if (!SqlScanner(sql).next().is("EXECUTE")) return {};
    const std::vector<Token> tokens = scan(sql, 4);
    const bool alone = tokens.size() == 2 || (tokens.size() == 3 && tokens[2].symbol(';'));
    return alone ? lower_case(tokens[1].text) : std::string();
}

std::optional<std::string> literal_value(std::string_view expression) {
    const std::vector<Token> tokens = scan(expression, 2);
    if (tokens.size() != 1 || tokens[0].kind != Token::Kind::string) return std::nullopt;
    return value_of(tokens[0]);
}

std::optional<std::string> said_literally(std::string_view sql) {
    const std::vector<Token> tokens = scan(sql, 5);
    const bool prepares = tokens.size() > 3 && tokens[0].is("PREPARE") && tokens[2].is("FROM");
    const bool executes = tokens.size() > 2 && tokens[0].is("EXECUTE") && tokens[1].is("IMMEDIATE");
    if (!prepares && !executes) return std::nullopt;
    const std::size_t at = prepares ? 3 : 2;
    const bool ends = tokens.size() == at + 1 || tokens[at + 1].symbol(';') || tokens[at + 1].is("USING");
    if (!ends || tokens[at].kind != Token::Kind::string) return std::nullopt;
    return value_of(tokens[at]);
}

std::optional<std::string> ask_text(storage::Connection& connection, const std::string& expression) {
    // As bytes, and by a LIMIT of its own: character_set_results may be utf16, sql_select_limit 0. A comment may end
    // the expression.
    const auto rows = connection.rows("SELECT CAST((" + expression + "\n) AS BINARY), CAST(CHARSET((" + expression +
                                      "\n)) AS BINARY), CAST(@@character_set_client AS BINARY) LIMIT 1");
    if (!rows || rows->size() != 1 || rows->front().size() < 3 || !rows->front()[0]) return std::nullopt;
    const auto& row = rows->front();
    constexpr std::array<std::string_view, 3> known{"utf8mb4", "utf8mb3", "latin1"};
    const bool same = row[1] == row[2] && std::find(known.begin(), known.end(), row[1].value_or("")) != known.end();
    if (!same && !plain_bytes(*row[0])) return std::nullopt;
    return row[0];
}

bool defines(std::string_view text) {
    constexpr std::array<std::string_view, 8> others{"SELECT",  "INSERT", "UPDATE", "DELETE",
                                                     "REPLACE", "WITH",   "SHOW",   "EXPLAIN"};
    const Token first = SqlScanner(text).next();
    return first.kind == Token::Kind::word && !one_of(first, others);
}

void PreparedTexts::prepared(const std::string& name, const std::optional<std::string>& text,
                             const std::string& database) {
    texts_.erase(name);
    if (!text || text->size() > bytes_max || texts_.size() >= texts_max || !defines(*text)) return;
    texts_[name] = {*text, database};
}

std::optional<std::string> PreparedTexts::text_of(const std::string& name, std::string_view database) const {
    const auto at = texts_.find(name);
    if (at == texts_.end() || at->second.database != database) return std::nullopt;
    return at->second.text;
}

}  // namespace ddb::session
