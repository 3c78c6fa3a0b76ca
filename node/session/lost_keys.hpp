// MariaDB 11's ALTER TABLE takes a table's key away where one is demanded of every table: only CREATE TABLE is refused
// there. So it is tried ahead, with an empty table of the same definition.
#pragma once

#include <optional>
#include <string>

#include "node/storage/local_database.hpp"
#include "schemas/result.hpp"

namespace ddb::session {

// Of an ALTER TABLE, or DROP INDEX, that may_leave_without_key(): the error (1173) when nothing but the server's word
// stands against it. `session` knows what the names mean. Whatever cannot be tried is left to the server. Blocks.
[[nodiscard]] std::optional<Error> refuse_lost_key(const storage::LocalDatabase& database, storage::Connection& session,
                                                   const std::string& sql);

}  // namespace ddb::session
