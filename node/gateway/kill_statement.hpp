// KILL of a connection by the number that its greeting had. Plain function on text.
//
// A client knows its connection by the number in our greeting, and another one ends it by that; to the servers behind
// us that number means nothing, or somebody else. Ours are therefore told apart by their size.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ddb::gateway {

inline constexpr std::uint32_t first_connection_id = 1u << 30;  // no server has counted that far
inline constexpr std::uint32_t end_of_connection_ids = 1u << 31;

[[nodiscard]] constexpr bool is_ours(std::uint64_t connection_id) {
    return connection_id >= first_connection_id && connection_id < end_of_connection_ids;
}

struct KillRequest {
    std::uint64_t connection_id = 0;
    bool query_only = false;
};
// KILL [HARD | SOFT] [CONNECTION | QUERY] {number | CONNECTION_ID()}; nothing for any other statement. `own_id`: the
// number of who asks.
[[nodiscard]] std::optional<KillRequest> parse_kill(std::string_view sql, std::uint64_t own_id);

}  // namespace ddb::gateway
