// Who belongs to the cluster: changes by command and by themselves (a level learner becomes a voter; a node that comes
// back with another journal takes the place of its old one), and what a node does that is no member. Changes travel as
// log entries, one voter at a time, so that majorities of the old and the new list always meet.
#include <algorithm>

#include "node/core/impl.hpp"
#include "schemas/codec.hpp"

namespace ddb::core {

const Member* Core::Impl::member(NodeId id) const {
    const Membership* membership = log_.membership();
    if (!membership) return nullptr;
    for (const Member& member : membership->members)
        if (member.voter.id == id) return &member;
    return nullptr;
}

bool Core::Impl::is_voter(NodeId id) const {
    const Member* found = member(id);
    return found && !found->learner;
}

bool Core::Impl::is_self_voter() const {
    const Member* self = member(config_.id);
    const bool same = self && (self->voter.incarnation == incarnation_ || planted(Bug::wiped_node_votes));
    return same && !self->learner && !unreadable_ && !removed();
}

// While its removal is not decided, a voter may be needed to have it decided, or to let the others go on without it.
bool Core::Impl::may_stand() const {
    if (is_self_voter()) return true;
    if (unreadable_ || removed() || log_.membership_index() <= decided_) return false;
    const Membership* list = log_.membership_at(decided_);
    return list && std::any_of(list->members.begin(), list->members.end(), [this](const Member& member) {
               return !member.learner && member.voter == Voter{config_.id, incarnation_};
           });
}

std::size_t Core::Impl::voters() const {
    const Membership* membership = log_.membership();
    if (!membership) return 0;
    return static_cast<std::size_t>(std::count_if(membership->members.begin(), membership->members.end(),
                                                  [](const Member& member) { return !member.learner; }));
}

std::size_t Core::Impl::rank_from_top(NodeId id) const {
    const Membership* membership = log_.membership();
    if (!membership) return 0;
    return static_cast<std::size_t>(
        std::count_if(membership->members.begin(), membership->members.end(),
                      [id](const Member& member) { return !member.learner && member.voter.id > id; }));
}

bool Core::Impl::known_impostor(const Voter& from) const {
    const Member* known = member(from.id);
    return known && known->voter.incarnation != from.incarnation && !planted(Bug::wiped_node_votes);
}

// --- nodes that are no members, or do not know -----------------------------------------------------------------------

void Core::Impl::meet(const Voter& from, const Hello& hello) {
    if (!hello.formed) formation_hello(from.id);  // it may have missed that everybody signed
    const Membership& list = *log_.membership();
    if (hello.formed && hello.cluster != list.cluster) {
        Peer& peer = peers_[from.id];
        if (peer.foreign != from.incarnation) formation_hello(from.id);
        peer.foreign = from.incarnation;
        return complain(
            "cluster " + to_string(from.id),
            "node " + to_string(from.id) + " belongs to another cluster (" + to_string(hello.cluster) + ")");
    }
    const Member* known = member(from.id);
    if (known && known->voter == from) {
        peers_[from.id].newcomer.reset();
        // Members of the formation's list know it by their own signature.
        if (!hello.formed && log_.membership_index() > LogIndex{}) tell_membership(from.id);
        return;
    }
    if (!known && hello.formed) {
        // It was removed, and comes back when it is wiped; or it was added and our list is old.
        if (std::holds_alternative<Coordinator>(role_)) tell_membership(from.id);
        return;
    }
    std::optional<Newcomer>& newcomer = peers_[from.id].newcomer;
    if (!newcomer || newcomer->incarnation != from.incarnation) newcomer = Newcomer{from.incarnation, now_, now_};
    newcomer->heard = now_;
    if (known && !hello.formed) tell_membership(from.id);
}

// Somebody who is no member here may be one of another cluster. Members of one say hello to nobody, unless asked.
void Core::Impl::greet_stranger(const Voter& from, const PeerMessage& message) {
    const Member* known = member(from.id);
    if (log_.membership() == nullptr || (known && known->voter == from) || std::holds_alternative<Hello>(message))
        return;
    Peer& peer = peers_[from.id];
    if (now_ < peer.greet_at) return;
    peer.greet_at = now_ + greet_ticks;
    formation_hello(from.id);
}

void Core::Impl::tell_membership(NodeId to) {
    if (log_.membership_index() > decided_) return;  // it might yet be dropped
    send(to, MembershipNotice{log_.id_at(log_.membership_index()), *log_.membership()});
}

void Core::Impl::tell_if_removed(const Voter& from) {
    const Member* known = member(from.id);
    if (!known || known->voter != from) tell_membership(from.id);
}

void Core::Impl::on(const Voter& from, const MembershipNotice& notice) {
    if (std::holds_alternative<Unformed>(role_)) return join(from, notice);
    if (notice.list.cluster != log_.membership()->cluster || std::holds_alternative<Coordinator>(role_)) return;
    if (notice.at <= log_.id_at(log_.membership_index()) || removed()) return;
    for (const Member& listed : notice.list.members)
        if (listed.voter == Voter{config_.id, incarnation_}) return;
    // The list is decided, so nothing takes it back. Who is out must not disturb elections.
    removed_at_ = notice.at;
    complain("membership", "this node is no member of the cluster any more, since entry " + to_string(notice.at.index) +
                               ": wipe it to add it again");
    become_follower(NodeId{}, "removed from the cluster");
}

void Core::Impl::join(const Voter& from, const MembershipNotice& notice) {
    auto& unformed = std::get<Unformed>(role_);
    if (unformed.forming || joining_) return;
    for (const Member& listed : notice.list.members) {
        if (listed.voter.id != config_.id) continue;
        if (listed.voter.incarnation != incarnation_ && !planted(Bug::wiped_node_votes)) {
            return complain("id", "id " + to_string(config_.id) + " belongs to a member with another journal: " +
                                      "this node takes its place once that one is not heard any more; if both " +
                                      "are meant to run, give one of them another id");
        }
        if (signed_list_ && signed_list_->cluster != notice.list.cluster) {
            // The others may still form that cluster and would count on us.
            return complain("formation", "this node was added to cluster " + to_string(notice.list.cluster) +
                                             " but signed the list of another: wipe it first");
        }
        trace("node " + to_string(from.id) + " says it was added to cluster " + to_string(notice.list.cluster));
        joining_ = notice.list;
        journal_.put_formed(notice.list);
        // What the cluster's first server held before formation is in no log. In the same write, or a crash between
        // the two would leave a member that replays the log onto whatever its server holds.
        if (!rebuild_) begin_rebuild("joins the cluster");
        return;
    }
}

// --- changes ---------------------------------------------------------------------------------------------------------

std::optional<Error> Core::Impl::change_error() const {
    const auto& office = std::get<Coordinator>(role_);
    // Before an entry of its own epoch is decided, a coordinator does not know whether an older change stands.
    if (decided_ < office.noop) return fail(ErrorCode::overloaded, "the first entry of this epoch is not decided yet");
    if (log_.membership_index() > decided_)
        return fail(ErrorCode::overloaded, "the previous change is not decided yet");
    if (office.unfit_since || office.leaves || (office.hand_over && office.hand_over->quiesced))
        return fail(ErrorCode::overloaded, "the coordinator gives up its office");
    return std::nullopt;
}

// Of the voters left, enough must be in reach to decide the removal itself and whatever follows.
std::optional<Error> Core::Impl::loses_majority(NodeId without) const {
    const auto& office = std::get<Coordinator>(role_);
    if (voters() == 1) return fail(ErrorCode::refused, "it is the last voter");
    std::size_t in_reach = is_self_voter() && without != config_.id ? 1 : 0;
    for (const auto& [id, peer] : office.peers) {
        // One whose link has just closed counts as gone at once: the list without the other would need its vote.
        if (id != without && is_voter(id) && reachable(peer) && !link_down(id)) ++in_reach;
    }
    const std::size_t left = voters() - 1, needed = left / 2 + 1;
    if (in_reach >= needed) return std::nullopt;
    return fail(ErrorCode::refused, "without it " + std::to_string(in_reach) + " of " + std::to_string(left) +
                                        " voters are in reach and " + std::to_string(needed) + " are needed");
}

void Core::Impl::on(const ChangeMember& command) {
    const Status status = std::holds_alternative<Coordinator>(role_)
                              ? change_member(command)
                              : Status(fail(ErrorCode::not_coordinator, "this node is not coordinator"));
    if (!status.ok()) emit(CommandAnswer{command.token, status});
}

Status Core::Impl::change_member(const ChangeMember& command) {
    if (auto error = change_error()) return std::move(*error);
    const std::uint32_t id = command.voter.id.value;
    if (id == 0 || id > 65535) return fail(ErrorCode::invalid_argument, "a node id is 1 to 65535");
    return command.kind == ChangeMember::Kind::add ? add_member(command) : remove_member(command);
}

Status Core::Impl::add_member(const ChangeMember& command) {
    const NodeId id = command.voter.id;
    Incarnation incarnation = command.voter.incarnation;
    const auto peer = peers_.find(id);
    if (!incarnation && peer != peers_.end() && peer->second.newcomer &&
        now_ - peer->second.newcomer->heard < newcomer_memory_ticks)
        incarnation = peer->second.newcomer->incarnation;
    const Member* known = member(id);
    if (known && (!incarnation || known->voter.incarnation == incarnation))
        return fail(ErrorCode::refused, "node " + to_string(id) + " is a member already");
    if (!incarnation)
        return fail(ErrorCode::not_found, "node " + to_string(id) + " has not said hello: start it, then add it");
    if (known) return replace_member(*known, incarnation, command.token);
    if (log_.membership()->members.size() >= members_max)
        return fail(ErrorCode::refused, "a cluster has at most " + std::to_string(members_max) + " members");
    Membership list = *log_.membership();
    std::string address = command.address;
    if (address.empty() && peer != peers_.end()) address = peer->second.address;
    const auto place = std::find_if(list.members.begin(), list.members.end(),
                                    [id](const Member& member) { return member.voter.id > id; });
    list.members.insert(place, Member{{id, incarnation}, true, address});
    propose_membership(std::move(list), command.token);
    return ok();
}

// The old journal leaves and the new one comes as a learner, in one entry: one voter changes.
Status Core::Impl::replace_member(const Member& old, Incarnation incarnation, std::optional<std::uint64_t> command) {
    const NodeId id = old.voter.id;
    if (id == config_.id) return fail(ErrorCode::refused, "that is the coordinator's own id");
    const Progress& progress = std::get<Coordinator>(role_).peers.at(id);
    const Ticks heard = std::max(progress.heard, peers_[id].heard);
    if (now_ - heard < silence_ticks()) {
        return fail(ErrorCode::refused, "another node " + to_string(id) + " is a member and was heard " +
                                            std::to_string((now_ - heard) * 10) +
                                            " ms ago: stop one of the two, or give it another id");
    }
    if (!old.learner) {
        if (auto error = loses_majority(id)) return std::move(*error);
    }
    Membership list = *log_.membership();
    for (Member& member : list.members)
        if (member.voter.id == id) member = {{id, incarnation}, true, peers_[id].address};
    trace("node " + to_string(id) + " came back with another journal and takes its own place as a learner");
    propose_membership(std::move(list), command);
    return ok();
}

Status Core::Impl::remove_member(const ChangeMember& command) {
    const NodeId id = command.voter.id;
    const Member* known = member(id);
    if (!known) return fail(ErrorCode::not_found, "node " + to_string(id) + " is no member");
    if (command.voter.incarnation && known->voter.incarnation != command.voter.incarnation)
        return fail(ErrorCode::not_found, "node " + to_string(id) + " is a member with another journal");
    if (!known->learner) {
        if (auto error = loses_majority(id)) {
            error->message = "node " + to_string(id) + " cannot be removed: " + error->message;
            return std::move(*error);
        }
    }
    Membership list = *log_.membership();
    std::erase_if(list.members, [id](const Member& member) { return member.voter.id == id; });
    propose_membership(std::move(list), command.token);
    return ok();
}

void Core::Impl::propose_membership(Membership list, std::optional<std::uint64_t> command) {
    auto& office = std::get<Coordinator>(role_);
    PendingChange change{next(log_.last().index), command, {}};
    for (const Member& before : log_.membership()->members) {
        const bool stays = std::any_of(list.members.begin(), list.members.end(),
                                       [&](const Member& after) { return after.voter.id == before.voter.id; });
        if (!stays && before.voter.id != config_.id) change.gone.push_back(before.voter.id);
    }
    Entry entry;
    entry.kind = EntryKind::membership;
    entry.payload = Payload(encode_membership(list));
    office.change = std::move(change);
    append_entry(std::move(entry));
}

void Core::Impl::finish_change() {
    auto& office = std::get<Coordinator>(role_);
    if (!office.change || office.change->index > decided_) return;
    const PendingChange change = *std::exchange(office.change, std::nullopt);
    if (change.command) emit(CommandAnswer{*change.command, ok(), change.index});
    // Nothing more is sent to them. Should this be lost, they are told when they ask for votes.
    for (const NodeId id : change.gone) tell_membership(id);
}

// --- changes that come by themselves ---------------------------------------------------------------------------------

void Core::Impl::membership_tick() {
    if (!std::holds_alternative<Coordinator>(role_)) return;
    if (!is_self_voter() && log_.membership_index() <= decided_) return leave_when_removed();
    if (!change_error()) replace_tick();
    if (!change_error()) promote_tick();
}

// The removal of the coordinator is decided under itself; then the office moves in good order if it can.
void Core::Impl::leave_when_removed() {
    auto& office = std::get<Coordinator>(role_);
    if (office.hand_over) return;
    const std::optional<NodeId> successor = best_successor();
    if (office.leaves || !successor) return step_down("no longer a voter");
    office.leaves = true;
    start_hand_over(*successor, true, std::nullopt);
}

void Core::Impl::replace_tick() {
    const auto& office = std::get<Coordinator>(role_);
    for (auto& [id, peer] : peers_) {
        const Member* old = member(id);
        if (!peer.newcomer || !old || !office.peers.contains(id)) continue;
        if (now_ - peer.newcomer->heard >= newcomer_present_ticks) continue;
        if (old->voter.incarnation == peer.newcomer->incarnation) continue;  // done
        const std::string subject = "replacement " + to_string(id);
        if (peer.ever_heard && peer.heard > peer.newcomer->since + newcomer_present_ticks) {
            complain(subject, "two nodes with id " + to_string(id) +
                                  " are alive: the one that came later is refused; give one of them another id");
            continue;
        }
        if (now_ - std::max(office.peers.at(id).heard, peer.heard) < silence_ticks()) continue;
        const Status status = replace_member(*old, peer.newcomer->incarnation, std::nullopt);
        if (status.ok()) return;
        complain(subject, "node " + to_string(id) + " came back with another journal and cannot take its place yet: " +
                              status.error().message);
    }
}

void Core::Impl::promote_tick() {
    const auto& office = std::get<Coordinator>(role_);
    // The majority that keeps this office and the learner, which is in reach, are a majority of the larger list, too.
    for (const auto& [id, peer] : office.peers) {
        if (is_voter(id) || !peer.level_since || now_ - *peer.level_since < promotion_ticks) continue;
        Membership list = *log_.membership();
        for (Member& member : list.members)
            if (member.voter.id == id) member.learner = false;
        trace("node " + to_string(id) + " is level and becomes a voter");
        return propose_membership(std::move(list), std::nullopt);
    }
}

// --- a journal that is not what it was -------------------------------------------------------------------------------

// It may have granted or acknowledged what it does not know any more, so this voter must never speak again. The node
// comes back as a learner under a new name; the coordinator gives it its place when the old one has been silent.
void Core::Impl::take_identity(const std::string& reason) {
    incarnation_ = Incarnation{random_.next() | 1};
    identity_pending_ = true;
    held_.clear();
    journal_.put_incarnation(incarnation_);
    complain("journal", reason + "; this node goes on as a new one and is loaded again");
    if (Following* following = this->following()) become_follower(following->coordinator, "its journal was lost");
}

void Core::Impl::identity_journaled() {
    if (!identity_pending_) return;
    identity_pending_ = false;
    emit(IdentityTaken{incarnation_});
}

void Core::Impl::rejoin_tick() {
    if (now_ < next_rejoin_ || identity_pending_ || removed()) return;
    // An old copy may end in a list without us that was never decided, nor will be.
    const Membership* list = member(config_.id) ? log_.membership() : log_.membership_at(decided_);
    const bool replaced = list && std::any_of(list->members.begin(), list->members.end(), [this](const Member& self) {
                              return self.voter.id == config_.id && self.voter.incarnation != incarnation_;
                          });
    if (!replaced) return;
    next_rejoin_ = now_ + rejoin_ticks;
    for (const Member& other : log_.membership()->members)
        if (other.voter.id != config_.id) formation_hello(other.voter.id);
}

}  // namespace ddb::core
