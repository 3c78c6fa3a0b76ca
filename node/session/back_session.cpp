#include "node/session/back_session.hpp"

#include <algorithm>
#include <utility>

#include "node/session/routine_tables.hpp"
#include "node/session/said_again.hpp"

namespace ddb::session {
namespace {

// Session variables of the front are replayed as requests without a number, beyond the client's own limit.
constexpr std::size_t replayed_max = SaidAgain::statements_max + 2;
constexpr std::uint16_t unknown_database = 1049;
constexpr std::uint16_t option_prevents_statement = 1290;

// The server speaks of an option only: why another engine is refused is not its affair (enforce_storage_engine).
void name_the_engine(Error& error) {
    if (error.mysql_code != option_prevents_statement) return;
    if (error.message.find("NO_ENGINE_SUBSTITUTION") == std::string::npos) return;
    error.message +=
        "; ddb replicates InnoDB's tables only: say ENGINE=InnoDB, or take NO_ENGINE_SUBSTITUTION out of sql_mode for "
        "tables to become InnoDB's";
}

}  // namespace

BackSession::BackSession(EngineParts& parts, std::uint64_t serial, NodeId peer, OpenSession open)
    : parts_(parts), serial_(serial), peer_(peer), open_(std::move(open)), database_(open_.database) {
    last_used_ms_ = parts.now_ms;
    reads_anew_ = parts.isolation_set;
}

BackSession::~BackSession() = default;

bool BackSession::quiet() const {
    if (closed_) return over();
    const bool holds = temporary_tables_.any() || user_locks_.any() || computed_variables_ || !handlers_.empty() ||
                       parts_.table_locks.holds(serial_) || parts_.read_lock.holds(serial_);
    return !busy_ && !deciding_ && !active_ && !txn_.open && !holds;
}

void BackSession::open() {
    busy_ = true;
    parts_.pool.run(Task([parts = &parts_, serial = serial_, open = open_] {
        auto connection = parts->database.connect(open.user, open.password, open.database, login_of(open));
        if (!connection && connection.error().mysql_code == unknown_database) {
            // Dropped since the client chose it.
            connection = parts->database.connect(open.user, open.password, "", login_of(open));
        }
        std::optional<Error> error;
        JobReport report;
        if (connection) {
            report.connection = std::move(*connection);
            const std::string seconds = std::to_string(std::max<std::uint32_t>(parts->limits.lock_wait_ms / 1000, 1));
            // What SET GLOBAL said holds where it is less. MySQL's LEAST of a signed and an unsigned number is neither.
            const auto at_most = [&](const std::string& name) {
                return name + "=CAST(LEAST(@@GLOBAL." + name + ", " + seconds + ") AS UNSIGNED)";
            };
            auto set = report.connection->execute("SET SESSION " + at_most("lock_wait_timeout") + ", " +
                                                  at_most("innodb_lock_wait_timeout"));
            if (!set) error = set.error();
        } else {
            error = connection.error();
        }
        parts->post(Task([parts, serial, error = std::move(error), report = std::move(report)]() mutable {
            if (auto* session = parts->back(serial)) session->connected(std::move(report), error);
        }));
    }));
}

void BackSession::connected(JobReport report, const std::optional<Error>& error) {
    busy_ = false;
    SessionOpened opened;
    opened.session = open_.session;
    opened.node = parts_.view.self;
    opened.coordinator = parts_.view.coordinator;
    opened.coordinator_address = parts_.view.coordinator_address;
    if (closed_) return;
    if (error) {
        opened.error = *error;
        send(std::move(opened));
        end_life(*error);
        return;
    }
    connection_ = std::move(report.connection);
    connection_id_ = connection_->id();
    parts_.own_connections.insert(connection_id_);
    connected_ = true;
    opened.accepted = true;
    opened.connection_id = connection_id_;
    opened.server_version = connection_->server_version();
    send(std::move(opened));
    advance();
}

// --- queue -----------------------------------------------------------------------------------------------------------

bool BackSession::answered_before(const Execute& execute) {
    if (!execute.request) return false;
    if (active_ && active_->execute.request == execute.request) return true;
    for (const auto& queued : queue_) {
        if (queued.request == execute.request) return true;
    }
    if (!last_end_ || last_end_->request != execute.request) return false;
    send(*last_end_);
    return true;
}

void BackSession::on_execute(Execute execute) {
    if (closed_ || answered_before(execute)) return;
    const std::size_t queued_max = parts_.limits.requests_queued_max + replayed_max;
    if (queue_.size() >= queued_max) {
        ResultEnd end = make_end();
        end.request = execute.request;
        end.error = fail(ErrorCode::overloaded, "too many requests wait in this session");
        send(std::move(end));
        return;
    }
    queue_.push_back(std::move(execute));
    advance();
}

void BackSession::advance() {
    if (closed_ || !connected_ || active_ || busy_ || deciding_ || killing_ || queue_.empty()) return;
    if (parts_.quiescing && !txn_.open) return;  // a hand-over is under way: new work waits
    if (closed_while_idle()) {
        end_life(fail(ErrorCode::not_coordinator, "the session's connection was idle for too long"));
        return;
    }
    Execute execute = std::move(queue_.front());
    queue_.pop_front();
    begin_request(std::move(execute));
}

// By its server, when wait_timeout was over. Nothing of what was asked now has run there: the front asks again.
bool BackSession::closed_while_idle() const {
    constexpr std::uint64_t looks_behind_ms = 1000;
    return !txn_.open && parts_.now_ms > last_used_ms_ + looks_behind_ms && connection_ && connection_->ended();
}

void BackSession::begin_request(Execute execute) {
    last_used_ms_ = parts_.now_ms;
    active_ = Active{};  // clang 14 has no emplace() for a class with initialisers inside this one
    active_->statement = classify(execute.sql);
    active_->execute = std::move(execute);
    mend_routine();
    active_->credit = active_->execute.credit_bytes;
    active_->deadline_ms = parts_.now_ms + active_->execute.timeout_ms;
    auto deliver = [parts = &parts_, serial = serial_](std::vector<SessionMessage> messages) {
        parts->post(Task([parts, serial, messages = std::move(messages)]() mutable {
            if (auto* session = parts->back(serial)) session->send_all(std::move(messages));
        }));
    };
    active_->stream = std::make_shared<CreditStream>(active_->execute.credit_bytes, std::move(deliver));
    open_file();
    look_up();
}

// Not where an INSERT in the routine would leave out the key's default.
void BackSession::mend_routine() {
    const Classified& statement = active_->statement;
    if (statement.kind != StatementKind::ddl && !statement.block) return;
    if (!connection_ || connection_->leaves_out_defaults()) return;
    std::string mended = with_routine_tables(active_->execute.sql);
    if (!mended.empty()) active_->execute.sql = std::move(mended);
}

void BackSession::open_file() {
    Execute& execute = active_->execute;
    const bool in_pieces = execute.pieces == FilePieces::follow;
    if (!in_pieces && !execute.file) return;
    auto ask = [parts = &parts_, serial = serial_,
                wanted = FileWanted{open_.session, execute.request, "", 0, true}](std::uint64_t offset) {
        parts->post(Task([parts, serial, wanted, offset]() mutable {
            wanted.offset = offset;
            if (auto* session = parts->back(serial); session != nullptr && !session->closed_) session->send(wanted);
        }));
    };
    std::string first = in_pieces ? std::move(execute.file_begin) : std::move(*execute.file);
    active_->file = std::make_shared<FileSource>(std::move(first), in_pieces, std::move(ask));
}

void BackSession::on_file(FileContent piece) {
    if (active_ && active_->file && active_->execute.request == piece.request) active_->file->give(std::move(piece));
}

// A request that may have run before is executed only when the log says that it did not.
void BackSession::look_up() {
    const RequestKey key{open_.session, active_->execute.request};
    if (!key.second) {
        dispatch();
        return;
    }
    if (!active_->registered && !parts_.requests.start(key, serial_)) {
        active_->phase = Phase::joining;
        active_->execute.retry = true;
        return;
    }
    active_->registered = true;
    const bool repeated = parts_.requests.seen_before(key);
    if (!active_->execute.retry && !repeated) {
        dispatch();
        return;
    }
    active_->phase = Phase::looking_up;
    core::OutcomeQuery query;
    query.session = open_.session;
    query.request = active_->execute.request;
    query.seen = active_->execute.seen;
    active_->outcome_token = ++parts_.last_outcome_token;
    query.token = active_->outcome_token;
    parts_.ask_outcome(query, serial_);
}

void BackSession::on_other_finished() {
    if (active_ && active_->phase == Phase::joining) look_up();
}

void BackSession::on_outcome(const core::OutcomeAnswer& answer) {
    if (!active_ || active_->phase != Phase::looking_up || answer.token != active_->outcome_token) return;
    switch (answer.fate) {
        case core::Fate::decided: {
            ResultEnd end = make_end();
            end.outcome = answer.outcome;
            end.txn = answer.txn;
            end.index = answer.id.index;
            end.replicated_on = parts_.host.holders(answer.id.index);
            if (answer.outcome.error_code != 0) {
                end.error = Error{ErrorCode::sql, answer.outcome.info, answer.outcome.error_code, "HY000"};
            }
            finish(std::move(end));
            return;
        }
        case core::Fate::absent:
            active_->absent = true;
            dispatch();
            return;
        case core::Fate::too_old:
            finish_error(fail(ErrorCode::too_old, "this request is older than the outcomes the cluster remembers"));
            return;
        case core::Fate::not_coordinator:
            finish_error(fail(ErrorCode::not_coordinator, "this node is no longer coordinator"));
            return;
    }
}

// --- replies ---------------------------------------------------------------------------------------------------------

void BackSession::send(SessionMessage message) {
    if (!peer_) {
        parts_.reply_to_front(std::move(message));
        return;
    }
    outbox_.push_back(std::move(message));
    flush();
}

void BackSession::send_all(std::vector<SessionMessage> messages) {
    for (SessionMessage& message : messages) {
        if (!closed_) send(std::move(message));
    }
}

void BackSession::flush() {
    while (!outbox_.empty()) {
        const auto sent = parts_.host.send(Origin{peer_, {}}, outbox_.front());
        if (!sent && sent.error().code == ErrorCode::overloaded) return;  // tried again with the next tick
        outbox_.pop_front();
    }
}

ResultEnd BackSession::make_end() const {
    ResultEnd end;
    end.session = open_.session;
    if (active_) end.request = active_->execute.request;
    end.node = parts_.view.self;
    end.coordinator = parts_.view.coordinator;
    end.members = parts_.view.members;
    end.database = database_;
    end.index = std::max(parts_.barrier.applied(), last_index_);
    return end;
}

void BackSession::finish(ResultEnd end) {
    // A server's answer has some flag in any case; those that the node gives itself go on with what was told before.
    if (end.status_flags != 0) no_backslash_escapes_ = (end.status_flags & status_no_backslash_escapes) != 0;
    end.status_flags &= static_cast<std::uint16_t>(
        ~(status_in_transaction | status_autocommit | status_in_read_only_transaction | status_session_state_changed));
    if (no_backslash_escapes_) end.status_flags |= status_no_backslash_escapes;
    if (txn_.open) end.status_flags |= status_in_transaction;
    if (txn_.open && txn_.read_only) end.status_flags |= status_in_read_only_transaction;
    if (autocommit_) end.status_flags |= status_autocommit;
    if (active_->left_state) end.status_flags |= status_session_state_changed;
    end.database = database_;
    if (end.error) {
        ++parts_.counters.errors;
        name_the_engine(*end.error);
    }
    forget_unknown_handler(end);
    const RequestKey key{open_.session, active_->execute.request};
    const bool registered = active_->registered;
    if (active_->wait_id != 0) parts_.barrier.cancel(active_->wait_id);
    if (active_->outcome_token != 0) parts_.outcome_askers.erase(active_->outcome_token);
    active_.reset();
    parts_.table_locks.statement_over(serial_);
    parts_.read_lock.statement_over(serial_);
    last_used_ms_ = parts_.now_ms;
    if (!closed_) {
        // A definite "not here" is not remembered: the same request may come back to a later session.
        if (!end.error || end.error->code != ErrorCode::not_coordinator) last_end_ = end;
        send(std::move(end));
    }
    if (in_gate_) {
        in_gate_ = false;
        parts_.leave_gate();
    }
    if (registered) parts_.finish_request(key);
    parts_.defer(Task([parts = &parts_, serial = serial_] {
        if (auto* session = parts->back(serial)) session->advance();
    }));
}

void BackSession::finish_ok(std::string info) {
    ResultEnd end = make_end();
    end.outcome.info = std::move(info);
    finish(std::move(end));
}

void BackSession::finish_error(Error error) {
    ResultEnd end = make_end();
    end.outcome.error_code = error.mysql_code;
    end.error = std::move(error);
    finish(std::move(end));
}

// The answer of a statement that needs no decision (any more).
void BackSession::finish_report(const JobReport& report) {
    ResultEnd end = make_end();
    tell_end(report.end, end);
    end.status_flags = report.end.ok.status_flags;
    end.error = report.end.error;
    if (end.error) end.outcome = Outcome{0, 0, 0, end.error->mysql_code, {}};
    if (active_->kept.empty()) {
        finish(std::move(end));
        return;
    }
    active_->end = std::move(end);
    active_->phase = Phase::sending;
    send_kept();
}

// Kept results leave as far as the reader's credit goes.
void BackSession::send_kept() {
    auto& kept = active_->kept;
    const std::int64_t whole = active_->execute.credit_bytes;
    while (!kept.empty()) {
        const auto bytes = static_cast<std::int64_t>(size_of_rows(kept.front()));
        if (active_->credit < std::min(bytes, whole)) return;
        active_->credit -= bytes;
        send(std::move(kept.front()));
        kept.pop_front();
    }
    ResultEnd end = std::move(*active_->end);
    finish(std::move(end));
}

void BackSession::on_credit(const Credit& credit) {
    if (!active_ || active_->execute.request != credit.request) return;
    active_->credit += credit.bytes;
    active_->stream->add_credit(credit.bytes);
    if (active_->phase == Phase::sending) send_kept();
}

// --- cancel and end --------------------------------------------------------------------------------------------------

void BackSession::on_cancel(RequestNumber request) {
    if (closed_) return;
    for (auto it = queue_.begin(); it != queue_.end(); ++it) {
        if (it->request != request) continue;
        ResultEnd end = make_end();
        end.request = request;
        end.error = Error{ErrorCode::timeout, "the request was cancelled before it ran", 1317, "70100"};
        queue_.erase(it);
        send(std::move(end));
        return;
    }
    if (!active_ || active_->execute.request != request) return;
    switch (active_->phase) {
        case Phase::looking_up:
        case Phase::joining:
            return;  // may have happened: only the log can say
        case Phase::barrier:
        case Phase::gate:
        case Phase::locked:
            if (letting_go_ && active_->phase == Phase::locked) {
                active_->locks_until_ms = parts_.now_ms;  // once the connection is back
                return;
            }
            parts_.gate.cancel(serial_);
            stop_waiting(Error{ErrorCode::timeout, "the request was cancelled before it ran", 1317, "70100"});
            return;
        case Phase::running:
            active_->stream->cancel();
            kill_running();
            return;
        case Phase::deciding:
        case Phase::applying_everywhere:
            return;  // too late
        case Phase::sending:
            active_->kept.clear();
            if (!active_->end->error)
                active_->end->error =
                    Error{ErrorCode::sql, "the request was cancelled after it took effect", 1317, "70100"};
            send_kept();
            return;
    }
}

void BackSession::kill_running() {
    if (!busy_ || !killable_ || killing_) return;
    killing_ = true;
    parts_.kill(connection_id_, true, Task([parts = &parts_, serial = serial_] {
                    auto* session = parts->back(serial);
                    if (session == nullptr) return;
                    session->killing_ = false;
                    session->leave_file();
                    session->advance();
                }));
}

// Behind the kill: the server has ended the statement, and takes what it has of the file for nothing.
void BackSession::leave_file() {
    if (active_ && active_->file) active_->file->cancel();
}

void BackSession::tick() {
    flush();
    if (closed_ || locks_lost()) return;
    if (active_ && active_->phase == Phase::applying_everywhere) {
        const bool everywhere = parts_.host.applied_everywhere(active_->end->index);
        if (!everywhere && parts_.now_ms < active_->deadline_ms) return;
        if (!everywhere) active_->end->outcome.info += " (decided; not yet applied by every member)";
        active_->phase = Phase::sending;
        send_kept();
        return;
    }
    if (active_ && active_->phase == Phase::barrier && parts_.now_ms >= active_->barrier_until_ms) {
        finish_error(fail(ErrorCode::timeout, "timed out after " + std::to_string(barrier_ms_max) +
                                                  " ms before anything was done: what it reads is being changed"));
        return;
    }
    if (active_ && active_->phase == Phase::locked && parts_.now_ms >= active_->locks_until_ms && !letting_go_) {
        locks_too_late();
        return;
    }
    let_handlers_go();
    const bool idle_too_long = !active_ && !busy_ && parts_.now_ms > last_used_ms_ + parts_.limits.transaction_ms;
    if (txn_.open && connection_ && idle_too_long) {
        lost_reason_ = "transaction rolled back: it was idle for longer than " +
                       std::to_string(parts_.limits.transaction_ms) + " ms";
        StatementJob job = make_job();
        const bool active = txn_.active;
        transaction_gone();
        if (active) start_job(roll_back, std::move(job), &BackSession::rollback_done);
    }
    if (!txn_.open && !active_ && parts_.now_ms > last_used_ms_ + parts_.limits.session_idle_ms) {
        end_life(fail(ErrorCode::not_coordinator, "the session was idle for too long"));
    }
}

void BackSession::drop_connection() {
    connected_ = false;
    if (!connection_) return;
    // Closing says goodbye to the server, which may take a moment: not on the loop.
    parts_.pool.run(Task([connection = std::move(connection_)]() mutable { connection.reset(); }));
}

void BackSession::close(const Error& reason) {
    if (closed_) return;
    // Answers first: finish() sends nothing once closed.
    for (const auto& queued : queue_) {
        ResultEnd end = make_end();
        end.request = queued.request;
        end.error = reason;
        if (queued.request) send(std::move(end));
    }
    queue_.clear();
    parts_.gate.cancel(serial_);
    if (active_ && !busy_ && !deciding_) {
        if (active_->phase == Phase::sending || active_->phase == Phase::applying_everywhere) {
            active_->kept.clear();
            ResultEnd end = std::move(*active_->end);
            finish(std::move(end));
        } else {
            finish_error(reason);
        }
    } else if (active_) {
        active_->stream->cancel();
        leave_file();
        if (reason.code == ErrorCode::not_coordinator && active_->execute.request) {
            ResultEnd end = make_end();
            end.error = reason;
            send(std::move(end));
        }
        // A running statement is not proposed yet and ends with its connection; what is being decided answers itself.
        if (busy_ && connection_id_ != 0) parts_.kill(connection_id_, false, Task([] {}));
    }
    end_life(reason);
}

void BackSession::end_life(const Error& reason) {
    if (closed_) return;
    if (!queue_.empty()) {
        for (const auto& queued : queue_) {
            ResultEnd end = make_end();
            end.request = queued.request;
            end.error = reason;
            if (queued.request) send(std::move(end));
        }
        queue_.clear();
    }
    closed_ = true;
    parts_.table_locks.statement_over(serial_);
    unlock_tables();
    parts_.read_lock.release(serial_);
    // What runs or is decided still needs its xid: the pipeline waits for a word about it.
    if (!busy_ && !deciding_) transaction_gone();
    const auto key = parts_.back_keys.find({peer_, open_.session});
    if (key != parts_.back_keys.end() && key->second == serial_) parts_.back_keys.erase(key);
    if (!busy_ && !deciding_) drop_connection();
}

}  // namespace ddb::session
