// A ZeroMQ socket that closes itself, and its monitor. Private to bus/. A socket never leaves the thread that made it.
#pragma once

#include <zmq.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bus/keys.hpp"
#include "schemas/result.hpp"

namespace ddb::bus {

inline constexpr const char* zap_domain = "ddb";
inline constexpr int linger_ms = 100;
inline constexpr int handshake_ms = 1000;
// The kernel cuts a connection whose other end takes nothing, or answers no probe, for so long. ZeroMQ's own heartbeats
// are not used, see DESIGN.md. Whether a peer lives is judged by the protocol's own messages, much sooner.
inline constexpr int dead_connection_ms = 15'000;
inline constexpr int keepalive_s = 5;

class Socket {
  public:
    Socket() = default;
    Socket(void* context, int type) : handle_(zmq_socket(context, type)) {}
    ~Socket() { close(); }
    Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Socket& operator=(Socket&& other) noexcept {
        if (this != &other) {
            close();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }

    [[nodiscard]] void* get() const { return handle_; }
    explicit operator bool() const { return handle_ != nullptr; }
    // Readable when something happened, not while something waits: whoever polls it takes everything there is each
    // time.
    [[nodiscard]] int fd() const;
    void close() {
        if (handle_ != nullptr) zmq_close(handle_);
        handle_ = nullptr;
    }
    // False only for an option ZeroMQ does not know, which would be our own mistake.
    void set(int option, int value) { DDB_ASSERT(zmq_setsockopt(handle_, option, &value, sizeof value) == 0); }
    void set(int option, std::int64_t value) { DDB_ASSERT(zmq_setsockopt(handle_, option, &value, sizeof value) == 0); }
    void set(int option, const void* data, std::size_t size) {
        DDB_ASSERT(zmq_setsockopt(handle_, option, data, size) == 0);
    }

  private:
    void* handle_ = nullptr;
};

// What every TCP socket of ours has: finite linger, size limit, short handshake, an end of dead connections.
void set_common_options(Socket& socket);
// Listening side: encrypted, and asks the ZAP handler about every connection.
void set_curve_server(Socket& socket, const CurveKeyPair& server);
void set_curve_client(Socket& socket, const Key& server_public, const CurveKeyPair& own);
[[nodiscard]] std::string zmq_error();

// One received frame.
class Frame {
  public:
    Frame() { zmq_msg_init(&message_); }
    ~Frame() { zmq_msg_close(&message_); }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    // Never blocks; false when nothing waits.
    [[nodiscard]] bool receive(void* socket) { return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0; }
    [[nodiscard]] std::string_view view() {
        return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
    }
    [[nodiscard]] bool more() { return zmq_msg_more(&message_) != 0; }
    // A property of the connection ("User-Id", "Peer-Address"); empty when unknown.
    [[nodiscard]] std::string_view property(const char* name) {
        const char* value = zmq_msg_gets(&message_, name);
        return value != nullptr ? std::string_view(value) : std::string_view();
    }

  private:
    zmq_msg_t message_{};
};

// Tells what happens to the connections of one socket. Must be closed before the socket it watches.
class Monitor {
  public:
    struct Event {
        int kind = 0;  // ZMQ_EVENT_*
        int value = 0;
        std::string address;
    };

    Monitor() = default;
    [[nodiscard]] static Result<Monitor> open(void* context, const Socket& watched, int events);
    ~Monitor();
    Monitor(Monitor&& other) noexcept
        : watched_(std::exchange(other.watched_, nullptr)), pair_(std::move(other.pair_)) {}
    Monitor& operator=(Monitor&& other) noexcept;
    [[nodiscard]] void* get() const { return pair_.get(); }
    [[nodiscard]] int fd() const { return pair_ ? pair_.fd() : -1; }
    [[nodiscard]] std::optional<Event> next();  // never blocks
    void close();

  private:
    void* watched_ = nullptr;
    Socket pair_;
};

}  // namespace ddb::bus
