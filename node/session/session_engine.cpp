#include "node/session/session_engine.hpp"

#include <utility>
#include <vector>

#include "node/session/back_session.hpp"
#include "node/session/engine_parts.hpp"
#include "node/session/front_session.hpp"

namespace ddb::session {
namespace {

constexpr std::uint64_t probe_ms = 500;

}  // namespace

class SessionEngine::Impl {
  public:
    Impl(SessionHost& host, storage::LocalDatabase& database, storage::Journal& journal, SessionLimits limits)
        : parts(host, database, journal, limits) {}

    void on_client_message(const Origin& from, SessionMessage message);
    void open_front(const Origin& from, OpenSession open);
    void on_peer_message(NodeId peer, SessionMessage message);
    void end_front(const SessionId& id);
    void end_client(const Origin& client);
    void close_backs(const Error& reason);
    void probe_clients();
    // Ends every public call: sessions talk to each other through deferred tasks only.
    void settle();

    EngineParts parts;
    std::uint64_t next_probe_ms = 0;
};

void SessionEngine::Impl::settle() {
    parts.run_deferred();
    while (!parts.lost_clients.empty()) {
        const auto lost = std::exchange(parts.lost_clients, {});
        for (const auto& client : lost) end_client(client);
        parts.run_deferred();
    }
}

// --- messages --------------------------------------------------------------------------------------------------------

void SessionEngine::Impl::open_front(const Origin& from, OpenSession open) {
    SessionOpened refusal;
    refusal.session = open.session;
    refusal.node = parts.view.self;
    refusal.coordinator = parts.view.coordinator;
    refusal.coordinator_address = parts.view.coordinator_address;
    if (!open.session) {
        refusal.error = fail(ErrorCode::invalid_argument, "a session needs an id that is not zero");
        (void)parts.host.send(from, refusal);
        return;
    }
    end_front(open.session);  // its client came back over another connection
    if (parts.fronts.size() - parts.guests() >= parts.limits.sessions_max) {
        refusal.error = Error{
            ErrorCode::overloaded,
            "this node serves " + std::to_string(parts.limits.sessions_max) + " sessions already; try another node",
            1040, "08004"};
        (void)parts.host.send(from, refusal);
        return;
    }
    const SessionId id = open.session;
    auto session = std::make_unique<FrontSession>(parts, ++parts.last_serial, from, std::move(open));
    FrontSession* opened = session.get();
    parts.fronts[id] = std::move(session);
    opened->open();
}

void SessionEngine::Impl::on_client_message(const Origin& from, SessionMessage message) {
    if (auto* open = std::get_if<OpenSession>(&message)) {
        open_front(from, std::move(*open));
        return;
    }
    const auto mine = [&](const SessionId& id) -> FrontSession* {
        auto* session = parts.front(id);
        return session != nullptr && session->client() == from ? session : nullptr;
    };
    if (auto* execute = std::get_if<Execute>(&message)) {
        if (auto* session = mine(execute->session)) {
            session->on_execute(std::move(*execute));
            return;
        }
        ResultEnd end;
        end.session = execute->session;
        end.request = execute->request;
        end.node = parts.view.self;
        end.coordinator = parts.view.coordinator;
        end.error = fail(ErrorCode::not_found, "no such session on this node: open it first");
        (void)parts.host.send(from, end);
    } else if (const auto* cancel = std::get_if<Cancel>(&message)) {
        if (auto* session = mine(cancel->session)) session->on_cancel(cancel->request);
    } else if (const auto* credit = std::get_if<Credit>(&message)) {
        if (auto* session = mine(credit->session)) session->on_credit(*credit);
    } else if (auto* file = std::get_if<FileContent>(&message)) {
        if (auto* session = mine(file->session)) session->on_file(std::move(*file));
    } else if (const auto* close = std::get_if<CloseSession>(&message)) {
        if (mine(close->session) != nullptr) end_front(close->session);
    }
}

void SessionEngine::Impl::on_peer_message(NodeId peer, SessionMessage message) {
    if (parts.on_guest_request(peer, message) || parts.on_guest_answer(peer, message)) return;
    const SessionId* relayed = nullptr;
    if (const auto* opened = std::get_if<SessionOpened>(&message)) relayed = &opened->session;
    if (const auto* header = std::get_if<ResultHeader>(&message)) relayed = &header->session;
    if (const auto* rows = std::get_if<ResultRows>(&message)) relayed = &rows->session;
    if (const auto* end = std::get_if<ResultEnd>(&message)) relayed = &end->session;
    if (const auto* wanted = std::get_if<FileWanted>(&message)) relayed = &wanted->session;
    if (relayed == nullptr) {
        parts.on_back_request(peer, std::move(message));
        return;
    }
    if (auto* session = parts.front(*relayed)) session->on_back_message(peer, std::move(message));
}

// --- ends ------------------------------------------------------------------------------------------------------------

void SessionEngine::Impl::end_front(const SessionId& id) {
    const auto it = parts.fronts.find(id);
    if (it == parts.fronts.end()) return;
    it->second->close();
    parts.fronts.erase(it);
}

void SessionEngine::Impl::end_client(const Origin& client) {
    std::vector<SessionId> gone;
    for (const auto& [id, session] : parts.fronts) {
        if (session->client() == client) gone.push_back(id);
    }
    for (const auto& id : gone) end_front(id);
}

void SessionEngine::Impl::close_backs(const Error& reason) {
    std::vector<BackSession*> all;
    for (const auto& [serial, session] : parts.backs) all.push_back(session.get());
    for (auto* session : all) session->close(reason);
}

void SessionEngine::Impl::probe_clients() {
    if (parts.now_ms < next_probe_ms) return;
    next_probe_ms = parts.now_ms + probe_ms;
    std::vector<Origin> gone;
    for (const auto& [id, session] : parts.fronts) {
        if (session->guest()) continue;  // ends with the link to its node
        const auto sent = parts.host.send(session->client(), Ping{});
        if (!sent && sent.error().code == ErrorCode::not_found) gone.push_back(session->client());
    }
    for (const auto& client : gone) end_client(client);
}

// --- SessionEngine ---------------------------------------------------------------------------------------------------

SessionEngine::SessionEngine(SessionHost& host, storage::LocalDatabase& database, storage::Journal& journal,
                             SessionLimits limits)
    : impl_(std::make_unique<Impl>(host, database, journal, limits)) {}

SessionEngine::~SessionEngine() {
    // Running statements end with their connections; what they post afterwards is dropped with the engine.
    on_office_closing(impl_->parts.office);
    std::vector<SessionId> fronts;
    for (const auto& [id, session] : impl_->parts.fronts) fronts.push_back(id);
    for (const auto& id : fronts) impl_->end_front(id);
    impl_->settle();
}

void SessionEngine::on_message(const Origin& from, SessionMessage message, std::uint64_t now_ms) {
    impl_->parts.now_ms = now_ms;
    if (from.peer) {
        impl_->on_peer_message(from.peer, std::move(message));
    } else {
        impl_->on_client_message(from, std::move(message));
    }
    impl_->settle();
}

void SessionEngine::on_client_gone(const Origin& client) {
    impl_->end_client(client);
    impl_->settle();
}

void SessionEngine::on_peer_gone(NodeId peer) {
    auto& parts = impl_->parts;
    std::vector<BackSession*> forwarded;
    for (const auto& [key, serial] : parts.back_keys) {
        if (key.first == peer && peer) forwarded.push_back(parts.back(serial));
    }
    for (auto* session : forwarded) session->close(fail(ErrorCode::shutting_down, "the client's node is gone"));
    parts.balancer.gone(peer);
    impl_->end_client(Origin{peer, {}});
    for (const auto& [id, session] : parts.fronts) session->on_peer_gone(peer);
    impl_->settle();
}

void SessionEngine::on_view(const ClusterView& view) {
    impl_->parts.view = view;
    impl_->parts.balancer.set_members(view.self, view.voters);
    for (const auto& [id, session] : impl_->parts.fronts) session->on_view();
    impl_->settle();
}

void SessionEngine::tick(std::uint64_t now_ms) {
    auto& parts = impl_->parts;
    parts.now_ms = now_ms;
    parts.barrier.tick(now_ms);
    parts.tick_balancer();
    parts.tick_gate();
    parts.look_for_session_names();
    parts.pipeline.tick();
    impl_->settle();
    for (const auto& [id, session] : parts.fronts) session->tick();
    std::vector<std::uint64_t> serials;
    for (const auto& [serial, session] : parts.backs) serials.push_back(serial);
    for (const auto serial : serials) {
        if (auto* session = parts.back(serial)) session->tick();
    }
    impl_->probe_clients();
    for (const auto& [id, session] : parts.fronts) {
        if (session->forgotten()) session->close();
    }
    std::erase_if(parts.fronts, [](const auto& item) { return item.second->refused(); });
    impl_->settle();
}

void SessionEngine::pump(std::uint64_t now_ms) {
    impl_->parts.now_ms = now_ms;
    for (auto& task : impl_->parts.take_posted()) {
        task();
        impl_->settle();
    }
}

int SessionEngine::answers_fd() const {
    return impl_->parts.early.fd();
}

void SessionEngine::on_answers(std::uint64_t now_ms) {
    impl_->parts.early.on_ready();
    pump(now_ms);
}

void SessionEngine::on_applied(LogIndex applied) {
    impl_->parts.server_up = true;
    impl_->parts.look_for_session_names();
    impl_->parts.barrier.on_applied(applied);
    impl_->settle();
}

void SessionEngine::on_captured(storage::Captured group) {
    impl_->parts.pipeline.on_captured(std::move(group));
    impl_->settle();
}

void SessionEngine::on_captured_part(storage::CapturedPart part) {
    impl_->parts.pipeline.on_captured_part(std::move(part));
    impl_->settle();
}

void SessionEngine::on_committed(storage::Committed committed) {
    impl_->parts.pipeline.on_committed(std::move(committed));
    impl_->settle();
}

void SessionEngine::on_office_ready(Epoch epoch) {
    auto& parts = impl_->parts;
    if (parts.office) on_office_closing(parts.office);
    parts.office = epoch;
    parts.clearing = false;
    parts.txn_counter = 0;
    parts.own_connections.clear();
    parts.requests.clear_progress();
    parts.pipeline.open(epoch);
    parts.quiescing = false;
    for (const auto& [id, session] : parts.fronts) session->on_view();
    impl_->settle();
}

void SessionEngine::on_office_left() {
    impl_->parts.clearing = false;
}

void SessionEngine::on_office_closing(Epoch epoch) {
    auto& parts = impl_->parts;
    parts.clearing = true;
    if (!parts.office || parts.office != epoch) return;
    parts.office = Epoch{};
    parts.quiescing = false;
    const std::string reason = "this node is no longer coordinator";
    parts.pipeline.close(reason);  // undecided writes answer first, each with what is known of it
    parts.run_deferred();
    impl_->close_backs(fail(ErrorCode::not_coordinator, reason));
    parts.outcome_askers.clear();
    impl_->settle();
}

void SessionEngine::on_fenced(const std::string&) {
    impl_->parts.fenced = true;
    for (const auto& [id, session] : impl_->parts.fronts) session->on_server_lost();
    impl_->settle();
}

void SessionEngine::on_rebuilt() {
    impl_->parts.fenced = false;
    impl_->parts.session_names.forget();
}

void SessionEngine::hold_definitions(bool hold) {
    impl_->parts.gate.hold(hold);
    if (!hold) impl_->parts.pass_gate_on();
    impl_->settle();
}

bool SessionEngine::definitions_held() const {
    return impl_->parts.gate.quiet();
}

void SessionEngine::hold_large_groups(bool hold) {
    impl_->parts.large_groups_held = hold;
    impl_->parts.pipeline.hold_large_groups(hold && impl_->parts.gate.quiet());
    impl_->settle();
}

bool SessionEngine::large_groups_held() {
    auto& parts = impl_->parts;
    parts.pipeline.hold_large_groups(parts.large_groups_held && parts.gate.quiet());
    return parts.pipeline.between_large_groups();
}

void SessionEngine::on_server_down() {
    impl_->parts.server_up = false;
    for (const auto& [id, session] : impl_->parts.fronts) session->on_server_lost();
    impl_->settle();
}

void SessionEngine::on_read_index(const core::ReadIndexAnswer& answer) {
    impl_->parts.barrier.on_read_index(answer, impl_->parts.now_ms);
    impl_->settle();
}

void SessionEngine::on_outcome(const core::OutcomeAnswer& answer) {
    auto& parts = impl_->parts;
    const auto it = parts.outcome_askers.find(answer.token);
    if (it == parts.outcome_askers.end()) return;
    const std::uint64_t serial = it->second;
    parts.outcome_askers.erase(it);
    if (auto* session = parts.back(serial)) session->on_outcome(answer);
    impl_->settle();
}

void SessionEngine::on_accepted(const core::ProposalAccepted& accepted) {
    impl_->parts.pipeline.on_accepted(accepted);
    impl_->settle();
}

void SessionEngine::on_refused(const core::ProposalRefused& refused) {
    impl_->parts.pipeline.on_refused(refused);
    impl_->settle();
}

void SessionEngine::on_unknown(const core::ProposalUnknown& unknown) {
    impl_->parts.pipeline.on_unknown(unknown);
    impl_->settle();
}

void SessionEngine::on_decided(LogIndex up_to) {
    impl_->parts.decided = up_to;
    impl_->parts.pipeline.on_decided(up_to);
    impl_->settle();
}

bool SessionEngine::quiesce() {
    impl_->parts.quiescing = true;
    return idle();
}

void SessionEngine::quiesce_end() {
    auto& parts = impl_->parts;
    parts.quiescing = false;
    std::vector<std::uint64_t> serials;
    for (const auto& [serial, session] : parts.backs) serials.push_back(serial);
    for (const auto serial : serials) {
        if (auto* session = parts.back(serial)) session->resume();
    }
    impl_->settle();
}

bool SessionEngine::idle() const {
    const auto& parts = impl_->parts;
    if (!parts.pipeline.empty()) return false;
    for (const auto& [serial, session] : parts.backs) {
        if (!session->quiet()) return false;
    }
    return true;
}

bool SessionEngine::costly_to_leave() const {
    return !impl_->parts.gate.quiet() || !impl_->parts.pipeline.between_large_groups();
}

const std::map<NodeId, std::uint64_t>& SessionEngine::reads_by_node() const {
    return impl_->parts.balancer.reads();
}

SessionEngine::Counters SessionEngine::counters() const {
    const auto& parts = impl_->parts;
    Counters out = parts.counters;
    out.guests = parts.guests();
    out.sessions = static_cast<std::uint32_t>(parts.fronts.size()) - out.guests;
    out.executors = parts.pool.threads();
    for (const auto& [key, serial] : parts.back_keys) {
        if (key.first) ++out.forwarded_sessions;
    }
    for (const auto& [serial, session] : parts.backs) {
        if (session->transaction_open()) ++out.open_transactions;
    }
    for (const auto& [id, session] : parts.fronts) {
        if (session->transaction_here()) ++out.open_transactions;
    }
    return out;
}

}  // namespace ddb::session
