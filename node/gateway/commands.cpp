// Commands of a client that has logged in.
#include <algorithm>
#include <array>
#include <utility>

#include "node/gateway/conversation.hpp"
#include "node/gateway/multi_statement.hpp"
#include "node/gateway/prepared_statement.hpp"
#include "node/gateway/statements.hpp"

namespace ddb::gateway {
namespace {

// https://mariadb.com/kb/en/2-text-protocol/ and /3-binary-protocol-prepared-statements/
enum Command : std::uint8_t {
    com_quit = 0x01,
    com_init_db = 0x02,
    com_query = 0x03,
    com_field_list = 0x04,
    com_refresh = 0x07,
    com_statistics = 0x09,
    com_process_info = 0x0a,
    com_process_kill = 0x0c,
    com_ping = 0x0e,
    com_change_user = 0x11,
    com_binlog_dump = 0x12,
    com_register_slave = 0x15,
    com_stmt_prepare = 0x16,
    com_stmt_execute = 0x17,
    com_stmt_send_long_data = 0x18,
    com_stmt_close = 0x19,
    com_stmt_reset = 0x1a,
    com_set_option = 0x1b,
    com_stmt_fetch = 0x1c,
    com_binlog_dump_gtid = 0x1e,
    com_reset_connection = 0x1f,
    com_stmt_bulk_execute = 0xfa,
};
constexpr std::uint64_t cursor_read_only = 1;  // of COM_STMT_EXECUTE
constexpr std::uint64_t last_prepared = 0xFFFFFFFF;
constexpr std::uint16_t collation_of_mysql = 255;  // utf8mb4_0900_ai_ci
constexpr std::uint32_t changes_failed_max = 3;    // as MariaDB

std::string quoted(std::string_view name) {
    std::string out = "`";
    for (const char c : name) out += c == '`' ? std::string("``") : std::string(1, c);
    return out + "`";
}

// What a statement keeps, but for long data.
std::size_t bytes_of(const PreparedStatement& statement) {
    constexpr std::size_t per_parameter = sizeof(std::size_t) + sizeof(std::uint16_t);
    return statement.sql.size() + statement.placeholders.size() * per_parameter;
}

// Gives the number of bytes that were kept.
std::size_t drop_long_data(PreparedStatement& statement) {
    std::size_t dropped = 0;
    for (const auto& [number, bytes] : statement.long_data) dropped += bytes.size();
    statement.long_data.clear();
    statement.bytes -= dropped;
    return dropped;
}

Error malformed() {
    return Error{ErrorCode::invalid_argument, "Malformed communication packet", 1835, "HY000"};
}

}  // namespace

void Conversation::on_command(std::string_view payload) {
    if (payload.empty()) return refuse(malformed());
    const auto command = static_cast<std::uint8_t>(payload.front());
    payload.remove_prefix(1);
    switch (command) {
        case com_quit:
            state_ = State::closing;
            return;
        case com_init_db:
            return execute(Answer::ok_only, "USE " + quoted(payload));
        case com_query:
            return on_query(payload);
        case com_field_list:
            return on_field_list(payload);
        case com_refresh:
            return on_refresh(payload);
        case com_binlog_dump:
        case com_binlog_dump_gtid:
        case com_register_slave:
            return put_error(
                Error{ErrorCode::invalid_argument,
                      "reading the binary log is refused through ddb: it is one server's own, and what a node has read "
                      "is purged; read the tables, or dump them",
                      1235, "42000"});
        case com_statistics:
            return put("Uptime: " + std::to_string((now_ms_ - begun_ms_) / 1000) +
                       "  Threads: 1  Questions: " + std::to_string(request_.value) + "  Slow queries: 0");
        case com_process_info:
            return execute(Answer::text, "SHOW PROCESSLIST");
        case com_process_kill: {
            const auto id = FieldReader(payload).integer(4);
            if (!id) return put_error(malformed());
            if (is_ours(*id)) return on_kill({*id, false});
            return execute(Answer::ok_only, "KILL " + std::to_string(*id));
        }
        case com_ping:
            return put_ok();
        case com_change_user:
            return on_change_user(payload);
        case com_stmt_prepare:
            return on_prepare(payload);
        case com_stmt_execute:
            return on_execute(payload);
        case com_stmt_bulk_execute:
            return on_bulk_execute(payload);
        case com_stmt_send_long_data:
            return on_long_data(payload);
        case com_stmt_close:
            return on_close_statement(payload);
        case com_stmt_reset:
            return on_reset_statement(payload);
        case com_set_option:
            return on_set_option(payload);
        case com_stmt_fetch:
            return on_fetch(payload);
        case com_reset_connection:
            return on_reset_connection();
        default:
            return put_error(Error{ErrorCode::invalid_argument, "Unknown command", 1047, "08S01"});
    }
}

void Conversation::execute(Answer answer, std::string sql) {
    running_.emplace();
    running_->answer = answer;
    state_ = State::running;
    execute_now(std::move(sql));
}

void Conversation::execute_now(std::string sql) {
    request_ = RequestNumber{request_.value + 1};
    Execute execute;
    execute.session = session_;
    execute.request = request_;
    execute.sql = std::move(sql);
    execute.timeout_ms = 0;  // drivers set their own limits
    execute.seen = seen_;
    execute.describe = running_->answer == Answer::describe;
    running_->call = is_call(execute.sql);
    running_->last = ends_connection(execute.sql);
    host_.send(std::move(execute));
}

void Conversation::on_query(std::string_view sql) {
    if (is_empty_statement(sql)) {
        return put_error(Error{ErrorCode::sql, "Query was empty", 1065, "42000"});
    }
    if (answer_kill(sql)) return;
    if (!multi_statements_) return execute(Answer::text, std::string(sql));
    auto statements = split_statements(sql);
    std::string first = std::move(statements.front());
    statements.pop_front();
    running_.emplace();
    running_->statements = std::move(statements);
    state_ = State::running;
    execute_now(std::move(first));
}

// What to flush, by bits. Threads (32) are the server's own affair.
void Conversation::on_refresh(std::string_view payload) {
    constexpr std::array<std::pair<std::uint64_t, std::string_view>, 7> parts{{{1, "FLUSH PRIVILEGES"},
                                                                               {2, "FLUSH LOGS"},
                                                                               {4, "FLUSH TABLES"},
                                                                               {8, "FLUSH HOSTS"},
                                                                               {16, "FLUSH STATUS"},
                                                                               {64, "RESET SLAVE"},
                                                                               {128, "RESET MASTER"}}};
    const auto bits = FieldReader(payload).integer(1);
    if (!bits) return put_error(malformed());
    std::deque<std::string> statements;
    for (const auto& [bit, sql] : parts) {
        if ((*bits & bit) != 0) statements.emplace_back(sql);
    }
    if (statements.empty()) return put_ok();
    std::string first = std::move(statements.front());
    statements.pop_front();
    running_.emplace();
    running_->answer = Answer::together;
    running_->statements = std::move(statements);
    state_ = State::running;
    execute_now(std::move(first));
}

// True when it was answered: a server would not know the number.
bool Conversation::answer_kill(std::string_view sql) {
    const auto kill = parse_kill(sql, connection_id_);
    if (!kill || !is_ours(kill->connection_id)) return false;
    on_kill(*kill);
    return true;
}

void Conversation::on_kill(const KillRequest& request) {
    if (request.connection_id == connection_id_) {
        if (!request.query_only) return refuse(Error{ErrorCode::sql, "Connection was killed", 1927, "70100"});
        return put_error(Error{ErrorCode::sql, "Query execution was interrupted", 1317, "70100"});
    }
    if (const Status status = host_.kill(request, credentials_.user); !status) return put_error(status.error());
    put_ok();
}

void Conversation::on_field_list(std::string_view payload) {
    const auto table = FieldReader(payload).zero_terminated();
    if (!table) return put_error(malformed());
    execute(Answer::field_list, "SELECT * FROM " + quoted(*table) + " LIMIT 0");
}

void Conversation::on_change_user(std::string_view payload) {
    auto change = decode_change_user(payload, capabilities_);
    if (!change) return refuse(change.error());
    host_.send(CloseSession{session_});
    prepared_.clear();
    prepared_bytes_ = 0;
    last_prepared_ = 0;
    login_ms_ = now_ms_;
    user_before_ = credentials_;
    user_before_->database = database_;
    // Passwords are not to be tried one after the other here.
    if (changes_failed_ >= changes_failed_max)
        return refuse_login(Error{ErrorCode::refused, "Unknown command", 1047, "08S01"});
    if (change->charset != 0) credentials_.collation = change->charset;
    credentials_.user = std::move(change->user);
    credentials_.database = std::move(change->database);
    prove_identity(std::move(change->auth), change->plugin, true);
}

void Conversation::on_reset_connection() {
    host_.send(CloseSession{session_});
    prepared_.clear();
    prepared_bytes_ = 0;
    last_prepared_ = 0;
    credentials_.database = database_;
    // A MariaDB server goes back to what the client chose at its login, MySQL to its own default.
    if (host_.login_key() != nullptr) credentials_.collation = collation_of_mysql;
    open_session();
}

void Conversation::on_set_option(std::string_view payload) {
    const auto option = FieldReader(payload).integer(2);
    if (!option || *option > 1) return put_error(Error{ErrorCode::invalid_argument, "Unknown option", 1047, "08S01"});
    multi_statements_ = *option == 0;
    put_eof();
}

// --- prepared statements ---------------------------------------------------------------------------------------------

void Conversation::on_prepare(std::string_view sql) {
    last_prepared_ = 0;  // when this fails, an execution sent along with it must not meet an older statement
    if (is_empty_statement(sql)) {
        return put_error(Error{ErrorCode::sql, "Query was empty", 1065, "42000"});
    }
    if (prepared_.size() >= limits_.statements_prepared_max ||
        prepared_bytes_ + sql.size() > limits_.prepared_bytes_max) {
        return put_error(Error{ErrorCode::overloaded,
                               "Can't create more than max_prepared_stmt_count statements (current value: " +
                                   std::to_string(limits_.statements_prepared_max) + ")",
                               1461, "42000"});
    }
    auto placeholders = find_placeholders(sql, (status_flags_ & status_no_backslash_escapes) != 0);
    if (!placeholders) return put_error(placeholders.error());
    while (next_statement_ == 0 || next_statement_ == last_prepared || prepared_.contains(next_statement_)) {
        ++next_statement_;
    }
    const std::uint32_t id = next_statement_++;
    auto statement = std::make_unique<PreparedStatement>();
    statement->id = id;
    statement->sql = sql;
    statement->placeholders = std::move(*placeholders);
    statement->bytes = bytes_of(*statement);
    prepared_bytes_ += statement->bytes;
    prepared_[id] = std::move(statement);
    running_.emplace();
    running_->answer = Answer::describe;
    running_->statement = id;
    state_ = State::running;
    execute_now(std::string(sql));
}

PreparedStatement* Conversation::find_statement(std::optional<std::uint64_t> id, std::string_view command) {
    if (id && *id == last_prepared) id = last_prepared_;
    const auto found = id ? prepared_.find(static_cast<std::uint32_t>(*id)) : prepared_.end();
    if (found != prepared_.end()) return found->second.get();
    put_error(Error{
        ErrorCode::invalid_argument,
        "Unknown prepared statement handler (" + std::to_string(id.value_or(0)) + ") given to " + std::string(command),
        1243, "HY000"});
    return nullptr;
}

void Conversation::on_execute(std::string_view payload) {
    FieldReader fields(payload);
    PreparedStatement* statement = find_statement(fields.integer(4), "mysqld_stmt_execute");
    if (statement == nullptr) return;
    if (const auto spoilt = std::exchange(statement->spoilt, std::nullopt)) return put_error(*spoilt);
    close_cursor(*statement);
    const auto flags = fields.integer(1);
    if (!flags || !fields.integer(4)) return put_error(malformed());  // the count is always 1
    auto parameters =
        decode_parameters(fields.rest(), statement->placeholders.size(), statement->types, statement->long_data);
    prepared_bytes_ -= drop_long_data(*statement);
    if (!parameters) return put_error(parameters.error());
    const bool call = is_call(statement->sql);
    Result<std::string> sql = call ? std::string()
                                   : gateway::bind(statement->sql, statement->placeholders, *parameters,
                                                   (status_flags_ & status_no_backslash_escapes) != 0);
    if (!sql) return put_error(sql.error());
    if (answer_kill(*sql)) return;  // some drivers prepare all that they send
    running_.emplace();
    running_->answer = Answer::binary;
    running_->statement = statement->id;
    running_->holds_rows = (*flags & cursor_read_only) != 0 && !call;
    state_ = State::running;
    if (!call) return execute_now(std::move(*sql));
    statement->arguments = std::move(*parameters);
    run_call(*statement);
}

// Has no answer; what is wrong with it shows at the execution.
void Conversation::on_long_data(std::string_view payload) {
    FieldReader fields(payload);
    const auto id = fields.integer(4);
    const auto number = fields.integer(2);
    const auto found = id ? prepared_.find(static_cast<std::uint32_t>(*id)) : prepared_.end();
    if (!number || found == prepared_.end()) return;
    PreparedStatement& statement = *found->second;
    if (statement.spoilt) return;
    const std::size_t size = fields.rest().size();
    if (*number >= statement.placeholders.size()) {
        statement.spoilt =
            Error{ErrorCode::invalid_argument, "Incorrect arguments to mysqld_stmt_send_long_data", 1210, "HY000"};
    } else if (prepared_bytes_ + size > limits_.prepared_bytes_max) {
        statement.spoilt = Error{ErrorCode::overloaded,
                                 "parameter " + std::to_string(*number) +
                                     " is too long: prepared statements and their parameters have " +
                                     std::to_string(limits_.prepared_bytes_max) + " bytes together",
                                 1153, "08S01"};
    }
    if (statement.spoilt) {
        prepared_bytes_ -= drop_long_data(statement);
        return;
    }
    statement.long_data[static_cast<std::uint16_t>(*number)] += fields.rest();
    statement.bytes += size;
    prepared_bytes_ += size;
}

// Has no answer either.
void Conversation::on_close_statement(std::string_view payload) {
    const auto id = FieldReader(payload).integer(4);
    const auto found = id ? prepared_.find(static_cast<std::uint32_t>(*id)) : prepared_.end();
    if (found == prepared_.end()) return;
    prepared_bytes_ -= found->second->bytes;
    prepared_.erase(found);
}

void Conversation::on_reset_statement(std::string_view payload) {
    PreparedStatement* statement = find_statement(FieldReader(payload).integer(4), "mysqld_stmt_reset");
    if (statement == nullptr) return;
    prepared_bytes_ -= drop_long_data(*statement);
    close_cursor(*statement);
    statement->spoilt.reset();
    put_ok();
}

}  // namespace ddb::gateway
