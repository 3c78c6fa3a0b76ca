#include "node/session/key_demands.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "node/session/definition_refusals.hpp"
#include "node/session/keyless_tables.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/table_names.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 10'000;
constexpr std::size_t head_max = 16;

// PRIMARY KEY in the list of columns. `list`: what stands behind the table's name.
[[nodiscard]] bool says_primary_key(Tokens list) {
    int depth = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
        depth += list[i].symbol('(') ? 1 : list[i].symbol(')') ? -1 : 0;
        if (depth == 0 || list[i].is("SELECT")) return false;
        if (list[i].is("PRIMARY") && token_at(list, i + 1).is("KEY")) return true;
    }
    return false;
}

[[nodiscard]] bool creates_without(storage::Connection& connection, Tokens tokens) {
    constexpr std::array<std::string_view, 11> no_tables{"VIEW",    "PROCEDURE", "FUNCTION", "TRIGGER",
                                                         "PACKAGE", "DATABASE",  "SCHEMA",   "USER",
                                                         "ROLE",    "INDEX",     "SEQUENCE"};
    std::size_t end = create_head(tokens).name;
    if (end == 0) {
        const Tokens head = tokens.first(std::min(tokens.size(), head_max));
        return std::none_of(head.begin(), head.end(), [&](const Token& token) { return one_of(token, no_tables); });
    }
    if (!skip_name(tokens, end)) return true;
    std::size_t like = token_at(tokens, end).symbol('(') ? end + 1 : end;
    if (!token_at(tokens, like).is("LIKE")) return !says_primary_key(tokens.subspan(end));
    const std::size_t begin = ++like;
    const auto shown = skip_name(tokens, like) ? shown_table(connection, as_written(tokens, begin, like))
                                               : Result<std::string>(std::string());
    return !shown || !shown->starts_with("CREATE TABLE");  // a temporary one may have none
}

// The columns of the primary key, as SHOW CREATE TABLE has them; empty where it has none by that name.
[[nodiscard]] std::string key_columns(const std::string& shown) {
    constexpr std::string_view key = "\n  PRIMARY KEY (";  // not in a comment, where lines have no such ends
    const auto begin = shown.find(key);
    if (begin == std::string::npos) return {};
    return lower_case(std::string_view(shown).substr(begin, shown.find('\n', begin + 1) - begin));
}

// ALTER TABLE … ADD PRIMARY KEY, also in place of the one that was there.
[[nodiscard]] bool gives_key(Tokens tokens) {
    bool gives = false;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        if (tokens[i].is("IF")) return false;  // not where there is one, which may go
        gives |= tokens[i].is("PRIMARY") && token_at(tokens, i + 1).is("KEY") && !tokens[i - 1].is("DROP");
    }
    return gives;
}

// Of ALTER TABLE: by a DROP of the key or of a column in it, or when there is none to rely on.
[[nodiscard]] bool alters_away(storage::Connection& connection, Tokens tokens) {
    constexpr std::array<std::string_view, 6> between{"COLUMN", "INDEX", "KEY", "CONSTRAINT", "IF", "EXISTS"};
    constexpr std::array<std::string_view, 4> changes{"DROP", "MODIFY", "CHANGE", "CONVERT"};
    if (gives_key(tokens)) return false;
    const std::string name = altered_table(tokens);
    if (name.empty()) return true;
    const auto shown = shown_table(connection, name);
    if (!shown) return true;
    if (shown->starts_with("CREATE TEMPORARY TABLE")) return false;
    const std::string columns = key_columns(*shown);
    if (columns.empty()) {  // it is another one, of columns that are not NULL
        return std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) { return one_of(token, changes); });
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (!tokens[i].is("DROP")) continue;
        std::size_t at = i + 1;
        while (one_of(token_at(tokens, at), between)) ++at;
        const std::string dropped = lower_case(token_at(tokens, at).text);
        const bool plain =
            std::all_of(dropped.begin(), dropped.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
        if (dropped.empty() || !plain || dropped == "primary" || columns.find(dropped) != std::string::npos)
            return true;
    }
    return false;
}

