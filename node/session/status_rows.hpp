// SHOW STATUS counts a server's connections. Of these a client's session has one or two here, and the node some of its
// own, so the node puts the number of its sessions in their place: what a client can take for connections.
#pragma once

#include <cstddef>

#include "schemas/session_messages.hpp"

namespace ddb::session {

// In rows of a name and a value: the value of Threads_connected. What is no such row stays as it is.
void tell_sessions(ResultRows& rows, std::size_t sessions);

}  // namespace ddb::session
