#include "node/session/classifier.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "node/session/classifier_rules.hpp"
#include "node/session/definition_words.hpp"
#include "node/session/hidden_texts.hpp"
#include "node/session/own_names.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using rules::head_has;
using rules::refuse;
using rules::token_at;
using rules::Tokens;

// Enough for every rule that looks beyond the first words; ALTER, SET, FLUSH and their like are scanned whole.
constexpr std::size_t head_tokens = 24;
constexpr std::size_t tokens_max = 100'000;

[[nodiscard]] Classified of(StatementKind kind) {
    Classified out;
    out.kind = kind;
    return out;
}

[[nodiscard]] Classified state_of(StatementKind kind) {
    Classified out = of(kind);
    out.session_state = true;
    return out;
}

[[nodiscard]] Classified secret_of(StatementKind kind) {
    Classified out = of(kind);
    out.secret = true;
    return out;
}

constexpr std::string_view per_node =
    " is refused through ddb: it would act on one server only and break its part in replication";

// Statements that stop, bypass or confuse capture; nullopt when the first words are none of them.
[[nodiscard]] std::optional<Classified> refused_by_first_word(const Token& first, const Token& second, Tokens tokens) {
    constexpr std::array<std::string_view, 12> words{"XA",        "RESET",  "PURGE",  "CHANGE",   "STOP",  "INSTALL",
                                                     "UNINSTALL", "BACKUP", "BINLOG", "SHUTDOWN", "CLONE", "RESTART"};
    const bool clears_cache = first.is("RESET") && second.is("QUERY") && token_at(tokens, 2).is("CACHE") &&
                              (tokens.size() == 3 || token_at(tokens, 3).symbol(';'));  // others may follow a comma
    if (one_of(first, words) && !clears_cache) {
        std::string reason = std::string(first.text) + std::string(per_node);
        if (first.is("XA")) reason += "; use BEGIN and COMMIT, every transaction here is already a distributed one";
        return refuse(std::move(reason));
    }
    if (first.is("START") && !second.is("TRANSACTION"))
        return refuse("START " + std::string(second.text) + std::string(per_node));
    const bool may_lock = head_has(tokens, "LOCK") || head_has(tokens, "EXPORT") || tokens.size() == tokens_max;
    const bool tables = head_has(tokens, "TABLES") || head_has(tokens, "TABLE");
    if (first.is("FLUSH") && tables && may_lock) {
        return refuse(
            "FLUSH TABLES … WITH READ LOCK and FOR EXPORT of some tables are refused: these would be files of one "
            "server; use LOCK TABLES, or FLUSH TABLES WITH READ LOCK");
    }
    if (first.is("LOCK") && !second.is("TABLE") && !second.is("TABLES"))
        return refuse("LOCK " + std::string(second.text) + std::string(per_node));
    if (first.is("IMPORT")) return refuse("IMPORT" + std::string(per_node));
    return std::nullopt;
}

// FLUSH [LOCAL | NO_WRITE_TO_BINLOG] TABLES WITH READ LOCK
[[nodiscard]] bool locks_everything(Tokens tokens) {
    const bool local = token_at(tokens, 1).is("LOCAL") || token_at(tokens, 1).is("NO_WRITE_TO_BINLOG");
    const std::size_t i = local ? 2 : 1;
    const bool tables = token_at(tokens, i).is("TABLES") || token_at(tokens, i).is("TABLE");
    const std::size_t end = tokens.size() - (tokens.back().symbol(';') ? 1 : 0);
    return tables && token_at(tokens, i + 1).is("WITH") && token_at(tokens, i + 2).is("READ") &&
           token_at(tokens, i + 3).is("LOCK") && end == i + 4;
}

// `tokens` start at what kind of thing it is.
[[nodiscard]] std::optional<std::string> database_of_created(Tokens tokens) {
    constexpr std::array<std::string_view, 7> kinds{"TABLE",   "VIEW",     "FUNCTION", "PROCEDURE",
                                                    "TRIGGER", "SEQUENCE", "PACKAGE"};
    if (!one_of(token_at(tokens, 0), kinds)) return std::nullopt;
    std::size_t i = token_at(tokens, 1).is("BODY") ? 2 : 1;
    if (token_at(tokens, i).is("IF") && token_at(tokens, i + 2).is("EXISTS")) i += 3;
    const bool names = token_at(tokens, i).may_name() && token_at(tokens, i + 1).symbol('.');
    return names ? std::string(token_at(tokens, i).text) : std::string();
}

