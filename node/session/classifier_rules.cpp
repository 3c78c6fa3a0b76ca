#include "node/session/classifier_rules.hpp"

#include <algorithm>
#include <array>

#include "node/session/pinned_settings.hpp"

namespace ddb::session::rules {
namespace {

// Any of these may give another answer on another connection, take locks or have an effect (FACTS 2 and 32). FOUND_ROWS
// covers SQL_CALC_FOUND_ROWS, _LOCK covers GET_LOCK and IS_FREE_LOCK.
// Whoever asks for a server's sessions or transactions wants a number for KILL, which is the coordinator's.
constexpr std::array<std::string_view, 13> not_local_words{
    "@",       "_LOCK",    "INTO",    "SHARE",       "LAST_INSERT_ID", "ROW_COUNT", "FOUND_ROWS", "CONNECTION_ID",
    "LASTVAL", "PREVIOUS", "CURRVAL", "PROCESSLIST", "INNODB_TRX"};

// What functions tell of the session or the server, and of no table; CAST stands where a value was put for one.
constexpr std::array<std::string_view, 11> session_functions{
    "LAST_INSERT_ID", "CONNECTION_ID", "ROW_COUNT",    "FOUND_ROWS", "DATABASE", "SCHEMA",
    "USER",           "CURRENT_USER",  "SESSION_USER", "VERSION",    "CAST"};
// Their statements' traces are with the connection that ran them; so all of the session's run on one.
constexpr std::array<std::string_view, 3> tracing_variables{"PROFILING", "PROFILING_HISTORY_SIZE", "OPTIMIZER_TRACE"};

struct Assignment {
    bool global = false;
    bool persistent = false;  // MySQL keeps it in a file of its own
    bool user_variable = false;
    std::string_view name;
    Tokens value;
};

// What stands behind the dot may be a token of its own, quoted or behind a space; and so may the dot.
[[nodiscard]] std::string_view without_scope(std::string_view name, bool& global) {
    const auto dot = name.find('.');
    const auto scope = name.substr(0, dot);
    if (equals_ignoring_case(scope, "GLOBAL") || starts_ignoring_case(scope, "PERSIST")) global = true;
    return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

// One item of the list behind SET: scope, name, sign, value up to the next comma outside parentheses.
// `global` is the scope that the item before had by a word: it holds for the names behind it, too.
[[nodiscard]] Assignment take_assignment(Tokens tokens, std::size_t& i, bool& global) {
    Assignment out;
    constexpr std::array<std::string_view, 2> session_words{"SESSION", "LOCAL"};
    const Token behind = token_at(tokens, i + 1);
    const bool names = behind.kind == Token::Kind::word || behind.kind == Token::Kind::quoted;
    out.persistent = names && (token_at(tokens, i).is("PERSIST") || token_at(tokens, i).is("PERSIST_ONLY"));
    if (out.persistent || token_at(tokens, i).is("GLOBAL")) {
        global = true;
        ++i;
    } else if (one_of(token_at(tokens, i), session_words)) {
        global = false;
        ++i;
    }
    const Token name = token_at(tokens, i);
    const bool signs = name.kind == Token::Kind::system_variable;
    out.user_variable = name.kind == Token::Kind::user_variable;
    out.global = global && !signs && !out.user_variable;
    out.name = signs ? without_scope(name.text, out.global) : name.text;
    out.persistent |= signs && starts_ignoring_case(name.text, "PERSIST") && out.global;
    ++i;
    if (signs && name.text.ends_with('.')) out.name = token_at(tokens, i++).text;
    while (token_at(tokens, i).symbol('.')) {  // keycache.name
        out.name = token_at(tokens, i + 1).text;
        i += 2;
    }
    while (token_at(tokens, i).symbol(':') || token_at(tokens, i).symbol('=')) ++i;
    i = std::min(i, tokens.size());  // the text may end anywhere
    const std::size_t start = i;
    int depth = 0;
    for (; i < tokens.size(); ++i) {
        if (tokens[i].symbol('(')) ++depth;
        if (tokens[i].symbol(')')) --depth;
        if (tokens[i].symbol(',') && depth == 0) break;
    }
    out.value = tokens.subspan(start, i - start);
    ++i;  // the comma
    return out;
}

[[nodiscard]] std::optional<bool> truth(Tokens value) {
    if (value.size() != 1) return std::nullopt;
    const auto text = value[0].text;
    if (text == "1" || equals_ignoring_case(text, "ON") || equals_ignoring_case(text, "TRUE")) return true;
    if (text == "0" || equals_ignoring_case(text, "OFF") || equals_ignoring_case(text, "FALSE")) return false;
    if (equals_ignoring_case(text, "DEFAULT")) return true;
    return std::nullopt;
}

[[nodiscard]] bool mentions(Tokens tokens, std::string_view word) {
    return std::any_of(tokens.begin(), tokens.end(), [&](const Token& t) { return t.is(word); });
}

// SET TRANSACTION …, SET SESSION TRANSACTION …; `tokens` start at TRANSACTION.
void read_transaction_words(Tokens tokens, Classified& out) {
    if (mentions(tokens, "ONLY")) out.read_only_default = true;
    if (mentions(tokens, "WRITE")) out.read_only_default = false;
    if (mentions(tokens, "ISOLATION")) {
        out.serializable = mentions(tokens, "SERIALIZABLE");
        out.each_statement_reads_anew = mentions(tokens, "COMMITTED") || mentions(tokens, "UNCOMMITTED");
    }
}

[[nodiscard]] bool in_variable(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

// The word or string that an assignment gives; empty when it is anything else.
[[nodiscard]] std::string_view single_value(const Assignment& assignment) {
    if (assignment.value.size() != 1) return {};
    const Token& token = assignment.value[0];
    const bool named = token.kind == Token::Kind::word || token.kind == Token::Kind::string;
    return named ? token.text : std::string_view{};
}

// SET ddb_…; a reason when it is refused.
[[nodiscard]] std::string take_own(const Assignment& assignment, Classified& out) {
    if (assignment.global) return "SET GLOBAL ddb_… is refused: these belong to a session; use SET SESSION";
    const std::string_view value = single_value(assignment);
    const bool standard = equals_ignoring_case(value, "DEFAULT");
    if (equals_ignoring_case(assignment.name, "DDB_READ_CONSISTENCY")) {
        if (standard || equals_ignoring_case(value, "STRONG")) out.read_consistency = Consistency::strong;
        if (equals_ignoring_case(value, "SESSION")) out.read_consistency = Consistency::session;
        if (equals_ignoring_case(value, "LOCAL")) out.read_consistency = Consistency::local;
        return out.read_consistency ? "" : "ddb_read_consistency is 'strong', 'session' or 'local'";
    }
    if (equals_ignoring_case(assignment.name, "DDB_WRITE_CONCERN")) {
        if (standard || equals_ignoring_case(value, "MAJORITY")) out.write_concern = WriteConcern::majority;
        if (equals_ignoring_case(value, "ALL")) out.write_concern = WriteConcern::all;
        return out.write_concern ? "" : "ddb_write_concern is 'majority' or 'all'";
    }
    if (equals_ignoring_case(assignment.name, "DDB_READ_BALANCE")) {
        if (equals_ignoring_case(value, "OFF")) out.read_balance = ReadBalance::off;
        if (equals_ignoring_case(value, "ROUND_ROBIN")) out.read_balance = ReadBalance::round_robin;
        if (equals_ignoring_case(value, "LEAST_LOADED")) out.read_balance = ReadBalance::least_loaded;
        out.standard_balance = standard;
        return out.read_balance || standard ? "" : "ddb_read_balance is 'off', 'round_robin' or 'least_loaded'";
    }
    return "unknown variable '" + std::string(assignment.name) +
           "': ddb has ddb_read_consistency, ddb_read_balance and ddb_write_concern";
}

// Whether a default with this token in it has another value on each node.
[[nodiscard]] bool differs_by_node(Tokens tokens, std::size_t i) {
    constexpr std::array<std::string_view, 15> functions{
        "UUID",         "UUID_V4", "UUID_V7", "RAND",    "SYSDATE",      "CONNECTION_ID", "UUID_SHORT", "SYS_GUID",
        "RANDOM_BYTES", "NEXTVAL", "LASTVAL", "ENCRYPT", "SESSION_USER", "SYSTEM_USER",   "USER"};
    constexpr std::array<std::string_view, 2> accounts{"CURRENT_USER", "CURRENT_ROLE"};  // also without parentheses
    constexpr std::array<std::string_view, 2> of_sequence{"NEXTVAL", "CURRVAL"};
    const Token& token = tokens[i];
    const Token before = i > 0 ? tokens[i - 1] : Token{};
    const Token behind = token_at(tokens, i + 1);
    if (token.kind == Token::Kind::user_variable || token.kind == Token::Kind::system_variable) return true;
    if (token.is("VALUE")) return (before.is("NEXT") || before.is("PREVIOUS")) && behind.is("FOR");
    if (before.symbol('.') && one_of(token, of_sequence)) return true;
    return one_of(token, accounts) || (one_of(token, functions) && behind.symbol('('));
}

// Whether a subquery or a function in its value might look into a table. Drivers add to sql_mode by
// CONCAT(@@sql_mode, …), and every server comes to the same by that; user variables, which change by more than what is
// SET, are another matter.
[[nodiscard]] bool may_read_tables(const Assignment& assignment) {
    constexpr std::array<std::string_view, 14> plain_functions{"CONCAT", "CONCAT_WS", "REPLACE",  "TRIM",   "UPPER",
                                                               "LOWER",  "IF",        "IFNULL",   "NULLIF", "COALESCE",
                                                               "CAST",   "SUBSTRING", "GREATEST", "LEAST"};
    const Tokens value = assignment.value;
    const auto of_user = [](const Token& token) { return token.kind == Token::Kind::user_variable; };
    const bool users = assignment.user_variable || std::any_of(value.begin(), value.end(), of_user);
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (users && value[i].symbol('(')) return true;
        if (value[i].is("FROM") || value[i].is("TABLE") || value[i].is("NEXT")) return true;  // value of a sequence
        if (!value[i].symbol('(') || i == 0) continue;
        const Token& before = value[i - 1];
        const bool named = before.kind == Token::Kind::word || before.kind == Token::Kind::quoted;
        const bool of_database = i > 1 && value[i - 2].symbol('.');
        if (named && (of_database || !(one_of(before, plain_functions) || before.is("SELECT")))) return true;
    }
    return false;
}

constexpr std::string_view globally_serializable =
    "SERIALIZABLE in the global scope is refused: it would hold on one server only, and the other nodes would read as "
    "ever; say SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE";

// SET GLOBAL TRANSACTION …: `tokens` behind these words. As other SET GLOBAL it holds on the coordinator's server.
[[nodiscard]] Classified classify_global_transaction(Tokens tokens) {
    if (mentions(tokens, "ONLY")) {
        return refuse(
            "SET GLOBAL TRANSACTION READ ONLY is refused: it would hold on one server only; set it in the server's "
            "configuration on every node");
    }
    if (mentions(tokens, "SERIALIZABLE")) return refuse(std::string(globally_serializable));
    Classified out;
    out.kind = StatementKind::set;
    out.reads_tables = false;
    out.global_isolation = true;
    return out;
}

// Alone in its statement, whose other settings would be lost.
[[nodiscard]] std::optional<Classified> classify_kept_setting(Tokens tokens) {
    bool global = false;
    std::size_t i = 0;
    const Assignment first = take_assignment(tokens, i, global);
    if (i < tokens.size() || first.user_variable || first.persistent) return std::nullopt;
    Classified out;
    out.kind = StatementKind::plain;
    out.kept_setting = kept_setting(first.name, first.value, first.global);
    return out.kept_setting ? std::optional(std::move(out)) : std::nullopt;
}

// SET to what a variable holds, alone in its statement, too.
[[nodiscard]] std::optional<Classified> classify_asked_setting(Tokens tokens) {
    bool global = false;
    std::size_t i = 0;
    const Assignment first = take_assignment(tokens, i, global);
    if (i < tokens.size() || first.user_variable || first.persistent) return std::nullopt;
    const bool autocommit = !first.global && equals_ignoring_case(first.name, "AUTOCOMMIT");
    if (!autocommit && !pinned(first.name, first.global)) return std::nullopt;
    if (first.value.size() != 1) return std::nullopt;
    const Token& value = first.value[0];
    const bool user = value.kind == Token::Kind::user_variable;
    if (!user && value.kind != Token::Kind::system_variable) return std::nullopt;
    if (value.text.empty() || !std::all_of(value.text.begin(), value.text.end(), in_variable)) return std::nullopt;
    const std::string quote = user ? "`" : "";  // the name may have been quoted
    Classified out;
    out.kind = StatementKind::plain;
    out.asked_setting =
        AskedSetting{std::string(first.global ? "SET GLOBAL " : "SET SESSION ") + std::string(first.name) + " = ",
                     (user ? "@" : "@@") + quote + std::string(value.text) + quote, autocommit};
    return out;
}

// Effects of one assignment on the session; a reason when it is refused.
[[nodiscard]] std::string take_effect(const Assignment& assignment, Classified& out) {
    if (assignment.persistent) {
        return "SET PERSIST is refused: one server would keep it, and no other; say SET GLOBAL";
    }
    if (!assignment.user_variable && pinned(assignment.name, assignment.global) &&
        !changes_nothing(assignment.name, assignment.value)) {
        return "SET " + std::string(assignment.name) +
               " is refused: replication depends on this variable; leave it out, the node sets it itself";
    }
    if (may_read_tables(assignment)) out.reads_tables = true;
    const bool isolation = equals_ignoring_case(assignment.name, "TX_ISOLATION") ||
                           equals_ignoring_case(assignment.name, "TRANSACTION_ISOLATION");
    if (isolation && assignment.global) {
        const std::string_view level = assignment.value.size() == 1 ? assignment.value[0].text : "";
        if (level == "3" || equals_ignoring_case(level, "SERIALIZABLE")) return std::string(globally_serializable);
        out.global_isolation = true;
    }
    if (assignment.user_variable || assignment.global) return {};
    if (equals_ignoring_case(assignment.name, "AUTOCOMMIT")) {
        out.autocommit = truth(assignment.value);
        if (!out.autocommit) return "SET autocommit is understood with the values 0, 1, ON and OFF only";
    } else if (equals_ignoring_case(assignment.name, "TX_READ_ONLY") ||
               equals_ignoring_case(assignment.name, "TRANSACTION_READ_ONLY")) {
        const bool standard = assignment.value.size() == 1 && assignment.value[0].is("DEFAULT");
        out.read_only_default = standard ? false : truth(assignment.value);
    } else if (isolation) {
        const std::string_view level = assignment.value.empty() ? "" : assignment.value[0].text;
        out.each_statement_reads_anew =
            contains_ignoring_case(level, "COMMITTED") || mentions(assignment.value, "COMMITTED");
        // Anything else may be it: a number, an expression.
        out.serializable = !contains_ignoring_case(level, "READ");
    }
    return {};
}

constexpr std::string_view way_out = "; create a table of the new form, fill it with INSERT … SELECT and rename it";

// The first token of what an ALTER TABLE says of columns it adds for which `wanted` says so, or their number.
template <typename Wanted>
[[nodiscard]] std::size_t find_in_added(Tokens tokens, const Wanted& wanted) {
    constexpr std::array<std::string_view, 9> key_words{"PRIMARY", "KEY",     "INDEX",    "UNIQUE",   "CONSTRAINT",
                                                        "FOREIGN", "SPATIAL", "FULLTEXT", "PARTITION"};
    int depth = 0;
    bool adds_column = false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].symbol('(')) ++depth;
        if (tokens[i].symbol(')')) --depth;
        if (depth == 0 && tokens[i].symbol(',')) adds_column = false;
        if (depth == 0 && tokens[i].is("ADD")) adds_column = !one_of(token_at(tokens, i + 1), key_words);
        if (adds_column && wanted(i)) return i;
    }
    return tokens.size();
}

}  // namespace

