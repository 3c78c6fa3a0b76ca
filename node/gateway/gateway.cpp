#include "node/gateway/gateway.hpp"

#include <sodium.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "node/gateway/channel.hpp"
#include "node/gateway/listener.hpp"

namespace ddb::gateway {
namespace {

constexpr int events_max = 64;
constexpr int accepts_max = 32;                   // in one round
constexpr std::size_t read_bytes = 64u << 10;     // at once, of one client
constexpr std::uint64_t closing_ms_max = 5000;    // for the last answer to leave, and once more for the client to close
constexpr std::uint64_t unread_ms_max = 300'000;  // a client that reads nothing of what waits for it
constexpr std::uint64_t remarks_ms = 1000;        // between two lines for the log

// No client's number.
constexpr std::uint64_t listener_token(std::size_t index) {
    return std::numeric_limits<std::uint64_t>::max() - index;
}

// Other nodes' numbers are others: one that is taken to the wrong node ends nobody there. Told again after 16 million.
std::uint32_t connection_id_of(NodeId node, std::uint64_t id) {
    constexpr std::uint64_t nodes = 64;
    constexpr std::uint64_t per_node = first_connection_id / nodes;
    return static_cast<std::uint32_t>(first_connection_id + node.value % nodes * per_node + id % per_node);
}

}  // namespace

class Gateway::Impl {
  public:
    Impl(GatewayHost& host, GatewayOptions options) : host_(host), options_(std::move(options)) {}

    // One client.
    class Client final : public ConversationHost {
      public:
        Client(Impl& gateway, std::uint64_t id, Listener::Accepted accepted)
            : gateway_(gateway),
              id_(id),
              channel_(std::move(accepted.socket)),
              peer_(std::move(accepted.peer)),
              port_(accepted.port),
              elsewhere_(accepted.elsewhere) {}

        // Not at once: the engine may answer in the same call, and a long command would nest as deep as it is long.
        void send(SessionMessage message) override { gateway_.outgoing_.emplace_back(route(), std::move(message)); }
        void ask_account(const std::string& user) override { gateway_.host_.ask_account(id_, user); }
        [[nodiscard]] SessionId new_session() override {
            SessionId session;
            ::randombytes_buf(session.bytes.data(), session.bytes.size());
            return session;
        }
        [[nodiscard]] const LoginKey* login_key() const override {
            return gateway_.login_key_ ? &*gateway_.login_key_ : nullptr;
        }
        [[nodiscard]] const std::string& certificate_digest() const override {
            return gateway_.tls_->certificate_digest();
        }
        [[nodiscard]] KnownPasswords& known_passwords() override { return gateway_.known_passwords_; }
        [[nodiscard]] std::string new_challenge() override {
            std::string out;
            while (out.size() < scramble_bytes) out.push_back(static_cast<char>(1 + ::randombytes_uniform(127)));
            return out;
        }
        [[nodiscard]] std::string peer_name() const override { return peer_; }
        [[nodiscard]] std::uint16_t peer_port() const override { return port_; }
        [[nodiscard]] bool peer_is_elsewhere() const override { return elsewhere_; }
        Status kill(const KillRequest& request, const std::string& by) override { return gateway_.kill(request, by); }
        [[nodiscard]] std::string route() const { return std::string(route_prefix) + std::to_string(id_); }

        Impl& gateway_;
        const std::uint64_t id_;
        Channel channel_;
        const std::string peer_;
        const std::uint16_t port_;
        const bool elsewhere_;
        std::unique_ptr<Conversation> conversation_;
        std::uint32_t watched_ = 0;
        std::uint64_t closing_since_ms_ = 0;
        std::uint64_t progress_ms_ = 0;  // when it last took bytes, or none waited
        bool dirty_ = false;
        bool lingers_ = false;    // all is said, and its session over: waits for it to close
        bool told_gone_ = false;  // the host knows
        bool gone_ = false;
    };

    Status open();
    void on_ready();
    void accept_all(const Listener& listener);
    void accept_one(Listener::Accepted accepted, bool local);
    void read_from(Client& client);
    void take(Client& client, const Channel::Received& received);
    void leave(Client& client);
    void remark(const std::string& line);
    void shut_down();
    void watch_listeners(bool on);
    void write_to(Client& client);
    void settle(Client& client);
    void mark(Client& client);
    Status kill(const KillRequest& request, const std::string& by);
    void flush();
    void remove_gone();
    void tick(std::uint64_t now_ms);

