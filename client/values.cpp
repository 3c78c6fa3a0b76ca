#include "client/values.hpp"

#include <algorithm>

namespace ddb::client {
namespace {

// enum_field_types and column flags of the MySQL protocol, as far as they matter here.
enum FieldType : std::uint8_t {
    type_decimal = 0,
    type_tiny = 1,
    type_short = 2,
    type_long = 3,
    type_float = 4,
    type_double = 5,
    type_null = 6,
    type_timestamp = 7,
    type_longlong = 8,
    type_int24 = 9,
    type_date = 10,
    type_time = 11,
    type_datetime = 12,
    type_year = 13,
    type_newdate = 14,
    type_varchar = 15,
    type_bit = 16,
    type_json = 245,
    type_newdecimal = 246,
    type_enum = 247,
    type_set = 248,
    type_tiny_blob = 249,
    type_medium_blob = 250,
    type_long_blob = 251,
    type_blob = 252,
    type_var_string = 253,
    type_string = 254,
    type_geometry = 255,
};
constexpr std::uint16_t flag_enum = 256;
constexpr std::uint16_t flag_set = 2048;
constexpr std::uint16_t charset_binary = 63;

bool is_blob(std::uint8_t type) {
    return type >= type_tiny_blob && type <= type_blob;
}

}  // namespace

ValueKind kind_of(const Column& column) {
    switch (column.type) {
        case type_tiny:
        case type_short:
        case type_long:
        case type_longlong:
        case type_int24:
        case type_year:
            return ValueKind::integer;
        case type_float:
        case type_double:
            return ValueKind::floating;
        case type_decimal:
        case type_newdecimal:
            return ValueKind::decimal;
        case type_bit:
            return ValueKind::bit;
        case type_geometry:
            return ValueKind::binary;
        default:
            break;
    }
    const bool string = is_blob(column.type) || column.type == type_varchar || column.type == type_var_string ||
                        column.type == type_string;
    const bool named = (column.flags & (flag_enum | flag_set)) != 0;
    return string && !named && column.charset == charset_binary ? ValueKind::binary : ValueKind::text;
}

std::string type_name(const Column& column) {
    if (kind_of(column) == ValueKind::binary) return "binary";
    if ((column.flags & flag_enum) != 0) return "enum";
    if ((column.flags & flag_set) != 0) return "set";
    switch (column.type) {
        case type_decimal:
        case type_newdecimal:
            return "decimal";
        case type_tiny:
            return "tinyint";
        case type_short:
            return "smallint";
        case type_int24:
            return "mediumint";
        case type_long:
            return "int";
        case type_longlong:
            return "bigint";
        case type_float:
            return "float";
        case type_double:
            return "double";
        case type_null:
            return "null";
        case type_timestamp:
            return "timestamp";
        case type_date:
        case type_newdate:
            return "date";
        case type_time:
            return "time";
        case type_datetime:
            return "datetime";
        case type_year:
            return "year";
        case type_bit:
            return "bit";
        case type_json:
            return "json";
        case type_enum:
            return "enum";
        case type_set:
            return "set";
        case type_string:
            return "char";
        case type_varchar:
        case type_var_string:
            return "varchar";
        default:
            return is_blob(column.type) ? "text" : "type" + std::to_string(column.type);
    }
}

bool right_aligned(ValueKind kind) {
    return kind == ValueKind::integer || kind == ValueKind::floating || kind == ValueKind::decimal ||
           kind == ValueKind::bit;
}

std::string bit_number(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes.substr(0, std::min<std::size_t>(bytes.size(), 8))) {
        value = (value << 8) | static_cast<unsigned char>(c);
    }
    return std::to_string(value);
}

// A length-encoded string of the MySQL text protocol.
bool RowReader::take_cell(Cell& cell) {
    if (rest_.empty()) return false;
    const auto lead = static_cast<unsigned char>(rest_[0]);
    std::size_t head = 1;
    std::uint64_t length = lead;
    if (lead == 0xFB) {
        cell.reset();
        rest_.remove_prefix(1);
        return true;
    }
    if (lead == 0xFF) return false;
    if (lead > 0xFB) {
        head = lead == 0xFC ? 3 : lead == 0xFD ? 4 : 9;
        if (rest_.size() < head) return false;
        length = 0;
        for (std::size_t i = head - 1; i >= 1; --i) length = (length << 8) | static_cast<unsigned char>(rest_[i]);
    }
    if (length > rest_.size() - head) return false;
    cell = rest_.substr(head, static_cast<std::size_t>(length));
    rest_.remove_prefix(head + static_cast<std::size_t>(length));
    return true;
}

Result<bool> RowReader::next(Row& row) {
    if (rows_left_ == 0) {
        if (!rest_.empty()) return fail(ErrorCode::corrupt, "rows: bytes behind the last row of a chunk");
        return false;
    }
    row.resize(columns_);
    for (Cell& cell : row) {
        if (!take_cell(cell)) return fail(ErrorCode::corrupt, "rows: a value is cut off");
    }
    --rows_left_;
    return true;
}

}  // namespace ddb::client
