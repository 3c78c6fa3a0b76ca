// The server's own lists of what leads from one table to others. Blocks; any thread.
#pragma once

#include "node/storage/local_database.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

inline constexpr std::size_t table_users_max = 5000;  // of each kind; where there are more: an error

// Of all databases but the server's own. Names are without their databases.
[[nodiscard]] Result<TableUsers> table_users(const ConnectOptions& service);

// Whether foreign keys name a table that CREATE TABLE … SELECT fills before their checks may see it, see
// ServerDialect::locks_what_it_fills(). Names in any case.
[[nodiscard]] Result<bool> fills_for_children(const ConnectOptions& service, const std::string& database,
                                              const std::string& table, bool replaces);

}  // namespace ddb::storage
