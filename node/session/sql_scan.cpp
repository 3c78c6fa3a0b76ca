#include "node/session/sql_scan.hpp"

#include <algorithm>
#include <cstring>

#include "node/session/versioned_comments.hpp"

namespace ddb::session {
namespace {

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
constexpr bool space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
constexpr bool digit(char c) {
    return c >= '0' && c <= '9';
}
// Bytes above 127 are part of identifiers in every character set a server accepts for clients.
constexpr bool word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || digit(c) || c == '_' || c == '$' ||
           (static_cast<unsigned char>(c) & 0x80U) != 0;
}

}  // namespace

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

std::string upper_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), upper);
    return out;
}

bool equals_ignoring_case(std::string_view text, std::string_view upper_text) {
    if (text.size() != upper_text.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (upper(text[i]) != upper_text[i]) return false;
    }
    return true;
}

bool listed(std::string_view text, std::span<const std::string_view> upper) {
    return std::any_of(upper.begin(), upper.end(), [&](auto word) { return equals_ignoring_case(text, word); });
}

bool one_of(const Token& token, std::span<const std::string_view> keywords) {
    return token.kind == Token::Kind::word && listed(token.text, keywords);
}

bool starts_ignoring_case(std::string_view text, std::string_view upper_text) {
    return text.size() >= upper_text.size() && equals_ignoring_case(text.substr(0, upper_text.size()), upper_text);
}

bool contains_ignoring_case(std::string_view text, std::string_view upper_text) {
    if (upper_text.empty()) return true;
    // Statements may have many megabytes, and the loop waits: where the first letter is, memchr finds out.
    const char first = upper_text[0];
    const char small = lower(first);
    std::size_t next_first = text.find(first);
    std::size_t next_small = small == first ? std::string_view::npos : text.find(small);
    for (;;) {
        const std::size_t at = std::min(next_first, next_small);
        if (at >= text.size() || text.size() - at < upper_text.size()) return false;
        if (starts_ignoring_case(text.substr(at), upper_text)) return true;
        std::size_t& passed = at == next_first ? next_first : next_small;
        passed = text.find(at == next_first ? first : small, at + 1);
    }
}

bool Token::is(std::string_view keyword) const {
    return kind == Kind::word && equals_ignoring_case(text, keyword);
}

// `header` stands behind "/*!" or "/*M!". True when the content is run; then position_ stands on it.
bool SqlScanner::open_versioned_comment(std::size_t header) {
    const bool mariadb_only = at(header - 2) == 'M';
    unsigned version = 0;
    std::size_t digits = 0;
    while (digits < 6 && digit(at(header + digits))) {
        version = version * 10 + static_cast<unsigned>(at(header + digits) - '0');
        ++digits;
    }
    saw_versioned_ = true;
    if (digits < 5) {  // no version: always run
        position_ = header;
        return true;
    }
    position_ = header + digits;
    return runs_versioned_comment(mariadb_only, version);
}

void SqlScanner::skip_to_comment_end() {
    const std::size_t end = sql_.find("*/", position_);
    position_ = end == std::string_view::npos ? sql_.size() : end + 2;
}

void SqlScanner::skip_block_comment() {
    const std::size_t start = position_;
    const bool plain_version = at(start + 2) == '!';
    const bool mariadb_version = at(start + 2) == 'M' && at(start + 3) == '!';
    if (plain_version || mariadb_version) {
        if (open_versioned_comment(start + (plain_version ? 3 : 4))) {
            inside_versioned_ = true;
            return;
        }
    } else {
        position_ = start + 2;
    }
    skip_to_comment_end();
}

void SqlScanner::skip_space_and_comments() {
    while (position_ < sql_.size()) {
        const char c = sql_[position_];
        const char following = at(position_ + 1);
        if (space(c)) {
            ++position_;
        } else if (c == '#' || (c == '-' && following == '-' &&
                                (position_ + 2 >= sql_.size() || space(at(position_ + 2)) ||
                                 static_cast<unsigned char>(at(position_ + 2)) < 0x20))) {
            const std::size_t end = sql_.find('\n', position_);
            position_ = end == std::string_view::npos ? sql_.size() : end + 1;
        } else if (c == '/' && following == '*') {
            skip_block_comment();
        } else if (inside_versioned_ && c == '*' && following == '/') {
            inside_versioned_ = false;
            position_ += 2;
        } else {
            return;
        }
    }
}

Token SqlScanner::quoted_token(char quote) {
    const std::size_t start = position_++;
    std::size_t next_quote = 0;  // at or behind position_, once looked for: each byte is passed once
    while (position_ < sql_.size()) {
        if (next_quote < position_) next_quote = std::min(sql_.find(quote, position_), sql_.size());
        const std::size_t escape =
            quote == '`' ? std::string_view::npos : sql_.substr(position_, next_quote - position_).find('\\');
        if (escape != std::string_view::npos) {
            position_ += escape + 2;
            continue;
        }
        position_ = next_quote;
        if (at(position_ + 1) != quote) break;
        position_ += 2;
    }
    const std::size_t end = position_ < sql_.size() ? position_ : sql_.size();
    if (position_ < sql_.size()) ++position_;
    position_ = position_ < sql_.size() ? position_ : sql_.size();
    Token token;
    token.kind = quote == '`' ? Token::Kind::quoted : Token::Kind::string;
    token.quote = quote;
    token.offset = start;
    token.text = sql_.substr(start + 1, end - start - 1);
    return token;
}

Token SqlScanner::variable_token() {
    Token token;
    token.offset = position_;
    token.kind = Token::Kind::user_variable;
    ++position_;
    if (at(position_) == '@') {
        token.kind = Token::Kind::system_variable;
        ++position_;
    }
    const char c = at(position_);
    if (c == '`' || c == '\'' || c == '"') {
        token.text = quoted_token(c).text;
        return token;
    }
    const std::size_t start = position_;
    while (position_ < sql_.size() && (word_byte(sql_[position_]) || sql_[position_] == '.')) ++position_;
    token.text = sql_.substr(start, position_ - start);
    return token;
}

Token SqlScanner::next() {
    skip_space_and_comments();
    Token token;
    token.offset = position_;
    if (position_ < sql_.size()) {
        const char c = sql_[position_];
        if (c == '\'' || c == '"' || c == '`') {
            token = quoted_token(c);
        } else if (c == '@') {
            token = variable_token();
        } else if (word_byte(c)) {
            const std::size_t start = position_;
            while (position_ < sql_.size() && word_byte(sql_[position_])) ++position_;
            token.kind = digit(c) ? Token::Kind::number : Token::Kind::word;
            token.text = sql_.substr(start, position_ - start);
        } else {
            token.kind = Token::Kind::symbol;
            token.text = sql_.substr(position_++, 1);
        }
    }
    token.versioned = inside_versioned_;
    return token;
}

std::string as_written(const Token& token) {
    if (token.kind == Token::Kind::quoted) return '`' + std::string(token.text) + '`';
    if (token.kind == Token::Kind::string) return token.quote + std::string(token.text) + token.quote;
    return std::string(token.text);
}

std::vector<Token> scan(std::string_view sql, std::size_t count_max) {
    SqlScanner scanner(sql);
    std::vector<Token> tokens;
    while (tokens.size() < count_max) {
        Token token = scanner.next();
        if (token.kind == Token::Kind::end) break;
        tokens.push_back(token);
    }
    return tokens;
}

}  // namespace ddb::session
