#include <atomic>
#include <thread>

#include "bus/request_client.hpp"
#include "bus/socket.hpp"
#include "tests/unit/bus_support.hpp"
#include "tests/unit/schemas_samples.hpp"

using namespace ddb;
using namespace ddb::bus;
using namespace ddb::bus::support;
using Clock = std::chrono::steady_clock;

namespace {

// A node on a thread of its own that answers verbs with its id and echoes statements as rows.
class Server {
  public:
    Server(std::uint32_t id, const ClusterKeys* keys, std::uint16_t port = 0)
        : keys_(keys),
          port_(port != 0 ? port : free_port()),
          id_(id),
          thread_([this](std::stop_token stop) { run(stop); }) {
        while (!ready_) std::this_thread::yield();
    }
    [[nodiscard]] std::string address() const { return "127.0.0." + std::to_string(id_) + ":" + std::to_string(port_); }
    void stop() {
        thread_.request_stop();
        if (thread_.joinable()) thread_.join();
    }
    void mute(bool on) { mute_ = on; }

  private:
    void run(const std::stop_token& stop) {
        Node node(id_, port_, keys_);
        const bool opened = node.open().ok();
        ready_ = true;
        if (!opened) return;
        while (!stop.stop_requested()) {
            node.pump(20);
            for (Received& r : node.received) {
                if (!mute_) answer(node, r);
            }
            node.received.clear();
        }
    }
    void answer(Node& node, const Received& r) const {
        const auto& message = std::get<SessionMessage>(r.message);
        if (const auto* verb = std::get_if<VerbRequest>(&message)) {
            VerbReply reply;
            reply.id = verb->id;
            if (verb->verb == "fail") reply.error = fail(ErrorCode::not_found, "no such verb");
            reply.json = std::to_string(id_);
            (void)node.links->send(r.client, SessionMessage{CloseSession{samples::session()}});  // something in between
            (void)node.links->send(r.client, SessionMessage{reply});
        } else if (const auto* execute = std::get_if<Execute>(&message)) {
            (void)node.links->send(r.client, SessionMessage{Ping{}});
            (void)node.links->send(r.client,
                                   SessionMessage{ResultRows{execute->session, execute->request, 1, execute->sql}});
        }
    }

    const ClusterKeys* keys_;
    std::uint16_t port_;
    std::uint32_t id_;
    std::atomic<bool> ready_{false};
    std::atomic<bool> mute_{false};
    std::jthread thread_;
};

std::unique_ptr<RequestClient> client_of(const std::vector<std::string>& nodes, const ClientKeys* keys) {
    RequestClientOptions options;
    options.nodes = nodes;
    options.keys = keys;
    options.connect_timeout_ms = 5000;  // so that "quick" is told apart from it on a busy machine
    auto client = RequestClient::open(options);
    REQUIRE(client.ok());
    return std::move(client).value();
}

}  // namespace