Classified refuse(std::string reason) {
    Classified out;
    out.kind = StatementKind::refused;
    out.refusal = std::move(reason);
    return out;
}

bool may_read_locally(std::string_view sql) {
    const auto forbidden = [](std::string_view text) {
        return std::any_of(not_local_words.begin(), not_local_words.end(),
                           [&](auto word) { return contains_ignoring_case(text, word); });
    };
    if (contains_ignoring_case(sql, "/*!") || contains_ignoring_case(sql, "/*M!")) return false;
    if (!forbidden(sql)) return true;
    // A word inside a plain string is harmless, but where a string ends depends on sql_mode once a backslash occurs.
    if (sql.find('\\') != std::string_view::npos) return false;
    SqlScanner scanner(sql);
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (token.kind == Token::Kind::user_variable || token.kind == Token::Kind::system_variable) return false;
        // Double quotes may be identifiers (ANSI_QUOTES), and quoted identifiers may still name functions.
        const bool plain_string = token.kind == Token::Kind::string && token.quote == '\'';
        if (!plain_string && token.kind != Token::Kind::symbol && forbidden(token.text)) return false;
    }
    return true;
}

bool names_no_table(Tokens tokens) {
    constexpr std::size_t longest = 20;
    if (tokens.size() > longest || !token_at(tokens, 0).is("SELECT")) return false;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        const Token& token = tokens[i];
        if (token.is("FROM") || token.is("SELECT") || token.is("INTO") || token.is("TABLE")) return false;
        if (token.is("NEXT")) return false;  // value of a sequence
        if (token.symbol(':') || token.symbol('.')) return false;
        if (token.symbol('(') && !one_of(tokens[i - 1], session_functions)) return false;
    }
    return true;
}

