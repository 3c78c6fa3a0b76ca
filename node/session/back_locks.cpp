// LOCK TABLES and who waits for it: see table_locks.hpp.
#include <algorithm>
#include <array>
#include <utility>

#include "node/session/back_session.hpp"
#include "node/session/classifier_rules.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

// The server has no word for "wait until nobody uses these tables" but the lock itself.
JobReport meet_transactions(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    const std::array<std::string, 2> sql{job.sql, "UNLOCK TABLES"};
    if (auto done = report.connection->execute_all(sql); !done) report.end.error = done.error();
    if (report.connection->broken()) report.connection.reset();
    return report;
}

// What MariaDB refuses a session with locks whatever these are.
[[nodiscard]] bool never_under_locks(std::string_view sql) {
    constexpr std::size_t head_max = 24;  // DEFINER = user@host and the like stand in front
    constexpr std::array<std::string_view, 6> kinds{"DATABASE", "SCHEMA", "VIEW", "PROCEDURE", "FUNCTION", "PACKAGE"};
    constexpr std::array<std::string_view, 5> others{"TABLE", "TRIGGER", "INDEX", "SEQUENCE", "EVENT"};
    const std::vector<Token> all = scan(sql, head_max);
    const rules::Tokens tokens = rules::behind_settings(all);
    if (rules::token_at(tokens, 0).is("RENAME")) return rules::token_at(tokens, 1).is("TABLE");
    for (const Token& token : tokens) {
        if (one_of(token, kinds)) return true;
        if (one_of(token, others)) return false;
    }
    return false;
}

[[nodiscard]] Error waited_too_long() {
    return Error{ErrorCode::sql, "Lock wait timeout exceeded; try restarting transaction", 1205, "HY000"};
}

}  // namespace

// The running request, if it may use tables that somebody wants to lock.
std::optional<TableLocks::Statement> BackSession::for_locks() const {
    TableLocks::Statement out{active_->execute.sql, database_, false, false, txn_.active ? txn_.txn.counter : 0};
    switch (active_->statement.kind) {
        case StatementKind::read:
            out.reads = !contains_ignoring_case(out.sql, "UPDATE");  // FOR UPDATE
            if (active_->statement.handler == HandlerVerb::close) return std::nullopt;
            if (active_->statement.handler == HandlerVerb::read) out.sql = handlers_.read_by(out.sql);
            return out;
        case StatementKind::temporary_table:
            out.reads = true;
            return out;
        case StatementKind::set:
            out.reads = true;
            return active_->statement.reads_tables ? std::optional(out) : std::nullopt;
        case StatementKind::call:
        case StatementKind::execute:
            out.hides = true;
            return out;
        case StatementKind::dml:
        case StatementKind::ddl:
            return out;
        default:
            return std::nullopt;
    }
}

// True when the statement waits: dispatch_kind() is called again when it may run.
bool BackSession::waits_for_locks() {
    if (parts_.table_locks.empty()) return false;
    const auto asked = for_locks();
    if (!asked || !parts_.table_locks.must_wait(serial_, *asked)) return false;
    wait_for_locks();
    return true;
}

// What a session that has locked tables may do with others. On a server these locks would be its own: it has to take
// them to know, which it cannot in a transaction that has begun.
bool BackSession::asks_own_locks() {
    if (std::exchange(active_->locks_asked, true) || !parts_.table_locks.holds(serial_)) return false;
    const bool mariadb = connection_ && !connection_->is_mysql();
    if (mariadb && active_->statement.kind == StatementKind::ddl && never_under_locks(active_->execute.sql)) {
        finish_error(under_locks());
        return true;
    }
    const auto asked = for_locks();
    const bool may = asked && !asked->hides && !txn_.active && !next_is_set_ && database_ == lock_database_;
    if (!may || !connection_ || lock_sql_.empty()) return false;
    LockQuestions questions = lock_questions(asked->sql, database_, parts_.table_locks.held(serial_));
    if (questions.empty()) return false;
    const auto ask = [lock_sql = lock_sql_, questions = std::move(questions)](ConnectionPtr connection,
                                                                              const StatementJob& job) {
        return ask_under_locks(std::move(connection), job, lock_sql, questions);
    };
    start_job(ask, make_job(), &BackSession::own_locks_asked);
    return true;
}

void BackSession::own_locks_asked(JobReport report) {
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        (void)inside_error_ends_here(report);
    } else if (report.end.error) {
        finish_report(report);
    } else {
        dispatch_kind();
    }
}

// For as long as the session's server would.
void BackSession::wait_for_locks() {
    if (active_->locks_until_ms == 0) {
        start_job(ask_lock_wait, make_job(), &BackSession::lock_wait_known);
    } else {
        active_->phase = Phase::locked;
    }
}

