#include "bus/beacon.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include "bus/beacon_memory.hpp"
#include "bus/complaints.hpp"
#include "schemas/wire_format.hpp"

namespace ddb::bus {

template <class A>
void fields(A& a, typename A::template Ref<Beacon> m) {
    using wire::field;
    a.record("beacon", field("cluster", m.cluster, 64), field("id", m.voter.id),
             field("incarnation", m.voter.incarnation), field("boot", m.boot), field("boot_nonce", m.boot_nonce),
             field("counter", m.counter), field("address", m.address, 64), field("port", m.port),
             field("formed", m.formed));
}

namespace {

constexpr std::string_view magic = "DDB\x01";  // the last byte is the beacon's version
constexpr std::size_t tag_bytes = 32;
constexpr std::size_t datagram_bytes_max = 1024;
constexpr int datagrams_per_call_max = 64;  // then the loop gets its turn again

using Tag = std::array<unsigned char, tag_bytes>;

[[nodiscard]] Tag tag_of(std::string_view bytes, const Key& key) {
    Tag tag{};
    crypto_generichash(tag.data(), tag.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                       key.data(), key.size());
    return tag;
}

[[nodiscard]] std::string system_error(const std::string& what) {
    return what + ": " + std::generic_category().message(errno);
}

[[nodiscard]] std::string text_of(const in_addr& address) {
    char text[INET_ADDRSTRLEN] = {};
    inet_ntop(AF_INET, &address, text, sizeof text);
    return text;
}

[[nodiscard]] bool is_loopback(const in_addr& address) {
    return (ntohl(address.s_addr) >> 24U) == 127;
}

// One way out of this host.
struct Interface {
    in_addr address{};
    in_addr broadcast{};
};

// Interfaces that can broadcast; read again each time because they come and go.
[[nodiscard]] std::vector<Interface> interfaces() {
    std::vector<Interface> found;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return found;
    constexpr unsigned wanted = IFF_UP | IFF_BROADCAST;
    for (const ifaddrs* it = list; it != nullptr; it = it->ifa_next) {
        if (it->ifa_addr == nullptr || it->ifa_addr->sa_family != AF_INET || it->ifa_broadaddr == nullptr) continue;
        if ((it->ifa_flags & wanted) != wanted || (it->ifa_flags & IFF_LOOPBACK) != 0) continue;
        Interface one;
        one.address = reinterpret_cast<const sockaddr_in*>(it->ifa_addr)->sin_addr;
        one.broadcast = reinterpret_cast<const sockaddr_in*>(it->ifa_broadaddr)->sin_addr;
        found.push_back(one);
    }
    ::freeifaddrs(list);
    return found;
}

}  // namespace

class BeaconSocket::Impl {
  public:
    Impl(BeaconOptions options, Complain complain) : options_(std::move(options)), complaints_(std::move(complain)) {}
    ~Impl() {
        if (fd_ >= 0) ::close(fd_);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    [[nodiscard]] Status open();
    void announce(const Beacon& beacon);
    [[nodiscard]] std::optional<Beacon> receive();
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] const std::string& duplicate_address() const { return duplicate_address_; }

  private:
    [[nodiscard]] Status join_group();
    [[nodiscard]] std::vector<Interface> ways_out() const;
    [[nodiscard]] std::optional<Beacon> accept(std::string_view datagram, const std::string& source);
    void refuse(const char* reason, const std::string& source, const std::string& text) {
        complaints_.complain(reason, source, "refused a beacon from " + source + ": " + text);
    }

    BeaconOptions options_;
    Complaints complaints_;
    in_addr bind_{};   // 0.0.0.0: every interface
    in_addr group_{};  // 0.0.0.0: broadcast
    int fd_ = -1;
    std::optional<Beacon> own_;  // what we announced last
    BeaconMemory memory_;
    std::string duplicate_address_;
};

Status BeaconSocket::Impl::open() {
    DDB_ASSERT(sodium_init() >= 0);
    if (!options_.bind_address.empty() && inet_pton(AF_INET, options_.bind_address.c_str(), &bind_) != 1) {
        return fail(ErrorCode::invalid_argument, "beacon: " + options_.bind_address + " is not an IPv4 address");
    }
    if (!options_.multicast_group.empty() && inet_pton(AF_INET, options_.multicast_group.c_str(), &group_) != 1) {
        return fail(ErrorCode::invalid_argument, "beacon: " + options_.multicast_group + " is not an IPv4 group");
    }
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return fail(ErrorCode::io, system_error("beacon socket"));
    const int on = 1;
    // Several nodes and clients of one host share the port; the kernel gives each of them every broadcast.
    if (::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::setsockopt(fd_, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) != 0) {
        return fail(ErrorCode::io, system_error("beacon socket"));
    }
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_port = htons(options_.port);
    local.sin_addr.s_addr = INADDR_ANY;  // a socket bound to one address hears no broadcast
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
        return fail(ErrorCode::io,
                    system_error("cannot listen for beacons on UDP port " + std::to_string(options_.port)) +
                        "; choose another discovery.port");
    }
    return group_.s_addr != INADDR_ANY ? join_group() : ok();
}

