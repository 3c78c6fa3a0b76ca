#include "node/session/definition_refusals.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "node/session/calculation_hints.hpp"
#include "node/session/classifier_rules.hpp"
#include "node/session/definition_reach.hpp"
#include "node/session/hidden_writes.hpp"
#include "node/session/servers_own.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/zone_keys.hpp"

namespace ddb::session {
namespace {

// Whether InnoDB keeps a table's rows in the order of a key, which is the same on every node: the primary one, or one
// of whole columns without NULLs. What the server does not show it will not alter either.
[[nodiscard]] Result<bool> has_key(storage::Connection& connection, const std::string& table) {
    constexpr std::array<std::uint16_t, 4> not_shown{1044, 1142, 1143, 1146};
    const auto shown = connection.rows("SHOW INDEX FROM " + table);
    if (!shown && std::find(not_shown.begin(), not_shown.end(), shown.error().mysql_code) != not_shown.end())
        return true;
    if (!shown) return shown.error();
    constexpr std::size_t not_unique = 1;
    constexpr std::size_t key_name = 2;
    constexpr std::size_t column = 4;
    constexpr std::size_t part_bytes = 7;
    constexpr std::size_t nullable = 9;
    constexpr std::size_t index_type = 10;
    std::map<std::string, bool> keys;
    for (const auto& row : *shown) {
        if (row.size() <= index_type) return false;
        const std::string name = row[key_name].value_or("");
        const bool whole = row[column] && (!row[part_bytes] || name == "PRIMARY") && row[index_type] == "BTREE";
        const bool orders = row[not_unique] == "0" && whole && row[nullable].value_or("").empty();
        const auto at = keys.try_emplace(name, true).first;
        at->second = at->second && orders;
    }
    return std::any_of(keys.begin(), keys.end(), [](const auto& key) { return key.second; });
}

[[nodiscard]] Status refuse_without_key(storage::Connection& connection, const StatementJob& job) {
    if (job.refused_without_key.empty()) return ok();
    const NamedTables named = named_tables(job.sql, "");
    // A temporary one is this server's alone.
    const auto shown =
        named.tables.empty() ? Result<std::string>(std::string()) : shown_table(connection, named.tables.front().text);
    if (!shown) return shown.error();
    if (shown->starts_with("CREATE TEMPORARY TABLE")) return ok();
    const auto keyed = named.tables.empty() ? Result<bool>(false) : has_key(connection, named.tables.front().text);
    if (!keyed) return keyed.error();
    if (*keyed) return ok();
    return Error{ErrorCode::invalid_argument, job.refused_without_key, 1235, "42000"};
}

// It empties the table of what came before a key that repeats, having no undo log for it.
[[nodiscard]] Status refuse_ignored(const storage::Connection& connection, const StatementJob& job) {
    if (connection.locks_what_it_fills() || !makes_table(job.sql) || !ignores_what_it_fills(job.sql)) return ok();
    return Error{ErrorCode::invalid_argument,
                 "CREATE TABLE ... IGNORE SELECT is refused: at a row with a key that is there already the server "
                 "loses others, but not from its log; create it, then INSERT IGNORE ... SELECT",
                 1235, "42000"};
}

// A child that saw its parent while the table was being filled is in the log before it, and no other node takes it.
[[nodiscard]] Status refuse_for_children(storage::Connection& connection, const StatementJob& job) {
    if (!fills_table(job.sql)) return ok();
    const NamedTables named = named_tables(job.sql, "");
    if (named.tables.empty()) return ok();
    std::string database = named.tables.front().table.first;
    if (database.empty()) {
        const auto current = connection.current_database();
        if (!current) return current.error();
        database = *current;
    }
    const bool replaces = scan(job.sql, 2).back().is("OR");
    const auto seen = job.database->fills_for_children(database, named.tables.front().table.second, replaces);
    if (!seen) return seen.error();
    if (!*seen) return ok();
    return Error{
        ErrorCode::invalid_argument,
        "CREATE TABLE ... SELECT is refused for a table that foreign keys name: the server lets others see its "
        "rows before it is done; create it, then INSERT ... SELECT",
        1235, "42000"};
}

struct Ties {
    bool versioned = false;  // WITH or ADD SYSTEM VERSIONING
    bool cascades = false;   // REFERENCES … ON DELETE CASCADE, ON UPDATE SET NULL
};

[[nodiscard]] Ties ties_in(std::string_view text) {
    Ties out;
    bool references = false;
    SqlScanner scanner(text);
    std::array<Token, 3> last;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        last = {last[1], last[2], token};
        references |= token.is("REFERENCES");
        const bool sets = last[1].is("SET") && (token.is("NULL") || token.is("DEFAULT"));
        out.cascades |= references && (token.is("CASCADE") || sets);
        const bool given = last[0].is("WITH") || last[0].is("ADD");
        out.versioned |= given && last[1].is("SYSTEM") && token.is("VERSIONING");
    }
    return out;
}

// Without SET STATEMENT … FOR in front.
[[nodiscard]] std::string_view behind_settings(std::string_view sql) {
    const std::vector<Token> all = scan(sql, sql.size());
    const rules::Tokens tokens = rules::behind_settings(all);
    return tokens.empty() ? sql : sql.substr(tokens.front().offset);
}

// A cascade is in no log: each server does it by itself, and gives the versions that it makes a time of its own.
[[nodiscard]] Status refuse_versioned_cascades(storage::Connection& connection, const StatementJob& job) {
    Ties ties = ties_in(job.sql);
    if (!ties.versioned && !ties.cascades) return ok();
    const std::string_view sql = behind_settings(job.sql);
    const std::vector<Token> head = scan(sql, 4);
    const bool alters = !head.empty() && head[0].is("ALTER");
    const auto is_table = [](const Token& token) { return token.is("TABLE"); };
    if (!(alters || makes_table(sql)) || std::none_of(head.begin(), head.end(), is_table)) return ok();
    const NamedTables named = named_tables(sql, "");
    if (alters && !named.tables.empty()) {
        // What the server does not show it will not alter either.
        const auto shown = shown_table(connection, named.tables.front().text);
        if (!shown) return shown.error();
        const Ties there = ties_in(*shown);
        ties = {ties.versioned || there.versioned, ties.cascades || there.cascades};
    }
    if (!ties.versioned || !ties.cascades) return ok();
    return Error{ErrorCode::invalid_argument,
                 "a foreign key with CASCADE, SET NULL or SET DEFAULT is refused for a system-versioned table: each "
                 "server would give the versions that it makes a time of its own; use RESTRICT, or a trigger",
                 1235, "42000"};
}

// A table that is versioned no more keeps it of a column that it had no versions of, and shows it; but nothing makes a
// table that has this from the beginning, so that a node that is loaded would differ.
[[nodiscard]] Status refuse_unversioned_columns(storage::Connection& connection, const StatementJob& job) {
    if (!contains_ignoring_case(job.sql, "VERSIONING")) return ok();
    const auto says = [](std::string_view text, std::string_view first) {
        SqlScanner scanner(text);
        std::array<Token, 3> last;
        for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
            last = {last[1], last[2], token};
            if (last[0].is(first) && last[1].is("SYSTEM") && token.is("VERSIONING")) return true;
        }
        return false;
    };
    const std::string_view sql = behind_settings(job.sql);
    if (!scan(sql, 1).front().is("ALTER") || !says(sql, "DROP")) return ok();
    const NamedTables named = named_tables(sql, "");
    if (named.tables.empty()) return ok();
    const auto shown = shown_table(connection, named.tables.front().text);
    if (!shown) return shown.error();
    if (!says(*shown, "WITHOUT")) return ok();
    return Error{ErrorCode::invalid_argument,
                 "DROP SYSTEM VERSIONING is refused for a table with columns WITHOUT SYSTEM VERSIONING: it would keep "
                 "that, which a node that is loaded could not have; say SET system_versioning_alter_history = KEEP and "
                 "MODIFY them WITH SYSTEM VERSIONING before",
                 1235, "42000"};
}

