// The coordinator's side of the log: proposals in, PREPARE out, votes counted, decided by majority.
#include <algorithm>

#include "node/core/impl.hpp"
#include "schemas/codec.hpp"

namespace ddb::core {

void Core::Impl::coordinator_tick() {
    check_contact();
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office) return;
    if (decided_ < log_.last().index && now_ - office->decided_progress >= 2 * Ticks{config_.election_ticks}) {
        return step_down("an undecided entry made no progress for two election timeouts");
    }
    for (auto& [id, peer] : office->peers) {
        // DECIDE normally rides on the next PREPARE; it goes alone when none came within a tick.
        if (now_ - peer.sent >= config_.heartbeat_ticks ||
            (reachable(peer) && peer.decided_told < decided_ && peer.sent < now_))
            heartbeat(id, peer);
        if (peer.reading_since && now_ - *peer.reading_since >= read_entries_timeout_ticks) peer.reading_since.reset();
    }
    read_tick();
    update_keep_from();
    try_open_office();
    take_over_tick();
    membership_tick();
}

void Core::Impl::refresh_peers() {
    auto& office = std::get<Coordinator>(role_);
    std::map<NodeId, Progress> peers;
    for (const Member& member : log_.membership()->members) {
        const NodeId id = member.voter.id;
        if (id == config_.id) continue;
        const auto known = office.peers.find(id);
        if (known != office.peers.end() && known->second.incarnation == member.voter.incarnation) {
            peers[id] = std::move(known->second);
            continue;
        }
        Progress& fresh = peers[id];
        fresh.incarnation = member.voter.incarnation;
        fresh.next = next(log_.last().index);
        fresh.heard = now_;  // the benefit of the doubt for one election timeout
        fresh.sent = now_;
    }
    office.peers = std::move(peers);
}

void Core::Impl::check_contact() {
    auto& office = std::get<Coordinator>(role_);
    std::size_t heard = is_self_voter() ? 1 : 0;
    for (auto& [id, peer] : office.peers) {
        const bool now_reachable = reachable(peer);
        if (peer.reachable && !now_reachable) {
            note_flap(id);
            peer.level_since.reset();
            start_probing(peer, peer.next);
        }
        peer.reachable = now_reachable;
        if (now_reachable && is_voter(id)) ++heard;
    }
    if (heard < majority()) step_down("no contact to a majority for an election timeout");
}

void Core::Impl::step_down(const std::string& reason) {
    hold_off(2 * Ticks{config_.election_ticks});
    become_follower(NodeId{}, reason);
}

// --- log out ---------------------------------------------------------------------------------------------------------

void Core::Impl::replicate() {
    auto& office = std::get<Coordinator>(role_);
    for (auto& [id, peer] : office.peers) {
        replicate_to(id, peer);
        if (peer.round_due && reachable(peer)) heartbeat(id, peer);
    }
}

void Core::Impl::replicate_to(NodeId id, Progress& peer) {
    // Nothing piles up for a peer that does not answer: heartbeats find out when it is back.
    if (!reachable(peer)) return;
    if (peer.next <= log_.base().index) return offer_snapshot(id, peer, NodeId{});
    const LogIndex last = log_.last().index;
    while (peer.next <= last && !peer.reading_since) {
        if (!peer.in_flight.empty() && (peer.probing || peer.in_flight_bytes >= window_bytes_max)) return;
        if (!log_.has_payload(peer.next)) {
            const std::uint64_t to =
                std::min({last.value, peer.next.value + prepare_entries_max - 1, log_.payloads_from().value - 1});
            peer.reading_since = now_;
            return emit(ReadEntries{id, hard_.epoch, peer.next, LogIndex{to}});
        }
        std::size_t bytes = 0;
        LogIndex end = peer.next;  // of this message, exclusive
        while (end <= last && end.value - peer.next.value < prepare_entries_max) {
            bytes += log_.at(end).payload.size();
            if (end > peer.next && bytes > prepare_bytes_max) break;
            end = next(end);
        }
        // Nagle's rule (RFC 896): while an answer is awaited, only full messages go. Under load entries gather, and one
        // message, one sync and one vote serve many of them.
        if (end > last && end.value - peer.next.value < prepare_entries_max && !peer.in_flight.empty()) return;
        std::vector<Entry> entries;
        entries.reserve(end.value - peer.next.value);
        for (LogIndex at = peer.next; at < end; at = next(at)) entries.push_back(log_.at(at));
        send_entries(id, peer, std::move(entries));
    }
}

void Core::Impl::send_entries(NodeId id, Progress& peer, std::vector<Entry> entries) {
    std::size_t bytes = 0;
    for (const Entry& entry : entries) bytes += entry.payload.size() + entry_overhead_bytes;
    const LogIndex previous_index = previous(peer.next);
    if (peer.probing) {
        peer.probed = now_;
        peer.probe_from = peer.next;
    }
    peer.next = next(entries.back().id.index);
    peer.in_flight.emplace_back(entries.back().id.index, bytes);
    peer.in_flight_bytes += bytes;
    send_prepare(id, peer, previous_index, std::move(entries));
}

