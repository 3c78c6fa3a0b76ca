// Definitions of a back session: through the gate, run outside of XA, proposed as statement entries.
#include <utility>

#include "node/session/back_session.hpp"
#include "node/session/definition_refusals.hpp"
#include "node/storage/failpoint.hpp"

namespace ddb::session {
namespace {

[[nodiscard]] bool denied(std::uint16_t code) {  // refused before any effect
    return code == 1044 || code == 1045 || code == 1064 || code == 1141 || code == 1142 || code == 1143 ||
           code == 1227 || code == 1370 || code == 1410 || code == 1698;
}

}  // namespace

void BackSession::definition_parsed(JobReport report) {
    connection_ = std::move(report.connection);
    if (inside_error_ends_here(report)) return;
    if (report.end.error && is_no_statement(report.end.error->mysql_code)) {
        finish_report(report);
        return;
    }
    commit_then([this] { run_as_definition(); }, false);
}

void BackSession::run_as_definition() {
    if (definition_conflicts()) return;
    active_->phase = Phase::gate;
    warnings_ = {};  // of what told that it is a definition
    if (parts_.gate.enter(serial_)) on_gate_entered();
}

void BackSession::on_gate_entered() {
    if (letting_go_ && active_ && !closed_) {  // called again when it is over
        in_gate_ = true;
        return;
    }
    if (!active_ || closed_ || !connection_ || !parts_.serving()) {
        parts_.leave_gate();
        if (active_ && !closed_) finish_error(fail(ErrorCode::not_coordinator, "this node is no longer coordinator"));
        return;
    }
    in_gate_ = true;
    parts_.gate.inside(active_->execute.sql, parts_.now_ms);
    unsure_ = true;
    active_->phase = Phase::running;
    txn_ = Transaction{};
    txn_.txn = parts_.next_txn();
    StatementJob job = make_job();
    job.sequence = storage::statement_sequence(txn_.txn);
    job.grant = active_->statement.grant;
    job.temporary_tables = temporary_tables_.any();
    job.refused_without_key = active_->statement.refused_without_key;
    parts_.pipeline.expect_statement(job.sequence);
    start_job(run_definition, std::move(job), &BackSession::definition_done);
}

void BackSession::definition_done(JobReport report) {
    connection_ = std::move(report.connection);
    parts_.look_for_session_names();
    const std::uint64_t sequence = storage::statement_sequence(txn_.txn);
    active_->kept = std::move(report.kept);
    const std::uint16_t code = report.end.error ? report.end.error->mysql_code : std::uint16_t{0};
    // Settings came with it only where it has changed something.
    const bool failed_grant = active_->statement.grant && code != 0 && !denied(code) && !report.settings_event.empty();
    if (report.logged || (failed_grant && !report.uncertain)) {
        propose_definition(report);
        return;
    }
    parts_.pipeline.forget_statement(sequence);
    const TxnId txn = std::exchange(txn_, Transaction{}).txn;
    if (report.uncertain) {
        ++parts_.counters.unknown;
        ResultEnd end = make_end();
        end.txn = txn;
        end.error = fail(ErrorCode::unknown_outcome,
                         "outcome of " + to_string(txn) + " is unknown: the database server was lost while it ran");
        finish(std::move(end));
    } else {
        if (!report.end.error) note_success();
        if (report.end.error && report.end.error->code == ErrorCode::io)
            report.end.error = lost_connection(*report.end.error, false);
        finish_report(report);
    }
    if (!connection_ || closed_) {
        drop_connection();
        end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
    }
}

void BackSession::propose_definition(const JobReport& report) {
    active_->phase = Phase::deciding;
    parts_.gate.took_effect();
    active_->statement_end = report.end;
    deciding_ = true;
    FinishedStatement finished;
    finished.sequence = storage::statement_sequence(txn_.txn);
    finished.txn = txn_.txn;
    if (active_->execute.request) {
        finished.session = open_.session;
        finished.request = active_->execute.request;
    }
    finished.outcome = outcome_of(report.end);
    if (report.end.error && report.end.error->code == ErrorCode::sql && report.connection == nullptr && !connection_) {
        finished.outcome.info = report.end.error->message;
    }
    if (report.end.error && connection_) {
        finished.outcome.error_code = report.end.error->mysql_code;
        finished.outcome.info = report.end.error->message;
    }
    finished.secret = active_->statement.secret;
    finished.last_gtid = report.last_gtid;
    finished.settings_event = report.settings_event;
    finished.done = [parts = &parts_, serial = serial_](WriteResult result) {
        parts->defer(Task([parts, serial, result = std::move(result)]() mutable {
            auto* session = parts->back(serial);
            if (session == nullptr) return;
            session->deciding_ = false;
            session->definition_decided(std::move(result));
        }));
    };
    if (report.logged) {
        parts_.pipeline.statement_logged(std::move(finished));
        return;
    }
    StatementPayload payload;
    payload.events = report.settings_event;
    payload.sql = report.ran.empty() ? active_->execute.sql : report.ran;
    payload.database = database_;
    payload.expected_error = finished.outcome.error_code;
    payload.secret = true;
    parts_.pipeline.statement_unlogged(std::move(finished), std::move(payload));
}

void BackSession::definition_decided(WriteResult result) {
    if (result.kind == WriteResult::Kind::decided) {
        storage::pass(storage::Failpoint::statement_decided);
        note_success();
        const storage::StatementIntent intent{txn_.txn, storage::statement_sequence(txn_.txn)};
        parts_.pool.run(Task([parts = &parts_, intent] { (void)parts->journal.clear_intent(intent); }));
    }
    if (!connection_) connected_ = false;
    const std::uint16_t code =
        active_->statement_end.error ? active_->statement_end.error->mysql_code : std::uint16_t{0};
    write_decided(result, code);
}

}  // namespace ddb::session