// CREATE, ALTER, DROP, RENAME, TRUNCATE: `tokens` start at the verb.
[[nodiscard]] Classified classify_definition(Tokens tokens) {
    if (std::string reason = refused_of_server(tokens); !reason.empty()) return refuse(std::move(reason));
    std::size_t i = 1;
    if (token_at(tokens, i).is("OR") && token_at(tokens, i + 1).is("REPLACE")) i += 2;
    // DEFINER = user@host, AGGREGATE, ALGORITHM = …, SQL SECURITY … stand before the object's kind.
    constexpr std::array<std::string_view, 16> kinds{
        "TABLE",     "TABLES",  "USER",  "ROLE",     "EVENT",   "SERVER",    "FUNCTION", "VIEW",
        "PROCEDURE", "TRIGGER", "INDEX", "DATABASE", "PREPARE", "TEMPORARY", "SEQUENCE", "PACKAGE"};
    while (i < tokens.size() && i < 16 && !one_of(tokens[i], kinds)) ++i;
    const Token object = token_at(tokens, i);
    const Token verb = tokens[0];
    if (object.is("TEMPORARY")) {
        if (token_at(tokens, i + 1).is("SEQUENCE")) {
            return refuse("temporary sequences are refused: use a permanent one");
        }
        return state_of(StatementKind::temporary_table);
    }
    if (verb.is("DROP") && object.is("PREPARE")) return of(StatementKind::plain);
    if (object.is("USER") || object.is("ROLE")) return secret_of(StatementKind::account);
    if (std::string reason = refused_kind(tokens, object); !reason.empty()) return refuse(std::move(reason));
    if (verb.is("ALTER") && object.is("TABLE")) {
        std::string reason = rules::nondeterministic_alter(tokens);
        if (!reason.empty()) return refuse(std::move(reason));
        Classified out = of(StatementKind::ddl);
        out.refused_without_key = rules::order_dependent_alter(tokens);
        return out;
    }
    Classified out = of(StatementKind::ddl);
    if (verb.is("CREATE")) out.creates_in = database_of_created(tokens.subspan(i));
    return out;
}

[[nodiscard]] Classified classify_hidden(std::string_view sql, StatementKind kind);

// BEGIN with anything else behind it is a block (sql_mode=ORACLE), or the server says what is wrong with it.
[[nodiscard]] Classified classify_begin(std::string_view sql, Tokens tokens) {
    constexpr std::array<std::string_view, 8> words{"BEGIN", "WORK",       "START",    "TRANSACTION",
                                                    "WITH",  "CONSISTENT", "SNAPSHOT", "READ"};
    constexpr std::array<std::string_view, 2> modes{"ONLY", "WRITE"};
    const bool plain = std::all_of(tokens.begin(), tokens.end(), [&](const Token& token) {
        return token.symbol(',') || token.symbol(';') || one_of(token, words) || one_of(token, modes);
    });
    if (!plain) return classify_hidden(sql, StatementKind::execute);
    Classified out = of(StatementKind::begin);
    out.consistent_snapshot = head_has(tokens, "SNAPSHOT");
    out.read_only = head_has(tokens, "ONLY");
    out.read_write = head_has(tokens, "WRITE");
    return out;
}

// COMMIT [WORK] [AND [NO] CHAIN] [[NO] RELEASE]
[[nodiscard]] Classified classify_end(Tokens tokens) {
    const bool commit = tokens[0].is("COMMIT");
    if (!commit && head_has(tokens, "TO")) return of(StatementKind::savepoint);
    Classified out = of(commit ? StatementKind::commit : StatementKind::rollback);
    std::size_t i = token_at(tokens, 1).is("WORK") ? 2 : 1;
    const auto take = [&](std::string_view word) {
        const bool found = token_at(tokens, i).is(word);
        if (found) ++i;
        return found;
    };
    bool fine = true;
    if (take("AND")) {
        const bool negated = take("NO");
        fine = take("CHAIN");
        out.chain = !negated;
    }
    const bool negated = take("NO");
    const bool release = take("RELEASE");
    out.release = release && !negated;
    fine = fine && (release || !negated) && !(out.release && out.chain);
    if (token_at(tokens, i).symbol(';')) ++i;
    if (!fine || i < tokens.size()) return of(StatementKind::dml);  // the server says what is wrong with it
    return out;
}

