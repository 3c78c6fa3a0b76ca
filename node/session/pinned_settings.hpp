// Which settings replication stands on, so that clients must leave them as they are. By the text of a SET alone; pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "node/session/classifier_rules.hpp"

namespace ddb::session::rules {

// Whether SET of it is refused, but to the value that it has.
[[nodiscard]] bool pinned(std::string_view name, bool global);

// Whether the server may be asked to set a pinned variable: to the value that it has on every node, as dumps and
// scripts do, or to a word that is none of its values, for which it has an error of its own.
[[nodiscard]] bool changes_nothing(std::string_view name, Tokens value);

// max_allowed_packet of every server, the most that they take: what one row becomes must fit.
inline constexpr std::uint64_t packet_bytes = 1ULL << 30;
// Of a SET GLOBAL that asks for a smaller one: how small. 0 for every other, and for what only the server could tell.
[[nodiscard]] std::uint64_t smaller_packet(std::string_view name, Tokens value);

}  // namespace ddb::session::rules