    GatewayHost& host_;
    const GatewayOptions options_;
    std::shared_ptr<const TlsContext> tls_;
    std::optional<LoginKey> login_key_;
    KnownPasswords known_passwords_;
    Descriptor epoll_;
    std::array<Listener, 2> listeners_;  // of the network, of this host
    std::map<std::uint64_t, std::unique_ptr<Client>> clients_;
    std::deque<std::pair<std::string, SessionMessage>> outgoing_;
    std::vector<std::uint64_t> dirty_;  // clients with new output
    std::uint64_t next_id_ = 1;
    std::uint64_t now_ms_ = 0;
    std::string block_;
    std::uint64_t remark_again_ms_ = 0;
    std::uint64_t remarks_left_out_ = 0;
    bool listeners_watched_ = true;
    bool any_gone_ = false;
};

Status Gateway::Impl::open() {
    const auto opened = [&](std::size_t index, Result<Listener> made) -> Status {
        if (!made) return made.error();
        listeners_[index] = std::move(*made);
        return ok();
    };
    if (options_.port != 0) {
        if (auto status = opened(0, Listener::on_network(options_.address, options_.port)); !status) return status;
    }
    if (!options_.socket.empty()) {
        if (auto status = opened(1, Listener::on_path(options_.socket)); !status) return status;
    }
    // Clients on libmariadb from 11.4 on, and most of MySQL's, want TLS without a setting of theirs.
    auto tls = options_.tls_cert.empty() ? TlsContext::self_signed("ddb node " + std::to_string(options_.node.value))
                                         : TlsContext::load(options_.tls_cert, options_.tls_key);
    if (!tls) return tls.error();
    tls_ = std::move(*tls);
    if (host_.server().version.find("MariaDB") == std::string::npos) {
        auto key = LoginKey::make();
        if (!key) return key.error();
        login_key_ = std::move(*key);
    }
    epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
    if (epoll_.get() < 0) return fail(ErrorCode::io, std::string("gateway: no epoll: ") + std::strerror(errno));
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = listener_token(i);
        if (listeners_[i].fd() < 0) continue;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listeners_[i].fd(), &event) != 0)
            return fail(ErrorCode::io, std::string("gateway: cannot watch a socket: ") + std::strerror(errno));
    }
    block_.resize(read_bytes);
    return ok();
}

void Gateway::Impl::on_ready() {
    std::array<epoll_event, events_max> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), events_max, 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.u64 > listener_token(listeners_.size())) {
            accept_all(listeners_[std::numeric_limits<std::uint64_t>::max() - event.data.u64]);
            continue;
        }
        const auto found = clients_.find(event.data.u64);
        if (found == clients_.end() || found->second->gone_) continue;
        Client& client = *found->second;
        if ((event.events & EPOLLOUT) != 0) write_to(client);
        if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0) read_from(client);
        settle(client);
    }
    flush();
    remove_gone();
}

void Gateway::Impl::mark(Client& client) {
    if (std::exchange(client.dirty_, true)) return;
    dirty_.push_back(client.id_);
}

// Each user may end its own: which rights another one has, only the server could tell.
Status Gateway::Impl::kill(const KillRequest& request, const std::string& by) {
    const std::string number = std::to_string(request.connection_id);
    for (auto& [id, client] : clients_) {
        if (connection_id_of(options_.node, id) != request.connection_id || client->gone_ ||
            client->conversation_->closing())
            continue;
        if (client->conversation_->user() != by) {
            return Error{ErrorCode::sql, "You are not owner of thread " + number, 1095, "HY000"};
        }
        client->conversation_->killed(request.query_only);
        mark(*client);
        return ok();
    }
    return Error{ErrorCode::sql, "Unknown thread id: " + number + "; it is known on the node that it is connected to",
                 1094, "HY000"};
}

void Gateway::Impl::flush() {
    while (!outgoing_.empty() || !dirty_.empty()) {
        while (!outgoing_.empty()) {
            auto [route, message] = std::move(outgoing_.front());
            outgoing_.pop_front();
            host_.on_client_message(route, std::move(message));
        }
        for (const std::uint64_t id : std::exchange(dirty_, {})) {
            const auto found = clients_.find(id);
            if (found == clients_.end() || found->second->gone_) continue;
            found->second->dirty_ = false;
            write_to(*found->second);
            settle(*found->second);
        }
    }
}

