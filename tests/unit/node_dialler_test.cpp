// Whom a node greets, so that members which moved find each other without beacons. Real links on loopback.
#include <algorithm>
#include <catch2/catch.hpp>

#include "bus_support.hpp"
#include "node/dialler.hpp"

using namespace ddb;
using bus::support::Node;

namespace {

constexpr std::uint32_t self = 2;
constexpr std::uint32_t other = 3;

Voter voter_of(const Node& node) {
    return node.options.self;
}

// What the core says of a member that it hears, wherever it takes it to be.
core::CoreStatus member_heard(const Node& node, const Node& member, const std::string& address) {
    core::CoreStatus status;
    status.membership.emplace();
    for (const auto* one : {&node, &member}) {
        Member listed;
        listed.voter = voter_of(*one);
        listed.address = one == &member ? address : one->address();
        status.membership->members.push_back(listed);
    }
    core::PeerStatus peer;
    peer.id = voter_of(member).id;
    peer.reachable = true;
    status.peers.push_back(peer);
    return status;
}

bool has_hello(const Node& node) {
    return std::any_of(node.received.begin(), node.received.end(), [](const bus::Received& received) {
        const auto* message = std::get_if<PeerMessage>(&received.message);
        return message != nullptr && std::holds_alternative<Hello>(*message);
    });
}

}  // namespace

// It may know an old address of ours only, and so hear nothing that we say.
TEST_CASE("who says where it is gets an answer there", "[dialler]") {
    Node a(self, bus::support::free_port(), nullptr);
    Node b(other, bus::support::free_port(), nullptr);
    REQUIRE(a.open().ok());
    REQUIRE(b.open().ok());
    bus::Beacon own;
    own.voter = voter_of(a);
    own.address = a.options.bind_address;
    node::Dialler dialler({}, *a.links, nullptr, own);
    const std::string old_address = "127.0.0.9:" + std::to_string(b.options.port);
    const auto status = member_heard(a, b, old_address);
    std::uint64_t now_ms = 0;
    const bool before_the_first_tick = GENERATE(true, false);
    if (!before_the_first_tick) dialler.tick(now_ms, status, Hello{});
    dialler.learn(voter_of(b), b.address());
    const auto turn = [&] {
        now_ms += 50;
        for (const auto& event : std::exchange(a.events, {})) dialler.on_link(event.peer, event.up);
        dialler.tick(now_ms, status, Hello{});
        return has_hello(b);
    };
    CHECK(bus::support::pump_until({&a, &b}, turn, std::chrono::milliseconds(3000)));
}
