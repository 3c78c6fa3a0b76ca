// What a definition leaves behind where the server ends in the middle of it. By its text alone; pure, any thread.
#pragma once

#include <string_view>

namespace ddb::session {

// False only of what MariaDB does whole or not at all, its binary log telling which: CREATE TABLE, ALTER TABLE, DROP of
// one table, indexes, views, triggers, RENAME TABLE (its manual, "Atomic DDL"). Of OR REPLACE the old table may be
// gone, of a list only its beginning; accounts and routines stand in tables that know no transaction.
[[nodiscard]] bool may_leave_traces(std::string_view sql);

}  // namespace ddb::session
