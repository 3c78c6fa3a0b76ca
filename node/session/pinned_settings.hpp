// Which settings replication stands on, so that clients must leave them as they are. By the text of a SET alone; pure.
#pragma once

#include <optional>
#include <string_view>

#include "node/session/classifier_rules.hpp"

namespace ddb::session::rules {

// Whether SET of it is refused, but to the value that it has.
[[nodiscard]] bool pinned(std::string_view name, bool global);

// Whether the server may be asked to set a pinned variable: to the value that it has on every node, as dumps and
// scripts do, or to a word that is none of its values, for which it has an error of its own.
[[nodiscard]] bool changes_nothing(std::string_view name, Tokens value);

// A SET of what scripts say around an import: it stays as it is, and the client is warned where it has asked for less
// than every node has. Nothing for any other.
[[nodiscard]] std::optional<KeptSetting> kept_setting(std::string_view name, Tokens value, bool global);

}  // namespace ddb::session::rules
