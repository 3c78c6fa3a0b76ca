// What each class of statement needs on the coordinator: nothing, a plain run, a transaction, or the path of
// definitions.
#include <algorithm>
#include <cctype>
#include <utility>

#include "node/session/back_session.hpp"
#include "node/session/calculation_hints.hpp"
#include "node/session/hidden_writes.hpp"
#include "node/session/keyless_inserts.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

[[nodiscard]] Error rolled_back(const std::string& reason) {
    return Error{ErrorCode::sql, reason, 1213, "40001"};
}

// What a server says to a value out of its range; to who may not set it, that.
JobReport warn_of_setting(ConnectionPtr connection, const StatementJob& job, const KeptSetting& kept) {
    JobReport report;
    report.connection = std::move(connection);
    const std::string warning = "SIGNAL SQLSTATE '01000' SET MYSQL_ERRNO = 1292, MESSAGE_TEXT = '" +
                                report.connection->escape(kept.warning) + "'";
    if (auto set = report.connection->execute(kept.sql); !set) {
        report.end.error = set.error();
    } else {
        const std::string told = kept.warning.empty() ? kept.sql : warning;
        report.end = run_statement(*report.connection, {told}, job.session, job.request, *job.stream);
    }
    if (report.connection->broken()) report.connection.reset();
    return report;
}