// Dump programs end such a text at its first byte of zero, so that no node could be loaded any more.
[[nodiscard]] Status refuse_zero_byte(const std::string& sql) {
    constexpr std::size_t head_max = 24;
    constexpr std::array<std::string_view, 4> kept_as_written{"PROCEDURE", "FUNCTION", "TRIGGER", "PACKAGE"};
    if (sql.find('\0') == std::string::npos) return ok();
    const std::vector<Token> head = scan(sql, head_max);
    const auto kept = [&](const Token& token) { return one_of(token, kept_as_written); };
    if (head.empty() || !head[0].is("CREATE") || std::none_of(head.begin(), head.end(), kept)) return ok();
    return Error{ErrorCode::invalid_argument,
                 "a byte of zero in the text of a procedure, function or trigger is refused: the dump by which other "
                 "nodes are loaded ends there; write it as x'00'",
                 1235, "42000"};
}

// Where in the definition of a table or an index something stands.
enum class Within {
    list,         // of columns and keys; options, partitions
    calculation,  // of a generated column or a part of a key: done whenever a row is written
    standard,     // DEFAULT (…)
    members,      // of ENUM and SET
    other,        // CHECK (…), a query
};

[[nodiscard]] Within within_parenthesis(Within around, const Token& before) {
    if (around != Within::list) return around;
    if (before.is("CHECK")) return Within::other;
    if (before.is("DEFAULT")) return Within::standard;
    if (before.is("ENUM") || before.is("SET")) return Within::members;
    const bool part_of_key = before.symbol('(') || before.symbol(',');
    return before.is("AS") || part_of_key ? Within::calculation : Within::list;
}

