// The character set that a client names by a number when it logs in.
#pragma once

#include <cstdint>
#include <string>

namespace ddb::gateway {

// For SET NAMES, by the id of a collation. Empty: utf8mb4, in which every session begins; that holds for the ids of all
// kinds of utf8, for 0 and for numbers that no server knows.
[[nodiscard]] std::string login_charset(std::uint16_t collation);

}  // namespace ddb::gateway
