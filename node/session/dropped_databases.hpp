// Statements that drop a whole database. By their text alone; pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ddb::session {

struct DroppedDatabase {
    std::string replaced;  // its name, where it is made anew at once; else empty
};
// nullopt: it drops none.
[[nodiscard]] std::optional<DroppedDatabase> dropped_database(std::string_view sql);

}  // namespace ddb::session
