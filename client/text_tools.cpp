#include "client/text_tools.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace ddb::client {
namespace {

struct Range {
    char32_t first, last;
};
// Code points that take no column, and those that take two; the ranges that matter in practice, not the whole of
// Unicode.
constexpr std::array<Range, 11> zero_width{{{0x0300, 0x036F},
                                            {0x0483, 0x0489},
                                            {0x0591, 0x05BD},
                                            {0x064B, 0x065F},
                                            {0x1AB0, 0x1AFF},
                                            {0x1DC0, 0x1DFF},
                                            {0x200B, 0x200F},
                                            {0x20D0, 0x20FF},
                                            {0xFE00, 0xFE0F},
                                            {0xFE20, 0xFE2F},
                                            {0xE0100, 0xE01EF}}};
constexpr std::array<Range, 12> double_width{{{0x1100, 0x115F},
                                              {0x2E80, 0x303E},
                                              {0x3041, 0xA4CF},
                                              {0xA960, 0xA97F},
                                              {0xAC00, 0xD7A3},
                                              {0xF900, 0xFAFF},
                                              {0xFE30, 0xFE6F},
                                              {0xFF00, 0xFF60},
                                              {0xFFE0, 0xFFE6},
                                              {0x1F300, 0x1F64F},
                                              {0x1F680, 0x1F9FF},
                                              {0x20000, 0x3FFFD}}};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, char32_t c) {
    return std::any_of(ranges.begin(), ranges.end(), [c](const Range& r) { return c >= r.first && c <= r.last; });
}

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view hex_digits = "0123456789ABCDEF";

unsigned char byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

}  // namespace

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n\v\f";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::vector<std::string> split_list(std::string_view text, char separator) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(separator, at), text.size());
        const std::string_view part = trim(text.substr(at, end - at));
        if (!part.empty()) out.emplace_back(part);
        at = end + 1;
    }
    return out;
}

bool next_code_point(std::string_view text, std::size_t& at, char32_t& out) {
    const unsigned char lead = byte_at(text, at);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xC2 && lead < 0xE0 ? 2
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xF0 && lead < 0xF5 ? 4
                                                             : 0;
    char32_t code = length == 1 ? lead : length == 2 ? lead & 0x1Fu : length == 3 ? lead & 0x0Fu : lead & 0x07u;
    bool valid = length != 0 && at + length <= text.size();
    for (std::size_t i = 1; valid && i < length; ++i) {
        const unsigned char c = byte_at(text, at + i);
        valid = (c & 0xC0u) == 0x80u;
        code = (code << 6) | (c & 0x3Fu);
    }
    // Overlong forms and surrogates are invalid too.
    constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (valid && (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))) valid = false;
    at += valid ? length : 1;
    out = valid ? code : 0xFFFD;
    return valid;
}

std::size_t display_width(std::string_view utf8) {
    std::size_t width = 0;
    for (std::size_t at = 0; at < utf8.size();) {
        char32_t c = 0;
        (void)next_code_point(utf8, at, c);
        if (c < 0x300) {
            ++width;
        } else if (!within(zero_width, c)) {
            width += within(double_width, c) ? 2 : 1;
        }
    }
    return width;
}

std::string printable(std::string_view text, bool keep_line_breaks) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        char32_t c = 0;
        if (!next_code_point(text, at, c)) {
            out += replacement;
        } else if (keep_line_breaks && (c == '\n' || c == '\t')) {
            out += static_cast<char>(c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
            out += "\\x";
            out += hex_digits[(c >> 4) & 15u];
            out += hex_digits[c & 15u];
        } else {
            out += text.substr(start, at - start);
        }
    }
    return out;
}

std::string base64(std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
        unsigned value = static_cast<unsigned>(byte_at(bytes, at)) << 16;
        if (count > 1) value |= static_cast<unsigned>(byte_at(bytes, at + 1)) << 8;
        if (count > 2) value |= byte_at(bytes, at + 2);
        out += alphabet[(value >> 18) & 63u];
        out += alphabet[(value >> 12) & 63u];
        out += count > 1 ? alphabet[(value >> 6) & 63u] : '=';
        out += count > 2 ? alphabet[value & 63u] : '=';
    }
    return out;
}

std::string hex_literal(std::string_view bytes) {
    std::string out = "0x";
    out.reserve(2 + 2 * bytes.size());
    for (const char c : bytes) {
        out += hex_digits[static_cast<unsigned char>(c) >> 4];
        out += hex_digits[static_cast<unsigned char>(c) & 15u];
    }
    return out;
}

std::string json_string(std::string_view text) {
    std::string out = "\"";
    out.reserve(text.size() + 2);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        char32_t c = 0;
        if (!next_code_point(text, at, c)) {
            out += replacement;
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c < 0x20 || c == 0x7F) {
            out += "\\u00";
            out += hex_digits[(c >> 4) & 15u];
            out += hex_digits[c & 15u];
        } else {
            out += text.substr(start, at - start);
        }
    }
    out += '"';
    return out;
}

bool is_json_number(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&] {
        const std::size_t from = at;
        while (at < text.size() && is_digit(text[at])) ++at;
        return at - from;
    };
    if (at < text.size() && text[at] == '-') ++at;
    const bool zero = at < text.size() && text[at] == '0';
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) return false;
    if (at < text.size() && text[at] == '.') {
        ++at;
        if (digits() == 0) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
        if (digits() == 0) return false;
    }
    return at == text.size();
}

std::string with_port(std::string_view address, std::uint16_t default_port) {
    std::string_view host = address;
    std::string_view port;
    const std::size_t colon = address.rfind(':');
    // Two colons without brackets: an IPv6 address alone.
    const bool plain_v6 = !address.starts_with('[') && address.find(':') != colon;
    if (colon != std::string_view::npos && !plain_v6 && !address.ends_with(']')) {
        host = address.substr(0, colon);
        port = address.substr(colon + 1);
        unsigned value = 0;
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
        if (error != std::errc() || end != port.data() + port.size() || value == 0 || value > 65535) return {};
    }
    if (host.empty()) return {};
    const std::string name = plain_v6 ? "[" + std::string(host) + "]" : std::string(host);
    return name + ":" + (port.empty() ? std::to_string(default_port) : std::string(port));
}

}  // namespace ddb::client
