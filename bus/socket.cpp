#include "bus/socket.hpp"

#include <atomic>
#include <cstring>

#include "bus/envelope.hpp"

namespace ddb::bus {

int Socket::fd() const {
    int fd = -1;
    std::size_t size = sizeof fd;
    DDB_ASSERT(zmq_getsockopt(handle_, ZMQ_FD, &fd, &size) == 0);
    return fd;
}

void set_common_options(Socket& socket) {
    socket.set(ZMQ_LINGER, linger_ms);
    socket.set(ZMQ_MAXMSGSIZE, static_cast<std::int64_t>(message_bytes_max));
    socket.set(ZMQ_HANDSHAKE_IVL, handshake_ms);
    socket.set(ZMQ_TCP_MAXRT, dead_connection_ms);
    socket.set(ZMQ_TCP_KEEPALIVE, 1);
    socket.set(ZMQ_TCP_KEEPALIVE_IDLE, keepalive_s);
    socket.set(ZMQ_TCP_KEEPALIVE_INTVL, keepalive_s);
    socket.set(ZMQ_RECONNECT_IVL, 20);
    socket.set(ZMQ_RECONNECT_IVL_MAX, 500);
}

namespace {
#ifdef ZMQ_ZAP_ENFORCE_DOMAIN
constexpr int zap_enforce_domain = ZMQ_ZAP_ENFORCE_DOMAIN;
#else
constexpr int zap_enforce_domain = 93;  // the header hides it among the drafts, the library knows it
#endif
}  // namespace

void set_curve_server(Socket& socket, const CurveKeyPair& server) {
    socket.set(ZMQ_CURVE_SERVER, 1);
    socket.set(ZMQ_CURVE_SECRETKEY, server.secret_key.data(), server.secret_key.size());
    // Without a domain ZAP would not be asked.
    socket.set(ZMQ_ZAP_DOMAIN, zap_domain, std::strlen(zap_domain));
    // A library that does not know the option asks ZAP all the same as long as there is a domain; the proof at the
    // start (ZapHandler::prove_refusal) would show it otherwise.
    const int on = 1;
    (void)zmq_setsockopt(socket.get(), zap_enforce_domain, &on, sizeof on);
}

void set_curve_client(Socket& socket, const Key& server_public, const CurveKeyPair& own) {
    socket.set(ZMQ_CURVE_SERVERKEY, server_public.data(), server_public.size());
    socket.set(ZMQ_CURVE_PUBLICKEY, own.public_key.data(), own.public_key.size());
    socket.set(ZMQ_CURVE_SECRETKEY, own.secret_key.data(), own.secret_key.size());
}

std::string zmq_error() {
    return zmq_strerror(zmq_errno());
}

Result<Monitor> Monitor::open(void* context, const Socket& watched, int events) {
    // inproc names are shared by the whole context.
    static std::atomic<std::uint64_t> number{0};
    const std::string endpoint = "inproc://ddb.monitor." + std::to_string(++number);
    Monitor monitor;
    if (zmq_socket_monitor(watched.get(), endpoint.c_str(), events) != 0) return fail(ErrorCode::io, zmq_error());
    monitor.watched_ = watched.get();
    monitor.pair_ = Socket(context, ZMQ_PAIR);
    if (!monitor.pair_ || zmq_connect(monitor.pair_.get(), endpoint.c_str()) != 0) {
        return fail(ErrorCode::io, "socket monitor: " + zmq_error());
    }
    monitor.pair_.set(ZMQ_LINGER, 0);
    return monitor;
}

Monitor::~Monitor() {
    close();
}

Monitor& Monitor::operator=(Monitor&& other) noexcept {
    if (this != &other) {
        close();
        watched_ = std::exchange(other.watched_, nullptr);
        pair_ = std::move(other.pair_);
    }
    return *this;
}

void Monitor::close() {
    if (watched_ != nullptr) zmq_socket_monitor(watched_, nullptr, 0);
    watched_ = nullptr;
    pair_.close();
}

std::optional<Monitor::Event> Monitor::next() {
    if (!pair_) return {};
    Frame head;
    if (!head.receive(pair_.get())) return {};
    Event event;
    const std::string_view bytes = head.view();
    std::uint16_t kind = 0;
    std::int32_t value = 0;
    if (bytes.size() >= sizeof kind + sizeof value) {
        std::memcpy(&kind, bytes.data(), sizeof kind);
        std::memcpy(&value, bytes.data() + sizeof kind, sizeof value);
    }
    event.kind = kind;
    event.value = value;
    Frame address;
    if (head.more() && address.receive(pair_.get())) event.address = address.view();
    return event;
}

}  // namespace ddb::bus
