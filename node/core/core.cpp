// Dispatch of inputs, change of roles, and what every subject needs: sending, complaining, the decided index.
#include "node/core/core.hpp"

#include <algorithm>

#include "node/core/impl.hpp"
#include "schemas/digest.hpp"

namespace ddb::core {

const char* to_string(Role role) {
    switch (role) {
        case Role::unformed:
            return "unformed";
        case Role::follower:
            return "follower";
        case Role::candidate:
            return "candidate";
        case Role::coordinator:
            return "coordinator";
        case Role::learner:
            return "learner";
    }
    return "?";
}

Core::Core(CoreConfig config, RecoveredState recovered)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(recovered))) {}
Core::~Core() = default;
void Core::step(Input input) {
    impl_->step(std::move(input));
}
Effects Core::take_effects() {
    return impl_->take_effects();
}
CoreStatus Core::status() const {
    return impl_->status();
}
const Entry* Core::entry(LogIndex index) const {
    return impl_->entry(index);
}
std::optional<DumpPoint> Core::dump_point(LogIndex at) const {
    return impl_->dump_point(at);
}
std::uint16_t Core::holders(LogIndex index) const {
    return impl_->holders(index);
}

Core::Impl::Impl(CoreConfig config, RecoveredState recovered)
    : config_(std::move(config)),
      incarnation_(config_.incarnation),
      random_(config_.seed),
      hard_(planted(Bug::forget_epoch) ? HardState{} : recovered.hard),
      log_(recovered.base, recovered.base_digest, std::move(recovered.base_membership)),
      journal_(recovered.entries.empty() ? recovered.base.index : recovered.entries.back().id.index),
      outcomes_(recovered.outcomes.empty()
                    ? Outcomes(recovered.base.index)
                    : Outcomes(recovered.outcomes_floor, recovered.forgotten, std::move(recovered.outcomes))),
      signed_list_(std::move(recovered.signed_list)),
      signed_durable_(signed_list_.has_value()) {
    token_base_ = (random_.next() >> 32) << 32;
    local_.applied = recovered.applied;
    if (!log_.restore(std::move(recovered.entries), recovered.payloads_from, recovered.payload_bytes_left_out)) {
        complain("journal", "the journal holds a membership that cannot be read: wipe this node and add it again");
        unreadable_ = true;
    }
    const LogIndex last = log_.last().index;
    if (recovered.rebuilding) {
        // What the server holds says nothing.
        rebuild_.emplace();
        rebuild_->reason = "a rebuild was begun and not finished";
        rebuild_->marked = true;
        local_.applied = recovered.applied = LogIndex{};
    }
    // What the server has was decided, even when the lazily written decided index did not survive. A server that is
    // ahead of the journal says nothing about it: an old copy may end in entries that were dropped later.
    const LogIndex vouched = recovered.applied <= last ? recovered.applied : LogIndex{};
    decided_ = log_.base().index;
    decided_reported_ = std::max(decided_, vouched);
    advance_decided(std::min(std::max(recovered.decided, vouched), last));
    if (log_.membership() == nullptr) {
        role_ = Unformed{};
    } else {
        if (!unreadable_) check_server(recovered.applied);  // else the journal says nothing, and its identity stays
        become_follower(NodeId{}, "started");
    }
    if (config_.rebuild_at_start) begin_rebuild("the database server was wiped or lost what it had");
}

// At start: does the database go with this journal?
void Core::Impl::check_server(LogIndex applied) {
    const LogIndex last = log_.last().index;
    if (applied > last) {
        const std::string reason = "the database server has applied entry " + to_string(applied) +
                                   " but the journal ends at " + to_string(last) + ": the journal was lost or replaced";
        take_identity(reason);
        begin_rebuild(reason);
    } else if (applied < log_.base().index && !rebuild_) {
        begin_rebuild("the database server has applied entries up to " + to_string(applied) +
                      " and the kept log begins behind " + to_string(log_.base().index));
    }
}

void Core::Impl::step(Input input) {
    std::visit([this](auto& value) { on(value); }, input);
}

Effects Core::Impl::take_effects() {
    if (std::holds_alternative<Coordinator>(role_)) {
        start_read_round();
        replicate();
    } else if (Following* following = this->following()) {
        if (following->vote_due) send_vote();
        forward_reads();
    } else {
        fail_reads();
    }
    report_decided();
    effects_.journal = journal_.take(hard_.epoch);
    return std::exchange(effects_, Effects{});
}

