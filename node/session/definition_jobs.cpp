#include <algorithm>
#include <chrono>
#include <thread>

#include "node/session/crash_traces.hpp"
#include "node/session/definition_refusals.hpp"
#include "node/session/dropped_databases.hpp"
#include "node/session/job_endings.hpp"
#include "node/session/key_demands.hpp"
#include "node/session/keyless_tables.hpp"
#include "node/session/lost_keys.hpp"
#include "node/session/own_names.hpp"
#include "node/session/statement_jobs.hpp"
#include "node/session/temporary_renames.hpp"
#include "node/storage/failpoint.hpp"

// The job of a definition: which text of it to run, and what the server's log has of it afterwards.
namespace ddb::session {
namespace {

using std::chrono::steady_clock;

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
        auto connection = job.database->connect(job.user, job.password, "", job.login);
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
        (void)(*connection)->execute_all(job.database->statement_end_sql());
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

// A session whose password has expired may say nothing but SET PASSWORD, so it cannot say what goes ahead of that.
[[nodiscard]] Error by_another_account(Error error) {
    constexpr std::uint16_t must_change_password = 1820;
    if (error.mysql_code == must_change_password)
        error.message += "; through ddb another account has to, by ALTER USER … IDENTIFIED BY";
    return error;
}

// It is said to have run from here on: after a loss of power it must have. Where it cannot be forced to the disk, the
// server does that by itself within a second.
void mend_behind(const JobReport& report, const StatementJob& job, std::string_view sql) {
    if (report.logged) (void)job.database->force_to_disk();
    drop_what_was_left(report, job, sql);
    mend_own_rows(job);
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
    const bool may_lack_key = job.database->demands_keys() && may_leave_without_key(*report.connection, *sql);
    if (auto lost = may_lack_key ? refuse_lost_key(*job.database, *report.connection, *sql) : std::nullopt) {
        report.end.error = std::move(*lost);
        if (report.connection->broken()) report.connection.reset();
        return report;
    }
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
    if (auto begun =
            report.connection->execute_all(job.database->statement_begin_sql(job.sequence, intent.traces_of_run != 0));
        !begun) {
        report.end.error = by_another_account(begun.error());
        if (report.connection->broken()) report.connection.reset();
        (void)job.journal->clear_intent(intent);
        return report;
    }
    mend_before_accounts_are_read(job);
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
    mend_behind(report, job, *sql);
    if (!report.logged && !report.uncertain) (void)job.journal->clear_intent(intent);
    return report;
}

}  // namespace ddb::session
