#include "node/session/statement_jobs.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <span>
#include <thread>
#include <vector>

#include "node/session/crash_traces.hpp"
#include "node/session/definition_refusals.hpp"
#include "node/session/dropped_databases.hpp"
#include "node/session/key_demands.hpp"
#include "node/session/keyless_tables.hpp"
#include "node/session/own_names.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/temporary_renames.hpp"
#include "node/storage/failpoint.hpp"

namespace ddb::session {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Not 2013: client libraries take an answer with a number of their own for damaged, and its text is lost.
constexpr std::uint16_t error_connection_killed = 1927;

// How long the server may take to end a statement whose connection was killed.
constexpr milliseconds ending_ms_max{10'000};
constexpr milliseconds look_again_ms{50};

// An error that is not the server's own answer leaves unread bytes or a dead socket: nothing more can be said on it.
void drop_if_unusable(JobReport& report) {
    if (!report.connection) return;
    const bool unread = report.end.error && report.end.error->code != ErrorCode::sql;
    if (unread || report.connection->broken()) report.connection.reset();
}

void end_and_roll_back(JobReport& report, const std::string& xid) {
    drop_if_unusable(report);
    if (!report.connection) return;
    const std::array<std::string, 2> sql{xa_sql("END", xid), xa_sql("ROLLBACK", xid)};
    (void)report.connection->execute_all(sql);  // XA END fails in rollback-only transactions, ROLLBACK does not mind
    if (report.connection->broken()) report.connection.reset();
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

std::uint64_t number_in(const std::optional<std::string>& digits) {
    std::uint64_t number = 0;
    if (digits) (void)std::from_chars(digits->data(), digits->data() + digits->size(), number);
    return number;
}

// Rows come without an insert id, and so does what a procedure did; another coordinator's session could not be given
// it. Servers keep a statement's warnings over this question, but not FOUND_ROWS().
void learn_generated_id(JobReport& report, const StatementJob& job) {
    if (job.describe || report.end.error || !report.connection) return;
    if (!hides_generated_id(job.kind, job.sql)) return;
    // As bytes, and by a LIMIT of its own: character_set_results may be utf16, sql_select_limit 0.
    const auto answer =
        report.connection->rows("SELECT CAST(FOUND_ROWS() AS BINARY), CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1");
    // MySQL would tell of the question's own warnings.
    if (report.connection->forgets_warnings()) (void)report.connection->execute("DO 0");
    if (report.connection->broken()) report.connection.reset();
    if (!answer || answer->size() != 1 || answer->front().size() != 2) return;
    report.end.found_rows = number_in(answer->front()[0]);
    report.end.generated_id = number_in(answer->front()[1]);
}

// The text to run in place of a definition's own: another one where a temporary table gets another name.
[[nodiscard]] Result<std::string> unlogged_rename(storage::Connection& connection, const std::string& sql) {
    const std::vector<std::string> names = renamed_tables(sql);
    if (names.empty() || !connection.logs_temporary_renames()) return sql;
    const bool temporary = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        const auto shown = shown_table(connection, name);
        return shown && shown->starts_with("CREATE TEMPORARY TABLE");
    });
    if (!temporary) return sql;
    if (names.size() == 1) return as_alter_table(sql);
    return Error{ErrorCode::invalid_argument,
                 "RENAME TABLE of several tables is refused where one of them is temporary: the other nodes, which do "
                 "not have that one, would rename what else is called so; rename each in a statement of its own",
                 1235, "42000"};
}

// The same where a table that was given a key of ours gets one of the client's.
[[nodiscard]] std::string with_one_key(storage::Connection& connection, const std::string& sql) {
    const std::string name = table_given_key(sql);
    if (name.empty()) return sql;
    const auto shown = shown_table(connection, name);
    return shown && has_row_key(*shown) ? without_row_key(sql) : sql;
}

// The text to run in place of one that means its user, or the role that is active. Names of other characters than ASCII
// would be written in the connection's set of them.
[[nodiscard]] Result<std::string> with_names(storage::Connection& connection, const StatementJob& job) {
    if (job.kind != StatementKind::account || !means_own_names(job.sql)) return job.sql;
    const auto asked = connection.rows("SELECT CAST(CURRENT_USER() AS BINARY), CAST(CURRENT_ROLE() AS BINARY) LIMIT 1");
    if (!asked) return asked.error();
    if (asked->size() != 1 || asked->front().size() < 2) return job.sql;
    const auto plain = [](const std::string& name) {
        return std::all_of(name.begin(), name.end(),
                           [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '`'; });
    };
    const std::string user = asked->front()[0].value_or("");
    const std::string role = asked->front()[1].value_or("");
    OwnNames names;
    if (job.grant && plain(user)) names.user = account_in_statement(user);
    const bool active = !role.empty() && role != "NONE";  // as MySQL has it
    if (active && plain(role)) names.role = storage::quoted_name(role);
    return with_own_names(job.sql, names);
}

// A procedure or block that failed in its middle: in a transaction what it did before that is there, as on a server,
// where a handler may have written down why. Not where it would have committed, which is refused, or was told to end.
[[nodiscard]] bool keeps_what_ran(const StatementJob& job, const Error& error) {
    const bool several = job.kind == StatementKind::call || job.kind == StatementKind::execute;
    const bool ended = error.mysql_code == error_xa_state || error.mysql_code == error_interrupted;
    return several && error.code == ErrorCode::sql && !ended && !ends_transaction(error.mysql_code);
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

void learn_left_state(JobReport& report) {
    report.left_state = report.left_state || (report.connection && report.connection->left_state());
}

// What follows on the statement's connection makes the server forget its warnings.
void keep_warnings(JobReport& report, const StatementJob& job) {
    if (!report.connection || (!report.end.error && report.end.ok.warnings == 0)) return;
    learn_left_state(report);
    if (report.connection->start(show_warnings_sql))
        report.warnings = read_warnings(*report.connection, job.session, job.request);
    if (report.connection->broken()) report.connection.reset();
}

void keep_forgotten_warnings(JobReport& report, const StatementJob& job) {
    if (report.connection && report.connection->forgets_warnings()) keep_warnings(report, job);
}

// As StatementIntent has it. What nobody can tell is of no run that there ever was.
[[nodiscard]] std::uint64_t traces_of_run(storage::Connection& connection, std::string_view sql) {
    if (!may_leave_traces(sql)) return 0;
    const auto run = storage::LocalDatabase::traces_of_run(connection);
    return run ? *run : 1;
}

// A GRANT is alone in changing them: what fails where it waits for a lock, is killed there or finds no room on the disk
// must not be said on nodes where nothing stands in its way.
class PrivilegesBefore {
  public:
    explicit PrivilegesBefore(const StatementJob& job) : job_(job) {
        if (!job.grant) return;
        if (auto digest = job.database->privileges_digest()) before_ = std::move(*digest);
    }
    [[nodiscard]] bool unchanged() const {
        if (before_.empty()) return false;
        const auto now = job_.database->privileges_digest();
        return now && *now == before_;
    }

  private:
    const StatementJob& job_;
    std::string before_;
};

// The connection died while the statement ran: waits until the server has ended it, then asks the server's own log.
void look_after_loss(JobReport& report, const StatementJob& job, std::uint64_t connection_id, std::uint64_t traces) {
    report.uncertain = true;
    const auto deadline = steady_clock::now() + ending_ms_max;
    while (steady_clock::now() < deadline) {
        auto connection = job.database->connect(job.user, job.password, "");
        if (!connection) return;
        auto alive = (*connection)
                         ->scalar("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = " +
                                  std::to_string(connection_id));
        if (!alive) return;
        if (*alive && **alive != "0") {
            std::this_thread::sleep_for(look_again_ms);  // the server tells nobody when a killed statement has ended
            continue;
        }
        auto gtid = storage::LocalDatabase::lost_statement_gtid(**connection, job.sequence);
        if (!gtid) return;
        const auto run = storage::LocalDatabase::traces_of_run(**connection);
        report.last_gtid = std::move(*gtid);
        report.logged = !report.last_gtid.empty();
        report.uncertain = !report.logged && traces != 0 && (!run || *run != traces);
        return;
    }
}

// What its server has left of a database that is gone on the other nodes.
void drop_what_was_left(const JobReport& report, const StatementJob& job, std::string_view sql) {
    const auto dropped = report.logged ? dropped_database(sql) : std::nullopt;
    if (!dropped) return;
    const bool made_anew = !report.end.error || report.end.error->code == ErrorCode::io;
    (void)job.database->drop_orphan_routines(made_anew ? dropped->replaced : std::string());
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
        report.xa_uncertain = report.xa_uncertain || !report.connection;
        return report;
    }
    if (report.end.error->code == ErrorCode::sql) report.kept = kept.release_ended();
    if (report.connection->broken()) report.xa_uncertain = true;
    if (prepared.ok()) {
        // No XA END: its failure would take the place of the statement's own error in SHOW WARNINGS.
        (void)report.connection->execute(xa_sql("ROLLBACK", job.xid));
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

namespace {

// A session whose password has expired may say nothing but SET PASSWORD, so it cannot say what goes ahead of that.
[[nodiscard]] Error by_another_account(Error error) {
    constexpr std::uint16_t must_change_password = 1820;
    if (error.mysql_code == must_change_password)
        error.message += "; through ddb another account has to, by ALTER USER … IDENTIFIED BY";
    return error;
}

}  // namespace

JobReport run_definition(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    if (const Status may = may_define(*report.connection, job); !may) {
        report.end.error = may.error();
        if (report.connection->broken()) report.connection.reset();  // a refusal is the node's own
        return report;
    }
    auto sql = with_names(*report.connection, job);
    if (sql && *sql != job.sql) report.ran = *sql;
    if (sql) sql = with_one_key(*report.connection, *sql);
    if (sql) sql = unlogged_rename(*report.connection, *sql);
    if (!sql) {
        report.end.error = sql.error();
        if (report.connection->broken()) report.connection.reset();
        return report;
    }
    const bool may_lack_key = may_leave_without_key(*report.connection, *sql);
    const storage::DefinitionClock::Running running(storage::may_make_routine(*sql) ? &job.database->definitions()
                                                                                    : nullptr);
    const storage::StatementIntent intent{job.txn, job.sequence, traces_of_run(*report.connection, *sql)};
    if (auto recorded = job.journal->record_intent(intent); !recorded) {
        report.end.error = recorded.error();
        return report;
    }
    storage::pass(storage::Failpoint::intent_recorded);
    const std::uint64_t connection_id = report.connection->id();
    const PrivilegesBefore privileges(job);
    if (auto begun = report.connection->execute_all(job.database->statement_begin_sql(job.sequence)); !begun) {
        report.end.error = by_another_account(begun.error());
        if (report.connection->broken()) report.connection.reset();
        (void)job.journal->clear_intent(intent);
        return report;
    }
    KeptResult kept(job.kept_bytes_max);
    KeyDemand keys(*job.database, may_lack_key);
    if (keys.failed()) {
        report.end.error = keys.failed();
    } else {
        report.end = run_statement(*report.connection, {*sql}, job.session, job.request, kept);
        run_with_key(report, job, *sql, keys, kept);
    }
    storage::pass(storage::Failpoint::statement_ran);
    if (!renamed_tables(job.sql).empty()) report.end.ok.info.clear();  // RENAME has none
    drop_if_unusable(report);
    if (report.connection) keys.end();
    keep_warnings(report, job);
    learn_generated_id(report, job);
    if (report.connection) {
        report.kept = kept.release();
        auto gtid = storage::LocalDatabase::statement_gtid(*report.connection, job.sequence);
        if (gtid) report.last_gtid = *gtid;
        report.logged = !report.last_gtid.empty();
        const bool failed_grant = job.grant && report.end.error && !report.logged && !privileges.unchanged();
        if (report.logged || failed_grant) {
            if (auto settings = failed_grant ? storage::LocalDatabase::whole_settings_event(*report.connection)
                                             : storage::LocalDatabase::settings_event(*report.connection))
                report.settings_event = std::move(*settings);
        }
        // What ran may have been a hidden LOCK TABLES or START TRANSACTION; the next XA START must find neither.
        auto after = job.database->statement_end_sql();
        after.insert(after.end(), {"ROLLBACK", "UNLOCK TABLES"});
        if (!report.connection->execute_all(after) || report.connection->broken()) report.connection.reset();
        if (!gtid) look_after_loss(report, job, connection_id, intent.traces_of_run);
    } else {
        look_after_loss(report, job, connection_id, intent.traces_of_run);
    }
    drop_what_was_left(report, job, *sql);
    if (!report.logged && !report.uncertain) (void)job.journal->clear_intent(intent);
    return report;
}

bool roll_back_orphan(const storage::LocalDatabase& database, const StatementJob& job) {
    constexpr std::uint16_t unknown_xid = 1397;
    const auto deadline = steady_clock::now() + ending_ms_max;
    while (steady_clock::now() < deadline) {
        auto connection = database.connect(job.user, job.password, "");
        if (connection) {
            auto done = (*connection)->execute(xa_sql("ROLLBACK", job.xid));
            if (done) return true;
            // Not there: rolled back, or its PREPARE is still running on the connection that is going away.
            if (done.error().mysql_code != unknown_xid) return false;
        }
        std::this_thread::sleep_for(look_again_ms);  // the server tells nobody when a lost connection has ended
    }
    return true;
}

}  // namespace ddb::session
