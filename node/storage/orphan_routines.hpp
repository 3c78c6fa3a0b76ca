// MariaDB drops a database's routines last, and leaves them where the statement was to end by then (KILL,
// max_statement_time, a client that is gone): DROP DATABASE says OK all the same and is logged whole, so on the other
// nodes they are gone. Blocks; any thread.
#pragma once

#include <string>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// Takes away the routines of databases that are not there, and those of `replaced`, which was made anew, where it is
// not empty. `service`: a session of the service account, whose changes are not logged.
[[nodiscard]] Status drop_orphan_routines(Connection& service, const std::string& replaced);

}  // namespace ddb::storage
