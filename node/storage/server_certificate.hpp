// What a server of the node's own needs to speak TLS: a key and a certificate that nobody else has signed. Accounts may
// demand TLS, and a server believes only what it speaks itself; on a socket of one host there is nobody to verify.
#pragma once

#include <string>

#include "schemas/result.hpp"

namespace ddb::storage {

// Both in PEM, one behind the other, made anew with each call (P-256, for the name `ddb`). Errors: internal, in
// OpenSSL's words.
[[nodiscard]] Result<std::string> make_server_certificate();

}  // namespace ddb::storage
