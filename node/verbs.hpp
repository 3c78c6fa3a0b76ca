// The cluster verbs of ddb-cli: each request becomes one JSON document. Verbs about the whole cluster are answered by
// the coordinator; another node passes them on and, when no answer comes in time, says what it knows itself. Owner: the
// loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/core/core.hpp"
#include "node/session/session_engine.hpp"
#include "node/transfer.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::node {

// What the verbs may look at and ask for; the driver fills it.
struct VerbContext {
    std::function<const core::CoreStatus&()> status;
    std::function<session::SessionEngine::Counters()> session_counters;
    std::function<void(core::Input)> step;
    std::function<Status(const session::Origin&, const SessionMessage&)> send;
    std::function<std::string()> fenced_reason;
    std::function<std::string()> mysql_socket;
    std::function<std::uint64_t()> mysql_pid;
    std::function<std::uint64_t()> uptime_s;
    std::function<std::vector<TransferStatus>()> transfers;
    std::function<Status(const std::string&)> dial;  // until hung up; may be repeated
    std::function<void(const std::string&)> hang_up;
    std::function<std::string(NodeId)> dialled_at;   // "host:port"; empty = unknown
    std::function<void(std::uint64_t token)> audit;  // → on_audit
    std::function<std::string()> last_audit;         // JSON
    std::function<std::uint64_t(NodeId)> reads;      // of our clients, that this node did
    NodeId self;
    std::string address;  // "host:port" of our bus
    std::string cluster;
};

[[nodiscard]] bool changes_cluster(const std::string& verb);  // add, remove, step-down

class Verbs {
  public:
    explicit Verbs(VerbContext context) : context_(std::move(context)) {}

    void on_request(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms);
    void on_reply(const VerbReply& reply);  // of a verb passed on to the coordinator
    void on_outcome(const core::OutcomeAnswer& answer);
    void on_command(const core::CommandAnswer& answer);
    void on_audit(std::uint64_t token, const Result<std::string>& result);
    void tick(std::uint64_t now_ms);  // deadlines
    // SHOW DDB STATUS (a row for each key of `status`) and NODES (a row for each node), as this node sees it.
    [[nodiscard]] session::NodeTable table(session::DdbView view) const;

    // Tokens of core questions with this bit are ours, the others the session engine's.
    static constexpr std::uint64_t token_bit = 1ULL << 63;

  private:
    static constexpr std::size_t pending_max = 256;
    static constexpr std::uint64_t forward_timeout_ms = 1500;
    static constexpr std::uint64_t answer_margin_ms = 300;  // so much before its client's deadline an answer leaves

    struct Pending {
        session::Origin from;
        VerbRequest request;
        std::uint64_t deadline_ms = 0;
        bool forwarded = false;
        // `add`: spellings of the one address where a node has yet to say hello. Nothing has happened so far.
        std::vector<std::string> awaited;
    };

    void answer(const session::Origin& to, std::uint64_t id, const std::string& json);
    void refuse(const session::Origin& to, std::uint64_t id, Error error);
    [[nodiscard]] std::optional<std::uint64_t> remember(const session::Origin& from, const VerbRequest& request,
                                                        std::uint64_t now_ms, bool forwarded);
    [[nodiscard]] bool pass_on(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms);
    void change(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms);
    void add_by_address(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms);
    [[nodiscard]] bool advance_add(std::uint64_t token, Pending& pending);
    void expire(Pending expired);
    [[nodiscard]] std::string change_json(const VerbRequest& request, const core::CommandAnswer& command) const;
    void ask_fate(const session::Origin& from, const VerbRequest& request, std::uint64_t now_ms);
    [[nodiscard]] std::string status_json() const;
    [[nodiscard]] std::string nodes_json() const;
    [[nodiscard]] std::string health_json() const;
    void answer_local(const session::Origin& from, const VerbRequest& request);

    VerbContext context_;
    std::map<std::uint64_t, Pending> pending_;
    std::uint64_t next_token_ = token_bit;
};

}  // namespace ddb::node
