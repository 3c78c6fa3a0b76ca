#include "node/session/servers_own.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "node/session/classifier_rules.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/table_names.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 10'000;

[[nodiscard]] bool is_own_schema(std::string_view database) {
    return equals_ignoring_case(database, "MYSQL") || equals_ignoring_case(database, "SYS");
}

// Of the schema mysql, where there may be tables of others.
[[nodiscard]] bool is_own_table(std::string_view table) {
    constexpr std::array<std::string_view, 49> tables{"COLUMN_STATS",
                                                      "COLUMNS_PRIV",
                                                      "COMPONENT",
                                                      "DB",
                                                      "DEFAULT_ROLES",
                                                      "ENGINE_COST",
                                                      "EVENT",
                                                      "FIREWALL_USERS",
                                                      "FUNC",
                                                      "GENERAL_LOG",
                                                      "GLOBAL_GRANTS",
                                                      "GLOBAL_PRIV",
                                                      "GTID_EXECUTED",
                                                      "GTID_SLAVE_POS",
                                                      "HELP_CATEGORY",
                                                      "HELP_KEYWORD",
                                                      "HELP_RELATION",
                                                      "HELP_TOPIC",
                                                      "INDEX_STATS",
                                                      "INNODB_INDEX_STATS",
                                                      "INNODB_TABLE_STATS",
                                                      "NDB_BINLOG_INDEX",
                                                      "PASSWORD_HISTORY",
                                                      "PLUGIN",
                                                      "PROC",
                                                      "PROCS_PRIV",
                                                      "PROXIES_PRIV",
                                                      "REPLICATION_ASYNCHRONOUS_CONNECTION_FAILOVER",
                                                      "REPLICATION_ASYNCHRONOUS_CONNECTION_FAILOVER_MANAGED",
                                                      "REPLICATION_GROUP_CONFIGURATION_VERSION",
                                                      "REPLICATION_GROUP_MEMBER_ACTIONS",
                                                      "ROLE_EDGES",
                                                      "ROLES_MAPPING",
                                                      "SERVER_COST",
                                                      "SERVERS",
                                                      "SLAVE_MASTER_INFO",
                                                      "SLAVE_RELAY_LOG_INFO",
                                                      "SLAVE_WORKER_INFO",
                                                      "SLOW_LOG",
                                                      "SPIDER_TABLES",
                                                      "TABLE_STATS",
                                                      "TABLES_PRIV",
                                                      "TIME_ZONE",
                                                      "TIME_ZONE_LEAP_SECOND",
                                                      "TIME_ZONE_NAME",
                                                      "TIME_ZONE_TRANSITION",
                                                      "TIME_ZONE_TRANSITION_TYPE",
                                                      "TRANSACTION_REGISTRY",
                                                      "USER"};
    return listed(table, tables);
}

enum class Place : std::uint8_t { elsewhere, schema, table };

// Of the name of a table at i, which goes behind it.
[[nodiscard]] Place place_of(Tokens tokens, std::size_t& i, std::string_view database) {
    const std::size_t begin = i;
    if (!skip_name(tokens, i)) return Place::elsewhere;
    const bool qualified = i - begin == 3;
    const std::string_view schema = qualified ? tokens[begin].text : database;
    if (!is_own_schema(schema)) return Place::elsewhere;
    const bool whole = equals_ignoring_case(schema, "SYS");
    return whole || is_own_table(tokens[i - 1].text) ? Place::table : Place::schema;
}

[[nodiscard]] std::string reason_of(std::string_view what) {
    return std::string(what) +
           " is refused: every server has it of its own, and none would work without it; leave the schemas mysql and "
           "sys as they are";
}

[[nodiscard]] std::string moved_there() {
    return "a table of your own in the schemas mysql and sys is refused: a node that is loaded from another one would "
           "not have it; use another database";
}

[[nodiscard]] std::size_t behind_if_exists(Tokens tokens, std::size_t i) {
    return token_at(tokens, i).is("IF") && token_at(tokens, i + 1).is("EXISTS") ? i + 2 : i;
}

[[nodiscard]] std::string of_drop(Tokens tokens, std::string_view database) {
    const Token what = token_at(tokens, 1);
    std::size_t i = behind_if_exists(tokens, 2);
    if (what.is("DATABASE") || what.is("SCHEMA"))
        return is_own_schema(token_at(tokens, i).text) ? reason_of("DROP DATABASE of mysql or sys") : std::string();
    if (!what.is("TABLE") && !what.is("TABLES") && !what.is("VIEW")) return {};
    for (;; ++i) {
        if (place_of(tokens, i, database) == Place::table) return reason_of("DROP of a table or view of the server");
        if (!token_at(tokens, i).symbol(',')) return {};
    }
}

[[nodiscard]] std::string of_rename(Tokens tokens, std::string_view database) {
    if (!token_at(tokens, 1).is("TABLE") && !token_at(tokens, 1).is("TABLES")) return {};
    for (std::size_t i = behind_if_exists(tokens, 2);; ++i) {
        const Place from = place_of(tokens, i, database);
        if (from == Place::table) return reason_of("RENAME of a table of the server");
        while (i < tokens.size() && !tokens[i].is("TO")) ++i;  // WAIT n, NOWAIT
        const Place to = place_of(tokens, ++i, database);
        if (to != Place::elsewhere) return moved_there();
        if (!token_at(tokens, i).symbol(',')) return {};
    }
}

// ALTER TABLE … RENAME [TO | AS | =] name
[[nodiscard]] std::string of_alter(Tokens tokens, std::string_view database) {
    constexpr std::array<std::string_view, 3> parts{"COLUMN", "INDEX", "KEY"};
    std::size_t i = alter_head(tokens);
    if (i == 0) return {};
    const Place from = place_of(tokens, i, database);
    for (; i < tokens.size(); ++i) {
        if (!tokens[i].is("RENAME") || one_of(token_at(tokens, i + 1), parts)) continue;
        const Token next = token_at(tokens, i + 1);
        std::size_t to = i + (next.is("TO") || next.is("AS") || next.symbol('=') ? 2 : 1);
        if (from == Place::table) return reason_of("RENAME of a table of the server");
        if (place_of(tokens, to, database) != Place::elsewhere) return moved_there();
    }
    return {};
}

}  // namespace

bool may_take_servers_own(std::string_view sql) {
    const Token verb = SqlScanner(sql).next();
    return verb.is("DROP") || verb.is("RENAME") || (verb.is("ALTER") && contains_ignoring_case(sql, "RENAME"));
}

std::string takes_servers_own(std::string_view sql, std::string_view database) {
    const std::vector<Token> tokens = scan(sql, tokens_max);
    if (token_at(tokens, 0).is("DROP")) return of_drop(tokens, database);
    if (token_at(tokens, 0).is("RENAME")) return of_rename(tokens, database);
    return token_at(tokens, 0).is("ALTER") ? of_alter(tokens, database) : std::string();
}

}  // namespace ddb::session