void Core::Impl::send_prepare(NodeId id, Progress& peer, LogIndex previous, std::vector<Entry> entries) {
    const auto& office = std::get<Coordinator>(role_);
    Prepare prepare;
    prepare.epoch = hard_.epoch;
    prepare.previous = log_.id_at(previous);
    prepare.previous_digest = log_.digest_at(previous);
    prepare.entries = std::move(entries);
    prepare.decided = decided_;
    prepare.keep_from = office.keep_from;
    prepare.round = std::exchange(peer.round_due, ReadRound{});
    prepare.acknowledged = peer.matched;
    peer.sent = now_;
    peer.decided_told = decided_;
    send(id, std::move(prepare));
}

void Core::Impl::heartbeat(NodeId id, Progress& peer) {
    send_prepare(id, peer, std::max(previous(peer.next), log_.base().index), {});
}

void Core::Impl::start_probing(Progress& peer, LogIndex next) {
    peer.probing = true;
    peer.next = next;
    peer.in_flight.clear();
    peer.in_flight_bytes = 0;
    peer.reading_since.reset();
}

void Core::Impl::on(EntriesRead& input) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office || input.epoch != hard_.epoch) return;
    const auto found = office->peers.find(input.peer);
    if (found == office->peers.end() || !found->second.reading_since) return;
    Progress& peer = found->second;
    if (input.entries.empty() || input.entries.front().id.index != peer.next) return;  // asked again after a while
    peer.reading_since.reset();
    if (!reachable(peer)) return;
    std::vector<Entry> entries;
    std::size_t bytes = 0;
    for (Entry& entry : input.entries) {
        // The journal may have been read while the log changed; only what is in the log now is sent.
        if (!log_.holds(entry.id.index) || log_.at(entry.id.index).digest != entry.digest) break;
        bytes += entry.payload.size();
        if (!entries.empty() && bytes > prepare_bytes_max) break;
        entries.push_back(std::move(entry));
    }
    if (!entries.empty()) send_entries(input.peer, peer, std::move(entries));
}

// --- votes in --------------------------------------------------------------------------------------------------------

void Core::Impl::on(const Voter& from, const Vote& vote) {
    if (vote.epoch > hard_.epoch) {
        return adopt_epoch(vote.epoch, "node " + to_string(from.id) + " is in epoch " + to_string(vote.epoch));
    }
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office || vote.epoch != hard_.epoch || vote.reason == VoteReason::stale_epoch) return;
    const auto found = office->peers.find(from.id);
    if (found == office->peers.end()) return;
    Progress& peer = found->second;
    peer.heard = now_;
    peer.reachable = true;
    peer.applied = vote.applied;
    peer.durable_applied = vote.durable_applied;
    peer.fit = vote.fit;
    if (vote.accepted) {
        accepted_vote(peer, vote);
        recount();
    } else {
        refused_vote(from.id, peer, vote);
    }
    // Also a refusal of entries says that the voter knows no newer coordinator.
    if (vote.round && is_voter(from.id)) confirm_read_round(from.id, vote.round);
}

void Core::Impl::accepted_vote(Progress& peer, const Vote& vote) {
    const LogIndex up_to = std::min(vote.up_to, log_.last().index);
    peer.probing = false;
    if (up_to <= peer.matched) return;
    peer.matched = up_to;
    peer.next = std::max(peer.next, next(up_to));
    while (!peer.in_flight.empty() && peer.in_flight.front().first <= up_to) {
        peer.in_flight_bytes -= peer.in_flight.front().second;
        peer.in_flight.pop_front();
    }
}

void Core::Impl::refused_vote(NodeId id, Progress& peer, const Vote& vote) {
    if (vote.reason == VoteReason::bad_checksum) {
        ++peer.bad_checksums;
        complain("checksum " + to_string(id), "node " + to_string(id) + " refused entries with a bad checksum, " +
                                                  std::to_string(peer.bad_checksums) + " times by now");
    }
    if (vote.reason == VoteReason::not_member || vote.reason == VoteReason::none) return;
    // A learner's word was never counted, so it may take it back.
    if (vote.reason == VoteReason::gap && !is_voter(id)) peer.matched = std::min(peer.matched, vote.up_to);
    const LogIndex wanted = std::clamp(next(vote.up_to), next(peer.matched), next(log_.last().index));
    // A lost message makes every later one fit badly. The first refusal moves us back; the others tell nothing new.
    const bool told = peer.probing && !peer.in_flight.empty() && wanted >= peer.probe_from;
    if (told && now_ - peer.probed < resend_ticks) return;
    if (peer.reading_since && wanted == peer.next) return;  // already on the way
    start_probing(peer, wanted);
}

