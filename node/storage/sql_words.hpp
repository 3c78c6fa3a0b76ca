// Words of a statement's text as the server logs it: no more of SQL than where strings and comments end. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ddb::storage {

[[nodiscard]] bool is_word(char c);
[[nodiscard]] bool same_word(std::string_view a, std::string_view upper);
[[nodiscard]] std::string_view word_at(std::string_view text, std::size_t at);

// The end of the quoted string that begins at `at`; doubled quotes are two strings side by side, which serves as well.
[[nodiscard]] std::size_t end_of_quoted(std::string_view text, std::size_t at);

// The name in `…` (or "…", as ANSI_QUOTES has it) that begins at `at`, which is put behind it.
[[nodiscard]] std::optional<std::string> take_quoted_name(std::string_view text, std::size_t& at);

// The end of the comment that begins at `at`, or `at`. Of one whose text the server runs, the end of its mark.
[[nodiscard]] std::size_t end_of_comment(std::string_view text, std::size_t at);

// The next word's beginning, at `at` or behind, which is neither in a string nor in a comment; counts parentheses.
[[nodiscard]] std::size_t next_word(std::string_view text, std::size_t at, int& depth);

// Where the statement itself begins, behind comments and SET STATEMENT … FOR, which the log keeps.
[[nodiscard]] std::size_t begin_of_statement(std::string_view text);

[[nodiscard]] bool contains(std::string_view text, std::string_view upper);  // without regard to case

}  // namespace ddb::storage
