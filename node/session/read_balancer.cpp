#include "node/session/read_balancer.hpp"

#include <algorithm>

namespace ddb::session {

void ReadBalancer::set_members(NodeId self, const std::vector<NodeId>& voters) {
    self_ = self;
    ring_ = voters;
    if (std::find(ring_.begin(), ring_.end(), self) == ring_.end()) ring_.push_back(self);
    std::sort(ring_.begin(), ring_.end());
    std::erase_if(peers_,
                  [&](const auto& peer) { return std::find(ring_.begin(), ring_.end(), peer.first) == ring_.end(); });
}

void ReadBalancer::want() {
    // What was heard when somebody last balanced says nothing of now.
    if (now_ms_ >= wanted_until_ms_) {
        for (auto& [id, peer] : peers_) peer.heard = false;
        ask_all();
    }
    wanted_until_ms_ = now_ms_ + wanted_ms;
}

void ReadBalancer::tick(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    if (now_ms < wanted_until_ms_ && now_ms >= next_ask_ms_) ask_all();
}

// Silence is counted in questions, not in time: a pause of this node's own must not look like one of all others.
void ReadBalancer::ask_all() {
    next_ask_ms_ = now_ms_ + ask_ms;
    for (const NodeId id : ring_) {
        if (id == self_) continue;
        ++peers_[id].unanswered;
        ask_(id);
    }
}

void ReadBalancer::on_notice(NodeId from, const LoadNotice& notice) {
    const auto peer = peers_.find(from);
    if (peer == peers_.end()) return;  // no voter: it was not asked
    peer->second.heard = true;
    peer->second.unanswered = 0;
    peer->second.notice = notice;
}

void ReadBalancer::failed(NodeId node) {
    const auto peer = peers_.find(node);
    if (peer != peers_.end()) peer->second.failed_until_ms = now_ms_ + failed_ms;
}

void ReadBalancer::gone(NodeId node) {
    failed(node);
    const auto peer = peers_.find(node);
    if (peer != peers_.end()) peer->second.heard = false;
}

bool ReadBalancer::silent(NodeId node) const {
    if (node == self_) return false;
    const auto peer = peers_.find(node);
    return peer == peers_.end() || peer->second.unanswered >= unanswered_max;
}

bool ReadBalancer::serves(NodeId node) const {
    if (node == self_) return true;
    const auto peer = peers_.find(node);
    return peer != peers_.end() && peer->second.notice.serves;
}

bool ReadBalancer::eligible(NodeId node) const {
    const auto peer = peers_.find(node);
    if (peer == peers_.end()) return false;
    const Peer& known = peer->second;
    return known.heard && known.notice.serves && known.unanswered < unanswered_late && now_ms_ >= known.failed_until_ms;
}

NodeId ReadBalancer::pick(ReadBalance how, bool own_serves, const Excluded& excluded) {
    NodeId best;
    std::uint32_t least = 0;
    const auto begin = std::upper_bound(ring_.begin(), ring_.end(), last_picked_) - ring_.begin();
    for (std::size_t i = 0; i < ring_.size(); ++i) {
        const NodeId node = ring_[(static_cast<std::size_t>(begin) + i) % ring_.size()];
        if (node == self_ ? !own_serves : !eligible(node)) continue;
        if (excluded(node)) continue;
        const std::uint32_t load = how == ReadBalance::least_loaded ? load_of(node) : 0;
        if (best && load >= least) continue;
        best = node;
        least = load;
    }
    if (best) last_picked_ = best;
    return best;
}

std::uint32_t ReadBalancer::load_of(NodeId node) const {
    const auto own = own_reads_.find(node);
    const std::uint32_t ours = own == own_reads_.end() ? 0 : own->second;
    if (node == self_) return load_without(self_);
    const auto peer = peers_.find(node);
    return ours + (peer == peers_.end() ? 0 : peer->second.notice.reads);
}

std::uint32_t ReadBalancer::load_without(NodeId asker) const {
    const auto own = own_reads_.find(self_);
    std::uint32_t load = back_statements_ + (own == own_reads_.end() ? 0 : own->second);
    for (const auto& [id, reads] : guest_reads_) load += id == asker ? 0 : reads;
    return load;
}

ReadSlot ReadBalancer::own_read(NodeId on) {
    std::uint32_t& count = own_reads_[on];
    ++count;
    ++reads_[on];
    return ReadSlot(&count);
}

ReadSlot ReadBalancer::guest_read(NodeId of) {
    std::uint32_t& count = guest_reads_[of];
    ++count;
    return ReadSlot(&count);
}

}  // namespace ddb::session
