// The listener for MySQL clients: accepts connections, moves their bytes, and keeps one Conversation for each. A front
// end of the session engine; its clients' routes begin with `route_prefix`.
// Owner: the loop thread, which polls fd() and calls on_ready() when it is readable.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/gateway/conversation.hpp"

namespace ddb::gateway {

inline constexpr std::string_view route_prefix = "mysql:";

// What the listener asks of the node; all on the loop thread.
class GatewayHost {
  public:
    virtual ~GatewayHost() = default;
    virtual void on_client_message(const std::string& route, SessionMessage message) = 0;
    virtual void on_client_gone(const std::string& route) = 0;
    // Answered by on_account() with the same token.
    virtual void ask_account(std::uint64_t token, const std::string& user) = 0;
    [[nodiscard]] virtual ServerIdentity server() const = 0;  // the node's
    virtual void remark(const std::string& line) = 0;         // for the log: a client's trouble, at most once a second
};

struct GatewayOptions {
    NodeId node;  // our own
    std::string address;
    std::uint16_t port = 0;  // 0: not on the network
    std::string socket;      // a path for clients on this host; empty: none
    std::size_t connections_max = 500;
    std::string tls_cert;  // PEM files; empty: TLS is not offered, in front of MySQL with a certificate of our own
    std::string tls_key;
    bool tls_required = false;
    ConversationLimits limits;
};

class Gateway {
  public:
    // Errors: io, naming the address or path and the setting to change; invalid_argument: certificate or key.
    [[nodiscard]] static Result<std::unique_ptr<Gateway>> listen(GatewayHost& host, const GatewayOptions& options);
    ~Gateway();  // tells the clients

    [[nodiscard]] int fd() const;
    void on_ready();
    // Hands over what the clients asked and sends what they are answered; once per round of the loop.
    void flush();
    // An answer of the session engine; leaves with flush(). Errors: not_found (the client is gone).
    Status deliver(const std::string& route, SessionMessage message);
    void on_account(std::uint64_t token, const Result<std::vector<std::string>>& hashes);
    void tick(std::uint64_t now_ms);  // every 10-100 ms
    [[nodiscard]] std::size_t connections() const;

  private:
    class Impl;
    explicit Gateway(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::gateway
