// Writes that a query or a setting does not name: those of functions, and of sequences, whose numbers are in effect at
// once. Views that call functions tell nothing of it. Pure; any thread.
#pragma once

#include <string_view>

namespace ddb::session {

// It calls a function that is not known to be the server's own.
[[nodiscard]] bool calls_unknown(std::string_view sql);

// It takes numbers from a sequence, or sets it.
[[nodiscard]] bool moves_sequence(std::string_view sql);

// Of CREATE [TEMPORARY] TABLE … [AS] SELECT …; empty where there is none.
[[nodiscard]] std::string_view query_that_fills(std::string_view sql);

}  // namespace ddb::session