[[nodiscard]] bool plain_value(std::string_view value) {
    if (value.size() >= 2 && value.front() == '\'') value = value.substr(1, value.size() - 2);
    return std::all_of(value.begin(), value.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

// What stands behind `=`, as if the text had said it.
JobReport ask_variable(ConnectionPtr connection, const AskedSetting& asked) {
    JobReport report;
    // As bytes, and by a LIMIT of its own: character_set_results may be utf16, sql_select_limit 0.
    const auto value = connection->scalar("SELECT CAST(" + asked.variable + " AS BINARY) LIMIT 1");
    if (!value) {
        report.end.error = value.error();
    } else {
        const std::string text = value->value_or("NULL");
        const bool number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        report.value = number || !*value ? text : "'" + text + "'";
    }
    if (!connection->broken()) report.connection = std::move(connection);
    return report;
}

JobReport set_to_variable(ConnectionPtr connection, StatementJob job, const AskedSetting& asked) {
    JobReport report = ask_variable(std::move(connection), asked);
    if (report.end.error) return report;
    connection = std::move(report.connection);
    job.sql = asked.sql + report.value;
    const Classified found = classify(plain_value(report.value) ? job.sql : asked.sql + "NULL");
    if (found.kept_setting) return warn_of_setting(std::move(connection), job, *found.kept_setting);
    if (found.kind == StatementKind::set) return run_plain(std::move(connection), job);
    report.connection = std::move(connection);
    report.end.error = Error{ErrorCode::invalid_argument, found.refusal, 1235, "42000"};
    return report;
}

// Of the session's settings the log tells, not of a hint's. What WITH begins counts as a read, and may write.
[[nodiscard]] std::string hinted_for_writing(StatementKind kind, const std::string& sql, bool mysql) {
    const bool writes = kind == StatementKind::dml;
    if (!mysql) return writes || hides_statements(kind) ? zone_of_one_statement(sql) : std::string();
    return writes || kind == StatementKind::read ? hinted_calculation(sql, writes) : std::string();
}

}  // namespace

void BackSession::keep_setting() {
    if (active_->statement.asked_setting && active_->statement.asked_setting->autocommit) {
        const auto ask = [asked = *active_->statement.asked_setting](ConnectionPtr connection,
                                                                     const StatementJob& /*job*/) {
            return ask_variable(std::move(connection), asked);
        };
        return start_job(ask, make_job(), &BackSession::autocommit_asked);
    }
    const auto work = [kept = active_->statement.kept_setting, asked = active_->statement.asked_setting](
                          ConnectionPtr connection, const StatementJob& job) {
        return kept ? warn_of_setting(std::move(connection), job, *kept)
                    : set_to_variable(std::move(connection), job, *asked);
    };
    start_job(work, make_job(), &BackSession::outside_done);
}

// The statement goes on as the one that says the value.
void BackSession::autocommit_asked(JobReport report) {
    if (report.end.error || !report.connection || closed_) return outside_done(std::move(report));
    connection_ = std::move(report.connection);
    const std::string value = plain_value(report.value) ? report.value : "NULL";
    active_->execute.sql = active_->statement.asked_setting->sql + value;
    active_->statement = classify(active_->execute.sql);
    dispatch_kind();
}

void BackSession::dispatch() {
    active_->phase = Phase::running;
    ++parts_.counters.statements;
    if (active_->execute.pieces == FilePieces::gone) {
        return finish_error(transaction_lost_error(
            "the coordinator changed while the client's file was under way; run the statement again"));
    }
    const Classified& statement = active_->statement;
    const StatementKind kind = statement.kind;
    if (active_->execute.describe && kind != StatementKind::refused) {
        StatementJob job = make_job();
        job.describe = true;
        start_job(run_plain, std::move(job), &BackSession::described);
        return;
    }
    if (kind != StatementKind::diagnostics) warnings_ = {};
    if (!lost_reason_.empty() && kind != StatementKind::refused) {
        const std::string reason = std::exchange(lost_reason_, {});
        if (kind != StatementKind::rollback) {
            finish_error(rolled_back(reason));
            return;
        }
    }
    if (active_->execute.begin != Begin::none) {
        unlock_tables();
        // The client's node knows of no open transaction: what is in one was told as unknown, or as failed.
        roll_back_then([this] {
            if (!connection_) {
                finish_error(rolled_back("transaction rolled back: the connection to the database server was lost"));
                return;
            }
            open_transaction(std::exchange(active_->execute.begin, Begin::none) == Begin::read_only);
            txn_.begun = true;
            dispatch_kind();
        });
        return;
    }
    dispatch_kind();
}

void BackSession::dispatch_kind() {
    if (waits_for_locks() || forbidden_by_read_lock() || waits_for_read_lock()) return;
    if (handler_forbidden() || asks_own_locks()) return;
    const Classified& statement = active_->statement;
    switch (statement.kind) {
        case StatementKind::refused:
            finish_error(Error{ErrorCode::invalid_argument, statement.refusal, 1235, "42000"});
            return;
        case StatementKind::ddb_set:
        case StatementKind::ddb_show:
            finish_error(fail(ErrorCode::invalid_argument, "the node that a client talks to answers this itself"));
            return;
        case StatementKind::empty:
            finish_ok();
            return;
        case StatementKind::begin:
            dispatch_begin();
            return;
        case StatementKind::commit:
        case StatementKind::rollback:
            dispatch_end_of_transaction();
            return;
        case StatementKind::lock_tables:
            unlock_tables();
            commit_then([this] { take_locks(); }, false);
            return;
        case StatementKind::unlock_tables:
            end_locks();
            return;
        case StatementKind::read_lock:
            commit_then([this] { ask_read_lock(); }, false);
            return;
        case StatementKind::set:
            dispatch_set();
            return;
        case StatementKind::set_transaction:
            dispatch_set_transaction();
            return;
        case StatementKind::diagnostics:
            dispatch_diagnostics();
            return;
        case StatementKind::use:
        case StatementKind::plain:
            statement.kept_setting || statement.asked_setting ? keep_setting() : run_outside();
            return;
        case StatementKind::savepoint:
            if (!txn_.open && !autocommit_) open_transaction(false);
            txn_.open ? run_inside() : run_outside();
            return;
        case StatementKind::temporary_table:
            dispatch_temporary_table();
            return;
        case StatementKind::account:
            if (statement.own_account && breaks_logged_name(open_.user)) {
                finish_error(Error{ErrorCode::invalid_argument, std::string(logged_names_reason), 1235, "42000"});
                return;
            }
            dispatch_definition();
            return;
        case StatementKind::ddl:
            dispatch_definition();
            return;
        case StatementKind::read:
        case StatementKind::dml:
        case StatementKind::call:
        case StatementKind::execute:
            dispatch_data();
            return;
    }
}

void BackSession::dispatch_set_transaction() {
    // Of one that has begun on the server, the server itself says so.
    if (txn_.open && !txn_.active && (autocommit_ || txn_.begun)) {
        finish_error(Error{ErrorCode::sql,
                           "Transaction characteristics can't be changed while a transaction is in progress", 1568,
                           "25001"});
        return;
    }
    if (!txn_.active && active_->statement.read_only_default) next_read_only_ = *active_->statement.read_only_default;
    next_is_set_ = !txn_.active;
    run_outside();
}

void BackSession::dispatch_set() {
    const Classified& statement = active_->statement;
    if (!statement.autocommit) {
        statement.reads_tables ? dispatch_set_that_reads() : run_outside();
        return;
    }
    const bool switched_on = *statement.autocommit && !autocommit_;  // else it leaves an open transaction alone
    if (switched_on && txn_.open) {
        commit_then([this] { run_outside(); }, false);
    } else if (txn_.active) {
        autocommit_ =
            *statement.autocommit;  // takes effect with the end of this transaction; nothing to tell the server
        finish_ok();
    } else {
        run_outside();
    }
}

// A function in it may write, which is part of a transaction as with any other statement.
void BackSession::dispatch_set_that_reads() {
    const std::string& sql = active_->execute.sql;
    const bool some_table = contains_ignoring_case(sql, "FROM") || contains_ignoring_case(sql, "TABLE");
    // What only calculates begins none: one that nobody ends would be rolled back some time.
    if (!txn_.open && !some_table && !calls_unknown(sql) && !moves_sequence(sql)) return run_outside();
    if (!txn_.open && !autocommit_) open_transaction(false);
    if (txn_.open) return with_barrier([this] { run_inside(); });
    with_barrier([this, read_only = take_next_read_only()] { run_alone(true, read_only); });
}

// What fills it may write elsewhere, by functions, and belongs into a transaction. The session's own read lock on
// everything leaves it only those that do not.
void BackSession::dispatch_temporary_table() {
    const bool by_itself = parts_.read_lock.holds(serial_) && !fills_by_writing();
    if (by_itself || query_that_fills(active_->execute.sql).empty()) {
        // In one that is read-only the server refuses it.
        txn_.active || (txn_.open && txn_.read_only) ? run_inside() : run_outside();
        return;
    }
    if (txn_.open) return with_barrier([this] { run_inside(); });
    with_barrier([this, read_only = take_next_read_only()] { run_alone(read_only, read_only); });
}

// SET TRANSACTION was for the one that begins now.
bool BackSession::take_next_read_only() {
    return std::exchange(next_read_only_, std::nullopt).value_or(read_only_default_);
}

void BackSession::open_transaction(bool read_only) {
    txn_ = Transaction{};
    txn_.open = true;
    txn_.read_only = take_next_read_only() || read_only;
}

void BackSession::dispatch_begin() {
    commit_then([this] { start_transaction(); }, false);
}

void BackSession::start_transaction() {
    unlock_tables();  // as servers do, where BEGIN says it and not where autocommit is off
    open_transaction(active_->statement.read_only);
    txn_.begun = true;
    if (active_->statement.read_write && std::exchange(txn_.read_only, false)) txn_.read_write = true;
    if (!active_->statement.consistent_snapshot) {
        finish_ok();
        return;
    }
    active_->execute.sql = "DO 0";  // what opens the snapshot goes ahead of it
    with_barrier([this] { run_inside(); });
}

void BackSession::dispatch_end_of_transaction() {
    const bool commit = active_->statement.kind == StatementKind::commit;
    // A COMMIT sent again to another coordinator: it did not happen, so its transaction is gone with the old one.
    if (commit && !txn_.open && active_->absent && active_->execute.retry) {
        finish_error(rolled_back("transaction rolled back: the coordinator changed before it was committed"));
        return;
    }
    const auto after = [this, read_only = txn_.read_only] {
        if (active_->statement.chain) {
            open_transaction(read_only);
            txn_.begun = true;
        }
        finish_ok();
    };
    if (commit && txn_.active) {
        commit_then(after, true);
    } else {
        roll_back_then(after);
    }
}

void BackSession::roll_back_then(std::function<void()> after) {
    if (!txn_.active) {
        end_unstarted(std::move(after));
        return;
    }
    active_->after_commit = std::move(after);
    start_job(roll_back, make_job(), &BackSession::rollback_done);
}

// What SET TRANSACTION said was for this transaction, of which the server has heard nothing.
void BackSession::end_unstarted(std::function<void()> after) {
    txn_ = Transaction{};
    next_read_only_.reset();
    if (!std::exchange(next_is_set_, false)) {
        after();
        return;
    }
    active_->after_commit = std::move(after);
    start_job(forget_next, make_job(), &BackSession::rollback_done);
}

bool BackSession::needs_barrier() const {
    if (active_->execute.consistency == Consistency::local) return false;
    const StatementKind kind = active_->statement.kind;
    if (!txn_.open)
        return kind == StatementKind::read || kind == StatementKind::set || kind == StatementKind::temporary_table;
    if (parts_.gate.concerns_reader(reader_text())) return true;
    // What only writes sees the newest rows anyway, and its fate hangs on the decision. A read view opens once, or with
    // each statement.
    const bool reads = kind != StatementKind::dml;
    return reads && (!txn_.barrier_passed || reads_anew_);
}

void BackSession::with_barrier(std::function<void()> go) {
    if (!needs_barrier()) {
        go();
        return;
    }
    active_->phase = Phase::barrier;
    const RequestNumber request = active_->execute.request;
    const bool inside = txn_.active || !handlers_.empty();  // a definition may wait for either
    const Read read{active_->execute.consistency, active_->execute.seen, inside, reader_text()};
    active_->barrier_until_ms = parts_.now_ms + barrier_ms_max;
    const auto passed = [this, serial = serial_, request, parts = &parts_, go = std::move(go)](LogIndex) {
        if (parts->back(serial) != this || !active_ || active_->execute.request != request) return;
        active_->wait_id = 0;
        active_->phase = Phase::running;
        if (txn_.open) txn_.barrier_passed = true;
        go();
    };
    const std::uint64_t id = parts_.barrier.wait(read, passed);
    if (active_ && active_->phase == Phase::barrier) active_->wait_id = id;
}

void BackSession::dispatch_data() {
    if (connection_ && connection_->calculates_rows()) {
        const StatementKind kind = active_->statement.kind;
        const std::string prepared = kind == StatementKind::execute ? make_job().prepared_text : std::string();
        const bool mysql = connection_->is_mysql();
        const std::string variable = prepared.empty() ? hinted_for_writing(kind, active_->execute.sql, mysql)
                                                      : hinted_for_writing(classify(prepared).kind, prepared, mysql);
        if (!variable.empty())
            return finish_error(Error{ErrorCode::invalid_argument, hint_refusal(variable), 1235, "42000"});
    }
    // It would leave out each row and say so in a warning; or begin a transaction, fail, and begin another one, for
    // which nothing is set any more.
    const bool cannot_wait =
        connection_ && connection_->leaves_out_defaults() && (next_is_set_ || ignores_errors(active_->execute.sql));
    if (cannot_wait && asks_for_columns()) return;
    // Begins no transaction on a server either, and drivers ask whether they are in one.
    if (active_->statement.tableless && !txn_.open && !autocommit_ && !next_is_set_) return run_outside();
    const HandlerVerb handler = active_->statement.handler;
    if (!txn_.open && handler == HandlerVerb::close) return run_outside();
    if (!txn_.open && handler == HandlerVerb::open) return with_barrier([this] { run_outside(); });  // begins none
    if (!txn_.open && !autocommit_) open_transaction(false);
    const bool read = active_->statement.kind == StatementKind::read;
    const bool read_only = next_read_only_.value_or(read_only_default_);
    if (!txn_.open) next_read_only_.reset();  // SET TRANSACTION was for this statement's
    if (txn_.open) {
        with_barrier([this] { run_inside(); });
    } else if (read || read_only) {
        with_barrier([this, read_only] { run_alone(true, read_only); });
    } else {
        run_alone(false);
    }
}

void BackSession::dispatch_diagnostics() {
    const auto asked = asks_for_warnings(active_->execute.sql);
    if (warnings_.rows == 0 || !asked || asked->count) {
        auto counting = warnings_.rows == 0 ? std::nullopt : warnings_.counting_sql(active_->execute.sql);
        if (counting) active_->execute.sql = std::move(*counting);
        run_outside();
        return;
    }
    auto told = warnings_.as_answer_to(*asked, active_->execute.request);
    active_->kept = std::move(told.messages);
    ResultEnd end = make_end();
    end.rows = told.rows;
    active_->end = std::move(end);
    active_->phase = Phase::sending;
    send_kept();
}

// Ends an open transaction, but not when it is no statement at all: that the server says when it only looks at it.
void BackSession::dispatch_definition() {
    if (!txn_.open && !parts_.read_lock.holds(serial_)) {
        run_as_definition();
        return;
    }
    start_job(look_at, make_job(), &BackSession::definition_parsed);
}

}  // namespace ddb::session
