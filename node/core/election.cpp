// Bully made safe: probe round, ANSWER, grants. Safety rests on grants alone: once per epoch, durable before they are
// told, never to an older log. Everything else here is about who should win and about not disturbing.
#include <algorithm>

#include "node/core/impl.hpp"

namespace ddb::core {

Ticks Core::Impl::election_timeout() {
    // One slot for each voter, the highest id first: ties are rare and the right one usually comes first.
    const Ticks election = config_.election_ticks;
    const Ticks slot = std::max<Ticks>(1, election / 2 / std::max<std::size_t>(1, voters()));
    return election + rank_from_top(config_.id) * slot + random_.below(slot);
}

Ticks Core::Impl::short_timeout() {
    constexpr Ticks least = 2, spread = 8;
    const Ticks slot = std::max<Ticks>(1, spread / std::max<std::size_t>(1, voters()));
    return least + std::min(spread, rank_from_top(config_.id) * slot) + random_.below(slot);
}

void Core::Impl::election_tick() {
    if (now_ < election_deadline_ || !may_stand()) return;
    if (!fit() && now_ - coordinator_heard_ < unfit_patience * config_.election_ticks) {
        // Somebody fit may succeed yet.
        election_deadline_ = now_ + election_resend_ticks;
        return;
    }
    become_candidate(false, fit() ? "no coordinator heard" : "no coordinator heard and nobody fit stood");
}

void Core::Impl::candidate_tick() {
    auto& candidate = std::get<Candidate>(role_);
    if (now_ >= candidate.deadline) {
        return give_up_candidacy(candidate.refusal.empty() ? "no majority answered" : candidate.refusal);
    }
    if (now_ >= candidate.resend_at && !journal_.hard_pending()) candidate_send();
    candidate_check();
}

void Core::Impl::candidate_send() {
    auto& candidate = std::get<Candidate>(role_);
    candidate.resend_at = now_ + election_resend_ticks;
    for (const Member& member : log_.membership()->members) {
        const NodeId id = member.voter.id;
        if (member.learner || id == config_.id || candidate.answered.contains(id)) continue;
        if (candidate.granting) {
            send(id, GrantRequest{hard_.epoch, log_.last()});
        } else {
            send(id, Probe{hard_.epoch, log_.last(), fit()});
        }
    }
}

void Core::Impl::candidate_check() {
    auto& candidate = std::get<Candidate>(role_);
    const bool enough = candidate.accepted.size() >= majority();
    if (candidate.granting) {
        if (enough) become_coordinator();
        return;
    }
    bool all_answered = true;
    for (const Member& member : log_.membership()->members) {
        const NodeId id = member.voter.id;
        if (member.learner || id == config_.id || candidate.answered.contains(id)) continue;
        if (!link_down(id)) all_answered = false;
    }
    if (!enough) {
        if (all_answered)
            give_up_candidacy(candidate.refusal.empty() ? "no majority to be reached" : candidate.refusal);
        return;
    }
    // An ANSWER of a higher rank may still be under way.
    if (!candidate.majority_since) candidate.majority_since = now_;
    if (!all_answered && now_ - *candidate.majority_since < probe_window_ticks) return;
    candidate.granting = true;
    candidate.accepted.clear();
    candidate.answered.clear();
    candidate.deadline = now_ + config_.election_ticks / 2 + random_.below(config_.election_ticks / 4 + 1);
    set_hard({next(std::max(hard_.epoch, candidate.newest_seen)), config_.id});
    announce_role("a majority would grant");
    candidate_send();  // held until our own grant is durable
}

void Core::Impl::give_up_candidacy(const std::string& reason) {
    // The votes were split. The same nodes would stand at the same moment again unless the lower ones heed an ANSWER.
    if (std::get<Candidate>(role_).granting) postponed_ = false;
    become_follower(NodeId{}, reason);
}

std::optional<std::string> Core::Impl::hears_coordinator() const {
    if (std::holds_alternative<Coordinator>(role_)) return "is coordinator itself";
    const Following* following = this->following();
    if (!following || !following->coordinator) return std::nullopt;
    if (now_ - coordinator_heard_ >= config_.election_ticks) return std::nullopt;
    if (link_down(following->coordinator)) return std::nullopt;
    return "hears coordinator " + to_string(following->coordinator);
}

void Core::Impl::on(const Voter& from, const Probe& probe) {
    tell_if_removed(from);
    // Whether our word counts is the asker's to know: its list may be newer than ours, and name us a voter.
    ProbeReply reply;
    reply.epoch = hard_.epoch;
    const Following* following = this->following();
    // Who probes does not hold the office any more.
    const bool from_coordinator = following && following->coordinator == from.id;
    if (const auto heard = hears_coordinator(); heard && !from_coordinator) {
        reply.reason = *heard;
        return send(from.id, std::move(reply));
    }
    const bool newer = log_.last() > probe.last;
    const bool equal = log_.last() == probe.last;
    reply.accepted = !newer;
    reply.stands = may_stand() && fit() && (newer || (equal && (config_.id > from.id || !probe.fit)));
    if (newer) reply.reason = "holds a newer log";
    const bool stands = reply.stands;
    const bool accepted = reply.accepted;
    send(from.id, std::move(reply));
    if (!std::holds_alternative<Follower>(role_)) return;
    if (stands) {
        become_candidate(false, "outranks node " + to_string(from.id) + ", which asked");
    } else if (accepted) {
        // Let the asker finish before we try ourselves.
        election_deadline_ = std::max(election_deadline_, now_ + config_.election_ticks / 2);
    }
}

void Core::Impl::on(const Voter& from, const ProbeReply& reply) {
    auto* candidate = std::get_if<Candidate>(&role_);
    if (!candidate || candidate->granting || !is_voter(from.id)) return;
    candidate->newest_seen = std::max(candidate->newest_seen, reply.epoch);
    candidate->answered.insert(from.id);
    if (reply.accepted) {
        candidate->accepted.insert(from.id);
    } else {
        candidate->refusal = "node " + to_string(from.id) + " " + reply.reason;
    }
    // Heeded once: whoever answers and then fails to win must not keep everybody else waiting.
    if (reply.stands && !postponed_) {
        postponed_ = true;
        return give_up_candidacy("node " + to_string(from.id) + " outranks this node and stands");
    }
    candidate_check();
}

void Core::Impl::on(const Voter& from, const GrantRequest& request) {
    if (request.epoch > hard_.epoch) {
        adopt_epoch(request.epoch, "node " + to_string(from.id) + " stands for epoch " + to_string(request.epoch));
    }
    GrantReply reply;
    reply.epoch = hard_.epoch;
    if (request.epoch < hard_.epoch) {
        reply.reason = "is in epoch " + to_string(hard_.epoch);
    } else if (hard_.granted_to && hard_.granted_to != from.id && !planted(Bug::grant_twice)) {
        reply.reason = "granted this epoch to node " + to_string(hard_.granted_to);
    } else if (log_.last() > request.last && !planted(Bug::ignore_rank)) {
        reply.reason = "holds a newer log";
    } else {
        reply.granted = true;
        if (!hard_.granted_to) set_hard({hard_.epoch, from.id});
        election_deadline_ = now_ + election_timeout();
    }
    send(from.id, std::move(reply));
}

void Core::Impl::on(const Voter& from, const GrantReply& reply) {
    if (reply.epoch > hard_.epoch) {
        return adopt_epoch(reply.epoch, "node " + to_string(from.id) + " is in epoch " + to_string(reply.epoch));
    }
    auto* candidate = std::get_if<Candidate>(&role_);
    if (!candidate || !candidate->granting || reply.epoch != hard_.epoch || !is_voter(from.id)) return;
    candidate->answered.insert(from.id);
    if (reply.granted) {
        candidate->accepted.insert(from.id);
    } else {
        candidate->refusal = "node " + to_string(from.id) + " " + reply.reason;
    }
    candidate_check();
}

void Core::Impl::on(const Voter& from, const HandOver& offer) {
    const Following* following = this->following();
    if (!std::holds_alternative<Follower>(role_) || offer.epoch != hard_.epoch || following->coordinator != from.id)
        return;
    if (!fit() || log_.last() < offer.last) {
        return trace("declines the office: " + (fit() ? "lacks entries" : unfit_reason()));
    }
    become_candidate(true, "node " + to_string(from.id) + " hands over its office");
}

}  // namespace ddb::core
