#include "client/session_client.hpp"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "client/local_file.hpp"
#include "client/session_nodes.hpp"

namespace ddb::client {

using std::chrono::milliseconds;

namespace {

// Beyond the time the node itself was given: for ending the statement there, and for the answer to travel.
constexpr milliseconds grace{2500};
// How long silence lasts before a person is told what is waited for.
constexpr milliseconds silence_told{1500};
// Signals are looked at this often.
constexpr milliseconds slice{100};
// After the user's Cancel a node has this long to tell how the statement ended.
constexpr milliseconds cancel_wait{2000};
// The start of a result is kept back so that a node lost in the middle of a small one is not noticed at all.
constexpr std::size_t held_bytes_max = 256u << 10;
constexpr std::uint16_t er_lost_connection = 2013;
constexpr std::uint16_t er_transaction_lost = 1213;
constexpr std::uint16_t er_interrupted = 1317;

Error lost_result_error() {
    return {ErrorCode::sql, "the node was lost in the middle of the result; nothing was changed", er_lost_connection,
            "HY000"};
}

bool tells_unknown(const Error& error) {
    return error.code == ErrorCode::unknown_outcome || error.code == ErrorCode::too_old;
}

// Whether an error that a statement met when it was repeated tells what became of it the first time. The coordinator
// looks that up before it runs anything; a node that could not pass the statement on knows of its own part alone.
bool covers_first_attempt(const Error& error) {
    if (error.code == ErrorCode::sql) return error.mysql_code != er_interrupted;
    return error.code == ErrorCode::invalid_argument || tells_unknown(error);
}

}  // namespace

SessionClient::SessionClient(std::unique_ptr<Link> link, Login login, ClientHooks hooks)
    : link_(std::move(link)), login_(std::move(login)), hooks_(std::move(hooks)), database_(login_.database) {
    new_session_id();
}

SessionClient::~SessionClient() {
    if (open_ && link_->connected()) (void)link_->send(CloseSession{session_});
}

Status SessionClient::open(int timeout_ms) {
    return reopen(Clock::now() + milliseconds(timeout_ms), false);
}

std::optional<Error> SessionClient::execute(const std::string& sql, const StatementSettings& settings,
                                            ResultListener& listener) {
    Pending pending;
    pending.sql = &sql;
    pending.settings = settings;
    pending.kind = classify(sql);
    pending.seen = seen_;
    pending.deadline = Clock::now() + milliseconds(settings.timeout_ms);
    pending.was_open_transaction = in_transaction();
    pending.transaction_wrote = transaction_wrote_;
    pending.request = last_request_ = next(last_request_);
    std::optional<Error> error;
    for (bool over = false; !over && !error;) {
        switch (attempt(pending, listener)) {
            case Ended::lost:
                error = recover(pending);
                break;
            case Ended::expired:
                error = expired_error(pending);
                abandon();
                break;
            case Ended::again:
                // Overloaded, and nothing happened. At the deadline the node's own words are told.
                over = Clock::now() + slice >= pending.deadline;
                if (over) break;
                (void)link_->receive(static_cast<int>(slice.count()));
                if (!pending.retry) pending.request = last_request_ = next(last_request_);
                break;
            default:
                finish(pending);
                over = true;
        }
    }
    if (!error && pending.retry && pending.end.error && !covers_first_attempt(*pending.end.error))
        error = unknown_error(pending, "the node was lost, and of the next one: " + pending.end.error->message);
    if (error) {
        pending.end = {};
        pending.end.error = std::move(error);
        pending.end.node = node_;
        pending.end.coordinator = coordinator_;
    } else if (const Status status = deliver(pending, listener, false); !status && !pending.end.error) {
        pending.end.error = status.error();
    }
    pending.end.more = false;
    listener.on_end(pending.end);
    return pending.end.error;
}

Status SessionClient::send_statement(Pending& pending) {
    const auto left = std::chrono::duration_cast<milliseconds>(pending.deadline - Clock::now());
    Execute request;
    request.session = session_;
    request.request = pending.request;
    request.sql = *pending.sql;
    request.consistency = pending.settings.consistency;
    request.write_concern = pending.settings.write_concern;
    request.timeout_ms = static_cast<std::uint32_t>(std::max<milliseconds::rep>(left.count(), 1));
    request.seen = pending.seen;
    request.retry = pending.retry;
    const Status status = link_->send(request);
    if (status) pending.sent = true;
    return status;
}

// Sends the statement and takes messages until it ended one way or another.
SessionClient::Ended SessionClient::attempt(Pending& pending, ResultListener& listener) {
    pending.held.clear();
    pending.held_bytes = 0;
    pending.rows = {};
    pending.end = {};
    if (!open_ || !link_->connected() || !send_statement(pending)) return Ended::lost;

    auto limit = pending.deadline + grace;
    const auto told = Clock::now() + silence_told;
    bool waiting_told = pending.quiet;
    for (;;) {
        if (const auto ended = look_at_interrupts(pending, limit)) return *ended;
        const auto now = Clock::now();
        if (now >= limit) return Ended::expired;
        if (!waiting_told && now >= told) {
            notice("waiting for an answer from " + link_->address() + " ...");
            waiting_told = true;
        }
        const auto wait = std::min(slice, std::chrono::duration_cast<milliseconds>(limit - now) + milliseconds(1));
        std::optional<SessionMessage> message = link_->receive(static_cast<int>(wait.count()));
        if (!message) {
            if (!link_->connected()) return Ended::lost;
            continue;
        }
        const std::size_t held_before = pending.held.size();
        const Ended ended = take(pending, std::move(*message), listener);
        if (ended != Ended::going_on) return ended;
        // A result that flows may take as long as it needs; only standstill is limited.
        const bool flows = pending.delivered || pending.held.size() != held_before;
        waiting_told = waiting_told || flows;
        if (flows && !pending.cancel_sent) limit = Clock::now() + milliseconds(pending.settings.timeout_ms) + grace;
    }
}

std::optional<SessionClient::Ended> SessionClient::look_at_interrupts(Pending& pending, Clock::time_point& limit) {
    const int count = interrupts();
    if (count == 0) return std::nullopt;
    if (pending.cancel_sent) return count > 1 ? std::optional(Ended::expired) : std::nullopt;
    pending.cancel_sent = true;
    (void)link_->send(Cancel{session_, pending.request});
    limit = std::min(limit, Clock::now() + cancel_wait);
    return std::nullopt;
}

SessionClient::Ended SessionClient::take(Pending& pending, SessionMessage&& message, ResultListener& listener) {
    const auto ours = [&](const auto& m) { return m.session == session_ && m.request == pending.request; };
    if (auto* end = std::get_if<ResultEnd>(&message)) {
        if (!ours(*end)) return Ended::going_on;
        if (auto lost = pending.rows.end(*end)) end->error = std::move(lost);
        if (!end->more || end->error) {
            pending.end = std::move(*end);
            if (!pending.end.error || pending.delivered) return Ended::done;
            leave_node_ = pending.end.error->code == ErrorCode::shutting_down;
            if (leave_node_) return Ended::lost;
            const bool later = pending.end.error->code == ErrorCode::overloaded && !pending.was_open_transaction;
            return later ? Ended::again : Ended::done;
        }
    } else if (auto* header = std::get_if<ResultHeader>(&message)) {
        if (!ours(*header)) return Ended::going_on;
        pending.rows.begin(*header);
    } else if (auto* rows = std::get_if<ResultRows>(&message)) {
        if (!ours(*rows)) return Ended::going_on;
        pending.rows.add(*rows);
        pending.held_bytes += rows->rows.size();
    } else if (const auto* wanted = std::get_if<FileWanted>(&message)) {
        if (ours(*wanted)) (void)link_->send(pending.file.answer(*wanted, *pending.sql));
        return Ended::going_on;
    } else {
        handle_aside(message);
        return Ended::going_on;
    }
    pending.held.push_back(std::move(message));
    if (!pending.delivered && pending.held_bytes <= held_bytes_max) return Ended::going_on;
    pending.delivered = true;
    const Status status = deliver(pending, listener, true);
    if (status) return Ended::going_on;
    (void)link_->send(Cancel{session_, pending.request});
    abandon();
    pending.end.error = status.error();
    return Ended::done;
}

Status SessionClient::deliver(Pending& pending, ResultListener& listener, bool give_credit) {
    const std::vector<SessionMessage> messages = std::exchange(pending.held, {});
    for (const SessionMessage& message : messages) {
        const Status status = hand_over(message, listener, give_credit);
        if (!status) return status;
    }
    return ok();
}

Status SessionClient::hand_over(const SessionMessage& message, ResultListener& listener, bool give_credit) {
    if (const auto* header = std::get_if<ResultHeader>(&message)) {
        listener.on_header(header->columns);
    } else if (const auto* rows = std::get_if<ResultRows>(&message)) {
        const Status status = listener.on_rows(*rows);
        if (!status) return status;
        // Credit goes back only now that the rows are printed: a slow reader slows the node down and fills no memory.
        const auto bytes = static_cast<std::uint32_t>(rows->rows.size());
        if (give_credit) (void)link_->send(Credit{session_, rows->request, bytes});
    } else if (const auto* end = std::get_if<ResultEnd>(&message)) {
        listener.on_end(*end);
    }
    return ok();
}

// The statement ended with the node's own word.
void SessionClient::finish(Pending& pending) {
    ResultEnd& end = pending.end;
    if (end.node) node_ = end.node;
    if (end.coordinator) coordinator_ = end.coordinator;
    seen_ = std::max(seen_, end.index);
    // An answer of the node alone, without its server, carries no flags.
    if (open_ && (!end.error || end.status_flags != 0)) status_flags_ = end.status_flags;
    if (end.error && end.error->mysql_code == er_transaction_lost) forget_transaction();
    const bool may_drop = !end.error && pending.kind == StatementClass::other;
    if (may_drop || !end.database.empty()) database_ = end.database;
    if (!in_transaction()) {
        transaction_wrote_ = false;
    } else if (pending.kind == StatementClass::dml || pending.kind == StatementClass::other) {
        transaction_wrote_ = true;
    }
    if (!end.error) {
        // A COMMIT repeated on another node that found nothing to commit does not prove that the first one did nothing.
        const bool doubtful =
            pending.kind == StatementClass::commit && pending.retry && pending.transaction_wrote && !end.txn;
        if (doubtful) {
            end.error = unknown_error(pending, "the node was lost during COMMIT");
            return;
        }
        memory_.succeeded(pending.kind, *pending.sql, pending.request);
        memory_.generated_id(generated_id_of(end), pending.request);
    } else if (tells_unknown(*end.error)) {
        const std::string name = end.txn ? to_string(end.txn) : request_name(session_, pending.request);
        end.error->code = ErrorCode::unknown_outcome;
        if (end.error->message.find(name) == std::string::npos) {
            end.error->message += "; ask with: ddb-cli txn " + name;
        }
    }
}

std::optional<Error> SessionClient::recover(Pending& pending) {
    if (leave_node_) {
        notice("node " + link_->address() + " is going away; looking for another one ...");
    } else if (!link_->connected()) {
        notice("lost the connection to the node; looking for another one ...");
    }
    bool keep_session = false;
    std::optional<Error> error = decide_after_loss(pending, keep_session);
    open_ = false;
    forget_transaction();
    // After an error the session is opened again by the next statement.
    if (error) return error;
    const Status status = reopen(pending.deadline, keep_session);
    if (status) {
        if (!keep_session) pending.request = last_request_ = next(last_request_);
        pending.retry = keep_session;
        return std::nullopt;
    }
    open_ = false;
    if (keep_session) return unknown_error(pending, "the node was lost; " + status.error().message);
    if (interrupts() > 0) return Error{ErrorCode::sql, "interrupted; nothing was changed", er_interrupted, "70100"};
    return status.error();
}

// What a loss means for the statement: an error to tell, or another attempt; with the same session id when its outcome
// must be looked up, with a fresh one otherwise, so that nothing left of the old session can come in between.
std::optional<Error> SessionClient::decide_after_loss(const Pending& pending, bool& keep_session) {
    using enum StatementClass;
    const bool harmless = pending.kind == read || pending.kind == setting || pending.kind == begin;
    if (pending.delivered) {
        if (pending.was_open_transaction && pending.kind != other) return lost_transaction_error();
        if (harmless) return lost_result_error();
        return unknown_error(pending, "the node was lost in the middle of the result");
    }
    if (pending.was_open_transaction) return decide_in_transaction(pending, keep_session);
    if (!memory_.restorable()) {
        if (!harmless && pending.sent) return unknown_error(pending, "the node was lost");
        memory_.accept_loss();
        return Error{ErrorCode::sql,
                     "the node was lost, and with it this session's temporary tables, locks, prepared statements or "
                     "variables; the statement was not repeated",
                     er_lost_connection, "HY000"};
    }
    // Without autocommit the first statement of a transaction is lost with its session.
    const bool autocommit = (status_flags_ & status_autocommit) != 0;
    if (!autocommit && pending.kind == dml && pending.sent) return lost_transaction_error();
    keep_session = pending.sent && !harmless;
    return std::nullopt;
}

std::optional<Error> SessionClient::decide_in_transaction(const Pending& pending, bool& keep_session) const {
    using enum StatementClass;
    if (pending.kind == rollback) return std::nullopt;  // the loss did it already
    const bool within = pending.kind == read || pending.kind == dml;
    if (!pending.sent || within) return lost_transaction_error();
    if (pending.kind != commit) {
        return unknown_error(pending, "the node was lost, and the statement may have committed the transaction");
    }
    if (!pending.transaction_wrote) return lost_transaction_error();
    keep_session = true;
    return std::nullopt;
}

Error SessionClient::expired_error(Pending& pending) {
    const bool harmless = pending.kind == StatementClass::read || pending.kind == StatementClass::setting ||
                          pending.kind == StatementClass::begin || pending.kind == StatementClass::rollback;
    const bool within = pending.was_open_transaction && pending.kind == StatementClass::dml;
    const bool cancelled = pending.cancel_sent;
    if (!cancelled) (void)link_->send(Cancel{session_, pending.request});
    if (!harmless && !within) {
        return unknown_error(pending,
                             cancelled ? "interrupted before the node answered" : "no answer within the time limit");
    }
    if (pending.was_open_transaction && pending.kind != StatementClass::rollback) return lost_transaction_error();
    if (cancelled) return {ErrorCode::sql, "interrupted; nothing was changed", er_interrupted, "70100"};
    return fail(ErrorCode::timeout,
                "no answer from " + link_->address() + " within the time limit; nothing was changed");
}

Error SessionClient::unknown_error(const Pending& pending, const std::string& why) const {
    return fail(ErrorCode::unknown_outcome,
                "outcome unknown: " + why + "; the statement may have been executed or not; ask with: ddb-cli txn " +
                    request_name(session_, pending.request));
}

Error SessionClient::lost_transaction_error() const {
    return {ErrorCode::sql, "the node was lost and with it the open transaction, which is rolled back; start it again",
            er_transaction_lost, "40001"};
}

bool SessionClient::in_transaction() const {
    return (status_flags_ & status_in_transaction) != 0;
}

void SessionClient::forget_transaction() {
    status_flags_ = static_cast<std::uint16_t>(status_flags_ & ~status_in_transaction);
    transaction_wrote_ = false;
}

// Gives the session up without waiting for anything it may still be doing; the next statement gets a fresh one.
void SessionClient::abandon() {
    if (open_) (void)link_->send(CloseSession{session_});
    open_ = false;
    forget_transaction();
    new_session_id();
}

void SessionClient::new_session_id() {
    std::size_t have = 0;
    while (have < session_.bytes.size()) {
        const ssize_t got = ::getrandom(session_.bytes.data() + have, session_.bytes.size() - have, 0);
        if (got > 0) have += static_cast<std::size_t>(got);
    }
}

SessionClient::Info SessionClient::info() const {
    Info info;
    info.address = link_->address();
    info.server_version = opened_.server_version;
    info.database = database_;
    info.connection_id = opened_.connection_id;
    info.node = opened_.node;
    info.coordinator = coordinator_;
    info.seen = seen_;
    info.status_flags = status_flags_;
    info.connected = open_ && link_->connected();
    info.in_transaction = in_transaction();
    return info;
}

void SessionClient::notice(const std::string& text) const {
    if (hooks_.notice) hooks_.notice(text);
}

}  // namespace ddb::client
