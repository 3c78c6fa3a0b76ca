#include "node/session/statement_jobs.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <thread>
#include <vector>

#include "node/session/job_endings.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using std::chrono::steady_clock;

// Not 2013: client libraries take an answer with a number of their own for damaged, and its text is lost.
constexpr std::uint16_t error_connection_killed = 1927;
constexpr std::uint16_t error_user_limit = 1226;  // MAX_QUERIES_PER_HOUR and its kin

void end_and_roll_back(JobReport& report, const std::string& xid) {
    drop_if_unusable(report);
    if (!report.connection) return;
    const std::array<std::string, 2> sql{xa_sql("END", xid), xa_sql("ROLLBACK", xid)};
    const auto done = report.connection->execute_all(sql);
    // XA END fails in rollback-only transactions, ROLLBACK does not mind. Who has reached a limit is let say neither:
    // the connection's end is one of the transaction, too.
    const bool unsaid = !done.ok() && done.error().mysql_code == error_user_limit;
    if (unsaid || report.connection->broken()) report.connection.reset();
}

// The end of what changed no table that others see: its log stays empty, but rows of temporary tables are kept.
void end_and_keep(JobReport& report, const std::string& xid) {
    const std::array<std::string, 2> sql{xa_sql("END", xid), xa_sql("COMMIT", xid) + " ONE PHASE"};
    if (!report.connection->execute_all(sql)) end_and_roll_back(report, xid);
}

// `prepared`: the answer to XA END and XA PREPARE.
void finish_prepare(JobReport& report, const StatementJob& job, const Result<storage::OkPacket>& prepared) {
    if (!prepared) {
        report.end.error = prepared.error();
        report.xa_uncertain = report.connection->broken();
        end_and_roll_back(report, job.xid);
        return;
    }
    report.prepared = !prepared->gtid.empty();
    if (report.prepared) return;
    // Our marker is in every transaction that is prepared, so there is something to wait for. Never "done" without it.
    report.end.error =
        Error{ErrorCode::sql,
              "the transaction was rolled back: the database server does not tell where its binary log has "
              "it, or was told to log nothing",
              1180, "HY000"};
    (void)report.connection->execute(xa_sql("ROLLBACK", job.xid));
    if (report.connection->broken()) report.connection.reset();
}

// The statement behind what makes it part of a transaction: in one round trip, but for sessions in which the server
// might refuse XA START (FACTS 9). There it would run by itself, and be told as failed.
void run_behind(JobReport& report, const StatementJob& job, std::span<const std::string> before,
                std::span<const std::string> behind, ResultSink& sink) {
    if (job.check_first && !before.empty()) {
        if (auto begun = report.connection->execute_all(before); !begun) {
            report.end.error = begun.error();
            report.connection.reset();
            return;
        }
        before = {};
    }
    report.end = run_statement(*report.connection, {job.sql, before, behind, false, job.file.get()}, job.session,
                               job.request, sink);
    if (report.connection->ahead_failed()) report.connection.reset();  // nobody may go on in that state
}

// A procedure or block that failed in its middle: in a transaction what it did before that is there, as on a server,
// where a handler may have written down why. Not where it would have committed, which is refused, or was told to end.
[[nodiscard]] bool keeps_what_ran(const StatementJob& job, const Error& error) {
    const bool several = job.kind == StatementKind::call || job.kind == StatementKind::execute;
    const bool ended = error.mysql_code == error_xa_state || error.mysql_code == error_interrupted;
    return several && error.code == ErrorCode::sql && !ended && !ends_transaction(error.mysql_code);
}

void keep_forgotten_warnings(JobReport& report, const StatementJob& job) {
    if (report.connection && report.connection->forgets_warnings()) keep_warnings(report, job);
}

// Of ALTER TABLE … WAIT n, SELECT … FOR UPDATE NOWAIT and the like.
[[nodiscard]] std::optional<std::uint64_t> wait_in_text(std::string_view sql) {
    constexpr std::size_t tokens_max = 4'000;
    const std::vector<Token> tokens = scan(sql, tokens_max);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].is("NOWAIT")) return 0;
        const bool told = tokens[i].is("WAIT") && i + 1 < tokens.size() && tokens[i + 1].kind == Token::Kind::number;
        if (told) return number_in(std::string(tokens[i + 1].text));
    }
    return std::nullopt;
}

}  // namespace

