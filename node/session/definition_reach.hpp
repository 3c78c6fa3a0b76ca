// What a definition can change for others: its tables, and what leads to them, as views and functions do. A statement
// whose text names none of these finds the same before and behind it. Names are compared without their databases
// and without regard to case, wherever in a text they stand, so that a read may be taken for one that is concerned, but
// not the other way round. Not seen: lists of all tables (SHOW TABLES, information_schema), which name none.
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "node/storage/local_database.hpp"

namespace ddb::session {

class DefinitionReach {
  public:
    static constexpr std::size_t names_max = 10'000;

    // Of the definitions that may take long, as they go through a table's rows, and change nothing but the tables they
    // name. nullopt: another one, or a name that is not found as a word of ASCII.
    [[nodiscard]] static std::optional<DefinitionReach> of(std::string_view sql);

    // All these names; nullopt as for spread().
    [[nodiscard]] static std::optional<DefinitionReach> of_all(const std::vector<storage::NamedText>& named);

    // Also those of `others` that name what is in reach already, and so on. False: more than names_max, or a name that
    // is not found as a word.
    [[nodiscard]] bool spread(std::vector<storage::NamedText> others);

    [[nodiscard]] bool concerns(std::string_view sql) const;

  private:
    [[nodiscard]] bool add(std::string_view name);

    std::unordered_set<std::string> names_;  // in lower case
};

// It makes a table, from what it calls perhaps.
[[nodiscard]] bool makes_table(std::string_view sql);

// CREATE TABLE … SELECT, and VALUES in its place.
[[nodiscard]] bool fills_table(std::string_view sql);

// CREATE TABLE … IGNORE [AS] SELECT.
[[nodiscard]] bool ignores_what_it_fills(std::string_view sql);

// It makes a table and fills it, ties it to no other table, and takes none away: CREATE TABLE … SELECT.
[[nodiscard]] bool makes_rows_only(std::string_view sql);

}  // namespace ddb::session
