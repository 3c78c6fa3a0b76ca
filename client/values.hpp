// Columns and rows as they travel: what kind of value a column holds, and the cells of a chunk of rows. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::client {

using Cell = std::optional<std::string_view>;  // nullopt: NULL
using Row = std::vector<Cell>;

enum class ValueKind : std::uint8_t {
    integer,
    floating,
    decimal,
    text,
    binary,
    bit,
};

[[nodiscard]] ValueKind kind_of(const Column& column);
// Lower-case SQL name; "binary" for everything that JSON carries as base64.
[[nodiscard]] std::string type_name(const Column& column);
[[nodiscard]] bool right_aligned(ValueKind kind);
// Value of a BIT cell (at most 8 bytes, big-endian) in decimal digits.
[[nodiscard]] std::string bit_number(std::string_view bytes);

// Walks through a chunk. The cells point into the chunk.
class RowReader {
  public:
    RowReader(const ResultRows& chunk, std::size_t columns)
        : rest_(chunk.rows), rows_left_(chunk.row_count), columns_(columns) {}
    // False at the end. Errors: corrupt when the bytes are no `columns` values.
    [[nodiscard]] Result<bool> next(Row& row);

  private:
    [[nodiscard]] bool take_cell(Cell& cell);
    std::string_view rest_;
    std::uint32_t rows_left_;
    std::size_t columns_;
};

}  // namespace ddb::client
