#include "node/verbs.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "node/daemon.hpp"

namespace ddb::node {

using nlohmann::json;

namespace {

const char* fate_name(core::Fate fate) {
    switch (fate) {
        case core::Fate::decided:
            return "decided";
        case core::Fate::absent:
            return "absent";
        case core::Fate::too_old:
            return "too_old";
        case core::Fate::not_coordinator:
            break;
    }
    return "unknown";
}

std::uint64_t port_of(const std::string& address) {
    const auto colon = address.rfind(':');
    return colon == std::string::npos ? 0 : std::strtoull(address.c_str() + colon + 1, nullptr, 10);
}

std::string host_of(const std::string& address) {
    return address.substr(0, address.rfind(':'));
}

// Sent once, and answered when all is done.
bool takes_its_time(const std::string& verb) {
    return changes_cluster(verb) || verb == "audit";
}

bool about_cluster(const std::string& verb) {
    return verb == "nodes" || verb == "health" || verb == "txn" || takes_its_time(verb);
}

json transfers_json(const std::vector<TransferStatus>& transfers) {
    json out = json::array();
    for (const TransferStatus& transfer : transfers) {
        out.push_back({{transfer.donor ? "to" : "from", transfer.peer.value},
                       {"state", transfer.state},
                       {"bytes", transfer.bytes},
                       {"estimate_bytes", transfer.estimate_bytes},
                       {"percent", transfer.percent()},
                       {"rate_bytes_per_s", transfer.rate_bytes_per_s}});
    }
    return out;
}

json ids_json(const Membership& membership, bool learners) {
    json ids = json::array();
    for (const Member& member : membership.members)
        if (member.learner == learners) ids.push_back(member.voter.id.value);
    return ids;
}

// Nodes that say hello and are no members: `ddb-cli add` takes them in.
json newcomers_json(const core::CoreStatus& status) {
    json list = json::array();
    for (const core::NewcomerStatus& newcomer : status.newcomers)
        list.push_back({{"id", newcomer.voter.id.value}, {"address", newcomer.address}, {"state", "may be added"}});
    return list;
}

std::optional<std::string> cell(const json& value) {
    if (value.is_null()) return std::nullopt;
    return value.is_string() ? value.get<std::string>() : value.dump();
}

bool planned(const std::string& verb) {
    return verb == "snapshot" || verb == "trace";
}

}  // namespace

bool changes_cluster(const std::string& verb) {
    return verb == "step-down" || verb == "add" || verb == "remove";
}

void Verbs::answer(const session::Origin& to, std::uint64_t id, const std::string& text) {
    // A client that is gone needs no answer.
    (void)context_.send(to, SessionMessage{VerbReply{id, std::nullopt, text}});
}

void Verbs::refuse(const session::Origin& to, std::uint64_t id, Error error) {
    (void)context_.send(to, SessionMessage{VerbReply{id, std::move(error), {}}});
}

std::optional<std::uint64_t> Verbs::remember(const session::Origin& from, const VerbRequest& request,
                                             std::uint64_t now_ms, bool forwarded) {
    if (pending_.size() >= pending_max) {
        refuse(from, request.id, fail(ErrorCode::overloaded, "too many cluster verbs are waiting; try again"));
        return std::nullopt;
    }
    const std::uint64_t token = ++next_token_;
    std::uint64_t wait_ms = forwarded ? forward_timeout_ms : std::uint64_t{request.timeout_ms};
    // What changes something gets all the time there is, and its client hears the end of it.
    if (takes_its_time(request.verb))
        wait_ms = request.timeout_ms - std::min<std::uint64_t>(answer_margin_ms, request.timeout_ms / 4);
    pending_[token] = Pending{from, request, now_ms + wait_ms, forwarded, {}};
    return token;
}

bool Verbs::pass_on(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms) {
    const core::CoreStatus& status = context_.status();
    if (from.peer || status.role == core::Role::coordinator || !status.coordinator) return false;
    auto token = remember(from, request, now_ms, true);
    if (!token) return true;
    VerbRequest copy = request;
    copy.id = *token;
    if (takes_its_time(request.verb))
        copy.timeout_ms = static_cast<std::uint32_t>(pending_[*token].deadline_ms - now_ms);
    if (context_.send(session::Origin{status.coordinator, {}}, SessionMessage{copy})) return true;
    pending_.erase(*token);
    return false;
}

void Verbs::on_request(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms) {
    if (planned(request.verb)) {
        refuse(from, request.id,
               fail(ErrorCode::refused, "'" + request.verb + "' is not part of this version (" + version + ")"));
        return;
    }
    if (about_cluster(request.verb) && pass_on(from, request, now_ms)) return;
    if (request.verb == "txn") {
        ask_fate(from, request, now_ms);
    } else if (changes_cluster(request.verb)) {
        change(from, request, now_ms);
    } else if (request.verb == "audit") {
        if (auto token = remember(from, request, now_ms, false)) context_.audit(*token);
    } else {
        answer_local(from, request);
    }
}

void Verbs::answer_local(const session::Origin& from, const VerbRequest& request) {
    if (request.verb == "status") {
        answer(from, request.id, status_json());
    } else if (request.verb == "nodes") {
        answer(from, request.id, nodes_json());
    } else if (request.verb == "health") {
        answer(from, request.id, health_json());
    } else if (request.verb == "txn") {
        refuse(from, request.id,
               fail(ErrorCode::no_quorum, "no coordinator answered; " + context_.status().waiting_for));
    } else {
        refuse(from, request.id,
               fail(ErrorCode::invalid_argument,
                    "unknown verb '" + request.verb +
                        "'; known: status, nodes, health, txn ID, step-down, add ADDR, remove ID, audit"));
    }
}

void Verbs::ask_fate(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms) {
    core::OutcomeQuery query;
    const bool named =
        request.arguments.size() == 1 && (parse_txn_id(request.arguments[0], query.txn) ||
                                          parse_request_name(request.arguments[0], query.session, query.request));
    if (!named) {
        refuse(from, request.id,
               fail(ErrorCode::invalid_argument,
                    "txn needs one id as printed by ddb-cli: TXN-<epoch>-<number> or REQ-<session>-<number>"));
        return;
    }
    auto token = remember(from, request, now_ms, false);
    if (!token) return;
    query.token = *token;
    context_.step(query);
}

void Verbs::on_reply(const VerbReply& reply) {
    auto found = pending_.find(reply.id);
    if (found == pending_.end()) return;
    VerbReply copy = reply;
    copy.id = found->second.request.id;
    (void)context_.send(found->second.from, SessionMessage{copy});
    pending_.erase(found);
}

void Verbs::on_outcome(const core::OutcomeAnswer& outcome) {
    auto found = pending_.find(outcome.token);
    if (found == pending_.end()) return;
    if (outcome.fate == core::Fate::not_coordinator) {
        refuse(found->second.from, found->second.request.id,
               fail(ErrorCode::no_quorum, "no coordinator with a majority; " + context_.status().waiting_for));
    } else {
        json document{{"txn", found->second.request.arguments[0]}, {"fate", fate_name(outcome.fate)}};
        if (outcome.fate == core::Fate::decided) {
            document["txn"] = to_string(outcome.txn);
            document["index"] = outcome.id.index.value;
            document["epoch"] = outcome.id.epoch.value;
            document["affected_rows"] = outcome.outcome.affected_rows;
            document["last_insert_id"] = outcome.outcome.last_insert_id;
            document["error_code"] = outcome.outcome.error_code;
        }
        answer(found->second.from, found->second.request.id, document.dump());
    }
    pending_.erase(found);
}

void Verbs::on_command(const core::CommandAnswer& command) {
    auto found = pending_.find(command.token);
    if (found == pending_.end()) return;
    if (command.status) {
        answer(found->second.from, found->second.request.id, change_json(found->second.request, command));
    } else {
        refuse(found->second.from, found->second.request.id, command.status.error());
    }
    pending_.erase(found);
}

void Verbs::on_audit(std::uint64_t token, const Result<std::string>& result) {
    auto found = pending_.find(token);
    if (found == pending_.end()) return;
    if (result.ok()) {
        answer(found->second.from, found->second.request.id, *result);
    } else {
        refuse(found->second.from, found->second.request.id, result.error());
    }
    pending_.erase(found);
}

void Verbs::tick(std::uint64_t now_ms) {
    for (auto it = pending_.begin(); it != pending_.end();) {
        if (it->second.deadline_ms > now_ms && (it->second.awaited.empty() || advance_add(it->first, it->second))) {
            ++it;
            continue;
        }
        if (it->second.deadline_ms <= now_ms) expire(std::move(it->second));
        it = pending_.erase(it);
    }
}

std::string Verbs::status_json() const {
    const core::CoreStatus& status = context_.status();
    const auto counters = context_.session_counters();
    json document{{"id", context_.self.value},
                  {"version", version},
                  {"cluster", context_.cluster},
                  {"address", host_of(context_.address)},
                  {"port", port_of(context_.address)},
                  {"role", core::to_string(status.role)},
                  {"serving", status.serving},
                  {"epoch", status.epoch.value},
                  {"coordinator", status.coordinator.value},
                  {"last", status.last.index.value},
                  {"decided", status.decided.value},
                  {"durable", status.durable.value},
                  {"kept_from", status.kept_from.value},
                  {"applied", status.applied.value},
                  {"uptime_s", context_.uptime_s()},
                  {"mysql_socket", context_.mysql_socket()},
                  {"mysql_pid", context_.mysql_pid()},
                  {"sessions", counters.sessions},
                  {"forwarded_sessions", counters.forwarded_sessions},
                  {"guest_sessions", counters.guests},
                  {"open_transactions", counters.open_transactions},
                  {"statements", counters.statements},
                  {"local_reads", counters.local_reads},
                  {"balanced_reads", counters.balanced_reads},
                  {"reads_asked_again", counters.reads_asked_again},
                  {"writes", counters.writes},
                  {"errors", counters.errors},
                  {"unknown", counters.unknown},
                  {"foreign_writes", counters.foreign_writes},
                  {"fenced", context_.fenced_reason()},
                  {"waiting_for", status.waiting_for}};
    if (status.membership) {
        document["voters"] = ids_json(*status.membership, false);
        document["learners"] = ids_json(*status.membership, true);
    }
    document["newcomers"] = newcomers_json(status);
    document["rebuilding"] = status.rebuilding;
    document["transfers"] = transfers_json(context_.transfers());
    document["last_audit"] = json::parse(context_.last_audit(), nullptr, false);
    document["cluster_uuid"] = status.membership ? json(to_string(status.membership->cluster)) : json(nullptr);
    return document.dump();
}

std::string Verbs::nodes_json() const {
    const core::CoreStatus& status = context_.status();
    const bool coordinator = status.role == core::Role::coordinator;
    json nodes = json::array();
    const auto describe = [&](NodeId id, const std::string& address, bool learner, json state, json last,
                              json applied) {
        json lag = nullptr;
        if (applied.is_number()) {
            const auto position = applied.get<std::uint64_t>();
            lag = status.decided.value > position ? status.decided.value - position : 0;
        }
        const bool holds_office = id == status.coordinator;
        nodes.push_back({{"id", id.value},
                         {"address", host_of(address)},
                         {"port", port_of(address)},
                         {"role", holds_office         ? "coordinator"
                                  : !status.membership ? "unformed"
                                  : learner            ? "learner"
                                                       : "follower"},
                         {"state", std::move(state)},
                         {"epoch", status.epoch.value},
                         {"last", std::move(last)},
                         {"applied", std::move(applied)},
                         {"lag", lag},
                         {"coordinator", holds_office}});
    };
    const bool self_learner = status.role == core::Role::learner;
    const bool self_listed =
        status.membership && std::any_of(status.membership->members.begin(), status.membership->members.end(),
                                         [&](const Member& member) { return member.voter.id == context_.self; });
    bool self_done = false;
    const auto describe_self = [&] {
        self_done = true;
        describe(context_.self, context_.address, self_learner,
                 !status.membership                 ? "no member yet"
                 : !self_listed                     ? "no member any more"
                 : status.rebuilding                ? "rebuilding"
                 : context_.fenced_reason().empty() ? "up"
                                                    : "fenced",
                 status.last.index.value, status.applied.value);
    };
    for (const core::PeerStatus& peer : status.peers) {
        if (!self_done && context_.self < peer.id) describe_self();
        // Only the coordinator hears every voter; the others say what they know and no more.
        const char* state = !peer.reachable            ? (coordinator ? "down" : "unknown")
                            : peer.fit || !coordinator ? "up"
                                                       : "unfit";
        // The membership has what was true when the node was added.
        const std::string dialled = context_.dialled_at(peer.id);
        describe(peer.id, dialled.empty() ? peer.address : dialled, peer.learner, state,
                 coordinator ? json(peer.matched.value) : json(nullptr),
                 coordinator ? json(peer.applied.value) : json(nullptr));
    }
    if (!self_done) describe_self();
    return json{{"nodes", nodes}, {"seen_by", context_.self.value}}.dump();
}

session::NodeTable Verbs::table(session::DdbView view) const {
    session::NodeTable table;
    if (view == session::DdbView::status) {
        table.columns = {"Variable_name", "Value"};
        const json document = json::parse(status_json());
        for (const auto& [name, value] : document.items()) table.rows.push_back({name, cell(value)});
        return table;
    }
    table.columns = {"id", "address", "port", "role", "state", "epoch", "last", "applied", "lag", "reads"};
    json document = json::parse(nodes_json());
    for (json& node : document["nodes"]) {
        node["reads"] = context_.reads(NodeId{node["id"].get<std::uint32_t>()});
        auto& row = table.rows.emplace_back();
        for (const std::string& column : table.columns) row.push_back(cell(node[column]));
    }
    return table;
}

std::string Verbs::health_json() const {
    const core::CoreStatus& status = context_.status();
    const bool follows = status.role == core::Role::follower && status.coordinator && status.waiting_for.empty();
    const bool healthy = status.serving || follows;
    json document = json::parse(nodes_json());
    document["healthy"] = healthy;
    document["coordinator"] = status.coordinator.value;
    document["epoch"] = status.epoch.value;
    document["reason"] = healthy ? "" : status.waiting_for;
    document["newcomers"] = newcomers_json(status);
    return document.dump();
}

}  // namespace ddb::node
