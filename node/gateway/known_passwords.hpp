// The passwords that the servers took from this node's clients, so that these need not send them again: as a MySQL
// server, which remembers whom it has seen log in (caching_sha2_password's fast login). Ours are the passwords
// themselves, as each of the servers wants them in its turn. In memory only, and the server has the last word about
// each login. Owner: the loop thread.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>

namespace ddb::gateway {

class KnownPasswords {
  public:
    ~KnownPasswords();
    KnownPasswords() = default;
    KnownPasswords(const KnownPasswords&) = delete;
    KnownPasswords& operator=(const KnownPasswords&) = delete;

    // The server has let this user in with it.
    void keep(const std::string& user, const std::string& password);
    void forget(const std::string& user, const std::string& password);
    // The one that a client with this answer to the challenge has. None: it must be asked for it.
    [[nodiscard]] std::optional<std::string> proven_by(const std::string& user, std::string_view answer,
                                                       std::string_view challenge);
    [[nodiscard]] std::size_t size() const { return known_.size(); }

    static constexpr std::size_t passwords_max = 1000;  // those used last

  private:
    struct Known {
        std::string user;
        std::string password;
        std::string once;   // SHA-256 of the password
        std::string twice;  // and of that
    };
    void drop(std::list<Known>::iterator known);
    std::list<Known> known_;  // used last in front
};

}  // namespace ddb::gateway
