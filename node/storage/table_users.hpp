// What leads from one table to others: who reads it without naming it, and which tables the server's own checks tie
// together. Blocks; any thread.
#pragma once

#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct NamedText {
    std::string name;
    std::string text;
};

struct TableUsers {
    // Views and routines with what they consist of; tables with what their triggers do.
    std::vector<NamedText> by_text;
    std::vector<NamedText> by_key;  // tables with the name of another one, at either end of a foreign key
};
inline constexpr std::size_t table_users_max = 5000;  // of each kind; where there are more: an error

// Of all databases but the server's own. Names are without their databases.
[[nodiscard]] Result<TableUsers> table_users(const ConnectOptions& service);

}  // namespace ddb::storage
