// What a definition leaves behind where the server ends in the middle of it. By its text alone; pure, any thread.
#pragma once

#include <string_view>

namespace ddb::session {

// False only of what MariaDB takes back whole where its group is not in the binary log: CREATE of tables, views,
// triggers and sequences, RENAME TABLE. With OR REPLACE the old table may be gone; ALTER and DROP may be brought to
// their end when it starts again; of a list there may be only the beginning; accounts and routines stand in tables that
// know no transaction (its manual, "Atomic DDL").
[[nodiscard]] bool may_leave_traces(std::string_view sql);

}  // namespace ddb::session
