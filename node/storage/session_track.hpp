// What an OK packet tells of the session's state, read by ourselves: in a database whose character set has no
// single bytes (utf16, ucs2, utf32) MariaDB pads the length in front of it, and the client library finds nothing. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace ddb::storage {

struct TrackedState {
    std::optional<std::string_view> database;
    std::optional<std::string_view> gtid;            // of last_gtid
    std::optional<std::string_view> wait_timeout_s;  // of that setting
    bool changed = false;  // user variables, temporary tables, prepared statements or settings
};

// `bytes`: of an OK packet that says that it tells of changes, behind its info text. More may follow the packet.
[[nodiscard]] TrackedState tracked_state(std::string_view bytes);

}  // namespace ddb::storage
