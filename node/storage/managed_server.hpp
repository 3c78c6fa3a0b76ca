// A private database server of this node: data directory, start, supervision, stop. The node's log is the truth and the
// server is rebuilt from it, so the server runs with relaxed flushing and is killed rather than waited for where that
// is faster. Files below `dir` (0700): data/, tmp/, files/ (secure_file_priv), mysqld.log, mysqld.sock. Owner: one
// thread; on_exit is called on the supervising thread and must not destroy this object there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct ManagedOptions {
    std::string dir;
    std::string program;         // empty: mariadbd or mysqld in PATH and the usual sbin directories
    bool may_initialise = true;  // where there is no data directory
    NodeId node;                 // server_id
    std::uint16_t tcp_port = 0;  // 0: socket only
    std::string bind_address = "127.0.0.1";
    std::string service_user = "ddb";  // account with all privileges, made at each start
    std::string service_password;
    std::uint64_t transaction_bytes_max = 1u << 30;
    int lock_wait_ms = 30'000;
    std::uint64_t buffer_pool_bytes = 64u << 20;
    std::uint64_t redo_log_bytes = 48u << 20;
    std::uint32_t connections_max = 2600;  // fronts and guests, as many each, and three times as many backs
    // Without connections and without work (a fraction of a percent of a processor). One that works is waited for,
    // however long: recovery behind a crash would begin where it began before.
    int start_timeout_ms = 60'000;
    std::function<bool()> given_up;  // asked while it starts; optional
    int stop_timeout_ms = 20'000;    // SIGTERM until then, SIGKILL after
};

class ManagedServer {
  public:
    using OnExit = std::function<void(const std::string& reason)>;  // only when it ends by itself

    // Initialises the data directory when there is none and that may be, ends a server that survived an earlier process
    // of this node, starts, and returns once it takes connections of the service account. Errors say what the server
    // said: port in use, no space, no permission, the end of its log.
    [[nodiscard]] static Result<std::unique_ptr<ManagedServer>> start(const ManagedOptions& options, OnExit on_exit);
    ~ManagedServer();  // stop()

    void stop();  // idempotent; blocks at most stop_timeout_ms plus the time SIGKILL takes
    void kill();  // SIGKILL; for a server that is to be rebuilt anyway. on_exit is not called
    [[nodiscard]] bool running() const;
    [[nodiscard]] const Endpoint& endpoint() const;
    [[nodiscard]] std::uint64_t pid() const;
    [[nodiscard]] const std::string& data_dir() const;
    [[nodiscard]] bool is_mariadb() const;
    [[nodiscard]] bool fresh() const;                             // this start initialised the data directory
    [[nodiscard]] const std::vector<std::string>& notes() const;  // worth a line in the node's log

    // Removes the data directory of a stopped server, so that the next start begins anew (rebuild from a snapshot).
    [[nodiscard]] static Status wipe(const std::string& dir);

  private:
    class Impl;
    explicit ManagedServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::storage
