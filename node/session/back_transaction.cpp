// Jobs of a back session on executors, and what their reports lead to.
#include <algorithm>
#include <utility>

#include "node/session/back_session.hpp"
#include "node/session/hidden_writes.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

// Behind what may have changed the session's settings in the middle of a transaction, or undone what its mark has told
// of them: it is marked again (storage/calculation_settings.hpp), which other servers need not.
void mark_again(JobReport& report, const StatementJob& job) {
    if (!report.connection || !report.connection->calculates_rows()) return;
    if (!report.end.error && report.end.ok.warnings > 0 && report.warnings.rows == 0) {
        JobReport kept = keep_last_warnings(std::move(report.connection), job);
        report.connection = std::move(kept.connection);
        report.warnings = std::move(kept.warnings);
        if (!report.connection) return;
    }
    const std::vector<std::string> begin = job.database->begin_sql(job.xid, job.txn);
    if (!report.connection->execute(begin.back()) || report.connection->broken()) report.connection.reset();
}

JobReport run_inside_and_mark_again(ConnectionPtr connection, const StatementJob& job) {
    JobReport report = run_in_transaction(std::move(connection), job);
    if (report.xa_active) mark_again(report, job);
    return report;
}

// Or take away what was marked.
[[nodiscard]] bool may_change_settings(StatementKind kind, std::string_view sql) {
    if (kind == StatementKind::savepoint) return contains_ignoring_case(sql, "ROLLBACK");
    if (kind == StatementKind::read) return calls_unknown(sql);
    return kind == StatementKind::set || hides_statements(kind);
}

}  // namespace

StatementJob BackSession::make_job() {
    StatementJob job;
    job.database = &parts_.database;
    job.journal = &parts_.journal;
    job.session = open_.session;
    job.xid = txn_.xid;
    job.txn = txn_.txn;
    job.kept_bytes_max = parts_.limits.result_bytes_buffered_max;
    job.read_only = txn_.read_only || txn_.under_read_lock;
    job.read_write = txn_.read_write;
    job.user = open_.user;
    job.password = open_.password;
    job.login = login_of(open_);
    if (active_) {
        job.sql = active_->execute.sql;
        job.file = active_->file;
        job.request = active_->execute.request;
        job.stream = active_->stream;
        job.kind = active_->statement.kind;
        if (job.kind == StatementKind::execute)
            job.prepared_text = prepared_texts_.text_of(executed_name(job.sql), database_).value_or("");
    }
    return job;
}

void BackSession::start_job(Work work, StatementJob job, Done done) {
    parts_.pool.run(make_task(std::move(work), std::move(job), done));
}

// As start_job(run_in_transaction), sent from here where that is possible.
void BackSession::start_inside(StatementJob job) {
    const bool fits = active_->execute.credit_bytes >= storage::Connection::peeked_bytes_max;
    storage::Connection& connection = *connection_;
    const bool again =
        connection.calculates_rows() && !job.read_only && may_change_settings(active_->statement.kind, job.sql);
    const bool one_call = is_one_call(job) && !switch_autocommit_on_ && !again;
    const bool sent = fits && one_call && parts_.early.send(connection, job.sql, before_in_transaction(job));
    Task task =
        make_task(again ? run_inside_and_mark_again : run_in_transaction, std::move(job), &BackSession::inside_done);
    if (sent) {
        parts_.early.wait(connection, std::move(task));
    } else {
        parts_.pool.run(std::move(task));
    }
}

Task BackSession::make_task(Work work, StatementJob job, Done done) {
    DDB_ASSERT(connection_ && !busy_);
    busy_ = true;
    killable_ = done != &BackSession::rollback_done && done != &BackSession::commit_prepared;
    const bool switch_on = !txn_.active && std::exchange(switch_autocommit_on_, false);
    const bool hides = active_ && hides_statements(active_->statement.kind);
    return Task([parts = &parts_, serial = serial_, connection = std::move(connection_), work = std::move(work),
                 job = std::move(job), switch_on, hides, done]() mutable {
        if (switch_on) (void)connection->execute("SET autocommit=1");  // if it fails, so does what follows
        JobReport report = work(std::move(connection), job);
        // Errors carry no flags, and what ran in front of one holds.
        if (hides && report.end.error && report.connection) {
            const auto asked = report.connection->execute("DO 0");
            report.autocommit_off = asked && (asked->status_flags & status_autocommit) == 0;
        }
        auto last = job.stream ? job.stream->release() : std::vector<SessionMessage>();
        parts->post(Task([parts, serial, done, report = std::move(report), last = std::move(last)]() mutable {
            auto* session = parts->back(serial);
            if (session == nullptr) return;
            session->send_all(std::move(last));
            session->note_definition();
            session->job_over(report);
            (session->*done)(std::move(report));
        }));
    });
}

