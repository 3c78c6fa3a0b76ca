// Knows whom to dial: beacons, configured peers, addresses of the membership and of Hello messages all end here and
// become links. Everything it learns is a hint; what a peer is, its keys and the core decide.
// Owner: the loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bus/beacon.hpp"
#include "bus/peer_links.hpp"
#include "config/settings.hpp"
#include "node/core/core.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::node {

class Dialler {
  public:
    Dialler(const config::Settings& settings, bus::PeerLinks& links, std::unique_ptr<bus::BeaconSocket> beacon,
            bus::Beacon own);

    // A peer says where it listens (beacon, Hello, membership). Ignored for ourselves, and from another journal under
    // the id of a member that is in reach: it must not draw that member's link away.
    void learn(const Voter& peer, const std::string& address);
    // An operator names an address where a node should answer: it is dialled and greeted until hang_up(). Idempotent.
    // Errors: overloaded, beyond dialled_max such addresses.
    Status dial(const std::string& address);
    void hang_up(const std::string& address);
    void on_beacon_readable();
    void on_link(NodeId peer, bool up);
    void set_incarnation(Incarnation incarnation) { own_.voter.incarnation = incarnation; }
    // Announces us, and greets configured peers whose node id is not known yet and members that are dialled and not
    // heard.
    void tick(std::uint64_t now_ms, const core::CoreStatus& status, const Hello& hello);
    [[nodiscard]] int fd() const;  // of the beacon socket, -1 without one
    [[nodiscard]] const std::map<NodeId, std::string>& addresses() const { return addresses_; }

  private:
    // Bounds what forged or mistaken hints can make us dial.
    static constexpr std::size_t peers_max = 64;
    static constexpr std::uint32_t dialled_max = 8;

    struct StaticPeer {
        NodeId placeholder;  // names the link until the peer says its id
        std::string address;
        bool configured = true;
    };
    // The peer that says it listens there, 0 when none does.
    [[nodiscard]] NodeId peer_at(const std::string& address) const;
    void greet_members(const core::CoreStatus& status, const Hello& hello);

    bus::PeerLinks& links_;
    std::unique_ptr<bus::BeaconSocket> beacon_;
    bus::Beacon own_;
    std::map<NodeId, std::string> addresses_;
    std::map<NodeId, Incarnation> in_reach_;       // members
    std::map<NodeId, std::uint64_t> answered_ms_;  // linked peers: when heard last, or linked, or of no interest
    std::uint64_t now_ms_ = 0;
    std::set<NodeId> to_greet_;  // found at an address, and not told ours since
    std::vector<StaticPeer> static_peers_;
    std::uint64_t next_announce_ms_ = 0;
    std::uint64_t next_greeting_ms_ = 0;
};

}  // namespace ddb::node
