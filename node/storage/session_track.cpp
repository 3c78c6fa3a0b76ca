#include "node/storage/session_track.hpp"

#include "node/storage/binlog_bytes.hpp"

namespace ddb::storage {
namespace {

constexpr std::uint64_t type_variables = 0;
constexpr std::uint64_t type_database = 1;
constexpr std::size_t padding_max = 3;  // a character of four bytes in the place of one

[[nodiscard]] std::string_view packed_string(ByteCursor& in) {
    return in.take(static_cast<std::size_t>(in.packed()));
}

}  // namespace

TrackedState tracked_state(std::string_view bytes) {
    ByteCursor in(bytes);
    for (std::size_t i = 0; i < padding_max && in.rest().starts_with('\0'); ++i) in.take(1);
    ByteCursor items(packed_string(in));
    TrackedState out;
    while (items.size() > 0) {
        const std::uint64_t type = items.number(1);
        ByteCursor item(packed_string(items));
        if (type == type_database) out.database = packed_string(item);
        while (type == type_variables && item.size() > 0) {
            const std::string_view name = packed_string(item);
            const std::string_view value = packed_string(item);
            if (name == "last_gtid" && !item.failed()) out.gtid = value;
        }
    }
    return out;
}

}  // namespace ddb::storage
