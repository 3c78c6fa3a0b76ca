// Several statements in one command. Plain functions.
#pragma once

#include <deque>
#include <string>
#include <string_view>

namespace ddb::gateway {

// Nothing but space and semicolons, which is an error. A comment makes a statement of it: one that does nothing.
[[nodiscard]] bool is_empty_statement(std::string_view sql);

[[nodiscard]] bool is_call(std::string_view sql);
// COMMIT or ROLLBACK RELEASE.
[[nodiscard]] bool ends_connection(std::string_view sql);

// At least one; empty ones are left out. A statement with a body of its own (routines, triggers, events) takes the rest
// of the text, as only the server's grammar knows where a body ends; but one of BEGIN … END, or of one simple
// statement, with another statement behind it.
[[nodiscard]] std::deque<std::string> split_statements(std::string_view sql);

}  // namespace ddb::gateway
