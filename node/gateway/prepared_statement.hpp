// A prepared statement of one client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schemas/session_messages.hpp"

namespace ddb::gateway {

struct PreparedStatement {
    std::string sql;
    std::vector<std::size_t> placeholders;
    std::vector<std::uint16_t> types;                // of the last execution that said them
    std::map<std::uint16_t, std::string> long_data;  // by parameter
    std::optional<Error> spoilt;                     // by long data, which has no answer: that of the next execution
    std::size_t bytes = 0;                           // of all that
};

}  // namespace ddb::gateway
