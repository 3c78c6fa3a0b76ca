// A result's column as libmariadb describes it, as a message has it. Pure.
#pragma once

#include <mysql.h>

#include "schemas/session_messages.hpp"

namespace ddb::storage {

[[nodiscard]] Column column_of(const MYSQL_FIELD& field);

}  // namespace ddb::storage
