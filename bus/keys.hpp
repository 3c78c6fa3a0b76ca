// The cluster's keys. One 32-byte cluster secret gives everything nodes need, so that a node can be added without
// exchanging keys; clients hold a file of their own that opens nothing but the client side.
//   cluster.key  secret of the nodes (hex), mode 0600
//   client.key   JSON for clients: server public key, client key pair, beacon key, envelope key; mode 0600
// Values; any thread after loading.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::bus {

using Key = std::array<std::uint8_t, 32>;

struct CurveKeyPair {
    Key public_key{};
    Key secret_key{};
};

// Everything derived from the cluster secret: BLAKE2b keyed with it over a purpose string (and the node id).
class ClusterKeys {
  public:
    explicit ClusterKeys(const Key& secret);
    [[nodiscard]] CurveKeyPair server() const;         // of every node's listening sockets
    [[nodiscard]] CurveKeyPair node(NodeId id) const;  // of a node's dialling sockets: names the node
    [[nodiscard]] CurveKeyPair client() const;         // of all clients
    [[nodiscard]] Key peer_envelope() const;           // checksum key between nodes
    [[nodiscard]] Key client_envelope() const;         // checksum key between nodes and clients
    [[nodiscard]] Key beacon() const;
    // Password of the node's own account in the database servers; the same on every node (hex, 48 digits).
    [[nodiscard]] std::string service_password() const;

  private:
    Key secret_;
};

// What a client holds.
struct ClientKeys {
    Key server_public{};
    CurveKeyPair client;
    Key envelope{};
    Key beacon{};
};

// Errors name the file, what is wrong (missing, mode, length) and the remedy (`ddb-node keygen --out DIR`).
[[nodiscard]] Result<ClusterKeys> load_cluster_keys(const std::string& key_dir);
[[nodiscard]] Result<ClientKeys> load_client_keys(const std::string& file);
// Writes both files; refuses to overwrite.
[[nodiscard]] Status generate_keys(const std::string& key_dir);

}  // namespace ddb::bus