void Core::Impl::on(const Tick&) {
    ++now_;
    if (std::holds_alternative<Unformed>(role_)) return formation_tick();
    rebuild_tick();
    if (std::holds_alternative<Coordinator>(role_)) {
        coordinator_tick();
    } else if (std::holds_alternative<Candidate>(role_)) {
        candidate_tick();
    } else {
        following_tick();
        if (std::holds_alternative<Follower>(role_)) election_tick();
    }
    if (now_ >= decided_flush_at_) {
        decided_flush_at_ = now_ + decided_flush_ticks;
        journal_.flush_lazily();
        truncate_log();
    }
}

void Core::Impl::on(MessageReceived& input) {
    const NodeId id = input.from.id;
    if (id == config_.id || !id) return;
    if (!peers_.contains(id) && peers_.size() >= peers_max) return;
    Peer& peer = peers_[id];
    // Its epochs mean nothing here, nor does its log.
    if (peer.foreign && peer.foreign == input.from.incarnation && !std::holds_alternative<Hello>(input.message)) return;
    greet_stranger(input.from, input.message);
    const bool same_node = !known_impostor(input.from);
    if (same_node) {
        peer.heard = now_;
        peer.ever_heard = true;
        peer.link_down = false;
    }
    if (!may_be_heard(input.message, same_node)) {
        if (same_node || std::holds_alternative<Unformed>(role_) || unreadable_) return;
        return complain("incarnation " + to_string(id),
                        "node " + to_string(id) + " speaks with another journal than the one that is a member: its " +
                            "messages are ignored until it takes that member's place");
    }
    std::visit([&](auto& message) { on(input.from, message); }, input.message);
}

bool Core::Impl::may_be_heard(const PeerMessage& message, bool same_node) const {
    if (std::holds_alternative<Hello>(message) || std::holds_alternative<FormationSignature>(message) ||
        std::holds_alternative<MembershipNotice>(message))
        return true;
    if (std::holds_alternative<Unformed>(role_) || unreadable_) return false;
    if (same_node) return true;
    // Our membership may be out of date. Who holds an office or stands for one is judged by epoch and log; only what
    // is counted (votes, grants) has to come from exactly the journal that is a member.
    return std::holds_alternative<Prepare>(message) || std::holds_alternative<Probe>(message) ||
           std::holds_alternative<GrantRequest>(message) || std::holds_alternative<SnapshotOffer>(message);
}

void Core::Impl::on(const LinkUp& input) {
    if (input.peer == config_.id || (!peers_.contains(input.peer) && peers_.size() >= peers_max)) return;
    peers_[input.peer].link_down = false;
    if (std::holds_alternative<Unformed>(role_)) formation_hello(input.peer);
}

void Core::Impl::on(const LinkDown& input) {
    const auto peer = peers_.find(input.peer);
    if (peer == peers_.end()) return;
    peer->second.link_down = true;
    if (Following* following = this->following(); following && following->coordinator == input.peer) {
        // Its process is probably gone. The probe round keeps a mere hiccup from disturbing anybody.
        election_deadline_ = std::min(election_deadline_, now_ + short_timeout());
    } else if (std::holds_alternative<Candidate>(role_)) {
        candidate_check();
    }
}

void Core::Impl::on(const JournalCompleted& input) {
    const JournalQueue::Completed done = journal_.complete(input.op, input.epoch);
    if (!done.known) {
        // Unsynced writes complete too; nothing ever waits for those.
        return trace("completion " + std::to_string(input.op.value) + " of epoch " + to_string(input.epoch) +
                     " changes nothing");
    }
    if (done.hard) {
        for (Send& held : std::exchange(held_, {})) emit(std::move(held));
        auto* candidate = std::get_if<Candidate>(&role_);
        if (candidate && candidate->granting && hard_.granted_to == config_.id) {
            if (is_self_voter()) candidate->accepted.insert(config_.id);
            candidate_check();
        }
    }
    if (done.signed_list || done.formed) formation_journaled(done);
    if (done.incarnation) identity_journaled();
    if (done.rebuilding) rebuild_journaled();
    if (!done.entries && !done.reset) return;
    log_.evict_payloads(journal_.durable(), config_.payload_cache_bytes_max);
    if (std::holds_alternative<Coordinator>(role_)) {
        recount();
    } else if (Following* following = this->following(); following && following->coordinator) {
        following->vote_due = true;
    }
}

void Core::Impl::on(LocalReport& input) {
    Payload known = std::move(local_.format_description);
    const bool was_up = local_.server_up;
    local_ = std::move(input);
    if (local_.format_description.size() == 0) local_.format_description = std::move(known);
    if (rebuild_) local_.applied = local_.durable_applied = LogIndex{};
    if (!was_up && local_.server_up && !rebuild_ && local_.applied < log_.base().index) check_server(local_.applied);
    if (!std::holds_alternative<Coordinator>(role_)) return;
    try_open_office();
    unfit_tick();  // with a failed server nothing more is accepted from here on
}

