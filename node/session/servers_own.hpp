// What every server has of its own, in the schemas mysql and sys: to drop or rename it on all of them would leave no
// node that works, and what is moved there is in no dump. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

// DROP and RENAME, of whatever: the only ones to be asked about.
[[nodiscard]] bool may_take_servers_own(std::string_view sql);

// Why the statement is refused; empty: it is not. Names without a database are of `database`.
[[nodiscard]] std::string takes_servers_own(std::string_view sql, std::string_view database);

}  // namespace ddb::session
