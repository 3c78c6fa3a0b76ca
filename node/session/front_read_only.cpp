// READ ONLY transactions run on this node's own server (DESIGN §3.3), from their first read on: in an XA of the
// session's level that is rolled back at the end, so that whatever writes or commits is refused before it has an
// effect. A change of coordinator does not touch them. They end early when their connection does: with the server, or
// because a definition that is decided for everybody waits for their locks. What their server cannot do for them, as
// all state of the session is on the coordinator, runs there when no table is concerned, and is refused otherwise; as
// the first statement it takes the whole transaction there.
#include <utility>

#include "node/session/client_file.hpp"
#include "node/session/definition_refusals.hpp"
#include "node/session/front_session.hpp"

namespace ddb::session {
namespace {

constexpr std::string_view connection_ended =
    "the node's server ended its connection, to apply a definition or because it stopped; try again";

[[nodiscard]] Error read_only_error() {
    return Error{ErrorCode::sql, "Cannot execute statement in a READ ONLY transaction", error_read_only_transaction,
                 "25006"};
}

}  // namespace

// True for the first read of a transaction that may run here.
bool FrontSession::may_begin_here() const {
    const Classified& statement = active_->statement;
    const bool begun = held_begin_ == Begin::read_only && !held_begin_sent_;
    const bool by_default = !in_transaction_ && !back_autocommit_ && read_only_default_.value_or(false);
    // Reads of SERIALIZABLE lock rows, which others' writes could not be applied to here.
    const bool as_there = settings_known() && !serializable_ && !next_on_back_ && !holds_locks();
    const bool reads = statement.kind == StatementKind::read && statement.local;
    return reads && (begun || by_default) && as_there && parts_.server_up && !parts_.fenced;
}

// True when the statement was taken care of. It may have ended the transaction otherwise, and goes on outside of it.
bool FrontSession::run_read_only_here() {
    if (active_->execute.describe) return false;
    if (!txn_here_) {
        if (!may_begin_here()) return false;
        txn_here_ = in_transaction_ = reads_only_ = true;
        here_asked_ = false;
        here_begun_ = std::exchange(held_begin_, Begin::none);
    }
    const Classified& statement = active_->statement;
    switch (statement.kind) {
        case StatementKind::read:
            if (!statement.local) return !statement.tableless && not_in_here();
            active_->here = true;
            read_locally();
            return true;
        case StatementKind::savepoint:
            active_->here = true;
            run_locally();
            return true;
        case StatementKind::diagnostics:
        case StatementKind::use:
        case StatementKind::plain:
            return false;
        case StatementKind::set:
            if (statement.autocommit.value_or(false) && !back_autocommit_) return end_here(), false;
            return !statement.repeatable && not_in_here();
        case StatementKind::commit:
        case StatementKind::rollback:
            end_here();
            // With autocommit off the coordinator has begun one, or is to begin it.
            if ((statement.chain || here_asked_) && !back_autocommit_) return false;
            if (statement.chain) hold(Begin::read_only);
            finish(make_end());
            return true;
        case StatementKind::begin:
            end_here();
            if (!hold_begin()) return false;
            finish(make_end());
            return true;
        case StatementKind::ddl:
            active_->looks = true;
            run_locally();
            return true;
        case StatementKind::account:
        case StatementKind::lock_tables:
        case StatementKind::read_lock:
            return end_here(), false;
        case StatementKind::dml:
            if (!client_file_of(active_->execute.sql, no_backslash_escapes_)) {
                active_->here = true;
                run_locally();  // the server refuses it in its own words
                return true;
            }
            finish_error(read_only_error());
            return true;
        case StatementKind::call:
            if (!here_open_ || active_->execute.sql.find('@') != std::string::npos || statement.takes_user_lock)
                return not_in_here();
            active_->here = true;
            read_locally();
            return true;
        case StatementKind::set_transaction:
            finish_error(Error{ErrorCode::sql,
                               "Transaction characteristics can't be changed while a transaction is in progress", 1568,
                               "25001"});
            return true;
        default:
            return not_in_here();
    }
}

// True when the statement was refused: what was read here cannot be read again on the coordinator.
bool FrontSession::not_in_here() {
    if (!here_open_) {
        leave_here();
        return false;
    }
    finish_error(Error{ErrorCode::invalid_argument,
                       "this READ ONLY transaction reads on the client's node, and user variables, locks, temporary "
                       "tables and EXECUTE are with the coordinator: use BEGIN, or make this its first statement",
                       1235, "42000"});
    return true;
}

// As the client asked, or what it asked for does so.
void FrontSession::end_here() {
    txn_here_ = false;
    in_transaction_ = reads_only_ = false;
    if (std::exchange(here_open_, false)) close_local_xa(false);
}

// Nothing was read: the transaction begins on the coordinator.
void FrontSession::leave_here() {
    txn_here_ = false;
    active_->here = false;
    hold(here_begun_);
}

// The client is told with the statement that runs, or the next.
void FrontSession::lose_here() {
    txn_here_ = here_open_ = false;
    in_transaction_ = reads_only_ = false;
    transaction_lost_ = connection_ended;
}

// A definition ends the transaction, but not when it is no statement at all.
void FrontSession::looked_here(LocalReport report) {
    active_->looks = false;
    if (report.end.error && is_no_statement(report.end.error->mysql_code)) return end_local(report.end);
    end_here();
    transaction_lost_.clear();
    forward();
}

void FrontSession::done_here(LocalReport report) {
    auto& error = report.end.error;
    if (report.setting_failed) reads_anywhere_ = false;
    if (error && !transaction_lost_.empty()) {
        const std::string why = std::exchange(transaction_lost_, {});
        finish_error(ends_transaction(error->mysql_code) ? *error : transaction_lost_error(why));
        return;
    }
    if (error && !here_open_ && !active_->answer_started && !report.end.answered) {
        const bool lost = error->code == ErrorCode::io;
        if (lost && !std::exchange(active_->local_retried, true)) {
            local_wanted_ = true;
            return;
        }
        const bool denied = is_denial(error->mysql_code);
        if (denied) on_server_lost();  // another connection for what comes next
        if (lost || denied || report.setting_failed) {
            leave_here();
            forward();
            return;
        }
    }
    if (error && error->mysql_code == error_server_read_only) error = read_only_error();
    if (error && error->mysql_code == error_xa_state && !report.end.answered) {
        if (!runs_several(active_->statement)) {  // it commits first, and is not refused behind that
            end_here();
            forward();
            return;
        }
        error = cannot_commit(active_->statement, *error);
    }
    end_local(report.end);
}

}  // namespace ddb::session
