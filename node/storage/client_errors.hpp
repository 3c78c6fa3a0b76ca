// What went wrong in the last call of the client library, in the project's own words.
#pragma once

#include <mysql.h>

#include "schemas/result.hpp"

namespace ddb::storage {

// sql with the server's code and state; io when the library failed or the connection is lost.
[[nodiscard]] Error error_of(MYSQL* mysql);
// Whether the server closes the connection behind this error of its own.
[[nodiscard]] bool ends_connection(unsigned code);

}  // namespace ddb::storage
