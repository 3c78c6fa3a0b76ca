// UDP beacons: announce this node, hear others. Keyed BLAKE2b with a counter against replay; a beacon is a hint whom to
// dial, nothing more. Owner: the loop thread (nodes) or the caller (clients, listen only).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/keys.hpp"
#include "bus/peer_links.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::bus {

struct Beacon {
    std::string cluster;
    Voter voter;
    BootNumber boot;
    std::uint64_t boot_nonce = 0;
    std::uint64_t counter = 0;  // grows within a boot
    std::string address;        // where its bus listens
    std::uint16_t port = 0;
    bool formed = false;
};

struct BeaconOptions {
    std::uint16_t port = 6100;
    std::string bind_address;     // of the node; loopback addresses broadcast to 127.255.255.255
    std::string multicast_group;  // empty: directed broadcast of each interface
    std::string cluster;          // others are ignored silently
    Key key{};
    bool listen_only = false;
};

class BeaconSocket {
  public:
    [[nodiscard]] static Result<std::unique_ptr<BeaconSocket>> open(const BeaconOptions& options, Complain complain);
    ~BeaconSocket();
    void announce(
        const Beacon& beacon);  // to every broadcast address or the group; interfaces are read again each time
    [[nodiscard]] std::optional<Beacon> receive();  // never blocks; forged, damaged and replayed ones are refused
    [[nodiscard]] int fd() const;
    // Where somebody else announces our node id ("host:port"), empty when nobody does; receive() returns neither that
    // beacon nor our own. A beacon may be a recording, so this proves nothing: greeting that address over a peer link
    // does, because the later of two live nodes then learns of the other (PeerLinks::duplicate_of_us).
    [[nodiscard]] const std::string& duplicate_address() const;

  private:
    class Impl;
    explicit BeaconSocket(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::bus
