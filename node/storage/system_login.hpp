// Accounts that a server lets in by the name of the system's user who connects (unix_socket, auth_socket). Through a
// node that is the node's own user, whoever the client is, and wherever.
#pragma once

#include <string>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// Who this process is to a server on the same host; empty when the system has no name for it.
[[nodiscard]] std::string system_user();

// Before the node logs in as `user` on a client's behalf. An error (1698) when the server would not look at the
// password and the client has none that the account keeps; those of the server. The password may be one of
// password_from_sha1().
[[nodiscard]] Status refuse_system_login(Connection& service, const std::string& user, const std::string& password);

}  // namespace ddb::storage
