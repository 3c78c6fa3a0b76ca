// Reading of what nodes tell about each other. Pure.
#pragma once

#include <string>
#include <vector>

namespace ddb::client {

// "host:port" of every node in the reply of the verb `nodes`; empty on anything unexpected.
[[nodiscard]] std::vector<std::string> addresses_in(const std::string& nodes_json);

}  // namespace ddb::client
