// Strong reads: the coordinator confirms its office with one round to a majority, shared by all reads that wait. Also
// the fate of transactions, which only a confirmed log can tell.
#include <algorithm>

#include "node/core/impl.hpp"

namespace ddb::core {

// --- the node that asks ----------------------------------------------------------------------------------------------

void Core::Impl::on(const ReadIndexQuery& query) {
    newest_read_ = std::max(newest_read_, query.token);
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office) return;  // forwarded or refused with the next effects
    if (!office->open || office->unfit_since) return answer_read(config_.id, query.token, false, LogIndex{});
    ReadToken& waiting = office->reads.waiting[config_.id];
    waiting = std::max(waiting, query.token);
}

void Core::Impl::forward_reads() {
    const Following* following = this->following();
    if (newest_read_ <= answered_read_) return;
    if (!following->coordinator) return fail_reads();
    if (newest_read_ <= forwarded_read_) return;
    forwarded_read_ = newest_read_;
    reads_forwarded_ = now_;
    send(following->coordinator, ReadIndexRequest{ReadToken{token_base_ + newest_read_.value}, hard_.epoch});
}

void Core::Impl::fail_reads() {
    if (newest_read_ <= answered_read_) return;
    answered_read_ = newest_read_;
    forwarded_read_ = newest_read_;
    emit(ReadIndexAnswer{newest_read_, false, LogIndex{}});
}

void Core::Impl::on(const Voter& from, const ReadIndexReply& reply) {
    // Answers to questions of an earlier start of this node carry another base.
    if (reply.token.value <= token_base_ + answered_read_.value ||
        reply.token.value > token_base_ + forwarded_read_.value)
        return;
    const Following* following = this->following();
    // A confirmed index holds whoever gave it and whatever happened since; a refusal counts only from whom we would
    // ask.
    if (!reply.accepted && (!following || following->coordinator != from.id)) return;
    answered_read_ = ReadToken{reply.token.value - token_base_};
    // What it names is decided, and waits to be applied here until that is known.
    if (reply.accepted && following && reply.epoch == hard_.epoch)
        advance_decided(std::min(reply.index, following->matched));
    emit(ReadIndexAnswer{answered_read_, reply.accepted, reply.index});
}

void Core::Impl::read_tick() {
    if (auto* office = std::get_if<Coordinator>(&role_)) {
        ReadRounds& reads = office->reads;
        // Who was removed meanwhile is neither heard nor needed any more.
        if (reads.in_flight && round_confirmed()) finish_read_round();
        if (!reads.in_flight || now_ - reads.sent < (reads.all_asked ? read_resend_ticks : read_hedge_ticks)) return;
        reads.sent = now_;
        reads.all_asked = true;
        for (auto& [id, peer] : office->peers)
            if (is_voter(id) && !reads.confirmed.contains(id)) peer.round_due = reads.round;
        return;
    }
    if (forwarded_read_ > answered_read_ && now_ - reads_forwarded_ >= read_resend_ticks)
        forwarded_read_ = answered_read_;
}

// --- the coordinator -------------------------------------------------------------------------------------------------

void Core::Impl::on(const Voter& from, const ReadIndexRequest& request) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office || !office->open || office->unfit_since || !member(from.id)) {
        return answer_read(from.id, request.token, false, LogIndex{});
    }
    if (asker_confirms(from.id, request.epoch)) return answer_read(from.id, request.token, true, decided_);
    office->reads.waiting[from.id] = request.token;
}

// A voter that asks in our epoch had granted none to anybody else by then: its question is the round's answer, given
// for the reads it asks for and no others. With ourselves, who have granted none by now, it must be a majority.
bool Core::Impl::asker_confirms(NodeId asker, Epoch epoch) const {
    constexpr std::size_t asker_and_self = 2;
    const bool enough = majority() <= asker_and_self || planted(Bug::question_always_confirms);
    return enough && epoch == hard_.epoch && is_voter(asker) && is_self_voter();
}

// Asks no more voters than it needs, those that were the first to answer the round before; the others a tick later,
// should that not do. (Hedged requests: Dean, Barroso, The Tail at Scale, CACM 2013.)
void Core::Impl::start_read_round() {
    auto& office = std::get<Coordinator>(role_);
    ReadRounds& reads = office.reads;
    if (reads.in_flight || (reads.waiting.empty() && !reads.wanted)) return;
    reads.in_flight = true;
    reads.wanted = false;
    reads.round = next(reads.round);
    reads.asking = std::exchange(reads.waiting, {});
    // Everything acknowledged so far is decided; our no-op, too, so nothing of older epochs is missing.
    reads.index = decided_;
    reads.sent = now_;
    std::set<NodeId> quick{config_.id};
    for (const auto& [id, peer] : office.peers)
        if (reads.confirmed.contains(id) && reachable(peer)) quick.insert(id);
    reads.confirmed.clear();
    reads.all_asked = !is_majority(quick);
    if (is_self_voter()) reads.confirmed.insert(config_.id);
    for (auto& [id, peer] : office.peers)
        if (is_voter(id) && (reads.all_asked || quick.contains(id))) peer.round_due = reads.round;
    if (round_confirmed() || planted(Bug::read_unconfirmed)) finish_read_round();
}

