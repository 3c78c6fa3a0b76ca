// FLUSH TABLES WITH READ LOCK and what it means for statements: see read_lock.hpp.
#include <algorithm>
#include <array>
#include <utility>

#include "node/session/back_session.hpp"
#include "node/session/hidden_writes.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

// Asks for the right that the lock needs, and does nothing: there is no such table.
constexpr std::string_view right_to_lock = "FLUSH LOCAL TABLES ddb_meta.read_lock";

JobReport ask_for_right(ConnectionPtr connection, const StatementJob& /*job*/) {
    JobReport report;
    report.connection = std::move(connection);
    if (auto done = report.connection->execute(std::string(right_to_lock)); !done) report.end.error = done.error();
    if (report.connection->broken()) report.connection.reset();
    return report;
}

[[nodiscard]] Error conflicting() {
    return Error{ErrorCode::sql, "Can't execute the query because you have a conflicting read lock", 1223, "HY000"};
}

}  // namespace

ReadLock::Use BackSession::use_of_read_lock() const {
    const Classified& statement = active_->statement;
    const auto commits = [&](bool ends) { return ends && txn_.wrote ? ReadLock::Use::commits : ReadLock::Use::none; };
    switch (statement.kind) {
        case StatementKind::dml:
            // Temporary tables are nobody's business: tried as what reads only.
            if (temporary_tables_.any() && !txn_.open && autocommit_ && !active_->writes) return ReadLock::Use::none;
            return ReadLock::Use::writes;
        case StatementKind::call:
        case StatementKind::execute:
        case StatementKind::ddl:
        case StatementKind::account:
            return ReadLock::Use::writes;
        case StatementKind::read: {
            // Those of a sequence cannot be held back by the COMMIT.
            const std::string& sql = active_->execute.sql;
            const bool writes = active_->writes || contains_ignoring_case(sql, "UPDATE") || moves_sequence(sql);
            return writes ? ReadLock::Use::writes : ReadLock::Use::none;
        }
        case StatementKind::set:
            if (active_->writes || moves_sequence(active_->execute.sql)) return ReadLock::Use::writes;
            return commits(statement.autocommit.value_or(false));
        case StatementKind::temporary_table:
            return fills_by_writing() ? ReadLock::Use::writes : ReadLock::Use::none;
        case StatementKind::lock_tables:
            return locks_for_writing(active_->execute.sql) ? ReadLock::Use::writes : commits(true);
        case StatementKind::begin:
        case StatementKind::commit:
        case StatementKind::unlock_tables:
        case StatementKind::read_lock:
            return commits(true);
        default:
            return ReadLock::Use::none;
    }
}

bool BackSession::fills_by_writing() const {
    const std::string_view query = query_that_fills(active_->execute.sql);
    return calls_unknown(query) || moves_sequence(query);
}

// True when the statement waits: dispatch_kind() is called again when it may run.
bool BackSession::waits_for_read_lock() {
    if (!parts_.read_lock.others_hold(serial_)) return false;
    // Their lock is not given before these are given up.
    if (parts_.table_locks.holds_for_writing(serial_)) return false;
    if (!parts_.read_lock.must_wait(serial_, use_of_read_lock())) return false;
    wait_for_locks();
    return true;
}

// True when it was answered.
bool BackSession::forbidden_by_read_lock() {
    const StatementKind kind = active_->statement.kind;
    const bool locked = kind == StatementKind::read_lock && parts_.table_locks.holds(serial_);
    if (locked) finish_error(under_locks());
    const bool forbidden = kind == StatementKind::lock_tables && parts_.read_lock.holds(serial_) &&
                           locks_for_writing(active_->execute.sql);
    if (forbidden) finish_error(conflicting());
    return locked || forbidden;
}

// True when it was refused.
bool BackSession::definition_conflicts() {
    if (!parts_.read_lock.holds(serial_) || active_->statement.maintains) return false;
    finish_error(conflicting());
    return true;
}

void BackSession::ask_read_lock() {
    active_->locking = true;
    start_job(ask_for_right, make_job(), &BackSession::read_lock_allowed);
}

