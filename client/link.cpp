#include "client/link.hpp"

#include <algorithm>
#include <utility>

namespace ddb::client {
namespace {

class BusLink : public Link {
  public:
    BusLink(bus::RequestClientOptions options, std::unique_ptr<bus::RequestClient> client)
        : options_(std::move(options)), client_(std::move(client)) {}

    Status connect(int timeout_ms) override {
        if (!client_) {
            auto client = bus::RequestClient::open(options_);
            if (!client) return client.error();
            client_ = std::move(*client);
        }
        return client_->connect(timeout_ms);
    }
    // A request client stays with a node that answers, so a fresh one starts at the next.
    void leave() override {
        if (!client_) return;
        const auto here = std::find(options_.nodes.begin(), options_.nodes.end(), client_->address());
        if (here != options_.nodes.end()) std::rotate(options_.nodes.begin(), here + 1, options_.nodes.end());
        client_.reset();
    }
    bool connected() const override { return client_ && client_->connected(); }
    std::string address() const override { return client_ ? client_->address() : std::string(); }
    void add_node(const std::string& address) override {
        auto& nodes = options_.nodes;
        if (std::find(nodes.begin(), nodes.end(), address) == nodes.end()) nodes.push_back(address);
        if (client_) client_->add_node(address);
    }
    Status send(const SessionMessage& message) override {
        return client_ ? client_->send(message) : Status(fail(ErrorCode::io, "not connected"));
    }
    std::optional<SessionMessage> receive(int timeout_ms) override {
        return client_ ? client_->receive(timeout_ms) : std::nullopt;
    }

  private:
    bus::RequestClientOptions options_;
    std::unique_ptr<bus::RequestClient> client_;
};

}  // namespace

Result<std::unique_ptr<Link>> bus_link(const bus::RequestClientOptions& options) {
    auto client = bus::RequestClient::open(options);
    if (!client) return client.error();
    return std::unique_ptr<Link>(std::make_unique<BusLink>(options, std::move(*client)));
}

}  // namespace ddb::client
