#include "bus/zap.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace ddb::bus {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds proof_limit{5};
constexpr int requests_per_call_max = 64;

struct Request {
    std::string id, domain, address, mechanism, credentials;
};

// Frames: version, request id, domain, address, routing id, mechanism, credentials.
[[nodiscard]] bool receive_request(void* socket, Request& request, bool& valid) {
    std::array<std::string, 7> parts;
    std::size_t count = 0;
    bool more = true;
    while (more) {
        Frame frame;
        if (!frame.receive(socket)) return false;
        more = frame.more();
        if (count < parts.size()) parts[count] = frame.view();
        ++count;
    }
    request = Request{parts[1], parts[2], parts[3], parts[5], parts[6]};
    valid = count >= 6 && parts[0] == "1.0";
    return true;
}

void send_reply(void* socket, const Request& request, const std::string& user) {
    const std::array<std::string, 6> parts = {
        "1.0", request.id, user.empty() ? "400" : "200", user.empty() ? "key not known" : "OK", user, ""};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        zmq_send(socket, parts[i].data(), parts[i].size(), ZMQ_DONTWAIT | (i + 1 < parts.size() ? ZMQ_SNDMORE : 0));
    }
}

}  // namespace

ZapHandler::ZapHandler(const ClusterKeys& keys, Complaints& complaints)
    : keys_(keys), client_public_(keys.client().public_key), complaints_(complaints) {
    while (known_up_to_ < ids_at_start) know(NodeId{++known_up_to_});
}

Result<std::unique_ptr<ZapHandler>> ZapHandler::open(void* context, const ClusterKeys& keys, Complaints& complaints) {
    std::unique_ptr<ZapHandler> handler(new ZapHandler(keys, complaints));
    handler->reply_ = Socket(context, ZMQ_REP);
    if (!handler->reply_) return fail(ErrorCode::io, "authentication handler: " + zmq_error());
    handler->reply_.set(ZMQ_LINGER, 0);
    if (zmq_bind(handler->reply_.get(), "inproc://zeromq.zap.01") != 0) {
        return fail(ErrorCode::io, "authentication handler: " + zmq_error());
    }
    return handler;
}

void ZapHandler::know(NodeId id) {
    if (id.value >= 1 && id.value <= ids_max) nodes_.emplace(keys_.node(id).public_key, id);
}

void ZapHandler::know_more() {
    const auto now = Clock::now();
    if (known_up_to_ >= ids_max || now < next_step_) return;
    next_step_ = now + step_interval;  // bounds what strangers with random keys can make us compute
    const std::uint32_t end = std::min(known_up_to_ + ids_per_step, ids_max);
    while (known_up_to_ < end) know(NodeId{++known_up_to_});
}

std::string ZapHandler::user_of(const Key& public_key) {
    if (public_key == client_public_) return "client";
    auto found = nodes_.find(public_key);
    if (found == nodes_.end()) {
        if (!proving_) know_more();
        found = nodes_.find(public_key);
    }
    return found == nodes_.end() ? std::string() : "node:" + to_string(found->second);
}

void ZapHandler::serve() {
    for (int i = 0; i < requests_per_call_max; ++i) {
        Request request;
        bool valid = false;
        if (!receive_request(reply_.get(), request, valid)) return;
        std::string user;
        Key key{};
        if (valid && request.domain == zap_domain && request.mechanism == "CURVE" &&
            request.credentials.size() == key.size()) {
            std::memcpy(key.data(), request.credentials.data(), key.size());
            user = user_of(key);
        }
        send_reply(reply_.get(), request, user);
        if (user.empty() && !proving_) {
            ++refused_;
            complaints_.complain(
                "key", request.address,
                "refused a connection from " + request.address +
                    (request.mechanism == "CURVE" ? ": its key is not one of this cluster's"
                                                  : ": not authenticated (" + request.mechanism + ")"));
        }
    }
}

Status ZapHandler::prove_refusal(void* context, const std::string& endpoint) {
    proving_ = true;
    auto status = expect_refusal(context, endpoint, true);
    if (status) status = expect_refusal(context, endpoint, false);
    proving_ = false;
    return status;
}

Status ZapHandler::expect_refusal(void* context, const std::string& endpoint, bool with_key) {
    const std::string who = with_key ? "a client with an unknown key" : "an unauthenticated client";
    Socket probe(context, ZMQ_DEALER);
    if (!probe) return fail(ErrorCode::io, zmq_error());
    set_common_options(probe);
    probe.set(ZMQ_LINGER, 0);
    if (with_key) {
        CurveKeyPair stranger;
        crypto_box_keypair(stranger.public_key.data(), stranger.secret_key.data());
        set_curve_client(probe, keys_.server().public_key, stranger);
    }
    auto monitor = Monitor::open(context, probe, ZMQ_EVENT_ALL);
    if (!monitor) return monitor.error();
    if (zmq_connect(probe.get(), endpoint.c_str()) != 0) return fail(ErrorCode::io, endpoint + ": " + zmq_error());
    const auto deadline = Clock::now() + proof_limit;
    while (Clock::now() < deadline) {
        std::array<zmq_pollitem_t, 2> items = {{{monitor->get(), 0, ZMQ_POLLIN, 0}, {reply_.get(), 0, ZMQ_POLLIN, 0}}};
        zmq_poll(items.data(), static_cast<int>(items.size()), 100);
        serve();
        while (const auto event = monitor->next()) {
            if (event->kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
                return fail(ErrorCode::internal, "authentication does not work: " + who + " was let in at " + endpoint);
            }
            if (event->kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH || event->kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
                return ok();
            }
        }
    }
    return fail(ErrorCode::timeout, "could not prove that " + who + " is refused at " + endpoint);
}

}  // namespace ddb::bus