void BackSession::read_lock_allowed(JobReport report) {
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        (void)inside_error_ends_here(report);
    } else if (report.end.error) {
        finish_report(report);
    } else if (parts_.read_lock.holds(serial_)) {
        finish_ok();
    } else {
        parts_.read_lock.ask(serial_);
        active_->asks_read_lock = true;
        wait_for_use(ReadLock::Use::writes);
        meet_writers();
    }
}

// A transaction whose COMMIT failed is gone, as on a server: else what the client was told of as failed might be
// committed by what it says next.
void BackSession::stop_waiting(Error error) {
    constexpr std::array committing{StatementKind::commit,        StatementKind::begin,    StatementKind::set,
                                    StatementKind::ddl,           StatementKind::account,  StatementKind::lock_tables,
                                    StatementKind::unlock_tables, StatementKind::read_lock};
    const StatementKind kind = active_->statement.kind;
    const bool for_commit = active_->phase == Phase::locked && txn_.wrote && parts_.read_lock.others_hold(serial_) &&
                            std::find(committing.begin(), committing.end(), kind) != committing.end();
    give_up_locking();
    if (!for_commit || !connection_) {
        finish_error(std::move(error));
        return;
    }
    active_->phase = Phase::running;
    roll_back_then([this, error = std::move(error)] { finish_error(error); });
}

// What runs may have begun before there was a lock, and not as what only reads.
bool BackSession::may_write_now() const {
    const StatementKind kind = active_->statement.kind;
    const bool query = kind == StatementKind::read || kind == StatementKind::set;
    return kind == StatementKind::dml || use_of_read_lock() == ReadLock::Use::writes ||
           (query && calls_unknown(active_->execute.sql));
}

// For what runs already.
void BackSession::wait_for_use(ReadLock::Use use) {
    for (const auto& [serial, other] : parts_.backs) {
        if (serial == serial_ || !other->active_ || other->active_->phase == Phase::locked) continue;
        if (use == ReadLock::Use::writes ? other->may_write_now() : other->use_of_read_lock() == use)
            parts_.read_lock.under_way(serial_, serial);
    }
}

void BackSession::meet_writers() {
    ReadLock& lock = parts_.read_lock;
    if (parts_.table_locks.must_wait_for_writers(serial_) || lock.others_inside(serial_)) {
        wait_for_locks();
        return;
    }
    if (!lock.holds_commits(serial_)) {
        lock.hold_commits(serial_);
        wait_for_use(ReadLock::Use::commits);
        meet_writers();
        return;
    }
    finish_ok();
}

// Before a statement runs inside a transaction of its session.
void BackSession::note_transactions_writes() {
    switch (active_->statement.kind) {
        case StatementKind::dml:
        case StatementKind::call:
        case StatementKind::execute:
            txn_.wrote = true;
            return;
        case StatementKind::temporary_table:
            txn_.wrote = txn_.wrote || fills_by_writing();
            return;
        case StatementKind::read:
        case StatementKind::set:
            if (!txn_.wrote) txn_.wrote = calls_unknown(active_->execute.sql);
            return;
        default:
            return;
    }
}

// The answer of a statement that was only let read, under a lock of its session or of another one. True: it writes, and
// waits for the others.
bool BackSession::turned_out_to_write(JobReport& report) {
    const bool refused = report.end.error && report.end.error->mysql_code == error_read_only_transaction;
    if (!refused || !active_->only_read || report.end.answered) return false;
    if (parts_.read_lock.holds(serial_)) {
        report.end.error = conflicting();
        return false;
    }
    active_->writes = true;
    active_->only_read = false;
    return true;
}

// The same inside a transaction, which began under the lock. Its reads cannot be had again in one that writes.
void BackSession::tell_of_read_lock(JobReport& report) {
    const bool refused = report.end.error && report.end.error->mysql_code == error_read_only_transaction;
    if (!refused || !txn_.under_read_lock) return;
    report.end.error = conflicting();
    if (parts_.read_lock.holds(serial_)) return;
    report.end.error->message += ": this transaction began under FLUSH TABLES WITH READ LOCK; end it first";
}

}  // namespace ddb::session
