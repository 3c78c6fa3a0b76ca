// Ending the connections of everybody but the service account. Free functions on a service connection.
#pragma once

#include <chrono>
#include <string>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

enum class Victims : std::uint8_t {
    in_transaction,  // open InnoDB transactions and running statements: what can stand in the applier's way
    all,
};

// Sends KILL to each once; returns how many there were. Other servers that replicate from this one are left alone.
[[nodiscard]] Result<std::size_t> kill_user_connections(Connection& service, const std::string& service_user,
                                                        Victims victims);

// Until none is left. Error: timeout.
Status end_user_connections(Connection& service, const std::string& service_user, std::chrono::milliseconds limit);

}  // namespace ddb::storage
