// Messages in words, for people who follow one run.
#pragma once

#include <string>

#include "schemas/peer_messages.hpp"

namespace ddb::simulator {

// Empty for what only keeps contact.
[[nodiscard]] std::string in_words(const PeerMessage& message);

}  // namespace ddb::simulator
