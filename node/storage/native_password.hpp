// mysql_native_password without the password itself: from a client's answer to our challenge and the hash that the
// server keeps comes SHA1(password), which is all that is needed to log in to a server as the client.
//
// Method: token = SHA1(password) xor SHA1(challenge + SHA1(SHA1(password))); the server keeps SHA1(SHA1(password)).
// https://mariadb.com/kb/en/authentication-plugin-mysql_native_password/
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ddb::storage {

inline constexpr std::size_t sha1_bytes = 20;

// The kept hash, 20 bytes, from its text form "*" + 40 hexadecimal digits.
[[nodiscard]] std::optional<std::string> kept_hash_of(std::string_view text);

// Those in an account's JSON document, at the top or in the list of alternatives.
[[nodiscard]] std::vector<std::string> kept_hashes_in(std::string_view document);

// SHA1(password), when `token` is the right answer to `challenge` for this kept hash.
[[nodiscard]] std::optional<std::string> recover_sha1(std::string_view token, std::string_view challenge,
                                                      std::string_view kept_hash);

[[nodiscard]] std::string native_token(std::string_view sha1_of_password, std::string_view challenge);

// What ConnectOptions::password may be instead of a password: SHA1(password) in a form that no one types.
[[nodiscard]] std::string password_from_sha1(std::string_view sha1_of_password);
[[nodiscard]] std::optional<std::string> sha1_in_password(std::string_view password);

// What a server would keep of this ConnectOptions::password.
[[nodiscard]] std::string kept_hash_of_password(std::string_view password);

// Teaches the client library to log in with password_from_sha1(). Call before the first connection; any thread, any
// number of times.
void install_sha1_login();

}  // namespace ddb::storage
