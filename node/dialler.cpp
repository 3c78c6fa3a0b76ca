#include "node/dialler.hpp"

#include <algorithm>

namespace ddb::node {

namespace {
constexpr std::uint32_t placeholder_base = 1u << 20;  // above every legal node id
constexpr std::uint32_t dialled_base = placeholder_base + (1u << 16);
constexpr std::uint64_t announce_unformed_ms = 200;
constexpr std::uint64_t announce_formed_ms = 500;
constexpr std::uint64_t greeting_ms = 300;
// A member that is dialled and does not answer for so long has another address of ours. Not earlier: ours may be wrong,
// as one found out by itself, and the one it has good.
constexpr std::uint64_t unheard_ms = 3000;
constexpr NodeId duplicate_link{placeholder_base - 1};
}  // namespace

Dialler::Dialler(const config::Settings& settings, bus::PeerLinks& links, std::unique_ptr<bus::BeaconSocket> beacon,
                 bus::Beacon own)
    : links_(links), beacon_(std::move(beacon)), own_(std::move(own)) {
    std::uint32_t number = placeholder_base;
    const std::string own_address = own_.address + ":" + std::to_string(own_.port);
    for (const std::string& address : settings.discovery.peers) {
        if (address == own_address) continue;
        static_peers_.push_back({NodeId{++number}, address});
        links_.connect(static_peers_.back().placeholder, address);
    }
}

void Dialler::learn(const Voter& voter, const std::string& address) {
    const NodeId peer = voter.id;
    if (peer == own_.voter.id || address.empty() || !peer) return;
    const auto member = in_reach_.find(peer);
    if (member != in_reach_.end() && member->second != voter.incarnation) return;
    auto known = addresses_.find(peer);
    if (known != addresses_.end() && known->second == address) return;
    if (known == addresses_.end() && addresses_.size() >= peers_max) return;
    // One link per peer: the nameless one of the configuration ends when the peer has said its id.
    for (const StaticPeer& fixed : static_peers_) {
        if (fixed.address == address) links_.disconnect(fixed.placeholder);
    }
    to_greet_.insert(peer);
    addresses_[peer] = address;
    links_.connect(peer, address);
}

NodeId Dialler::peer_at(const std::string& address) const {
    const auto found =
        std::find_if(addresses_.begin(), addresses_.end(), [&](const auto& known) { return known.second == address; });
    return found == addresses_.end() ? NodeId{} : found->first;
}

Status Dialler::dial(const std::string& address) {
    if (std::any_of(static_peers_.begin(), static_peers_.end(),
                    [&](const StaticPeer& peer) { return peer.address == address; })) {
        return ok();
    }
    // Numbers are used again: each is a name that the links keep.
    for (std::uint32_t number = dialled_base; number < dialled_base + dialled_max; ++number) {
        const NodeId placeholder{number};
        if (std::any_of(static_peers_.begin(), static_peers_.end(),
                        [&](const StaticPeer& peer) { return peer.placeholder == placeholder; })) {
            continue;
        }
        static_peers_.push_back({placeholder, address, false});
        if (!peer_at(address)) links_.connect(placeholder, address);
        return ok();
    }
    return fail(ErrorCode::overloaded, std::to_string(dialled_max) + " addresses are being dialled; try again later");
}

void Dialler::hang_up(const std::string& address) {
    std::erase_if(static_peers_, [&](const StaticPeer& peer) {
        if (peer.configured || peer.address != address) return false;
        links_.disconnect(peer.placeholder);
        return true;
    });
}

void Dialler::on_beacon_readable() {
    if (!beacon_) return;
    constexpr int burst_max = 64;
    for (int i = 0; i < burst_max; ++i) {
        auto heard = beacon_->receive();
        if (!heard) return;
        learn(heard->voter, heard->address + ":" + std::to_string(heard->port));
    }
}

void Dialler::tick(std::uint64_t now_ms, const core::CoreStatus& status, const Hello& hello) {
    now_ms_ = now_ms;
    const bool formed = status.membership.has_value();
    if (beacon_ && now_ms >= next_announce_ms_) {
        next_announce_ms_ = now_ms + (formed ? announce_formed_ms : announce_unformed_ms);
        ++own_.counter;
        own_.formed = formed;
        beacon_->announce(own_);
    }
    if (status.membership) {
        in_reach_.clear();
        for (const Member& member : status.membership->members) {
            if (!addresses_.contains(member.voter.id)) learn(member.voter, member.address);
            const auto peer = std::find_if(status.peers.begin(), status.peers.end(),
                                           [&](const core::PeerStatus& one) { return one.id == member.voter.id; });
            if (peer != status.peers.end() && peer->reachable) in_reach_[member.voter.id] = member.voter.incarnation;
        }
    }
    if (now_ms >= next_greeting_ms_) {
        next_greeting_ms_ = now_ms + greeting_ms;
        // Somebody announces our id. Said hello to, the later one of us learns of it and stops.
        if (beacon_ && !beacon_->duplicate_address().empty()) {
            links_.connect(duplicate_link, beacon_->duplicate_address());
            (void)links_.send(duplicate_link, PeerMessage{hello});
        }
        greet_members(status, hello);
        for (const StaticPeer& peer : static_peers_) {
            // An unreachable peer is greeted again at the next round; nothing is lost by a failed send.
            const NodeId known = peer_at(peer.address);
            if (!known) {
                (void)links_.send(peer.placeholder, PeerMessage{hello});
            } else if (!peer.configured) {
                // Perhaps another node than the one we knew there; a second link would push out the first.
                (void)links_.send(known, PeerMessage{hello});
            }
        }
    }
}

void Dialler::on_link(NodeId peer, bool up) {
    if (up) {
        answered_ms_[peer] = now_ms_;
    } else {
        answered_ms_.erase(peer);
    }
}

// Where no beacons go, members that do not hear each other may have moved: each has an old address of the other. Also
// whoever has just said where it is may not know where we are, and hear nothing from us.
void Dialler::greet_members(const core::CoreStatus& status, const Hello& hello) {
    std::erase_if(to_greet_, [&](NodeId id) { return links_.send(id, PeerMessage{hello}).ok(); });
    const bool led_by_another = status.coordinator && status.coordinator != own_.voter.id;
    for (auto& [id, answered_ms] : answered_ms_) {
        if (led_by_another || in_reach_.contains(id)) answered_ms = now_ms_;
        if (!status.membership || now_ms_ < answered_ms + unheard_ms) continue;
        const auto& members = status.membership->members;
        const bool listed = std::any_of(members.begin(), members.end(),
                                        [id = id](const Member& member) { return member.voter.id == id; });
        if (listed) (void)links_.send(id, PeerMessage{hello});
    }
}

int Dialler::fd() const {
    return beacon_ ? beacon_->fd() : -1;
}

}  // namespace ddb::node
