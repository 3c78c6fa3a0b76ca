#include "bus/request_client.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "bus/envelope.hpp"
#include "bus/socket.hpp"

namespace ddb::bus {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t nodes_max = 256;
constexpr std::size_t kept_messages_max = 256;  // that arrive while a verb waits for its answer
constexpr int send_ms_max = 10'000;
constexpr std::chrono::milliseconds pause_between_rounds{50};

struct ContextDeleter {
    void operator()(void* context) const { zmq_ctx_term(context); }
};

[[nodiscard]] int left_ms(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(std::min<long>(left + 1, 3'600'000));
}

}  // namespace

class RequestClient::Impl {
  public:
    explicit Impl(const RequestClientOptions& options) : options_(options) {
        if (options.keys != nullptr) keys_ = *options.keys;
        header_.cluster = options.cluster;
    }
    ~Impl() { disconnect(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    [[nodiscard]] Status open();
    Status connect(int timeout_ms);
    [[nodiscard]] std::string address() const { return dealer_ ? address_ : std::string(); }
    void add_node(const std::string& address);
    Status send(const SessionMessage& message);
    [[nodiscard]] std::optional<SessionMessage> receive(Clock::time_point deadline);
    [[nodiscard]] bool connected();
    [[nodiscard]] Result<std::string> verb(const std::string& name, const std::vector<std::string>& arguments,
                                           Clock::time_point deadline, bool once);

  private:
    [[nodiscard]] std::string try_address(const std::string& address, Clock::time_point deadline);
    [[nodiscard]] std::string mismatch() const;
    void disconnect();
    [[nodiscard]] bool closed();
    [[nodiscard]] std::optional<SessionMessage> take_waiting();
    [[nodiscard]] std::optional<SessionMessage> receive_now(Clock::time_point deadline);
    [[nodiscard]] std::optional<Result<std::string>> await_reply(std::uint64_t id, Clock::time_point deadline);

    RequestClientOptions options_;
    std::optional<ClientKeys> keys_;
    std::unique_ptr<void, ContextDeleter> own_context_;
    void* context_ = nullptr;
    Socket dealer_;
    Monitor monitor_;
    std::string address_;
    std::size_t next_node_ = 0;
    Envelope header_;
    std::deque<SessionMessage> kept_;
    std::uint64_t verb_id_ = 0;
};

Status RequestClient::Impl::open() {
    context_ = options_.context;
    if (context_ != nullptr) return ok();
    own_context_.reset(zmq_ctx_new());
    if (!own_context_) return fail(ErrorCode::io, zmq_error());
    context_ = own_context_.get();
    zmq_ctx_set(context_, ZMQ_BLOCKY, 0);
    return ok();
}

void RequestClient::Impl::disconnect() {
    monitor_.close();
    dealer_.close();
}

void RequestClient::Impl::add_node(const std::string& address) {
    auto& nodes = options_.nodes;
    if (nodes.size() < nodes_max && std::find(nodes.begin(), nodes.end(), address) == nodes.end()) {
        nodes.push_back(address);
    }
}

Status RequestClient::Impl::connect(int timeout_ms) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
    disconnect();
    kept_.clear();
    if (options_.nodes.empty()) return fail(ErrorCode::invalid_argument, "no node to connect to");
    std::string reasons;
    bool refused = false;
    for (std::size_t i = 0; i < options_.nodes.size() && (i == 0 || left_ms(deadline) > 0); ++i) {
        const std::string address = options_.nodes[next_node_ % options_.nodes.size()];
        // Where there is no other one to go on to, a node may take all the time: a lost packet alone costs a second.
        const auto own_limit = Clock::now() + std::chrono::milliseconds(options_.connect_timeout_ms);
        const auto limit = options_.nodes.size() == 1 ? deadline : std::min(deadline, own_limit);
        const std::string reason = try_address(address, limit);
        if (reason.empty()) {
            address_ = address;
            return ok();
        }
        disconnect();
        ++next_node_;
        refused = refused || reason.starts_with("refused");
        reasons += (reasons.empty() ? "" : "; ") + address + ": " + reason;
    }
    return fail(refused ? ErrorCode::refused : ErrorCode::timeout, "cannot connect: " + reasons);
}

// Empty when connected, else why not.
std::string RequestClient::Impl::try_address(const std::string& address, Clock::time_point deadline) {
    dealer_ = Socket(context_, ZMQ_DEALER);
    if (!dealer_) return zmq_error();
    set_common_options(dealer_);
    dealer_.set(ZMQ_HANDSHAKE_IVL, 0);  // the deadline here is the limit, and ends with the true reason
    dealer_.set(ZMQ_IMMEDIATE, 1);
    dealer_.set(ZMQ_SNDTIMEO, send_ms_max);
    if (keys_) set_curve_client(dealer_, keys_->server_public, keys_->client);
    auto monitor = Monitor::open(context_, dealer_, ZMQ_EVENT_ALL);
    if (!monitor) return monitor.error().message;
    monitor_ = std::move(monitor).value();
    if (zmq_connect(dealer_.get(), ("tcp://" + address).c_str()) != 0) return zmq_error();
    bool reached = false;
    int closed_handshakes = 0;
    const auto begin = Clock::now();
    while (true) {
        while (const auto event = monitor_.next()) {
            switch (event->kind) {
                case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
                    return {};
                case ZMQ_EVENT_CONNECTED:
                    reached = true;
                    break;
                case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
                    return "refused: key not accepted";
                case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                    return mismatch();
                case ZMQ_EVENT_DISCONNECTED:  // one for each attempt, also behind HANDSHAKE_FAILED_NO_DETAIL
                    // A node cannot tell a client with foreign keys why, it just closes. So does one that is being
                    // stopped, and that must not look like a refusal: ZeroMQ tries again by itself and shows which. A
                    // node that is late closes, too, but only when a handshake's time is over.
                    ++closed_handshakes;
                    if (closed_handshakes >= 2 &&
                        Clock::now() - begin < std::chrono::milliseconds(handshake_ms) * closed_handshakes)
                        return mismatch();
                    break;
                case ZMQ_EVENT_CLOSED:
                    return "nothing listens there";
                case ZMQ_EVENT_CONNECT_RETRIED:
                    if (closed_handshakes == 0) return "cannot be reached";
                    break;
                default:
                    break;
            }
        }
        const int wait_ms = left_ms(deadline);
        if (wait_ms == 0)
            return reached ? "connected, but no answer in time (it hangs, or that is no port of the bus)"
                           : "no answer in time";
        zmq_pollitem_t item{monitor_.get(), 0, ZMQ_POLLIN, 0};
        zmq_poll(&item, 1, wait_ms);
    }
}

// Why both sides do not understand each other.
std::string RequestClient::Impl::mismatch() const {
    return keys_ ? "refused: the node has other keys or uses none, or this is no node"
                 : "refused: the node asks for a key and this client has none, or this is no node";
}

bool RequestClient::Impl::closed() {
    bool closed = false;
    while (const auto event = monitor_.next()) closed = closed || event->kind == ZMQ_EVENT_DISCONNECTED;
    return closed;
}

bool RequestClient::Impl::connected() {
    if (!dealer_) return false;
    if (!closed()) return true;
    // What arrived before the end is still worth reading: an answer, perhaps. More than the limit is not kept.
    while (kept_.size() < kept_messages_max) {
        auto message = take_waiting();
        if (!message) break;
        kept_.push_back(std::move(*message));
    }
    ++next_node_;
    disconnect();
    return false;
}

Status RequestClient::Impl::send(const SessionMessage& message) {
    if (!connected()) return fail(ErrorCode::io, "not connected");
    header_.kind = kind_of(message);
    ++header_.sequence;
    header_.lamport = next(header_.lamport);
    std::string sealed;
    const std::size_t payload_at = seal_begin(sealed, header_, ChecksumKind::blake2b);
    if (auto encoded = encode_into(sealed, message); !encoded) return encoded;
    seal_end(sealed, payload_at, ChecksumKind::blake2b, keys_ ? keys_->envelope : Key{});
    if (sealed.size() > message_bytes_max) return fail(ErrorCode::invalid_argument, "message is too long to be sent");
    if (zmq_send(dealer_.get(), sealed.data(), sealed.size(), 0) >= 0) return ok();
    const bool slow = zmq_errno() == EAGAIN && connected();
    return fail(slow ? ErrorCode::overloaded : ErrorCode::io,
                address_ + (slow ? " takes no more messages" : ": connection lost"));
}

std::optional<SessionMessage> RequestClient::Impl::take_waiting() {
    while (true) {
        Frame frame;
        if (!frame.receive(dealer_.get())) return {};
        bool single = !frame.more();
        while (frame.more()) {
            if (!frame.receive(dealer_.get())) break;
            single = false;
        }
        if (!single) continue;
        const auto envelope = open_sealed(frame.view(), header_.cluster, keys_ ? keys_->envelope : Key{});
        if (!envelope || !for_clients(envelope->kind)) continue;
        auto message = decode(envelope->kind, envelope->payload);
        if (!message) continue;
        header_.cluster = envelope->cluster;
        header_.lamport = std::max(header_.lamport, envelope->lamport);
        auto* session = std::get_if<SessionMessage>(&*message);
        if (session != nullptr && !std::holds_alternative<Ping>(*session)) return std::move(*session);
    }
}

std::optional<SessionMessage> RequestClient::Impl::receive(Clock::time_point deadline) {
    if (!kept_.empty()) {
        SessionMessage message = std::move(kept_.front());
        kept_.pop_front();
        return message;
    }
    return receive_now(deadline);
}

std::optional<SessionMessage> RequestClient::Impl::receive_now(Clock::time_point deadline) {
    while (dealer_) {
        if (auto message = take_waiting()) return message;
        if (!connected()) {
            if (kept_.empty()) return {};
            return receive(deadline);
        }
        const int wait_ms = left_ms(deadline);
        if (wait_ms == 0) return {};
        std::array<zmq_pollitem_t, 2> items = {{{dealer_.get(), 0, ZMQ_POLLIN, 0}, {monitor_.get(), 0, ZMQ_POLLIN, 0}}};
        zmq_poll(items.data(), static_cast<int>(items.size()), wait_ms);
    }
    return {};
}

std::optional<Result<std::string>> RequestClient::Impl::await_reply(std::uint64_t id, Clock::time_point deadline) {
    std::deque<SessionMessage> others;
    std::optional<Result<std::string>> answer;
    while (!answer) {
        auto message = receive(deadline);
        if (!message) break;
        if (auto* reply = std::get_if<VerbReply>(&*message)) {
            if (reply->id != id) continue;  // of a question given up earlier
            if (reply->error) {
                answer = Result<std::string>(*reply->error);
            } else {
                answer = Result<std::string>(std::move(reply->json));
            }
        } else if (others.size() < kept_messages_max) {
            others.push_back(std::move(*message));
        }
    }
    std::move(kept_.begin(), kept_.end(), std::back_inserter(others));
    kept_ = std::move(others);
    return answer;
}

Result<std::string> RequestClient::Impl::verb(const std::string& name, const std::vector<std::string>& arguments,
                                              Clock::time_point deadline, bool once) {
    std::string reason = "no answer in time";
    do {
        if (!connected()) {
            if (auto done = connect(left_ms(deadline)); !done) {
                reason = done.error().message;
                if (done.error().code == ErrorCode::refused || done.error().code == ErrorCode::invalid_argument)
                    return done.error();
                zmq_poll(nullptr, 0, std::min<long>(left_ms(deadline), pause_between_rounds.count()));
                continue;
            }
        }
        VerbRequest request{++verb_id_, name, arguments, static_cast<std::uint32_t>(left_ms(deadline))};
        if (auto sent = send(SessionMessage{request}); !sent) {
            if (sent.error().code == ErrorCode::invalid_argument) return sent.error();
            reason = sent.error().message;
            if (connected()) disconnect();
            continue;
        }
        if (auto answer = await_reply(verb_id_, deadline)) return std::move(*answer);
        reason = address_ + (connected() ? " did not answer in time" : ": connection lost");
        if (once) {
            return fail(ErrorCode::unknown_outcome,
                        "`" + name + "`: " + reason + ": it may have been done or not; `nodes` shows it");
        }
        if (connected()) return fail(ErrorCode::timeout, "`" + name + "`: " + reason);
    } while (left_ms(deadline) > 0);
    return fail(ErrorCode::timeout, "`" + name + "`: " + reason);
}

RequestClient::RequestClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RequestClient::~RequestClient() = default;

Result<std::unique_ptr<RequestClient>> RequestClient::open(const RequestClientOptions& options) {
    auto impl = std::make_unique<Impl>(options);
    if (auto opened = impl->open(); !opened) return opened.error();
    return std::unique_ptr<RequestClient>(new RequestClient(std::move(impl)));
}

Status RequestClient::connect(int timeout_ms) {
    return impl_->connect(timeout_ms);
}
std::string RequestClient::address() const {
    return impl_->address();
}
void RequestClient::add_node(const std::string& address) {
    impl_->add_node(address);
}
Status RequestClient::send(const SessionMessage& message) {
    return impl_->send(message);
}
std::optional<SessionMessage> RequestClient::receive(int timeout_ms) {
    return impl_->receive(Clock::now() + std::chrono::milliseconds(timeout_ms));
}
bool RequestClient::connected() const {
    return impl_->connected();
}
Result<std::string> RequestClient::verb(const std::string& name, const std::vector<std::string>& arguments,
                                        int timeout_ms, bool once) {
    return impl_->verb(name, arguments, Clock::now() + std::chrono::milliseconds(timeout_ms), once);
}

}  // namespace ddb::bus
