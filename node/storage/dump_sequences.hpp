// Tables whose defaults take numbers from a sequence that a dump does not have in front of them: one of another
// database, or one that was dropped. No server creates such a table.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct StandIns {
    std::string before;  // the dump: makes what the tables need
    std::string after;   // takes away what the source does not have either
};
[[nodiscard]] Result<StandIns> sequence_stand_ins(Connection& connection);

// What each is at, as it is now: behind the dump, which says it by SETVAL(). That does nothing where the number lies
// before the first one, as behind the end of a cycle.
[[nodiscard]] Result<std::string> sequence_rows_sql(Connection& connection);

// Database and name of those that an expression takes from or asks: nextval(`d`.`s`), lastval(…), setval(…).
[[nodiscard]] std::set<std::pair<std::string, std::string>> sequences_in(std::string_view expression);

}  // namespace ddb::storage
