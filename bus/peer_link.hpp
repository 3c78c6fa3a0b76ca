// Our dialling side towards one peer: its DEALER, the monitor of it, and the bytes waiting in it. Private to bus/.
// Owner: the loop thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bus/keys.hpp"
#include "bus/socket.hpp"
#include "schemas/result.hpp"

namespace ddb::bus {

// Keys of a dialling socket; absent when insecure.
struct DialKeys {
    Key server_public{};
    CurveKeyPair own;
};

class PeerLink {
  public:
    struct Change {
        std::optional<bool> up;  // came up, or went down
        std::string refused;     // the peer refused us, in words
        bool dialled = false;    // monitor_fd() is another one
    };

    PeerLink(void* context, std::string address, const std::optional<DialKeys>& keys, std::uint64_t queue_bytes_max);

    // (Re)creates the socket. Errors: the address makes no sense.
    [[nodiscard]] Status dial();
    [[nodiscard]] const std::string& address() const { return address_; }
    [[nodiscard]] bool up() const { return up_; }
    [[nodiscard]] int monitor_fd() const { return monitor_.fd(); }  // -1 before dial()
    [[nodiscard]] bool full() const { return waiting_bytes() >= queue_bytes_max_; }
    [[nodiscard]] std::uint64_t waiting_bytes() const { return waiting_bytes_->load(std::memory_order_relaxed); }

    // Never blocks. A long message is moved out of `sealed`, a short one copied, so that its buffer can be used again.
    Status send(std::string& sealed);
    // Reads the monitor, and dials again after a refusal.
    [[nodiscard]] Change housekeeping();

  private:
    using Clock = std::chrono::steady_clock;
    // ZeroMQ connects again by itself after a broken connection, but not after a refused one.
    static constexpr std::chrono::milliseconds redial_after{1000};
    static constexpr int messages_max = 20'000;

    void* context_;
    std::string address_;
    std::optional<DialKeys> keys_;
    std::uint64_t queue_bytes_max_;
    // Shared with the messages inside ZeroMQ, which may be released after this link and on another thread.
    std::shared_ptr<std::atomic<std::uint64_t>> waiting_bytes_;
    Socket dealer_;
    Monitor monitor_;  // closed before the socket it watches
    bool up_ = false;
    std::optional<Clock::time_point> redial_at_;
};

}  // namespace ddb::bus