void Core::Impl::recount() {
    auto* office = std::get_if<Coordinator>(&role_);
    std::vector<LogIndex> held;
    if (is_self_voter()) held.push_back(journal_.durable());
    for (const auto& [id, peer] : office->peers)
        if (is_voter(id)) held.push_back(peer.matched);
    if (held.size() < majority()) return;
    const auto by_majority = held.begin() + static_cast<std::ptrdiff_t>(majority() - 1);
    std::nth_element(held.begin(), by_majority, held.end(), std::greater<>());
    // Entries of older epochs are decided only through one of ours: counted alone they could still be dropped.
    if (*by_majority > decided_ &&
        (log_.id_at(*by_majority).epoch == hard_.epoch || planted(Bug::decide_older_epoch))) {
        advance_decided(*by_majority);
        office->decided_progress = now_;
        retry_outcomes();
        finish_change();
    }
    report_decided();
}

void Core::Impl::try_open_office() {
    auto& office = std::get<Coordinator>(role_);
    if (office.open || decided_ < office.noop || local_.applied < office.noop || !unfit_reason().empty()) return;
    office.open = true;
    emit(OfficeOpened{hard_.epoch, office.noop});
}

void Core::Impl::update_keep_from() {
    auto& office = std::get<Coordinator>(role_);
    LogIndex least = local_.durable_applied;
    for (const auto& [id, peer] : office.peers)
        if (is_voter(id) || now_ - peer.heard < learner_memory_ticks) least = std::min(least, peer.durable_applied);
    // A voter not heard since this tenure began counts with 0, so nothing is dropped that it might need.
    office.keep_from = std::max(office.keep_from, log_.needed_after(least));
    keep_from_ = std::max(keep_from_, office.keep_from);
}

std::uint16_t Core::Impl::holders(LogIndex index) const {
    const auto* office = std::get_if<Coordinator>(&role_);
    if (!office || index > log_.last().index) return 0;
    std::uint16_t count = is_self_voter() && journal_.durable() >= index ? 1 : 0;
    for (const auto& [id, peer] : office->peers)
        if (is_voter(id) && peer.matched >= index) ++count;
    return count;
}

// --- proposals -------------------------------------------------------------------------------------------------------

std::optional<Error> Core::Impl::proposal_error(const Propose& input) const {
    const auto* office = std::get_if<Coordinator>(&role_);
    if (!office || input.epoch != hard_.epoch) return fail(ErrorCode::not_coordinator, "this node is not coordinator");
    if (!office->open) return fail(ErrorCode::not_coordinator, "the coordinator does not serve yet");
    if (office->unfit_since) return fail(ErrorCode::not_coordinator, "the coordinator gives up its office");
    if (office->hand_over && office->hand_over->quiesced)
        return fail(ErrorCode::not_coordinator, "the coordinator hands over its office");
    if (input.entry.payload.size() > entry_payload_bytes_max)
        return fail(ErrorCode::invalid_argument,
                    "the transaction is larger than " + std::to_string(entry_payload_bytes_max >> 20) + " MiB");
    if (office->proposals.size() >= undecided_entries_max || office->undecided_bytes >= undecided_bytes_max)
        return fail(ErrorCode::overloaded, "too many transactions wait for a decision");
    if (input.entry.kind == EntryKind::membership) return membership_error(input.entry);
    return std::nullopt;
}

std::optional<Error> Core::Impl::membership_error(const Entry& entry) const {
    const Result<Membership> wanted = decode_membership(entry.payload.view());
    if (!wanted) return wanted.error();
    const Membership& current = *log_.membership();
    if (wanted->cluster != current.cluster) return fail(ErrorCode::invalid_argument, "membership of another cluster");
    if (log_.membership_index() > decided_)
        return fail(ErrorCode::overloaded, "the previous change is not decided yet");
    std::set<Voter> before, after;
    for (const Member& member : current.members)
        if (!member.learner) before.insert(member.voter);
    std::set<NodeId> ids;
    for (const Member& member : wanted->members) {
        if (!member.learner) after.insert(member.voter);
        if (!ids.insert(member.voter.id).second) return fail(ErrorCode::invalid_argument, "a node is named twice");
    }
    if (after.empty()) return fail(ErrorCode::invalid_argument, "no voter would be left");
    std::vector<Voter> changed;
    std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                  std::back_inserter(changed));
    // Majorities of two lists that differ by one voter always meet; with more they need not.
    if (changed.size() > 1) return fail(ErrorCode::invalid_argument, "one voter at a time");
    return std::nullopt;
}

void Core::Impl::on(Propose& input) {
    if (std::optional<Error> error = proposal_error(input)) {
        return emit(ProposalRefused{input.token, std::move(*error)});
    }
    auto& office = std::get<Coordinator>(role_);
    const std::size_t bytes = input.entry.payload.size();
    append_entry(std::move(input.entry));
    office.proposals.push_back({input.token, log_.last(), bytes});
    office.undecided_bytes += bytes;
    emit(ProposalAccepted{input.token, log_.last()});
}

}  // namespace ddb::core
