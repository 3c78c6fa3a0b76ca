#include <poll.h>

#include <catch2/catch.hpp>

#include "bus/beacon.hpp"
#include "bus/beacon_memory.hpp"
#include "bus/publisher.hpp"
#include "tests/unit/bus_support.hpp"
#include "tests/unit/schemas_samples.hpp"

using namespace ddb;
using namespace ddb::bus;
using namespace ddb::bus::support;

namespace {

struct Station {
    std::unique_ptr<BeaconSocket> socket;
    std::vector<std::string> complaints;
    Beacon own;

    Station(std::uint32_t id, const BeaconOptions& options) {
        auto opened = BeaconSocket::open(options, [this](const std::string& text) { complaints.push_back(text); });
        if (!opened) FAIL(opened.error().message);
        socket = std::move(opened).value();
        own = {options.cluster, {NodeId{id}, Incarnation{id * 10}}, BootNumber{1}, id, 0, "127.0.0.1", 6000, false};
    }
    void announce() {
        ++own.counter;
        socket->announce(own);
    }
    // Everything that arrives within the time.
    [[nodiscard]] std::vector<Beacon> listen(int wait_ms) {
        std::vector<Beacon> heard;
        pollfd item{socket->fd(), POLLIN, 0};
        while (::poll(&item, 1, wait_ms) > 0) {
            while (auto beacon = socket->receive()) heard.push_back(*beacon);
            wait_ms = 20;
        }
        return heard;
    }
};

BeaconOptions loopback(std::uint16_t port) {
    BeaconOptions options;
    options.port = port;
    options.bind_address = "127.0.0.1";
    options.cluster = "test";
    options.key = keys_of(1).beacon();
    return options;
}

// Sends recorded or forged bytes.
void broadcast(std::uint16_t port, const std::string& bytes) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    const int on = 1;
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(0x7FFFFFFFU);
    REQUIRE(::sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) >= 0);
    ::close(fd);
}
// Hears what a real listener on the port hears.
class Recorder {
  public:
    explicit Recorder(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        const int on = 1;
        REQUIRE(::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
        sockaddr_in local{};
        local.sin_family = AF_INET;
        local.sin_port = htons(port);
        REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0);
    }
    ~Recorder() { ::close(fd_); }
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;
    [[nodiscard]] std::string record() const {
        pollfd item{fd_, POLLIN, 0};
        REQUIRE(::poll(&item, 1, 2000) == 1);
        std::string bytes(2000, '\0');
        const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), 0);
        REQUIRE(size > 0);
        bytes.resize(static_cast<std::size_t>(size));
        return bytes;
    }

  private:
    int fd_;
};

}  // namespace

TEST_CASE("all nodes and clients of one host hear every beacon") {
    const std::uint16_t port = free_port();
    const BeaconOptions options = loopback(port);
    Station a(1, options);
    Station b(2, options);
    Station c(3, options);
    BeaconOptions listener = options;
    listener.bind_address.clear();
    listener.listen_only = true;
    Station client(9, listener);
    a.own.formed = true;
    a.announce();
    for (Station* station : {&b, &c, &client}) {
        const auto heard = station->listen(2000);
        REQUIRE(heard.size() == 1);
        CHECK(heard[0].voter == Voter{NodeId{1}, Incarnation{10}});
        CHECK(heard[0].address == "127.0.0.1");
        CHECK(heard[0].port == 6000);
        CHECK(heard[0].formed);
        CHECK(station->complaints.empty());
    }
    CHECK(a.listen(50).empty());  // not our own
    client.announce();
    CHECK(b.listen(50).empty());  // a listener is silent
}

TEST_CASE("multicast works on loopback too") {
    const std::uint16_t port = free_port();
    BeaconOptions options = loopback(port);
    options.multicast_group = "239.255.61.7";
    Station a(1, options);
    Station b(2, options);
    a.announce();
    CHECK(b.listen(2000).size() == 1);
}