// take(token, before it, within) for each token of a definition's text, but for the query that its rows come from.
template <typename Take>
void each_token(std::string_view text, const Take& take) {
    std::vector<Within> open{Within::list};
    SqlScanner scanner(text);
    Token before;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (token.kind == Token::Kind::word && token.text.starts_with('_')) continue;  // _utf8mb4'…'
        if (token.is("SELECT") && open.size() == 1) return;
        if (token.is("SELECT") && before.symbol('(')) open.back() = Within::other;
        if (token.symbol('(')) open.push_back(within_parenthesis(open.back(), before));
        if (token.symbol(')') && open.size() > 1) open.pop_back();
        take(token, before, open.back());
        before = token;
    }
}

[[nodiscard]] bool defines_table_or_key(std::string_view sql) {
    constexpr std::array<std::string_view, 2> kinds{"TABLE", "INDEX"};
    constexpr std::size_t head_max = 4;
    const std::vector<Token> head = scan(sql, head_max);
    if (head.empty() || !(head[0].is("CREATE") || head[0].is("ALTER"))) return false;
    return std::any_of(head.begin(), head.end(), [&](const Token& token) { return one_of(token, kinds); });
}

// Whether it has a character that utf8mb4 writes with four bytes.
[[nodiscard]] bool has_wide_character(std::string_view text) {
    constexpr unsigned char first_min = 0xF0;
    constexpr unsigned char first_max = 0xF4;
    const auto continues = [&](std::size_t i) { return i < text.size() && (text[i] & 0xC0) == 0x80; };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto first = static_cast<unsigned char>(text[i]);
        const bool begins = first >= first_min && first <= first_max;
        if (begins && continues(i + 1) && continues(i + 2) && continues(i + 3)) return true;
    }
    return false;
}

// Servers show such a character as a question mark, so that a node loaded from this one would have that in its place.
[[nodiscard]] Status refuse_wide_characters(const storage::Connection& connection, const StatementJob& job) {
    if (!has_wide_character(job.sql)) return ok();
    const std::string_view sql = behind_settings(job.sql);
    if (!defines_table_or_key(sql)) return ok();
    const bool shows_defaults = connection.is_mysql();
    bool member = false;
    bool standard = false;
    Token earlier;
    each_token(sql, [&](const Token& token, const Token& before, Within within) {
        if (token.kind == Token::Kind::string && has_wide_character(token.text)) {
            member |= within == Within::members;
            standard |= before.is("DEFAULT") || (before.symbol('(') && earlier.is("DEFAULT"));
        }
        earlier = before;
    });
    if (!member && (!standard || shows_defaults)) return ok();
    return Error{
        ErrorCode::invalid_argument,
        std::string("a character of four bytes in ") +
            (member ? "a member of ENUM or SET is refused" : "a default is refused, but for DEFAULT (CONCAT('…'))") +
            ": the server shows it as '?', which is what a node that is loaded would have",
        1235, "42000"};
}

