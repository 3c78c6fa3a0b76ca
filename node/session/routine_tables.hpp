// Temporary tables that routines, triggers and blocks of statements make. What a server refuses in the middle of one
// cannot be tried again, as a statement can (keyless_tables, temporary_engine): its text is mended where it is defined.
// Pure.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

// The statements inside `body` that make a temporary table without a key make it with one, and InnoDB's of those that
// name an engine. DROP TABLE of such a table drops no other one, and TRUNCATE empties it by other words, as both would
// be definitions. Empty where nothing changes. What the body puts together itself, and prepares, stays as it is.
[[nodiscard]] std::string with_routine_tables(std::string_view body);

}  // namespace ddb::session
