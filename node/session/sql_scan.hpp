// Tokens of one SQL statement, as far as routing needs them: what is a comment, a string, an identifier, a word. Works
// on bytes of any encoding, never fails, allocates nothing. Values; any thread.
//
// Versioned comments ("/*!40101 … */", "/*M!100300 … */") are transparent when the node's server would run their
// content, and skipped when it would not (versioned_comments.hpp). Where another server decides differently, the
// routing rules stay safe: a statement that is taken for less than it is runs inside an XA transaction, where the
// server refuses what commits implicitly.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ddb::session {

struct Token {
    enum class Kind {
        end,
        word,    // identifier or keyword without quotes
        quoted,  // `identifier`, without the quotes
        string,  // 'text' or "text", without the quotes; escapes are left in
        number,
        user_variable,    // @name: without the sign
        system_variable,  // @@name, @@global.name: without the signs
        symbol,
    };
    Kind kind = Kind::end;
    std::string_view text;
    std::size_t offset = 0;  // in the statement, of the first byte
    char quote = 0;          // of strings
    bool versioned = false;  // stands inside a versioned comment

    // Case-insensitive comparison with an upper-case keyword; false for anything quoted.
    [[nodiscard]] bool is(std::string_view keyword) const;
    // An identifier, or what ANSI_QUOTES makes one of.
    [[nodiscard]] bool may_name() const {
        return kind == Kind::word || kind == Kind::quoted || (kind == Kind::string && quote == '"');
    }
    [[nodiscard]] bool symbol(char c) const { return kind == Kind::symbol && text[0] == c; }
};

class SqlScanner {
  public:
    explicit SqlScanner(std::string_view sql) : sql_(sql) {}
    [[nodiscard]] Token next();
    [[nodiscard]] bool saw_versioned_comment() const { return saw_versioned_; }

  private:
    void skip_space_and_comments();
    void skip_block_comment();
    void skip_to_comment_end();
    [[nodiscard]] bool open_versioned_comment(std::size_t header);
    [[nodiscard]] Token quoted_token(char quote);
    [[nodiscard]] Token variable_token();
    [[nodiscard]] char at(std::size_t i) const { return i < sql_.size() ? sql_[i] : '\0'; }

    std::string_view sql_;
    std::size_t position_ = 0;
    bool inside_versioned_ = false;
    bool saw_versioned_ = false;
};

[[nodiscard]] bool one_of(const Token& token, std::span<const std::string_view> keywords);  // as Token::is()

// All tokens, at most `count_max`: routing looks at the head of long INSERTs only.
[[nodiscard]] std::vector<Token> scan(std::string_view sql, std::size_t count_max);

[[nodiscard]] std::string as_written(const Token& token);  // with its quotes

[[nodiscard]] std::string lower_case(std::string_view text);  // of its ASCII letters
[[nodiscard]] std::string upper_case(std::string_view text);
[[nodiscard]] bool equals_ignoring_case(std::string_view text, std::string_view upper);
[[nodiscard]] bool listed(std::string_view text, std::span<const std::string_view> upper);  // equals one of them
// `upper` must be upper case.
[[nodiscard]] bool contains_ignoring_case(std::string_view text, std::string_view upper);
[[nodiscard]] bool starts_ignoring_case(std::string_view text, std::string_view upper);

}  // namespace ddb::session
