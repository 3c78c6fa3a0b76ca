// What indexes of virtual columns hold, where that depends on the session's time zone: a dump is loaded in UTC, and
// whoever changes a row later takes the old entry out as its own zone has it. On MariaDB these are of tables from
// before ddb; the sessions refuse new ones (session/zone_keys.hpp).
#pragma once

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// Makes those of all tables anew in the server's own zone. What the server does not do stays as it was loaded. Blocks.
// Errors: the connection's.
[[nodiscard]] Status remake_zone_indexes(const ConnectOptions& service);

}  // namespace ddb::storage
