#include "node/storage/sql_words.hpp"

#include <algorithm>

namespace ddb::storage {
namespace {

bool is_upper_of(char c, char upper) {
    return (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c) == upper;
}

}  // namespace

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c < 0;
}

bool same_word(std::string_view a, std::string_view upper) {
    return a.size() == upper.size() && std::equal(a.begin(), a.end(), upper.begin(), is_upper_of);
}

std::size_t end_of_quoted(std::string_view text, std::size_t at) {
    const char quote = text[at];
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] == '\\' && quote != '`') {
            ++i;
        } else if (text[i] == quote) {
            return i + 1;
        }
    }
    return text.size();
}

std::optional<std::string> take_quoted_name(std::string_view text, std::size_t& at) {
    if (at >= text.size() || (text[at] != '`' && text[at] != '"')) return std::nullopt;
    const char quote = text[at];
    std::string out;
    for (++at; at < text.size(); ++at) {
        if (text[at] == quote) {
            ++at;
            if (at >= text.size() || text[at] != quote) return out;
        }
        out += text[at];
    }
    return std::nullopt;
}

std::size_t end_of_comment(std::string_view text, std::size_t at) {
    const std::string_view rest = text.substr(at);
    const std::size_t mark = rest.starts_with("/*!") ? 3 : rest.starts_with("/*M!") ? 4 : 0;
    if (mark > 0) return std::min(text.find_first_not_of("0123456789", at + mark), text.size());
    if (rest.starts_with("/*")) {
        const std::size_t end = text.find("*/", at + 2);
        return end == std::string_view::npos ? text.size() : end + 2;
    }
    const bool dashes = rest.starts_with("--") && (rest.size() == 2 || static_cast<unsigned char>(rest[2]) <= ' ');
    return dashes || rest.starts_with('#') ? std::min(text.find('\n', at), text.size()) : at;
}

std::size_t next_word(std::string_view text, std::size_t at, int& depth) {
    while (at < text.size() && !is_word(text[at])) {
        if (const std::size_t end = end_of_comment(text, at); end != at) {
            at = end;
        } else if (text[at] == '\'' || text[at] == '"' || text[at] == '`') {
            at = end_of_quoted(text, at);
        } else {
            depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
            ++at;
        }
    }
    return std::min(at, text.size());
}

std::string_view word_at(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && is_word(text[end])) ++end;
    return text.substr(at, end - at);
}

std::size_t begin_of_statement(std::string_view text) {
    int depth = 0;
    std::size_t begin = next_word(text, 0, depth);
    while (same_word(word_at(text, begin), "SET")) {
        std::size_t at = next_word(text, begin + 3, depth);
        if (!same_word(word_at(text, at), "STATEMENT")) break;
        do {
            at = next_word(text, at + word_at(text, at).size(), depth);
        } while (at < text.size() && !(depth == 0 && same_word(word_at(text, at), "FOR")));
        if (at == text.size()) break;
        begin = next_word(text, at + 3, depth);
    }
    return begin;
}

bool contains(std::string_view text, std::string_view upper) {
    return std::search(text.begin(), text.end(), upper.begin(), upper.end(), is_upper_of) != text.end();
}

}  // namespace ddb::storage
