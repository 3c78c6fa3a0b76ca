// A prepared statement of one client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/gateway/statements.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::gateway {

struct PreparedStatement {
    std::uint32_t id = 0;
    std::string sql;
    std::vector<std::size_t> placeholders;
    std::vector<std::uint16_t> types;                // of the last execution that said them
    std::map<std::uint16_t, std::string> long_data;  // by parameter
    std::optional<Error> spoilt;                     // by long data, which has no answer: that of the next execution
    std::map<std::size_t, std::string> names;        // by column: those with a placeholder in them
    std::size_t columns = 0;
    std::vector<Parameter> arguments;               // of the CALL that runs
    std::vector<std::size_t> outs;                  // of a CALL: parameters that it gives back, as far as is known
    std::optional<std::deque<std::string>> cursor;  // open: rows that were not fetched yet
    std::size_t cursor_bytes = 0;
    std::size_t bytes = 0;  // of all that
};

}  // namespace ddb::gateway
