// Statements of ddb's own: the session's read level and write concern, and what a node tells of the cluster. No server
// knows them; the node that the client talks to answers.
#include <utility>

#include "node/session/front_session.hpp"

namespace ddb::session {
namespace {

constexpr std::string_view recent_transactions =
    "SELECT log_index, epoch, txn, kind, statement_count, `rows`, created_at FROM ddb_meta.transactions_log "
    "ORDER BY log_index DESC LIMIT 100";

constexpr std::uint8_t type_var_string = 253;
constexpr std::uint16_t charset_utf8mb4 = 45;
constexpr std::uint32_t text_bytes_max = 1024;

Column text_column(std::string name) {
    Column column;
    column.name = std::move(name);
    column.type = type_var_string;
    column.charset = charset_utf8mb4;
    column.length = text_bytes_max;
    return column;
}

// As in ResultRows.
void put_value(std::string& out, const std::optional<std::string>& value) {
    constexpr std::size_t one_byte_max = 250;
    constexpr std::size_t two_bytes_max = 65'535;
    if (!value) {
        out.push_back('\xfb');
        return;
    }
    const std::string_view text = std::string_view(*value).substr(0, two_bytes_max);
    if (text.size() > one_byte_max) out.push_back('\xfc');
    out.push_back(static_cast<char>(text.size() & 0xff));
    if (text.size() > one_byte_max) out.push_back(static_cast<char>(text.size() >> 8));
    out += text;
}

}  // namespace

// True when the request was answered.
bool FrontSession::answer_of_ddb() {
    Active& active = *active_;
    if (read_consistency_) active.execute.consistency = *read_consistency_;
    if (write_concern_) active.execute.write_concern = *write_concern_;
    // Waiting for what others wrote would tell nothing newer, and behind a long definition it hides what runs.
    if (active.statement.of_server) active.execute.consistency = Consistency::local;
    const bool describe = active.execute.describe;
    if (active.statement.kind == StatementKind::ddb_set) {
        if (!describe && active.statement.read_consistency) read_consistency_ = active.statement.read_consistency;
        if (!describe && active.statement.standard_balance) read_balance_.reset();
        if (!describe && active.statement.read_balance) read_balance_ = active.statement.read_balance;
        if (!describe && active.statement.write_concern) write_concern_ = active.statement.write_concern;
        finish(make_end());
        return true;
    }
    if (active.statement.kind != StatementKind::ddb_show) return false;
    if (active.statement.view == DdbView::transactions) {
        active.execute.sql = recent_transactions;
        active.statement = classify(recent_transactions);
        active.only_here = true;
        return false;
    }
    NodeTable table = parts_.host.show(active.statement.view);
    if (describe) table.rows.clear();
    answer_table(table);
    return true;
}

void FrontSession::answer_table(const NodeTable& table) {
    ResultHeader header{open_.session, active_->execute.request, {}};
    for (const std::string& name : table.columns) header.columns.push_back(text_column(name));
    send(std::move(header));
    ResultRows rows{open_.session, active_->execute.request, 0, {}};
    for (const auto& row : table.rows) {
        for (const auto& value : row) put_value(rows.rows, value);
        ++rows.row_count;
    }
    if (rows.row_count > 0) send(std::move(rows));
    ResultEnd end = make_end();
    end.rows = table.rows.size();
    finish(std::move(end));
}

}  // namespace ddb::session
