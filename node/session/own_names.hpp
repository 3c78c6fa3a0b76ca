// Statements about accounts that mean "whoever says this". MariaDB logs the words, and where roles are granted or the
// statement fails not whom they mean; the other nodes run them as somebody else.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

struct OwnNames {
    std::string user;  // as in a statement; empty: the words stay
    std::string role;
};
[[nodiscard]] bool means_own_names(std::string_view sql);
[[nodiscard]] std::string with_own_names(std::string_view sql, const OwnNames& names);

// `whole`: as CURRENT_USER() gives it.
[[nodiscard]] std::string account_in_statement(std::string_view whole);

}  // namespace ddb::session
