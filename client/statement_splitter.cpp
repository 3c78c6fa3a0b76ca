#include "client/statement_splitter.hpp"

#include <algorithm>
#include <cctype>

#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

// A line that is longer is no client command: the words below are looked for without holding up a large statement.
constexpr std::size_t command_line_bytes_max = 4096;
constexpr std::size_t delimiter_bytes_max = 15;
constexpr std::size_t compact_bytes = 256u << 10;

bool is_blank(char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

StatementSplitter::StatementSplitter(std::size_t statement_bytes_limit) : limit_(statement_bytes_limit) {
    mark_specials();
}

void StatementSplitter::mark_specials() {
    special_.fill(false);
    for (const char c : std::string_view("'\"`-#/\\*")) special_[static_cast<unsigned char>(c)] = true;
    special_[static_cast<unsigned char>(delimiter_[0])] = true;
}

void StatementSplitter::feed(std::string_view bytes) {
    // Consumed bytes are cut off only when they are many, so that a read of many small statements stays linear.
    if (begin_ >= compact_bytes || begin_ == buffer_.size()) {
        buffer_.erase(0, begin_);
        at_ -= begin_;
        begin_ = 0;
    }
    buffer_.append(bytes);
}

void StatementSplitter::clear() {
    drop_to(buffer_.size());
    state_ = State::start;
    skipping_ = false;
}

char StatementSplitter::waiting_for() const {
    switch (state_) {
        case State::start:
            return 0;
        case State::quoted:
            return quote_;
        case State::comment:
        case State::executable:
            return '*';
        case State::line_comment:
            return outer_ == State::start ? 0 : '-';
        case State::text:
            return '-';
    }
    return 0;
}

std::optional<SplitItem> StatementSplitter::next() {
    SplitItem item;
    for (;;) {
        const Scan scan = step(item);
        if (skipping_) drop_to(at_);
        if (scan == Scan::item) return item;
        if (at_ - begin_ > limit_ && state_ != State::start && !skipping_) {
            skipping_ = true;
            item.kind = SplitItem::Kind::too_long;
            item.line = line_;
            drop_to(at_);
            return item;
        }
        if (scan == Scan::go_on) continue;
        if (!finished_ || take_rest(item) != Scan::item) return std::nullopt;
        return item;
    }
}

StatementSplitter::Scan StatementSplitter::step(SplitItem& item) {
    switch (state_) {
        case State::start:
            return scan_start(item);
        case State::text:
        case State::executable:
            return scan_text(item);
        case State::quoted:
            return scan_quoted();
        case State::line_comment:
            return scan_line_comment();
        case State::comment:
            return scan_comment();
    }
    return Scan::more;
}

bool StatementSplitter::starts(std::size_t at, std::string_view what) const {
    return buffer_.compare(at, what.size(), what) == 0;
}

bool StatementSplitter::missing(std::size_t count) const {
    return !finished_ && buffer_.size() - at_ < count;
}

// `--` opens a comment only before a blank or the end: `5--1` is an expression.
bool StatementSplitter::line_comment_at(std::size_t at) const {
    if (buffer_[at] == '#') return true;
    return starts(at, "--") && (at + 2 == buffer_.size() || is_blank(buffer_[at + 2]));
}

bool StatementSplitter::executable_at(std::size_t at) const {
    return starts(at, "/*!") || starts(at, "/*M!");
}

void StatementSplitter::drop_to(std::size_t position) {
    const auto from = buffer_.begin() + static_cast<std::ptrdiff_t>(begin_);
    const auto to = buffer_.begin() + static_cast<std::ptrdiff_t>(position);
    line_ += static_cast<std::uint64_t>(std::count(from, to, '\n'));
    begin_ = position;
    at_ = std::max(at_, begin_);
}

void StatementSplitter::enter(State state, State outer, std::size_t opening_bytes) {
    state_ = state;
    outer_ = outer;
    at_ = std::min(at_ + opening_bytes, buffer_.size());
}

StatementSplitter::Scan StatementSplitter::scan_start(SplitItem& item) {
    while (at_ < buffer_.size() && is_blank(buffer_[at_])) ++at_;
    drop_to(at_);
    if (at_ == buffer_.size()) return Scan::more;
    const char c = buffer_[at_];
    // An own delimiter may look like anything below, `--` or `/*` included.
    if (missing(delimiter_.size())) return Scan::more;
    if (starts(at_, delimiter_)) {
        drop_to(at_ + delimiter_.size());
        return Scan::go_on;
    }
    if ((c == '-' || c == '/') && missing(4)) return Scan::more;
    if (line_comment_at(at_)) {
        enter(State::line_comment, State::start, 1);
        return Scan::go_on;
    }
    if (starts(at_, "/*") && !executable_at(at_)) {
        enter(State::comment, State::start, 2);
        return Scan::go_on;
    }
    if (is_word(c) || c == '\\') return scan_command(item);
    state_ = State::text;
    return Scan::go_on;
}

// At the first byte of a statement: one of the few words that the client itself obeys, or SQL.
StatementSplitter::Scan StatementSplitter::scan_command(SplitItem& item) {
    std::size_t end = at_ + 1;
    if (buffer_[at_] == '\\') {
        if (missing(2)) return Scan::more;
        end = std::min(at_ + 2, buffer_.size());
    } else {
        while (end < buffer_.size() && end - at_ < 10 && is_word(buffer_[end])) ++end;
        if (end == buffer_.size() && !finished_ && end - at_ < 10) return Scan::more;
    }
    const std::string word = lower(std::string_view(buffer_).substr(at_, end - at_));
    const bool ours = word == "delimiter" || word == "use" || word == "source" || word == "exit" || word == "quit" ||
                      word == "\\." || word == "\\q";
    if (!ours) {
        state_ = State::text;
        return Scan::go_on;
    }
    std::size_t line_end = buffer_.find('\n', end);
    if (line_end == std::string::npos) line_end = buffer_.size();
    if (line_end - at_ > command_line_bytes_max) {
        state_ = State::text;
        return Scan::go_on;
    }
    if (line_end == buffer_.size() && !finished_) return Scan::more;
    return run_command(item, word, std::string_view(buffer_).substr(end, line_end - end));
}

StatementSplitter::Scan StatementSplitter::run_command(SplitItem& item, const std::string& word,
                                                       std::string_view line) {
    const std::size_t line_end = at_ + word.size() + line.size();
    item.line = line_;
    if (word == "delimiter" && !line.empty() && is_blank(line[0])) {
        const Scan scan = set_delimiter(item, trim(line));
        drop_to(line_end);
        return scan;
    }
    const std::size_t stop = line.find(delimiter_);
    const bool stopped = stop != std::string_view::npos;
    const std::string_view argument = trim(stopped ? line.substr(0, stop) : line);
    const bool separated = line.empty() || is_blank(line[0]) || word[0] == '\\' || stop == 0;
    const bool one_word = !argument.empty() && std::none_of(argument.begin(), argument.end(), is_blank);
    bool taken = false;
    if (separated && (word == "source" || word == "\\.") && !argument.empty()) {
        item.kind = SplitItem::Kind::source;
        item.text = argument;
        taken = true;
    } else if (separated && (word == "exit" || word == "quit" || word == "\\q") && argument.empty()) {
        item.kind = SplitItem::Kind::quit;
        taken = true;
    } else if (separated && word == "use" && one_word && !stopped && argument.find('\\') == std::string_view::npos) {
        // `USE name` needs no delimiter; with one it is an ordinary statement.
        item.kind = SplitItem::Kind::statement;
        item.text = "use " + std::string(argument);
        taken = true;
    }
    if (!taken) {
        state_ = State::text;
        return Scan::go_on;
    }
    drop_to(stopped ? at_ + word.size() + stop + delimiter_.size() : line_end);
    return Scan::item;
}

StatementSplitter::Scan StatementSplitter::set_delimiter(SplitItem& item, std::string_view argument) {
    std::string_view text = argument.substr(0, argument.find_first_of(" \t\r\v\f"));
    if (text.size() >= 2 && (text[0] == '\'' || text[0] == '"' || text[0] == '`') && text.back() == text[0]) {
        text = text.substr(1, text.size() - 2);
    }
    item.kind = SplitItem::Kind::bad_command;
    if (text.empty()) {
        item.text = "DELIMITER must be followed by a delimiter character or string";
        return Scan::item;
    }
    if (text.find('\\') != std::string_view::npos) {
        item.text = "DELIMITER cannot contain a backslash character";
        return Scan::item;
    }
    if (text.size() > delimiter_bytes_max) {
        item.text = "DELIMITER is longer than " + std::to_string(delimiter_bytes_max) + " bytes";
        return Scan::item;
    }
    item.kind = SplitItem::Kind::statement;
    delimiter_ = text;
    mark_specials();
    return Scan::go_on;
}

StatementSplitter::Scan StatementSplitter::scan_text(SplitItem& item) {
    const char* bytes = buffer_.data();
    const std::size_t size = buffer_.size();
    std::size_t at = at_;
    while (at < size && !special_[static_cast<unsigned char>(bytes[at])]) ++at;
    at_ = at;
    return at == size ? Scan::more : scan_special(item);
}

StatementSplitter::Scan StatementSplitter::scan_special(SplitItem& item) {
    const char c = buffer_[at_];
    const bool executable = state_ == State::executable;
    // Within /*! … */ a delimiter ends nothing: the comment is one piece for the server.
    if (!executable && c == delimiter_[0]) {
        if (missing(delimiter_.size())) return Scan::more;
        if (starts(at_, delimiter_)) return end_statement(item, delimiter_.size(), false);
    }
    if (c == '\'' || c == '"' || c == '`') {
        quote_ = c;
        enter(State::quoted, state_, 1);
        return Scan::go_on;
    }
    if (c == '#') {
        enter(State::line_comment, state_, 1);
        return Scan::go_on;
    }
    if ((c == '-' && missing(3)) || (c == '/' && missing(4)) || ((c == '\\' || c == '*') && missing(2)))
        return Scan::more;
    if (c == '-' && line_comment_at(at_)) {
        enter(State::line_comment, state_, 2);
    } else if (c == '/' && starts(at_, "/*") && executable_at(at_) && !executable) {
        enter(State::executable, state_, 3);
    } else if (c == '/' && starts(at_, "/*")) {
        enter(State::comment, state_, 2);
    } else if (executable && starts(at_, "*/")) {
        enter(State::text, State::start, 2);
    } else if (!executable && (starts(at_, "\\g") || starts(at_, "\\G"))) {
        return end_statement(item, 2, buffer_[at_ + 1] == 'G');
    } else {
        ++at_;
    }
    return Scan::go_on;
}

StatementSplitter::Scan StatementSplitter::scan_quoted() {
    const bool escapes = quote_ != '`' && !no_backslash_escapes_;
    const char* bytes = buffer_.data();
    const std::size_t size = buffer_.size();
    std::size_t at = at_;
    while (at < size && bytes[at] != quote_ && !(escapes && bytes[at] == '\\')) ++at;
    at_ = at;
    if (at == size) return Scan::more;
    if (bytes[at] == quote_) {
        // A doubled quote closes and opens again, which comes to the same.
        state_ = outer_;
        ++at_;
        return Scan::go_on;
    }
    if (missing(2)) return Scan::more;
    at_ = std::min(at + 2, size);
    return Scan::go_on;
}

StatementSplitter::Scan StatementSplitter::scan_line_comment() {
    const std::size_t end = buffer_.find('\n', at_);
    at_ = end == std::string::npos ? buffer_.size() : end + 1;
    if (outer_ == State::start) drop_to(at_);
    if (end == std::string::npos) return Scan::more;
    state_ = outer_;
    return Scan::go_on;
}

StatementSplitter::Scan StatementSplitter::scan_comment() {
    const std::size_t end = buffer_.find("*/", at_);
    const bool dropped = outer_ == State::start;
    if (end == std::string::npos) {
        // The last byte may be the star of the closing mark.
        if (buffer_.size() > at_) at_ = buffer_.size() - (buffer_.back() == '*' ? 1 : 0);
        if (dropped) drop_to(at_);
        return Scan::more;
    }
    at_ = end + 2;
    if (dropped) drop_to(at_);
    state_ = outer_;
    return Scan::go_on;
}

StatementSplitter::Scan StatementSplitter::end_statement(SplitItem& item, std::size_t delimiter_bytes, bool vertical) {
    const std::string_view text = trim(std::string_view(buffer_).substr(begin_, at_ - begin_));
    const bool wanted = !skipping_ && !text.empty();
    item.kind = SplitItem::Kind::statement;
    item.text.assign(wanted ? text : std::string_view());
    item.vertical = vertical;
    item.line = line_;
    if (item.text.size() > limit_) {
        item.kind = SplitItem::Kind::too_long;
        item.text.clear();
    }
    state_ = State::start;
    skipping_ = false;
    drop_to(at_ + delimiter_bytes);
    return wanted ? Scan::item : Scan::go_on;
}

// The input ended without a delimiter.
StatementSplitter::Scan StatementSplitter::take_rest(SplitItem& item) {
    const bool sql = state_ != State::start &&
                     !(outer_ == State::start && (state_ == State::line_comment || state_ == State::comment));
    at_ = buffer_.size();
    if (!sql) {
        drop_to(at_);
        return Scan::more;
    }
    return end_statement(item, 0, false);
}

}  // namespace ddb::client
