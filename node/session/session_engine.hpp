// All conversations of this node: as the front of its own clients (bus and, later, the MySQL listener), and as the back
// end of other nodes' sessions while this node is coordinator. Knows SQL routing; does not know sockets: everything it
// wants from the rest of the node goes through SessionHost.
//
// Owner: the loop thread calls every public function; statements run on executor threads inside, which post back
// through SessionHost::wake(), upon which the loop calls pump().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/core/io.hpp"
#include "node/session/classifier.hpp"
#include "node/storage/local_database.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

// Where a session's messages come from and its answers go to.
struct Origin {
    NodeId peer;         // not 0: forwarded by that node
    std::string client;  // else the bus route of the client (or a front end's own name for it)
    friend auto operator<=>(const Origin&, const Origin&) = default;
};

struct SessionLimits {
    std::uint32_t sessions_max = 500;  // of clients on this node; the same number again for guests, and three times
                                       // as many for the coordinator's part of its own and of two other nodes'
    std::uint32_t requests_queued_max = 16;               // per session
    std::uint64_t result_bytes_buffered_max = 64u << 20;  // results that must wait for their decision (RETURNING)
    std::uint32_t transaction_ms = 30'000;                // idle limit of an open transaction
    std::uint32_t lock_wait_ms = 30'000;
    std::uint32_t session_idle_ms = 8 * 3600 * 1000;
    ReadBalance read_balance = ReadBalance::off;  // of sessions that say nothing else
    std::string service_user = "ddb";             // the node's own account: nobody may log in as it
};

// What the node tells of itself and of the others, as a result.
struct NodeTable {
    std::vector<std::string> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;  // each as long as `columns`
};

// What the engine asks of the node. All calls are made on the loop thread, but wake().
class SessionHost {
  public:
    virtual ~SessionHost() = default;
    // Errors: not_found = the receiver is gone; overloaded = try again when pump() is called next.
    virtual Status send(const Origin& to, const SessionMessage& message) = 0;
    virtual void ask_read_index(ReadToken token) = 0;               // answered by on_read_index
    virtual void ask_outcome(const core::OutcomeQuery& query) = 0;  // answered by on_outcome
    virtual void propose(const core::Propose& proposal) = 0;        // answered by on_accepted / on_refused / on_unknown
    virtual std::uint16_t holders(LogIndex index) = 0;              // voters that hold it durably
    [[nodiscard]] virtual bool applied_everywhere(LogIndex index) = 0;  // by every live member: write concern `all`
    [[nodiscard]] virtual NodeTable show(DdbView view) = 0;             // status or nodes
    virtual void log(int level, const std::string& text) = 0;  // spdlog level; never with SQL of secret statements
    virtual void wake() = 0;                                   // any thread: let the loop call pump() soon
};

// What the engine needs to know about the cluster to route; told whenever it changes.
struct ClusterView {
    NodeId self;
    NodeId coordinator;  // 0 = none known
    std::string coordinator_address;
    Epoch epoch;
    std::uint16_t members = 0;
    std::vector<NodeId> voters;
    bool quorum = false;  // a coordinator is known and was heard within an election timeout
    std::string reason;   // in words, when there is no quorum
};

class SessionEngine {
  public:
    SessionEngine(SessionHost& host, storage::LocalDatabase& database, storage::Journal& journal, SessionLimits limits);
    ~SessionEngine();  // ends every session; joins the executors (bounded: connections are killed)

    void on_message(const Origin& from, SessionMessage message, std::uint64_t now_ms);
    void on_client_gone(const Origin& client);
    void on_peer_gone(NodeId peer);  // unreachable for long, or another boot of it appeared: its forwarded sessions end
    void on_view(const ClusterView& view);
    void tick(std::uint64_t now_ms);  // deadlines, idle limits, client probing; call every 10-100 ms
    void pump(std::uint64_t now_ms);  // takes what executors posted

    // Answers of the local server that the loop reads itself: when the descriptor is readable, it calls on_answers().
    [[nodiscard]] int answers_fd() const;
    void on_answers(std::uint64_t now_ms);

    // Local database.
    void on_applied(LogIndex applied);
    void on_captured(storage::Captured group);
    void on_captured_part(storage::CapturedPart part);
    void on_committed(storage::Committed committed);
    void on_office_ready(Epoch epoch);  // this node's back end may run writes of this tenure
    void on_office_closing(
        Epoch epoch);       // drop connections, answer what is undecided as unknown, the rest as failed or retryable
    void on_office_left();  // the server ends no more connections
    void on_fenced(const std::string& reason);
    void on_rebuilt();  // the database was replaced by another node's: what it was fenced for is gone
    void on_server_down();

    // Core.
    void on_read_index(const core::ReadIndexAnswer& answer);
    void on_outcome(const core::OutcomeAnswer& answer);
    void on_accepted(const core::ProposalAccepted& accepted);
    void on_refused(const core::ProposalRefused& refused);
    void on_unknown(const core::ProposalUnknown& unknown);
    void on_decided(LogIndex up_to);

    // Hand-over: hold new transactions back; true once nothing is open. end lets them go.
    [[nodiscard]] bool quiesce();
    void quiesce_end();
    // A dump of this node's server is being taken: new definitions wait. True once none is under way.
    void hold_definitions(bool hold);
    [[nodiscard]] bool definitions_held() const;
    // The same for transactions in parts; held only once no definition is under way, which might wait for one of them.
    void hold_large_groups(bool hold);
    [[nodiscard]] bool large_groups_held();
    [[nodiscard]] bool idle() const;  // no transaction, temporary table or user lock open on this coordinator

    // A definition is under way here, or a transaction in parts: a change of coordinator now would cost this database,
    // which is loaded anew where the log does not have what ran, or minutes of a client's work.
    [[nodiscard]] bool costly_to_leave() const;

    struct Counters {
        std::uint32_t sessions = 0, forwarded_sessions = 0, guests = 0, open_transactions = 0, executors = 0;
        std::uint64_t balanced_reads = 0, reads_asked_again = 0;  // sent to a guest; and anew, as it could not
        std::uint64_t statements = 0, local_reads = 0, writes = 0, errors = 0, unknown = 0, foreign_writes = 0;
    };
    [[nodiscard]] Counters counters() const;
    // Reads of this node's sessions since it started, by the node whose server did them.
    [[nodiscard]] const std::map<NodeId, std::uint64_t>& reads_by_node() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::session
