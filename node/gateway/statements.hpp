// Prepared statements on top of the text protocol: finding placeholders, decoding what a client binds, writing it into
// the statement as literals, and turning text rows into binary ones. Plain functions on bytes; nothing here knows
// connections.
//
// Sources: https://mariadb.com/kb/en/com_stmt_execute/ , https://mariadb.com/kb/en/resultset-row/#binary-resultset-row
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::gateway {

inline constexpr std::size_t parameters_max = 65'535;

class FieldReader;

[[nodiscard]] Error statement_too_long();  // longer than statement_bytes_max: 1153 / 08S01

// Offsets of the '?' that stand for parameters: not in strings, identifiers or comments. `no_backslash`: sql_mode
// NO_BACKSLASH_ESCAPES is on, which moves the ends of strings. Error: overloaded (more than parameters_max: 1390 /
// HY000).
[[nodiscard]] Result<std::vector<std::size_t>> find_placeholders(std::string_view sql, bool no_backslash = false);

struct Parameter {
    std::uint8_t type = 0;  // enum_field_types as the client sent it
    bool is_unsigned = false;
    bool null = false;
    bool long_data = false;  // came by COM_STMT_SEND_LONG_DATA: `value` is all of it
    // Raw: little-endian numbers and times as on the wire without their lengths; strings as they are.
    std::string value;
    std::string variable{};   // a user variable that stands in its place
    bool is_default = false;  // the column's own

    void take_type(std::uint16_t sent);  // as read_types() has it
};

// The types that a client sends ahead of its values, of so many parameters: a number and a sign each. False: bytes are
// missing, and nothing has changed.
[[nodiscard]] bool read_types(FieldReader& fields, std::size_t count, std::vector<std::uint16_t>& types);

// The next value as its type has it on the wire, raw as Parameter::value; nothing where the bytes are none.
[[nodiscard]] std::optional<std::string_view> read_value(FieldReader& fields, std::uint8_t type);

// What COM_STMT_EXECUTE carries behind statement id, flags and iteration count. `types` are kept from one execution to
// the next: the client sends them only when they changed. `long_data`: by parameter number. Errors: invalid_argument
// (1210 / HY000 "Incorrect arguments to mysqld_stmt_execute").
[[nodiscard]] Result<std::vector<Parameter>> decode_parameters(std::string_view payload, std::size_t count,
                                                               std::vector<std::uint16_t>& types,
                                                               const std::map<std::uint16_t, std::string>& long_data);

// The statement with every parameter as a literal in its place. `no_backslash`: sql_mode NO_BACKSLASH_ESCAPES is on.
// Strings become quoted literals, in whatever character set the client speaks; types that the client marked as binary
// (BLOB types) become _binary'…'; numbers, dates and times in the form that the server itself would print; a DOUBLE
// with as many digits as needed to come back the same, a FLOAT as the DOUBLE that it is. What stands in a LIMIT becomes
// an integer. Errors: invalid_argument (a date or number that cannot be, or `placeholders` that `no_backslash` moved:
// 1210), overloaded (longer than statement_bytes_max: 1153 / 08S01).
[[nodiscard]] Result<std::string> bind(std::string_view sql, const std::vector<std::size_t>& placeholders,
                                       const std::vector<Parameter>& parameters, bool no_backslash);

// One row of the text protocol as a row of the binary protocol: header 0x00, NULL bitmap with offset 2, values by the
// columns' types (unknown types as length-encoded strings). Errors: corrupt (bytes that are no value of their type).
[[nodiscard]] Result<std::string> binary_row(std::string_view text_row, const std::vector<Column>& columns);

}  // namespace ddb::gateway
