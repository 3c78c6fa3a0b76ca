// Cuts a stream of SQL text into statements as the mysql client does, without ever holding more than one statement and
// one read. The bytes of a statement are kept as they are; ordinary comments and blanks in front of it are dropped.
// Not thread-safe; one splitter per input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/session_messages.hpp"

namespace ddb::client {

struct SplitItem {
    enum class Kind : std::uint8_t {
        statement,    // text, to be sent
        source,       // text = name of a file to read (`source FILE` or `\. FILE`)
        quit,         // `exit` or `quit`
        too_long,     // a statement beyond the limit; the rest of it is skipped when next() is called again
        bad_command,  // text = what is wrong
    };
    Kind kind = Kind::statement;
    std::string text;
    bool vertical = false;   // ended by \G
    std::uint64_t line = 1;  // where it starts, counted from 1
};

class StatementSplitter {
  public:
    explicit StatementSplitter(std::size_t statement_bytes_limit = statement_bytes_max);

    void feed(std::string_view bytes);
    // The next complete item; nullopt: more bytes are needed. After finish() the rest without a delimiter counts too.
    [[nodiscard]] std::optional<SplitItem> next();
    void finish() { finished_ = true; }

    // Follows the session's sql_mode, which the server reports with each answer.
    void set_no_backslash_escapes(bool on) { no_backslash_escapes_ = on; }
    // Drops an unfinished statement (the shell's \c).
    void clear();

    // What an unfinished statement waits for, for the shell's prompt: 0 nothing, '-' more text, '\'' '"' '`' a closing
    // quote, '*' the end of a comment.
    [[nodiscard]] char waiting_for() const;
    [[nodiscard]] const std::string& delimiter() const { return delimiter_; }

  private:
    enum class State : std::uint8_t { start, text, executable, quoted, line_comment, comment };
    enum class Scan : std::uint8_t { more, go_on, item };

    [[nodiscard]] Scan step(SplitItem& item);
    [[nodiscard]] Scan scan_start(SplitItem& item);
    [[nodiscard]] Scan scan_text(SplitItem& item);
    [[nodiscard]] Scan scan_special(SplitItem& item);
    [[nodiscard]] Scan scan_quoted();
    [[nodiscard]] Scan scan_line_comment();
    [[nodiscard]] Scan scan_comment();
    [[nodiscard]] Scan scan_command(SplitItem& item);
    [[nodiscard]] Scan run_command(SplitItem& item, const std::string& word, std::string_view line);
    [[nodiscard]] Scan set_delimiter(SplitItem& item, std::string_view argument);
    [[nodiscard]] Scan end_statement(SplitItem& item, std::size_t delimiter_bytes, bool vertical);
    [[nodiscard]] Scan take_rest(SplitItem& item);
    [[nodiscard]] bool starts(std::size_t at, std::string_view what) const;
    [[nodiscard]] bool line_comment_at(std::size_t at) const;
    [[nodiscard]] bool executable_at(std::size_t at) const;
    [[nodiscard]] bool missing(std::size_t count) const;  // lookahead that the input may still bring
    void mark_specials();
    void drop_to(std::size_t position);
    void enter(State state, State outer, std::size_t opening_bytes);

    const std::size_t limit_;
    std::string buffer_;
    std::size_t begin_ = 0;  // of the current statement in buffer_
    std::size_t at_ = 0;     // scanned up to here
    State state_ = State::start;
    State outer_ = State::start;  // where a closing quote or comment returns to
    char quote_ = 0;
    std::string delimiter_ = ";";
    std::array<bool, 256> special_{};  // bytes that scan_text must look at
    bool finished_ = false;
    bool skipping_ = false;  // behind too_long: scanned but not kept
    bool no_backslash_escapes_ = false;
    std::uint64_t line_ = 1;  // of begin_
};

}  // namespace ddb::client
