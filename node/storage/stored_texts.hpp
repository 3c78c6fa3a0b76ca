// The server's own lists of what statements can call without its text. Blocks; any thread.
#pragma once

#include <string>
#include <vector>

#include "node/storage/local_database.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

inline constexpr std::size_t stored_texts_max = 5000;  // of each kind; where there are more: overloaded

// All of them but the server's and the node's own, when at least one has one of `words`, a regular expression; none
// otherwise. Names are without their databases.
[[nodiscard]] Result<StoredTexts> texts_about_sessions(const ConnectOptions& service, const std::string& words);

}  // namespace ddb::storage
