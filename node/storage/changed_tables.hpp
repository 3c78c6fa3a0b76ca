// Which tables row events change: what definitions are to be compared with, and what people are told where rows of the
// log and of the database do not go together. Free functions, any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/entry.hpp"

namespace ddb::storage {

struct ChangedTable {
    std::string database;
    std::string table;
    bool operator==(const ChangedTable&) const = default;
};

// Of events in the server's format, in their order, a table as often as it is mapped. None where they cannot be read.
[[nodiscard]] std::optional<std::vector<ChangedTable>> changed_tables(std::string_view events);

// "; of shop.item, shop.cup", each once and at most eight of them; empty where the entries themselves hold no rows, as
// those of a transaction in parts.
[[nodiscard]] std::string say_tables_of(std::span<const Entry> entries);

}  // namespace ddb::storage
