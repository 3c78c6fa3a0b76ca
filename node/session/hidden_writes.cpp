#include "node/session/hidden_writes.hpp"

#include <array>
#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 10'000;

}  // namespace

bool calls_unknown(std::string_view sql) {
    constexpr std::array<std::string_view, 34> harmless{
        "COUNT", "SUM",  "MIN",   "MAX",    "AVG",     "IN",     "AND",      "OR",     "NOT",
        "WHERE", "ON",   "USING", "AS",     "FROM",    "JOIN",   "SELECT",   "EXISTS", "VALUES",
        "BY",    "CAST", "IF",    "IFNULL", "CONCAT",  "NOW",    "COALESCE", "UNION",  "ALL",
        "ANY",   "LEFT", "LOWER", "UPPER",  "VERSION", "HAVING", "DATABASE"};
    if (sql.find('(') == std::string_view::npos) return false;
    const std::vector<Token> tokens = scan(sql, tokens_max);
    if (tokens.size() == tokens_max) return true;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        if (!tokens[i].symbol('(') || !tokens[i - 1].may_name()) continue;
        if (!one_of(tokens[i - 1], harmless) || (i > 1 && tokens[i - 2].symbol('.'))) return true;
    }
    return false;
}

bool moves_sequence(std::string_view sql) {
    constexpr std::array<std::string_view, 2> functions{"NEXTVAL", "SETVAL"};
    if (!contains_ignoring_case(sql, "NEXT") && !contains_ignoring_case(sql, "SETVAL")) return false;
    const std::vector<Token> tokens = scan(sql, tokens_max);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const bool value_follows = i + 1 < tokens.size() && tokens[i + 1].is("VALUE");
        if (one_of(tokens[i], functions) || (tokens[i].is("NEXT") && value_follows)) return true;
    }
    return tokens.size() == tokens_max;
}

std::string_view query_that_fills(std::string_view sql) {
    constexpr std::array<std::string_view, 3> queries{"SELECT", "VALUES", "WITH"};
    constexpr std::array<std::string_view, 4> of_tables{"LESS", "IN", "SYSTEM", "PARSER"};  // behind VALUES and WITH
    SqlScanner scanner(sql);
    if (!scanner.next().is("CREATE")) return {};
    for (Token token = scanner.next(); token.kind != Token::Kind::end;) {
        const Token behind = scanner.next();
        if (one_of(token, queries) && !one_of(behind, of_tables)) return sql.substr(token.offset);
        token = behind;
    }
    return {};
}

}  // namespace ddb::session