// SELECT @@warning_count, @@error_count: asks about the statement before, as SHOW WARNINGS does, and touches nothing.
[[nodiscard]] bool asks_for_counts(Tokens tokens) {
    if (tokens.size() < 2 || tokens.size() % 2 != 0 || !tokens[0].is("SELECT")) return false;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        const Token& token = tokens[i];
        const bool count =
            token.kind == Token::Kind::system_variable &&
            (equals_ignoring_case(token.text, "WARNING_COUNT") || equals_ignoring_case(token.text, "ERROR_COUNT"));
        if (i % 2 == 1 ? !count : !token.symbol(',')) return false;
    }
    return true;
}

// SELECT … FROM information_schema.PROCESSLIST [WHERE …], and nothing else: by names and functions of the server's own.
[[nodiscard]] bool lists_processes(Tokens tokens) {
    constexpr std::array<std::string_view, 6> functions{"COUNT", "MAX", "MIN", "SUM", "IN", "AND"};
    constexpr std::array<std::string_view, 6> further{"FROM", "SELECT", "JOIN", "INTO", "UNION", "PROCEDURE"};
    std::size_t from = 0;
    while (from < tokens.size() && !tokens[from].is("FROM")) ++from;
    const bool listed = token_at(tokens, from + 1).is("INFORMATION_SCHEMA") && token_at(tokens, from + 2).symbol('.') &&
                        token_at(tokens, from + 3).is("PROCESSLIST");
    const Token behind = token_at(tokens, from + 4);
    const bool alone = from + 4 >= tokens.size() || behind.symbol(';') || behind.is("WHERE") || behind.is("ORDER");
    if (!tokens[0].is("SELECT") || !listed || !alone || tokens.size() >= head_tokens) return false;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        if (i != from && one_of(tokens[i], further)) return false;
        if (tokens[i].symbol('(') && !one_of(tokens[i - 1], functions)) return false;
    }
    return true;
}

[[nodiscard]] Classified classify_read(std::string_view sql, Tokens tokens) {
    if (asks_for_counts(tokens)) return of(StatementKind::diagnostics);
    Classified out = of(StatementKind::read);
    out.of_server = lists_processes(tokens);
    out.local = rules::may_read_locally(sql);
    out.tableless = rules::names_no_table(tokens);
    if (!out.local) {
        out.takes_user_lock = contains_ignoring_case(sql, "GET_LOCK");
        out.releases_user_lock = contains_ignoring_case(sql, "RELEASE_");
    }
    return out;
}

// HANDLER [database .] table OPEN …, HANDLER name READ | CLOSE …: state of the session's connection.
[[nodiscard]] Classified classify_handler(std::string_view sql, Tokens tokens) {
    const Token verb = token_at(tokens, token_at(tokens, 2).symbol('.') ? 4 : 2);
    Classified out = classify_read(sql, tokens);
    out.local = false;
    if (verb.is("OPEN")) out.handler = HandlerVerb::open;
    if (verb.is("READ")) out.handler = HandlerVerb::read;
    if (verb.is("CLOSE")) out.handler = HandlerVerb::close;
    return out;
}

// `tokens` behind SHOW DDB.
[[nodiscard]] Classified classify_show_ddb(Tokens tokens) {
    constexpr std::array<std::pair<std::string_view, DdbView>, 3> views{
        {{"STATUS", DdbView::status}, {"NODES", DdbView::nodes}, {"TRANSACTIONS", DdbView::transactions}}};
    for (const auto& [name, view] : views) {
        if (!token_at(tokens, 0).is(name) || tokens.size() != 1) continue;
        Classified out = of(StatementKind::ddb_show);
        out.view = view;
        return out;
    }
    return refuse("SHOW DDB is followed by STATUS, NODES or TRANSACTIONS");
}

[[nodiscard]] Classified classify_show(std::string_view sql, Tokens tokens) {
    const Token second = token_at(tokens, 1);
    const bool counted = second.is("COUNT") && (head_has(tokens, "WARNINGS") || head_has(tokens, "ERRORS"));
    if (second.is("DDB")) return classify_show_ddb(tokens.subspan(2));
    if (second.is("WARNINGS") || second.is("ERRORS") || counted) {
        return of(StatementKind::diagnostics);
    }
    Classified out = classify_read(sql, tokens);
    const bool scoped = second.is("GLOBAL") || second.is("SESSION") || second.is("LOCAL");
    const bool routines = (second.is("PROCEDURE") || second.is("FUNCTION")) && token_at(tokens, 2).is("STATUS");
    const bool schemas = second.is("DATABASES") || second.is("SCHEMAS");
    if ((schemas || routines) && !contains_ignoring_case(sql, "DDB")) out.hides = Hides::schema;
    if (second.is("GRANTS")) out.hides = Hides::rights;
    out.shows_status = token_at(tokens, scoped ? 2 : 1).is("STATUS");
    const bool processes = token_at(tokens, second.is("FULL") ? 2 : 1).is("PROCESSLIST");
    out.of_server = (out.local && out.shows_status) || processes;
    return out;
}

