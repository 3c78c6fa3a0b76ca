// Types of parameters and columns as the protocol numbers them (enum_field_types). Constants.
//
// Source: https://mariadb.com/kb/en/result-set-packets/#field-types
#pragma once

#include <cstdint>

namespace ddb::gateway::field_type {

inline constexpr std::uint8_t decimal = 0;
inline constexpr std::uint8_t tiny = 1;
inline constexpr std::uint8_t short_ = 2;
inline constexpr std::uint8_t long_ = 3;
inline constexpr std::uint8_t float_ = 4;
inline constexpr std::uint8_t double_ = 5;
inline constexpr std::uint8_t null = 6;
inline constexpr std::uint8_t timestamp = 7;
inline constexpr std::uint8_t long_long = 8;
inline constexpr std::uint8_t int24 = 9;
inline constexpr std::uint8_t date = 10;
inline constexpr std::uint8_t time_ = 11;
inline constexpr std::uint8_t date_time = 12;
inline constexpr std::uint8_t year = 13;
inline constexpr std::uint8_t varchar = 15;
inline constexpr std::uint8_t bit = 16;
inline constexpr std::uint8_t json = 245;
inline constexpr std::uint8_t new_decimal = 246;
inline constexpr std::uint8_t enum_ = 247;
inline constexpr std::uint8_t set = 248;
inline constexpr std::uint8_t tiny_blob = 249;
inline constexpr std::uint8_t medium_blob = 250;
inline constexpr std::uint8_t long_blob = 251;
inline constexpr std::uint8_t blob = 252;
inline constexpr std::uint8_t var_string = 253;
inline constexpr std::uint8_t string = 254;
inline constexpr std::uint8_t geometry = 255;

}  // namespace ddb::gateway::field_type

namespace ddb::gateway {

// Bytes of a number; 0: the type is no number of fixed size.
[[nodiscard]] constexpr int number_bytes(std::uint8_t type) {
    switch (type) {
        case field_type::tiny:
            return 1;
        case field_type::short_:
        case field_type::year:
            return 2;
        case field_type::long_:
        case field_type::int24:
        case field_type::float_:
            return 4;
        case field_type::long_long:
        case field_type::double_:
            return 8;
        default:
            return 0;
    }
}

[[nodiscard]] constexpr bool is_floating(std::uint8_t type) {
    return type == field_type::float_ || type == field_type::double_;
}

[[nodiscard]] constexpr bool has_date(std::uint8_t type) {
    return type == field_type::date || type == field_type::date_time || type == field_type::timestamp;
}

}  // namespace ddb::gateway