// sql_auto_is_null: WHERE id IS NULL finds the row inserted last, by the connection that is asked. Drivers switch it
// off.
[[nodiscard]] bool finds_last_id(const Assignment& assignment) {
    if (!equals_ignoring_case(assignment.name, "SQL_AUTO_IS_NULL") || assignment.user_variable) return false;
    const Token value = token_at(assignment.value, 0);
    return assignment.value.size() != 1 ||
           (value.text != "0" && !value.is("OFF") && !value.is("FALSE") && !value.is("DEFAULT"));
}

// SET PASSWORD, SET DEFAULT ROLE: `tokens` behind SET. MariaDB writes names into its log without escaping their quotes;
// the other nodes would fail in what they read there.
[[nodiscard]] Classified classify_set_account(Tokens tokens) {
    Classified out;
    out.kind = StatementKind::account;
    out.secret = true;
    out.own_account = !mentions(tokens, "FOR") && !mentions(tokens, "TO");
    for (const Token& token : tokens) {
        if (token.symbol('=')) break;  // the password
        if (breaks_logged_name(token.text)) return refuse(std::string(logged_names_reason));
    }
    return out;
}

std::size_t behind_for(Tokens tokens) {
    int depth = 0;
    for (std::size_t i = 2; i < tokens.size(); ++i) {
        if (tokens[i].symbol('(')) ++depth;
        if (tokens[i].symbol(')')) --depth;
        if (depth == 0 && tokens[i].is("FOR")) return i + 1;
    }
    return tokens.size();
}

