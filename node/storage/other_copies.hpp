// Whether this node's database may be given up. Value; any thread.
#pragma once

#include <cstdint>

namespace ddb::storage {

// Of the voters but this node: whether one of them has a database that is as the log says.
enum class OtherCopies : std::uint8_t { unknown, some, none };

}  // namespace ddb::storage
