#include "node/storage/statement_runner.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "node/storage/binlog_event.hpp"
#include "node/storage/binlog_stream.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/sql_words.hpp"

namespace ddb::storage {
namespace {

constexpr EventType settings_type{250};
constexpr std::uint16_t utf8mb4_general_ci = 45;

std::string quoted_identifier(std::string_view name) {
    std::string out = "`";
    for (const char c : name) {
        out += c;
        if (c == '`') out += c;
    }
    return out + "`";
}

void add_context(const ServerDialect& dialect, const StatementContext& context, std::vector<std::string>& out) {
    const auto set = [&](const char* name, std::uint64_t value) {
        out.push_back("SET SESSION " + std::string(name) + "=" + std::to_string(value));
    };
    if (context.character_set_client) {
        // A character set goes by name; the event has the number of one of its collations.
        out.push_back("SET SESSION character_set_client=(" + dialect.character_set_sql(*context.character_set_client) +
                      ")");
        set("collation_connection", *context.collation_connection);
        set("collation_server", *context.collation_server);
    }
    if (context.collation_database) set("collation_database", *context.collation_database);
    if (context.lc_time_names) set("lc_time_names", *context.lc_time_names);
    if (context.time_zone) out.push_back("SET SESSION time_zone=" + to_hex_literal(*context.time_zone));
    if (context.auto_increment_increment) {
        set("auto_increment_increment", *context.auto_increment_increment);
        set("auto_increment_offset", *context.auto_increment_offset);
    }
    dialect.add_context(context, out);
    // Last: some modes change how the settings above would be read.
    if (context.sql_mode) set("sql_mode", *context.sql_mode);
}

// Of a routine, trigger or view the event names the invoker too, but there CURRENT_USER means whoever will use it.
bool defines_no_account(std::string_view text) {
    std::array<std::string_view, 4> words;
    std::size_t at = begin_of_statement(text);
    for (std::string_view& word : words) {
        while (at < text.size() && !is_word(text[at])) ++at;
        const std::size_t begin = at;
        while (at < text.size() && is_word(text[at])) ++at;
        word = text.substr(begin, at - begin);
    }
    if (!same_word(words[0], "CREATE") && !same_word(words[0], "ALTER")) return false;
    const std::string_view kind = same_word(words[1], "OR") ? words[3] : words[1];
    return !same_word(kind, "USER") && !same_word(kind, "ROLE");
}

// Account statements may mean "whoever runs this": CURRENT_USER, and CREATE ROLE, whose creator may grant the role.
// Here the service account runs them, so the user the event names is put in; a role where it names one, which has no
// host.
std::string name_the_invoker(const ServerDialect& dialect, std::string_view text, const StatementContext& context) {
    const bool is_role = context.invoker_host.empty();
    const std::string invoker =
        quoted_identifier(context.invoker_user) + (is_role ? "" : "@" + quoted_identifier(context.invoker_host));
    std::string out;
    std::vector<std::string_view> words;
    const std::size_t begin = begin_of_statement(text);
    std::size_t i = begin;
    out = text.substr(0, begin);
    while (i < text.size()) {
        std::size_t end = i + 1;
        if (const std::size_t behind = end_of_comment(text, i); behind != i) {
            end = behind;
        } else if (text[i] == '\'' || text[i] == '"' || text[i] == '`') {
            end = end_of_quoted(text, i);
        } else if (is_word(text[i])) {
            while (end < text.size() && is_word(text[end])) ++end;
            words.push_back(text.substr(i, end - i));
            if (same_word(words.back(), is_role ? "CURRENT_ROLE" : "CURRENT_USER")) {
                if (text.substr(end, 2) == "()") end += 2;
                out += invoker;
                i = end;
                continue;
            }
        }
        out.append(text.substr(i, end - i));
        i = end;
    }
    const auto has = [&](std::string_view word) {
        return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return same_word(w, word); });
    };
    const bool role = words.size() > 1 && same_word(words[0], "CREATE") && has("ROLE");
    if (role && !has("ADMIN") && dialect.roles_have_administrators())
        out += "\nWITH ADMIN " + invoker;  // the text may end with a comment
    return out;
}

// Bytes of which a text in another character set hardly ever consists: there, others stand side by side.
bool is_utf8(std::string_view text) {
    bool beyond_ascii = false;
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i++]);
        if (byte < 0x80) continue;
        beyond_ascii = true;
        if (byte < 0xC2 || byte > 0xF4) return false;
        for (int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1; more > 0; --more, ++i) {
            if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return false;
        }
    }
    return beyond_ascii;
}