// GRANT second TO CURRENT_USER in a string.
[[nodiscard]] bool hides_own_names(std::string_view sql) {
    if (!means_own_names(sql)) return false;
    const std::vector<Token> tokens = scan(sql, head_tokens);
    return std::any_of(tokens.begin(), tokens.end(), [](const Token& token) {
        if (token.kind != Token::Kind::string || !means_own_names(token.text)) return false;
        const Token first = SqlScanner(token.text).next();
        return first.is("GRANT") || first.is("REVOKE");
    });
}

// What a literal text would be refused as by itself. One in another is no matter: servers refuse that.
[[nodiscard]] std::optional<Classified> refused_by_literal(std::string_view sql) {
    const auto text = said_literally(sql);
    if (!text || !defines(*text)) return std::nullopt;
    const Token first = SqlScanner(*text).next();
    if (first.is("PREPARE") || first.is("EXECUTE")) return std::nullopt;
    const Classified found = classify(*text);
    if (found.kept_setting || found.asked_setting)
        return refuse(
            "SET of what replication depends on is refused in PREPARE and EXECUTE: say it as a statement of its own");
    if (found.kind == StatementKind::refused) return refuse(found.refusal);
    return std::nullopt;
}

// Hidden text can bypass what first words tell; only the account's own rights stop what is assembled at run time.
// Without SET it can only ask for a variable, or talk of it.
[[nodiscard]] Classified classify_hidden(std::string_view sql, StatementKind kind) {
    constexpr std::array<std::string_view, 4> words{"SQL_LOG_BIN", "GTID_", "BINLOG_", "SESSION_TRACK_"};
    const bool sets = contains_ignoring_case(sql, "SET");
    for (const auto word : words) {
        if (sets && contains_ignoring_case(sql, word)) {
            return refuse("this statement names " + std::string(word) +
                          "…, on which replication depends: it is refused");
        }
    }
    if (auto refused = refused_by_literal(sql)) return std::move(*refused);
    if (contains_ignoring_case(sql, "WITH READ LOCK"))
        return refuse(
            "FLUSH TABLES WITH READ LOCK is refused in PREPARE and EXECUTE; say it as a statement of its own");
    if (hides_own_names(sql)) {
        return refuse(
            "GRANT and REVOKE with CURRENT_USER or CURRENT_ROLE are refused in PREPARE and EXECUTE: the log does not "
            "tell "
            "whom they mean; say them as statements of their own, or with the name");
    }
    Classified out = of(kind);
    out.takes_user_lock = contains_ignoring_case(sql, "GET_LOCK");
    out.hides_handler = contains_ignoring_case(sql, "HANDLER") && contains_ignoring_case(sql, "OPEN");
    out.hides_temporary = contains_ignoring_case(sql, "TEMPORARY") && contains_ignoring_case(sql, "CREATE");
    return out;
}

[[nodiscard]] Classified classify_tokens(std::string_view sql, Tokens tokens);

// SET STATEMENT a=1, b=2 FOR <statement>: is what the inner statement is. That may be another SET STATEMENT, as often
// as the text has room for: a loop, since a stack has less.
[[nodiscard]] Classified classify_set_statement(std::string_view sql, Tokens tokens) {
    while (tokens[0].is("SET") && token_at(tokens, 1).is("STATEMENT")) {
        const std::size_t inner = rules::behind_for(tokens);
        if (inner == tokens.size()) return of(StatementKind::dml);  // the server says what is wrong with it
        const Classified variables = rules::classify_set(tokens.subspan(2, inner - 3));
        if (variables.kind == StatementKind::refused) return variables;
        if (variables.asked_setting) {
            return refuse("SET STATEMENT of what replication depends on is refused with a variable; leave it out");
        }
        if (variables.kept_setting)
            return refuse("SET STATEMENT of what replication depends on is refused; leave it out");
        if (variables.autocommit) return refuse("SET STATEMENT autocommit is refused; use BEGIN and COMMIT");
        tokens = tokens.subspan(inner);
    }
    Classified inner = classify_tokens(sql, tokens);
    inner.local = false;
    inner.set_statement = true;
    constexpr std::array fine{StatementKind::read,    StatementKind::dml,     StatementKind::ddl,
                              StatementKind::account, StatementKind::refused, StatementKind::call,
                              StatementKind::execute};
    if (std::find(fine.begin(), fine.end(), inner.kind) == fine.end()) {
        return refuse("SET STATEMENT is understood before queries and data changes only");
    }
    return inner;
}

