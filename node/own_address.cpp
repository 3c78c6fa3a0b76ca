#include "node/own_address.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

namespace ddb::node {
namespace {

constexpr const char* loopback = "127.0.0.1";
constexpr const char* elsewhere =
    "198.51.100.1";  // a network that is nowhere (RFC 5737): the default route leads there
constexpr std::uint16_t any_port = 9;

std::string text_of(const sockaddr_in& address) {
    char text[INET_ADDRSTRLEN] = {};
    return ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text) != nullptr ? text : "";
}

// The kernel chooses it when a datagram socket is given its destination. Nothing where there is no way, or only a
// way to this host itself.
std::optional<std::string> address_towards(sockaddr_in destination) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::nullopt;
    destination.sin_port = htons(any_port);
    sockaddr_in own{};
    socklen_t length = sizeof own;
    const bool found = ::connect(fd, reinterpret_cast<const sockaddr*>(&destination), sizeof destination) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length) == 0;
    ::close(fd);
    const bool itself = own.sin_addr.s_addr == destination.sin_addr.s_addr;
    const bool inside = (ntohl(own.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    if (!found || itself || inside) return std::nullopt;
    return text_of(own);
}

std::optional<std::string> address_towards(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* list = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return std::nullopt;
    const auto found = address_towards(*reinterpret_cast<const sockaddr_in*>(list->ai_addr));
    ::freeaddrinfo(list);
    return found;
}

std::optional<std::string> first_interface() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return std::nullopt;
    std::optional<std::string> found;
    for (const ifaddrs* it = list; it != nullptr && !found; it = it->ifa_next) {
        if (it->ifa_addr == nullptr || it->ifa_addr->sa_family != AF_INET) continue;
        if ((it->ifa_flags & IFF_LOOPBACK) != 0 || (it->ifa_flags & IFF_UP) == 0) continue;
        found = text_of(*reinterpret_cast<const sockaddr_in*>(it->ifa_addr));
    }
    ::freeifaddrs(list);
    return found;
}

}  // namespace

std::string own_address(const std::vector<std::string>& peers) {
    for (const std::string& peer : peers) {
        if (auto found = address_towards(peer.substr(0, peer.rfind(':')))) return *found;
    }
    if (auto found = address_towards(std::string(elsewhere))) return *found;
    return first_interface().value_or(loopback);
}

}  // namespace ddb::node
