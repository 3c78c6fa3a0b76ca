// Formation: one exact list of nodes, signed durably by every one of them. A node signs once ever.
#include <algorithm>

#include "node/core/impl.hpp"
#include "schemas/digest.hpp"

namespace ddb::core {

namespace {

void add_number(std::string& out, std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(number >> shift & 0xff));
}

// Everybody who sees the same nodes arrives at the same name, so nobody has to propose. Incarnations are random and
// make it unique.
ClusterUuid name_of(const std::vector<Member>& members) {
    std::string text = "ddb formation";
    for (const Member& member : members) {
        add_number(text, member.voter.id.value);
        add_number(text, member.voter.incarnation.value);
    }
    const Digest digest = blake2b(text);
    ClusterUuid uuid;
    std::copy_n(digest.bytes.begin(), uuid.bytes.size(), uuid.bytes.begin());
    return uuid;
}

// Addresses are hints and may differ between the nodes' views.
bool same_list(const Membership& a, const Membership& b) {
    return a.cluster == b.cluster &&
           std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
                      [](const Member& x, const Member& y) { return x.voter == y.voter && x.learner == y.learner; });
}

const Member* find(const Membership& list, NodeId id) {
    for (const Member& member : list.members)
        if (member.voter.id == id) return &member;
    return nullptr;
}

}  // namespace

void Core::Impl::formation_hello(NodeId to) {
    const Membership* membership = log_.membership();
    Hello hello;
    hello.voter = {config_.id, incarnation_};
    hello.expect = config_.expect;
    hello.formed = membership != nullptr;
    if (membership) hello.cluster = membership->cluster;
    hello.address = config_.address;
    hello.has_user_data = config_.has_user_data;
    hello.forms = !config_.refuse_formation;
    send(to, std::move(hello));
}

void Core::Impl::formation_tick() {
    auto& unformed = std::get<Unformed>(role_);
    std::erase_if(unformed.fresh, [this](const auto& known) { return now_ - known.second.heard > fresh_expiry_ticks; });
    if (now_ >= unformed.next_hello) {
        unformed.next_hello = now_ + hello_ticks;
        std::set<NodeId> known;
        for (const auto& [id, peer] : peers_) known.insert(id);
        for (const NodeId id : known) formation_hello(id);
        if (signed_durable_) broadcast_signature();
    }
    if (signed_list_) {
        if (signed_durable_) complete_formation();
        return;
    }
    if (!formation_ready(unformed)) {
        unformed.complete_since.reset();
        return;
    }
    // A node too many may be a moment late, and so may a formed cluster; once signed there is no way back.
    if (!unformed.complete_since) unformed.complete_since = now_;
    const Ticks settle = config_.expect == 1 ? formation_alone_ticks : formation_settle_ticks;
    if (now_ - *unformed.complete_since >= settle) sign(unformed);
}

bool Core::Impl::formation_ready(const Unformed& unformed) {
    // First, since what to do about it comes first: two complaints in turn would fill the log.
    if (unformed.formed_heard && now_ - *unformed.formed_heard < formed_memory_ticks) return false;
    if (config_.refuse_formation) {
        complain("formation", "no cluster is formed here: " + config_.refuse_reason);
        return false;
    }
    std::size_t with_data = config_.has_user_data ? 1 : 0;
    std::string seen = to_string(config_.id);
    for (const auto& [id, node] : unformed.fresh) {
        seen += ", " + to_string(id);
        if (node.has_user_data) ++with_data;
        if (node.expect != config_.expect) {
            complain("formation", "node " + to_string(id) + " expects " + std::to_string(node.expect) +
                                      " nodes, this node " + std::to_string(config_.expect) +
                                      ": make cluster.expect equal on all nodes");
            return false;
        }
    }
    const std::size_t count = unformed.fresh.size() + 1;
    if (count > config_.expect) {
        complain("formation", "more fresh nodes than the " + std::to_string(config_.expect) + " expected are seen (" +
                                  seen + "): stop the ones that do not belong here, or correct cluster.expect");
        return false;
    }
    if (with_data > 1) {
        complain("formation", "more than one database server holds user data: empty all but one");
        return false;
    }
    return count == config_.expect;
}

