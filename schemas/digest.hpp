// The chained digest of the log. Pure functions on libsodium's BLAKE2b; any thread.
#pragma once

#include <string_view>

#include "schemas/entry.hpp"

namespace ddb {

// BLAKE2b-256 over the previous entry's digest and every field of `entry` but its own digest, in the canonical encoding
// of WIRE.md ("entry digest"). Entries that differ in anything, or stand behind different logs, have different digests.
[[nodiscard]] Digest entry_digest(const Digest& previous, const Entry& entry);

[[nodiscard]] Digest blake2b(std::string_view bytes);

}  // namespace ddb