// REVOKE ALL PRIVILEGES, GRANT OPTION FROM …, PUBLIC: also of the rights by which the node runs everybody's statements.
[[nodiscard]] bool takes_all_from_everybody(Tokens tokens) {
    if (!tokens[0].is("REVOKE") || !token_at(tokens, 1).is("ALL")) return false;
    std::size_t i = 2;
    while (i < tokens.size() && !tokens[i].is("FROM")) {
        if (tokens[i++].is("ON")) return false;  // of one object
    }
    for (; i < tokens.size(); ++i) {
        const bool names = tokens[i].may_name() || tokens[i].kind == Token::Kind::string;
        const bool has_host = token_at(tokens, i + 1).kind == Token::Kind::user_variable;
        if (names && !has_host && equals_ignoring_case(tokens[i].text, "PUBLIC")) return true;
    }
    return false;
}

[[nodiscard]] std::optional<Classified> classify_by_table(const Token& first, Tokens tokens) {
    constexpr std::array<std::string_view, 7> definition_words{"GRANT", "REVOKE", "OPTIMIZE", "REPAIR",
                                                               "CACHE", "FLUSH",  "RESET"};
    // DECLARE opens a block of sql_mode=ORACLE.
    constexpr std::array<std::string_view, 8> compounds{"EXECUTE", "IF",  "WHILE", "LOOP",
                                                        "REPEAT",  "FOR", "CASE",  "DECLARE"};
    constexpr std::array<std::string_view, 7> plains{"PREPARE", "DEALLOCATE", "KILL",    "HELP",
                                                     "GET",     "SIGNAL",     "RESIGNAL"};
    if (takes_all_from_everybody(tokens)) {
        return refuse(
            "REVOKE ALL from PUBLIC is refused: it would take the rights by which the node runs everybody's "
            "statements; name the rights, or their object with ON");
    }
    if (one_of(first, definition_words)) {
        const bool grant = first.is("GRANT") || first.is("REVOKE");
        Classified out = grant ? secret_of(StatementKind::account) : of(StatementKind::ddl);
        out.grant = grant;
        out.counts_anew = first.is("FLUSH") && head_has(tokens, "STATUS");
        out.maintains = first.is("FLUSH");
        return out;
    }
    if (one_of(first, compounds)) return of(StatementKind::execute);
    if (one_of(first, plains)) return of(StatementKind::plain);
    if (first.is("USE")) return of(StatementKind::use);
    if (first.is("CALL")) return of(StatementKind::call);
    if (first.is("SAVEPOINT") || first.is("RELEASE")) return of(StatementKind::savepoint);
    if (first.is("UNLOCK")) return of(StatementKind::unlock_tables);
    if (first.is("LOCK")) return of(StatementKind::lock_tables);
    return std::nullopt;
}

