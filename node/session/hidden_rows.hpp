// What a client's listings leave out: the node's own schema, which no dump could bring back, and the rights on it that
// everybody has, which nobody could give again. Both are shown where the statement names the schema. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "schemas/session_messages.hpp"

namespace ddb::session {

enum class Hides : std::uint8_t {
    nothing,
    schema,  // rows whose first value is its name
    rights,  // of SHOW GRANTS
};

// Of an EXECUTE, whose text does not tell: whether it answers like SHOW DATABASES of all.
[[nodiscard]] Hides hides_of_execute(const std::vector<Column>& columns);

// Takes these rows out of a result of `columns` values each; says how many there were.
[[nodiscard]] std::uint32_t hide_rows(ResultRows& rows, Hides what, std::size_t columns);

}  // namespace ddb::session