// By a majority of the voters of now, which may be others than when the round began.
bool Core::Impl::round_confirmed() const {
    return is_majority(std::get<Coordinator>(role_).reads.confirmed);
}

bool Core::Impl::is_majority(const std::set<NodeId>& ids) const {
    const auto voting = std::count_if(ids.begin(), ids.end(), [this](NodeId id) { return is_voter(id); });
    return static_cast<std::size_t>(voting) >= majority();
}

void Core::Impl::confirm_read_round(NodeId voter, ReadRound round) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office || !office->reads.in_flight || round != office->reads.round) return;
    office->reads.confirmed.insert(voter);
    if (round_confirmed()) finish_read_round();
}

void Core::Impl::finish_read_round() {
    ReadRounds& reads = std::get<Coordinator>(role_).reads;
    reads.in_flight = false;
    reads.finished = reads.round;
    for (auto& [id, peer] : std::get<Coordinator>(role_).peers) peer.round_due = ReadRound{};
    for (const auto& [asker, token] : std::exchange(reads.asking, {})) answer_read(asker, token, true, reads.index);
    retry_outcomes();
}

void Core::Impl::answer_read(NodeId asker, ReadToken token, bool accepted, LogIndex index) {
    if (asker != config_.id) return send(asker, ReadIndexReply{token, hard_.epoch, accepted, index});
    if (token <= answered_read_) return;
    answered_read_ = token;
    forwarded_read_ = std::max(forwarded_read_, token);
    emit(ReadIndexAnswer{token, accepted, index});
}

// --- outcomes --------------------------------------------------------------------------------------------------------

void Core::Impl::on(const OutcomeQuery& query) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office) return emit(OutcomeAnswer{query.token, Fate::not_coordinator, {}, {}, {}});
    // Only a round that starts after the question says anything about it.
    const WaitingOutcome waiting{query, next(office->reads.round)};
    if (answer_outcome(waiting)) return;
    if (office->outcome_queries.size() >= waiting_outcomes_max)
        return emit(OutcomeAnswer{query.token, Fate::not_coordinator, {}, {}, {}});
    office->outcome_queries.push_back(waiting);
}

// False while it cannot be told yet: before our no-op is decided, while the entry itself waits for its decision, or
// while a newer coordinator might know better.
bool Core::Impl::answer_outcome(const WaitingOutcome& waiting) {
    auto& office = std::get<Coordinator>(role_);
    const OutcomeQuery& query = waiting.query;
    if (decided_ < office.noop && !planted(Bug::execute_twice)) return false;
    const OutcomeRecord* found =
        query.txn ? outcomes_.by_txn(query.txn) : outcomes_.by_request(query.session, query.request);
    OutcomeAnswer answer;
    answer.token = query.token;
    if (found) {
        answer.fate = Fate::decided;
        answer.id = found->id;
        answer.txn = found->txn;
        answer.outcome = found->outcome;
        emit(std::move(answer));
        return true;
    }
    for (LogIndex at = next(decided_); at <= log_.last().index && !planted(Bug::execute_twice); at = next(at)) {
        const Entry& entry = log_.at(at);
        if (query.txn ? entry.txn == query.txn : entry.session == query.session && entry.request == query.request)
            return false;
    }
    const bool forgotten = query.txn ? outcomes_.may_be_forgotten(query.txn) : outcomes_.may_be_forgotten(query.seen);
    if (!forgotten && office.reads.finished < waiting.confirmed_by && !planted(Bug::absent_unconfirmed)) {
        office.reads.wanted = true;
        return false;
    }
    answer.fate = forgotten ? Fate::too_old : Fate::absent;
    emit(std::move(answer));
    return true;
}

void Core::Impl::retry_outcomes() {
    auto& queries = std::get<Coordinator>(role_).outcome_queries;
    for (std::size_t left = queries.size(); left > 0; --left) {
        WaitingOutcome waiting = queries.front();
        queries.pop_front();
        if (!answer_outcome(waiting)) queries.push_back(waiting);
    }
}

}  // namespace ddb::core
