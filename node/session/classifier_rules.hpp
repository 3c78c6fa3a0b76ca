// Private parts of the classifier: word lists and the rules for SET and ALTER, which need more than the first words.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/session/classifier.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session::rules {

using Tokens = std::span<const Token>;

// `token` behind the end gives an end token.
[[nodiscard]] inline Token token_at(Tokens tokens, std::size_t i) {
    return i < tokens.size() ? tokens[i] : Token{};
}
[[nodiscard]] Classified refuse(std::string reason);

// Empty when the statement may be tried on any node (FACTS 2); else the word that forbids it.
[[nodiscard]] bool may_read_locally(std::string_view sql);

// True for a SELECT of variables and of functions that tell of the session: no table is named, and none can be read.
// `tokens`: as many as a head has; what is longer is not known.
[[nodiscard]] bool names_no_table(Tokens tokens);

// Where the statement behind SET STATEMENT … FOR begins; the number of tokens when it does not.
[[nodiscard]] std::size_t behind_for(Tokens tokens);
// Without SET STATEMENT … FOR in front, as often as it is there.
[[nodiscard]] Tokens behind_settings(Tokens tokens);

// `tokens` start behind SET.
[[nodiscard]] Classified classify_set(Tokens tokens);
// Reason to refuse an ALTER TABLE that would come out differently on each node (FACTS 18); empty when fine.
[[nodiscard]] std::string nondeterministic_alter(Tokens tokens);
// The same of one that is fine where a key gives all nodes the same order of rows.
[[nodiscard]] std::string order_dependent_alter(Tokens tokens);
// Whether the word is among them.
[[nodiscard]] bool head_has(Tokens tokens, std::string_view word);

// Says where on its host a server keeps a table, or a partition.
[[nodiscard]] bool names_directory(Tokens tokens);
[[nodiscard]] bool makes_vector_index(Tokens tokens);

// ALTER TABLE … EXCHANGE or CONVERT … WITHOUT VALIDATION
[[nodiscard]] bool skips_validation(Tokens tokens);

// CREATE or ALTER SEQUENCE … AS BIGINT UNSIGNED: MariaDB 11 takes no row of one where rows are applied.
[[nodiscard]] bool numbers_beyond_signed(Tokens tokens);

// PARTITION BY SYSTEM_TIME … LIMIT or AUTO: where a row of history goes depends on what its server has counted so far.
[[nodiscard]] bool places_history_by_server(Tokens tokens);

// ALTER TABLE … DISCARD or IMPORT TABLESPACE.
[[nodiscard]] bool moves_tablespace(Tokens tokens);

}  // namespace ddb::session::rules
