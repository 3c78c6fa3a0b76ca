// Finds a cluster: which nodes, which key. Reads key files, the files of known clusters, and listens for beacons.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bus/keys.hpp"
#include "client/options.hpp"
#include "schemas/result.hpp"

namespace ddb::client {

// One file of ${XDG_CONFIG_HOME:-$HOME/.config}/ddb/clusters/.
struct KnownCluster {
    std::string name;
    std::string client_key;
    std::vector<std::string> nodes;
    std::uint16_t discovery_port = 0;  // 0: the default
    std::int64_t modified_ns = 0;
};

// Newest first; files that cannot be read, or whose key file is gone, are left out.
[[nodiscard]] std::vector<KnownCluster> known_clusters(const Environment& environment);
[[nodiscard]] std::optional<KnownCluster> parse_known_cluster(const std::string& json_text);

// A cluster that may be the one meant.
struct Candidate {
    std::string cluster;   // name; empty when not known
    std::string key_file;  // empty: insecure
    std::vector<std::string> nodes;
    std::uint16_t discovery_port = 6100;
};

// In the order in which they are tried. Errors: not_found with every place that was looked at.
[[nodiscard]] Result<std::vector<Candidate>> find_candidates(const Options& options, const Environment& environment);

struct Target {
    std::string cluster;
    std::string key_file;
    std::optional<bus::ClientKeys> keys;  // none: insecure
    std::vector<std::string> nodes;
};

// Loads the key and, where the user named no node, listens for beacons of all candidates at once; the first that
// answers is the one. Without an answer the listed nodes of the first candidate that has any are used.
[[nodiscard]] Result<Target> find_target(const Options& options, const Environment& environment);

}  // namespace ddb::client
