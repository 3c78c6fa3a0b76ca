// What it needs to speak TLS where nobody has given it a certificate: a key and a certificate that nobody else has
// signed. For the MySQL listener; and for a server of the node's own, as accounts may demand TLS and a server believes
// only what it speaks itself.
#pragma once

#include <string>

#include "schemas/result.hpp"

namespace ddb::storage {

// Both in PEM, the certificate first, made anew with each call (P-256, for this name). Errors: internal, in OpenSSL's
// words.
[[nodiscard]] Result<std::string> make_server_certificate(const std::string& name);

}  // namespace ddb::storage
