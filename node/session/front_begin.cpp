// A transaction's BEGIN is answered here and travels with its first statement: one way to the coordinator less, and
// until then a change of coordinator ends nothing.
#include "node/session/front_session.hpp"

namespace ddb::session {

void FrontSession::hold(Begin begin) {
    held_begin_ = begin;
    held_begin_sent_ = false;
    in_transaction_ = begin != Begin::none;
    reads_only_ = begin == Begin::read_only;
}

// True when BEGIN may be answered: it commits nothing, and what kind of transaction it begins is known here.
bool FrontSession::hold_begin() {
    const Classified& statement = active_->statement;
    if (statement.kind != StatementKind::begin || statement.consistent_snapshot || active_->execute.retry) return false;
    const bool otherwise = statement.read_write && read_only_default_.value_or(false);
    const bool known = back_autocommit_ && !next_on_back_ && !otherwise;
    const bool unsent = held_begin_ != Begin::none && !held_begin_sent_;
    if (!known || table_locks_ || (in_transaction_ && !unsent) || !parts_.coordinator_ready()) return false;
    hold(statement.read_only || read_only_default_.value_or(false) ? Begin::read_only : Begin::read_write);
    last_was_local_ = false;  // the coordinator forgets the last statement's warnings
    return true;
}

// True for the end of a transaction in which nothing was done.
bool FrontSession::end_held() {
    const Classified& statement = active_->statement;
    const bool ends = statement.kind == StatementKind::commit || statement.kind == StatementKind::rollback;
    if (!ends || statement.chain || held_begin_ == Begin::none || held_begin_sent_) return false;
    hold(Begin::none);
    return true;
}

// Whether an answer tells what became of the BEGIN that went with its statement. One that does not may stand for a
// statement that ran nonetheless: the next one takes BEGIN along again, before which the coordinator rolls back.
bool FrontSession::begin_is_answered(const ResultEnd& end) const {
    if (active_->execute.begin == Begin::none) return false;
    return (end.status_flags & status_in_transaction) != 0 || !end.error || end.error->code == ErrorCode::sql;
}

}  // namespace ddb::session
