#include "node/gateway/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ddb::gateway {
namespace {

constexpr int keepalive_idle_s = 60, keepalive_interval_s = 10;
// Of what was sent, or asked, and nobody confirms: while an answer is on its way the kernel does not ask, and by itself
// would try for a quarter of an hour. Clients that are there and read nothing are let go by it, too.
constexpr int unconfirmed_ms_max = 150'000;

void set_option(int fd, int level, int option, int value) {
    (void)::setsockopt(fd, level, option, &value, sizeof value);
}

Descriptor stream_socket(int family) {
    return Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Error path_error(const std::string& path, const std::string& why) {
    return fail(ErrorCode::io,
                "gateway.socket: cannot listen on " + path + ": " + why + "; choose another path, or none");
}

// Removes what nobody listens on any more. The kernel refuses connections to such a path.
Status clear_path(const sockaddr_un& address) {
    const std::string path = address.sun_path;
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT ? ok() : path_error(path, std::strerror(errno));
    if (!S_ISSOCK(found.st_mode)) return path_error(path, "it is a file, not a socket");
    const Descriptor probe = stream_socket(AF_UNIX);
    if (probe.get() < 0) return path_error(path, std::strerror(errno));
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno != ECONNREFUSED)
        return path_error(path, "another process listens there");
    if (::unlink(path.c_str()) != 0) return path_error(path, std::strerror(errno));
    return ok();
}

[[nodiscard]] bool is_loopback(const sockaddr_in& peer) {
    constexpr unsigned loopback = 127;
    return ntohl(peer.sin_addr.s_addr) >> 24U == loopback;
}

// A host reaches its own addresses from the same ones.
[[nodiscard]] bool is_elsewhere(int socket, const sockaddr_in& peer) {
    if (is_loopback(peer)) return false;
    sockaddr_in own{};
    socklen_t length = sizeof own;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &length) != 0) return true;
    return own.sin_addr.s_addr != peer.sin_addr.s_addr;
}

}  // namespace

Result<Listener> Listener::on_network(const std::string& address, std::uint16_t port) {
    const auto failed = [&](const std::string& what) {
        return fail(ErrorCode::io, "gateway.port: " + what + " " + address + ":" + std::to_string(port) + ": " +
                                       std::strerror(errno) + "; choose another gateway.port, or 0 for none");
    };
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    const std::string host = address == "*" ? "0.0.0.0" : address;
    errno = EINVAL;
    if (::inet_pton(AF_INET, host.c_str(), &where.sin_addr) != 1) return failed("no IPv4 address:");
    Listener made;
    made.socket_ = stream_socket(AF_INET);
    if (made.fd() < 0) return failed("no socket for");
    set_option(made.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(made.fd(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
        ::listen(made.fd(), SOMAXCONN) != 0)
        return failed("cannot listen on");
    return made;
}

Result<Listener> Listener::on_path(const std::string& path) {
    if (path.size() > socket_path_bytes_max)
        return path_error(path, "it has more than " + std::to_string(socket_path_bytes_max) + " bytes");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (auto status = clear_path(address); !status) return status.error();
    Listener made;
    made.socket_ = stream_socket(AF_UNIX);
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    if (made.fd() < 0 || ::bind(made.fd(), where, sizeof address) != 0) return path_error(path, std::strerror(errno));
    made.path_ = path;  // from here on it is ours to remove
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) return path_error(path, std::strerror(errno));
    made.device_ = file.st_dev;
    made.inode_ = file.st_ino;
    // Who may log in is a matter of accounts, as at a server's socket.
    if (::chmod(path.c_str(), 0777) != 0 || ::listen(made.fd(), SOMAXCONN) != 0)
        return path_error(path, std::strerror(errno));
    return made;
}

Listener::Listener(Listener&& other) noexcept {
    *this = std::move(other);
}

Listener& Listener::operator=(Listener&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    return *this;
}

Listener::~Listener() {
    struct stat file {};
    if (path_.empty() || ::lstat(path_.c_str(), &file) != 0) return;
    if (file.st_dev == device_ && file.st_ino == inode_) (void)::unlink(path_.c_str());
}

Listener::Accepted Listener::accept() const {
    if (local())
        return {Descriptor(::accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)), "localhost", false};
    sockaddr_in address{};
    socklen_t length = sizeof address;
    Accepted out;
    out.socket =
        Descriptor(::accept4(fd(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (out.socket.get() < 0) return out;
    set_option(out.socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(out.socket.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(out.socket.get(), IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
    set_option(out.socket.get(), IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
    set_option(out.socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, unconfirmed_ms_max);
    char text[INET_ADDRSTRLEN] = {};
    (void)::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    out.peer = text;
    if (!is_loopback(address)) out.port = ntohs(address.sin_port);
    out.elsewhere = is_elsewhere(out.socket.get(), address);
    return out;
}

}  // namespace ddb::gateway
