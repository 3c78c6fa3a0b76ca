// PUB side of the announcements, and a subscriber to them for monitors. Owner: one thread each.
#pragma once

#include <zmq.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/peer_links.hpp"

namespace ddb::bus {

class Publisher {
  public:
    // Binds options.port + 1. Needs the ZAP handler of `PeerLinks` (same context, opened before).
    [[nodiscard]] static Result<std::unique_ptr<Publisher>> open(void* zmq_context, const LinkOptions& options,
                                                                 const ClusterKeys* keys);
    ~Publisher();
    void publish(const Announcement& announcement);

  private:
    class Impl;
    explicit Publisher(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

class Subscriber {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Subscriber>> open(void* zmq_context, const std::string& cluster,
                                                                  const ClientKeys* keys);
    ~Subscriber();
    void connect(const std::string& address);  // "host:port" of the node's bus port; PUB is port + 1
    [[nodiscard]] std::optional<Announcement> receive(int timeout_ms);

  private:
    class Impl;
    explicit Subscriber(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::bus
