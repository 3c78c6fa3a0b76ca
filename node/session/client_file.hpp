// The file of the client that a LOAD … LOCAL names. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ddb::session {

// nullopt: the statement is none of these.
[[nodiscard]] std::optional<std::string> client_file_of(std::string_view sql, bool no_backslash_escapes);

}  // namespace ddb::session
