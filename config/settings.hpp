// Settings of a node: JSON parsed and validated into one struct, const after start. Pure but for reading the files
// named.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "schemas/ids.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::config {

struct Settings {
    struct Cluster {
        std::string name = "ddb";
        std::uint32_t expect = 3;
        std::string key_dir;  // relative paths are relative to the configuration file
    } cluster;
    struct Node {
        NodeId id;
        std::string address = "auto";
        std::uint16_t port = 6000;
        std::string data_dir;
    } node;
    struct Discovery {
        bool beacon = true;
        std::uint16_t port = 6100;
        std::string multicast;  // group address; empty = directed broadcast
        std::vector<std::string> peers;
    } discovery;
    struct Mysql {
        bool managed = true;
        std::string host = "127.0.0.1";
        std::uint16_t port = 0;  // managed: 0 = socket only; external: default 3306
        std::string socket;
        std::string user = "ddb";
        std::string password;  // from password_file; managed servers use the derived one
        std::string server;
    } mysql;
    struct Timing {
        std::uint32_t heartbeat_ms = 100;
        std::uint32_t election_ms = 600;
        std::uint32_t transaction_ms = 30'000;
        std::uint32_t lock_wait_ms = 30'000;
    } timing;
    struct Security {
        bool insecure = false;
        std::string checksum = "blake2b";  // or "sha256"
    } security;
    struct Election {
        bool take_over = true;
        std::uint32_t stable_ms = 3000;
    } election;
    struct Journal {
        std::uint32_t kept_entries = 20'000;
        std::uint32_t kept_entries_hard = 1'000'000;
    } journal;
    struct Limits {
        std::uint32_t transaction_mb = 1024;  // of row changes
    } limits;
    struct Reads {
        ReadBalance balance = ReadBalance::off;  // of sessions that say nothing else
    } reads;
    struct Audit {
        std::uint32_t interval_s = 86'400;  // 0 = only on request and after a foreign write
    } audit;
    struct Debug {
        std::string failpoint;    // tests: where the node is to end itself; empty = nowhere
        bool demand_keys = true;  // tests: tables without a key stay so where false
    } debug;
    struct GatewayTls {
        std::string cert;  // PEM file; empty = TLS is not offered to MySQL clients
        std::string key;
        bool required = false;
    } gateway_tls;
    std::uint16_t gateway_port = 0;  // after defaults: node.port + 2
    std::string gateway_socket;      // a path for MySQL clients on this host; empty = none
    std::uint16_t http_port = 0;     // node.port + 3
    struct Log {
        std::string level = "info";
        std::string file;  // empty = standard error
    } log;
};

// `overrides`: "key.path=value" pairs of --set, applied after the file; values are JSON, or strings where that fails.
// Errors name the key's path, what was found and what was expected.
[[nodiscard]] Result<Settings> load_settings(const std::string& file, const std::vector<std::string>& overrides);
// The same for a text; relative paths are relative to `base_dir`.
[[nodiscard]] Result<Settings> parse_settings(const std::string& text, const std::string& base_dir,
                                              const std::vector<std::string>& overrides);
[[nodiscard]] std::string effective_json(const Settings& settings);  // secrets left out

}  // namespace ddb::config
