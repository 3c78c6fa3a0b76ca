// The account by which the node itself is logged in to its server. Without it nothing is replicated, and a node that is
// loaded from another one leaves out whatever account has its name: clients may not touch it.
#pragma once

#include <string_view>

namespace ddb::session {

// Whether a statement about accounts or roles makes, changes or drops one of this name, at whatever host.
[[nodiscard]] bool touches_account(std::string_view sql, std::string_view user);

}  // namespace ddb::session