Error lost_connection(const Error& cause, bool in_transaction) {
    if (cause.mysql_code == error_interrupted) {
        const std::string rolled_back =
            in_transaction ? " in the middle of its result, the transaction was rolled back" : "";
        return Error{ErrorCode::sql, cause.message + rolled_back, error_interrupted, "70100"};
    }
    const std::string text = "the connection to the database server was lost, the " +
                             std::string(in_transaction ? "transaction" : "statement") +
                             " was rolled back: " + cause.message;
    if (in_transaction) return Error{ErrorCode::sql, text, 1213, "40001"};
    return Error{ErrorCode::sql, text, error_connection_killed, "70100"};
}

Error cannot_commit(const Classified& statement, Error error) {
    error.message =
        std::string(statement.block ? "a block of statements sent to ddb" : "a procedure called through ddb") +
        " cannot commit, roll back or run definitions by itself (of temporary tables, CREATE and DROP TEMPORARY TABLE "
        "only): " +
        error.message;
    return error;
}

JobReport run_plain(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    report.end =
        run_statement(*report.connection, {job.sql, {}, {}, job.describe}, job.session, job.request, *job.stream);
    drop_if_unusable(report);
    admit_roles(report, job);
    learn_generated_id(report, job);
    return report;
}

JobReport look_at(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    KeptResult columns(job.kept_bytes_max);  // that it would have: of no interest
    report.end = run_statement(*report.connection, {job.sql, {}, {}, true}, job.session, job.request, columns);
    drop_if_unusable(report);
    return report;
}

JobReport ask_under_locks(ConnectionPtr connection, const StatementJob& job, const std::string& lock_sql,
                          const LockQuestions& questions) {
    JobReport report;
    report.connection = std::move(connection);
    const auto note = [&](const Error& error) {
        if (error.code == ErrorCode::sql && !forbidden_by_locks(error.mysql_code)) return;
        report.end.error = error;
    };
    const auto look = [&](const std::string& sql) {
        KeptResult columns(job.kept_bytes_max);
        const StatementEnd end =
            run_statement(*report.connection, {sql, {}, {}, true}, job.session, job.request, columns);
        if (end.error) note(*end.error);
    };
    if (auto locked = report.connection->execute(lock_sql); !locked) {
        note(locked.error());  // on what it cannot lock the server has no opinion
        drop_if_unusable(report);
        return report;
    }
    for (const std::string& sql : questions.prepare) {
        if (!report.end.error) look(sql);
    }
    for (const std::string& sql : questions.explain) {
        if (report.end.error) break;
        if (auto done = report.connection->execute(sql); !done) note(done.error());
    }
    drop_if_unusable(report);
    keep_warnings(report, job);
    if (report.connection && !report.connection->execute("UNLOCK TABLES")) report.connection.reset();
    return report;
}

JobReport ask_lock_wait(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    auto seconds = wait_in_text(job.sql);
    if (!seconds) {
        const auto asked = report.connection->scalar("SELECT CAST(@@lock_wait_timeout AS BINARY) LIMIT 1");
        if (!asked) report.end.error = asked.error();
        if (asked) seconds = number_in(*asked);
        drop_if_unusable(report);
    }
    constexpr std::uint64_t most_s = UINT32_MAX;
    report.wait_ms = std::min(seconds.value_or(0), most_s) * 1000;
    return report;
}

JobReport keep_last_warnings(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    if (report.connection->start(show_warnings_sql))
        report.warnings = read_warnings(*report.connection, job.session, job.request);
    if (report.connection->broken()) report.connection.reset();
    return report;
}

JobReport run_read(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    const std::array<std::string, 2> before{"SET TRANSACTION READ ONLY", xa_sql("START", job.xid)};
    run_behind(report, job, before, {}, *job.stream);
    drop_if_unusable(report);
    keep_forgotten_warnings(report, job);
    if (!report.end.error && report.connection) {
        end_and_keep(report, job.xid);
        learn_left_state(report);
        learn_generated_id(report, job);
        return report;
    }
    end_and_roll_back(report, job.xid);
    learn_left_state(report);
    learn_hidden_text(report, job);
    const bool writes = report.end.error && report.end.error->mysql_code == error_read_only_transaction;
    if (!writes || job.read_only || report.end.answered || !report.connection) return report;
    return run_write(std::move(report.connection), job);
}

