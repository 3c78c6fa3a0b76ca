// Which versioned comments the node's database server runs: MariaDB skips what MySQL 5.7 and later wrote for itself,
// MySQL runs it and skips "/*M!". One answer for the whole process, as it has one server. Any thread.
#pragma once

#include <string_view>

namespace ddb::session {

// `version` as the server says it ("10.11.19-MariaDB", "9.7.4"): once, before the first session. Until then, MariaDB's.
void set_server_version(std::string_view version);

// Of a comment "/*!version …", or "/*M!version …".
[[nodiscard]] bool runs_versioned_comment(bool for_mariadb, unsigned version);

}  // namespace ddb::session
