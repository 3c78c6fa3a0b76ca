// Everything that must be refused: no effect, one counter, one complaint.
#include <sodium.h>
#include <zmq.h>

#include <chrono>
#include <thread>

#include "bus/socket.hpp"
#include "tests/unit/bus_support.hpp"
#include "tests/unit/schemas_samples.hpp"

using namespace ddb;
using namespace ddb::bus;
using namespace ddb::bus::support;

namespace {

// A socket under the test's full control, speaking to a node.
class Stranger {
  public:
    Stranger(const std::string& address, const Key* server, const CurveKeyPair& own) : context_(zmq_ctx_new()) {
        socket_ = Socket(context_, ZMQ_DEALER);
        set_common_options(socket_);
        if (server != nullptr) set_curve_client(socket_, *server, own);
        REQUIRE(zmq_connect(socket_.get(), ("tcp://" + address).c_str()) == 0);
    }
    ~Stranger() {
        socket_.close();
        zmq_ctx_term(context_);
    }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;
    void send(const std::string& bytes, int flags = 0) {
        REQUIRE(zmq_send(socket_.get(), bytes.data(), bytes.size(), ZMQ_DONTWAIT | flags) >= 0);
    }
    [[nodiscard]] std::string receive() {
        Frame frame;
        return frame.receive(socket_.get()) ? std::string(frame.view()) : std::string();
    }

  private:
    void* context_;
    Socket socket_;
};

struct Fixture {
    ClusterKeys keys = keys_of(1);
    Node node{1, free_port(), &keys};
    Key server = keys.server().public_key;

    Fixture() { REQUIRE(node.open().ok()); }

    [[nodiscard]] std::string sealed(const Envelope& envelope, const Key& key) const {
        return seal(envelope, ChecksumKind::blake2b, key);
    }
    // A vote from node 2, as that node would send it.
    [[nodiscard]] Envelope vote_of(std::uint32_t id, std::uint64_t boot = 1, std::uint64_t nonce = 1) {
        Envelope e;
        e.cluster = "test";
        e.kind = MessageKind::vote;
        e.sender = {NodeId{id}, Incarnation{50}};
        e.boot = BootNumber{boot};
        e.boot_nonce = nonce;
        e.payload = vote_bytes_;
        return e;
    }
    void expect_refused(std::uint64_t count, const std::string& words) {
        REQUIRE(pump_until({&node}, [&] { return node.links->counters().refused >= count; }));
        pump_for({&node}, std::chrono::milliseconds(50));
        CHECK(node.received.empty());
        INFO(words);
        for (const auto& text : node.complaints) UNSCOPED_INFO(text);
        CHECK(node.complained(words));
    }

