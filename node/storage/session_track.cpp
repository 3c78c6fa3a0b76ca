#include "node/storage/session_track.hpp"

#include <optional>

#include "node/storage/binlog_bytes.hpp"

namespace ddb::storage {
namespace {

constexpr std::uint64_t type_variables = 0;
constexpr std::uint64_t type_database = 1;
constexpr std::uint64_t type_state_change = 2;
constexpr std::uint64_t type_last = 5;
constexpr std::size_t padding_max = 3;  // a character of four bytes in the place of one

[[nodiscard]] std::string_view packed_string(ByteCursor& in) {
    return in.take(static_cast<std::size_t>(in.packed()));
}

// `whole`: nothing but items of known types, or nothing at all. Else what stands in front of the first other byte.
[[nodiscard]] std::optional<TrackedState> read_items(std::string_view bytes, bool whole) {
    ByteCursor items(bytes);
    TrackedState out;
    while (items.size() > 0) {
        const std::uint64_t type = items.number(1);
        ByteCursor item(packed_string(items));
        std::optional<std::string_view> database;
        if (type == type_database) database = packed_string(item);
        if (items.failed() || item.failed() || type > type_last) return whole ? std::nullopt : std::optional(out);
        if (database) out.database = database;
        if (type == type_state_change) out.changed = item.rest() == "1";  // no length of its own
        while (type == type_variables && item.size() > 0) {
            const std::string_view name = packed_string(item);
            const std::string_view value = packed_string(item);
            if (item.failed()) break;
            if (name == "last_gtid") out.gtid = value;
            if (name == "wait_timeout") out.wait_timeout_s = value;
        }
    }
    return out;
}

}  // namespace

TrackedState tracked_state(std::string_view bytes) {
    ByteCursor in(bytes);
    for (std::size_t i = 0; i < padding_max && in.rest().starts_with('\0'); ++i) in.take(1);
    const std::string_view items = packed_string(in);
    if (!items.empty()) {
        if (const auto read = read_items(items, true)) return *read;
    }
    // Behind an info text the client library has written its terminator over the length.
    if (!bytes.starts_with('\0')) return {};
    return *read_items(bytes.substr(1), false);
}

}  // namespace ddb::storage
