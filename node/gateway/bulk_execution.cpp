#include "node/gateway/bulk_execution.hpp"

#include <algorithm>
#include <utility>

#include "node/gateway/conversation.hpp"
#include "node/gateway/packets.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::gateway {
namespace {

using session::SqlScanner;
using session::Token;

constexpr std::uint64_t types_follow = 128;
enum Indicator : std::uint8_t { has_value = 0, is_null = 1, is_default = 2, is_ignored = 3 };

Error bad_arguments() {
    return Error{ErrorCode::invalid_argument, "Incorrect arguments to mysqld_stmt_bulk_execute", 1210, "HY000"};
}

Error not_in_bulk() {
    return Error{ErrorCode::invalid_argument, "This command is not supported in the prepared statement protocol yet",
                 1295, "HY000"};
}

}  // namespace

Result<BulkExecution> BulkExecution::open(std::string_view payload, PreparedStatement& statement, bool no_backslash) {
    const Token verb = SqlScanner(statement.sql).next();
    BulkExecution out;
    out.inserts_ = verb.is("INSERT") || verb.is("REPLACE");
    const bool served = out.inserts_ || verb.is("UPDATE") || verb.is("DELETE");
    if (!served || statement.placeholders.empty()) return not_in_bulk();
    FieldReader fields(payload);
    const auto flags = fields.integer(2);
    if (!flags || (*flags & ~types_follow) != 0) return bad_arguments();
    const bool typed = (*flags & types_follow) != 0;
    if (typed && !read_types(fields, statement.placeholders.size(), statement.types)) return bad_arguments();
    if (statement.types.size() != statement.placeholders.size() || fields.empty()) return bad_arguments();
    out.sql_ = statement.sql;
    out.placeholders_ = statement.placeholders;
    out.types_ = statement.types;
    out.rows_ = fields.rest();
    out.no_backslash_ = no_backslash;
    // The scanner takes backslashes for escapes.
    const bool readable = !no_backslash || out.sql_.find('\\') == std::string::npos;
    if (out.inserts_ && readable) out.row_ = only_row(statement);
    return out;
}

std::optional<BulkExecution::Row> BulkExecution::only_row(const PreparedStatement& statement) {
    SqlScanner scanner(statement.sql);
    Row row;
    int depth = 0;
    bool behind_values = false;
    bool inside = false;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (row.end != 0) {
            if (token.symbol(',')) return std::nullopt;
            break;
        }
        if (token.symbol('(') && depth++ == 0 && behind_values) {
            inside = true;
            row.begin = token.offset;
        }
        if (token.symbol(')') && --depth == 0 && inside) row.end = token.offset + 1;
        behind_values = depth == 0 && (token.is("VALUES") || token.is("VALUE"));
    }
    if (row.end == 0 || scanner.saw_versioned_comment()) return std::nullopt;
    for (const std::size_t place : statement.placeholders) {
        if (place <= row.begin || place >= row.end) return std::nullopt;
        row.placeholders.push_back(place - row.begin);
    }
    return row;
}

Result<std::vector<Parameter>> BulkExecution::next_parameters() {
    FieldReader fields(std::string_view(rows_).substr(taken_));
    std::vector<Parameter> parameters(types_.size());
    for (std::size_t i = 0; i < types_.size(); ++i) {
        Parameter& parameter = parameters[i];
        parameter.take_type(types_[i]);
        const auto indicator = fields.integer(1);
        if (!indicator) return bad_arguments();
        parameter.null = *indicator == is_null;
        // To leave a column as it is, an UPDATE would need another text.
        parameter.is_default = *indicator == is_default || (*indicator == is_ignored && inserts_);
        if (parameter.null || parameter.is_default) continue;
        const auto value = *indicator == has_value ? read_value(fields, parameter.type) : std::nullopt;
        if (!value) return bad_arguments();
        parameter.value = *value;
    }
    taken_ = rows_.size() - fields.rest().size();
    return parameters;
}

Result<std::optional<std::string>> BulkExecution::next() {
    if (taken_ == rows_.size()) return std::optional<std::string>();
    if (row_) return all_rows();
    const auto parameters = next_parameters();
    if (!parameters) return parameters.error();
    auto text = gateway::bind(sql_, placeholders_, *parameters, no_backslash_);
    if (!text) return text.error();
    return std::optional(std::move(*text));
}

Result<std::optional<std::string>> BulkExecution::all_rows() {
    const std::string_view row = std::string_view(sql_).substr(row_->begin, row_->end - row_->begin);
    std::string out = sql_.substr(0, row_->begin);
    while (taken_ < rows_.size()) {
        if (out.size() > row_->begin) out += ',';
        const auto parameters = next_parameters();
        if (!parameters) return parameters.error();
        const auto text = gateway::bind(row, row_->placeholders, *parameters, no_backslash_);
        if (!text) return text.error();
        out += *text;
        if (out.size() + sql_.size() - row_->end > statement_bytes_max) return statement_too_long();
    }
    out.append(sql_, row_->end);
    return std::optional(std::move(out));
}

void BulkExecution::add(const Outcome& outcome) {
    outcome_.affected_rows += outcome.affected_rows;
    if (outcome_.last_insert_id == 0) outcome_.last_insert_id = outcome.last_insert_id;
    outcome_.warnings = outcome.warnings;
}

void Conversation::on_bulk_execute(std::string_view payload) {
    FieldReader fields(payload);
    PreparedStatement* statement = find_statement(fields.integer(4), "mysqld_stmt_bulk_execute");
    if (statement == nullptr) return;
    close_cursor(*statement);
    auto bulk = BulkExecution::open(fields.rest(), *statement, (status_flags_ & status_no_backslash_escapes) != 0);
    if (!bulk) return put_error(bulk.error());
    auto sql = bulk->next();
    if (!sql) return put_error(sql.error());
    running_.emplace();
    running_->statement = statement->id;
    running_->answer = bulk->whole() ? Answer::binary : Answer::bulk;
    if (!bulk->whole()) running_->bulk = std::move(*bulk);
    state_ = State::running;
    execute_now(std::move(**sql));
}

void Conversation::end_bulk(const ResultEnd& end) {
    if (end.more && !end.error) return;
    BulkExecution& bulk = *running_->bulk;
    bulk.add(end.outcome);
    auto sql = end.error ? Result<std::optional<std::string>>(*end.error) : bulk.next();
    if (!sql) {
        put_error(sql.error());
        return finish();
    }
    if (*sql) return execute_now(std::move(**sql));
    OkAnswer ok;
    ok.status_flags = status_flags_;
    ok.affected_rows = bulk.sum().affected_rows;
    ok.last_insert_id = bulk.sum().last_insert_id;
    ok.warnings = bulk.sum().warnings;
    put(encode_ok(ok, capabilities_));
    finish();
}

}  // namespace ddb::gateway
