// A client's side of the bus: a connection to one node at a time, with deadlines and moving on to another node.
// Owner: one thread; no thread of its own besides ZeroMQ's.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/keys.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::bus {

struct RequestClientOptions {
    std::string cluster;               // empty: taken from the first answer (clients of one key file know one cluster)
    std::vector<std::string> nodes;    // "host:port", tried in order, starting behind the last one that failed
    const ClientKeys* keys = nullptr;  // null: insecure
    int connect_timeout_ms = 1000;     // to one node, where there are others
    // ZeroMQ context shared by the clients of a program that has many; outlives them. Null: one of its own.
    void* context = nullptr;
};

class RequestClient {
  public:
    [[nodiscard]] static Result<std::unique_ptr<RequestClient>> open(const RequestClientOptions& options);
    ~RequestClient();

    // Connects to the next node that answers. Errors: timeout naming every address tried and why.
    Status connect(int timeout_ms);
    [[nodiscard]] std::string address() const;  // of the connected node; empty when none
    // Adds addresses learnt at run time (beacons, `nodes` verb).
    void add_node(const std::string& address);

    Status send(const SessionMessage& message);
    // Next message from the node; nullopt at the deadline or when the connection broke (then connected() is false).
    [[nodiscard]] std::optional<SessionMessage> receive(int timeout_ms);
    [[nodiscard]] bool connected() const;  // false as soon as the socket monitor saw the connection close

    // One verb, with deadline and retry on another node. `once`: it changes something, so when its answer is lost the
    // error is unknown_outcome, and it is not sent again.
    [[nodiscard]] Result<std::string> verb(const std::string& name, const std::vector<std::string>& arguments,
                                           int timeout_ms, bool once = false);

  private:
    class Impl;
    explicit RequestClient(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::bus
