// What the tests of the storage folder share: a temporary directory, and a private server below it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "node/storage/managed_server.hpp"

namespace ddb::storage::test {

class TemporaryDir {
  public:
    TemporaryDir() {
        char name[] = "/tmp/ddb-test.XXXXXX";
        if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~TemporaryDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDir(const TemporaryDir&) = delete;
    TemporaryDir& operator=(const TemporaryDir&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

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