// MySQL puts CREATE USER, ALTER USER, SET PASSWORD and GRANT of rights into words of its own; REVOKE, roles and the
// rest of them are logged as the client said them.
bool says_account_in_utf8(std::string_view text) {
    const std::string_view statement = text.substr(begin_of_statement(text));
    const std::string_view first = word_at(statement, 0);
    int depth = 0;
    const std::string_view second = word_at(statement, next_word(statement, first.size(), depth));
    const bool account = same_word(first, "CREATE") || same_word(first, "ALTER");
    return (same_word(first, "GRANT") || (account && same_word(second, "USER"))) && is_utf8(text);
}

// The server's own text of a DROP that failed half-way names what is gone and what was not there; the client's error
// may have come from something else in its list (a view, a table that others refer to).
bool misses_what_was_missing(std::string_view text, std::uint16_t error) {
    constexpr std::uint16_t unknown_table = 1051;
    constexpr std::uint16_t unknown_sequence = 4091;
    const bool of_list = text.starts_with("DROP ") && text.ends_with("/* generated by server */");
    return of_list && (error == unknown_table || error == unknown_sequence);
}

// Nothing ends a statement here. Where it was ended on the coordinator, its log has what was done, in words of the
// server's own if need be, and sometimes the code, although the client was told OK (DROP DATABASE).
bool was_ended(std::uint16_t error) {
    constexpr std::array<std::uint16_t, 4> codes{1317, 1927, 1969, 3024};  // KILL, and the time limits
    return std::find(codes.begin(), codes.end(), error) != codes.end();
}

// Outcomes agree when the server gives the error the coordinator's gave. Statements that fail with effects are logged
// either with their error or as a rewritten text that succeeds (a failed CREATE OR REPLACE … SELECT as its DROP).
Status compare(const std::optional<Error>& error, std::string_view text, std::uint16_t event_error,
               std::uint16_t expected) {
    // Of a DROP that names several things: no table, no view, no sequence, or that of another kind. What was not there
    // is left out of its log, and then another one of them may be told.
    constexpr std::array<std::uint16_t, 5> drops{1051, 4092, 4091, 4090, 1347};
    const auto of_drop = [&](std::uint16_t code) { return std::find(drops.begin(), drops.end(), code) != drops.end(); };
    constexpr std::uint16_t cannot_user = 1396;
    if (error) {
        if (error->mysql_code == expected || error->mysql_code == event_error) return ok();
        if (of_drop(error->mysql_code) && of_drop(expected)) return ok();
        // A view that could not be read was left out when this node was loaded.
        constexpr std::uint16_t unknown_view = 4092;
        if (error->mysql_code == unknown_view && expected == 0) return ok();
        if (expected != 0 && misses_what_was_missing(text, error->mysql_code)) return ok();
        return fail(ErrorCode::refused, "a statement failed here with " + std::to_string(error->mysql_code) +
                                            ", on the coordinator with " + std::to_string(expected));
    }
    const bool list = of_drop(expected) || expected == cannot_user;
    if ((event_error == 0 || was_ended(event_error)) && !list) return ok();
    return fail(ErrorCode::refused, "a statement succeeded here that failed with " +
                                        std::to_string(event_error != 0 ? event_error : expected) +
                                        " on the coordinator");
}

Result<std::unique_ptr<Connection>> open_for_statement(const ConnectOptions& service, std::uint64_t sequence) {
    auto connection = Connection::open(service);
    if (!connection.ok()) return connection;
    auto done = (*connection)->execute((*connection)->dialect().applied_statement_sql(sequence));
    if (!done.ok()) return done.error();
    return connection;
}

// Only a role's administrator may grant it, whatever else he may, and only who may be everybody's proxy can make others
// one; so for one statement the service account is both. Written to the tables below the account system, so that it
// leaves no trace in the log.
Result<OkPacket> run_as_administrator(const ConnectOptions& service, Connection& connection, const std::string& text) {
    auto admin = open_service(service);
    if (!admin.ok()) return admin.error();
    const std::string who = to_hex_literal(service.user);
    // On MySQL it has the right to grant roles; only proxies are a matter of the account.
    const bool roles = connection.dialect().roles_have_administrators();
    const std::string accounts = roles ? "mysql.global_priv" : "mysql.user";
    std::vector<std::string> begin = {
        "INSERT IGNORE INTO mysql.proxies_priv (host, user, proxied_host, proxied_user, with_grant, grantor) SELECT "
        "host, user, '', '', 1, '' FROM " +
            accounts + " WHERE user=" + who,
        "FLUSH PRIVILEGES"};
    std::vector<std::string> end = {"DELETE FROM mysql.proxies_priv WHERE user=" + who, "FLUSH PRIVILEGES"};
    if (roles) {
        begin.insert(begin.begin(),
                     "INSERT IGNORE INTO mysql.roles_mapping SELECT r.host, r.user, g.user, 'Y' FROM mysql.global_priv "
                     "g JOIN mysql.global_priv r ON r.user=" +
                         who + " WHERE g.user <> 'PUBLIC' AND JSON_VALUE(g.priv, '$.is_role')");
        end.insert(end.begin(), "DELETE FROM mysql.roles_mapping WHERE user=" + who);
    }
    auto done = (*admin)->execute_all(begin);
    if (done.ok()) done = connection.execute(text);
    if (auto cleared = (*admin)->execute_all(end); !cleared.ok() && done.ok()) return cleared;
    return done;
}

