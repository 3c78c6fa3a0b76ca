#include "node/gateway/multi_statement.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "node/session/classifier.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::gateway {
namespace {

using session::SqlScanner;
using session::Token;

using Tokens = std::span<const Token>;

// The statement behind SET STATEMENT … FOR.
Tokens without_settings(Tokens tokens) {
    while (tokens.size() > 1 && tokens[0].is("SET") && tokens[1].is("STATEMENT")) {
        const auto end = std::find_if(tokens.begin(), tokens.end(),
                                      [](const Token& token) { return token.is("FOR") || token.symbol(';'); });
        if (end == tokens.end() || end->symbol(';')) return {};
        tokens = Tokens(end + 1, tokens.end());
    }
    return tokens;
}

bool has_body(std::string_view sql) {
    constexpr std::size_t head = 80;  // SET STATEMENT … FOR, OR REPLACE, DEFINER = …, IF NOT EXISTS
    constexpr std::array<std::string_view, 5> kinds{"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"};
    const auto scanned = session::scan(sql, head);
    const Tokens tokens = without_settings(scanned);
    if (tokens.size() < 2) return false;
    if (tokens[0].is("BEGIN")) return !tokens[1].symbol(';') && !tokens[1].is("WORK");  // sql_mode=ORACLE has no NOT
    if (tokens[0].is("DECLARE")) return true;
    if (tokens[0].is("IF") || tokens[0].is("WHILE") || tokens[0].is("LOOP") || tokens[0].is("REPEAT") ||
        tokens[0].is("FOR") || tokens[0].is("CASE")) {
        return true;
    }
    if (!tokens[0].is("CREATE") && !tokens[0].is("ALTER")) return false;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        if (tokens[i].symbol('(') || tokens[i].symbol(';') || tokens[i].is("TABLE") || tokens[i].is("VIEW"))
            return false;
        if (one_of(tokens[i], kinds)) return true;
    }
    return false;
}

bool begins_statement(std::string_view sql) {
    constexpr std::array<std::string_view, 18> verbs{"ALTER",  "CALL",   "COMMIT", "CREATE",  "DELETE",   "DROP",
                                                     "GRANT",  "INSERT", "RENAME", "REPLACE", "REVOKE",   "ROLLBACK",
                                                     "SELECT", "SET",    "SHOW",   "START",   "TRUNCATE", "UPDATE"};
    return one_of(SqlScanner(sql).next(), verbs);
}

constexpr std::array<std::string_view, 6> other_blocks{"IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"};

bool opens_other_block(const Token& token, const Token& next) {
    if (token.is("IF") && (next.is("NOT") || next.is("EXISTS"))) return false;  // CREATE … IF NOT EXISTS
    if (token.is("FOR") && next.is("EACH")) return false;                       // of a trigger
    return one_of(token, other_blocks);
}

// Where a body of one statement, or of the form BEGIN … END, ends; the end of the text where that is in doubt. BEGIN is
// counted wherever it may open a block, END only where nothing else than a block can end: behind a statement's
// semicolon, or behind BEGIN.
std::size_t end_of_body(std::string_view sql) {
    SqlScanner scanner(sql);
    std::size_t depth = 0;
    bool seen_block = false;
    Token before;
    Token token = scanner.next();
    while (token.kind != Token::Kind::end) {
        const Token next = scanner.next();
        if (token.versioned || token.is("PACKAGE") || (!seen_block && opens_other_block(token, next))) break;
        if (token.is("BEGIN") && !before.symbol('.')) {
            ++depth;
            seen_block = true;
        } else if (token.is("END") && depth > 0 && (before.symbol(';') || before.is("BEGIN")) &&
                   !one_of(next, other_blocks)) {
            --depth;
        } else if (token.symbol(';') && depth == 0) {
            if (!begins_statement(sql.substr(token.offset + 1))) break;
            return token.offset;
        }
        before = token;
        token = next;
    }
    return sql.size();
}

// Nothing but space, comments and semicolons.
bool does_nothing(std::string_view sql) {
    SqlScanner scanner(sql);
    for (;;) {
        const Token token = scanner.next();
        if (token.kind == Token::Kind::end) return true;
        if (!token.symbol(';')) return false;
    }
}

}  // namespace

bool is_empty_statement(std::string_view sql) {
    if (!does_nothing(sql)) return false;
    if (sql.find_first_of("#-/") == std::string_view::npos) return true;
    return does_nothing(std::string(sql) + "\nend");  // inside of a comment that has no end
}

bool ends_connection(std::string_view sql) {
    constexpr std::size_t longest = 200;
    if (sql.size() > longest || !session::contains_ignoring_case(sql, "RELEASE")) return false;
    return session::classify(sql).release;
}

bool is_call(std::string_view sql) {
    return SqlScanner(sql).next().is("CALL");
}

std::deque<std::string> split_statements(std::string_view sql) {
    std::deque<std::string> out;
    if (sql.find(';') == std::string_view::npos) return {std::string(sql)};
    while (!sql.empty()) {
        std::size_t end = sql.size();
        if (has_body(sql)) {
            end = end_of_body(sql);
        } else {
            SqlScanner scanner(sql);
            for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
                if (!token.symbol(';') || token.versioned) continue;
                end = token.offset;
                break;
            }
        }
        const std::string_view statement = sql.substr(0, end);
        if (!does_nothing(statement)) out.emplace_back(statement);
        sql.remove_prefix(std::min(sql.size(), end + 1));
    }
    if (out.empty()) out.emplace_back(sql);
    return out;
}

}  // namespace ddb::gateway
