// Triggers that name a column which their table has no more. Servers keep them, their statements fail; but none can be
// made, so that a dump which has one could not be loaded anywhere. The column is given back until all are made.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "node/storage/connection.hpp"
#include "node/storage/dump_bodies.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct BrokenTrigger {
    std::string table;
    std::set<std::string> missing;  // columns
};
using BrokenTriggers = std::map<std::pair<std::string, std::string>, BrokenTrigger>;  // of (database, trigger)

[[nodiscard]] Result<BrokenTriggers> broken_triggers(Connection& connection);

// What a trigger's text names behind NEW and OLD, as its mode has it read.
[[nodiscard]] std::set<std::string> columns_named(std::string_view trigger, std::string_view sql_mode);

class DumpTriggers {
  public:
    explicit DumpTriggers(BrokenTriggers broken) : broken_(std::move(broken)) {}

    // What of the dump can go on. The end of a line may be kept back.
    [[nodiscard]] std::string pass(std::string_view bytes);
    [[nodiscard]] std::string rest();  // behind the last

  private:
    [[nodiscard]] std::string before(std::string_view line);

    const BrokenTriggers broken_;
    std::string database_;
    std::string line_;     // its beginning, until it is known what it is
    bool inside_ = false;  // a line of which that is known
    DumpBodies bodies_;
    std::set<std::string> given_back_;  // the statements that did it
    std::string behind_;                // the dump
};

}  // namespace ddb::storage