[[nodiscard]] Classified classify_tokens(std::string_view sql, Tokens tokens) {
    constexpr std::array<std::string_view, 7> read_words{"SELECT", "WITH",     "VALUES", "TABLE",
                                                         "DESC",   "DESCRIBE", "EXPLAIN"};
    constexpr std::array<std::string_view, 2> coordinator_reads{"DO", "CHECKSUM"};
    const Token first = tokens[0];
    const Token second = token_at(tokens, 1);
    if (first.symbol('(') || one_of(first, read_words)) return classify_read(sql, tokens);
    if (first.is("SHOW")) return classify_show(sql, tokens);
    if (one_of(first, coordinator_reads)) {
        Classified out = classify_read(sql, tokens);
        out.local = false;
        return out;
    }
    if (first.is("HANDLER")) return classify_handler(sql, tokens);
    if (first.is("FLUSH") && locks_everything(tokens)) return of(StatementKind::read_lock);
    if (auto refused = refused_by_first_word(first, second, tokens)) return *refused;
    if (first.is("SET"))
        return second.is("STATEMENT") ? classify_set_statement(sql, tokens) : rules::classify_set(tokens.subspan(1));
    if (first.is("BEGIN")) {
        return second.is("NOT") ? classify_hidden(sql, StatementKind::execute) : classify_begin(sql, tokens);
    }
    if (first.is("START")) return classify_begin(sql, tokens);
    if (first.is("COMMIT") || first.is("ROLLBACK")) return classify_end(tokens);
    constexpr std::array<std::string_view, 5> definitions{"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"};
    if (one_of(first, definitions)) return classify_definition(tokens);
    // ANALYZE [LOCAL] TABLE maintains, ANALYZE SELECT runs its statement; CHECK and LOAD INDEX maintain.
    if (first.is("ANALYZE") && !head_has(tokens.first(std::min<std::size_t>(tokens.size(), 3)), "TABLE")) {
        return of(StatementKind::dml);
    }
    if (first.is("ANALYZE") || first.is("CHECK") || (first.is("LOAD") && second.is("INDEX"))) {
        Classified out = of(StatementKind::ddl);
        out.maintains = first.is("CHECK");
        return out;
    }
    if (auto known = classify_by_table(first, tokens)) {
        const bool hides =
            known->kind == StatementKind::execute || known->kind == StatementKind::call || first.is("PREPARE");
        if (!hides) return *known;
        return classify_hidden(sql, known->kind);
    }
    return of(StatementKind::dml);
}

// @v := …, which is not what INSERT … SET v := … and strings have.
[[nodiscard]] bool assigns_variable(std::string_view sql) {
    SqlScanner scanner(sql);
    Token before;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (token.symbol(':') && before.kind == Token::Kind::user_variable) return true;
        before = token;
    }
    return false;
}

// Writes to the node's own schema are refused by its rights too; the words here say why.
[[nodiscard]] bool writes_metadata(std::string_view sql, const Classified& found) {
    if (found.kind == StatementKind::read || found.kind == StatementKind::use) return false;
    if (!contains_ignoring_case(sql, "DDB_META")) return false;
    SqlScanner scanner(sql);
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        const bool name = token.kind == Token::Kind::word || token.kind == Token::Kind::quoted;
        if (name && equals_ignoring_case(token.text, "DDB_META")) return true;
    }
    return false;
}

}  // namespace

Classified classify(std::string_view sql) {
    std::vector<Token> tokens = scan(sql, head_tokens);
    if (tokens.empty()) return of(StatementKind::empty);
    constexpr std::array<std::string_view, 5> whole{"SET", "ALTER", "CREATE", "REVOKE", "FLUSH"};
    if (tokens.size() == head_tokens && one_of(tokens[0], whole)) tokens = scan(sql, tokens_max);
    Classified out = classify_tokens(sql, tokens);
    if (out.kind == StatementKind::read && tokens[0].versioned) out.local = false;
    out.block = out.kind == StatementKind::execute && !tokens[0].is("EXECUTE");
    if (out.block) out.hides_handler = false;  // it has those of errors
    if (writes_metadata(sql, out)) return refuse("ddb_meta belongs to the node: it can be read, not written");
    return out;
}

bool computes_variables(const Classified& statement, std::string_view sql) {
    constexpr std::size_t scanned_bytes_max = 64u << 10;
    if (sql.find('@') == std::string_view::npos) return false;
    const bool assigns = sql.size() < scanned_bytes_max && sql.find(":=") != std::string_view::npos;
    const bool selects = sql.size() < scanned_bytes_max && contains_ignoring_case(sql, "INTO");
    switch (statement.kind) {
        case StatementKind::set:
            return statement.reads_tables;
        case StatementKind::read:
            return !statement.local && (assigns || selects);
        case StatementKind::execute:
            return assigns || selects;
        case StatementKind::dml:
            return assigns && assigns_variable(sql);
        case StatementKind::call:
            return true;  // by its parameters
        case StatementKind::plain:
            return SqlScanner(sql).next().is("GET");  // DIAGNOSTICS
        default:
            return false;
    }
}

bool hides_generated_id(StatementKind kind, std::string_view sql) {
    constexpr std::size_t scanned_bytes_max = 64u << 10;  // asking in vain costs less than looking further
    if (kind == StatementKind::call || kind == StatementKind::execute || sql.size() > scanned_bytes_max) return true;
    return contains_ignoring_case(sql, "RETURNING") || contains_ignoring_case(sql, "LAST_INSERT_ID");
}

}  // namespace ddb::session