// The server writes down who granted, and from which host. Here that is the service account, which comes from where the
// sessions on the coordinator come from: put the user of the event in its place.
Status name_the_grantor(const ConnectOptions& service, const std::string& user) {
    auto admin = open_service(service);
    if (!admin.ok()) return admin.error();
    std::uint64_t changed = 0;
    constexpr std::array<std::pair<const char*, const char*>, 3> tables{
        {{"tables_priv", " AND Db<>'ddb_meta'"}, {"procs_priv", " AND Db<>'ddb_meta'"}, {"proxies_priv", ""}}};
    for (const auto& [table, not_ours] : tables) {
        auto done =
            (*admin)->execute("UPDATE mysql." + std::string(table) + " SET Grantor=CONCAT(" + to_hex_literal(user) +
                              ",'@',SUBSTRING_INDEX(USER(),'@',-1)) WHERE Grantor=USER()" + not_ours);
        if (!done.ok()) return done.error();
        changed += done->affected_rows;
    }
    if (changed == 0) return ok();
    auto flushed = (*admin)->execute("FLUSH PRIVILEGES");
    if (!flushed.ok()) return flushed.error();
    return ok();
}

Status run_text(const ConnectOptions& service, Connection& connection, const std::string& text,
                std::uint16_t event_error, std::uint16_t expected) {
    constexpr std::uint16_t not_administrator = 1698;
    auto done = connection.execute(text);
    if (!done.ok() && done.error().mysql_code == not_administrator && expected != not_administrator) {
        done = run_as_administrator(service, connection, text);
    }
    if (done.ok()) return compare(std::nullopt, text, event_error, expected);
    const Error& error = done.error();
    if (error.code != ErrorCode::sql) return error;
    const bool foreseen = error.mysql_code == expected || error.mysql_code == event_error;
    if (!foreseen && is_transient(error)) return error;
    return compare(error, text, event_error, expected);
}

}  // namespace

bool is_transient(const Error& error) {
    if (error.code != ErrorCode::sql) return error.code == ErrorCode::io;
    // Lock limits, deadlock, snapshot conflict, interrupted or killed, shutting down, read view or definition changed
    // under us, an index whose making found the directory for temporary files full.
    constexpr std::array<std::uint16_t, 10> codes = {1205, 1213, 1020, 1317, 1927, 1053, 1969, 1412, 4031, 1034};
    return std::find(codes.begin(), codes.end(), error.mysql_code) != codes.end() || lacks_room(error);
}

// Many of the server's errors stand for whatever the system said, whose number is in their texts: (errno: 28 "No space
// left on device"), (Errcode: 28 …), Got error 28 … from storage engine.
bool lacks_room(const Error& error) {
    if (error.code != ErrorCode::sql) return false;
    // Disk full, writing failed, out of memory, too many connections, out of resources, table full, too many of one
    // user's, no thread, too many transactions, temporary file not written.
    constexpr std::array<std::uint16_t, 10> codes = {1021, 1026, 1037, 1040, 1041, 1114, 1203, 1135, 1637, 1878};
    if (std::find(codes.begin(), codes.end(), error.mysql_code) != codes.end()) return true;
    constexpr std::array<std::string_view, 4> told{"errno: ", "Errcode: ", "error: ", "Got error "};
    constexpr std::array<int, 5> numbers{ENOMEM, ENFILE, EMFILE, ENOSPC, EDQUOT};
    return std::any_of(told.begin(), told.end(), [&](std::string_view words) {
        const std::size_t at = error.message.find(words);
        if (at == std::string::npos) return false;
        int number = 0;
        const char* const end = error.message.data() + error.message.size();
        (void)std::from_chars(error.message.data() + at + words.size(), end, number);
        return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
    });
}

Result<StatementParts> take_apart(const StatementPayload& payload) {
    StatementParts parts;
    EventReader reader(payload.events);
    while (const auto event = reader.next()) {
        if (event->type == EventType::query) {
            parts.queries.push_back(event->raw);
        } else if (event->is_rows() || event->type == EventType::table_map) {
            parts.rows.append(event->raw);
        } else if (event->type == settings_type) {
            parts.settings = event->body;
        } else {
            return fail(ErrorCode::corrupt, "statement entry with an event of another kind");
        }
    }
    if (reader.malformed()) return fail(ErrorCode::corrupt, "statement entry with a malformed event");
    return parts;
}

