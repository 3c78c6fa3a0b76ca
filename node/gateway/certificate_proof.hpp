// How a client that knows its password can tell a server's certificate that nobody has signed from an eavesdropper's:
// the server proves that it knows what it keeps of the password, over this very certificate. MariaDB's clients want it
// since 11.4, unless they are given a certificate authority. Pure function.
//
// Source: a plain MariaDB 11.8 server's answer to a login;
// https://mariadb.com/kb/en/securing-connections-for-client-and-server/
#pragma once

#include <string>
#include <string_view>

namespace ddb::gateway {

// The info text of the OK packet behind a login by TLS: 1, then SHA-256 in upper-case hexadecimal digits of the kept
// hash (SHA1(SHA1(password))), the challenge that the client answered, and the certificate's SHA-256 digest. Empty when
// OpenSSL fails.
[[nodiscard]] std::string certificate_proof(std::string_view kept_hash, std::string_view challenge,
                                            std::string_view certificate_digest);

}  // namespace ddb::gateway