Tokens behind_settings(Tokens tokens) {
    while (token_at(tokens, 0).is("SET") && token_at(tokens, 1).is("STATEMENT"))
        tokens = tokens.subspan(behind_for(tokens));
    return tokens;
}

Classified classify_set(Tokens tokens) {
    while (!tokens.empty() && tokens.back().symbol(';')) tokens = tokens.first(tokens.size() - 1);
    Classified out;
    out.kind = StatementKind::set;
    out.reads_tables = false;
    const Token first = token_at(tokens, 0);
    const Token second = token_at(tokens, 1);
    if (first.is("TRANSACTION")) {
        out.kind = StatementKind::set_transaction;
        read_transaction_words(tokens, out);
        return out;
    }
    if (first.is("GLOBAL") && second.is("TRANSACTION")) return classify_global_transaction(tokens.subspan(2));
    if ((first.is("SESSION") || first.is("LOCAL")) && second.is("TRANSACTION")) {
        read_transaction_words(tokens, out);
        out.session_state = out.repeatable = true;
        return out;
    }
    if (first.is("PASSWORD") || (first.is("DEFAULT") && second.is("ROLE"))) return classify_set_account(tokens);
    if (auto kept = classify_kept_setting(tokens)) return *kept;
    if (auto asked = classify_asked_setting(tokens)) return *asked;
    bool own = false;
    bool others = false;
    bool global = false;
    std::size_t assignments = 0;
    out.repeatable = true;
    for (std::size_t i = 0; i < tokens.size();) {
        if (token_at(tokens, i).is("NAMES") || token_at(tokens, i).is("CHARACTER") ||
            token_at(tokens, i).is("CHARSET") || token_at(tokens, i).is("ROLE")) {
            out.session_state = true;  // no "=": the rest of the item is words
        }
        const Assignment assignment = take_assignment(tokens, i, global);
        ++assignments;
        const bool of_ddb = !assignment.user_variable && starts_ignoring_case(assignment.name, "DDB_");
        (of_ddb ? own : others) = true;
        std::string reason = of_ddb ? take_own(assignment, out) : take_effect(assignment, out);
        if (!reason.empty()) return refuse(std::move(reason));
        // User variables too: functions read them, which the text of the statement that calls them does not tell.
        if (!assignment.global) out.session_state = true;
        // A user variable may have been changed since by what no text tells: a procedure, a function.
        if (assignment.global || assignment.user_variable || out.reads_tables) out.repeatable = false;
        if (listed(assignment.name, tracing_variables) || finds_last_id(assignment)) out.repeatable = false;
    }
    if (out.autocommit && out.reads_tables) {
        return refuse(
            "SET autocommit together with what may read tables or call functions is refused: set it in a statement of "
            "its own");
    }
    // Not every connection of the session is told of autocommit.
    if (out.autocommit && assignments > 1) out.repeatable = false;
    if (!own) return out;
    if (others) return refuse("SET ddb_… stands alone: no server knows it; set other variables in another statement");
    out.kind = StatementKind::ddb_set;
    out.session_state = false;
    return out;
}

