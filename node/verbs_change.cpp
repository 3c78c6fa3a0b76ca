// Verbs that change the cluster: add, remove, step-down. Answered by the coordinator once the change is decided; who
// passes one on, or loses it half-way, says that the outcome is unknown.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "node/verbs.hpp"

namespace ddb::node {

using nlohmann::json;

namespace {

std::optional<NodeId> node_id_of(const std::string& text) {
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size() || id == 0 || id > 65535) return std::nullopt;
    return NodeId{id};
}

bool is_address(const std::string& text) {
    constexpr std::size_t host_max = 253;
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon > host_max) return false;
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port != 0 &&
           std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                      c == '-';
           });
}

bool contains(const std::vector<std::string>& addresses, const std::string& address) {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

}  // namespace

void Verbs::change(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms) {
    if (context_.status().role != core::Role::coordinator) {
        std::string text = "no coordinator is known here that could do it";
        if (!context_.status().waiting_for.empty()) text += "; this node waits for " + context_.status().waiting_for;
        return refuse(from, request.id, fail(ErrorCode::no_quorum, std::move(text)));
    }
    if (request.verb == "step-down") {
        if (auto token = remember(from, request, now_ms, false)) context_.step(core::StepDown{*token});
        return;
    }
    const std::optional<NodeId> id = request.arguments.empty() ? std::nullopt : node_id_of(request.arguments[0]);
    if (id) {
        const bool adds = request.verb == "add";
        const auto kind = adds ? core::ChangeMember::Kind::add : core::ChangeMember::Kind::remove;
        if (auto token = remember(from, request, now_ms, false))
            context_.step(core::ChangeMember{*token, kind, Voter{*id, Incarnation{}}, {}});
        return;
    }
    if (request.verb == "add") return add_by_address(from, request, now_ms);
    refuse(from, request.id, fail(ErrorCode::invalid_argument, "remove needs the id of a node, as `nodes` shows it"));
}

void Verbs::add_by_address(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms) {
    constexpr std::size_t spellings_max = 4;
    const auto& words = request.arguments;
    if (words.empty() || words.size() > spellings_max || !std::all_of(words.begin(), words.end(), is_address)) {
        return refuse(from, request.id,
                      fail(ErrorCode::invalid_argument,
                           "add needs HOST:PORT of a running node's bus, or the id of one that said hello"));
    }
    const auto token = remember(from, request, now_ms, false);
    if (!token) return;
    Pending& pending = pending_[*token];
    pending.awaited = words;
    if (!advance_add(*token, pending)) pending_.erase(*token);
}

// False when the verb is answered. The node is dialled until it says who it is; then the core decides.
bool Verbs::advance_add(std::uint64_t token, Pending& pending) {
    const core::CoreStatus& status = context_.status();
    const auto stop_dialling = [&] {
        for (const std::string& address : pending.awaited) context_.hang_up(address);
    };
    const auto give_up = [&](Error error) {
        stop_dialling();
        refuse(pending.from, pending.request.id, std::move(error));
        return false;
    };
    if (status.role != core::Role::coordinator)
        return give_up(fail(ErrorCode::not_coordinator, "the office was lost; nothing was changed"));
    for (const core::NewcomerStatus& newcomer : status.newcomers) {
        if (!contains(pending.awaited, newcomer.address)) continue;
        stop_dialling();
        pending.awaited.clear();
        context_.step(core::ChangeMember{token, core::ChangeMember::Kind::add, newcomer.voter, newcomer.address});
        return true;
    }
    const auto member_already = [&](NodeId id, const std::string& address) {
        return give_up(fail(ErrorCode::refused, "node " + to_string(id) + " at " + address + " is a member already"));
    };
    if (contains(pending.awaited, context_.address)) return member_already(context_.self, context_.address);
    // One that is silent may have been replaced by a fresh node at the same address.
    for (const core::PeerStatus& peer : status.peers)
        if (peer.reachable && contains(pending.awaited, peer.address)) return member_already(peer.id, peer.address);
    // One spelling is enough; the first is what a person wrote, the last one a number where that was a name.
    if (auto dialled = context_.dial(pending.awaited.back()); !dialled) return give_up(dialled.error());
    return true;
}

void Verbs::expire(Pending expired) {
    const std::string limit = " within " + std::to_string(expired.request.timeout_ms) + " ms";
    if (!expired.awaited.empty()) {
        for (const std::string& address : expired.awaited) context_.hang_up(address);
        return refuse(expired.from, expired.request.id,
                      fail(ErrorCode::timeout, "no fresh node said hello from " + expired.awaited.front() + limit +
                                                   "; nothing was changed. Does ddb-node run there, with this "
                                                   "cluster's name and keys, is it no member of another cluster, and "
                                                   "was it wiped if it was removed before?"));
    }
    if (changes_cluster(expired.request.verb)) {
        return refuse(expired.from, expired.request.id,
                      fail(ErrorCode::unknown_outcome, "no answer" + limit + ": `" + expired.request.verb +
                                                           "` may have been done or not; `nodes` shows it"));
    }
    if (expired.request.verb == "audit") {
        return refuse(
            expired.from, expired.request.id,
            fail(ErrorCode::timeout, "the audit is not over" + limit +
                                         "; it goes on, and the coordinator's `status` will show the result"));
    }
    if (expired.forwarded) return answer_local(expired.from, expired.request);
    refuse(expired.from, expired.request.id, fail(ErrorCode::timeout, "no answer" + limit));
}

std::string Verbs::change_json(const VerbRequest& request, const core::CommandAnswer& command) const {
    const core::CoreStatus& status = context_.status();
    json document{{"done", true}, {"verb", request.verb}};
    if (request.verb == "step-down" || !status.membership) return document.dump();
    json members = json::array();
    for (const Member& member : status.membership->members) {
        members.push_back({{"id", member.voter.id.value},
                           {"address", member.address},
                           {"role", member.learner ? "learner" : "voter"}});
    }
    document["index"] = command.index.value;
    document["members"] = std::move(members);
    return document.dump();
}

}  // namespace ddb::node
