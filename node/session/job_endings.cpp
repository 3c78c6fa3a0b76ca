#include "node/session/job_endings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "node/session/sql_scan.hpp"

namespace ddb::session {

void drop_if_unusable(JobReport& report) {
    if (!report.connection) return;
    const bool unread = report.end.error && report.end.error->code != ErrorCode::sql;
    if (unread || report.connection->broken()) report.connection.reset();
}

void learn_left_state(JobReport& report) {
    report.left_state = report.left_state || (report.connection && report.connection->left_state());
}

void keep_warnings(JobReport& report, const StatementJob& job) {
    if (!report.connection || (!report.end.error && report.end.ok.warnings == 0)) return;
    learn_left_state(report);
    if (report.connection->start(show_warnings_sql))
        report.warnings = read_warnings(*report.connection, job.session, job.request);
    if (report.connection->broken()) report.connection.reset();
}

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

void mend_own_rows(const StatementJob& job) {
    // Texts that are not seen here, as those of procedures, are for the node's next look, within a second.
    constexpr std::array<std::string_view, 3> tables{"PROC", "PROCS_PRIV", "TABLES_PRIV"};
    constexpr std::array<std::string_view, 4> accounts{"GLOBAL_PRIV", "USER", "DB", "GLOBAL_GRANTS"};
    constexpr std::size_t tokens_max = 200;
    if (job.database == nullptr || job.describe) return;
    const auto has = [&](std::string_view word) { return contains_ignoring_case(job.sql, word); };
    const bool of_accounts = has("MYSQL");
    if (!of_accounts && !has("PROC") && !has("TABLES_PRIV")) return;
    const auto tokens = scan(job.sql, tokens_max);
    const bool named = std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) {
        return listed(token.text, tables) || (of_accounts && listed(token.text, accounts));
    });
    if (named) (void)job.database->mend_own_rows();
}

void mend_before_accounts_are_read(const StatementJob& job) {
    const bool may = contains_ignoring_case(job.sql, "FLUSH") && contains_ignoring_case(job.sql, "PRIVILEGES");
    if (may && job.database != nullptr && !job.describe) (void)job.database->mend_own_rows();
}

void admit_roles(JobReport& report, const StatementJob& job) {
    if (job.kind != StatementKind::set || job.database == nullptr || job.describe) return;
    if (report.end.error || !report.connection) return;
    const auto tokens = scan(job.sql, 2);
    if (tokens.size() < 2 || !tokens[0].is("SET") || !tokens[1].is("ROLE")) return;
    const auto given = job.database->admit_roles(*report.connection);
    if (given.ok() && *given) (void)report.connection->execute(job.sql);
    if (report.connection->broken()) report.connection.reset();
}

std::uint64_t number_in(const std::optional<std::string>& digits) {
    std::uint64_t number = 0;
    if (digits) (void)std::from_chars(digits->data(), digits->data() + digits->size(), number);
    return number;
}

}  // namespace ddb::session
