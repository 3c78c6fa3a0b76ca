#include "node/session/own_names.hpp"

#include "node/session/sql_scan.hpp"
#include "node/storage/connection.hpp"

namespace ddb::session {
namespace {

constexpr std::string_view user_word = "CURRENT_USER";
constexpr std::string_view role_word = "CURRENT_ROLE";

}  // namespace

bool means_own_names(std::string_view sql) {
    return contains_ignoring_case(sql, user_word) || contains_ignoring_case(sql, role_word);
}

std::string with_own_names(std::string_view sql, const OwnNames& names) {
    std::string out;
    std::size_t copied = 0;
    SqlScanner scanner(sql);
    for (Token token = scanner.next(); token.kind != Token::Kind::end;) {
        const std::string* name = nullptr;
        if (token.is(user_word)) name = &names.user;
        if (token.is(role_word)) name = &names.role;
        const std::size_t begin = token.offset;
        std::size_t end = begin + token.text.size();
        token = scanner.next();
        if (name == nullptr || name->empty()) continue;
        if (token.symbol('(')) {
            token = scanner.next();
            if (!token.symbol(')')) continue;
            end = token.offset + 1;
            token = scanner.next();
        }
        out.append(sql.substr(copied, begin - copied)).append(*name);
        copied = end;
    }
    return out.append(sql.substr(copied));
}

std::string account_in_statement(std::string_view whole) {
    const std::size_t at = whole.rfind('@');
    if (at == std::string_view::npos) return {};
    return storage::quoted_name(std::string(whole.substr(0, at))) + "@" +
           storage::quoted_name(std::string(whole.substr(at + 1)));
}

}  // namespace ddb::session
