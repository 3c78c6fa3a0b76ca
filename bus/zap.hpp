// Decides who may connect: the derived keys of nodes, and the client key. Answers ZeroMQ's authentication requests
// (ZAP, RFC 27) and names the key holder in the connection's User-Id: "node:<id>" or "client". Private to bus/. Owner:
// the loop thread, which must keep serving it or nobody gets in. Opened before any socket listens: without a handler
// ZeroMQ would let everybody in.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "bus/complaints.hpp"
#include "bus/keys.hpp"
#include "bus/socket.hpp"
#include "schemas/result.hpp"

namespace ddb::bus {

class ZapHandler {
  public:
    [[nodiscard]] static Result<std::unique_ptr<ZapHandler>> open(void* context, const ClusterKeys& keys,
                                                                  Complaints& complaints);
    [[nodiscard]] int fd() const { return reply_.fd(); }  // to poll for input
    void serve();                                         // answers what waits; never blocks
    void know(NodeId id);                                 // a node that may dial us soon
    [[nodiscard]] std::uint64_t refused() const { return refused_; }

    // Connects to our own endpoint with an unknown key and without any, and proves that neither gets in.
    [[nodiscard]] Status prove_refusal(void* context, const std::string& endpoint);

  private:
    ZapHandler(const ClusterKeys& keys, Complaints& complaints);
    [[nodiscard]] std::string user_of(const Key& public_key);
    void know_more();
    [[nodiscard]] Status expect_refusal(void* context, const std::string& endpoint, bool with_key);

    // A key does not tell its node id, so keys are looked up among the derived ones: small ids from the start, those we
    // dial when we dial them, and the rest in steps when an unknown key knocks. Bounded by the number of ids.
    static constexpr std::uint32_t ids_at_start = 64;
    static constexpr std::uint32_t ids_per_step = 128;  // some milliseconds of the loop thread
    static constexpr std::uint32_t ids_max = 65535;
    static constexpr std::chrono::milliseconds step_interval{500};

    ClusterKeys keys_;
    Key client_public_;
    Complaints& complaints_;
    Socket reply_;
    std::map<Key, NodeId> nodes_;
    std::uint32_t known_up_to_ = 0;
    std::chrono::steady_clock::time_point next_step_{};
    std::uint64_t refused_ = 0;
    bool proving_ = false;  // refusals of our own test are no news
};

}  // namespace ddb::bus
