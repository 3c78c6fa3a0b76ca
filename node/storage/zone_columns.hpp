// What is calculated in the session's time zone and kept: stored columns, and what indexes of virtual ones hold. A dump
// is loaded in UTC, where sessions that say nothing of their zone have the server's own; and whoever changes a row
// later takes the old entry out of an index as its own zone has it. On MariaDB such indexes are of tables from before
// ddb; the sessions refuse new ones (session/zone_keys.hpp).
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// Makes all of that anew in the server's own zone. What the server does not do stays as it was loaded: those tables,
// each with the server's reason, as text for people. Blocks, until it is stopped. Errors: the connection's.
[[nodiscard]] Result<std::vector<std::string>> remake_in_own_zone(const ConnectOptions& service,
                                                                  const std::stop_token& stop);

}  // namespace ddb::storage