Status BeaconSocket::Impl::join_group() {
    bool joined = false;
    for (const Interface& way : ways_out()) {
        ip_mreq request{};
        request.imr_multiaddr = group_;
        request.imr_interface = way.address;
        // Two addresses of one interface join it once; the second try says so.
        joined = ::setsockopt(fd_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0 ||
                 errno == EADDRINUSE || joined;
    }
    if (!joined) return fail(ErrorCode::io, system_error("cannot join the multicast group " + text_of(group_)));
    return ok();
}

std::vector<Interface> BeaconSocket::Impl::ways_out() const {
    Interface loopback;
    loopback.address.s_addr = htonl(INADDR_LOOPBACK);
    loopback.broadcast.s_addr = htonl(0x7FFFFFFFU);  // 127.255.255.255
    if (is_loopback(bind_)) return {loopback};
    std::vector<Interface> ways = interfaces();
    if (bind_.s_addr != INADDR_ANY) {
        std::erase_if(ways, [&](const Interface& way) { return way.address.s_addr != bind_.s_addr; });
    }
    if (ways.empty()) ways.push_back(loopback);  // a host without a network still finds its own nodes
    return ways;
}

void BeaconSocket::Impl::announce(const Beacon& beacon) {
    if (options_.listen_only) return;
    own_ = beacon;
    std::string datagram(magic);
    wire::write_to(datagram, beacon, nullptr);
    const Tag tag = tag_of(datagram, options_.key);
    datagram.append(reinterpret_cast<const char*>(tag.data()), tag.size());
    for (const Interface& way : ways_out()) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(options_.port);
        to.sin_addr = way.broadcast;
        if (group_.s_addr != INADDR_ANY) {
            to.sin_addr = group_;
            (void)::setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &way.address, sizeof way.address);
        }
        // An interface may be down just now; the next beacon tries again.
        if (::sendto(fd_, datagram.data(), datagram.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to),
                     sizeof to) < 0) {
            const std::string where = text_of(to.sin_addr);
            complaints_.complain("send", where, system_error("beacon to " + where));
        }
    }
}

std::optional<Beacon> BeaconSocket::Impl::receive() {
    for (int i = 0; i < datagrams_per_call_max; ++i) {
        std::array<char, datagram_bytes_max + 1> buffer;
        sockaddr_in from{};
        socklen_t from_size = sizeof from;
        const ssize_t size =
            ::recvfrom(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &from_size);
        if (size < 0) {
            if (errno == EINTR) continue;
            return {};
        }
        const std::string_view datagram(buffer.data(), static_cast<std::size_t>(size));
        if (auto beacon = accept(datagram, text_of(from.sin_addr))) return beacon;
    }
    return {};
}

std::optional<Beacon> BeaconSocket::Impl::accept(std::string_view datagram, const std::string& source) {
    // Other programs may use the port; what does not look like a beacon is none of our business.
    if (!datagram.starts_with(magic.substr(0, 3))) return {};
    if (datagram.size() <= magic.size() + tag_bytes || datagram.size() > datagram_bytes_max ||
        !datagram.starts_with(magic)) {
        refuse("damaged", source, "it is damaged or of another version");
        return {};
    }
    const std::string_view body = datagram.substr(0, datagram.size() - tag_bytes);
    auto beacon = wire::read_all<Beacon>(body.substr(magic.size()));
    if (!beacon) {
        refuse("damaged", source, beacon.error().message);
        return {};
    }
    // Clusters may share a network: each has its own key and none of them is an offender.
    if (!options_.cluster.empty() && beacon->cluster != options_.cluster) return {};
    const Tag expected = tag_of(body, options_.key);
    if (sodium_memcmp(expected.data(), datagram.data() + body.size(), tag_bytes) != 0) {
        refuse("forged", source, "it is not signed with this cluster's key");
        return {};
    }
    in_addr parsed{};
    if (!beacon->voter.id || beacon->port == 0 || inet_pton(AF_INET, beacon->address.c_str(), &parsed) != 1) {
        refuse("damaged", source, "it names no node or no address");
        return {};
    }
    if (own_ && beacon->voter.id == own_->voter.id) {
        const bool ours = beacon->voter == own_->voter && beacon->boot_nonce == own_->boot_nonce;
        const bool older = beacon->voter == own_->voter && beacon->boot < own_->boot;
        if (!ours && !older) {
            refuse("duplicate", source, "another node uses id " + to_string(own_->voter.id) + " at " + beacon->address);
            duplicate_address_ = beacon->address + ":" + std::to_string(beacon->port);
        }
        return {};
    }
    switch (memory_.check(beacon->voter, beacon->boot, beacon->boot_nonce, beacon->counter)) {
        case BeaconMemory::Answer::fresh:
            return std::move(*beacon);
        case BeaconMemory::Answer::repeated:  // the same one over a second interface
            return {};
        case BeaconMemory::Answer::replayed:
            refuse("replayed", source, "it is older than one heard before from node " + to_string(beacon->voter.id));
            return {};
        case BeaconMemory::Answer::other_identity:
            refuse("identity", source, "node " + to_string(beacon->voter.id) + " is heard under another identity");
            return {};
    }
    return {};
}

BeaconSocket::BeaconSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BeaconSocket::~BeaconSocket() = default;

Result<std::unique_ptr<BeaconSocket>> BeaconSocket::open(const BeaconOptions& options, Complain complain) {
    auto impl = std::make_unique<Impl>(options, std::move(complain));
    if (auto opened = impl->open(); !opened) return opened.error();
    return std::unique_ptr<BeaconSocket>(new BeaconSocket(std::move(impl)));
}

void BeaconSocket::announce(const Beacon& beacon) {
    impl_->announce(beacon);
}
std::optional<Beacon> BeaconSocket::receive() {
    return impl_->receive();
}
int BeaconSocket::fd() const {
    return impl_->fd();
}
const std::string& BeaconSocket::duplicate_address() const {
    return impl_->duplicate_address();
}

}  // namespace ddb::bus
