// Definitions that are refused whatever the server would say of them. By their text alone; pure, any thread.
#pragma once

#include <string>

#include "node/session/classifier_rules.hpp"

namespace ddb::session {

// Why; empty: they are not. `tokens` begin at the verb.
// What MySQL keeps beside databases.
[[nodiscard]] std::string refused_of_server(rules::Tokens tokens);
// `object`: the word that says what is made, changed or dropped.
[[nodiscard]] std::string refused_kind(rules::Tokens tokens, const Token& object);

}  // namespace ddb::session
