// SET session_track_schema and session_track_system_variables: which changes of the session a server is to tell with
// its answers. Drivers ask for it when they connect (MariaDB's for ODBC and for Java). The servers of a session tell
// the node what it needs itself, so none of them is asked; a client hears of a changed database, as by default on a
// server, and of no variables. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ddb::session {

// The statement without these; empty when nothing is left of it. Nothing when it has none.
[[nodiscard]] std::optional<std::string> without_tracking(std::string_view sql);

// The same of autocommit: MariaDB's driver for Java says it along with others when it connects.
[[nodiscard]] std::optional<std::string> without_autocommit(std::string_view sql);

}  // namespace ddb::session