JobReport run_write(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    KeptResult kept(job.kept_bytes_max);
    // XA PREPARE goes along: one round trip for all. Behind a statement that failed it prepares our marker and nothing
    // else, which is rolled back.
    auto behind = job.database->prepare_sql(job.xid);
    const bool forgets = report.connection->forgets_warnings();
    if (forgets) behind.insert(behind.begin(), show_warnings_sql);
    run_behind(report, job, job.database->begin_sql(job.xid, job.txn), behind, kept);
    drop_if_unusable(report);
    if (!report.connection) {
        report.xa_uncertain = true;
        return report;
    }
    if (forgets && report.connection->next_behind())
        report.warnings = read_warnings(*report.connection, job.session, job.request);
    const auto prepared = report.connection->finish_behind();
    learn_left_state(report);
    if (!report.end.error) {
        report.kept = kept.release();
        finish_prepare(report, job, prepared);
        if (report.end.error) report.kept.clear();
        learn_generated_id(report, job);
        mend_own_rows(job);
        report.xa_uncertain = report.xa_uncertain || !report.connection;
        return report;
    }
    if (report.end.error->code == ErrorCode::sql) report.kept = kept.release_ended();
    if (report.connection->broken()) report.xa_uncertain = true;
    if (prepared.ok()) {
        // No XA END: its failure would take the place of the statement's own error in SHOW WARNINGS.
        if (!report.connection->execute(xa_sql("ROLLBACK", job.xid)).ok()) {
            report.connection.reset();
            report.xa_uncertain = true;
        }
        drop_if_unusable(report);
    } else {
        end_and_roll_back(report, job.xid);
    }
    learn_hidden_text(report, job);
    return report;
}

std::vector<std::string> before_in_transaction(const StatementJob& job) {
    if (!job.begin) return {};
    std::vector<std::string> before =
        job.read_only ? std::vector<std::string>{"SET TRANSACTION READ ONLY", xa_sql("START", job.xid)}
                      : job.database->begin_sql(job.xid, job.txn);
    if (job.read_write) before.insert(before.begin(), "SET TRANSACTION READ WRITE");
    // XA START has no snapshot of its own; the first read of a table that everybody may read opens it.
    if (job.snapshot) before.emplace_back("SELECT COUNT(*) FROM ddb_meta.transactions_log WHERE log_index = 0");
    return before;
}

bool is_one_call(const StatementJob& job) {
    const bool fits = job.sql.size() <= storage::Connection::early_bytes_max;
    return fits && !job.check_first && !job.describe && !job.file && !hides_generated_id(job.kind, job.sql);
}

JobReport run_in_transaction(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    run_behind(report, job, before_in_transaction(job), {}, *job.stream);
    drop_if_unusable(report);
    learn_left_state(report);
    if (report.end.error || hides_generated_id(job.kind, job.sql)) keep_forgotten_warnings(report, job);
    learn_generated_id(report, job);
    if (!report.end.error) mend_own_rows(job);
    admit_roles(report, job);
    report.xa_active = report.connection != nullptr;
    if (!report.connection || !report.end.error) return report;
    if (job.kind == StatementKind::execute && report.end.error->mysql_code == error_xa_state) {
        report.hidden = hidden_command(*report.connection, job.sql);
        learn_hidden_text(report, job);
        if (report.connection && report.connection->broken()) report.connection.reset();
        report.xa_active = report.connection != nullptr;
        if (!report.connection) return report;
    }
    // A first statement that failed has done nothing: start afresh next time. Of several, those before have.
    const bool nothing_done = job.begin && !keeps_what_ran(job, *report.end.error);
    if (nothing_done || ends_transaction(report.end.error->mysql_code)) {
        end_and_roll_back(report, job.xid);
        report.xa_active = false;
    }
    return report;
}

JobReport prepare(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    finish_prepare(report, job, report.connection->execute_all(job.database->prepare_sql(job.xid)));
    return report;
}

JobReport commit_read_only(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    end_and_keep(report, job.xid);
    return report;
}

JobReport forget_next(ConnectionPtr connection, const StatementJob& /*job*/) {
    JobReport report;
    report.connection = std::move(connection);
    (void)report.connection->execute("ROLLBACK");
    drop_if_unusable(report);
    return report;
}

JobReport roll_back(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    end_and_roll_back(report, job.xid);
    return report;
}

bool roll_back_orphan(const storage::LocalDatabase& database, const StatementJob& job) {
    constexpr std::uint16_t unknown_xid = 1397;
    const auto deadline = steady_clock::now() + ending_ms_max;
    while (steady_clock::now() < deadline) {
        const Status done = database.roll_back(job.xid);
        if (done) return true;
        // Not there: rolled back, or its PREPARE is still running on the connection that is going away.
        if (done.error().code == ErrorCode::sql && done.error().mysql_code != unknown_xid) return false;
        std::this_thread::sleep_for(look_again_ms);  // the server tells nobody when a lost connection has ended
    }
    return true;
}

}  // namespace ddb::session
