// Directories that only the node's own user may enter. Pure functions on the file system.
#pragma once

#include <string>

#include "schemas/result.hpp"

namespace ddb::storage {

// Creates `path` (and its parents) or takes over an existing directory of this user; mode 0700 either way, and its
// entry in the parent is on disk. Errors say who or what is in the way.
Status make_private_dir(const std::string& path);

}  // namespace ddb::storage
