#include "node/session/client_file.hpp"

#include <cstddef>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

// https://mariadb.com/kb/en/string-literals/
char escaped(char c) {
    switch (c) {
        case '0':
            return '\0';
        case 'b':
            return '\b';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        case 'Z':
            return '\x1a';
        default:
            return c;
    }
}

std::string value_of(const Token& literal, bool no_backslash_escapes) {
    std::string value;
    for (std::size_t i = 0; i < literal.text.size(); ++i) {
        const char c = literal.text[i];
        const bool more = i + 1 < literal.text.size();
        if (c == '\\' && more && !no_backslash_escapes) {
            value += escaped(literal.text[++i]);
        } else {
            if (c == literal.quote && more && literal.text[i + 1] == c) ++i;
            value += c;
        }
    }
    return value;
}

}  // namespace

std::optional<std::string> client_file_of(std::string_view sql, bool no_backslash_escapes) {
    SqlScanner scanner(sql);
    if (!scanner.next().is("LOAD")) return std::nullopt;
    if (const Token kind = scanner.next(); !kind.is("DATA") && !kind.is("XML")) return std::nullopt;
    Token token = scanner.next();
    if (token.is("LOW_PRIORITY") || token.is("CONCURRENT")) token = scanner.next();
    if (!token.is("LOCAL") || !scanner.next().is("INFILE")) return std::nullopt;
    token = scanner.next();
    if (token.kind != Token::Kind::string) return std::nullopt;  // the server says what is wrong with it
    return value_of(token, no_backslash_escapes);
}

}  // namespace ddb::session
