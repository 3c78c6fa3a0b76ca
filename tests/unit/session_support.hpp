// Session engines without a network: one node's journal, private server and database, one engine that is its
// coordinator and, when asked for, a second one that forwards to the first. Every proposal is accepted at once and
// decided when its journal write is durable, as in a cluster of one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "node/session/session_engine.hpp"
#include "node/storage/journal.hpp"
#include "node/storage/local_database.hpp"
#include "tests/unit/temporary_dir.hpp"

namespace ddb::session::test {

class Bench;

// One node's engine and what it sent to its clients.
class TestNode final : public SessionHost {
  public:
    TestNode(Bench& bench, NodeId id);
    ~TestNode() override;

    Status send(const Origin& to, const SessionMessage& message) override;
    void ask_read_index(ReadToken token) override;
    void ask_outcome(const core::OutcomeQuery& query) override;
    void propose(const core::Propose& proposal) override;
    std::uint16_t holders(LogIndex) override { return 1; }
    [[nodiscard]] bool applied_everywhere(LogIndex) override { return true; }
    [[nodiscard]] NodeTable show(DdbView view) override {
        if (view == DdbView::nodes) return {{"id", "lag"}, {{"1", "0"}, {"2", std::nullopt}}};
        return {{"Variable_name", "Value"}, {{"role", std::string(300, 'x')}}};
    }
    void log(int level, const std::string& text) override;
    void wake() override;

    Bench& bench;
    const NodeId id;
    std::unique_ptr<SessionEngine> engine;
    std::map<std::string, std::deque<SessionMessage>> sent;  // by client
    std::vector<std::string> logged;
    core::OutcomeQuery last_outcome_query;
    std::size_t read_indexes_asked = 0;
    bool clients_gone = false;
    bool hears_coordinator = true;  // else nobody confirms an office to it
};

// All that came back for one request.
struct Answer {
    std::vector<Column> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;  // of all results
    ResultEnd end;
    std::size_t results = 0;
    [[nodiscard]] std::string cell(std::size_t row = 0, std::size_t column = 0) const;
    [[nodiscard]] int code() const { return end.error ? end.error->mysql_code : 0; }
};

class Bench {
  public:
    Bench();
    ~Bench();

    // Handles whatever is due until `done`, or fails the test after `limit_ms`.
    void run_until(const std::function<bool()>& done, int limit_ms = 30'000);
    void run_for(int ms);
    void open_office();   // next epoch
    void close_office();  // answers as a lost office does
    void set_view(NodeId coordinator, bool quorum = true);
    // Proposals are kept undecided while set.
    void hold_decisions(bool hold);
    [[nodiscard]] std::uint64_t now_ms() const;

    ddb::test::TemporaryDir dir;
    std::unique_ptr<storage::Journal> journal;
    std::unique_ptr<storage::LocalDatabase> database;
    std::unique_ptr<TestNode> node;      // coordinator
    std::unique_ptr<TestNode> follower;  // forwards to it
    Epoch epoch;
    std::vector<Entry> entries;
    bool deliver_to_peers = true;

  private:
    friend class TestNode;
    using Event = std::function<void()>;
    void post(Event event);  // any thread
    void take(storage::DatabaseEvent event);
    void append(Entry entry);
    void decide();
    void check_decided();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Event> events_;
    std::uint64_t last_tick_ms_ = 0;
    std::uint64_t operations_ = 0;
    LogIndex durable_;
    LogIndex decided_;
    bool hold_ = false;
    bool ready_ = false;
    bool left_ = false;
};

// A client of one node.
class Client {
  public:
    Client(Bench& bench, TestNode& node, const std::string& user = "root", const std::string& database = "",
           bool open = true);
    ~Client();
    Client(Client&& other) noexcept = default;  // leaves `name` empty behind: a long one is moved out
    [[nodiscard]] Answer run(const std::string& sql);
    // run() that must not fail.
    Answer good(const std::string& sql);
    RequestNumber start(const std::string& sql, bool retry = false, RequestNumber number = {});
    [[nodiscard]] Answer finish(RequestNumber request);
    [[nodiscard]] bool waits(RequestNumber request);  // has no end of it yet, after a while
    void cancel(RequestNumber request);
    void credit(RequestNumber request, std::uint32_t bytes);
    [[nodiscard]] std::deque<SessionMessage>& inbox() { return node.sent[name]; }
    void open();

    Bench& bench;
    TestNode& node;
    std::string name;
    SessionId session;
    std::string user;
    std::string database;
    SessionOpened opened;
    bool from_other_host = false;
    Consistency consistency = Consistency::strong;
    std::uint32_t timeout_ms = 10'000;
    std::uint32_t credit_bytes = result_credit_bytes_default;
    RequestNumber last;
};

// Starting a server takes a second: one for all cases, each with a table of its own.
[[nodiscard]] Bench& bench();
// A client of the coordinator, with database d in use and this table (id, v) made.
[[nodiscard]] Client fresh(const char* table);

}  // namespace ddb::session::test
