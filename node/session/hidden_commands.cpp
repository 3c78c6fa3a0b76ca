#include "node/session/hidden_commands.hpp"

#include <map>
#include <string_view>
#include <utility>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using Counts = std::map<std::string, std::string>;

// How often the session has begun each, be it in vain.
[[nodiscard]] Counts counts_of(storage::Connection& connection) {
    const auto rows = connection.rows(
        "SHOW SESSION STATUS WHERE Variable_name IN ('Com_rollback', 'Com_begin', 'Com_lock_tables', "
        "'Com_rename_table', 'Com_create_user', 'Com_alter_user', 'Com_drop_user', 'Com_rename_user', "
        "'Com_create_role', 'Com_drop_role') OR Variable_name LIKE 'Com_grant%' OR Variable_name LIKE 'Com_revoke%'");
    Counts out;
    if (!rows) return out;
    for (const auto& row : *rows) {
        if (row.size() > 1) out[row[0].value_or("")] = row[1].value_or("");
    }
    return out;
}

// The servers' own loader of time zones hides it, for servers of a cluster that do without. So does this one.
[[nodiscard]] bool loads_time_zones(std::string_view sql) {
    return contains_ignoring_case(sql, "LOCK TABLES TIME_ZONE");
}

}  // namespace

HiddenCommand hidden_command(storage::Connection& connection, const std::string& sql) {
    if (!SqlScanner(sql).next().is("EXECUTE")) return HiddenCommand::other;
    const Counts before = counts_of(connection);
    // It may be a procedure, which does something before it comes to what commits.
    if (!connection.execute("SAVEPOINT ddb_hidden")) return HiddenCommand::other;
    (void)connection.execute(sql);
    (void)connection.execute("ROLLBACK TO ddb_hidden");
    (void)connection.execute("RELEASE SAVEPOINT ddb_hidden");
    for (const auto& [name, count] : counts_of(connection)) {
        const auto earlier = before.find(name);
        if (earlier == before.end() || earlier->second == count) continue;
        if (name == "Com_rollback") return HiddenCommand::rollback;
        if (name == "Com_begin") return HiddenCommand::begin;
        if (name == "Com_lock_tables") return loads_time_zones(sql) ? HiddenCommand::other : HiddenCommand::lock_tables;
        if (name.ends_with("_user") || name.ends_with("_role")) return HiddenCommand::accounts;
        return name == "Com_rename_table" ? HiddenCommand::rename_table : HiddenCommand::rights;
    }
    return HiddenCommand::other;
}

std::optional<Error> refused_when_hidden(HiddenCommand command, bool has_temporary_tables) {
    const auto refuse = [](std::string_view what) {
        return Error{ErrorCode::invalid_argument,
                     std::string(what) + " is refused in EXECUTE: say it as a statement of its own", 1235, "42000"};
    };
    if (command == HiddenCommand::begin) return refuse("START TRANSACTION");
    if (command == HiddenCommand::lock_tables) return refuse("LOCK TABLES");
    // One that fails for the second of two accounts has given the first its rights, and is not logged: the node writes
    // it into the log itself, which it must have seen before.
    if (command == HiddenCommand::rights) return refuse("GRANT or REVOKE");
    // Of the node's own nothing may be changed, and whose it is about nobody knows.
    if (command == HiddenCommand::accounts) return refuse("a statement about accounts");
    // The other nodes have no temporary tables and would rename what else is called so.
    if (command == HiddenCommand::rename_table && has_temporary_tables)
        return refuse("RENAME TABLE in a session with temporary tables");
    return std::nullopt;
}

}  // namespace ddb::session
