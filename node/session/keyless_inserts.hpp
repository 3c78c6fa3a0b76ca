// INSERT … VALUES without a list of columns. MySQL calculates no defaults there, not even of invisible columns: the key
// of ours would be 0 in each row (keyless_tables.hpp). A constraint forbids that; such a text is run again with the
// columns named. Pure.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

// The table's name, as it is written, of an INSERT or REPLACE that names no columns and has VALUES; empty for others.
[[nodiscard]] std::string table_filled_unnamed(std::string_view sql);

// The server would not say that rows were left out, but in a warning.
[[nodiscard]] bool ignores_errors(std::string_view insert);

// The same text with this list of columns in it.
[[nodiscard]] std::string with_columns(std::string_view insert, std::string_view columns);

}  // namespace ddb::session
