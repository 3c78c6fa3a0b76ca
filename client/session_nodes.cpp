// The part of a session that finds and changes nodes.
#include "client/session_nodes.hpp"

#include <poll.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/session_client.hpp"

namespace ddb::client {

using std::chrono::milliseconds;

namespace {

constexpr std::uint64_t nodes_verb_id = 1;
constexpr milliseconds connect_step{2000};
constexpr milliseconds open_wait{5000};
// Nodes that say no at once must not be asked a thousand times a second.
constexpr milliseconds between_tries{100};
constexpr std::size_t nodes_max = 256;

class NoListener : public ResultListener {
  public:
    void on_header(const std::vector<Column>&) override {}
    Status on_rows(const ResultRows&) override { return ok(); }
    void on_end(const ResultEnd&) override {}
};

}  // namespace

std::vector<std::string> addresses_in(const std::string& nodes_json) {
    using nlohmann::json;
    std::vector<std::string> out;
    const json document = json::parse(nodes_json, nullptr, false);
    if (!document.is_object() || !document.contains("nodes") || !document["nodes"].is_array()) return out;
    for (const json& node : document["nodes"]) {
        if (!node.is_object() || !node.contains("address") || !node["address"].is_string()) continue;
        if (!node.contains("port") || !node["port"].is_number_unsigned()) continue;
        const auto port = node["port"].get<std::uint64_t>();
        const std::string address = node["address"];
        if (port > 0 && port < 65536 && !address.empty()) out.push_back(address + ":" + std::to_string(port));
    }
    return out;
}

// Until the deadline, at whichever node takes the session. The very first time one round of connecting must do: a
// person who mistyped an address wants to know at once.
Status SessionClient::reopen(Clock::time_point deadline, bool keep_session) {
    if (!keep_session) new_session_id();
    if (leave_node_) link_->leave();
    leave_node_ = false;
    bool stay = link_->connected();
    Error last = fail(ErrorCode::timeout, "no node answered within the time limit");
    for (std::size_t refusals = 0; interrupts() == 0;) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) break;
        if (!stay) {
            const auto wait = opened_before_ ? std::min(left, connect_step) : left;
            const Status connected = link_->connect(static_cast<int>(wait.count()));
            if (!connected) {
                last = connected.error();
                if (!opened_before_) return last;
                (void)::poll(nullptr, 0, static_cast<int>(between_tries.count()));
                continue;
            }
        }
        stay = false;
        const Result<SessionOpened> opened = open_session(deadline);
        if (opened && opened->accepted) {
            accept(*opened);
            const Status repeated = repeat_settings(keep_session, deadline);
            if (repeated || link_->connected()) return repeated;
            last = repeated.error();
            continue;
        }
        last = opened ? opened->error : opened.error();
        const bool final = last.code == ErrorCode::sql || last.code == ErrorCode::invalid_argument;
        if (final || (last.code == ErrorCode::refused && ++refusals > nodes_.size() + 1)) return last;
        link_->leave();
        (void)::poll(nullptr, 0, static_cast<int>(between_tries.count()));
    }
    return last;
}

Result<SessionOpened> SessionClient::open_session(Clock::time_point deadline) {
    OpenSession open;
    open.session = session_;
    open.user = login_.user;
    open.password = login_.password;
    open.database = database_;
    open.client = login_.client;
    open.read_balance = login_.read_balance;
    const Status sent = link_->send(std::move(open));
    if (!sent) return sent.error();
    const auto limit = std::min(deadline, Clock::now() + open_wait);
    while (interrupts() < 2) {
        const auto left = std::chrono::duration_cast<milliseconds>(limit - Clock::now());
        if (left.count() <= 0) break;
        const auto message = link_->receive(static_cast<int>(std::min(left, between_tries).count()));
        if (!message) {
            if (!link_->connected()) return fail(ErrorCode::io, "the node closed the connection");
            continue;
        }
        const auto* opened = std::get_if<SessionOpened>(&*message);
        if (opened != nullptr && opened->session == session_) return *opened;
        handle_aside(*message);
    }
    return fail(ErrorCode::timeout, "node " + link_->address() + " did not open the session in time");
}

void SessionClient::accept(const SessionOpened& opened) {
    if (opened_before_) notice("connected to " + link_->address());
    opened_ = opened;
    open_ = true;
    opened_before_ = true;
    status_flags_ = status_autocommit;
    node_ = opened.node;
    coordinator_ = opened.coordinator;
    seen_ = std::max(seen_, opened.index);  // or the first request's outcome, once looked up, would be too old to tell
    learn(link_->address());
    learn(opened.coordinator_address);
    // The answer is taken in passing, whenever it comes: it only matters once this node is lost.
    (void)link_->send(VerbRequest{nodes_verb_id, "nodes", {}, 5000});
}

// On a fresh session id under new numbers; on the kept one under their own, which lie below the pending request's.
Status SessionClient::repeat_settings(bool keep_session, Clock::time_point deadline) {
    NoListener nobody;
    for (const SessionMemory::Setting& setting : memory_.settings()) {
        Pending pending;
        pending.sql = &setting.sql;
        pending.kind = StatementClass::setting;
        pending.seen = seen_;
        pending.deadline = deadline;
        pending.quiet = true;
        if (!keep_session) last_request_ = next(last_request_);
        pending.request = keep_session ? setting.request : last_request_;
        const Ended ended = attempt(pending, nobody);
        if (ended == Ended::done && !pending.end.error) {
            status_flags_ = pending.end.status_flags;
            continue;
        }
        open_ = false;
        if (ended == Ended::lost) return fail(ErrorCode::io, "the node closed the connection");
        const std::string why = pending.end.error ? ": " + pending.end.error->message : "";
        return fail(ErrorCode::timeout, "a setting of the session could not be repeated on another node" + why);
    }
    return ok();
}

void SessionClient::handle_aside(const SessionMessage& message) {
    const auto* reply = std::get_if<VerbReply>(&message);
    if (reply == nullptr || reply->id != nodes_verb_id || reply->error) return;
    for (const std::string& address : addresses_in(reply->json)) learn(address);
}

void SessionClient::learn(const std::string& address) {
    if (address.empty() || nodes_.size() >= nodes_max) return;
    if (std::find(nodes_.begin(), nodes_.end(), address) != nodes_.end()) return;
    nodes_.push_back(address);
    link_->add_node(address);
    if (hooks_.learnt_node) hooks_.learnt_node(address);
}

void SessionClient::idle() {
    while (const auto message = link_->receive(0)) handle_aside(*message);
}

}  // namespace ddb::client