void Gateway::Impl::accept_all(const Listener& listener) {
    for (int i = 0; i < accepts_max; ++i) {
        Listener::Accepted accepted = listener.accept();
        if (accepted.socket.get() < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                // They wait in the backlog. Until the next tick: the listener stays readable, and the loop would spin.
                remark("a MySQL client waits to be accepted: " + std::string(std::strerror(errno)));
                watch_listeners(false);
            }
            return;
        }
        accept_one(std::move(accepted), listener.local());
    }
}

void Gateway::Impl::accept_one(Listener::Accepted accepted, bool local) {
    const ServerIdentity server = host_.server();
    Error refusal;
    if (clients_.size() >= options_.connections_max) {
        refusal = Error{ErrorCode::overloaded, "Too many connections", 1040, "08004"};
    } else if (server.version.empty()) {
        refusal =
            Error{ErrorCode::no_quorum, "this node's database server is not running; use another node", 1047, "08S01"};
    }
    if (!refusal.message.empty()) {
        std::string out;
        PacketWriter().append(out, encode_error(refusal));
        (void)::send(accepted.socket.get(), out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return;
    }
    const std::uint64_t id = next_id_++;
    auto client = std::make_unique<Client>(*this, id, std::move(accepted));
    // What goes through a path does not leave the host: it needs no TLS, as with a server's require_secure_transport.
    const bool tls_required = options_.tls_required && !local;
    const TlsOffer tls = tls_required ? TlsOffer::required : TlsOffer::offered;
    client->conversation_ =
        std::make_unique<Conversation>(*client, options_.limits, connection_id_of(options_.node, id), server, tls);
    client->progress_ms_ = now_ms_;
    client->conversation_->tick(now_ms_);
    Client& made = *client;
    clients_[id] = std::move(client);
    epoll_event event{};
    event.events = made.watched_ = EPOLLIN;
    event.data.u64 = id;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, made.channel_.fd(), &event) != 0) {
        made.gone_ = any_gone_ = true;
        return;
    }
    write_to(made);
    settle(made);
}

void Gateway::Impl::read_from(Client& client) {
    if (client.conversation_->closing()) {  // what it still says does not matter
        if (!client.channel_.discard(block_)) client.gone_ = any_gone_ = true;
        return;
    }
    take(client, client.channel_.receive(block_));
    write_to(client);
}

void Gateway::Impl::take(Client& client, const Channel::Received& received) {
    Conversation& conversation = *client.conversation_;
    if (received.what == Channel::Got::failed) {
        remark("TLS with the MySQL client at " + client.peer_ + " failed: " + received.bytes);
        write_to(client);  // an alert may say more to the client
    }
    if (received.what == Channel::Got::failed || received.what == Channel::Got::end) {
        client.gone_ = any_gone_ = true;
        return;
    }
    if (conversation.wants_tls() && client.channel_.speaks_tls() && client.channel_.can_send()) conversation.secured();
    if (received.what == Channel::Got::bytes) conversation.on_bytes(received.bytes);
    if (conversation.wants_tls() && !client.channel_.speaks_tls()) {
        take(client, client.channel_.start_tls(*tls_, conversation.take_unread()));
    }
}

void Gateway::Impl::write_to(Client& client) {
    if (client.gone_ || client.lingers_) return;
    bool progress = false;
    if (!client.channel_.send(client.conversation_->output(), progress)) {
        client.gone_ = any_gone_ = true;
        return;
    }
    if (client.conversation_->compresses() && !client.channel_.compresses() && client.conversation_->output().empty())
        client.channel_.start_compression();
    const bool drained = !client.channel_.unsent(client.conversation_->output());
    client.conversation_->on_output_taken();
    if (progress || drained) client.progress_ms_ = now_ms_;
    if (drained) client.conversation_->on_output_drained();
}

// All is said: the session ends now, the socket when the client has closed too.
void Gateway::Impl::leave(Client& client) {
    if (!client.channel_.can_send()) {
        remark("TLS with the MySQL client at " + client.peer_ + " failed: its handshake did not come to an end");
        client.gone_ = true;
    } else {
        client.channel_.end_output();
        client.lingers_ = true;
        client.closing_since_ms_ = now_ms_;
    }
    any_gone_ = true;
}

