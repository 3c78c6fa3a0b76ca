// The file that a LOAD … LOCAL names, for the node that asks for it. Reads it whole; any thread.
#pragma once

#include <string>

#include "schemas/session_messages.hpp"

namespace ddb::client {

// Only what the user's own statement names leaves this host: a node could ask for anything.
[[nodiscard]] FileContent file_for(const FileWanted& wanted, const std::string& sql);

}  // namespace ddb::client
