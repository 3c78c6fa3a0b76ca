// A guest: the part of another node's session that reads here, and how it is reached. It may find out at any moment
// that it cannot go on, and declines what it is asked from then on; the session that it reads for asks elsewhere. So
// it knows three codes besides the server's own errors: refused (the statement is none for a guest), not_found (the
// guest is of no use any more), and others for what is wrong with the node.
#include <algorithm>
#include <array>
#include <utility>

#include "node/session/back_session.hpp"
#include "node/session/front_session.hpp"

namespace ddb::session {
namespace {

// A guest's read that does not get to the server for so long is better off elsewhere: the node has not applied what it
// must see, or hears no coordinator.
constexpr std::uint64_t guest_begin_ms_max = 500;
constexpr std::uint64_t idle_ms_max = 180'000;  // later than the other side closes it, should that be lost
constexpr std::uint64_t lag_entries_max = 1000;
constexpr std::uint16_t error_deadlock = 1213;

}  // namespace

void FrontSession::on_guest_execute(Execute execute) {
    guest_used_ms_ = parts_.now_ms;
    if (execute.request < guest_last_) return;
    // A gap: a setting may have been lost.
    if (execute.request > next(guest_last_)) guest_lost_ = true;
    guest_last_ = execute.request;
    on_execute(std::move(execute));
}

void FrontSession::begin_guest() {
    active_->begin_until_ms = parts_.now_ms + guest_begin_ms_max;
    const StatementKind kind = active_->statement.kind;
    if (guest_lost_) {
        decline(ErrorCode::not_found, "a setting of the session could not be made here");
    } else if (kind == StatementKind::set || kind == StatementKind::use) {
        run_locally();
    } else if (may_read_here()) {
        read_locally();
    } else {
        decline(ErrorCode::io, "this node serves no reads now");
    }
}

void FrontSession::decline(ErrorCode code, std::string why) {
    if (code == ErrorCode::not_found) guest_lost_ = true;
    finish_error(fail(code, std::move(why)));
}

void FrontSession::guest_done(LocalReport report) {
    const auto& error = report.end.error;
    const bool answered = active_->answer_started || report.end.answered;
    const StatementKind kind = active_->statement.kind;
    if (kind == StatementKind::set || kind == StatementKind::use) {
        if (error) return decline(ErrorCode::not_found, "a setting of the session failed here: " + error->message);
        if (report.end.ok.database_changed) database_ = local_database_ = report.end.ok.database;
    } else if (report.left_state && !answered) {
        return decline(ErrorCode::refused, "it leaves something in the session");
    } else if (error && !answered) {
        if (is_for_coordinator(error->mysql_code)) return decline(ErrorCode::refused, error->message);
        if (error->code == ErrorCode::io) return decline(ErrorCode::not_found, error->message);
        const bool in_the_way = error->mysql_code == error_deadlock && report.xa.shared;
        if (in_the_way && !std::exchange(active_->local_retried, true)) {
            local_wanted_ = true;
            return;
        }
    }
    end_local(report.end);
}

bool FrontSession::forgotten() const {
    return guest() && !active_ && queue_.empty() && parts_.now_ms >= guest_used_ms_ + idle_ms_max;
}

// --- the way to guests and back --------------------------------------------------------------------------------------

std::uint32_t EngineParts::guests() const {
    return static_cast<std::uint32_t>(
        std::count_if(fronts.begin(), fronts.end(), [](const auto& item) { return item.second->guest(); }));
}

void EngineParts::open_guest(NodeId peer, OpenSession open) {
    SessionOpened refusal;
    refusal.session = open.session;
    refusal.node = view.self;
    refusal.coordinator = view.coordinator;
    if (fronts.contains(open.session) || guests() >= limits.sessions_max || !serves_reads()) {
        refusal.error = fail(ErrorCode::overloaded, "this node reads for no more sessions now");
        (void)host.send(Origin{peer, {}}, refusal);
        return;
    }
    const SessionId id = open.session;
    auto session = std::make_unique<FrontSession>(*this, ++last_serial, Origin{peer, {}}, std::move(open));
    FrontSession* const opened = session.get();
    fronts[id] = std::move(session);
    opened->open();
}

bool EngineParts::on_guest_request(NodeId peer, SessionMessage& message) {
    if (std::holds_alternative<LoadAsk>(message)) {
        (void)host.send(Origin{peer, {}}, LoadNotice{serves_reads(), balancer.load_without(peer)});
        return true;
    }
    if (const auto* notice = std::get_if<LoadNotice>(&message)) {
        balancer.on_notice(peer, *notice);
        return true;
    }
    if (auto* open = std::get_if<OpenSession>(&message)) {
        if (open->reads_only) open_guest(peer, std::move(*open));
        return open->reads_only;
    }
    const auto guest = [&](const SessionId& id) -> FrontSession* {
        auto* session = front(id);
        return session != nullptr && session->client() == Origin{peer, {}} ? session : nullptr;
    };
    if (auto* execute = std::get_if<Execute>(&message)) {
        if (auto* session = guest(execute->session)) return session->on_guest_execute(std::move(*execute)), true;
    } else if (const auto* credit = std::get_if<Credit>(&message)) {
        if (auto* session = guest(credit->session)) return session->on_credit(*credit), true;
    } else if (const auto* close = std::get_if<CloseSession>(&message)) {
        if (auto* session = guest(close->session)) {
            session->close();
            fronts.erase(close->session);
            return true;
        }
    }
    return false;
}

bool EngineParts::on_guest_answer(NodeId from, SessionMessage& message) {
    const auto reader = readers.find(session_of(message));
    if (reader == readers.end()) return false;
    if (auto* session = front(reader->second)) session->on_reader_message(from, std::move(message));
    return true;
}

Status EngineParts::send_to_guest(NodeId node, const SessionMessage& message) {
    return host.send(Origin{node, {}}, message);
}

bool EngineParts::serves_reads() const {
    const bool level = decided.value <= barrier.applied().value + lag_entries_max;
    return server_up && !fenced && !clearing && view.quorum && level && !barrier.late();
}

void EngineParts::tick_balancer() {
    const auto running =
        std::count_if(backs.begin(), backs.end(), [](const auto& item) { return item.second->running(); });
    balancer.set_back_statements(static_cast<std::uint32_t>(running));
    balancer.tick(now_ms);
}

}  // namespace ddb::session
