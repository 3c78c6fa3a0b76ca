#include "node/session/temporary_engine.hpp"

#include <array>
#include <cstddef>

#include "node/session/sql_scan.hpp"

namespace ddb::session {

bool wants_other_engine(std::string_view error_message) {
    constexpr std::string_view mysql = " is disabled (Table creation is disallowed)";
    return error_message.find("NO_ENGINE_SUBSTITUTION") != std::string_view::npos ||
           error_message.find(mysql) != std::string_view::npos;
}

std::string with_innodb(std::string_view create_temporary_table) {
    constexpr std::array<std::string_view, 4> query{"AS", "SELECT", "WITH", "VALUES"};
    constexpr std::array<std::string_view, 2> names_engine{"ENGINE", "TYPE"};
    SqlScanner scanner(create_temporary_table);
    int depth = 0;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (depth == 0 && one_of(token, query)) return {};
        depth += token.symbol('(') ? 1 : token.symbol(')') ? -1 : 0;
        if (depth != 0 || !one_of(token, names_engine)) continue;
        Token name = scanner.next();
        if (name.symbol('=')) name = scanner.next();
        depth += name.symbol('(') ? 1 : 0;  // of a table of that name
        if (name.kind == Token::Kind::end || name.kind == Token::Kind::symbol) continue;
        std::string out(create_temporary_table.substr(0, name.offset));
        return out.append("InnoDB").append(create_temporary_table.substr(name.offset + as_written(name).size()));
    }
    return {};
}

}  // namespace ddb::session
