// The followers' side of the log: PREPARE in, votes out. A vote names only what is durable here and equal to the log of
// the coordinator of our epoch.
#include <algorithm>

#include "node/core/impl.hpp"
#include "schemas/digest.hpp"

namespace ddb::core {

Following* Core::Impl::following() {
    if (auto* follower = std::get_if<Follower>(&role_)) return follower;
    return std::get_if<Learner>(&role_);
}

const Following* Core::Impl::following() const {
    return const_cast<Impl*>(this)->following();
}

void Core::Impl::on(const Voter& from, Prepare& prepare) {
    if (prepare.epoch < hard_.epoch) {
        Vote refusal;
        refusal.epoch = hard_.epoch;
        refusal.reason = VoteReason::stale_epoch;
        return send(from.id, std::move(refusal));
    }
    if (std::holds_alternative<Coordinator>(role_) && prepare.epoch == hard_.epoch) {
        return complain("coordinator", "node " + to_string(from.id) + " claims our epoch " + to_string(hard_.epoch));
    }
    const bool newer_epoch = prepare.epoch > hard_.epoch;
    if (newer_epoch) set_hard({prepare.epoch, NodeId{}});
    Following* following = this->following();
    if (newer_epoch || !following || !following->coordinator) {
        become_follower(from.id, "node " + to_string(from.id) + " is coordinator of epoch " + to_string(prepare.epoch));
        following = this->following();
    } else if (following->coordinator != from.id) {
        return complain("coordinator", "nodes " + to_string(following->coordinator) + " and " + to_string(from.id) +
                                           " both claim epoch " + to_string(prepare.epoch));
    }
    coordinator_heard_ = now_;
    election_deadline_ = now_ + election_timeout();
    if (prepare.acknowledged > log_.last().index && is_self_voter()) {
        const std::string reason = "the journal ends at " + to_string(log_.last().index) + " but voted for entry " +
                                   to_string(prepare.acknowledged) + " in this epoch: it was lost or replaced";
        take_identity(reason);
        if (local_.applied > log_.last().index) begin_rebuild(reason);
        return;
    }
    keep_from_ = std::max(keep_from_, prepare.keep_from);
    if (std::optional<Vote> refusal = misfit(prepare)) {
        refusal->round = prepare.round;
        return send(from.id, std::move(*refusal));
    }
    const bool appended = take_entries(prepare);
    advance_decided(std::min(prepare.decided, following->matched));
    if (std::holds_alternative<Follower>(role_) != may_stand()) {
        const LogIndex matched = following->matched;
        become_follower(from.id, "the membership changed");
        following = this->following();
        following->matched = matched;
    }
    following->vote_round = std::max(following->vote_round, prepare.round);
    if (prepare.round || !appended) following->vote_due = true;
}

std::optional<Vote> Core::Impl::misfit(const Prepare& prepare) {
    const LogIndex at = prepare.previous.index;
    Vote refusal = vote_now();
    refusal.accepted = false;
    refusal.reason = VoteReason::gap;
    if (at > log_.last().index) {
        refusal.up_to = log_.last().index;
        return refusal;
    }
    if (at < log_.base().index) return std::nullopt;  // decided long ago and equal
    if (log_.id_at(at) == prepare.previous) {
        if (log_.digest_at(at) == prepare.previous_digest) return std::nullopt;
        complain("log", "the logs differ in the same entry " + to_string(at) + ": wipe this node and add it again");
        refusal.reason = VoteReason::bad_checksum;
        refusal.up_to = previous(at);
        return refusal;
    }
    if (at <= decided_) {
        complain("log", "the coordinator's log lacks the decided entry " + to_string(at));
        refusal.reason = VoteReason::none;
        return refusal;
    }
    refusal.up_to = std::max(decided_, log_.before_epoch_at(at));
    return refusal;
}

bool Core::Impl::take_entries(Prepare& prepare) {
    bool appended = false;
    EntryId last = prepare.previous;
    Digest digest = prepare.previous_digest;
    for (Entry& entry : prepare.entries) {
        const LogIndex index = entry.id.index;
        const bool in_order =
            index == next(last.index) && entry.id.epoch >= last.epoch && entry.id.epoch <= prepare.epoch;
        const bool kept = in_order && log_.holds(index);
        const bool known = kept && log_.at(index).id == entry.id && log_.at(index).digest == entry.digest;
        const bool below = in_order && index <= log_.base().index;
        // What is already here with this digest was checked when it came.
        if (!known && !below && (!in_order || entry_digest(digest, entry) != entry.digest || !Log::readable(entry))) {
            Vote refusal = vote_now();
            refusal.accepted = false;
            refusal.reason = VoteReason::bad_checksum;
            refusal.up_to = last.index;
            send(following()->coordinator, std::move(refusal));
            break;
        }
        if (kept && !known) {
            if (index <= decided_) {
                complain("log", "the coordinator sent another entry in place of the decided " + to_string(index));
                break;
            }
            trace("drops its entries from " + to_string(index) + ", which conflict");
            log_.truncate_after(previous(index));
            journal_.truncate_after(previous(index));
        }
        last = entry.id;
        digest = below ? log_.digest_at(log_.base().index) : entry.digest;
        if (known || below) continue;
        journal_.append(entry);
        log_.append(std::move(entry));
        appended = true;
    }
    Following* following = this->following();
    following->matched = std::max({following->matched, last.index, log_.base().index});
    return appended;
}

Vote Core::Impl::vote_now() const {
    const Following* following = this->following();
    Vote vote;
    vote.epoch = hard_.epoch;
    vote.accepted = true;
    vote.up_to = std::min(journal_.durable(), following->matched);
    if (planted(Bug::vote_before_sync)) vote.up_to = following->matched;
    vote.applied = local_.applied;
    vote.durable_applied = local_.durable_applied;
    vote.fit = fit();
    return vote;
}

void Core::Impl::send_vote() {
    Following* following = this->following();
    following->vote_due = false;
    if (!following->coordinator) return;
    Vote vote = vote_now();
    vote.round = std::exchange(following->vote_round, ReadRound{});
    following->applied_reported = vote.applied;
    send(following->coordinator, std::move(vote));
}

void Core::Impl::following_tick() {
    Following* following = this->following();
    // Who waits for "applied everywhere" should not wait for a heartbeat.
    if (following->coordinator && local_.applied > following->applied_reported) following->vote_due = true;
    read_tick();
    if (!std::holds_alternative<Learner>(role_)) return;
    if (following->coordinator && now_ - coordinator_heard_ >= learner_patience * config_.election_ticks)
        return become_follower(NodeId{}, "node " + to_string(following->coordinator) + " is not heard any more");
    rejoin_tick();
}

}  // namespace ddb::core
