// caching_sha2_password as a server answers that does not know the account yet: the client gives its password, inside
// TLS or encrypted for our key, and the server it is meant for judges it. The key is made anew at each start and never
// stored. Owner: the loop thread.
//
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/result.hpp"

using EVP_PKEY = struct evp_pkey_st;

namespace ddb::gateway {

inline constexpr std::string_view sha2_plugin = "caching_sha2_password";

class LoginKey {
  public:
    // RSA, 2048 bits; takes some tenths of a second. Errors: internal, in OpenSSL's words.
    [[nodiscard]] static Result<LoginKey> make();

    [[nodiscard]] const std::string& public_pem() const { return public_pem_; }
    // The password in a client's packet: password and a zero, each byte xored with the challenge, encrypted for this
    // key (OAEP). None when it is anything else.
    [[nodiscard]] std::optional<std::string> password_in(std::string_view encrypted, std::string_view challenge) const;

  private:
    struct Free {
        void operator()(EVP_PKEY* key) const;
    };
    explicit LoginKey(EVP_PKEY* key) : key_(key) {}
    std::unique_ptr<EVP_PKEY, Free> key_;
    std::string public_pem_;
};

// As it is: the password and a zero. None when it has another form.
[[nodiscard]] std::optional<std::string> password_of(std::string_view payload);

// AuthMoreData: one of these two, else a public key is sent. `sha2_full_login` asks for the password.
inline constexpr char sha2_fast_login = 3;  // its answer was enough; OK follows
inline constexpr char sha2_full_login = 4;
inline constexpr char sha2_wants_key = 2;  // what the client sends for it
[[nodiscard]] std::string encode_more_data(std::string_view data);

}  // namespace ddb::gateway
