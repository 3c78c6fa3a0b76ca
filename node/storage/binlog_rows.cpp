// Row counting: the size of every column type in a row image. The count is for people (transactions_log, monitoring);
// nothing is decided by it.
#include <array>
#include <vector>

#include "node/storage/binlog_bytes.hpp"
#include "node/storage/binlog_event.hpp"

namespace ddb::storage {
namespace {

enum : std::uint8_t {
    type_tiny = 1,
    type_short = 2,
    type_long = 3,
    type_float = 4,
    type_double = 5,
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
    type_timestamp2 = 17,
    type_datetime2 = 18,
    type_time2 = 19,
    type_blob_compressed = 140,
    type_varchar_compressed = 141,
    type_vector = 242,
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

// Either a fixed size or the width of a length prefix.
struct ColumnSize {
    std::uint32_t fixed = 0;
    std::uint32_t prefix = 0;
};

std::uint32_t decimal_bytes(std::uint32_t precision, std::uint32_t scale) {
    constexpr std::array<std::uint32_t, 10> partial = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};  // of fewer than nine digits
    if (scale > precision) return 0;
    const std::uint32_t whole = precision - scale;
    return whole / 9 * 4 + partial[whole % 9] + scale / 9 * 4 + partial[scale % 9];
}

ColumnSize string_size(std::uint32_t first, std::uint32_t second) {
    if (first == type_enum || first == type_set) return {second, 0};
    // Lengths above 255 hide their upper bits in the type byte.
    const std::uint32_t length = (first & 0x30) != 0x30 ? second | ((first & 0x30) ^ 0x30) << 4 : second;
    return {0, length > 255 ? 2u : 1u};
}

std::optional<ColumnSize> column_size(std::uint8_t type, ByteCursor& metadata) {
    const auto byte = [&] { return static_cast<std::uint32_t>(metadata.number(1)); };
    switch (type) {
        case type_tiny:
        case type_year:
            return ColumnSize{1, 0};
        case type_short:
            return ColumnSize{2, 0};
        case type_int24:
        case type_date:
        case type_time:
        case type_newdate:
            return ColumnSize{3, 0};
        case type_long:
        case type_timestamp:
            return ColumnSize{4, 0};
        case type_longlong:
        case type_datetime:
            return ColumnSize{8, 0};
        case type_float:
        case type_double:
            return ColumnSize{byte(), 0};
        case type_timestamp2:
            return ColumnSize{4 + (byte() + 1) / 2, 0};
        case type_datetime2:
            return ColumnSize{5 + (byte() + 1) / 2, 0};
        case type_time2:
            return ColumnSize{3 + (byte() + 1) / 2, 0};
        case type_varchar:
        case type_var_string:
        case type_varchar_compressed:
            return ColumnSize{0, metadata.number(2) > 255 ? 2u : 1u};
        case type_bit: {
            const std::uint32_t bits = byte();
            return ColumnSize{byte() + (bits > 0 ? 1u : 0u), 0};
        }
        case type_newdecimal: {
            const std::uint32_t precision = byte();
            return ColumnSize{decimal_bytes(precision, byte()), 0};
        }
        case type_enum:
        case type_set:
        case type_string: {
            const std::uint32_t first = byte();
            return string_size(first, byte());
        }
        case type_tiny_blob:
        case type_medium_blob:
        case type_long_blob:
        case type_blob:
        case type_blob_compressed:
        case type_vector:
        case type_json:
        case type_geometry:
            return ColumnSize{0, byte()};
        default:
            return std::nullopt;
    }
}

bool bit_at(std::string_view bitmap, std::size_t i) {
    return (static_cast<std::uint8_t>(bitmap[i / 8]) >> (i % 8) & 1) != 0;
}

void skip_row(ByteCursor& in, const std::vector<ColumnSize>& sizes, std::string_view present) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) count += bit_at(present, i) ? 1 : 0;
    const std::string_view nulls = in.take((count + 7) / 8);
    if (in.failed()) return;
    std::size_t nth = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (!bit_at(present, i) || bit_at(nulls, nth++)) continue;
        const std::size_t bytes =
            sizes[i].prefix > 0 ? static_cast<std::size_t>(in.number(sizes[i].prefix)) : sizes[i].fixed;
        in.take(bytes);
    }
}

}  // namespace

std::optional<std::uint64_t> count_rows(const TableMap& table, const RowsEvent& rows) {
    if (rows.columns != table.types.size() || rows.columns == 0) return std::nullopt;
    ByteCursor metadata(table.metadata);
    std::vector<ColumnSize> sizes;
    sizes.reserve(table.types.size());
    for (const char type : table.types) {
        const auto size = column_size(static_cast<std::uint8_t>(type), metadata);
        if (!size || size->prefix > 8) return std::nullopt;
        sizes.push_back(*size);
    }
    if (metadata.failed()) return std::nullopt;
    ByteCursor in(rows.rows);
    std::uint64_t count = 0;
    while (in.size() > 0) {
        const std::size_t before = in.size();
        skip_row(in, sizes, rows.present_before);
        if (!rows.present_after.empty()) skip_row(in, sizes, rows.present_after);
        if (in.failed() || in.size() == before) return std::nullopt;
        ++count;
    }
    return count;
}

}  // namespace ddb::storage
