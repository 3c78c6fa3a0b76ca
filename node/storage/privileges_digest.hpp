// What the server's tables of accounts and rights hold, in short: MariaDB does not say whether a GRANT that failed has
// changed anything. Blocks; any thread.
#pragma once

#include <string>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// Equal texts: nothing was changed in between.
[[nodiscard]] Result<std::string> privileges_digest(const ConnectOptions& service);

}  // namespace ddb::storage
