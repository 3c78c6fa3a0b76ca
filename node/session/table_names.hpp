// Where the head of a statement names tables, among its tokens. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>

#include "node/session/classifier_rules.hpp"

namespace ddb::session {

// One name, or two with a point between them; i goes behind it.
[[nodiscard]] bool skip_name(rules::Tokens tokens, std::size_t& i);
// Those from `begin` to in front of `end`, with their quotes.
[[nodiscard]] std::string as_written(rules::Tokens tokens, std::size_t begin, std::size_t end);

// CREATE [OR REPLACE] [TEMPORARY] TABLE [IF NOT EXISTS]
struct CreateHead {
    std::size_t name = 0;  // where it begins; 0: it is something else
    bool replaces = false;
    bool temporary = false;
};
[[nodiscard]] CreateHead create_head(rules::Tokens tokens);
// Of ALTER [ONLINE] [IGNORE] TABLE [IF EXISTS]: where the name begins; 0 when it is something else.
[[nodiscard]] std::size_t alter_head(rules::Tokens tokens);

}  // namespace ddb::session
