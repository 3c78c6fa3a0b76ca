#include "bus/publisher.hpp"

#include <chrono>
#include <utility>

#include "bus/socket.hpp"

namespace ddb::bus {

namespace {

constexpr int announcements_max = 1000;  // per subscriber; a slow one loses some, they are hints

// "host:port" with the port raised by one; empty when there is no port.
[[nodiscard]] std::string next_port(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) return {};
    unsigned port = 0;
    for (const char c : address.substr(colon + 1)) {
        if (c < '0' || c > '9' || port > 65535) return {};
        port = port * 10 + static_cast<unsigned>(c - '0');
    }
    if (port == 0 || port >= 65535) return {};
    return address.substr(0, colon + 1) + std::to_string(port + 1);
}

}  // namespace

class Publisher::Impl {
  public:
    Socket socket;
    Envelope header;
    ChecksumKind checksum = ChecksumKind::blake2b;
    Key key{};
};

Publisher::Publisher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Publisher::~Publisher() = default;

Result<std::unique_ptr<Publisher>> Publisher::open(void* zmq_context, const LinkOptions& options,
                                                   const ClusterKeys* keys) {
    auto impl = std::make_unique<Impl>();
    impl->socket = Socket(zmq_context, ZMQ_PUB);
    if (!impl->socket) return fail(ErrorCode::io, "publisher: " + zmq_error());
    set_common_options(impl->socket);
    impl->socket.set(ZMQ_SNDHWM, announcements_max);
    if (!options.insecure) {
        if (keys == nullptr) return fail(ErrorCode::invalid_argument, "the publisher needs the cluster's keys");
        set_curve_server(impl->socket, keys->server());
        impl->key = keys->client_envelope();  // subscribers are clients
    }
    impl->checksum = options.checksum;
    impl->header.cluster = options.cluster;
    impl->header.kind = MessageKind::announcement;
    impl->header.sender = options.self;
    impl->header.boot = options.boot;
    impl->header.boot_nonce = options.boot_nonce;
    const std::string endpoint = options.bind_address + ":" + std::to_string(options.port + 1);
    if (zmq_bind(impl->socket.get(), ("tcp://" + endpoint).c_str()) != 0) {
        return fail(ErrorCode::io, "cannot publish on " + endpoint + " (node.port + 1): " + zmq_error() +
                                       "; choose another node.port");
    }
    return std::unique_ptr<Publisher>(new Publisher(std::move(impl)));
}

void Publisher::publish(const Announcement& announcement) {
    impl_->header.epoch = announcement.epoch;
    ++impl_->header.sequence;
    const std::string payload = encode(announcement);
    impl_->header.payload = payload;
    const std::string sealed = seal(impl_->header, impl_->checksum, impl_->key);
    impl_->header.payload = {};
    // Lost when nobody listens or a subscriber is slow: by design.
    (void)zmq_send(impl_->socket.get(), sealed.data(), sealed.size(), ZMQ_DONTWAIT);
}

class Subscriber::Impl {
  public:
    Socket socket;
    std::string cluster;
    Key key{};
};

Subscriber::Subscriber(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Subscriber::~Subscriber() = default;

Result<std::unique_ptr<Subscriber>> Subscriber::open(void* zmq_context, const std::string& cluster,
                                                     const ClientKeys* keys) {
    auto impl = std::make_unique<Impl>();
    impl->cluster = cluster;
    impl->socket = Socket(zmq_context, ZMQ_SUB);
    if (!impl->socket) return fail(ErrorCode::io, "subscriber: " + zmq_error());
    set_common_options(impl->socket);
    impl->socket.set(ZMQ_RCVHWM, announcements_max);
    impl->socket.set(ZMQ_SUBSCRIBE, "", 0);
    if (keys != nullptr) {
        set_curve_client(impl->socket, keys->server_public, keys->client);
        impl->key = keys->envelope;
    }
    return std::unique_ptr<Subscriber>(new Subscriber(std::move(impl)));
}

void Subscriber::connect(const std::string& address) {
    const std::string publisher = next_port(address);
    // A wrong address is a hint like any other: nothing is heard from it.
    if (!publisher.empty()) (void)zmq_connect(impl_->socket.get(), ("tcp://" + publisher).c_str());
}

std::optional<Announcement> Subscriber::receive(int timeout_ms) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
    while (true) {
        Frame frame;
        if (frame.receive(impl_->socket.get())) {
            const auto envelope = open_sealed(frame.view(), impl_->cluster, impl_->key);
            if (!envelope || envelope->kind != MessageKind::announcement) continue;
            auto message = decode(envelope->kind, envelope->payload);
            if (!message) continue;
            auto* announcement = std::get_if<Announcement>(&*message);
            if (announcement != nullptr && announcement->node == envelope->sender.id) return std::move(*announcement);
            continue;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0) return {};
        zmq_pollitem_t item{impl_->socket.get(), 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, static_cast<long>(left));
    }
}

}  // namespace ddb::bus