// Asked when a statement has ended: what began in front of a definition may have waited for its locks.
void BackSession::note_definition() {
    if (!active_) return;
    txn_.behind_definition |= parts_.gate.concerns_reader(reader_text());
}

// What tells what it reads; nothing where that is hidden.
std::string_view BackSession::reader_text() const {
    const Classified& statement = active_->statement;
    const bool hides = hides_statements(statement.kind) || statement.handler != HandlerVerb::none;
    return hides ? std::string_view() : active_->execute.sql;
}

void BackSession::job_over(JobReport& report) {
    busy_ = false;
    killable_ = false;
    if (report.warnings.rows != 0) {
        warnings_ = std::move(report.warnings);
        warnings_.total = std::max<std::uint64_t>(warnings_.total, report.end.ok.warnings);
    }
    if (!report.connection) {
        connected_ = false;
        return;
    }
    note_left_state(report);
    note_hidden_autocommit(report);
    note_prepared(report);
    // The statement's own answer: the connection's newest is that of what ended its transaction.
    const auto& ok = report.end.ok;
    if (ok.database_changed) database_ = ok.database;
}

// A procedure, or what EXECUTE runs, has switched it off in the server, where it is always on. For the session it
// holds; in the server it is switched on again once no XA is under way.
void BackSession::note_hidden_autocommit(const JobReport& report) {
    const std::uint16_t flags = report.end.error ? std::uint16_t{0} : report.end.ok.status_flags;
    const bool off = report.autocommit_off || (flags != 0 && (flags & status_autocommit) == 0);
    const bool said = !active_ || active_->statement.kind == StatementKind::set;
    if (said || !off || switch_autocommit_on_) return;
    autocommit_ = false;
    switch_autocommit_on_ = unsure_ = true;
}

// What routines and hidden texts made is known by the server's word alone, and not what it is: neither can the next
// coordinator be given it, nor would rows of a temporary table outlast the rollback of what has no others.
void BackSession::note_left_state(const JobReport& report) {
    if (!report.left_state || !active_ || moves_sequence(active_->execute.sql)) return;
    const StatementKind kind = active_->statement.kind;
    // Settings for one statement are told, too.
    const bool query = (kind == StatementKind::read || kind == StatementKind::dml) && !active_->statement.set_statement;
    // One that made its table tells the same, of itself.
    const bool filled = kind == StatementKind::temporary_table && report.end.error;
    if (query || filled || kind == StatementKind::call || kind == StatementKind::execute) {
        active_->left_state = computed_variables_ = true;
        temporary_tables_.made_by_routine();
    }
}

// Its locks are of those that are left.
void BackSession::note_dropped() {
    const auto dropped = dropped_tables(active_->execute.sql, database_);
    if (dropped.empty()) return;
    parts_.table_locks.dropped(serial_, dropped);
    lock_sql_ = parts_.table_locks.holds(serial_) ? lock_sql_of(parts_.table_locks.held(serial_)) : std::string();
}

void BackSession::note_success() {
    const Classified& statement = active_->statement;
    if (statement.takes_user_lock || statement.releases_user_lock) user_locks_.ran(active_->execute.sql);
    temporary_tables_.ran(statement, active_->execute.sql, database_);
    if (statement.kind == StatementKind::ddl && parts_.table_locks.holds(serial_)) note_dropped();
    note_handlers();
    if (computes_variables(statement, active_->execute.sql)) computed_variables_ = true;
    if (statement.kind != StatementKind::set) return;
    if (statement.autocommit) autocommit_ = *statement.autocommit;
    if (statement.read_only_default) {
        read_only_default_ = *statement.read_only_default;
        // Of a transaction that is open here and not on the server yet: BEGIN has settled what it is, autocommit=0 not.
        const bool unstarted = txn_.open && !txn_.active && !txn_.read_only;
        if (read_only_default_ && unstarted) (txn_.begun ? txn_.read_write : txn_.read_only) = true;
    }
    if (statement.global_isolation) parts_.isolation_set = true;
    if (statement.each_statement_reads_anew) reads_anew_ = *statement.each_statement_reads_anew;
}

