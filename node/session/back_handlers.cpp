// HANDLER: reads that keep their place in a table between statements, on the session's connection.
//
// An open HANDLER lets no definition of its table pass, nor LOCK TABLES, until its session says anything to the server,
// which then closes it and opens it again when it is read next. A session that says nothing would keep others waiting
// for as long as they can, so the node says something in its place.
#include <utility>

#include "node/session/back_session.hpp"

namespace ddb::session {
namespace {

void say_something(JobReport& report) {
    if (report.connection && !report.connection->execute("DO 0")) report.connection.reset();
}

JobReport say_between_statements(ConnectionPtr connection, const StatementJob& job) {
    JobReport report = keep_last_warnings(std::move(connection), job);
    say_something(report);
    return report;
}

JobReport say_instead_of_waiting(ConnectionPtr connection, const StatementJob& /*job*/) {
    JobReport report;
    report.connection = std::move(connection);
    say_something(report);
    return report;
}

}  // namespace

// True when it was answered. Servers allow none under LOCK TABLES, of which this one knows nothing.
bool BackSession::handler_forbidden() {
    if (active_->statement.handler == HandlerVerb::none || !parts_.table_locks.holds(serial_)) return false;
    finish_error(under_locks());
    return true;
}

void BackSession::note_handlers() {
    const Classified& statement = active_->statement;
    if (statement.handler == HandlerVerb::open) handlers_.opened(active_->execute.sql, database_);
    if (statement.handler == HandlerVerb::close) handlers_.closed(active_->execute.sql);
    if (statement.hides_handler) handlers_.opened_unseen();
}

// The server knows of none: it was dropped with its table, say.
void BackSession::forget_unknown_handler(const ResultEnd& end) {
    constexpr std::uint16_t unknown_table = 1109;
    if (active_->statement.handler == HandlerVerb::none || !end.error || end.error->mysql_code != unknown_table) return;
    handlers_.closed(active_->execute.sql);
}

void BackSession::let_handlers_go() {
    if (handlers_.empty() || !connection_ || busy_ || deciding_ || killing_) return;
    if (parts_.gate.quiet() && !parts_.table_locks.some_wait_for_users()) return;
    if (active_ && active_->phase != Phase::gate && active_->phase != Phase::locked) return;
    letting_go_ = true;
    const bool has_warnings = !active_ && warnings_.rows == 0;
    start_job(has_warnings ? say_between_statements : say_instead_of_waiting, make_job(),
              &BackSession::handlers_let_go);
}

void BackSession::handlers_let_go(JobReport report) {
    letting_go_ = false;
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        if (active_) {
            (void)inside_error_ends_here(report);
        } else {
            transaction_gone();
            drop_connection();
            end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
        }
        return;
    }
    if (!active_) {
        advance();
    } else if (std::exchange(in_gate_, false)) {
        on_gate_entered();
    } else {
        on_tables_free();
    }
}

}  // namespace ddb::session
