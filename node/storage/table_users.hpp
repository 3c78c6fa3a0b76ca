// The server's own lists of what leads from one table to others. Blocks; any thread.
#pragma once

#include "node/storage/local_database.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

inline constexpr std::size_t table_users_max = 5000;  // of each kind; where there are more: an error

// Of all databases but the server's own. Names are without their databases.
[[nodiscard]] Result<TableUsers> table_users(const ConnectOptions& service);

}  // namespace ddb::storage