// --- inside a transaction --------------------------------------------------------------------------------------------

void BackSession::run_inside() {
    if (!parts_.serving()) {
        finish_error(fail(ErrorCode::not_coordinator, "this node is no longer coordinator"));
        return;
    }
    const bool begin = !txn_.active;
    if (begin) {
        next_is_set_ = false;
        new_xid();
        txn_.under_read_lock = !txn_.read_only && parts_.read_lock.holds(serial_);
        if (!txn_.read_only && !txn_.under_read_lock) parts_.pipeline.expect(txn_.xid);
    }
    note_transactions_writes();
    StatementJob job = make_job();
    job.begin = begin;
    job.snapshot = begin && active_->statement.consistent_snapshot;
    if (begin) job.check_first = std::exchange(unsure_, false);
    unsure_ = unsure_ || hides_statements(active_->statement.kind);
    start_inside(std::move(job));
}

void BackSession::inside_done(JobReport report) {
    connection_ = std::move(report.connection);
    const bool was_active = txn_.active;
    txn_.active = report.xa_active;
    if (!report.xa_active) parts_.pipeline.forget(txn_.xid);
    if (inside_error_ends_here(report)) return;
    if (!report.end.error) {
        ++txn_.statements;
        note_success();
        finish_report(report);
        return;
    }
    if (runs_again_otherwise(report)) return;
    tell_of_read_lock(report);
    const Error& error = *report.end.error;
    const bool gone = ends_transaction(error.mysql_code);
    if (gone || (was_active && !report.xa_active)) transaction_gone();
    const bool implicit_commit = error.mysql_code == error_xa_state;
    if (implicit_commit && runs_several(active_->statement)) {
        report.end.error = cannot_commit(active_->statement, error);
    } else if (implicit_commit && runs_as_revealed(report)) {
        return;
    } else if (implicit_commit && report.hidden == HiddenCommand::rollback) {
        roll_back_then([this] { finish_ok(); });
        return;
    } else if (implicit_commit && !report.end.answered) {
        if (auto refused = refused_when_hidden(report.hidden, temporary_tables_.any())) {
            report.end.error = std::move(refused);
            finish_report(report);
            return;
        }
        commit_then([this] { run_as_definition(); }, false);
        return;
    }
    finish_report(report);
}

// The connection is gone, or the session was closed meanwhile.
bool BackSession::inside_error_ends_here(const JobReport& report) {
    if (connection_ && !closed_) return false;
    const Error cause = report.end.error.value_or(fail(ErrorCode::io, "connection lost"));
    parts_.pipeline.forget(txn_.xid);
    const bool in_transaction = txn_.open;  // a SET or a USE may have run outside of one
    transaction_gone();
    if (closed_ || !parts_.serving()) {
        finish_error(fail(ErrorCode::not_coordinator, "this node is no longer coordinator"));
        drop_connection();
    } else {
        finish_error(lost_connection(cause, in_transaction));
    }
    end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
    return true;
}

// Every xid that was expected is forgotten or handed over: a group of it would hold up all others.
void BackSession::transaction_gone() {
    if (!txn_.xid.empty()) parts_.pipeline.forget(txn_.xid);
    txn_ = Transaction{};
}

// Commits what is open, then goes on with `after`; without a transaction goes on at once. `clients_request`: the entry
// carries the request's number, so that a retry of this COMMIT finds it.
void BackSession::commit_then(std::function<void()> after, bool clients_request) {
    if (!txn_.active) {
        if (txn_.open) {
            end_unstarted(std::move(after));
        } else {
            after();
        }
        return;
    }
    active_->after_commit = std::move(after);
    if (txn_.read_only || txn_.under_read_lock) {
        start_job(commit_read_only, make_job(), &BackSession::rollback_done);
        return;
    }
    clients_commit_ = clients_request;
    start_job(prepare, make_job(), &BackSession::commit_prepared);
}

