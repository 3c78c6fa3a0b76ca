// The node's ROUTER and one DEALER per peer. Messages to a peer always leave through our DEALER to it and arrive at its
// ROUTER; answers to clients leave through the ROUTER. Owner: the loop thread; lives between start and stop of the
// node.
//
// Security (CURVE, ZAP): the handler is started first and admits the derived node keys and the client key only; a
// message's User-Id property (set by ZAP) says who holds the key, and an envelope whose sender does not match it is
// dropped and counted. Clients reach kinds ≥ 64 only. With `insecure` there is no CURVE and the envelope key is zero.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/envelope.hpp"
#include "bus/keys.hpp"
#include "schemas/codec.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::bus {

struct LinkOptions {
    std::string cluster;
    Voter self;
    BootNumber boot;
    std::uint64_t boot_nonce = 0;
    std::string bind_address;   // "127.0.0.1" or "0.0.0.0"
    std::uint16_t port = 6000;  // ROUTER; PUB is port + 1
    bool insecure = false;
    ChecksumKind checksum = ChecksumKind::blake2b;
    std::uint64_t queue_bytes_max = 64u << 20;  // per peer, not yet handed to ZeroMQ's io thread; beyond: overloaded
    // After the first housekeeping(): broken handshakes are counted but not complained about, because those of honest
    // peers that dialled before anybody served ZAP time out now.
    int settling_ms = 0;
    // For so long after the first housekeeping(), before which a node may have waited for its server for long, meeting
    // another node of our id means that we are the later one.
    int newcomer_ms = 10'000;
};

// Names a connected client for answers; opaque, valid until the client is gone.
using ClientRoute = std::string;

struct Received {
    NodeId peer;         // 0: from a client
    Voter from;          // when from a peer
    ClientRoute client;  // when from a client
    Epoch epoch;
    LamportTime lamport;
    Message message;
};

// Complaint about something refused, logged once per (kind of reason, source) and minute.
using Complain = std::function<void(const std::string&)>;

class PeerLinks {
  public:
    // Binds, starts ZAP, and proves that an unknown key is refused before it returns.
    // Errors name the address and port in use.
    [[nodiscard]] static Result<std::unique_ptr<PeerLinks>> open(void* zmq_context, const LinkOptions& options,
                                                                 const ClusterKeys* keys, Complain complain);
    ~PeerLinks();

    // Dials `address` ("host:port") for this peer, or redials when the address differs. Idempotent.
    void connect(NodeId peer, const std::string& address);
    void disconnect(NodeId peer);

    // Never blocks. Errors: overloaded (queue full), not_found (no link). A lost message is not reported: callers
    // retry.
    Status send(NodeId peer, const PeerMessage& message);
    Status send(NodeId peer, const SessionMessage& message);
    Status send(NodeId peer, const TransferMessage& message);
    Status send(NodeId peer, const AuditMessage& message);
    // Errors: not_found = the client is gone (ROUTER_MANDATORY), overloaded = its queue is full: try again later.
    Status send(const ClientRoute& client, const SessionMessage& message);

    // Next message, if any; bad ones are counted, complained about and skipped. Never blocks. Without look() it does
    // not ask ZeroMQ again once there was nothing: that takes calls of the system each time.
    [[nodiscard]] std::optional<Received> receive();
    // Descriptors to poll for input: first that of messages, then those of housekeeping(). ZeroMQ's descriptors speak
    // once: call look() when the first was readable and now and then (at each tick) besides, likewise housekeeping()
    // for the others, and ask waiting() before each wait. They are others when their version is.
    void add_poll_fds(std::vector<pollfd>& fds);
    [[nodiscard]] std::uint64_t poll_fds_version() const;
    void look();
    [[nodiscard]] bool waiting() const;  // receive() may have something
    // Serves ZAP requests and socket-monitor events. Returns peers whose link came up or went down.
    struct LinkEvent {
        NodeId peer;
        bool up = false;
    };
    [[nodiscard]] std::vector<LinkEvent> housekeeping();

    void set_epoch(Epoch epoch);                    // put into every envelope
    void set_incarnation(Incarnation incarnation);  // likewise: this node goes on as another voter
    [[nodiscard]] LamportTime lamport() const;

    // Another live node uses our id, and we are the newcomer: stop and say so. (A node that has run for a while only
    // complains: the later one has to go.)
    [[nodiscard]] bool duplicate_of_us() const;

    struct Counters {
        std::uint64_t sent = 0, received = 0, refused = 0, bytes_sent = 0, bytes_received = 0;
    };
    [[nodiscard]] Counters counters() const;

  private:
    class Impl;
    explicit PeerLinks(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::bus
