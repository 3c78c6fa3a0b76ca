// A dump's text in pieces of lines, as it comes in blocks: each ends where its line does, or where the block does.
#pragma once

#include <cstddef>
#include <string_view>

namespace ddb::storage {

struct LinePiece {
    std::string_view text;
    bool ends = false;  // the line, whose newline it has
};

// The first of `bytes`, which begin behind it then. `bytes` is not empty.
[[nodiscard]] inline LinePiece take_piece(std::string_view& bytes) {
    const std::size_t newline = bytes.find('\n');
    const bool ends = newline != std::string_view::npos;
    const LinePiece out{bytes.substr(0, ends ? newline + 1 : bytes.size()), ends};
    bytes.remove_prefix(out.text.size());
    return out;
}

}  // namespace ddb::storage