void BackSession::commit_prepared(JobReport report) {
    txn_.open = txn_.active = false;
    if (report.prepared && report.connection) {
        propose_prepared(report, clients_commit_, &BackSession::commit_decided);
        return;
    }
    if (report.xa_uncertain) {
        StatementJob job = make_job();
        parts_.pool.run(
            Task([parts = &parts_, job = std::move(job)] { (void)roll_back_orphan(parts->database, job); }));
    }
    parts_.pipeline.forget(txn_.xid);
    txn_ = Transaction{};
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        const Error cause = report.end.error.value_or(fail(ErrorCode::io, "connection lost"));
        finish_error(closed_ || !parts_.serving()
                         ? fail(ErrorCode::not_coordinator, "this node is no longer coordinator")
                         : lost_connection(cause, true));
        if (closed_) drop_connection();
        end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
        return;
    }
    if (report.end.error) {  // a failed PREPARE leaves nothing behind (FACTS 13)
        finish_report(report);
        return;
    }
    const auto after = std::exchange(active_->after_commit, nullptr);
    after();
}

void BackSession::commit_decided(WriteResult result) {
    connection_ = std::move(result.connection);
    if (!connection_) connected_ = false;
    const bool fine = result.kind == WriteResult::Kind::decided || result.kind == WriteResult::Kind::nothing;
    const StatementKind kind = active_->statement.kind;
    const bool only_commit = kind == StatementKind::commit && !active_->statement.chain;
    if (result.kind == WriteResult::Kind::decided) last_index_ = result.index;
    if (!fine || only_commit || closed_ || !connected_) {
        write_decided(result, 0);
        return;
    }
    if (result.kind == WriteResult::Kind::decided) ++parts_.counters.writes;
    txn_ = Transaction{};
    active_->statement_end = StatementEnd{};
    active_->phase = Phase::running;
    const auto after = std::exchange(active_->after_commit, nullptr);
    after();
}

void BackSession::rollback_done(JobReport report) {
    transaction_gone();
    connection_ = std::move(report.connection);
    const auto after = active_ ? std::exchange(active_->after_commit, nullptr) : nullptr;
    if (closed_) {
        if (active_) finish_error(fail(ErrorCode::not_coordinator, "this node is no longer coordinator"));
        drop_connection();
        return;
    }
    const bool ends = active_ && (active_->statement.kind == StatementKind::commit ||
                                  active_->statement.kind == StatementKind::rollback);
    if (after && (connection_ || ends)) {
        after();  // a lost connection has rolled back too
    } else if (after) {
        finish_error(lost_connection(report.end.error.value_or(fail(ErrorCode::io, "connection lost")), false));
    }
    if (!connection_ && !busy_ && !deciding_) {
        connected_ = false;
        end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
        return;
    }
    if (!active_) advance();
}

// --- outside any transaction -----------------------------------------------------------------------------------------

void BackSession::run_outside() {
    StatementJob job = make_job();
    unsure_ = true;
    // autocommit is kept here, not in the server: there it would let reads open transactions that block XA START (FACTS
    // 9).
    const bool reset = active_->statement.autocommit.has_value();
    const bool again = txn_.active && !job.read_only && active_->statement.kind == StatementKind::set;
    const auto work = [reset, again](ConnectionPtr connection, const StatementJob& todo) {
        JobReport report = run_prepare(std::move(connection), todo);
        if (again) mark_again(report, todo);
        if (reset && report.connection && !report.connection->execute("SET autocommit=1")) report.connection.reset();
        return report;
    };
    start_job(work, std::move(job), &BackSession::outside_done);
}

void BackSession::outside_done(JobReport report) {
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        (void)inside_error_ends_here(report);
        return;
    }
    if (runs_again_otherwise(report)) return;
    if (!report.end.error) note_success();
    finish_report(report);
}

void BackSession::described(JobReport report) {
    connection_ = std::move(report.connection);
    if (!inside_error_ends_here(report)) finish_report(report);
}

}  // namespace ddb::session
