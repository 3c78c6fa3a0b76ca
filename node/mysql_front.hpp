// The MySQL listener and what it needs of this node: the session engine behind it, and the accounts of the local
// server. Owner: the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/gateway/gateway.hpp"
#include "node/storage/account_reader.hpp"

namespace ddb::node {

// Hashes of an account, on their way from the reader's thread.
struct AccountHashes {
    std::uint64_t token = 0;
    storage::AccountReader::Hashes hashes;
};

class MysqlFront final : public gateway::GatewayHost {
  public:
    struct Parts {
        std::function<void(const std::string& route, SessionMessage)> to_sessions;
        std::function<void(const std::string& route)> client_gone;
        std::function<gateway::ServerIdentity()> server;
        std::function<storage::ConnectOptions()> service;  // the node's own account
        std::function<void(AccountHashes)> post;           // any thread; comes back as on_account()
    };
    // Errors: as Gateway::listen().
    [[nodiscard]] static Result<std::unique_ptr<MysqlFront>> open(Parts parts, const gateway::GatewayOptions& options);

    [[nodiscard]] int fd() const { return gateway_->fd(); }
    void on_ready() { gateway_->on_ready(); }
    void flush() { gateway_->flush(); }
    void tick(std::uint64_t now_ms) { gateway_->tick(now_ms); }
    void on_account(const AccountHashes& answer) { gateway_->on_account(answer.token, answer.hashes); }
    // An answer of the session engine. Errors: not_found (the client is gone).
    Status deliver(const std::string& route, SessionMessage message) {
        return gateway_->deliver(route, std::move(message));
    }
    [[nodiscard]] static bool owns(const std::string& route) { return route.starts_with(gateway::route_prefix); }
    [[nodiscard]] std::size_t connections() const { return gateway_->connections(); }

    // gateway::GatewayHost
    void on_client_message(const std::string& route, SessionMessage message) override;
    void on_client_gone(const std::string& route) override;
    void ask_account(std::uint64_t token, const std::string& user) override;
    [[nodiscard]] gateway::ServerIdentity server() const override;
    void remark(const std::string& line) override;

  private:
    explicit MysqlFront(Parts parts);
    Parts parts_;
    std::unique_ptr<gateway::Gateway> gateway_;
    storage::AccountReader accounts_;
};

}  // namespace ddb::node
