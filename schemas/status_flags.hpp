// Status flags of the MySQL protocol, as servers send them at the end of a result (SERVER_STATUS_… and SERVER_…).
#pragma once

#include <cstdint>

namespace ddb {

inline constexpr std::uint16_t status_in_transaction = 0x0001;
inline constexpr std::uint16_t status_autocommit = 0x0002;
inline constexpr std::uint16_t status_more_results = 0x0008;
inline constexpr std::uint16_t status_cursor_exists = 0x0040;
inline constexpr std::uint16_t status_last_row_sent = 0x0080;
inline constexpr std::uint16_t status_no_backslash_escapes = 0x0200;  // clients, and the listener, quote by it
inline constexpr std::uint16_t status_in_read_only_transaction = 0x2000;
inline constexpr std::uint16_t status_session_state_changed = 0x4000;

}  // namespace ddb