bool head_has(Tokens tokens, std::string_view word) {
    return std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) { return token.is(word); });
}

bool names_directory(Tokens tokens) {
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
        if (!tokens[i].is("DATA") && !tokens[i].is("INDEX")) continue;
        const Token& behind = tokens[i + 2];
        if (tokens[i + 1].is("DIRECTORY") && (behind.symbol('=') || behind.kind == Token::Kind::string)) return true;
    }
    return false;
}

bool makes_vector_index(Tokens tokens) {
    int depth = 0;
    for (std::size_t i = 1; i + 1 < tokens.size(); ++i) {
        depth += tokens[i].symbol('(') ? 1 : tokens[i].symbol(')') ? -1 : 0;
        if (!tokens[i].is("VECTOR")) continue;
        if (tokens[i + 1].is("INDEX") || tokens[i + 1].is("KEY")) return true;
        // VECTOR (v), VECTOR name (v): where a column of that name would have a type, whose parentheses hold no name.
        const bool begins = tokens[i - 1].symbol('(') || tokens[i - 1].symbol(',');
        if (!(begins && depth == 1) && !tokens[i - 1].is("ADD")) continue;
        const std::size_t open = token_at(tokens, i + 1).symbol('(') ? i + 1 : i + 2;
        if (token_at(tokens, open).symbol('(') && token_at(tokens, open + 1).may_name()) return true;
    }
    return false;
}

