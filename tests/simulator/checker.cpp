#include "tests/simulator/checker.hpp"

#include <algorithm>
#include <functional>
#include <optional>

#include "schemas/codec.hpp"
#include "tests/simulator/sim_database.hpp"

namespace ddb::simulator {

std::string name(EntryId id) {
    return std::to_string(id.epoch.value) + "/" + std::to_string(id.index.value);
}

namespace {

void require(bool condition, Voter node, const std::string& what) {
    if (!condition) throw Violation("node " + std::to_string(node.id.value) + ": " + what);
}

bool same_content(const Entry& a, const Entry& b) {
    return a.id == b.id && a.kind == b.kind && a.txn == b.txn && a.session == b.session && a.request == b.request &&
           a.payload == b.payload;
}

// The newest in the journal, and the one before it: an entry may have been decided under either.
std::vector<Membership> memberships_of(const JournalImage& journal) {
    std::vector<Membership> all;
    for (auto it = journal.entries.rbegin(); it != journal.entries.rend() && all.size() < 2; ++it) {
        if (it->second.kind != EntryKind::membership) continue;
        if (Result<Membership> decoded = decode_membership(it->second.payload.view()); decoded.ok())
            all.push_back(std::move(*decoded));
    }
    if (all.size() < 2 && journal.base_membership) all.push_back(*journal.base_membership);
    return all;
}

const JournalImage* journal_of(Voter voter, const Holders& holders) {
    for (const Holder& holder : holders)
        if (holder.voter == voter) return holder.durable;
    return nullptr;
}

// Whether a majority of the voters of one of these memberships satisfies `holds`.
bool majority(const std::vector<Membership>& memberships, const Holders& holders,
              const std::function<bool(const JournalImage&)>& holds) {
    return std::any_of(memberships.begin(), memberships.end(), [&](const Membership& membership) {
        std::size_t voters = 0, found = 0;
        for (const Member& member : membership.members) {
            if (member.learner) continue;
            ++voters;
            for (const Holder& holder : holders)
                if (holder.voter == member.voter && holds(*holder.durable)) ++found;
        }
        return found > voters / 2;
    });
}

}  // namespace

// What a snapshot stands for is decided, and what its receiver held of the decided log above it stays.
void Checker::reset(Voter node, const JournalImage& newest, const Snapshot& snapshot) const {
    const auto decision = decided_.find(snapshot.last.index);
    require(decision != decided_.end() && decision->second.id == snapshot.last, node,
            "its log begins anew at " + name(snapshot.last) + ", which is not decided");
    for (auto it = decided_.upper_bound(snapshot.last.index); it != decided_.end(); ++it)
        require(newest.id_at(it->first) != it->second.id, node, "forgets the decided entry " + name(it->second.id));
}

void Checker::journaled(Voter node, const JournalImage& newest, const core::JournalWrite& write) {
    hard_[node] = newest.hard;
    if (write.base_membership && !membership_) membership_ = write.base_membership;
    if (write.reset) reset(node, newest, *write.reset);
    if (write.hard) {
        const core::HardState known = newest.hard;
        require(write.hard->epoch >= known.epoch, node, "the epoch went back");
        require(write.hard->epoch > known.epoch || !known.granted_to || write.hard->granted_to == known.granted_to,
                node, "granted epoch " + std::to_string(known.epoch.value) + " twice");
        hard_[node] = *write.hard;
    }
    if (write.signed_list) require(!newest.signed_list, node, "signed a second list");
    if (write.truncate_after) {
        for (auto it = decided_.upper_bound(*write.truncate_after); it != decided_.end(); ++it) {
            const Entry* held = newest.find(it->first);
            require(!held || held->id != it->second.id, node, "drops the decided entry " + name(it->second.id));
        }
    }
    LogIndex last = newest.last();
    if (write.truncate_after) last = std::min(last, *write.truncate_after);
    EntryId previous = write.reset ? write.reset->last : newest.id_at(last);
    for (const Entry& entry : write.entries) {
        require(entry.id.index == next(previous.index), node, "a hole before " + name(entry.id));
        require(entry.id.epoch >= previous.epoch, node, "epochs fall at " + name(entry.id));
        const auto [it, fresh] = entries_.try_emplace(entry.id, Seen{previous, entry});
        require(fresh || (it->second.previous == previous && same_content(it->second.entry, entry)), node,
                "another entry " + name(entry.id) + " than elsewhere");
        previous = entry.id;
        if (entry.kind == EntryKind::membership) appended_[node] = decode_membership(entry.payload.view()).value();
    }
}

void Checker::sent(Voter node, NodeId to, const JournalImage& durable, const PeerMessage& message) {
    // Persist, then send.
    if (const auto* vote = std::get_if<Vote>(&message)) {
        require(vote->epoch <= durable.hard.epoch, node, "a vote in an epoch that is not durable");
        require(!vote->accepted || vote->up_to <= durable.last(), node,
                "a vote up to " + std::to_string(vote->up_to.value) + " before the journal has it");
    } else if (const auto* grant = std::get_if<GrantReply>(&message)) {
        require(!grant->granted || (durable.hard.epoch == grant->epoch && durable.hard.granted_to == to), node,
                "a grant that is not the one its journal holds");
    } else if (const auto* request = std::get_if<GrantRequest>(&message)) {
        require(durable.hard.epoch == request->epoch && durable.hard.granted_to == node.id, node,
                "asks for grants before its own is durable");
    } else if (const auto* prepare = std::get_if<Prepare>(&message)) {
        require(prepare->epoch <= durable.hard.epoch, node, "PREPARE in an epoch that is not durable");
    } else if (std::holds_alternative<FormationSignature>(message)) {
        require(durable.signed_list.has_value(), node, "a signature before the journal has it");
    }
}

void Checker::became_coordinator(Voter node, Epoch epoch, const JournalImage& newest, const Holders& holders) {
    const auto [it, fresh] = coordinators_.try_emplace(epoch, node);
    require(fresh, node,
            "epoch " + std::to_string(epoch.value) + " already had coordinator " + std::to_string(it->second.id.value));
    for (const auto& [index, decision] : decided_) {
        // A coordinator that learns late of its grants may already have a successor, which decided without it.
        if (index <= newest.base.index || decision.latest >= epoch) continue;
        require(newest.id_at(index) == decision.id, node, "took office without the decided entry " + name(decision.id));
    }
    const auto granted = [&](const JournalImage& journal) {
        return journal.hard.epoch > epoch || (journal.hard.epoch == epoch && journal.hard.granted_to == node.id);
    };
    // The newest in its log counts, decided or not.
    std::vector<Membership> memberships = memberships_of(newest);
    memberships.resize(std::min<std::size_t>(memberships.size(), 1));
    require(majority(memberships, holders, granted), node,
            "took office in epoch " + std::to_string(epoch.value) + " without durable grants of a majority");
}

void Checker::decided(Voter node, const JournalImage& own, const core::Decided& decided, const Holders& holders) {
    for (LogIndex index = next(decided.from); index <= decided.up_to; index = next(index)) {
        if (index <= own.base.index) continue;
        const Entry* entry = own.find(index);
        require(entry != nullptr, node,
                "told to apply " + std::to_string(index.value) + ", which is not in its journal");
        one_decided(node, entry->id, holders);
    }
}

void Checker::one_decided(Voter node, EntryId id, const Holders& holders) {
    const auto [it, fresh] = decided_.try_emplace(id.index, Decision{id, hard_[node].epoch});
    require(it->second.id == id, node, "decided " + name(id) + " in place of " + name(it->second.id));
    if (!fresh) return;
    std::vector<Membership> memberships;
    if (const JournalImage* own = journal_of(node, holders)) memberships = memberships_of(*own);
    if (const auto office = coordinators_.find(hard_[node].epoch); office != coordinators_.end()) {
        if (const JournalImage* its = journal_of(office->second, holders))
            for (Membership& membership : memberships_of(*its)) memberships.push_back(std::move(membership));
        // A list counts from the moment it is in the coordinator's log, durable or not; and a follower may hear that an
        // entry is decided before the coordinator's own journal holds it.
        if (const auto appended = appended_.find(office->second); appended != appended_.end())
            memberships.push_back(appended->second);
    }
    if (const auto appended = appended_.find(node); appended != appended_.end())
        memberships.push_back(appended->second);
    const auto holds = [id](const JournalImage& journal) {
        const Entry* held = journal.find(id.index);
        return (held && held->id == id) || journal.base.index >= id.index;
    };
    const auto known = entries_.find(id);
    require(known != entries_.end() && majority(memberships, holders, holds), node,
            "decided " + name(id) + ", which no majority holds durably");
    newest_decided_ = std::max(newest_decided_, id.index);
    const Entry& entry = known->second.entry;
    if (entry.kind == EntryKind::membership && id.index > membership_at_) {
        membership_ = decode_membership(entry.payload.view()).value();
        membership_at_ = id.index;
        ++changes_;
    }
    if (entry.txn && entry.kind != EntryKind::rows_part) {
        require(decided_txns_.try_emplace(entry.txn, id).second, node, "a transaction was decided twice");
        require(!failed_txns_.contains(entry.txn), node,
                "decided " + name(id) + " of a transaction reported as failed");
    }
    if (entry.session) {
        const Request request{entry.session, entry.request};
        const auto [first, only] = decided_requests_.try_emplace(request, id);
        require(only, node, "one request has two effects: " + name(first->second) + " and " + name(id));
        require(!failed_requests_.contains(request), node, "decided " + name(id) + " of a request reported as failed");
    }
}

void Checker::applied(Voter node, EntryId id, std::uint64_t content) {
    const auto decision = decided_.find(id.index);
    require(decision != decided_.end() && decision->second.id == id, node,
            "applied " + name(id) + ", which is not decided");
    LogIndex& position = positions_[node];
    require(id.index == next(position), node,
            "applied " + name(id) + " after " + std::to_string(position.value) + ": skipped or twice");
    position = id.index;
    const auto [first, fresh] = contents_.try_emplace(id.index, content);
    require(first->second == content, node, "its table differs from another node's after " + name(id));
}

void Checker::loaded(Voter node, EntryId id, std::uint64_t content) {
    if (id == EntryId{}) {  // from a node that has applied nothing yet
        require(content == SimDatabase().content(), node, "loaded another table than the one before the log");
        positions_[node] = LogIndex{};
        return;
    }
    const auto decision = decided_.find(id.index);
    require(decision != decided_.end() && decision->second.id == id, node,
            "loaded a database at " + name(id) + ", which is not decided");
    const auto known = contents_.find(id.index);
    require(known != contents_.end() && known->second == content, node,
            "loaded another table than the one after " + name(id));
    positions_[node] = id.index;
}

void Checker::acknowledged(EntryId id, SessionId session, RequestNumber request) {
    const auto decision = decided_.find(id.index);
    if (decision == decided_.end() || decision->second.id != id)
        throw Violation("acknowledged " + name(id) + ", which is not decided");
    const Entry& entry = entries_.at(id).entry;
    if (entry.session != session || entry.request != request)
        throw Violation("acknowledged " + name(id) + " for a request that it does not belong to");
    if (failed_txns_.contains(entry.txn) || failed_requests_.contains({session, request}))
        throw Violation("acknowledged " + name(id) + ", which was reported as failed");
    acknowledged_.insert(id);
    newest_acknowledged_ = std::max(newest_acknowledged_, id.index);
}

void Checker::failed(TxnId txn) {
    if (decided_txns_.contains(txn)) throw Violation("reported a decided transaction as failed");
    failed_txns_.insert(txn);
}

void Checker::failed(SessionId session, RequestNumber request) {
    if (const auto it = decided_requests_.find({session, request}); it != decided_requests_.end())
        throw Violation("reported a request as failed that " + name(it->second) + " had decided");
    failed_requests_.insert({session, request});
}

void Checker::read_answered(Voter node, LogIndex floor, LogIndex index) {
    require(
        index >= floor, node,
        "a strong read at " + std::to_string(index.value) + " misses the acknowledged " + std::to_string(floor.value));
}

void Checker::finish() const {
    for (const EntryId& id : acknowledged_) {
        const auto decision = decided_.find(id.index);
        if (decision == decided_.end() || decision->second.id != id)
            throw Violation("lost the acknowledged " + name(id));
    }
}

}  // namespace ddb::simulator
