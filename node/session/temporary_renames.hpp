// RENAME TABLE of temporary tables. MariaDB logs it like any other, and a server where these tables are not would give
// the new name to whatever else has the old one. ALTER TABLE … RENAME does the same and is not logged. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ddb::session {

// The names that tables have before a RENAME TABLE, as they are written. Empty for every other statement, and for what
// the server would not understand either.
[[nodiscard]] std::vector<std::string> renamed_tables(std::string_view sql);

// RENAME TABLE of one table, said as ALTER TABLE.
[[nodiscard]] std::string as_alter_table(std::string_view rename_table);

}  // namespace ddb::session
