#include "bus/peer_link.hpp"

#include <utility>

namespace ddb::bus {

namespace {

// Below this a copy is cheaper than handing the buffer over, and the message limit of the socket bounds the memory.
constexpr std::size_t copied_bytes_max = 2048;

// A message inside ZeroMQ; released when its bytes have left or its socket is closed.
struct Outgoing {
    std::string bytes;
    std::shared_ptr<std::atomic<std::uint64_t>> waiting_bytes;
};

void release(void* /*data*/, void* hint) {
    const std::unique_ptr<Outgoing> outgoing(static_cast<Outgoing*>(hint));
    outgoing->waiting_bytes->fetch_sub(outgoing->bytes.size(), std::memory_order_relaxed);
}

}  // namespace

PeerLink::PeerLink(void* context, std::string address, const std::optional<DialKeys>& keys,
                   std::uint64_t queue_bytes_max)
    : context_(context),
      address_(std::move(address)),
      keys_(keys),
      queue_bytes_max_(queue_bytes_max),
      waiting_bytes_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

Status PeerLink::dial() {
    monitor_.close();
    dealer_ = Socket(context_, ZMQ_DEALER);
    if (!dealer_) return fail(ErrorCode::io, zmq_error());
    set_common_options(dealer_);
    dealer_.set(ZMQ_IMMEDIATE, 1);  // nothing queues for a peer that is not there
    dealer_.set(ZMQ_SNDHWM, messages_max);
    dealer_.set(ZMQ_RCVHWM, 1);  // nobody answers on this socket
    if (keys_) set_curve_client(dealer_, keys_->server_public, keys_->own);
    auto monitor = Monitor::open(context_, dealer_,
                                 ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                                     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
    if (!monitor) return monitor.error();
    monitor_ = std::move(monitor).value();
    if (zmq_connect(dealer_.get(), ("tcp://" + address_).c_str()) != 0) {
        return fail(ErrorCode::invalid_argument, address_ + ": " + zmq_error());
    }
    return ok();
}

Status PeerLink::send(std::string& sealed) {
    // A connection that has just ended would still take messages, only to lose them.
    if (!up_) return fail(ErrorCode::not_found, "no link to " + address_);
    const std::size_t size = sealed.size();
    const std::uint64_t waiting = waiting_bytes();
    // A single message above the limit still goes, alone.
    if (waiting > 0 && waiting + size > queue_bytes_max_) return fail(ErrorCode::overloaded, "queue to " + address_);
    int sent = 0;
    if (size <= copied_bytes_max) {
        sent = zmq_send(dealer_.get(), sealed.data(), size, ZMQ_DONTWAIT);
    } else {
        auto outgoing = std::make_unique<Outgoing>(Outgoing{std::move(sealed), waiting_bytes_});
        sealed.clear();
        waiting_bytes_->fetch_add(size, std::memory_order_relaxed);
        zmq_msg_t message;
        std::string& bytes = outgoing->bytes;
        if (zmq_msg_init_data(&message, bytes.data(), bytes.size(), release, outgoing.get()) != 0) {
            waiting_bytes_->fetch_sub(size, std::memory_order_relaxed);
            return fail(ErrorCode::overloaded, "no memory for a message to " + address_);
        }
        (void)outgoing.release();  // release() owns it now
        sent = zmq_msg_send(&message, dealer_.get(), ZMQ_DONTWAIT);
        if (sent < 0) zmq_msg_close(&message);
    }
    return sent >= 0 ? ok() : Status(fail(ErrorCode::overloaded, "queue to " + address_));
}

PeerLink::Change PeerLink::housekeeping() {
    Change change;
    const bool was_up = up_;
    while (const auto event = monitor_.next()) {
        if (event->kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            up_ = true;
            continue;
        }
        // A short connection may come and go between two calls; both are reported then, as down.
        if (up_) change.up = false;
        up_ = false;
        if (event->kind == ZMQ_EVENT_DISCONNECTED) continue;
        change.refused = event->kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? "does not accept our key"
                                                                        : "speaks another protocol or has another key";
        if (!redial_at_) redial_at_ = Clock::now() + redial_after;
    }
    if (up_ && (!was_up || change.up)) change.up = true;
    if (redial_at_ && Clock::now() >= *redial_at_) {
        redial_at_.reset();
        (void)dial();  // the same address was good before
        change.dialled = true;
    }
    return change;
}

}  // namespace ddb::bus
