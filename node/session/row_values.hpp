// The values in rows as ResultRows has them. Pure; any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace ddb::session {

// The length-encoded string at `at`, which goes behind it. NULL is an empty one, and so is what the rows do not hold.
[[nodiscard]] inline std::string_view value_at(std::string_view rows, std::size_t& at) {
    const auto byte = [&](std::size_t i) { return i < rows.size() ? static_cast<unsigned char>(rows[i]) : 0u; };
    constexpr std::size_t null = 0xFB;
    std::size_t length = byte(at++);
    if (length == null) return {};
    if (length == 0xFC || length == 0xFD) {
        const std::size_t bytes = length - 0xFA;
        length = 0;
        for (std::size_t i = 0; i < bytes; ++i) length |= static_cast<std::size_t>(byte(at++)) << (8 * i);
    }
    if (length > rows.size() - std::min(at, rows.size())) length = 0;
    const auto value = rows.substr(std::min(at, rows.size()), length);
    at += length;
    return value;
}

}  // namespace ddb::session
