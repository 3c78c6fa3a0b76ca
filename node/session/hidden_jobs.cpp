// Texts that a statement hides, as jobs learn them.
#include <utility>

#include "node/session/hidden_texts.hpp"
#include "node/session/job_endings.hpp"
#include "node/session/statement_jobs.hpp"

namespace ddb::session {

void learn_hidden_text(JobReport& report, const StatementJob& job) {
    const bool commits = report.end.error && report.end.error->mysql_code == error_xa_state;
    if (job.kind != StatementKind::execute || !commits || !report.connection) return;
    if (!job.prepared_text.empty()) {
        report.hidden_text = job.prepared_text;
        return;
    }
    const std::string expression = executed_expression(job.sql);
    if (expression.empty()) return;
    report.hidden_text = ask_text(*report.connection, expression);
    if (report.connection->broken()) report.connection.reset();
}

JobReport run_prepare(ConnectionPtr connection, const StatementJob& job) {
    JobReport report = run_plain(std::move(connection), job);
    const auto prepared = prepared_as(job.sql);
    if (!prepared || prepared->expression.empty() || job.describe || report.end.error || !report.connection)
        return report;
    const std::string& expression = prepared->expression;
    const bool simple = expression.find('\\') == std::string::npos;  // what it stands for depends on sql_mode
    if (simple) report.hidden_text = literal_value(expression);
    if (!report.hidden_text) {
        keep_warnings(report, job);
        if (!report.connection) return report;
        report.hidden_text = ask_text(*report.connection, expression);
    }
    if (report.hidden_text && defines(*report.hidden_text)) {
        const Classified found = classify(*report.hidden_text);
        if (found.kind == StatementKind::refused) {
            (void)report.connection->execute("DEALLOCATE PREPARE " + storage::quoted_name(prepared->name));
            report.end.error = Error{ErrorCode::invalid_argument, found.refusal, 1235, "42000"};
        }
    }
    if (report.connection->broken()) report.connection.reset();
    return report;
}

}  // namespace ddb::session