// --- roles -----------------------------------------------------------------------------------------------------------

void Core::Impl::become_follower(NodeId coordinator, const std::string& reason) {
    leave_role(reason);
    Following following;
    following.coordinator = coordinator;
    following.matched = decided_;  // every later coordinator holds what is decided
    if (may_stand()) {
        role_ = Follower{following};
    } else {
        role_ = Learner{following};
    }
    election_deadline_ = now_ + election_timeout();
    if (coordinator) {
        coordinator_heard_ = now_;
        postponed_ = false;
        // The office moved down: its former holder failed somehow, and must prove itself for longer each time.
        if (last_coordinator_ > coordinator) note_flap(last_coordinator_);
        last_coordinator_ = coordinator;
    }
    forwarded_read_ = answered_read_;  // ask the new one
    announce_role(reason);
}

void Core::Impl::become_candidate(bool granting, const std::string& reason) {
    leave_role(reason);
    Candidate candidate;
    candidate.granting = granting;
    candidate.started = now_;
    candidate.deadline = now_ + config_.election_ticks / 2 + random_.below(config_.election_ticks / 4 + 1);
    candidate.newest_seen = hard_.epoch;
    if (granting) {
        set_hard({next(hard_.epoch), config_.id});
    } else if (is_self_voter()) {
        candidate.accepted.insert(config_.id);
    }
    role_ = std::move(candidate);
    announce_role(reason);
    candidate_send();
    candidate_check();
}

void Core::Impl::become_coordinator() {
    DDB_ASSERT(!journal_.hard_pending() && hard_.granted_to == config_.id);
    role_ = Coordinator{};
    auto& office = std::get<Coordinator>(role_);
    office.epoch = hard_.epoch;
    office.decided_progress = now_;
    office.hand_over_not_before = now_ + config_.election_ticks;
    coordinator_heard_ = now_;
    postponed_ = false;
    if (last_coordinator_ > config_.id) note_flap(last_coordinator_);
    last_coordinator_ = config_.id;
    refresh_peers();
    announce_role("granted by a majority");
    Entry noop;
    noop.kind = EntryKind::noop;
    noop.payload = local_.format_description;
    office.noop = next(log_.last().index);
    append_entry(std::move(noop));
}

void Core::Impl::leave_role(const std::string& reason) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office) return;
    const bool commanded = office->hand_over && office->hand_over->command;
    if (office->open) {
        emit(OfficeClosed{office->epoch, reason});
        local_.leaving_office = true;  // until the owner reports that the path is walked
    }
    if (office->hand_over) emit(QuiesceEnd{});
    if (commanded) emit(CommandAnswer{*office->hand_over->command, ok()});
    if (office->change && office->change->command) {
        emit(CommandAnswer{*office->change->command,
                           fail(ErrorCode::unknown_outcome, "the office was lost before the change was decided")});
    }
    report_decided();
    for (const Proposal& proposal : office->proposals) emit(ProposalUnknown{proposal.token, proposal.id});
    for (const WaitingOutcome& waiting : office->outcome_queries)
        emit(OutcomeAnswer{waiting.query.token, Fate::not_coordinator, {}, {}, {}});
    for (const auto* tokens : {&office->reads.asking, &office->reads.waiting})
        for (const auto& [asker, token] : *tokens) answer_read(asker, token, false, LogIndex{});
}

void Core::Impl::announce_role(const std::string& reason) {
    RoleChanged changed{Role::unformed, hard_.epoch, NodeId{}, reason};
    if (std::holds_alternative<Coordinator>(role_)) {
        changed.role = Role::coordinator;
        changed.coordinator = config_.id;
    } else if (std::holds_alternative<Candidate>(role_)) {
        changed.role = Role::candidate;
    } else if (const Following* following = this->following()) {
        changed.role = std::holds_alternative<Learner>(role_) ? Role::learner : Role::follower;
        changed.coordinator = following->coordinator;
    }
    emit(std::move(changed));
}

void Core::Impl::adopt_epoch(Epoch epoch, const std::string& reason) {
    DDB_ASSERT(epoch > hard_.epoch);
    set_hard({epoch, NodeId{}});
    Following* following = this->following();
    if (!following) return become_follower(NodeId{}, reason);
    // A follower that merely hears of a newer epoch goes on waiting as long as it would have.
    const Ticks deadline = election_deadline_;
    if (following->coordinator) become_follower(NodeId{}, reason);
    election_deadline_ = deadline;
}

