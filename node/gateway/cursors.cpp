// Cursors of prepared statements. A server keeps the rows of one in a temporary table; here they are kept in memory, as
// far as a client's share of it goes. Where they would take more the cursor is declined, as a server may: the rows come
// at once.
#include <utility>

#include "node/gateway/conversation.hpp"
#include "node/gateway/prepared_statement.hpp"

namespace ddb::gateway {
namespace {

[[nodiscard]] std::size_t bytes_of(const std::string& row) {
    return row.size() + sizeof(row);
}

}  // namespace

void Conversation::close_cursor(PreparedStatement& statement) {
    prepared_bytes_ -= statement.cursor_bytes;
    statement.bytes -= statement.cursor_bytes;
    statement.cursor_bytes = 0;
    statement.cursor.reset();
}

void Conversation::hold_row(std::string row) {
    PreparedStatement& statement = *prepared_.at(running_->statement);
    const std::size_t bytes = bytes_of(row);
    statement.cursor->push_back(std::move(row));
    statement.cursor_bytes += bytes;
    statement.bytes += bytes;
    prepared_bytes_ += bytes;
    if (prepared_bytes_ > limits_.prepared_bytes_max) decline_cursor();
}

void Conversation::decline_cursor() {
    running_->holds_rows = false;
    PreparedStatement& statement = *prepared_.at(running_->statement);
    put_columns();
    put_end_of_columns(false);
    for (auto& rows = *statement.cursor; !rows.empty(); rows.pop_front()) put(rows.front());
    close_cursor(statement);
}

void Conversation::open_cursor(std::uint16_t warnings) {
    running_->holds_rows = false;
    put_columns();
    put_end_of_rows(status_flags_ | status_cursor_exists, warnings);
    finish();
}

// The one that asks for more rows than there are closes the cursor.
void Conversation::on_fetch(std::string_view payload) {
    FieldReader fields(payload);
    PreparedStatement* statement = find_statement(fields.integer(4), "mysqld_stmt_fetch");
    if (statement == nullptr) return;
    if (!statement->cursor) {
        return put_error(Error{ErrorCode::invalid_argument,
                               "The statement (" + std::to_string(statement->id) + ") has no open cursor", 1421,
                               "HY000"});
    }
    auto& rows = *statement->cursor;
    std::uint64_t wanted = fields.integer(4).value_or(0);
    for (; wanted > 0 && !rows.empty(); --wanted) {
        const std::size_t bytes = bytes_of(rows.front());
        put(rows.front());
        rows.pop_front();
        statement->cursor_bytes -= bytes;
        statement->bytes -= bytes;
        prepared_bytes_ -= bytes;
    }
    const bool last = wanted > 0;
    put_end_of_rows(status_flags_ | (last ? status_last_row_sent : status_cursor_exists), 0);
    if (last) close_cursor(*statement);
}

}  // namespace ddb::gateway