TEST_CASE("forged, damaged, foreign and replayed beacons are refused") {
    const std::uint16_t port = free_port();
    const BeaconOptions options = loopback(port);
    Station b(2, options);
    const Recorder recorder(port);

    BeaconOptions wrong_key = options;
    wrong_key.key = keys_of(2).beacon();
    Station forger(1, wrong_key);
    for (int i = 0; i < 3; ++i) forger.announce();
    CHECK(b.listen(500).empty());
    REQUIRE(b.complaints.size() == 1);
    CHECK(b.complaints[0].find("not signed with this cluster's key") != std::string::npos);
    for (int i = 0; i < 3; ++i) (void)recorder.record();

    BeaconOptions other_cluster = wrong_key;
    other_cluster.cluster = "other";
    Station foreign(1, other_cluster);
    foreign.announce();
    CHECK(b.listen(200).empty());
    CHECK(b.complaints.size() == 1);  // another cluster is no offender
    (void)recorder.record();

    Station a(1, options);
    a.announce();
    CHECK(b.listen(500).size() == 1);
    const std::string recorded = recorder.record();
    broadcast(port, recorded);
    CHECK(b.listen(200).empty());
    for (int i = 0; i < 5; ++i) a.announce();
    CHECK(b.listen(500).size() == 5);
    broadcast(port, recorded);
    CHECK(b.listen(500).empty());
    REQUIRE(b.complaints.size() == 2);
    CHECK(b.complaints[1].find("older than one heard before") != std::string::npos);
    // A new boot is news, a recording of the old one is not.
    a.own.boot = BootNumber{2};
    a.own.boot_nonce = 77;
    a.own.counter = 0;
    a.announce();
    CHECK(b.listen(500).size() == 1);
    broadcast(port, recorded);
    CHECK(b.listen(200).empty());

    std::string damaged = recorded;
    damaged.back() ^= 1;
    broadcast(port, damaged);
    broadcast(port, recorded.substr(0, 20));
    broadcast(port, "DDB");
    broadcast(port, "M-SEARCH * HTTP/1.1");
    broadcast(port, std::string(1500, 'D'));
    CHECK(b.listen(500).empty());
}

TEST_CASE("our id announced by another process is noticed") {
    const std::uint16_t port = free_port();
    const BeaconOptions options = loopback(port);
    Station a(1, options);
    Station twin(1, options);
    twin.own.voter.incarnation = Incarnation{99};
    twin.own.address = "127.0.0.7";
    a.announce();
    (void)a.listen(50);
    CHECK(a.socket->duplicate_address().empty());
    twin.announce();
    CHECK(a.listen(500).empty());
    CHECK(a.socket->duplicate_address() == "127.0.0.7:6000");
    REQUIRE(a.complaints.size() == 1);
}

TEST_CASE("an old identity of a living node is not believed") {
    BeaconMemory memory;
    const Voter now{NodeId{1}, Incarnation{2}};
    const Voter old{NodeId{1}, Incarnation{1}};
    using Answer = BeaconMemory::Answer;
    CHECK(memory.check(now, BootNumber{1}, 5, 10) == Answer::fresh);
    CHECK(memory.check(old, BootNumber{9}, 5, 99) == Answer::other_identity);
    CHECK(memory.check(now, BootNumber{1}, 6, 11) == Answer::other_identity);
    CHECK(memory.check(now, BootNumber{1}, 5, 10) == Answer::repeated);
    CHECK(memory.check(now, BootNumber{1}, 5, 7) == Answer::replayed);
    CHECK(memory.check(now, BootNumber{2}, 7, 1) == Answer::fresh);
    CHECK(memory.check(now, BootNumber{1}, 5, 500) == Answer::replayed);
    for (std::uint32_t id = 2; id < 5000; ++id) (void)memory.check({NodeId{id}, Incarnation{1}}, BootNumber{1}, 1, 1);
}

TEST_CASE("announcements reach subscribers with the client key only") {
    const auto keys = keys_of(1);
    Node node(1, free_port(), &keys);
    REQUIRE(node.open().ok());
    auto publisher = Publisher::open(node.context(), node.options, &keys);
    REQUIRE(publisher.ok());
    void* context = zmq_ctx_new();
    {
        const ClientKeys right = client_keys_of(keys);
        const ClientKeys wrong = client_keys_of(keys_of(2));
        auto subscriber = Subscriber::open(context, "test", &right);
        auto stranger = Subscriber::open(context, "test", &wrong);
        REQUIRE(subscriber.ok());
        REQUIRE(stranger.ok());
        (*subscriber)->connect(node.address());
        (*stranger)->connect(node.address());
        std::optional<Announcement> heard;
        REQUIRE(pump_until({&node}, [&] {
            (*publisher)->publish(samples::announcement());
            heard = (*subscriber)->receive(5);
            CHECK_FALSE((*stranger)->receive(0));
            return heard.has_value();
        }));
        CHECK(encode(*heard) == encode(samples::announcement()));
    }
    zmq_ctx_term(context);
    publisher->reset();
}