void BackSession::lock_wait_known(JobReport report) {
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        (void)inside_error_ends_here(report);
    } else if (report.end.error) {  // somebody killed the question
        give_up_locking();
        finish_report(report);
    } else {
        set_lock_deadline(report.wait_ms);
        active_->phase = Phase::locked;
        on_tables_free();  // they may be, meanwhile
    }
}

void BackSession::set_lock_deadline(std::uint64_t wait_ms) {
    if (active_->locks_until_ms != 0) return;
    const std::uint64_t most_ms = parts_.limits.lock_wait_ms;
    active_->locks_until_ms = parts_.now_ms + std::clamp<std::uint64_t>(wait_ms, 1, most_ms);
}

void BackSession::on_tables_free() {
    if (closed_ || !active_ || active_->phase != Phase::locked || letting_go_) return;
    active_->phase = Phase::running;
    if (!active_->locking) {
        dispatch_kind();
    } else if (active_->statement.kind == StatementKind::read_lock) {
        meet_writers();
    } else if (parts_.table_locks.holds(serial_)) {
        meet_users();
    } else {
        take_locks();
    }
}

// Servers commit then, but only where something was locked.
void BackSession::end_locks() {
    const auto after = [this] {
        unlock_tables();
        parts_.read_lock.release(serial_);
        finish_ok();
    };
    parts_.table_locks.holds(serial_) ? commit_then(after, false) : after();
}

void BackSession::unlock_tables() {
    parts_.table_locks.release(serial_);
}

// What the statement has asked for.
void BackSession::give_up_locking() {
    if (active_->statement.kind == StatementKind::lock_tables) unlock_tables();
    if (active_->asks_read_lock) parts_.read_lock.release(serial_);
}

void BackSession::take_locks() {
    active_->locking = true;
    auto asked = tables_to_lock(active_->execute.sql, database_);
    lock_sql_ = active_->execute.sql;
    lock_database_ = database_;
    active_->understood = asked.has_value();
    if (active_->locks_until_ms == 0 && asked && asked->wait_ms)
        active_->locks_until_ms = parts_.now_ms + std::max<std::uint64_t>(*asked->wait_ms, 1);
    if (asked && parts_.table_locks.must_wait(serial_, *asked)) {
        wait_for_locks();
        return;
    }
    set_lock_deadline(parts_.limits.lock_wait_ms);
    parts_.table_locks.lock(serial_, std::move(asked).value_or(LockRequest{}), parts_.next_txn().counter);
    // Those that run, or wait for something else, were asked about no lock.
    for (const auto& [serial, other] : parts_.backs) {
        if (serial == serial_ || !other->active_ || other->active_->phase == Phase::locked) continue;
        if (const auto statement = other->for_locks()) parts_.table_locks.under_way(serial_, serial, *statement);
    }
    meet_users();
}

// The server says what is wrong with the statement, and waits for the transactions that use the tables.
void BackSession::meet_users() {
    if (parts_.table_locks.others_inside(serial_)) {
        wait_for_locks();
        return;
    }
    start_job(meet_transactions, make_job(), &BackSession::users_met);
}

void BackSession::users_met(JobReport report) {
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        (void)inside_error_ends_here(report);
        return;
    }
    if (!report.end.error && !active_->understood) {
        report.end.error = Error{ErrorCode::invalid_argument,
                                 "ddb does not understand this LOCK TABLES, or it names more tables than " +
                                     std::to_string(locked_tables_max),
                                 1235, "42000"};
    }
    if (report.end.error) {
        unlock_tables();
        finish_report(report);
    } else if (parts_.table_locks.give(serial_)) {
        finish_ok();
    } else if (parts_.now_ms >= active_->locks_until_ms) {
        locks_too_late();
    } else {
        meet_users();
    }
}

void BackSession::locks_too_late() {
    stop_waiting(waited_too_long());
}

// On a server locks end with the connection that is killed, or was idle for too long. These are the node's: others
// would wait until the session says something. True: the session has ended.
bool BackSession::locks_lost() {
    if (!parts_.table_locks.holds(serial_) && !parts_.read_lock.holds(serial_)) return false;
    if (!connection_ || busy_ || deciding_ || killing_) return false;
    constexpr std::array waiting{Phase::barrier, Phase::gate, Phase::locked};
    if (active_ && std::find(waiting.begin(), waiting.end(), active_->phase) == waiting.end()) return false;
    if (!connection_->ended()) return false;
    drop_connection();
    if (active_) {
        parts_.gate.cancel(serial_);
        return inside_error_ends_here(JobReport{});
    }
    transaction_gone();
    end_life(fail(ErrorCode::not_coordinator, "the session's connection was lost"));
    return true;
}

}  // namespace ddb::session
