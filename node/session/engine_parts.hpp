// What front and back sessions share, private to this folder: the way to the host, the executors and the pipeline, what
// is known of the cluster, and the look-up of sessions. Loop thread only, but post().
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "node/session/early_statements.hpp"
#include "node/session/executor_pool.hpp"
#include "node/session/read_balancer.hpp"
#include "node/session/read_barrier.hpp"
#include "node/session/read_lock.hpp"
#include "node/session/session_engine.hpp"
#include "node/session/session_names.hpp"
#include "node/session/table_locks.hpp"
#include "node/session/write_pipeline.hpp"
#include "schemas/status_flags.hpp"

namespace ddb::session {

class FrontSession;
class BackSession;

// One definition at a time on this coordinator (DESIGN §3.2); while one runs or is undecided, reads wait: all for
// long_ms, then those that it may concern.
class DefinitionGate {
  public:
    static constexpr std::uint64_t long_ms = 200;

    explicit DefinitionGate(ReadBarrier& barrier) : barrier_(barrier) {}
    // True: the caller is inside. False: it is queued and will be called through next().
    [[nodiscard]] bool enter(std::uint64_t serial);
    void leave();
    [[nodiscard]] std::uint64_t take_next();  // serial of the next in the queue, now inside; 0 = none
    void cancel(std::uint64_t serial);
    void inside(std::string sql, std::uint64_t now_ms);
    // Once, of one that takes long: what it can change is to be found out, and told under its number.
    struct Long {
        std::uint64_t number = 0;
        std::string sql;
    };
    [[nodiscard]] std::optional<Long> take_long(std::uint64_t now_ms);
    struct Reach {
        DefinitionReach readers;                 // who could see it
        std::optional<DefinitionReach> writers;  // whose changes depend on it; nullopt: anybody's
    };
    void narrow(std::uint64_t number, Reach reach);
    void took_effect() { barrier_.took_effect(); }
    // May what a statement has read, or the rows that it wrote into a table, depend on the one inside?
    [[nodiscard]] bool concerns_reader(std::string_view sql) const { return busy_ && barrier_.concerns(sql); }
    [[nodiscard]] bool concerns_table(std::string_view name) const { return !writers_ || writers_->concerns(name); }
    // While held nobody new gets in: a dump of this server is being taken.
    void hold(bool held) { held_ = held; }
    [[nodiscard]] bool quiet() const { return !busy_; }

  private:
    ReadBarrier& barrier_;
    bool busy_ = false;
    bool held_ = false;
    std::deque<std::uint64_t> queue_;
    std::uint64_t number_ = 0;  // of the one inside
    std::optional<Long> long_;  // until it is taken
    std::uint64_t since_ms_ = 0;
    std::optional<DefinitionReach> writers_;
};

using RequestKey = std::pair<SessionId, RequestNumber>;

// Which requests run right now, so that a retry that came over another node joins instead of running twice; and how far
// each session has come, so that a late copy of an old request is taken for a retry.
class RequestRegistry {
  public:
    // False: it runs already, `serial` waits for its end.
    [[nodiscard]] bool start(const RequestKey& key, std::uint64_t serial);
    // Serials that wait for it.
    [[nodiscard]] std::vector<std::uint64_t> finish(const RequestKey& key);
    [[nodiscard]] bool seen_before(const RequestKey& key);  // and remembers it
    void clear_progress() { progress_.clear(); }

  private:
    std::map<RequestKey, std::vector<std::uint64_t>> running_;
    std::unordered_map<SessionId, RequestNumber> progress_;
};

inline constexpr std::string_view coordinator_changed = "the coordinator changed";
// A result that has begun and does not go on. Not 2013, which means it: that is a number of the clients' library, which
// takes it in a server's message for a broken protocol.
[[nodiscard]] inline Error result_cut(std::string message) {
    return Error{ErrorCode::sql, std::move(message), 1158, "08S01"};
}
[[nodiscard]] inline Error transaction_lost_error(std::string_view why) {
    return Error{ErrorCode::sql, "transaction rolled back: " + std::string(why), 1213, "40001"};
}

// Whose message it is; 0 for those that belong to no session.
[[nodiscard]] SessionId session_of(const SessionMessage& message);

class EngineParts final : public PipelineHost {
  public:
    EngineParts(SessionHost& host_in, storage::LocalDatabase& database_in, storage::Journal& journal_in,
                SessionLimits limits_in);
    ~EngineParts() override;

    // Any thread: runs on the loop thread in the next pump(), which follows by itself what is posted there.
    void post(Task task);
    [[nodiscard]] std::vector<Task> take_posted();
    // Later in this round of the loop: keeps sessions from calling into each other.
    void defer(Task task) { deferred_.push_back(std::move(task)); }
    void run_deferred();

    [[nodiscard]] FrontSession* front(const SessionId& session);
    [[nodiscard]] BackSession* back(std::uint64_t serial);
    [[nodiscard]] BackSession* back(NodeId peer, const SessionId& session);

