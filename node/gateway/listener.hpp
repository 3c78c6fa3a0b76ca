// What MySQL clients connect to: an address of the network, or a path of this host. Owner: the loop thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "node/gateway/channel.hpp"
#include "schemas/result.hpp"

namespace ddb::gateway {

inline constexpr std::size_t socket_path_bytes_max = 107;  // sun_path less its terminating NUL

class Listener {
  public:
    Listener() = default;  // nothing
    // IPv4, or "*" for all. Errors: io, naming the setting to change.
    [[nodiscard]] static Result<Listener> on_network(const std::string& address, std::uint16_t port);
    // A path that a process which is no more has left behind is taken over. Errors: io, as above; a path in use, or one
    // that is something else than a socket, stays as it is.
    [[nodiscard]] static Result<Listener> on_path(const std::string& path);
    ~Listener();  // removes its path
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&& other) noexcept;

    [[nodiscard]] int fd() const { return socket_.get(); }  // -1: nothing
    [[nodiscard]] bool local() const { return !path_.empty(); }
    struct Accepted {
        Descriptor socket;       // -1: none, errno tells why
        std::string peer;        // the client's address
        std::uint16_t port = 0;  // and port, where it came over the network; else 0
        bool elsewhere = false;  // on another host
    };
    [[nodiscard]] Accepted accept() const;

  private:
    Descriptor socket_;
    std::string path_;
    ::dev_t device_ = 0;  // of the file at path_, which may have been replaced since
    ::ino_t inode_ = 0;
};

}  // namespace ddb::gateway
