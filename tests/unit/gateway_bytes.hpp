// Bytes of the MySQL protocol for tests.
#pragma once

#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "node/gateway/packets.hpp"

namespace ddb::gateway {

inline std::string le(std::uint64_t value, int bytes) {
    std::string out;
    put_int(out, value, bytes);
    return out;
}
inline std::string le(float value) {
    return le(std::bit_cast<std::uint32_t>(value), 4);
}
inline std::string le(double value) {
    return le(std::bit_cast<std::uint64_t>(value), 8);
}
inline std::string with_length(std::string_view text) {
    std::string out;
    put_lenenc_string(out, text);
    return out;
}
inline std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}
inline std::string random_bytes(std::mt19937_64& random, std::size_t size_max, std::string_view alphabet = {}) {
    std::string out(random() % (size_max + 1), '\0');
    for (char& c : out) c = alphabet.empty() ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    return out;
}

}  // namespace ddb::gateway