void Core::Impl::set_hard(const HardState& hard) {
    DDB_ASSERT(hard.epoch >= hard_.epoch);
    if (hard.epoch != hard_.epoch) held_.clear();  // said in an epoch that is over
    hard_ = hard;
    journal_.put_hard(hard);
}

// --- helpers ---------------------------------------------------------------------------------------------------------

void Core::Impl::send(NodeId to, PeerMessage message) {
    // It would go out under the old name, and be counted as the word of a voter that has forgotten what it promised.
    if (identity_pending_) return;
    if (!journal_.hard_pending()) return emit(Send{to, std::move(message)});
    // An epoch or grant is durable before anybody hears of it. The network may lose messages, so may this queue.
    if (held_.size() < held_messages_max) held_.push_back(Send{to, std::move(message)});
}

void Core::Impl::complain(const std::string& about, std::string text) {
    std::string& last = complaints_[about];
    if (last == text) return;
    last = text;
    emit(Complaint{std::move(text)});
}

void Core::Impl::append_entry(Entry entry) {
    auto& office = std::get<Coordinator>(role_);
    if (decided_ == log_.last().index) office.decided_progress = now_;
    entry.id = {hard_.epoch, next(log_.last().index)};
    entry.digest = entry_digest(log_.digest_at(log_.last().index), entry);
    const bool membership = entry.kind == EntryKind::membership;
    journal_.append(entry);
    log_.append(std::move(entry));
    if (membership) refresh_peers();
}

void Core::Impl::advance_decided(LogIndex to) {
    DDB_ASSERT(to <= log_.last().index);
    if (to <= decided_) return;
    while (decided_ < to) {
        decided_ = next(decided_);
        outcomes_.record(log_.at(decided_));
    }
    journal_.put_decided(decided_);
}

void Core::Impl::report_decided() {
    const LogIndex to = planted(Bug::apply_undecided) ? journal_.durable() : std::min(decided_, journal_.durable());
    if (to <= decided_reported_ || rebuild_) return;
    emit(Decided{decided_reported_, to});
    decided_reported_ = to;
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office) return;
    while (!office->proposals.empty() && office->proposals.front().id.index <= to) {
        office->undecided_bytes -= office->proposals.front().bytes;
        office->proposals.pop_front();
    }
}

// First entry that the own database needs, or may need once it is loaded: a dump joins on where the log is complete
// from the first part of each transaction that takes effect behind it.
LogIndex Core::Impl::needed_here() const {
    if (!rebuild_) return log_.needed_after(local_.durable_applied);
    return log_.needed_after(rebuild_->loaded ? rebuild_->loaded->index : std::min(decided_, journal_.durable()));
}

void Core::Impl::truncate_log() {
    const bool too_much =
        log_.size() > config_.kept_entries_hard_max || log_.kept_bytes() > config_.kept_bytes_hard_max;
    // While the database is loaded from another's, the log stays whole: the dump must join on to it.
    if (!too_much && (log_.size() <= config_.kept_entries_max || rebuild_)) return;
    LogIndex from{log_.last().index.value - std::min(log_.last().index.value, config_.kept_entries_max / 5 * 3)};
    if (too_much) {
        // An absent member, a dump under way or a rebuild no longer hold everybody's disk: who lacks what goes now
        // needs a snapshot. A quarter goes at once, so that this is rare.
        from = std::max(std::min(from, keep_from_),
                        log_.newest_within(config_.kept_entries_hard_max / 4 * 3, config_.kept_bytes_hard_max / 4 * 3));
    } else {
        from = std::min({from, keep_from_, pinned_.value_or(from)});
    }
    from = std::min({from, needed_here(), next(rebuild_ ? std::min(decided_, journal_.durable()) : decided_reported_)});
    const std::uint64_t worth_a_write = config_.kept_entries_max / 20 + 1;
    if (from.value <= log_.base().index.value + (too_much ? 0 : worth_a_write)) return;
    log_.drop_before(from);
    journal_.drop_before(from, log_.base_membership());
}

std::string Core::Impl::unfit_reason() const {
    if (unreadable_) return "the journal cannot be read";
    if (rebuild_) return "the database is being loaded from another node's";
    if (!local_.server_up) return "the database server is down";
    if (local_.fenced) return "the database is fenced";
    if (local_.leaving_office) return "still leaving office";
    if (local_.disk_stalled) return "a disk is stalled or full";
    if (decided_.value > local_.applied.value + far_behind_entries) return "far behind in applying";
    return {};
}

void Core::Impl::hold_off(Ticks base) {
    if (now_ - held_off_ > flaps_forgotten_ticks) hold_offs_ = 0;
    hold_off_until_ = now_ + (base << std::min(hold_offs_, doublings_max));
    held_off_ = now_;
    ++hold_offs_;
}

}  // namespace ddb::core