// MySQL settles in which language names are when it opens a table, by whichever session did.
[[nodiscard]] Status refuse_names_of_days(const storage::Connection& connection, const StatementJob& job) {
    if (!connection.is_mysql()) return ok();
    const std::string_view sql = behind_settings(job.sql);
    if (!contains_ignoring_case(sql, "DAYNAME") && !contains_ignoring_case(sql, "MONTHNAME")) return ok();
    if (!defines_table_or_key(sql)) return ok();
    bool days = false;
    bool months = false;
    each_token(sql, [&](const Token& token, const Token& before, Within within) {
        if (within != Within::calculation || !token.symbol('(')) return;
        days |= before.is("DAYNAME");
        months |= before.is("MONTHNAME");
    });
    if (!days && !months) return ok();
    return Error{ErrorCode::invalid_argument,
                 std::string(days ? "DAYNAME()" : "MONTHNAME()") +
                     " in a generated column or a key is refused: each server would have the name in the language of "
                     "the session that opened the table; say DATE_FORMAT() with " +
                     (days ? "'%W'" : "'%M'"),
                 1235, "42000"};
}

// MariaDB 11 has names and distances of time zones, which it does not see to be the session's.
[[nodiscard]] Status refuse_names_of_zones(const storage::Connection& connection, const StatementJob& job) {
    if (connection.is_mysql() || !connection.calculates_rows()) return ok();
    const std::string_view sql = behind_settings(job.sql);
    if (!contains_ignoring_case(sql, "DATE_FORMAT") || !contains_ignoring_case(sql, "%Z")) return ok();
    if (!defines_table_or_key(sql)) return ok();
    bool zones = false;
    each_token(sql, [&](const Token& token, const Token&, Within within) {
        const bool calculates = within == Within::calculation && token.kind == Token::Kind::string;
        zones |= calculates && contains_ignoring_case(token.text, "%Z");
    });
    if (!zones) return ok();
    return Error{ErrorCode::invalid_argument,
                 "'%Z' and '%z' in a generated column are refused: they depend on the session's time_zone, so that a "
                 "node that is loaded would have others",
                 1235, "42000"};
}

// MariaDB puts NULL in the place of such a function within another expression, and shows that, where the session that
// opens the table has no database or role.
[[nodiscard]] Status refuse_folded_functions(const storage::Connection& connection, const StatementJob& job) {
    if (connection.is_mysql()) return ok();
    constexpr std::array<std::string_view, 3> names{"DATABASE", "SCHEMA", "CURRENT_ROLE"};
    const std::string_view sql = behind_settings(job.sql);
    if (!defines_table_or_key(sql)) return ok();
    Token earlier;
    Token met;  // until it is known what stands behind it
    bool alone = false;
    std::string refused;
    each_token(sql, [&](const Token& token, const Token& before, Within within) {
        const bool own_parenthesis = token.symbol('(') || (token.symbol(')') && before.symbol('('));
        if (!met.text.empty() && !own_parenthesis) {
            if (!alone || !token.symbol(')')) refused = met.text;
            met = {};
        }
        if (one_of(token, names) && (within == Within::standard || within == Within::calculation)) {
            met = token;
            alone = before.symbol('(') && (earlier.is("DEFAULT") || earlier.is("AS"));
        }
        earlier = before;
    });
    if (refused.empty()) return ok();
    return Error{ErrorCode::invalid_argument,
                 refused +
                     " within another expression of a column is refused: the server puts NULL in its place where the "
                     "session that opens the table has none, and a node that is loaded would keep that; set it by a "
                     "trigger",
                 1235, "42000"};
}

[[nodiscard]] Status refuse_servers_own(storage::Connection& connection, const StatementJob& job) {
    const std::string_view sql = behind_settings(job.sql);
    if (!may_take_servers_own(sql)) return ok();
    const auto database = connection.current_database();
    if (!database) return database.error();
    const std::string reason = takes_servers_own(sql, *database);
    if (reason.empty()) return ok();
    return Error{ErrorCode::invalid_argument, reason, 1235, "42000"};
}

