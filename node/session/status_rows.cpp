#include "node/session/status_rows.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::string_view threads_connected = "THREADS_CONNECTED";
// A name of at most 64 characters and the number have lengths of one byte; so a longer text is none that counts.
constexpr std::uint8_t one_byte_max = 250;

// The text that begins at `at`, which is moved behind it; nullopt when it is not of the short form, or NULL.
[[nodiscard]] std::optional<std::string_view> short_text(std::string_view rows, std::size_t& at) {
    if (at >= rows.size()) return std::nullopt;
    const auto length = static_cast<std::uint8_t>(rows[at]);
    if (length > one_byte_max || length > rows.size() - at - 1) return std::nullopt;
    const std::string_view text = rows.substr(at + 1, length);
    at += 1 + std::size_t{length};
    return text;
}

}  // namespace

void tell_sessions(ResultRows& rows, std::size_t sessions) {
    std::size_t at = 0;
    for (std::uint32_t i = 0; i < rows.row_count; ++i) {
        const auto name = short_text(rows.rows, at);
        if (!name) return;
        const bool counts = equals_ignoring_case(*name, threads_connected);
        const std::size_t value_at = at;
        const auto value = short_text(rows.rows, at);
        if (!value) return;
        if (!counts) continue;
        std::string number = std::to_string(sessions);
        number.insert(number.begin(), static_cast<char>(number.size()));
        rows.rows.replace(value_at, at - value_at, number);
        return;
    }
}

}  // namespace ddb::session
