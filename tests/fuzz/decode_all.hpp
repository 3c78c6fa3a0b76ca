// Everything in ddb that decodes foreign bytes, behind one call. Used by the fuzzer and by the corpus test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ddb::fuzz {

// First byte: which decoder; second: which message kind. The rest is its input. Ends the process when a decoder breaks
// a promise: a decoded message that does not encode to a decodable one again, an error without words.
void decode_all(const std::uint8_t* data, std::size_t size);

// Valid inputs for mutation: every message, entry, envelope and a configuration.
[[nodiscard]] std::vector<std::string> seeds();

}  // namespace ddb::fuzz
