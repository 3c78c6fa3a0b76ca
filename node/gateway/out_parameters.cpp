// What a prepared CALL gives back in its placeholders. A literal takes nothing, and only the server knows which
// arguments are OUT or INOUT: it says so with an error before anything runs. Then a user variable stands in the
// placeholder's place, is given the bound value before the CALL and read behind it. The rest is as a server has it: a
// result of one row between those of the procedure and its OK.
#include <algorithm>
#include <charconv>
#include <utility>

#include "node/gateway/conversation.hpp"
#include "node/gateway/prepared_statement.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::gateway {
namespace {

constexpr std::uint16_t error_no_variable = 1414;
constexpr std::size_t scanned_tokens_max = 100'000;

[[nodiscard]] std::string variable_of(std::size_t parameter) {
    return "@`ddb parameter " + std::to_string(parameter + 1) + "`";
}

// "OUT or INOUT argument 2 for routine …", in whatever language.
[[nodiscard]] std::size_t argument_in(std::string_view message) {
    constexpr std::string_view digits = "0123456789";
    std::size_t number = 0;
    const std::size_t at = std::min(message.find_first_of(digits), message.size());
    (void)std::from_chars(message.data() + at, message.data() + message.size(), number);
    return number;
}

// The parameter that is all of the CALL's argument, which are counted from 1.
[[nodiscard]] std::optional<std::size_t> parameter_of(const PreparedStatement& statement, std::size_t argument) {
    const auto tokens = session::scan(statement.sql, scanned_tokens_max);
    std::size_t current = 0;
    int depth = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const bool opens = tokens[i].symbol('(');
        if (opens && depth++ == 0) current = 1;
        if (tokens[i].symbol(')')) --depth;
        if (depth == 1 && tokens[i].symbol(',')) ++current;
        const bool begins = (opens && depth == 1) || (depth == 1 && tokens[i].symbol(','));
        if (!begins || current != argument || i + 2 >= tokens.size() || !tokens[i + 1].symbol('?')) continue;
        if (!tokens[i + 2].symbol(',') && !tokens[i + 2].symbol(')')) return std::nullopt;
        const auto& places = statement.placeholders;
        const auto found = std::find(places.begin(), places.end(), tokens[i + 1].offset);
        if (found != places.end()) return static_cast<std::size_t>(found - places.begin());
    }
    return std::nullopt;
}

}  // namespace

// The execution's text and what goes ahead of it; the parameters are in the statement.
void Conversation::run_call(PreparedStatement& statement) {
    const bool no_backslash = (status_flags_ & status_no_backslash_escapes) != 0;
    std::vector<Parameter> arguments = statement.arguments;
    std::vector<Parameter> given;
    std::string set = "SET ";
    for (const std::size_t out : statement.outs) {
        arguments[out] = {};
        arguments[out].variable = variable_of(out);
        set += (given.empty() ? "" : ", ") + arguments[out].variable + "=?";
        given.push_back(statement.arguments[out]);
    }
    auto sql = gateway::bind(statement.sql, statement.placeholders, arguments, no_backslash);
    const auto places = find_placeholders(set, no_backslash);
    auto before = places ? gateway::bind(set, *places, given, no_backslash) : Result<std::string>(places.error());
    if (!sql || !before) {
        put_error(!sql ? sql.error() : before.error());
        return finish();
    }
    running_->stage = given.empty() ? CallStage::calling : CallStage::setting;
    running_->call_sql = std::move(*sql);
    execute_now(given.empty() ? running_->call_sql : std::move(*before));
}

bool Conversation::learn_out_parameter(const Error& error) {
    PreparedStatement& statement = *prepared_.at(running_->statement);
    if (error.mysql_code != error_no_variable || running_->answered) return false;
    const auto parameter = parameter_of(statement, argument_in(error.message));
    if (!parameter) return false;
    const auto place = std::lower_bound(statement.outs.begin(), statement.outs.end(), *parameter);
    if (place != statement.outs.end() && *place == *parameter) return false;
    statement.outs.insert(place, *parameter);
    run_call(statement);
    return true;
}

// True when there is more to do before the client hears of the end.
bool Conversation::go_on_with_call(const ResultEnd& end) {
    PreparedStatement& statement = *prepared_.at(running_->statement);
    if (end.error) return running_->stage == CallStage::calling && learn_out_parameter(*end.error);
    if (end.more) return false;
    if (running_->stage == CallStage::setting) {
        running_->stage = CallStage::calling;
        execute_now(running_->call_sql);
        return true;
    }
    if (running_->stage == CallStage::calling) {
        if (statement.outs.empty() || (capabilities_ & capability::ps_multi_results) == 0) return false;
        std::string sql = "SELECT ";
        for (const std::size_t out : statement.outs) sql += (sql.back() == ' ' ? "" : ",") + variable_of(out);
        running_->stage = CallStage::reading;
        running_->call_end = end;
        execute_now(std::move(sql));
        return true;
    }
    put_end_of_rows(static_cast<std::uint16_t>(status_flags_ | status_more_results | status_out_parameters), 0);
    OkAnswer ok;
    ok.status_flags = status_flags_;
    ok.affected_rows = running_->call_end.outcome.affected_rows;
    ok.last_insert_id = running_->call_end.outcome.last_insert_id;
    ok.warnings = running_->call_end.outcome.warnings;
    put(encode_ok(ok, capabilities_));
    finish();
    return true;
}

}  // namespace ddb::gateway