// CREATE TABLE … LIKE a temporary table without a key: the text that makes it with one, and without that table. Empty
// for others.
[[nodiscard]] std::string like_with_row_key(storage::Connection& connection, const std::string& sql) {
    const std::vector<Token> all = scan(sql, head_max);
    const Tokens tokens = all;
    const CreateHead head = create_head(tokens);
    std::size_t i = head.name;
    if (head.name == 0 || head.replaces || head.temporary || !skip_name(tokens, i)) return {};
    const std::string name = as_written(tokens, head.name, i);
    if (token_at(tokens, i).symbol('(')) ++i;
    if (!token_at(tokens, i).is("LIKE")) return {};
    const std::size_t begin = ++i;
    if (!skip_name(tokens, i)) return {};
    const auto shown = shown_table(connection, as_written(tokens, begin, i));
    if (!shown || !shown->starts_with("CREATE TEMPORARY TABLE")) return {};
    const auto columns = shown->find('(', shown->find('`', shown->find('`') + 1));
    if (columns == std::string::npos) return {};
    const std::string until = sql.substr(0, tokens[head.name].offset);
    return with_row_key(until + name + " " + shown->substr(columns));
}

}  // namespace

bool may_leave_without_key(storage::Connection& connection, const std::string& sql) {
    constexpr std::array<std::string_view, 9> harmless{"GRANT",  "REVOKE", "ANALYZE",  "FLUSH", "OPTIMIZE",
                                                       "RENAME", "CHECK",  "TRUNCATE", "RESET"};
    const std::vector<Token> all = scan(sql, tokens_max);
    const Tokens tokens = all;
    const auto versioned = [](const Token& token) { return token.versioned; };
    if (tokens.empty() || tokens.size() == tokens_max || std::any_of(tokens.begin(), tokens.end(), versioned))
        return true;
    if (one_of(tokens[0], harmless)) return false;
    if (tokens[0].is("CREATE")) return creates_without(connection, tokens);
    const auto says = [&](std::string_view word) {
        const Tokens head = tokens.first(std::min<std::size_t>(tokens.size(), 4));
        return std::any_of(head.begin(), head.end(), [&](const Token& token) { return token.is(word); });
    };
    if (tokens[0].is("DROP")) return says("INDEX");
    if (tokens[0].is("ALTER")) return says("TABLE") && alters_away(connection, tokens);
    return true;
}

void run_with_key(JobReport& report, const StatementJob& job, const std::string& sql, KeyDemand& keys,
                  ResultSink& sink) {
    constexpr std::uint16_t partitions_need_columns = 1503;
    if (!report.end.error || !wants_key(report.end.error->mysql_code)) return;
    std::string with_key = with_row_key(sql, row_check(report.end.error->mysql_code, job.txn));
    if (with_key.empty()) with_key = like_with_row_key(*report.connection, sql);
    if (with_key.empty()) return;
    keys.end();
    StatementEnd again = run_statement(*report.connection, {with_key}, job.session, job.request, sink);
    if (!again.error || again.error->mysql_code != partitions_need_columns) report.end = std::move(again);
}

KeyDemand::KeyDemand(const storage::LocalDatabase& database, bool wanted) {
    if (!wanted) return;
    const auto fail = [&](const Error& cause) {
        failed_ = Error{ErrorCode::sql, "the server cannot be told to demand keys: " + cause.message, 1105, "HY000"};
    };
    auto opened = storage::Connection::open(database.service());
    if (!opened) {
        fail(opened.error());
        return;
    }
    if ((*opened)->leaves_out_defaults()) return;
    service_ = std::move(*opened);
    if (auto done = service_->execute("SET GLOBAL innodb_force_primary_key=ON"); !done) fail(done.error());
}

void KeyDemand::end() {
    // Where it stays, it is made in vain until the next one has ended.
    if (service_) (void)service_->execute("SET GLOBAL innodb_force_primary_key=OFF");
    service_.reset();
}

}  // namespace ddb::session