// Of what was there before nothing is said, nor of CREATE TABLE IF NOT EXISTS where there is one.
[[nodiscard]] Status refuse_zone_keys(storage::Connection& connection, const StatementJob& job) {
    if (connection.is_mysql()) return ok();
    const std::string sql(behind_settings(job.sql));
    if (!defines_keys(sql)) return ok();
    const std::string copied = makes_table(sql) ? table_copied(sql) : std::string();
    const bool unless_there = makes_table(sql) && contains_ignoring_case(sql, "EXISTS");
    std::string there;
    if (!makes_table(sql) || unless_there || !copied.empty()) {
        const NamedTables named = named_tables(sql, "");
        if (named.tables.empty()) return ok();
        auto shown = shown_table(connection, copied.empty() ? named.tables.front().text : copied);
        if (!shown) return shown.error();
        there = std::move(*shown);
    }
    if (copied.empty() && unless_there && !there.empty()) return ok();
    const std::string column = copied.empty() ? zone_dependent_key(there, sql) : zone_dependent_key("", there);
    if (column.empty()) return ok();
    return Error{ErrorCode::invalid_argument,
                 "a key of the virtual column " + column +
                     " is refused, as it depends on the session's time_zone: servers whose sessions have another one "
                     "would keep old entries in it; calculate it from a DATETIME, not by UNIX_TIMESTAMP()",
                 1235, "42000"};
}

// Of a table's rows, and of what routines and triggers write.
[[nodiscard]] Status refuse_hints(const storage::Connection& connection, const StatementJob& job) {
    if (!connection.calculates_rows()) return ok();
    const std::string_view sql = behind_settings(job.sql);
    const bool fills = !query_that_fills(sql).empty() && defines_table_or_key(sql);
    std::string variable;
    if (connection.is_mysql()) {
        variable = hinted_calculation(job.sql, fills);
    } else if (fills) {
        variable = zone_of_one_statement(job.sql);
    }
    if (variable.empty()) return ok();
    return Error{ErrorCode::invalid_argument, hint_refusal(variable), 1235, "42000"};
}

// Of an EXECUTE that is to run as a definition.
[[nodiscard]] Status refuse_hidden(storage::Connection& connection, const StatementJob& job) {
    if (job.kind != StatementKind::execute) return ok();
    const std::string xid = storage::random_xid();
    if (auto begun = connection.execute(xa_sql("START", xid)); !begun) return begun.error();
    const HiddenCommand command = hidden_command(connection, job.sql);
    (void)connection.execute(xa_sql("END", xid));
    if (auto ended = connection.execute(xa_sql("ROLLBACK", xid)); !ended) return ended.error();
    if (auto refused = refused_when_hidden(command, job.temporary_tables)) return *refused;
    return ok();
}

}  // namespace

Result<std::string> shown_table(storage::Connection& connection, const std::string& name) {
    const auto shown = connection.rows("SHOW CREATE TABLE " + name);
    if (!shown && shown.error().code != ErrorCode::sql) return shown.error();
    const bool some = shown && !shown->empty() && shown->front().size() > 1;
    return some ? shown->front()[1].value_or("") : std::string();
}

Status may_define(storage::Connection& connection, const StatementJob& job) {
    Status may = refuse_zero_byte(job.sql);
    if (may) may = refuse_servers_own(connection, job);
    if (may) may = refuse_without_key(connection, job);
    if (may) may = refuse_ignored(connection, job);
    if (may) may = refuse_for_children(connection, job);
    if (may) may = refuse_versioned_cascades(connection, job);
    if (may) may = refuse_unversioned_columns(connection, job);
    if (may) may = refuse_names_of_days(connection, job);
    if (may) may = refuse_names_of_zones(connection, job);
    if (may) may = refuse_hints(connection, job);
    if (may) may = refuse_wide_characters(connection, job);
    if (may) may = refuse_folded_functions(connection, job);
    if (may) may = refuse_zone_keys(connection, job);
    if (may) may = refuse_hidden(connection, job);
    return may;
}

bool is_no_statement(std::uint16_t code) {
    // No statement; an unknown type, character set, collation, or one of another character set; a bad default, length,
    // width, precision, scale; an empty or too long name; an expression that may not stand there; partitions that are
    // none; a view of variables; a routine's labels, variables, RETURN; a trigger's OLD; a sequence's bounds.
    constexpr std::array<std::uint16_t, 22> codes{1064, 4161, 1115, 1273, 1253, 1067, 1074, 1439, 1426, 1427, 1103,
                                                  1901, 1970, 1480, 1492, 1504, 1351, 1331, 1308, 1320, 1362, 4085};
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace ddb::session
