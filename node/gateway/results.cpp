// What the session engine answers, as the client's protocol has it.
#include <algorithm>
#include <utility>

#include "node/gateway/conversation.hpp"
#include "node/gateway/prepared_statement.hpp"
#include "node/gateway/statements.hpp"

namespace ddb::gateway {
namespace {

// A server's connection to us tracks more than a client is told of.
constexpr std::uint16_t of_an_answer =
    status_more_results | status_cursor_exists | status_last_row_sent | status_session_state_changed;

Column parameter_column() {
    Column column;
    column.name = "?";
    column.type = 6;  // NULL: a server does not know more either
    column.charset = 63;
    column.flags = 128;
    return column;
}

}  // namespace

// A client of prepared statements learns here, and only here, that more results follow.
void Conversation::put_end_of_columns(bool more, std::uint16_t also) {
    if ((capabilities_ & capability::deprecate_eof) != 0) return;
    put(encode_eof(static_cast<std::uint16_t>(status_flags_ | also | (more ? status_more_results : 0)), 0));
}

void Conversation::put_end_of_rows(std::uint16_t status_flags, std::uint16_t warnings) {
    if ((capabilities_ & capability::deprecate_eof) == 0) return put(encode_eof(status_flags, warnings));
    OkAnswer ok;
    ok.status_flags = status_flags;
    ok.warnings = warnings;
    put(encode_ok(ok, capabilities_, 0xFE));
}

// Columns are called by their text, and the client knows it with placeholders.
void Conversation::name_columns() {
    const auto found = prepared_.find(running_->statement);
    if (found == prepared_.end() || found->second->columns != running_->columns.size()) return;
    for (const auto& [number, name] : found->second->names) running_->columns[number].name = name;
}

void Conversation::put_columns() {
    running_->answered = true;
    put(encode_column_count(running_->columns.size()));
    for (const Column& column : running_->columns) put(encode_column(column, capabilities_));
}

void Conversation::on_result_header(ResultHeader header) {
    running_->columns = std::move(header.columns);
    running_->in_result = true;
    if (running_->answer != Answer::text && running_->answer != Answer::binary) return;
    if (running_->answer == Answer::binary) name_columns();
    if (running_->holds_rows) {
        prepared_.at(running_->statement)->cursor.emplace();
        return;
    }
    put_columns();
    const bool outs = running_->stage == CallStage::reading;
    put_end_of_columns(running_->call || outs || !running_->statements.empty(), outs ? status_out_parameters : 0);
}

void Conversation::on_result_rows(const ResultRows& rows) {
    credit_owed_ += static_cast<std::uint32_t>(rows.rows.size());
    if (running_->answer == Answer::text || running_->answer == Answer::binary) {
        RowCutter cutter(rows.rows, running_->columns.size());
        for (;;) {
            auto row = cutter.next();
            if (!row) return break_result(row.error());
            if (!*row) break;
            if (running_->answer == Answer::text) {
                put(**row);
                continue;
            }
            auto binary = binary_row(**row, running_->columns);
            if (!binary) return break_result(binary.error());
            if (running_->holds_rows) {
                hold_row(std::move(*binary));
            } else {
                put(*binary);
            }
        }
    }
    if (output_.size() < limits_.output_bytes_high) on_output_drained();
}

void Conversation::on_output_drained() {
    if (credit_owed_ == 0 || !running_) return;
    host_.send(Credit{session_, request_, std::exchange(credit_owed_, 0)});
}

// A result that cannot go on: the client gets the error in place of its end.
void Conversation::break_result(const Error& error) {
    host_.send(Cancel{session_, request_});
    request_ = RequestNumber{request_.value + 1};  // what still comes of it belongs to nobody
    put_error(error);
    finish();
}

void Conversation::on_result_end(ResultEnd end) {
    seen_ = std::max(seen_, end.index);
    if (end.wait_timeout_s != 0) wait_timeout_s_ = end.wait_timeout_s;
    // Only the last one knows them.
    if (!end.more) status_flags_ = static_cast<std::uint16_t>(end.status_flags & ~of_an_answer);
    credit_owed_ = 0;
    OkAnswer ok;
    // None at all is told as well: the session's own may have been dropped. Of a result with more behind it, and of an
    // error, no database says nothing.
    const bool says_database = !end.database.empty() || (!end.more && !end.error);
    if (says_database && end.database != database_) {
        database_ = end.database;
        ok.new_database = database_;
    }
    if (running_->answer == Answer::describe) return answer_describe(end);
    if (running_->answer == Answer::together || running_->answer == Answer::login) return end_together(end);
    if (running_->answer == Answer::bulk) return end_bulk(end);
    if (running_->stage != CallStage::none && go_on_with_call(end)) return;
    if (end.error) {
        put_error(*end.error);
        return finish();
    }
    if (running_->answer == Answer::field_list) return end_field_list(end);
    if (running_->holds_rows && running_->in_result) {
        if (!end.more) return open_cursor(end.outcome.warnings);
        decline_cursor();
    }
    const bool more = end.more || !running_->statements.empty();
    ok.status_flags = static_cast<std::uint16_t>(status_flags_ | (more ? status_more_results : 0));
    ok.warnings = end.outcome.warnings;
    const bool rows = std::exchange(running_->in_result, false);
    if (!rows) {
        ok.affected_rows = end.outcome.affected_rows;
        ok.last_insert_id = end.outcome.last_insert_id;
        ok.info = end.outcome.info;
        put(encode_ok(ok, capabilities_));
    } else if ((capabilities_ & capability::deprecate_eof) != 0) {
        put(encode_ok(ok, capabilities_, 0xFE));
    } else {
        put(encode_eof(ok.status_flags, ok.warnings));
    }
    if (end.more) return;
    if (running_->last) {
        state_ = State::closing;
        return;
    }
    if (running_->statements.empty()) return finish();
    std::string next = std::move(running_->statements.front());
    running_->statements.pop_front();
    execute_now(std::move(next));
}

void Conversation::end_field_list(const ResultEnd& end) {
    if (end.more) return;
    for (const Column& column : running_->columns) put(encode_column(column, capabilities_, true));
    put_eof();
    finish();
}

void Conversation::end_together(const ResultEnd& end) {
    if (end.error && running_->answer == Answer::login) return refuse(*end.error);
    if (end.error) {
        put_error(*end.error);
        return finish();
    }
    if (end.more) return;
    if (running_->statements.empty()) return logged_in_now();
    std::string next = std::move(running_->statements.front());
    running_->statements.pop_front();
    execute_now(std::move(next));
}

void Conversation::drop_described() {
    const auto found = prepared_.find(running_->statement);
    prepared_bytes_ -= found->second->bytes;
    prepared_.erase(found);
}

// COM_STMT_PREPARE_OK: https://mariadb.com/kb/en/com_stmt_prepare/
void Conversation::answer_describe(const ResultEnd& end) {
    const std::size_t parameters = prepared_.at(running_->statement)->placeholders.size();
    if (end.error) {
        drop_described();
        put_error(*end.error);
        return finish();
    }
    if (end.parameters && *end.parameters != parameters) {
        // Values would be written where the server sees no place for them.
        drop_described();
        put_error(Error{ErrorCode::invalid_argument,
                        "The server sees " + std::to_string(*end.parameters) + " parameters in this statement, ddb " +
                            std::to_string(parameters) + ": write no '?' inside of /*! comments",
                        1210, "HY000"});
        return finish();
    }
    last_prepared_ = running_->statement;
    PreparedStatement& statement = *prepared_.at(running_->statement);
    statement.columns = running_->columns.size();
    for (std::size_t i = 0; parameters > 0 && i < running_->columns.size(); ++i) {
        const std::string& name = running_->columns[i].name;
        if (name.find('?') != std::string::npos) statement.names[i] = name;
    }
    std::string payload(1, '\0');
    put_int(payload, running_->statement, 4);
    put_int(payload, running_->columns.size(), 2);
    put_int(payload, parameters, 2);
    put_int(payload, 0, 1);
    put_int(payload, end.outcome.warnings, 2);
    put(payload);
    const std::string parameter = encode_column(parameter_column(), capabilities_);
    for (std::size_t i = 0; i < parameters; ++i) put(parameter);
    if (parameters > 0) put_end_of_columns(false);
    for (const Column& column : running_->columns) put(encode_column(column, capabilities_));
    if (!running_->columns.empty()) put_end_of_columns(false);
    finish();
}

}  // namespace ddb::gateway