bool skips_validation(Tokens tokens) {
    const auto says = [](const Token& token, const Token& next) {
        return token.is("WITHOUT") && next.is("VALIDATION");
    };
    return std::adjacent_find(tokens.begin(), tokens.end(), says) != tokens.end();
}

bool numbers_beyond_signed(Tokens tokens) {
    constexpr std::array<std::string_view, 2> widest{"BIGINT", "INT8"};
    constexpr std::array<std::string_view, 2> without_sign{"UNSIGNED", "ZEROFILL"};
    for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
        if (!tokens[i].is("AS") || !one_of(tokens[i + 1], widest)) continue;
        return std::any_of(tokens.begin() + static_cast<std::ptrdiff_t>(i) + 2, tokens.end(),
                           [&](const Token& token) { return one_of(token, without_sign); });
    }
    return false;
}

bool places_history_by_server(Tokens tokens) {
    std::size_t i = 0;
    while (i < tokens.size() && !(tokens[i].is("SYSTEM_TIME") && i > 0 && tokens[i - 1].is("BY"))) ++i;
    return mentions(tokens.subspan(i), "LIMIT") || mentions(tokens.subspan(i), "AUTO");
}

bool moves_tablespace(Tokens tokens) {
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        if (!tokens[i].is("TABLESPACE")) continue;
        // DISCARD TABLESPACE, DISCARD PARTITION p, q TABLESPACE
        const Tokens before = tokens.first(i);
        if (mentions(before, "DISCARD") || mentions(before, "IMPORT")) return true;
    }
    return false;
}

std::string nondeterministic_alter(Tokens tokens) {
    const std::size_t found = find_in_added(tokens, [&](std::size_t i) { return differs_by_node(tokens, i); });
    if (found == tokens.size()) return {};
    return "ALTER TABLE … ADD with " + std::string(tokens[found].text) +
           " in a default is refused: existing rows would get other values on each node" + std::string(way_out);
}

std::string order_dependent_alter(Tokens tokens) {
    if (mentions(tokens.first(std::min<std::size_t>(tokens.size(), 4)), "IGNORE")) {
        return "ALTER IGNORE of a table without primary key is refused: which rows it drops differs from node to node" +
               std::string(way_out);
    }
    // A column's word, one that is added or one that is there and has rows without a number, not the table's next one.
    const auto numbers = [](const Token& token, const Token& next) {
        return token.is("AUTO_INCREMENT") && !next.symbol('=') && next.kind != Token::Kind::number;
    };
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (!numbers(tokens[i], token_at(tokens, i + 1))) continue;
        return "an AUTO_INCREMENT column in a table without primary key is refused: its rows would be numbered in "
               "another order on each node" +
               std::string(way_out);
    }
    return {};
}

}  // namespace ddb::session::rules
