// Statements that are run again with another text, as the server refused theirs before any effect.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/session/back_session.hpp"
#include "node/session/classifier_rules.hpp"
#include "node/session/keyless_inserts.hpp"
#include "node/session/keyless_tables.hpp"
#include "node/session/node_account.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/temporary_engine.hpp"

namespace ddb::session {
namespace {

// The columns of a table that SELECT * has. A query that is only looked at leaves it to the transaction that comes next
// what SET TRANSACTION said; SHOW does not, but asks for less rights.
std::vector<std::string> visible_columns(storage::Connection& connection, const std::string& table) {
    std::vector<std::string> out;
    if (connection.describe("SELECT * FROM " + table).ok()) {
        for (const Column& column : connection.columns()) out.push_back(column.name);
        return out;
    }
    const auto shown = connection.rows("SHOW COLUMNS FROM " + table);
    for (const auto& row : shown ? *shown : std::vector<storage::Connection::Row>()) {
        constexpr std::size_t extra = 5;
        if (row.size() <= extra || row[extra].value_or("").find("INVISIBLE") != std::string::npos) continue;
        out.push_back(row[0].value_or(""));
    }
    return out;
}

// Of an INSERT that names no columns: the text with those that are visible; empty where they cannot be told.
JobReport name_columns(ConnectionPtr connection, const StatementJob& job) {
    JobReport report;
    report.connection = std::move(connection);
    std::string names;
    bool plain = true;
    for (const std::string& name : visible_columns(*report.connection, table_filled_unnamed(job.sql))) {
        plain =
            plain && std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
        names += (names.empty() ? "" : ", ") + storage::quoted_name(name);
    }
    // They come in the set of characters of results, and the text is in that of the client. In some a backquote may be
    // half a character.
    if (!plain) {
        const auto same = report.connection->scalar(
            "SELECT CAST(@@character_set_client = @@character_set_results AND @@character_set_client IN ('utf8mb4', "
            "'utf8mb3', 'latin1') AS BINARY) LIMIT 1");
        plain = same && *same == "1";
    }
    if (report.connection->broken()) report.connection.reset();
    if (!names.empty() && plain) report.ran = with_columns(job.sql, names);
    return report;
}

}  // namespace

// A temporary table without a key, or of another engine, which a server of ddb's refuses before any effect: once more,
// with one, or as InnoDB's.
bool BackSession::runs_again_otherwise(const JobReport& report) {
    const bool refused = report.end.error && !report.end.answered;
    constexpr std::uint16_t constraint_violated = 3819;
    if (refused && report.end.error->mysql_code == constraint_violated && asks_for_columns()) return true;
    if (!refused || active_->statement.kind != StatementKind::temporary_table) return false;
    const bool keyless = wants_key(report.end.error->mysql_code);
    if (!keyless && !wants_other_engine(report.end.error->message)) return false;
    const std::string check = row_check(report.end.error->mysql_code, txn_.txn);
    std::string sql = keyless ? with_row_key(active_->execute.sql, check) : with_innodb(active_->execute.sql);
    bool& done = keyless ? active_->row_key : active_->own_engine;
    if (sql.empty() || std::exchange(done, true)) return false;
    active_->execute.sql = std::move(sql);
    warnings_ = {};  // of the refusal, which the client does not see
    dispatch_kind();
    return true;
}

// What an EXECUTE hides, where that is a definition: as the statement that it is.
bool BackSession::runs_as_revealed(const JobReport& report) {
    if (!report.hidden_text || report.end.answered || closed_) return false;
    Classified found = classify(*report.hidden_text);
    const std::string& own = parts_.limits.service_user;
    if (found.kind == StatementKind::account && touches_account(*report.hidden_text, own))
        found = rules::refuse("the account '" + own + "' belongs to the node itself");
    if (found.kind != StatementKind::ddl && found.kind != StatementKind::account &&
        found.kind != StatementKind::refused)
        return false;
    active_->execute.sql = *report.hidden_text;
    active_->statement = std::move(found);
    mend_routine();
    dispatch_kind();
    return true;
}

void BackSession::note_prepared(const JobReport& report) {
    if (!active_) return;
    constexpr std::array<std::string_view, 3> read_otherwise{"SQL_MODE", "NAMES", "CHARACTER"};
    const StatementKind kind = active_->statement.kind;
    const std::string& sql = active_->execute.sql;
    const bool nothing_ran = report.end.error && report.hidden_text && !runs_several(classify(*report.hidden_text));
    const bool hides = kind == StatementKind::call || kind == StatementKind::execute;
    const bool sets = kind == StatementKind::set && std::any_of(read_otherwise.begin(), read_otherwise.end(),
                                                                [&](auto w) { return contains_ignoring_case(sql, w); });
    if (sets || (hides && !nothing_ran)) prepared_texts_.forget();
    if (kind != StatementKind::plain || report.end.error) return;
    if (const auto prepared = prepared_as(sql)) prepared_texts_.prepared(prepared->name, report.hidden_text, database_);
}

// An INSERT that names no columns, into a table that may have a key of ours.
bool BackSession::asks_for_columns() {
    if (active_->statement.kind != StatementKind::dml || active_->columns) return false;
    if (!connection_ || !connection_->leaves_out_defaults()) return false;
    if (table_filled_unnamed(active_->execute.sql).empty()) return false;
    active_->columns = true;
    start_job(name_columns, make_job(), &BackSession::columns_named);
    return true;
}

void BackSession::columns_named(JobReport report) {
    connection_ = std::move(report.connection);
    if (!connection_ || closed_) {
        (void)inside_error_ends_here(report);
        return;
    }
    if (!report.ran.empty()) active_->execute.sql = std::move(report.ran);
    warnings_ = {};
    dispatch_kind();
}

}  // namespace ddb::session
