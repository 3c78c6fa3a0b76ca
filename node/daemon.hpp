// The node as a process: builds the parts in order, runs the loop until SIGTERM or SIGINT, takes the parts down again.
#pragma once

#include "config/settings.hpp"
#include "schemas/result.hpp"

namespace ddb::node {

inline constexpr const char* version = "0.1.0";

// Blocks until the node is told to stop. Errors: whatever kept it from starting, naming the thing and the remedy.
Status run(const config::Settings& settings);

}  // namespace ddb::node
