#include "node/mysql_front.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace ddb::node {

MysqlFront::MysqlFront(Parts parts)
    : parts_(std::move(parts)),
      accounts_([post = parts_.post](std::uint64_t token, storage::AccountReader::Hashes hashes) {
          post(AccountHashes{token, std::move(hashes)});
      }) {}

Result<std::unique_ptr<MysqlFront>> MysqlFront::open(Parts parts, const gateway::GatewayOptions& options) {
    std::unique_ptr<MysqlFront> front(new MysqlFront(std::move(parts)));
    auto gateway = gateway::Gateway::listen(*front, options);
    if (!gateway) return gateway.error();
    front->gateway_ = std::move(*gateway);
    return front;
}

void MysqlFront::on_client_message(const std::string& route, SessionMessage message) {
    parts_.to_sessions(route, std::move(message));
}

void MysqlFront::on_client_gone(const std::string& route) {
    parts_.client_gone(route);
}

void MysqlFront::ask_account(std::uint64_t token, const std::string& user) {
    accounts_.ask(token, user, parts_.service());
}

gateway::ServerIdentity MysqlFront::server() const {
    return parts_.server();
}

void MysqlFront::remark(const std::string& line) {
    spdlog::warn("{}", line);
}

}  // namespace ddb::node
