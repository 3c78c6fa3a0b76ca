// One client's socket, with or without TLS and compressed frames on it: never waits, keeps what the socket does not
// take. Owner: the loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "node/gateway/compression.hpp"
#include "node/gateway/tls.hpp"

namespace ddb::gateway {

class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    ~Descriptor();
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_;
};

class Channel {
  public:
    explicit Channel(Descriptor socket) : socket_(std::move(socket)) {}
    [[nodiscard]] int fd() const { return socket_.get(); }

    enum class Got : std::uint8_t { bytes, nothing, end, failed };
    struct Received {
        Got what = Got::nothing;
        std::string
            bytes;  // of `bytes`: at most some 64 kB, which may have been compressed; of `failed`: why TLS cannot go on
    };
    // Reads the socket once, through `block`.
    [[nodiscard]] Received receive(std::string& block);
    // From now on the client speaks TLS; `already` was read of it.
    [[nodiscard]] Received start_tls(const TlsContext& context, std::string_view already);
    [[nodiscard]] bool speaks_tls() const { return tls_ != nullptr; }
    // Behind what was given to send(), all that is sent is in frames, and so is what is received.
    void start_compression() { frames_.emplace(); }
    [[nodiscard]] bool compresses() const { return frames_.has_value(); }
    [[nodiscard]] bool can_send() const { return !tls_ || tls_->established(); }  // else the handshake goes on

    // Takes `output` as far as the socket takes it; what was taken and not yet sent counts as unsent(). False: the
    // connection is lost. `progress`: set when bytes have left.
    [[nodiscard]] bool send(std::string& output, bool& progress);
    [[nodiscard]] bool unsent(const std::string& output) const;
    // Nothing more comes from us. The socket stays open: closed with bytes of the client unread, it would take back
    // what was sent last.
    void end_output();
    // Reads and forgets. False: the client has closed as well.
    [[nodiscard]] bool discard(std::string& block);

  private:
    [[nodiscard]] bool refill(std::string& output);
    void take(std::string& output, std::string& into);
    [[nodiscard]] Received expand(Received received);
    [[nodiscard]] Received decrypt(std::string_view bytes);

    Descriptor socket_;
    std::unique_ptr<TlsStream> tls_;
    std::optional<CompressedFrames> frames_;
    std::string wire_;  // for the socket; sent up to sent_
    std::size_t sent_ = 0;
    std::string plain_;  // under TLS: taken from the owner, not yet encrypted behind plain_done_
    std::size_t plain_done_ = 0;
};

}  // namespace ddb::gateway
