// One statement by itself, on an executor up to XA PREPARE; and how prepared writes, a transaction's too, are proposed
// and answered.
#include <utility>

#include "node/session/back_session.hpp"

namespace ddb::session {

void BackSession::run_alone(bool try_read_only, bool read_only) {
    if (!parts_.serving()) {
        finish_error(fail(ErrorCode::not_coordinator, "this node is no longer coordinator"));
        return;
    }
    new_xid();
    const bool own_lock = parts_.read_lock.holds(serial_);
    const bool others_lock = parts_.read_lock.others_hold(serial_);
    try_read_only = try_read_only || own_lock || (others_lock && temporary_tables_.any() && !active_->writes);
    StatementJob job = make_job();
    job.read_only = read_only || own_lock || (others_lock && try_read_only && !active_->writes);
    active_->only_read = job.read_only && !read_only;
    next_is_set_ = false;
    job.check_first = std::exchange(unsure_, hides_statements(active_->statement.kind));
    parts_.pipeline.expect(job.xid);
    start_job(try_read_only ? run_read : run_write, std::move(job), &BackSession::alone_done);
}

void BackSession::new_xid() {
    txn_.xid = storage::random_xid();
    txn_.txn = parts_.next_txn();
}

void BackSession::alone_done(JobReport report) {
    if (report.prepared && report.connection) {
        // A temporary table has to be made again where the next coordinator is, unless that would write twice.
        const bool once = active_->statement.kind != StatementKind::temporary_table || fills_by_writing();
        propose_prepared(report, once, &BackSession::alone_decided);
        return;
    }
    const std::string xid = txn_.xid;
    if (report.xa_uncertain) {
        StatementJob job = make_job();
        parts_.pool.run(
            Task([parts = &parts_, job = std::move(job)] { (void)roll_back_orphan(parts->database, job); }));
    }
    parts_.pipeline.forget(xid);
    connection_ = std::move(report.connection);
    if (!connection_) {
        Error cause = report.end.error.value_or(fail(ErrorCode::io, "connection lost"));
        if (active_->statement.kind == StatementKind::read && cause.code == ErrorCode::overloaded) {
            finish_error(std::move(cause));
        } else {
            finish_error(closed_ || !parts_.serving()
                             ? fail(ErrorCode::not_coordinator, "this node is no longer coordinator")
                             : lost_connection(cause, false));
        }
        end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
        return;
    }
    const bool implicit_commit = report.end.error && report.end.error->mysql_code == error_xa_state;
    if (implicit_commit && runs_several(active_->statement)) {
        report.end.error = cannot_commit(active_->statement, *report.end.error);
    } else if (implicit_commit && !report.end.answered && !closed_) {
        if (!runs_as_revealed(report)) run_as_definition();
        return;
    }
    if (!closed_ && turned_out_to_write(report)) {
        dispatch_kind();
        return;
    }
    if (!closed_ && runs_again_otherwise(report)) return;
    if (!report.end.error) note_success();
    if (!closed_) active_->kept = std::move(report.kept);
    finish_report(report);
    if (closed_) drop_connection();
}

void BackSession::propose_prepared(JobReport& report, bool clients_request, void (BackSession::*decided)(WriteResult)) {
    active_->phase = Phase::deciding;
    active_->statement_end = std::move(report.end);
    active_->kept = std::move(report.kept);
    deciding_ = true;
    PreparedWrite write;
    write.xid = txn_.xid;
    write.txn = txn_.txn;
    if (clients_request && active_->execute.request) {
        write.session = open_.session;
        write.request = active_->execute.request;
    }
    write.statement_count = std::max<std::uint32_t>(txn_.statements, 1);
    write.outcome = outcome_of(active_->statement_end);
    write.keep_when_empty = temporary_tables_.any() || makes_temporary_tables(active_->statement);
    write.behind_definition = txn_.behind_definition;
    write.connection = std::move(report.connection);
    write.done = [parts = &parts_, serial = serial_, decided](WriteResult result) {
        // Deferred: the pipeline may be in the middle of a list.
        parts->defer(Task([parts, serial, decided, result = std::move(result)]() mutable {
            auto* session = parts->back(serial);
            if (session == nullptr) return;
            session->deciding_ = false;
            (session->*decided)(std::move(result));
        }));
    };
    parts_.pipeline.prepared(std::move(write));
}

void BackSession::alone_decided(WriteResult result) {
    connection_ = std::move(result.connection);
    if (!connection_) connected_ = false;
    if (result.kind == WriteResult::Kind::decided || result.kind == WriteResult::Kind::nothing) note_success();
    write_decided(result, 0);
}

// The answer of a write; the statement's own OK packet was kept for it.
void BackSession::write_decided(const WriteResult& result, std::uint16_t error_code) {
    ResultEnd end = make_end();
    tell_end(active_->statement_end, end);
    end.outcome.error_code = error_code;
    end.status_flags = active_->statement_end.ok.status_flags;
    end.error = active_->statement_end.error;
    const TxnId txn = txn_.txn;
    if (!txn_.open) txn_ = Transaction{};
    bool wait_for_all = false;
    switch (result.kind) {
        case WriteResult::Kind::decided:
            ++parts_.counters.writes;
            end.txn = txn;
            end.index = last_index_ = result.index;
            end.replicated_on = parts_.host.holders(result.index);
            wait_for_all = active_->execute.write_concern == WriteConcern::all && !end.error;
            break;
        case WriteResult::Kind::nothing:
            break;
        case WriteResult::Kind::unknown:
            ++parts_.counters.unknown;
            end.txn = txn;
            end.error = result.error;
            active_->kept.clear();
            break;
        case WriteResult::Kind::failed:
            end.error = result.error;
            active_->kept.clear();
            break;
    }
    if (end.error) active_->kept.clear();
    active_->end = std::move(end);
    active_->phase = wait_for_all && !closed_ ? Phase::applying_everywhere : Phase::sending;
    if (active_->phase == Phase::applying_everywhere && parts_.host.applied_everywhere(result.index)) {
        active_->phase = Phase::sending;
    }
    if (active_->phase == Phase::applying_everywhere && in_gate_) {
        // It is over here. A member that could not apply it may have to be loaded from this one, which wants the gate.
        in_gate_ = false;
        parts_.leave_gate();
    }
    if (closed_) active_->kept.clear();
    if (active_->phase == Phase::sending) send_kept();
    if (closed_) {
        drop_connection();
    } else if (!connected_) {
        end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
    }
}

}  // namespace ddb::session