// Which events the client is waited for, and whether it has come to its end.
void Gateway::Impl::settle(Client& client) {
    if (client.gone_) return;
    bool unsent = client.channel_.unsent(client.conversation_->output());
    if (client.conversation_->closing()) {
        if (client.closing_since_ms_ == 0) client.closing_since_ms_ = now_ms_;
        if (!unsent && !client.lingers_) leave(client);
        if (client.gone_) return;
        if (client.lingers_) unsent = false;
    }
    const bool reads = client.conversation_->wants_input() || client.conversation_->closing();
    const std::uint32_t wanted = (reads ? EPOLLIN : 0u) | (unsent ? EPOLLOUT : 0u) | EPOLLRDHUP;
    if (wanted == client.watched_) return;
    epoll_event event{};
    event.events = client.watched_ = wanted;
    event.data.u64 = client.id_;
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.channel_.fd(), &event);
}

void Gateway::Impl::remove_gone() {
    if (!std::exchange(any_gone_, false)) return;
    std::vector<std::string> routes;
    for (auto it = clients_.begin(); it != clients_.end();) {
        Client& client = *it->second;
        if ((client.gone_ || client.lingers_) && !std::exchange(client.told_gone_, true)) {
            routes.push_back(client.route());
        }
        it = client.gone_ ? clients_.erase(it) : std::next(it);
    }
    for (const auto& route : routes) host_.on_client_gone(route);
}

void Gateway::Impl::tick(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    watch_listeners(true);
    for (auto& [id, client] : clients_) {
        client->conversation_->tick(now_ms);
        write_to(*client);
        settle(*client);
        const bool late = client->closing_since_ms_ != 0 && now_ms > client->closing_since_ms_ + closing_ms_max;
        if (late || now_ms > client->progress_ms_ + unread_ms_max) client->gone_ = any_gone_ = true;
    }
    flush();
    remove_gone();
}

// A scanner of ports makes a failed handshake of every try: the log has room for other things.
void Gateway::Impl::remark(const std::string& line) {
    if (now_ms_ < remark_again_ms_) {
        ++remarks_left_out_;
        return;
    }
    remark_again_ms_ = now_ms_ + remarks_ms;
    const std::uint64_t more = std::exchange(remarks_left_out_, 0);
    host_.remark(more == 0 ? line : line + " (" + std::to_string(more) + " such lines before are left out)");
}

void Gateway::Impl::watch_listeners(bool on) {
    if (std::exchange(listeners_watched_, on) == on) return;
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        epoll_event event{};
        event.events = on ? EPOLLIN : 0u;
        event.data.u64 = listener_token(i);
        if (listeners_[i].fd() >= 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listeners_[i].fd(), &event);
    }
}

// Says goodbye as far as the sockets take it at once.
void Gateway::Impl::shut_down() {
    for (auto& [id, client] : clients_) {
        client->conversation_->shut_down(
            Error{ErrorCode::shutting_down, "Server shutdown in progress; use another node", 1053, "08S01"});
        write_to(*client);
    }
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() {
    impl_->shut_down();
}

Result<std::unique_ptr<Gateway>> Gateway::listen(GatewayHost& host, const GatewayOptions& options) {
    auto impl = std::make_unique<Impl>(host, options);
    if (auto status = impl->open(); !status) return status.error();
    return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

int Gateway::fd() const {
    return impl_->epoll_.get();
}
void Gateway::on_ready() {
    impl_->on_ready();
}
void Gateway::flush() {
    impl_->flush();
}
void Gateway::tick(std::uint64_t now_ms) {
    impl_->tick(now_ms);
}
std::size_t Gateway::connections() const {
    return impl_->clients_.size();
}

Status Gateway::deliver(const std::string& route, SessionMessage message) {
    const auto gone = [] { return fail(ErrorCode::not_found, "the MySQL client is gone"); };
    const std::uint64_t id = std::strtoull(route.c_str() + route_prefix.size(), nullptr, 10);
    const auto found = impl_->clients_.find(id);
    if (found == impl_->clients_.end() || found->second->gone_) return gone();
    found->second->conversation_->on_session(std::move(message));
    impl_->mark(*found->second);
    return ok();
}

void Gateway::on_account(std::uint64_t token, const Result<std::vector<std::string>>& hashes) {
    const auto found = impl_->clients_.find(token);
    if (found == impl_->clients_.end() || found->second->gone_) return;
    found->second->conversation_->on_account(hashes);
    impl_->mark(*found->second);
}

}  // namespace ddb::gateway
