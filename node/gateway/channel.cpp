#include "node/gateway/channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ddb::gateway {
namespace {

constexpr std::size_t encrypted_at_once = 64u << 10;
constexpr std::size_t kept_capacity_max = 256u << 10;  // of a buffer that is empty

void empty(std::string& buffer, std::size_t& done) {
    buffer.clear();
    done = 0;
    if (buffer.capacity() > kept_capacity_max) std::string().swap(buffer);
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

Channel::Received Channel::receive(std::string& block) {
    const ssize_t got = ::recv(socket_.get(), block.data(), block.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {Got::nothing, {}};
    if (got <= 0) return {Got::end, {}};
    const std::string_view bytes = std::string_view(block).substr(0, static_cast<std::size_t>(got));
    return expand(tls_ ? decrypt(bytes) : Received{Got::bytes, std::string(bytes)});
}

Channel::Received Channel::expand(Received received) {
    if (!frames_ || received.what != Got::bytes) return received;
    auto content = frames_->expand(received.bytes);
    if (!content) return {Got::end, {}};
    return {content->empty() ? Got::nothing : Got::bytes, std::move(*content)};
}

Channel::Received Channel::start_tls(const TlsContext& context, std::string_view already) {
    tls_ = std::make_unique<TlsStream>(context);
    return decrypt(already);
}

Channel::Received Channel::decrypt(std::string_view bytes) {
    Received out;
    if (const Status status = tls_->receive(bytes, out.bytes); !status) return {Got::failed, status.error().message};
    if (!out.bytes.empty()) {
        out.what = Got::bytes;  // an end behind them shows again when the socket ends
    } else if (tls_->ended()) {
        out.what = Got::end;
    }
    return out;
}

void Channel::take(std::string& output, std::string& into) {
    std::swap(into, output);
    if (frames_ && !into.empty()) into = frames_->framed(into);
}

// Puts the next bytes for the socket into wire_, which is empty. False: there are none.
bool Channel::refill(std::string& output) {
    empty(wire_, sent_);
    if (!tls_) {
        take(output, wire_);
        return !wire_.empty();
    }
    if (tls_->established()) {
        if (plain_done_ == plain_.size()) {
            empty(plain_, plain_done_);
            take(output, plain_);
        }
        const std::string_view next = std::string_view(plain_).substr(plain_done_, encrypted_at_once);
        tls_->send(next);
        plain_done_ += next.size();
    }
    tls_->take_output(wire_);
    return !wire_.empty();
}

bool Channel::send(std::string& output, bool& progress) {
    for (;;) {
        if (sent_ == wire_.size() && !refill(output)) return true;
        const ssize_t sent = ::send(socket_.get(), wire_.data() + sent_, wire_.size() - sent_, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return true;
        if (sent < 0) return false;
        progress = true;
        sent_ += static_cast<std::size_t>(sent);
    }
}

bool Channel::unsent(const std::string& output) const {
    if (sent_ < wire_.size()) return true;
    return can_send() && (plain_done_ < plain_.size() || !output.empty());
}

void Channel::end_output() {
    if (tls_) {
        tls_->close();
        std::string nothing;
        bool progress = false;
        (void)send(nothing, progress);
    }
    (void)::shutdown(socket_.get(), SHUT_WR);
}

bool Channel::discard(std::string& block) {
    const ssize_t got = ::recv(socket_.get(), block.data(), block.size(), 0);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace ddb::gateway
