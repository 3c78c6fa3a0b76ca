#include "bus/peer_links.hpp"

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "bus/boot_table.hpp"
#include "bus/complaints.hpp"
#include "bus/peer_link.hpp"
#include "bus/socket.hpp"
#include "bus/zap.hpp"

namespace ddb::bus {

namespace {

constexpr int client_messages_max = 200;  // per client, in each direction
constexpr int refused_per_call_max = 64;  // then the loop gets its turn again

[[nodiscard]] bool client_may_send(MessageKind kind) {
    switch (kind) {
        case MessageKind::open_session:
        case MessageKind::execute:
        case MessageKind::credit:
        case MessageKind::cancel:
        case MessageKind::close_session:
        case MessageKind::ping:
        case MessageKind::verb_request:
        case MessageKind::file_content:
            return true;
        default:
            return false;
    }
}

// "127.0.0.1" is written for whoever asks from here.
[[nodiscard]] std::string reachable(const std::string& bind_address) {
    return bind_address == "0.0.0.0" ? "127.0.0.1" : bind_address;
}

}  // namespace

class PeerLinks::Impl {
  public:
    Impl(void* context, LinkOptions options, const ClusterKeys* keys, Complain complain)
        : context_(context), options_(std::move(options)), keys_(keys), complaints_(std::move(complain)) {
        header_.cluster = options_.cluster;
        header_.sender = options_.self;
        header_.boot = options_.boot;
        header_.boot_nonce = options_.boot_nonce;
        if (keys_ != nullptr) {
            peer_key_ = keys_->peer_envelope();
            client_key_ = keys_->client_envelope();
            dial_keys_ = DialKeys{keys_->server().public_key, keys_->node(options_.self.id)};
        }
    }
    ~Impl() { router_monitor_.close(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    [[nodiscard]] Status open();
    void connect(NodeId peer, const std::string& address);
    void disconnect(NodeId peer);
    template <class M>
    Status send_to_peer(NodeId peer, const M& message);
    Status send_to_client(const ClientRoute& client, const SessionMessage& message);
    [[nodiscard]] std::optional<Received> receive();
    void add_poll_fds(std::vector<pollfd>& fds);
    [[nodiscard]] std::uint64_t poll_fds_version() const { return poll_fds_version_; }
    void look() { look_ = true; }
    [[nodiscard]] bool waiting() const { return look_; }
    [[nodiscard]] std::vector<LinkEvent> housekeeping();

    void set_epoch(Epoch epoch) { header_.epoch = epoch; }
    void set_incarnation(Incarnation incarnation) {
        options_.self.incarnation = incarnation;
        header_.sender = options_.self;
    }
    [[nodiscard]] LamportTime lamport() const { return lamport_; }
    [[nodiscard]] bool duplicate_of_us() const { return duplicate_of_us_; }
    [[nodiscard]] Counters counters() const {
        Counters counters = counters_;
        if (zap_) counters.refused += zap_->refused();
        return counters;
    }

  private:
    struct Holder {
        bool node = false;
        NodeId id;  // of a node's key
        bool client = false;
    };
    [[nodiscard]] Holder holder_of(Frame& frame) const;
    [[nodiscard]] std::optional<Received> accept(const ClientRoute& route, Frame& frame);
    [[nodiscard]] bool accept_peer(const Envelope& envelope, const Holder& holder, const std::string& source);
    void refuse(const char* reason, const std::string& source, const std::string& text) {
        ++counters_.refused;
        complaints_.complain(reason, source, "refused a message from " + source + ": " + text);
    }
    [[nodiscard]] bool served_for(int ms) const;
    void meet_ourselves(const Envelope& envelope, const std::string& source);
    template <class M>
    [[nodiscard]] Status seal_message(const M& message, const Key& key);

    void* context_;
    LinkOptions options_;
    const ClusterKeys* keys_;
    Complaints complaints_;
    std::optional<std::chrono::steady_clock::time_point> served_since_;
    Key peer_key_{};
    Key client_key_{};
    std::optional<DialKeys> dial_keys_;
    std::unique_ptr<ZapHandler> zap_;
    Socket router_;
    Monitor router_monitor_;
    std::map<NodeId, PeerLink> links_;
    std::vector<LinkEvent> pending_events_;
    BootTable boots_;
    Envelope header_;
    std::string scratch_;  // the message being sealed; its buffer is used again and again
    LamportTime lamport_;
    Counters counters_;
    bool duplicate_of_us_ = false;
    std::uint64_t poll_fds_version_ = 1;
    bool look_ = true;  // ZeroMQ may have a message
};

Status PeerLinks::Impl::open() {
    if (!options_.insecure) {
        if (keys_ == nullptr) return fail(ErrorCode::invalid_argument, "the bus needs the cluster's keys");
        auto zap = ZapHandler::open(context_, *keys_, complaints_);
        if (!zap) return zap.error();
        zap_ = std::move(zap).value();
        zap_->know(options_.self.id);
    }
    router_ = Socket(context_, ZMQ_ROUTER);
    if (!router_) return fail(ErrorCode::io, "bus: " + zmq_error());
    set_common_options(router_);
    router_.set(ZMQ_ROUTER_MANDATORY, 1);
    router_.set(ZMQ_SNDHWM, client_messages_max);
    router_.set(ZMQ_RCVHWM, client_messages_max);
    if (zap_) set_curve_server(router_, keys_->server());
    const std::string port = ":" + std::to_string(options_.port);
    if (zmq_bind(router_.get(), ("tcp://" + options_.bind_address + port).c_str()) != 0) {
        return fail(ErrorCode::io, "cannot listen on " + options_.bind_address + port + ": " + zmq_error() +
                                       "; is another node running there? Choose another node.port or node.address");
    }
    if (zap_) {
        if (auto proof = zap_->prove_refusal(context_, "tcp://" + reachable(options_.bind_address) + port); !proof) {
            return proof;
        }
    }
    // Opened after the proof, whose refusals are no news.
    auto monitor =
        Monitor::open(context_, router_, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    if (!monitor) return monitor.error();
    router_monitor_ = std::move(monitor).value();
    return ok();
}

void PeerLinks::Impl::connect(NodeId peer, const std::string& address) {
    const auto found = links_.find(peer);
    if (found != links_.end() && found->second.address() == address) return;
    disconnect(peer);
    if (zap_) zap_->know(peer);
    ++poll_fds_version_;
    auto [it, fresh] = links_.try_emplace(peer, context_, address, dial_keys_, options_.queue_bytes_max);
    if (auto dialled = it->second.dial(); !dialled) {
        complaints_.complain("dial", address, "cannot dial node " + to_string(peer) + ": " + dialled.error().message);
        links_.erase(it);
    }
}

void PeerLinks::Impl::disconnect(NodeId peer) {
    const auto found = links_.find(peer);
    if (found == links_.end()) return;
    if (found->second.up()) pending_events_.push_back({peer, false});
    ++poll_fds_version_;
    links_.erase(found);
}

template <class M>
Status PeerLinks::Impl::seal_message(const M& message, const Key& key) {
    header_.kind = kind_of(message);
    lamport_ = next(lamport_);
    header_.lamport = lamport_;
    ++header_.sequence;
    scratch_.clear();
    const std::size_t payload_at = seal_begin(scratch_, header_, options_.checksum);
    if (auto encoded = encode_into(scratch_, message); !encoded) return encoded;
    seal_end(scratch_, payload_at, options_.checksum, key);
    if (scratch_.size() > message_bytes_max) {
        return fail(ErrorCode::invalid_argument, std::string(to_string(header_.kind)) + " of " +
                                                     std::to_string(scratch_.size()) + " bytes is too long to be sent");
    }
    return ok();
}

template <class M>
Status PeerLinks::Impl::send_to_peer(NodeId peer, const M& message) {
    const auto found = links_.find(peer);
    if (found == links_.end()) return fail(ErrorCode::not_found, "no link to node " + to_string(peer));
    PeerLink& link = found->second;
    if (link.full()) return fail(ErrorCode::overloaded, "queue to node " + to_string(peer) + " is full");
    if (auto sealed = seal_message(message, peer_key_); !sealed) return sealed;
    const std::size_t size = scratch_.size();
    auto sent = link.send(scratch_);
    if (sent) {
        ++counters_.sent;
        counters_.bytes_sent += size;
    }
    return sent;
}

Status PeerLinks::Impl::send_to_client(const ClientRoute& client, const SessionMessage& message) {
    if (auto sealed = seal_message(message, client_key_); !sealed) return sealed;
    look_ = true;  // the descriptor may speak to the send
    // The first frame decides: a client that is gone or whose queue is full refuses it, and nothing is half sent.
    if (zmq_send(router_.get(), client.data(), client.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        return zmq_errno() == EAGAIN ? fail(ErrorCode::overloaded, "the client's queue is full")
                                     : fail(ErrorCode::not_found, "the client is gone");
    }
    if (zmq_send(router_.get(), scratch_.data(), scratch_.size(), ZMQ_DONTWAIT) < 0) {
        return fail(ErrorCode::not_found, "the client is gone");
    }
    ++counters_.sent;
    counters_.bytes_sent += scratch_.size();
    return ok();
}

std::optional<Received> PeerLinks::Impl::receive() {
    if (!look_) return {};
    for (int refused = 0; refused < refused_per_call_max; ++refused) {
        Frame route;
        if (!route.receive(router_.get())) {
            look_ = false;
            return {};
        }
        Frame body;
        bool whole = route.more() && body.receive(router_.get());
        while (whole && body.more()) {  // our messages have one frame: drop the rest and all of it
            Frame stray;
            if (!stray.receive(router_.get()) || !stray.more()) whole = false;
        }
        if (!whole) {
            refuse("frames", std::string(route.property("Peer-Address")), "it does not have exactly one frame");
            continue;
        }
        if (auto received = accept(ClientRoute(route.view()), body)) return received;
    }
    return {};
}

PeerLinks::Impl::Holder PeerLinks::Impl::holder_of(Frame& frame) const {
    Holder holder;
    const std::string_view user = frame.property("User-Id");
    if (user == "client") {
        holder.client = true;
    } else if (user.starts_with("node:")) {
        holder.node = true;
        for (const char digit : user.substr(5)) {
            holder.id = NodeId{holder.id.value * 10 + static_cast<std::uint32_t>(digit - '0')};
        }
    }
    return holder;
}

std::optional<Received> PeerLinks::Impl::accept(const ClientRoute& route, Frame& frame) {
    const std::string source(frame.property("Peer-Address"));
    const Holder holder = holder_of(frame);
    if (zap_ && !holder.node && !holder.client) {
        refuse("user", source, "its connection is not authenticated");
        return {};
    }
    // Insecure clusters know senders by what they say; both keys are zero then.
    auto opened = open_sealed(frame.view(), options_.cluster, holder.client ? client_key_ : peer_key_, !holder.node);
    if (!opened) {
        refuse("envelope", source, opened.error().message);
        return {};
    }
    const Envelope& envelope = *opened;
    const bool from_client = zap_ ? holder.client : !envelope.sender.id;
    if (from_client) {
        if (envelope.sender.id || !client_may_send(envelope.kind)) {
            refuse("kind", source, std::string("a client may not send ") + to_string(envelope.kind));
            return {};
        }
    } else if (!accept_peer(envelope, holder, source)) {
        return {};
    }
    auto message = decode(envelope.kind, envelope.payload);
    if (!message) {
        refuse("payload", source, message.error().message);
        return {};
    }
    ++counters_.received;
    counters_.bytes_received += frame.view().size();
    // Clients do not take part in the order of the cluster's messages, and could push the clock anywhere.
    if (!from_client && envelope.lamport > lamport_) lamport_ = envelope.lamport;
    lamport_ = next(lamport_);
    Received received;
    if (from_client) {
        received.client = route;
    } else {
        received.peer = envelope.sender.id;
        received.from = envelope.sender;
    }
    received.epoch = envelope.epoch;
    received.lamport = envelope.lamport;
    received.message = std::move(message).value();
    return received;
}

bool PeerLinks::Impl::accept_peer(const Envelope& envelope, const Holder& holder, const std::string& source) {
    if (!envelope.sender.id || (zap_ && holder.id != envelope.sender.id)) {
        refuse("sender", source,
               "it names node " + to_string(envelope.sender.id) + " as its sender, its key belongs to node " +
                   to_string(holder.id));
        return false;
    }
    if (envelope.kind == MessageKind::announcement) {
        refuse("kind", source, "announcements do not travel on peer links");
        return false;
    }
    if (envelope.sender.id == options_.self.id) {
        meet_ourselves(envelope, source);
        return false;
    }
    switch (boots_.check(envelope.sender, envelope.boot, envelope.boot_nonce)) {
        case BootTable::Answer::accepted:
            return true;
        case BootTable::Answer::older:
            refuse("boot", source, "node " + to_string(envelope.sender.id) + " has started again since");
            return false;
        case BootTable::Answer::other_nonce:
            refuse("nonce", source,
                   "two processes run as node " + to_string(envelope.sender.id) + " with one journal's identity");
            return false;
    }
    return false;
}

void PeerLinks::Impl::meet_ourselves(const Envelope& envelope, const std::string& source) {
    const bool really_us = envelope.sender == options_.self && envelope.boot == options_.boot &&
                           envelope.boot_nonce == options_.boot_nonce;
    if (really_us) return;  // a list of peers may name this host too
    refuse("duplicate", source,
           "another node uses id " + to_string(options_.self.id) + "; every node.id must be different");
    if (!served_for(options_.newcomer_ms)) duplicate_of_us_ = true;
}

bool PeerLinks::Impl::served_for(int ms) const {
    return served_since_ && std::chrono::steady_clock::now() >= *served_since_ + std::chrono::milliseconds(ms);
}

void PeerLinks::Impl::add_poll_fds(std::vector<pollfd>& fds) {
    fds.push_back({router_.fd(), POLLIN, 0});
    if (zap_) fds.push_back({zap_->fd(), POLLIN, 0});
    fds.push_back({router_monitor_.fd(), POLLIN, 0});
    for (const auto& [peer, link] : links_) fds.push_back({link.monitor_fd(), POLLIN, 0});
}

std::vector<PeerLinks::LinkEvent> PeerLinks::Impl::housekeeping() {
    if (zap_) zap_->serve();
    // Until the loop ran nobody was let in, so the handshakes of honest peers timed out too, and the tail of our own
    // proof is among them.
    if (!served_since_) served_since_ = std::chrono::steady_clock::now();
    while (const auto event = router_monitor_.next()) {
        // The monitor names our own address only. Whether a stranger without a key is found out by us or gives up
        // first is a matter of luck, so both count.
        ++counters_.refused;
        if (!served_for(options_.settling_ms)) continue;
        const bool no_security = event->kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
                                 event->value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH;
        const std::string refused = "refused a connection to " + event->address + ": ";
        if (no_security) {
            complaints_.complain("no security", event->address,
                                 refused + "it ended before it was authenticated: a client without a key");
        } else {
            complaints_.complain("protocol", event->address,
                                 refused +
                                     "it ended before it was authenticated (a foreign key, stray bytes, or just "
                                     "interrupted)");
        }
    }
    std::vector<LinkEvent> events = std::exchange(pending_events_, {});
    for (auto& [peer, link] : links_) {
        const PeerLink::Change change = link.housekeeping();
        if (change.dialled) ++poll_fds_version_;
        if (change.up) events.push_back({peer, *change.up});
        if (!change.refused.empty()) {
            complaints_.complain("dialled", link.address(), "the node at " + link.address() + " " + change.refused);
        }
    }
    return events;
}

PeerLinks::PeerLinks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PeerLinks::~PeerLinks() = default;

Result<std::unique_ptr<PeerLinks>> PeerLinks::open(void* zmq_context, const LinkOptions& options,
                                                   const ClusterKeys* keys, Complain complain) {
    auto impl = std::make_unique<Impl>(zmq_context, options, keys, std::move(complain));
    if (auto opened = impl->open(); !opened) return opened.error();
    return std::unique_ptr<PeerLinks>(new PeerLinks(std::move(impl)));
}

void PeerLinks::connect(NodeId peer, const std::string& address) {
    impl_->connect(peer, address);
}
void PeerLinks::disconnect(NodeId peer) {
    impl_->disconnect(peer);
}
Status PeerLinks::send(NodeId peer, const PeerMessage& message) {
    return impl_->send_to_peer(peer, message);
}
Status PeerLinks::send(NodeId peer, const SessionMessage& message) {
    return impl_->send_to_peer(peer, message);
}
Status PeerLinks::send(NodeId peer, const TransferMessage& message) {
    return impl_->send_to_peer(peer, message);
}
Status PeerLinks::send(NodeId peer, const AuditMessage& message) {
    return impl_->send_to_peer(peer, message);
}
Status PeerLinks::send(const ClientRoute& client, const SessionMessage& message) {
    return impl_->send_to_client(client, message);
}
std::optional<Received> PeerLinks::receive() {
    return impl_->receive();
}
void PeerLinks::add_poll_fds(std::vector<pollfd>& fds) {
    impl_->add_poll_fds(fds);
}
std::uint64_t PeerLinks::poll_fds_version() const {
    return impl_->poll_fds_version();
}
void PeerLinks::look() {
    impl_->look();
}
bool PeerLinks::waiting() const {
    return impl_->waiting();
}
std::vector<PeerLinks::LinkEvent> PeerLinks::housekeeping() {
    return impl_->housekeeping();
}
void PeerLinks::set_epoch(Epoch epoch) {
    impl_->set_epoch(epoch);
}
void PeerLinks::set_incarnation(Incarnation incarnation) {
    impl_->set_incarnation(incarnation);
}
LamportTime PeerLinks::lamport() const {
    return impl_->lamport();
}
bool PeerLinks::duplicate_of_us() const {
    return impl_->duplicate_of_us();
}
PeerLinks::Counters PeerLinks::counters() const {
    return impl_->counters();
}

}  // namespace ddb::bus