std::string settings_event(std::string_view sql) {
    constexpr std::size_t type_at = 4;
    constexpr std::size_t size_at = 9;
    std::string out(event_header_bytes, '\0');
    out[type_at] = static_cast<char>(settings_type);
    const std::size_t size = out.size() + sql.size();
    for (std::size_t i = 0; i < 4; ++i) out[size_at + i] = static_cast<char>((size >> (8 * i)) & 0xFF);
    return out.append(sql);
}

Result<SessionSetup> session_of(const ServerDialect& dialect, std::string_view query_event) {
    const auto event = parse_event(query_event);
    const auto query = event ? parse_query(*event) : std::nullopt;
    auto context = query ? parse_status(query->status) : std::nullopt;
    if (!context) return fail(ErrorCode::corrupt, "statement entry with a context this version does not know");
    SessionSetup out;
    // Also where the event says that none is needed: ALTER DATABASE without a name means this one.
    if (!query->database.empty()) {
        out.use = "USE " + quoted_identifier(query->database);
    }
    std::string micros = std::to_string(context->microseconds);
    micros.insert(0, micros.size() < 6 ? 6 - micros.size() : 0, '0');
    out.settings.push_back("SET SESSION timestamp=" + std::to_string(event->timestamp) + "." + micros);
    if (dialect.logs_accounts_as_utf8() && context->character_set_client && says_account_in_utf8(query->text)) {
        context->character_set_client = utf8mb4_general_ci;
        context->collation_connection = utf8mb4_general_ci;
    }
    add_context(dialect, *context, out.settings);
    // The rows that follow in the log are not of this session: they come with the position.
    std::string_view text = query->text;
    constexpr std::string_view with_rows = " START TRANSACTION";
    if (text.starts_with("CREATE TABLE") && text.ends_with(with_rows)) text.remove_suffix(with_rows.size());
    out.text = context->invoker_user.empty() || defines_no_account(text) ? std::string(text)
                                                                         : name_the_invoker(dialect, text, *context);
    out.error = query->error;
    const std::string_view statement = std::string_view(out.text).substr(begin_of_statement(out.text));
    if (same_word(statement.substr(0, 5), "GRANT")) out.grantor = context->invoker_user;
    return out;
}

Status run_statement(const ConnectOptions& service, const StatementPayload& payload, const StatementParts& parts,
                     std::uint64_t sequence, std::size_t first) {
    if (parts.queries.empty()) {
        if (payload.sql.empty() || !parts.rows.empty()) return ok();
        // Nothing was logged: a statement that failed, maybe with effects (GRANT to a list). Same text, same error, in
        // a session with the same settings.
        auto connection = open_for_statement(service, sequence);
        if (!connection.ok()) return connection.error();
        if (!payload.database.empty()) {
            if (auto used = (*connection)->execute("USE " + quoted_identifier(payload.database)); !used.ok()) {
                return used.error();
            }
        }
        if (!parts.settings.empty()) {
            if (auto set = (*connection)->execute(parts.settings); !set.ok()) return set.error();
        }
        return run_text(service, **connection, payload.sql, payload.expected_error, payload.expected_error);
    }
    constexpr std::uint16_t no_such_database = 1049;
    for (std::size_t i = first; i < parts.queries.size(); ++i) {
        // A fresh session each: nothing of one context may leak into the next.
        auto connection = open_for_statement(service, sequence + i);
        if (!connection.ok()) return connection.error();
        auto setup = session_of((*connection)->dialect(), parts.queries[i]);
        if (!setup.ok()) return setup.error();
        if (!setup->use.empty()) {
            auto used = (*connection)->execute(setup->use);
            if (!used.ok() && used.error().mysql_code != no_such_database) return used.error();
        }
        const bool last = i + 1 == parts.queries.size();
        const std::uint16_t expected = last ? payload.expected_error : std::uint16_t{0};
        // These first: their text is of ASCII, which the statement's character sets may read otherwise.
        if (expected == 0 && setup->error == 0) {
            auto let = (*connection)->execute((*connection)->dialect().lenient_session_sql());
            if (!let.ok()) return let.error();
        }
        if (!parts.settings.empty()) {
            if (auto set = (*connection)->execute(parts.settings); !set.ok()) return set.error();
        }
        if (auto set = (*connection)->execute_all(setup->settings); !set.ok()) return set.error();
        if (auto status = run_text(service, **connection, setup->text, setup->error, expected); !status.ok())
            return status;
        if (!setup->grantor.empty()) {
            if (auto status = name_the_grantor(service, setup->grantor); !status.ok()) return status;
        }
    }
    return ok();
}

}  // namespace ddb::storage
