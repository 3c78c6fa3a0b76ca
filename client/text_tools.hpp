// Small pure functions on text that several files of the client need. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ddb::client {

[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string lower(std::string_view text);  // ASCII only
[[nodiscard]] std::vector<std::string> split_list(std::string_view text,
                                                  char separator);  // trimmed, empty ones dropped

// Reads one code point at `at` and moves on; on invalid UTF-8 moves one byte and returns false.
[[nodiscard]] bool next_code_point(std::string_view text, std::size_t& at, char32_t& out);
[[nodiscard]] std::size_t display_width(std::string_view utf8);
// For terminals: control characters become \n, \t or \xNN, invalid UTF-8 becomes U+FFFD.
[[nodiscard]] std::string printable(std::string_view text, bool keep_line_breaks);

[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::string hex_literal(std::string_view bytes);  // 0x…
// With the quotes; invalid UTF-8 becomes U+FFFD, so that the line is valid JSON whatever the server sent.
[[nodiscard]] std::string json_string(std::string_view text);
[[nodiscard]] bool is_json_number(std::string_view text);

// "host", "host:port", "[v6]:port" to "host:port"; empty when the port is no number from 1 to 65535.
[[nodiscard]] std::string with_port(std::string_view address, std::uint16_t default_port);

}  // namespace ddb::client
