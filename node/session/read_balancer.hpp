// Which node's server reads next, for sessions that balance their reads: who is in reach and serves, how much is under
// way there, who failed a moment ago. Asks the other members while any session balances, and only then.
// Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "schemas/ids.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

struct CountDown {
    void operator()(std::uint32_t* count) const { --*count; }
};
// A read under way counts for as long as this lives.
using ReadSlot = std::unique_ptr<std::uint32_t, CountDown>;

class ReadBalancer {
  public:
    using Ask = std::function<void(NodeId)>;             // sends it a LoadAsk
    using Excluded = std::function<bool(NodeId)>;        // by the session that asks
    static constexpr std::uint64_t ask_ms = 250;         // so often
    static constexpr std::uint64_t wanted_ms = 10'000;   // after the last read that was balanced
    static constexpr std::uint64_t failed_ms = 2000;     // a node that failed is left alone for so long
    static constexpr std::uint32_t unanswered_late = 4;  // in a row: nothing new is read there
    static constexpr std::uint32_t unanswered_max = 6;   // and what is under way there is taken for lost

    explicit ReadBalancer(Ask ask) : ask_(std::move(ask)) {}

    void set_members(NodeId self, const std::vector<NodeId>& voters);
    void tick(std::uint64_t now_ms);
    void want();
    void on_notice(NodeId from, const LoadNotice& notice);
    void failed(NodeId node);
    void gone(NodeId node);  // its link is down

    // The node to read on; 0 = none. Equals take turns. `own_serves`: this node, too.
    [[nodiscard]] NodeId pick(ReadBalance how, bool own_serves, const Excluded& excluded);
    [[nodiscard]] bool silent(NodeId node) const;
    [[nodiscard]] bool serves(NodeId node) const;  // as far as is known

    [[nodiscard]] ReadSlot own_read(NodeId on);    // of a session of this node
    [[nodiscard]] ReadSlot guest_read(NodeId of);  // of another node's session, here
    void set_back_statements(std::uint32_t running) { back_statements_ = running; }
    // Under way on this node's server, without those of `asker`.
    [[nodiscard]] std::uint32_t load_without(NodeId asker) const;
    // Reads of this node's sessions since it started, by the node that did them.
    [[nodiscard]] const std::map<NodeId, std::uint64_t>& reads() const { return reads_; }

  private:
    struct Peer {
        bool heard = false;  // since it is asked
        std::uint32_t unanswered = 0;
        LoadNotice notice;
        std::uint64_t failed_until_ms = 0;
    };
    [[nodiscard]] bool eligible(NodeId node) const;
    [[nodiscard]] std::uint32_t load_of(NodeId node) const;
    void ask_all();

    const Ask ask_;
    NodeId self_;
    std::vector<NodeId> ring_;  // the voters and ourselves, by id
    std::map<NodeId, Peer> peers_;
    std::map<NodeId, std::uint32_t> own_reads_;    // under way, by the node that does them
    std::map<NodeId, std::uint32_t> guest_reads_;  // here, by the node that asked for them
    std::map<NodeId, std::uint64_t> reads_;
    std::uint32_t back_statements_ = 0;
    NodeId last_picked_;
    std::uint64_t now_ms_ = 0;
    std::uint64_t wanted_until_ms_ = 0;
    std::uint64_t next_ask_ms_ = 0;
};

}  // namespace ddb::session
