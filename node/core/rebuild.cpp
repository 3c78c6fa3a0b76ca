// The database is loaded from another node's: because our log is below what the coordinator still keeps, or because the
// host found its content void. Transfer itself is the host's; here is who needs one, from whom, and what it does to the
// log. Also the coordinator's choice of a donor, and the donor's header.
#include <algorithm>

#include "node/core/impl.hpp"

namespace ddb::core {

// --- the node in need ------------------------------------------------------------------------------------------------

void Core::Impl::begin_rebuild(const std::string& reason) {
    rebuild_.emplace();
    rebuild_->reason = reason;
    // Durable first: after a crash a half-loaded database must not be taken for what its position row says.
    journal_.put_rebuilding(true);
    local_.applied = local_.durable_applied = LogIndex{};
    trace("has to load its database from another node: " + reason);
    if (std::holds_alternative<Coordinator>(role_)) unfit_tick();
}

void Core::Impl::on(const RebuildWanted& input) {
    if (rebuild_) return;  // under way
    if (is_self_voter() && voters() == 1) {
        return complain("rebuild",
                        "the database cannot be loaded from another node, this is the only voter: " + input.reason);
    }
    begin_rebuild(input.reason);
}

void Core::Impl::rebuild_tick() {
    if (rebuild_ && rebuild_->loaded && !rebuild_->installed) finish_loaded();
    if (!rebuild_ || !rebuild_->marked || rebuild_->started || now_ < rebuild_->ask_at) return;
    const Following* following = this->following();
    if (!following || !following->coordinator) return;
    rebuild_->ask_at = now_ + snapshot_ask_ticks;
    send(following->coordinator, SnapshotRequest{rebuild_->reason, rebuild_->avoid});
}

void Core::Impl::on(const Voter& from, const SnapshotOffer& offer) {
    const Following* following = this->following();
    if (!following || following->coordinator != from.id || offer.epoch != hard_.epoch || offer.donor == config_.id)
        return;
    if (!rebuild_) {
        if (next(log_.last().index) >= offer.kept_from) return;  // caught up since
        begin_rebuild("its log ends at " + to_string(log_.last().index) + " and the coordinator keeps entries from " +
                      to_string(offer.kept_from));
    }
    if (rebuild_->loaded && !rebuild_->installed && next(log_.last().index) < offer.kept_from)
        return transfer_failed("the log that goes with it is no longer kept");
    if (rebuild_->started || now_ < rebuild_->not_before) return;
    rebuild_->donor = offer.donor;
    if (rebuild_->marked) start_transfer();
}

void Core::Impl::start_transfer() {
    rebuild_->started = true;
    emit(RebuildNeeded{rebuild_->donor, rebuild_->reason});
}

void Core::Impl::on(const RebuildFailed& input) {
    if (rebuild_ && rebuild_->started && !rebuild_->loaded) transfer_failed(input.reason);
}

void Core::Impl::transfer_failed(const std::string& reason) {
    complain("rebuild",
             "loading the database from node " + to_string(rebuild_->donor) + " failed, it is tried again: " + reason);
    rebuild_->started = false;
    rebuild_->loaded.reset();
    rebuild_->avoid = std::exchange(rebuild_->donor, NodeId{});
    rebuild_->not_before = rebuild_->ask_at = now_ + rebuild_->backoff;
    rebuild_->backoff = std::min(2 * rebuild_->backoff, rebuild_backoff_ticks_max);
}

void Core::Impl::on(const SnapshotInstalled& input) {
    const Snapshot& snapshot = input.point.log;
    const EntryId applied = input.point.applied;
    if (!rebuild_ || !rebuild_->started || rebuild_->loaded) return trace("a snapshot nobody asked for");
    const LogIndex at = snapshot.last.index;
    if (snapshot.membership.cluster != log_.membership()->cluster) return transfer_failed("it is of another cluster");
    if (at < log_.base().index) {
        // Entries between are gone here, and a voter must not forget those above, for which it voted.
        return transfer_failed("it ends at entry " + to_string(at) + " and the own log begins behind " +
                               to_string(log_.base().index));
    }
    const bool known =
        at <= log_.last().index && log_.id_at(at) == snapshot.last && log_.digest_at(at) == snapshot.digest;
    if (!known && at <= decided_) return transfer_failed("it differs from the own log in entry " + to_string(at));
    if (known) {
        const bool all = applied.index <= log_.last().index && log_.id_at(applied.index) == applied;
        advance_decided(all ? applied.index : at);
    } else {
        reset_log(snapshot);
    }
    rebuild_->loaded = applied;
    finish_loaded();
}

// The rebuild lasts until the log has come as far as the database: before, a restart could take entries of the own log,
// which the coordinator may yet replace, for decided because of where the database is.
void Core::Impl::finish_loaded() {
    const EntryId at = *rebuild_->loaded;
    if (decided_ < at.index) return;
    if (log_.id_at(at.index) != at) return transfer_failed("it differs from the log in entry " + to_string(at.index));
    rebuild_->installed = at.index;
    journal_.put_rebuilding(false);
}

// Nothing we voted for is lost: all that is decided up to the snapshot is in it, and entries of ours above it stand on
// one that was not decided.
void Core::Impl::reset_log(const Snapshot& snapshot) {
    if (!this->following()) become_follower(NodeId{}, "its log begins anew");
    const NodeId coordinator = following()->coordinator;
    const bool stood = may_stand();
    log_.reset(snapshot.last, snapshot.digest, snapshot.membership);
    journal_.reset(snapshot);
    outcomes_ = Outcomes(snapshot.outcomes_floor, snapshot.forgotten, snapshot.outcomes);
    decided_ = decided_reported_ = snapshot.last.index;
    journal_.put_decided(decided_);
    following()->matched = decided_;
    if (stood != may_stand()) become_follower(coordinator, "the membership changed");
}

void Core::Impl::rebuild_journaled() {
    if (!rebuild_) return;
    if (!rebuild_->installed) {
        rebuild_->marked = true;
        if (rebuild_->donor && !rebuild_->started) start_transfer();
        return;
    }
    const LogIndex at = *rebuild_->installed;
    rebuild_.reset();
    local_.applied = local_.durable_applied = at;
    decided_reported_ = at;
    emit(RebuildOver{});
}

// --- the coordinator -------------------------------------------------------------------------------------------------

void Core::Impl::on(const Voter& from, const SnapshotRequest& request) {
    auto* office = std::get_if<Coordinator>(&role_);
    if (!office) return;
    const auto found = office->peers.find(from.id);
    if (found == office->peers.end()) return;
    found->second.snapshot_offered = 0;
    found->second.asked_for_snapshot = true;
    found->second.fit = false;  // to give its own, whatever its last vote said
    offer_snapshot(from.id, found->second, request.avoid);
}

void Core::Impl::offer_snapshot(NodeId to, Progress& peer, NodeId avoid) {
    if (peer.snapshot_offered && now_ - peer.snapshot_offered < snapshot_offer_ticks) return;
    const std::optional<NodeId> donor = choose_donor(to, avoid);
    if (!donor) {
        return complain("donor " + to_string(to), "node " + to_string(to) + " has to load its database from another " +
                                                      "node, and none is fit to give it");
    }
    peer.snapshot_offered = now_;
    send(to, SnapshotOffer{hard_.epoch, *donor, next(log_.base().index)});
}

std::optional<NodeId> Core::Impl::choose_donor(NodeId asker, NodeId avoid) const {
    const auto& office = std::get<Coordinator>(role_);
    std::optional<NodeId> best, failed;
    LogIndex applied;
    // What is given must join on to the log that follows.
    const auto joins_on = [this](LogIndex dump) { return log_.needed_after(dump) > log_.base().index; };
    for (const auto& [id, peer] : office.peers) {
        if (id == asker || !reachable(peer) || !peer.fit || !joins_on(peer.applied)) continue;
        if (id == avoid) {
            failed = id;
        } else if (!best || peer.applied >= applied) {
            best = id;
            applied = peer.applied;
        }
    }
    if (best) return best;
    // The coordinator has enough to do, and yet: better than a donor that failed.
    if (unfit_reason().empty() && joins_on(local_.applied) && avoid != config_.id) return config_.id;
    if (failed) return failed;
    if (unfit_reason().empty() && avoid == config_.id) return config_.id;
    return std::nullopt;
}

// --- the donor -------------------------------------------------------------------------------------------------------

std::optional<DumpPoint> Core::Impl::dump_point(LogIndex at) const {
    if (rebuild_ || at < log_.base().index || at > decided_) return std::nullopt;
    // Parts of a transaction that may yet take effect behind `at` go along as entries: nobody else may have them, and
    // without a majority that has them nothing gets on.
    const LogIndex last{std::min(at.value, log_.needed_after(at).value - 1)};
    if (last < log_.base().index || log_.membership_at(last) == nullptr) return std::nullopt;
    DumpPoint point;
    point.applied = log_.id_at(at);
    point.log.last = log_.id_at(last);
    point.log.digest = log_.digest_at(last);
    point.log.membership = *log_.membership_at(last);
    outcomes_.fill(point.log);
    return point;
}

}  // namespace ddb::core
