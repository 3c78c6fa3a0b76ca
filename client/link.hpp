// What a session needs of the bus, so that its rules can be tested without sockets.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/request_client.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::client {

class Link {
  public:
    virtual ~Link() = default;
    virtual Status connect(int timeout_ms) = 0;  // to the next node that answers
    // Gives the connected node up; the next connect() begins behind it.
    virtual void leave() = 0;
    [[nodiscard]] virtual bool connected() const = 0;
    [[nodiscard]] virtual std::string address() const = 0;
    virtual void add_node(const std::string& address) = 0;
    virtual Status send(const SessionMessage& message) = 0;
    [[nodiscard]] virtual std::optional<SessionMessage> receive(int timeout_ms) = 0;
};

// The keys of `options` must outlive the link.
[[nodiscard]] Result<std::unique_ptr<Link>> bus_link(const bus::RequestClientOptions& options);

}  // namespace ddb::client
