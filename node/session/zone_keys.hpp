// Keys of virtual columns that depend on the session's time zone: MariaDB takes an old entry out under the zone of the
// session that changes the row, and another server under its own, so that entries stay behind. The server itself
// refuses what depends on other settings there. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

// CREATE or ALTER of a table or an index: what has to be looked at.
[[nodiscard]] bool defines_keys(std::string_view sql);

// The table, as it is written, whose definition CREATE TABLE … LIKE takes over; empty: none.
[[nodiscard]] std::string table_copied(std::string_view sql);

// A column that gets such a key, or becomes one that depends on the zone, by `sql`; empty: none. `shown`: SHOW CREATE
// TABLE of the table as it is, empty where `sql` makes it; of what has such a key already nothing is said.
[[nodiscard]] std::string zone_dependent_key(std::string_view shown, std::string_view sql);

}  // namespace ddb::session
