// A node's storage without the node: a real journal, a real private server, and in the core's place a test that decides
// at once. Two of them make a coordinator and a follower.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "node/storage/journal.hpp"
#include "node/storage/local_database.hpp"
#include "tests/unit/temporary_dir.hpp"

namespace ddb::storage::test {

class StorageNode {
  public:
    // An empty dir: a fresh one, removed at the end. With an endpoint the server there is used, not one of its own.
    explicit StorageNode(std::uint32_t id, std::string dir = {}, Endpoint external = {});
    ~StorageNode();

    void start(bool content_void = false);
    void stop();                                     // journal too
    void append(const std::vector<Entry>& entries);  // durable on return
    void reset_journal(const Snapshot& snapshot);    // likewise
    [[nodiscard]] LocalDatabase& database() { return *database_; }
    [[nodiscard]] Journal& journal() { return *journal_; }
    [[nodiscard]] std::unique_ptr<Connection> service();
    [[nodiscard]] std::unique_ptr<Connection> user(const std::string& name = "root", const std::string& database = {});
    void kill_server() const;  // SIGKILL

    // Waits for what the sink was given; fails the test at the deadline.
    void wait_applied(LogIndex index);
    template <class E>
    void wait_for(const std::function<bool(const E&)>& wanted = [](const E&) { return true; });
    // The next group that is not empty of interest; takes it.
    [[nodiscard]] Captured next_group();
    [[nodiscard]] CapturedPart next_part();
    [[nodiscard]] std::optional<std::string> fenced() const;
    [[nodiscard]] LogIndex applied() const;
    [[nodiscard]] std::unique_ptr<Connection> wait_committed(LogIndex index);
    void forget_events();

  private:
    void take(DatabaseEvent event);
    void wait(const std::function<bool()>& done, const char* what);

    std::uint32_t id_;
    std::optional<ddb::test::TemporaryDir> own_dir_;  // first: it goes last
    const std::string dir_;
    Endpoint external_;
    std::unique_ptr<Journal> journal_;
    std::unique_ptr<LocalDatabase> database_;
    std::uint64_t operation_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<DatabaseEvent> events_;  // everything but groups, commits and positions
    std::deque<Captured> groups_;
    std::deque<CapturedPart> parts_;
    std::deque<Committed> committed_;
    std::optional<std::string> fenced_;
    LogIndex applied_;
    LogIndex durable_;
    std::uint64_t completed_ = 0;
};

// A log that is decided the moment it is written, on all nodes.
class Cluster {
  public:
    explicit Cluster(std::vector<StorageNode*> nodes) : nodes_(std::move(nodes)) {}
    // nodes_[0] becomes coordinator: writes the no-op and opens the office.
    void open(Epoch epoch);
    // One transaction on the coordinator: prepared, captured, logged, committed. Returns its index.
    LogIndex transaction(const std::vector<std::string>& statements, const std::string& database = "d");
    // The same without waiting for anything after the capture; not decided.
    LogIndex propose(const std::vector<std::string>& statements, const std::string& database = "d");
    // A statement that replicates as text. Returns its index, 0 when nothing was to be logged.
    LogIndex statement(const std::string& sql, const std::string& database = "d", const std::string& user = "root",
                       const std::vector<std::string>& before = {});
    LogIndex append(Entry entry, bool decide = true);
    // The rows of a large group, in parts that are decided.
    PartsRange append_parts(TxnId txn, const Captured& group);
    void append_all(std::vector<Entry> entries);
    void decide(LogIndex up_to);
    [[nodiscard]] static std::string log_rows(StorageNode& node);
    [[nodiscard]] TxnId next_txn() { return TxnId{epoch_, ++counter_}; }
    [[nodiscard]] LogIndex last() const { return LogIndex{log_.size()}; }
    [[nodiscard]] const std::vector<Entry>& log() const { return log_; }
    void next_epoch() { epoch_ = next(epoch_); }
    void settle();  // every node has applied everything
    // CHECKSUM TABLE of every table, and every definition, as one text.
    [[nodiscard]] static std::string picture(StorageNode& node);

  private:
    std::vector<StorageNode*> nodes_;
    std::vector<Entry> log_;
    Epoch epoch_;
    std::uint64_t counter_ = 0;
};

}  // namespace ddb::storage::test
