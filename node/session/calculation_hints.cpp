#include "node/session/calculation_hints.hpp"

#include <array>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::array<std::string_view, 4> writing{"INSERT", "REPLACE", "UPDATE", "DELETE"};
constexpr std::array<std::string_view, 2> calculating{"TIME_ZONE", "SQL_MODE"};  // servers let hints set no others

// What stands between "/*+" and "*/" at the beginning of a text, but for blanks; servers take hints nowhere else.
[[nodiscard]] std::string_view hints_at(std::string_view text) {
    constexpr std::string_view opening = "/*+";
    const std::size_t begin = text.find_first_not_of(" \t\r\n\v\f");
    if (begin == std::string_view::npos || !text.substr(begin).starts_with(opening)) return {};
    text.remove_prefix(begin + opening.size());
    return text.substr(0, text.find("*/"));
}

[[nodiscard]] std::string set_by(std::string_view hints) {
    SqlScanner scanner(hints);
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (!token.is("SET_VAR") || !scanner.next().symbol('(')) continue;
        const Token name = scanner.next();
        if (name.may_name() && listed(name.text, calculating)) return lower_case(name.text);
    }
    return {};
}

}  // namespace

std::string hinted_calculation(std::string_view sql, bool queries) {
    if (!contains_ignoring_case(sql, "SET_VAR")) return {};
    SqlScanner scanner(sql);
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (!one_of(token, writing) && !(queries && token.is("SELECT"))) continue;
        std::string found = set_by(hints_at(sql.substr(token.offset + token.text.size())));
        if (!found.empty()) return found;
    }
    return {};
}

std::string zone_of_one_statement(std::string_view sql) {
    SqlScanner scanner(sql);
    Token token = scanner.next();
    while (token.is("SET") && (token = scanner.next()).is("STATEMENT")) {
        for (; token.kind != Token::Kind::end && !token.is("FOR"); token = scanner.next()) {
            if (token.may_name() && equals_ignoring_case(token.text, "TIME_ZONE")) return "time_zone";
        }
        token = scanner.next();
    }
    return {};
}

std::string hint_refusal(const std::string& variable) {
    return "a hint or SET STATEMENT that sets " + variable +
           " for a statement that writes is refused: other nodes calculate stored columns anew, and are told of the "
           "session's own settings only; say SET " +
           variable + " in front";
}

}  // namespace ddb::session
