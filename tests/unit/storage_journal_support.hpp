// What the tests of the storage folder share: a temporary directory, and a private server below it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "node/storage/managed_server.hpp"
#include "tests/unit/temporary_dir.hpp"

namespace ddb::storage::test {

using ddb::test::TemporaryDir;

inline ManagedOptions small_server(const std::string& dir) {
    ManagedOptions options;
    options.dir = dir;
    options.node = NodeId{1};
    options.service_password = "it's a \\secret";
    options.buffer_pool_bytes = 16u << 20;
    options.redo_log_bytes = 8u << 20;
    return options;
}

inline ConnectOptions service_account(const ManagedServer& server, const ManagedOptions& options) {
    ConnectOptions connect;
    connect.endpoint = server.endpoint();
    connect.user = options.service_user;
    connect.password = options.service_password;
    return connect;
}

}  // namespace ddb::storage::test
