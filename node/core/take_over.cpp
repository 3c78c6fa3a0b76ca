// The office moves to the highest fit id without disturbing anybody: Quiesce, bring the successor level, HandOver. Also
// the operator's step-down and a coordinator whose own server or disk failed.
#include <algorithm>

#include "node/core/impl.hpp"

namespace ddb::core {

void Core::Impl::note_flap(NodeId id) {
    Peer& peer = peers_[id];
    if (now_ - peer.flapped > flaps_forgotten_ticks) peer.flaps = 0;
    peer.flaps = std::min(peer.flaps + 1, doublings_max);
    peer.flapped = now_;
}

bool Core::Impl::level(const Progress& peer, std::uint64_t slack) const {
    return reachable(peer) && peer.fit && peer.matched.value + slack >= log_.last().index.value &&
           peer.applied.value + slack >= decided_.value;
}

std::optional<NodeId> Core::Impl::best_successor() const {
    const auto& office = std::get<Coordinator>(role_);
    std::optional<NodeId> best;
    LogIndex matched;
    for (const auto& [id, peer] : office.peers) {
        if (!is_voter(id) || !reachable(peer) || link_down(id) || !peer.fit || peer.matched < matched) continue;
        best = id;  // ascending: the highest among equals
        matched = peer.matched;
    }
    return best;
}

void Core::Impl::watch_levels() {
    auto& office = std::get<Coordinator>(role_);
    for (auto& [id, peer] : office.peers) {
        if (link_down(id) || !level(peer, level_slack_entries)) {
            peer.level_since.reset();
        } else if (!peer.level_since) {
            peer.level_since = now_;
        }
    }
}

void Core::Impl::take_over_tick() {
    watch_levels();
    unfit_tick();
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office || office->unfit_since || !unfit_reason().empty()) return;
    if (office->hand_over) return hand_over_tick();
    if (!config_.take_over || !office->open || now_ < office->hand_over_not_before) return;
    for (auto it = office->peers.rbegin(); it != office->peers.rend() && it->first > config_.id; ++it) {
        const auto& [id, peer] = *it;
        if (!peer.level_since || !is_voter(id)) continue;
        // Each loss of contact or office doubles how long it has to hold out this time.
        const Peer& known = peers_[id];
        const unsigned flaps = now_ - known.flapped > flaps_forgotten_ticks ? 0 : known.flaps;
        if (now_ - *peer.level_since < Ticks{config_.stable_ticks} << flaps) continue;
        return start_hand_over(id, false, std::nullopt);
    }
}

void Core::Impl::start_hand_over(NodeId successor, bool forced, std::optional<std::uint64_t> command) {
    auto& office = std::get<Coordinator>(role_);
    office.hand_over = HandOverAttempt{successor, now_, false, 0, forced, command};
    emit(Quiesce{successor});
}

void Core::Impl::hand_over_tick() {
    auto& office = std::get<Coordinator>(role_);
    HandOverAttempt& attempt = *office.hand_over;
    const auto successor = office.peers.find(attempt.successor);
    if (successor == office.peers.end()) return abandon_hand_over("the successor is no member any more");
    if (link_down(attempt.successor)) return abandon_hand_over("the successor is out of reach");
    const Ticks waited = now_ - attempt.started;
    if (!attempt.quiesced && waited >= hand_over_ticks) {
        if (!attempt.forced) return abandon_hand_over("transactions stayed open");
        attempt.quiesced = true;  // told to: what is open ends with the office
    }
    // A forced one gets as long again to bring the successor level.
    if (waited >= (attempt.forced ? 4 : 1) * hand_over_ticks)
        return abandon_hand_over("the successor did not take the office");
    if (!attempt.quiesced || decided_ < log_.last().index || !level(successor->second, 0)) return;
    if (attempt.offered && now_ - attempt.offered < election_resend_ticks) return;
    attempt.offered = now_;
    offer_office(attempt.successor);
}

void Core::Impl::offer_office(NodeId successor) {
    send(successor, HandOver{hard_.epoch, log_.last()});
}

void Core::Impl::abandon_hand_over(const std::string& reason) {
    auto& office = std::get<Coordinator>(role_);
    trace("hand-over to node " + to_string(office.hand_over->successor) + " abandoned: " + reason);
    if (office.hand_over->command)
        emit(CommandAnswer{*office.hand_over->command, fail(ErrorCode::timeout, "office kept: " + reason)});
    office.hand_over.reset();
    hold_off_until_ = std::min(hold_off_until_, now_);  // a command's hold-off is void with it
    office.hand_over_not_before = now_ + office.hand_over_backoff;
    office.hand_over_backoff = std::min(2 * office.hand_over_backoff, hand_over_backoff_ticks_max);
    emit(QuiesceEnd{});
}

void Core::Impl::on(const Quiesced& quiesced) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office || !office->hand_over || office->hand_over->quiesced) return;
    if (quiesced.done) {
        office->hand_over->quiesced = true;
        return hand_over_tick();
    }
    if (!office->hand_over->forced) abandon_hand_over("transactions stayed open");
}

void Core::Impl::on(const StepDown& command) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office) {
        return emit(CommandAnswer{command.token, fail(ErrorCode::not_coordinator, "this node is not coordinator")});
    }
    if (office->hand_over) {
        return emit(CommandAnswer{command.token, fail(ErrorCode::overloaded, "a hand-over is already under way")});
    }
    const std::optional<NodeId> successor = best_successor();
    if (!successor) {
        return emit(CommandAnswer{command.token, fail(ErrorCode::no_quorum, "no other fit voter is reachable")});
    }
    // Otherwise the highest id would be handed the office back at once.
    hold_off(2 * Ticks{config_.stable_ticks});
    start_hand_over(*successor, true, command.token);
}

// Our own server or disk failed. The tenure is over for the prepared transactions, which only this server can commit;
// what was proposed is still decided, and somebody fit takes over.
void Core::Impl::unfit_tick() {
    auto& office = std::get<Coordinator>(role_);
    const std::string reason = unfit_reason();
    if (!office.open) {
        office.unfit_since.reset();
        if (reason.empty() || now_ % election_resend_ticks != 0) return;
        // Elected as a last resort: bring a fit node level and hand over to it.
        const std::optional<NodeId> successor = best_successor();
        if (successor && office.peers[*successor].matched == log_.last().index) offer_office(*successor);
        return;
    }
    if (!office.unfit_since) {
        const bool failed =
            !local_.server_up || local_.fenced || local_.disk_stalled || local_.leaving_office || rebuild_.has_value();
        if (!failed) return;
        office.unfit_since = now_;
        trace("gives up its office: " + reason);
    }
    const std::string why = reason.empty() ? "the database server restarted" : reason;
    const std::optional<NodeId> successor = best_successor();
    const Ticks waited = now_ - *office.unfit_since;
    const Ticks patience = successor ? 2 * Ticks{config_.election_ticks} : 0;
    if (waited >= patience) return step_down(why);
    if (office.peers[*successor].matched == log_.last().index && waited % election_resend_ticks == 0)
        offer_office(*successor);
}

}  // namespace ddb::core
