// Brings the decided entries of a tenure into effect on the coordinator: XA COMMIT in log order, one after the other,
// so that no reader sees a later transaction without an earlier one. A second thread folds what was committed into the
// position row, away from the path of the commits. One Committer per tenure.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node/storage/connection.hpp"
#include "node/storage/journal.hpp"
#include "node/storage/local_database.hpp"

namespace ddb::storage {

class Committer {
  public:
    struct Options {
        ConnectOptions service;
        LogIndex after;  // the tenure's no-op: applied already
        std::uint32_t log_rows = 10'000;
    };
    // Called on the two threads of this object.
    struct Hooks {
        std::function<void(Committed)> committed;
        std::function<void(LogIndex applied)> applied;
        std::function<void(const std::string& reason)> failed;  // a decided transaction could not be committed
        std::function<void(LogIndex index)> audit;              // everything up to here is committed, nothing behind it
    };

    Committer(Options options, Journal& journal, Hooks hooks);
    ~Committer();  // stop() and the connections registered are closed

    // Loop thread; none of these waits.
    void decided(LogIndex up_to);
    // The office is over: what is decided from now on is of another one's log, in which these places hold other
    // entries.
    void hear_no_more();
    void register_prepared(LogIndex index, TxnId txn, std::string xid, std::unique_ptr<Connection> connection);
    void register_done(LogIndex index, bool part);  // `part`: of a large group, which changes nothing by itself
    void register_audit(LogIndex index);
    // While held, positions are written as soon as they can be. A statement leaves no marker: of what ran here the
    // position alone tells a dump.
    void hold_statements(bool hold);
    [[nodiscard]] bool statements_told() const;  // by the position: all that were registered so far

    // Lets the XA COMMIT under way finish, at most `limit`; starts no other one. False at the limit.
    bool stop(std::chrono::milliseconds limit);
    [[nodiscard]] LogIndex committed() const;

  private:
    struct Registration {
        TxnId txn;
        std::string xid;                         // empty: nothing to commit
        std::unique_ptr<Connection> connection;  // null: nothing to commit
        bool audit = false;
    };

    void add(LogIndex index, Registration registration);
    void run_commits(const std::stop_token& stop);
    void tell(std::vector<Committed>& untold);
    void run_folds(const std::stop_token& stop);
    [[nodiscard]] std::optional<Registration> wait_for_next(const std::stop_token& stop);
    [[nodiscard]] bool has_no_effect_here(LogIndex index);
    [[nodiscard]] bool commit(const std::stop_token& stop, Registration& registration);
    [[nodiscard]] bool commit_from_elsewhere(const std::stop_token& stop, const Registration& registration);
    [[nodiscard]] Result<bool> finish_orphan(Connection& service, const Registration& registration);
    void report(bool more_follow);
    Status fold(std::unique_ptr<Connection>& connection, LogIndex up_to);

    const Options options_;
    Journal& journal_;
    const Hooks hooks_;

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::map<LogIndex, Registration> registered_;
    LogIndex decided_;
    LogIndex committed_;
    bool hears_ = true;
    bool stopping_ = false;
    bool committing_ = false;
    bool fold_soon_ = false;
    LogIndex last_done_;   // registered, but for parts
    LogIndex fold_known_;  // as folded_

    std::condition_variable_any fold_due_;  // apart from `changed_`: commits must not wake the fold thread each time

    LogIndex reported_;  // of the commit thread
    LogIndex folded_;    // of the fold thread

    std::jthread fold_thread_;
    std::jthread commit_thread_;
};

}  // namespace ddb::storage