    void reply_to_front(SessionMessage message);                    // in process, deferred
    void send_to_back(NodeId coordinator, SessionMessage message);  // in process (deferred) or over the bus
    // What a front asks of this coordinator; `peer` 0: this node's own front.
    void on_back_request(NodeId peer, SessionMessage message);

    // front_guest.cpp: reads of other nodes' sessions here, and of this node's sessions there.
    // False: it is nothing for or of a guest.
    [[nodiscard]] bool on_guest_request(NodeId peer, SessionMessage& message);
    [[nodiscard]] bool on_guest_answer(NodeId from, SessionMessage& message);
    [[nodiscard]] Status send_to_guest(NodeId node, const SessionMessage& message);  // errors as those of the host
    [[nodiscard]] bool serves_reads() const;
    void tick_balancer();
    [[nodiscard]] std::uint32_t guests() const;

    void kill(std::uint64_t connection_id, bool query_only, Task done);  // on an executor; `done` on the loop

    void ask_outcome(core::OutcomeQuery query, std::uint64_t serial);
    [[nodiscard]] bool serving() const { return office.value != 0; }
    // A coordinator is known and, when it is this node, its office is open.
    [[nodiscard]] bool coordinator_ready() const;
    void finish_request(const RequestKey& key);
    void leave_gate();
    void wake_for_locks(std::uint64_t serial);  // later
    void pass_gate_on();                        // to the next in its queue, if it may go
    void tick_gate();
    void look_for_session_names();  // if it is time to

    // PipelineHost
    void propose(const core::Propose& proposal) override { host.propose(proposal); }
    void register_prepared(LogIndex index, TxnId txn, std::string xid,
                           std::unique_ptr<storage::Connection> connection) override;
    void register_done(LogIndex index, bool part) override { database.register_done(index, part); }
    void read_group(Epoch epoch, storage::GroupPlace place) override { database.read_group(epoch, std::move(place)); }
    void want_part() override { database.want_part(); }
    void roll_back(std::unique_ptr<storage::Connection> connection, std::string xid,
                   std::function<void(std::unique_ptr<storage::Connection>)> done) override;
    [[nodiscard]] bool owns_connection(std::uint64_t thread_id) const override {
        return own_connections.contains(thread_id);
    }
    [[nodiscard]] bool definition_concerns(std::string_view table) const override { return gate.concerns_table(table); }
    void foreign_write(const std::string& text) override;
    void fence(const std::string& reason) override { database.fence(reason); }
    [[nodiscard]] TxnId next_txn() override { return TxnId{office, ++txn_counter}; }
    [[nodiscard]] std::uint64_t wall_clock_us() const override;

    SessionHost& host;
    storage::LocalDatabase& database;
    storage::Journal& journal;
    const SessionLimits limits;
    ClusterView view;
    std::uint64_t now_ms = 0;
    Epoch office;  // this node's open one; 0 = none
    std::uint64_t txn_counter = 0;
    bool fenced = false;
    bool server_up = true;
    bool clearing = false;  // an office is being left: the server ends every user's connection
    bool quiescing = false;
    bool isolation_set = false;      // in the global scope, through this node: what sessions begin with is not known
    bool large_groups_held = false;  // wanted
    std::unordered_set<std::uint64_t> own_connections;                // of back sessions of this office
    std::unordered_map<std::uint64_t, std::uint64_t> outcome_askers;  // token → serial of the back session
    std::uint64_t last_outcome_token = 0;
    std::uint64_t last_serial = 0;
    LogIndex decided;
    ReadBarrier barrier;
    ReadBalancer balancer;
    WritePipeline pipeline;
    DefinitionGate gate;
    TableLocks table_locks;
    ReadLock read_lock;
    RequestRegistry requests;
    KnownSessionNames session_names;
    SessionEngine::Counters counters;
    std::unordered_map<SessionId, std::unique_ptr<FrontSession>> fronts;
    std::map<std::uint64_t, std::unique_ptr<BackSession>> backs;  // by serial; closed ones stay until their work ends
    std::map<std::pair<NodeId, SessionId>, std::uint64_t> back_keys;  // open ones; peer 0 = this node's own front

    std::unordered_map<SessionId, SessionId> readers;  // guests of this node's sessions → whose

    std::vector<Origin> lost_clients;  // found gone while sending; the engine ends their sessions

  private:
    void open_back(NodeId peer, OpenSession open);
    void open_guest(NodeId peer, OpenSession open);
    void answer(NodeId peer, SessionMessage message);

    const std::thread::id loop_thread_ = std::this_thread::get_id();
    std::mutex posted_mutex_;
    std::vector<Task> posted_;
    std::deque<Task> deferred_;
    bool running_deferred_ = false;

  public:
    ExecutorPool pool;  // its threads use everything above
    EarlyStatements early{pool};
};

}  // namespace ddb::session
