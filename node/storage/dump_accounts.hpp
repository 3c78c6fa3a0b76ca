// Accounts, roles and rights as SQL: the rows of the server's privilege tables, exactly as they are. GRANT statements
// would not do: they check for objects that are not there yet, and lose what they cannot say. Free functions.
#pragma once

#include <string>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// Statements that make a server's accounts those of `connection`'s server. Left alone on both sides: the service
// account, and without `with_root` the accounts an installation makes for itself.
[[nodiscard]] Result<std::string> accounts_sql(Connection& connection, const std::string& service_user, bool with_root);

}  // namespace ddb::storage