  private:
    const std::string vote_bytes_ = encode(PeerMessage{Vote{}});  // envelopes point into it
};

CurveKeyPair random_pair() {
    CurveKeyPair pair;
    crypto_box_keypair(pair.public_key.data(), pair.secret_key.data());
    return pair;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "an unknown key is refused and logged once") {
    std::vector<std::unique_ptr<Stranger>> strangers;
    for (int i = 0; i < 3; ++i) {
        strangers.push_back(std::make_unique<Stranger>(node.address(), &server, random_pair()));
        strangers.back()->send(sealed(vote_of(2), keys.peer_envelope()));
    }
    expect_refused(3, "its key is not one of this cluster's");
    CHECK(node.complaints.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a client without encryption is refused") {
    Stranger stranger(node.address(), nullptr, {});
    stranger.send(sealed(vote_of(2), Key{}));
    expect_refused(1, "before it was authenticated");
    Stranger again(node.address(), nullptr, {});
    again.send(sealed(vote_of(2), Key{}));
    expect_refused(2, "before it was authenticated");
    // Who notices first, we that there is no key or the stranger that we want one, differs from time to time; each of
    // the two reasons is told once.
    CHECK(node.complaints.size() <= 2);
}

TEST_CASE_METHOD(Fixture, "a node of another cluster is refused") {
    const auto others = keys_of(2);
    Stranger stranger(node.address(), &server, others.node(NodeId{2}));
    stranger.send(sealed(vote_of(2), others.peer_envelope()));
    expect_refused(1, "its key is not one");
    // One that does not even know our server key fails in the handshake.
    const Key foreign_server = others.server().public_key;
    Stranger blind(node.address(), &foreign_server, others.node(NodeId{2}));
    expect_refused(2, "refused a connection");
}

TEST_CASE_METHOD(Fixture, "stray bytes on the port do no harm") {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(node.options.port);
    REQUIRE(inet_pton(AF_INET, node.options.bind_address.c_str(), &to.sin_addr) == 1);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    std::string junk(5000, '\0');
    randombytes_buf(junk.data(), junk.size());
    (void)!::send(fd, junk.data(), junk.size(), MSG_NOSIGNAL);
    pump_for({&node}, std::chrono::milliseconds(100));
    ::close(fd);
    Node friendly(2, node.options.port, &keys);
    REQUIRE(friendly.open().ok());
    join(node, friendly);
    CHECK(node.received.empty());
}

TEST_CASE_METHOD(Fixture, "a client key cannot send what only nodes may") {
    Stranger client(node.address(), &server, keys.client());
    // Sealed with the key it has, naming itself a client; then naming itself a node; then an answer only nodes give.
    Envelope e = vote_of(0);
    client.send(sealed(e, keys.client_envelope()));
    expect_refused(1, "a client may not send vote");
    client.send(sealed(vote_of(2), keys.client_envelope()));
    expect_refused(2, "a client may not send vote");
    e.kind = MessageKind::result_rows;
    client.send(sealed(e, keys.client_envelope()));
    expect_refused(3, "a client may not send");
    // Even with the peers' checksum key it remains a client.
    client.send(sealed(vote_of(2), keys.peer_envelope()));
    expect_refused(4, "wrong checksum");
}

TEST_CASE_METHOD(Fixture, "a node cannot speak for another") {
    Stranger liar(node.address(), &server, keys.node(NodeId{3}));
    liar.send(sealed(vote_of(2), keys.peer_envelope()));
    expect_refused(1, "its key belongs to node 3");
    liar.send(sealed(vote_of(0), keys.peer_envelope()));
    expect_refused(2, "its key belongs to node 3");
    liar.send(sealed(vote_of(3), keys.peer_envelope()));
    REQUIRE(pump_until({&node}, [&] { return node.received.size() == 1; }));
    CHECK(node.received[0].peer == NodeId{3});
}

TEST_CASE_METHOD(Fixture, "high node ids get in, by search or because they are dialled") {
    Node found(150, node.options.port, &keys);
    found.options.bind_address = "127.0.0.8";
    REQUIRE(found.open().ok());
    found.links->connect(NodeId{1}, node.address());
    REQUIRE(pump_until({&node, &found}, [&] { return found.is_up(NodeId{1}); }));
    Node dialled(40'000, node.options.port, &keys);
    dialled.options.bind_address = "127.0.0.9";
    REQUIRE(dialled.open().ok());
    node.links->connect(NodeId{40'000}, dialled.address());
    dialled.links->connect(NodeId{1}, node.address());
    REQUIRE(pump_until({&node, &dialled}, [&] { return dialled.is_up(NodeId{1}) && node.is_up(NodeId{40'000}); }));
    REQUIRE(dialled.links->send(NodeId{1}, PeerMessage{Vote{}}).ok());
    REQUIRE(pump_until({&node, &dialled}, [&] { return node.received.size() == 1; }));
    CHECK(node.received[0].peer == NodeId{40'000});
}

TEST_CASE_METHOD(Fixture, "older boots and copied journals are refused") {
    Stranger peer(node.address(), &server, keys.node(NodeId{2}));
    peer.send(sealed(vote_of(2, 5, 55), keys.peer_envelope()));
    REQUIRE(pump_until({&node}, [&] { return node.received.size() == 1; }));
    node.received.clear();
    peer.send(sealed(vote_of(2, 4, 44), keys.peer_envelope()));
    expect_refused(1, "has started again since");
    peer.send(sealed(vote_of(2, 5, 56), keys.peer_envelope()));
    expect_refused(2, "two processes run as node 2");
    peer.send(sealed(vote_of(2, 6, 66), keys.peer_envelope()));
    REQUIRE(pump_until({&node}, [&] { return node.received.size() == 1; }));
}

TEST_CASE_METHOD(Fixture, "damaged, foreign, newer and unknown messages are refused") {
    Stranger peer(node.address(), &server, keys.node(NodeId{2}));
    const Key key = keys.peer_envelope();
    std::string damaged = sealed(vote_of(2), key);
    damaged[damaged.size() / 2] ^= 1;
    peer.send(damaged);
    expect_refused(1, "wrong checksum");
    Envelope e = vote_of(2);
    e.cluster = "other";
    peer.send(sealed(e, key));
    e = vote_of(2);
    e.version = 9;
    peer.send(sealed(e, key));
    e = vote_of(2);
    e.kind = static_cast<MessageKind>(60);
    peer.send(sealed(e, key));
    e = vote_of(2);
    e.payload = "\x91";
    peer.send(sealed(e, key));
    e = vote_of(2);
    e.kind = MessageKind::announcement;
    peer.send(sealed(e, key));
    peer.send("");
    peer.send("one", ZMQ_SNDMORE);
    peer.send("two");
    expect_refused(8, "unknown message kind 60");
    CHECK(node.complained("does not have exactly one frame"));
    CHECK(node.complained("announcements do not travel"));
    // The connection is still good.
    peer.send(sealed(vote_of(2), key));
    REQUIRE(pump_until({&node}, [&] { return node.received.size() == 1; }));
}

TEST_CASE_METHOD(Fixture, "a second node of our id is noticed by the newcomer") {
    Stranger twin(node.address(), &server, keys.node(NodeId{1}));
    // We ourselves, over a list of peers that names this host: no complaint.
    Envelope e = vote_of(1);
    e.sender = node.options.self;
    e.boot = node.options.boot;
    e.boot_nonce = node.options.boot_nonce;
    twin.send(sealed(e, keys.peer_envelope()));
    pump_for({&node}, std::chrono::milliseconds(100));
    CHECK_FALSE(node.links->duplicate_of_us());
    CHECK(node.complaints.empty());
    e.sender.incarnation = Incarnation{99};
    twin.send(sealed(e, keys.peer_envelope()));
    expect_refused(1, "another node uses id 1");
    CHECK(node.links->duplicate_of_us());
}

TEST_CASE("who served nobody for long is a newcomer all the same, who serves for long is none") {
    const ClusterKeys keys = keys_of(1);
    const Key server = keys.server().public_key;
    Node node{1, free_port(), &keys};
    node.options.newcomer_ms = 1000;
    REQUIRE(node.open().ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(1200));  // its database server starts
    Envelope e;
    e.cluster = "test";
    e.kind = MessageKind::vote;
    e.sender = {NodeId{1}, Incarnation{99}};
    const std::string payload = encode(PeerMessage{Vote{}});
    e.payload = payload;
    const auto meet = [&] {
        Stranger twin(node.address(), &server, keys.node(NodeId{1}));
        twin.send(seal(e, ChecksumKind::blake2b, keys.peer_envelope()));
        const auto before = node.links->counters().refused;
        REQUIRE(pump_until({&node}, [&] { return node.links->counters().refused > before; }));
        return node.links->duplicate_of_us();
    };
    SECTION("at once") {
        CHECK(meet());
    }
    SECTION("later") {
        pump_for({&node}, std::chrono::milliseconds(1200));
        CHECK_FALSE(meet());
    }
}

TEST_CASE_METHOD(Fixture, "clients are answered on their route, and told apart when gone") {
    auto client = std::make_unique<Stranger>(node.address(), &server, keys.client());
    Envelope e = vote_of(0);
    e.cluster.clear();
    e.kind = MessageKind::ping;
    e.lamport = LamportTime{UINT64_MAX};
    const std::string ping = encode(SessionMessage{Ping{}});
    e.payload = ping;
    client->send(sealed(e, keys.client_envelope()));
    REQUIRE(pump_until({&node}, [&] { return node.received.size() == 1; }));
    CHECK(node.received[0].peer == NodeId{});
    CHECK(node.links->lamport() < LamportTime{1000});
    const ClientRoute route = node.received[0].client;
    REQUIRE(node.links->send(route, SessionMessage{CloseSession{samples::session()}}).ok());
    std::string answer;
    REQUIRE(pump_until({&node}, [&] { return !(answer = client->receive()).empty(); }));
    const auto opened = open_sealed(answer, "test", keys.client_envelope());
    REQUIRE(opened.ok());
    CHECK(opened->kind == MessageKind::close_session);
    client.reset();
    REQUIRE(pump_until({&node}, [&] {
        const auto sent = node.links->send(route, SessionMessage{Ping{}});
        return !sent.ok() && sent.error().code == ErrorCode::not_found;
    }));
}
