// Temporary tables of other engines. Servers make InnoDB's only, as what others keep is not replicated; temporary
// tables are not replicated at all, and applications ask for MEMORY because they are. These become InnoDB's. Pure.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

// A server's word for an engine that it does not make tables of, on MariaDB while NO_ENGINE_SUBSTITUTION is said.
[[nodiscard]] bool wants_other_engine(std::string_view error_message);

// CREATE TEMPORARY TABLE with InnoDB in the place of the engine that it names. Empty where it names none.
[[nodiscard]] std::string with_innodb(std::string_view create_temporary_table);

}  // namespace ddb::session
