// Is a database server fit to be a node's local server? Looks at every variable and right that ddb relies on; for
// servers the node did not start itself. Owner: the thread of the connection; changes nothing but in apply_settings().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct ServerRequirements {
    std::uint64_t transaction_bytes_max = 1u << 30;
    int lock_wait_ms = 30'000;
    // server_id of the other members, where known: two servers of one cluster must differ.
    std::vector<std::uint32_t> other_server_ids;
};

struct ServerProblem {
    enum class Kind : std::uint8_t {
        settable,  // `statement` cures it while the server runs (and `remedy` for good)
        fatal,     // needs the server's configuration or an administrator
        note,      // works, with a promise less
    };
    Kind kind = Kind::fatal;
    std::string what;  // variable or right
    std::string found;
    std::string expected;
    std::string remedy;     // in words or as a line of the configuration file
    std::string statement;  // of settable ones
};
// "log_bin is OFF, expected ON: add log_bin=binlog to the server's configuration and restart it"
[[nodiscard]] std::string to_string(const ServerProblem& problem);

struct ServerReport {
    bool mariadb = true;
    std::string version;
    std::vector<ServerProblem> problems;
    [[nodiscard]] bool fit() const;                // nothing fatal
    [[nodiscard]] std::string fatal_text() const;  // one line each
};

// Error: only when the server cannot be asked.
[[nodiscard]] Result<ServerReport> check_server(Connection& connection, const ServerRequirements& requirements);

// Runs the statements of the settable problems. Error: the first that fails, with the remedy.
Status apply_settings(Connection& connection, const ServerReport& report);

}  // namespace ddb::storage
