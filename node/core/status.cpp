// What this node would tell a person about itself.
#include "node/core/impl.hpp"

namespace ddb::core {

CoreStatus Core::Impl::status() const {
    CoreStatus status;
    status.epoch = hard_.epoch;
    status.last = log_.last();
    status.decided = decided_;
    status.durable = journal_.durable();
    status.kept_from = next(log_.base().index);
    status.applied = local_.applied;
    if (const Membership* membership = log_.membership()) status.membership = *membership;
    const auto* office = std::get_if<Coordinator>(&role_);
    if (office) {
        status.role = Role::coordinator;
        status.serving = office->open && !office->unfit_since;
        status.coordinator = config_.id;
    } else if (const Following* following = this->following()) {
        status.role = std::holds_alternative<Learner>(role_) ? Role::learner : Role::follower;
        status.coordinator = following->coordinator;
    } else {
        status.role = std::holds_alternative<Candidate>(role_) ? Role::candidate : Role::unformed;
    }
    if (status.membership) {
        for (const Member& member : status.membership->members) {
            if (member.voter.id == config_.id) continue;
            PeerStatus peer;
            peer.id = member.voter.id;
            peer.address = member.address;
            peer.learner = member.learner;
            if (const auto known = peers_.find(peer.id); known != peers_.end()) {
                peer.reachable = in_hearing(known->second);
                if (!known->second.address.empty()) peer.address = known->second.address;
            }
            if (office) {
                if (const auto progress = office->peers.find(peer.id); progress != office->peers.end()) {
                    peer.matched = progress->second.matched;
                    peer.applied = progress->second.applied;
                    peer.fit = progress->second.fit;
                    peer.has_database = peer.fit || !progress->second.asked_for_snapshot;
                }
            }
            status.peers.push_back(std::move(peer));
        }
    }
    for (const auto& [id, peer] : peers_) {
        if (peer.newcomer && now_ - peer.newcomer->heard < newcomer_memory_ticks)
            status.newcomers.push_back({{id, peer.newcomer->incarnation}, peer.address});
    }
    status.waiting_for = waiting_for();
    status.rebuilding = rebuild_.has_value();
    status.incarnation = incarnation_;
    return status;
}

bool Core::Impl::in_hearing(const Peer& peer) const {
    return peer.ever_heard && !peer.link_down && now_ - peer.heard < config_.election_ticks;
}

// After a full stop a person wants to know which nodes to start.
std::string Core::Impl::voters_not_heard() const {
    std::string missing;
    for (const Member& member : log_.membership()->members) {
        const NodeId id = member.voter.id;
        const auto known = peers_.find(id);
        if (member.learner || id == config_.id || (known != peers_.end() && in_hearing(known->second))) continue;
        missing += (missing.empty() ? "" : ", ") + to_string(id);
    }
    return missing.empty() ? "" : "; not heard: nodes " + missing;
}

std::string Core::Impl::waiting_for() const {
    if (const auto* unformed = std::get_if<Unformed>(&role_)) {
        for (const char* subject : {"id", "formation"})
            if (const auto complaint = complaints_.find(subject); complaint != complaints_.end())
                return complaint->second;
        if (signed_list_) {
            std::string missing;
            for (const Member& member : signed_list_->members)
                if (member.voter.id != config_.id && !unformed->signatures.contains(member.voter.id))
                    missing += (missing.empty() ? "" : ", ") + to_string(member.voter.id);
            return missing.empty() ? "the journal" : "signatures of nodes " + missing;
        }
        return "fresh nodes: " + std::to_string(unformed->fresh.size() + 1) + " of " + std::to_string(config_.expect) +
               " seen";
    }
    if (unreadable_) return unfit_reason();
    if (const auto* office = std::get_if<Coordinator>(&role_)) {
        if (office->open && !office->unfit_since) return {};
        if (!unfit_reason().empty()) return "a fit successor, since here " + unfit_reason();
        if (decided_ < office->noop) return "a majority to decide the first entry of epoch " + to_string(hard_.epoch);
        return "the database server to apply everything decided";
    }
    if (const auto* candidate = std::get_if<Candidate>(&role_)) {
        std::string text = candidate->granting ? "grants of a majority" : "a majority to answer the probe";
        text += voters_not_heard();
        if (!candidate->refusal.empty()) text += " (" + candidate->refusal + ")";
        return text;
    }
    if (removed() || (!member(config_.id) && !following()->coordinator))
        return "nothing: this node is no member of the cluster any more";
    if (!following()->coordinator) return "a coordinator with a majority" + voters_not_heard();
    if (rebuild_ && rebuild_->loaded)
        return "the log to come up to entry " + to_string(rebuild_->loaded->index) +
               ", which the loaded database holds";
    if (rebuild_)
        return rebuild_->started ? "the database of node " + to_string(rebuild_->donor) + " to be loaded here"
                                 : "a node to load the database from";
    return unfit_reason();
}

}  // namespace ddb::core
