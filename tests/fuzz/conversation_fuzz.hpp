// A MySQL client's bytes against a whole conversation, with the session engine played by what is here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ddb::fuzz {

// `choice`: how far the conversation is when the bytes come, and how they are cut.
void converse(std::uint8_t choice, std::string_view bytes);
// Bytes of a client that logs in and uses every command.
[[nodiscard]] std::string conversation_seed();

}  // namespace ddb::fuzz