void Core::Impl::sign(const Unformed& unformed) {
    Membership list;
    list.members.push_back({{config_.id, config_.incarnation}, false, config_.address});
    for (const auto& [id, node] : unformed.fresh) list.members.push_back({node.voter, false, node.address});
    std::sort(list.members.begin(), list.members.end(),
              [](const Member& a, const Member& b) { return a.voter.id < b.voter.id; });
    list.cluster = name_of(list.members);
    trace("signs the list of cluster " + to_string(list.cluster));
    journal_.put_signed_list(list);
    // Durable together with the signature: the empty database of this node is not what the cluster's log begins with.
    for (const auto& [id, node] : unformed.fresh) {
        if (node.has_user_data) begin_rebuild("the cluster begins with the data of node " + to_string(id));
    }
    signed_list_ = std::move(list);
}

void Core::Impl::broadcast_signature() {
    for (const Member& member : signed_list_->members)
        if (member.voter.id != config_.id) send(member.voter.id, FormationSignature{*signed_list_});
}

void Core::Impl::formation_journaled(const JournalQueue::Completed& done) {
    if (!std::holds_alternative<Unformed>(role_)) return;
    if (done.signed_list) {
        signed_durable_ = true;
        broadcast_signature();
        complete_formation();
    }
    if (done.formed) {
        log_.set_base_membership(joining_ ? *joining_ : *signed_list_);
        become_follower(NodeId{}, joining_ ? "added to the cluster" : "cluster formed");
        // Nobody is coordinator yet for sure, so there is nothing to wait for.
        election_deadline_ = now_ + short_timeout();
    }
}

void Core::Impl::complete_formation() {
    auto& unformed = std::get<Unformed>(role_);
    if (unformed.forming || joining_ || !signed_durable_) return;
    for (const Member& member : signed_list_->members)
        if (member.voter.id != config_.id && !unformed.signatures.contains(member.voter.id)) return;
    unformed.forming = true;
    journal_.put_formed(*signed_list_);
}

void Core::Impl::on(const Voter& from, const Hello& hello) {
    Peer& peer = peers_[from.id];
    if (!hello.address.empty()) peer.address = hello.address;
    auto* unformed = std::get_if<Unformed>(&role_);
    if (!unformed) return meet(from, hello);
    if (!hello.formed && !hello.forms) {
        unformed->fresh.erase(from.id);
        return;
    }
    if (!hello.formed) {
        const bool known = unformed->fresh.contains(from.id);
        if (!known && unformed->fresh.size() >= fresh_nodes_max) return;
        unformed->fresh[from.id] = {from, hello.expect, hello.address, hello.has_user_data, now_};
        if (!known) formation_hello(from.id);
        const Member* listed = signed_list_ ? find(*signed_list_, from.id) : nullptr;
        if (listed && listed->voter.incarnation != from.incarnation) {
            complain("formation", "this node signed a list with another journal of node " + to_string(from.id) +
                                      " than it has now: wipe the fresh nodes and start again");
        }
        return;
    }
    unformed->fresh.erase(from.id);
    if (signed_list_ && hello.cluster == signed_list_->cluster && signed_durable_ && find(*signed_list_, from.id)) {
        // It is formed with the list we signed, which takes everybody's signature.
        for (const Member& member : signed_list_->members) unformed->signatures.insert(member.voter.id);
        return complete_formation();
    }
    // Until it is wiped or added there, this node forms nothing: a second cluster of that name would be worse.
    unformed->formed_heard = now_;
    complain("formation", "a formed cluster answers (" + to_string(hello.cluster) +
                              "): this node waits to be added to it (ddb-cli add " +
                              (config_.address.empty() ? to_string(config_.id) : config_.address) +
                              ") and forms none of its own");
}

void Core::Impl::on(const Voter& from, const FormationSignature& signature) {
    auto* unformed = std::get_if<Unformed>(&role_);
    if (!unformed) {
        // It missed that everybody signed.
        return formation_hello(from.id);
    }
    const Member* signer = find(signature.list, from.id);
    if (!signer || signer->voter != from) return;
    if (!signed_list_) return;  // its signature comes again once we signed
    if (!same_list(signature.list, *signed_list_)) {
        return complain("formation",
                        "node " + to_string(from.id) +
                            " signed another list of nodes than this one: wipe the fresh nodes and start again");
    }
    unformed->signatures.insert(from.id);
    complete_formation();
}

}  // namespace ddb::core
