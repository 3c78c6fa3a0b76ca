// Nodes for bus tests: a context, peer links, and a pump with a deadline.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bus/peer_links.hpp"

namespace ddb::bus::support {

inline constexpr std::chrono::seconds patience{10};

inline ClusterKeys keys_of(std::uint8_t seed) {
    Key secret{};
    secret.fill(seed);
    return ClusterKeys(secret);
}
inline ClientKeys client_keys_of(const ClusterKeys& keys) {
    return {keys.server().public_key, keys.client(), keys.client_envelope(), keys.beacon()};
}

// A port that is free together with the next one, on every loopback address.
inline std::uint16_t free_port() {
    static std::uint16_t candidate = static_cast<std::uint16_t>(20000 + ::getpid() % 20000);
    const auto bindable = [](std::uint16_t port) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        const bool good = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        return good;
    };
    for (int attempt = 0; attempt < 200; ++attempt) {
        candidate = static_cast<std::uint16_t>(candidate + 4);
        if (bindable(candidate) && bindable(static_cast<std::uint16_t>(candidate + 1))) return candidate;
    }
    FAIL("no free port");
    return 0;
}

class Node {
  public:
    Node(std::uint32_t id, std::uint16_t port, const ClusterKeys* keys, std::uint64_t boot = 1,
         std::uint64_t incarnation = 0)
        : context_(zmq_ctx_new()) {
        options.cluster = "test";
        options.self = {NodeId{id}, Incarnation{incarnation != 0 ? incarnation : 100 + id}};
        options.boot = BootNumber{boot};
        options.boot_nonce = 1000 + id;
        options.bind_address = "127.0.0." + std::to_string(id % 200);
        options.port = port;
        options.insecure = keys == nullptr;
        keys_ = keys;
    }
    ~Node() {
        links.reset();
        zmq_ctx_term(context_);
    }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    [[nodiscard]] Status open() {
        auto opened =
            PeerLinks::open(context_, options, keys_, [this](const std::string& text) { complaints.push_back(text); });
        if (!opened) return opened.error();
        links = std::move(opened).value();
        return ok();
    }
    [[nodiscard]] std::string address() const { return options.bind_address + ":" + std::to_string(options.port); }
    [[nodiscard]] void* context() const { return context_; }

    void pump(int wait_ms = 5) {
        std::vector<pollfd> fds;
        links->add_poll_fds(fds);
        if (!links->waiting() && ::poll(fds.data(), fds.size(), wait_ms) > 0 && fds.front().revents != 0) links->look();
        for (const auto& event : links->housekeeping()) events.push_back(event);
        while (auto message = links->receive()) received.push_back(std::move(*message));
    }
    [[nodiscard]] bool is_up(NodeId peer) const {
        bool up = false;
        for (const auto& event : events) up = event.peer == peer ? event.up : up;
        return up;
    }
    [[nodiscard]] bool complained(const std::string& words) const {
        for (const std::string& text : complaints) {
            if (text.find(words) != std::string::npos) return true;
        }
        return false;
    }

    LinkOptions options;
    std::unique_ptr<PeerLinks> links;
    std::vector<PeerLinks::LinkEvent> events;
    std::vector<Received> received;
    std::vector<std::string> complaints;

  private:
    void* context_;
    const ClusterKeys* keys_ = nullptr;
};

// Pumps all until the condition holds; false at the deadline.
inline bool pump_until(const std::vector<Node*>& nodes, const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = patience) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        for (Node* node : nodes) node->pump();
    }
    return true;
}
// For what must not happen.
inline void pump_for(const std::vector<Node*>& nodes, std::chrono::milliseconds time) {
    (void)pump_until(
        nodes, [] { return false; }, time);
}

inline void join(Node& a, Node& b) {
    a.links->connect(b.options.self.id, b.address());
    b.links->connect(a.options.self.id, a.address());
    REQUIRE(pump_until({&a, &b}, [&] { return a.is_up(b.options.self.id) && b.is_up(a.options.self.id); }));
}

}  // namespace ddb::bus::support
