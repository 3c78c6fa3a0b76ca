// The tables that a statement's text names, for a session that holds LOCK TABLES: which of them its server would refuse
// depends on more than the text (temporary tables, what triggers and views bring along), so this only finds those worth
// a question. Names that are missed are not asked about, names that are none cost a question. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/session/table_locks.hpp"

namespace ddb::session {

enum class TableUse : std::uint8_t {
    read,
    written,  // as servers find it before they look at a row
    shown,    // SHOW CREATE
    defined,  // ALTER, DROP, TRUNCATE and the like, which know no alias
};

struct NamedTable {
    TableName table;    // lower case
    std::string alias;  // the table's name where there is none
    std::string text;   // the table, as it was written
    std::string text_alias;
    TableUse use = TableUse::read;
    bool on_top = false;  // in no parentheses
};

struct NamedTables {
    std::vector<NamedTable> tables;
    bool some_written = false;  // of those on_top: an UPDATE or DELETE of several tables
    bool loads = false;         // LOAD DATA
    bool parentheses = false;   // there are some: the statement may call functions
};

// Names without a database are of `database`.
[[nodiscard]] NamedTables named_tables(std::string_view sql, std::string_view database);

// Those that a DROP TABLE drops; none of anything else.
[[nodiscard]] std::vector<TableName> dropped_tables(std::string_view sql, std::string_view database);

// What the server is asked, while it holds the session's locks, about a statement that may use a table otherwise than
// these allow. It refuses what `prepare` and `explain` have as it would refuse the statement.
struct LockQuestions {
    std::vector<std::string> prepare;  // only looked at
    std::vector<std::string> explain;  // run

    [[nodiscard]] bool empty() const { return prepare.empty() && explain.empty(); }
};
[[nodiscard]] LockQuestions lock_questions(std::string_view sql, std::string_view database, const LockRequest& held);

}  // namespace ddb::session
