// Rows and columns as a node sends them, a sink that keeps what is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/sink.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::client::test {

struct StringSink : Sink {
    void write(std::string_view bytes) override { text += bytes; }
    std::string text;
};

inline Column column(const std::string& name, std::uint8_t type, std::uint16_t charset = 45, std::uint16_t flags = 0) {
    Column c;
    c.name = name;
    c.type = type;
    c.charset = charset;
    c.flags = flags;
    return c;
}

inline void append_cell(std::string& out, const std::optional<std::string>& value) {
    if (!value) {
        out += '\xFB';
        return;
    }
    const std::size_t size = value->size();
    if (size < 251) {
        out += static_cast<char>(size);
    } else if (size < 65536) {
        out += '\xFC';
        out += static_cast<char>(size & 255u);
        out += static_cast<char>(size >> 8);
    } else {
        out += '\xFD';
        for (int i = 0; i < 3; ++i) out += static_cast<char>((size >> (8 * i)) & 255u);
    }
    out += *value;
}

using Cells = std::vector<std::optional<std::string>>;

inline ResultRows chunk(const std::vector<Cells>& rows) {
    ResultRows out;
    out.row_count = static_cast<std::uint32_t>(rows.size());
    for (const Cells& row : rows) {
        for (const auto& cell : row) append_cell(out.rows, cell);
    }
    return out;
}

}  // namespace ddb::client::test