TEST_CASE("a client talks to a node and fails over to another") {
    const auto keys = keys_of(1);
    const ClientKeys client_keys = client_keys_of(keys);
    Server one(1, &keys);
    Server two(2, &keys);
    auto client = client_of({one.address(), two.address()}, &client_keys);
    CHECK_FALSE(client->connected());
    REQUIRE(client->connect(5000).ok());
    CHECK(client->address() == one.address());
    CHECK(client->connected());

    Execute execute;
    execute.session = samples::session();
    execute.sql = std::string(5u << 20, 'q');
    REQUIRE(client->send(SessionMessage{execute}).ok());
    auto message = client->receive(10'000);
    REQUIRE(message);
    CHECK(std::get<ResultRows>(*message).rows == execute.sql);
    const auto start = Clock::now();
    CHECK_FALSE(client->receive(100));
    CHECK(Clock::now() - start >= std::chrono::milliseconds(95));
    CHECK(client->connected());

    auto answer = client->verb("status", {}, 5000);
    REQUIRE(answer.ok());
    CHECK(*answer == "1");
    CHECK(client->receive(1000).has_value());  // what arrived while the verb waited
    CHECK(client->verb("fail", {}, 5000).error().message == "no such verb");
    while (client->receive(10)) {
    }

    one.stop();
    CHECK_FALSE(client->receive(10'000));  // returns at the end of the connection, not at the deadline
    CHECK(Clock::now() - start < std::chrono::seconds(9));
    CHECK_FALSE(client->connected());
    CHECK(client->send(SessionMessage{execute}).error().code == ErrorCode::io);
    answer = client->verb("status", {}, 5000);
    REQUIRE(answer.ok());
    CHECK(*answer == "2");
    CHECK(client->address() == two.address());

    two.mute(true);
    const auto late = client->verb("status", {}, 300);
    REQUIRE_FALSE(late.ok());
    CHECK(late.error().code == ErrorCode::timeout);
}

TEST_CASE("a verb that changes something is sent once") {
    const auto keys = keys_of(1);
    const ClientKeys client_keys = client_keys_of(keys);
    Server one(1, &keys);
    Server two(2, &keys);
    auto client = client_of({one.address(), two.address()}, &client_keys);
    REQUIRE(client->connect(5000).ok());
    CHECK(client->verb("add", {}, 5000, true).value() == "1");
    CHECK(client->verb("fail", {}, 5000, true).error().code == ErrorCode::not_found);

    one.mute(true);
    CHECK(client->verb("add", {}, 300, true).error().code == ErrorCode::unknown_outcome);
    std::jthread ending([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        one.stop();
    });
    // The node dies before it answers: the other one is not asked to do it again.
    CHECK(client->verb("add", {}, 10'000, true).error().code == ErrorCode::unknown_outcome);
    ending.join();
    CHECK(client->verb("add", {}, 5000, true).value() == "2");
}

TEST_CASE("connection errors are quick and say why") {
    const auto keys = keys_of(1);
    const ClientKeys right = client_keys_of(keys);
    Server server(1, &keys);
    const std::string dead = "127.0.0.1:" + std::to_string(free_port());
    const auto error_of = [](const std::vector<std::string>& nodes, const ClientKeys* client_keys) {
        const auto start = Clock::now();
        const auto done = client_of(nodes, client_keys)->connect(8000);
        REQUIRE_FALSE(done.ok());
        CHECK(Clock::now() - start < std::chrono::milliseconds(4000));
        return done.error().message;
    };
    CHECK(error_of({dead}, &right).find(dead + ": nothing listens there") != std::string::npos);

    ClientKeys stranger = right;  // knows the server, has a key of another cluster
    stranger.client = keys_of(2).client();
    CHECK(error_of({server.address()}, &stranger).find("refused: key not accepted") != std::string::npos);
    const ClientKeys foreign = client_keys_of(keys_of(2));
    CHECK(error_of({server.address()}, &foreign).find("has other keys") != std::string::npos);
    CHECK(error_of({server.address()}, nullptr).find("asks for a key") != std::string::npos);
    CHECK(error_of({}, &right).find("no node") != std::string::npos);
    CHECK(error_of({"nonsense"}, &right).find("nonsense: ") != std::string::npos);

    auto client = client_of({dead}, &right);
    client->add_node(server.address());
    client->add_node(server.address());
    REQUIRE(client->connect(5000).ok());
    CHECK(client->address() == server.address());

    Server open(3, nullptr);
    CHECK(error_of({open.address()}, &right).find("refused") != std::string::npos);
    CHECK(client_of({open.address()}, nullptr)->connect(5000).ok());
}

TEST_CASE("a node that is late for handshakes does not refuse") {
    const auto keys = keys_of(1);
    const ClientKeys right = client_keys_of(keys);
    const std::uint16_t port = free_port();
    std::atomic<bool> ready{false};
    std::jthread late([&](const std::stop_token& stop) {
        Node node(1, port, &keys);
        const bool opened = node.open().ok();
        ready = true;
        // Two handshakes and more end without its word meanwhile: each is given handshake_ms.
        std::this_thread::sleep_for(std::chrono::milliseconds(2 * handshake_ms + handshake_ms / 2));
        while (opened && !stop.stop_requested()) node.pump(20);
    });
    while (!ready) std::this_thread::yield();
    const auto done = client_of({"127.0.0.1:" + std::to_string(port)}, &right)->connect(20'000);
    INFO((done.ok() ? "connected" : done.error().message));
    CHECK(done.ok());
}

TEST_CASE("a port that accepts and says nothing costs one timeout") {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const std::uint16_t port = free_port();
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_port = htons(port);
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0);
    REQUIRE(::listen(fd, 5) == 0);
    const ClientKeys keys = client_keys_of(keys_of(1));
    auto client = client_of({"127.0.0.1:" + std::to_string(port)}, &keys);
    const auto start = Clock::now();
    const auto done = client->connect(500);
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().code == ErrorCode::timeout);
    CHECK(Clock::now() - start < std::chrono::milliseconds(4000));

    // A node of one's own choice is waited for as long as the caller waits, one of several no longer than its share.
    RequestClientOptions options;
    options.nodes = {"127.0.0.1:" + std::to_string(port)};
    options.keys = &keys;
    options.connect_timeout_ms = 100;
    const auto seconds = [&] {
        const auto begin = Clock::now();
        auto other = RequestClient::open(options);
        REQUIRE(other.ok());
        CHECK_FALSE((*other)->connect(1500).ok());
        return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    CHECK(seconds() > 1.4);
    options.nodes.push_back(options.nodes.front());
    CHECK(seconds() < 1.4);
    ::close(fd);
}
