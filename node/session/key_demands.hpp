// Definitions that might leave a table of all nodes without a primary key: only while these run does a coordinator's
// server demand one, as temporary tables, whose rows are in no log, need none.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "node/session/statement_jobs.hpp"
#include "node/storage/local_database.hpp"
#include "schemas/result.hpp"

namespace ddb::session {

// From its text, and of an ALTER TABLE from the table as it is now. Blocks.
[[nodiscard]] bool may_leave_without_key(storage::Connection& connection, const std::string& sql);

// The server demands keys while this lives; MySQL does so always. Blocks.
class KeyDemand {
  public:
    KeyDemand(const storage::LocalDatabase& database, bool wanted);
    ~KeyDemand() { end(); }
    KeyDemand(const KeyDemand&) = delete;
    KeyDemand& operator=(const KeyDemand&) = delete;
    void end();
    [[nodiscard]] const std::optional<Error>& failed() const { return failed_; }

  private:
    std::unique_ptr<storage::Connection> service_;  // null: nothing to end
    std::optional<Error> failed_;
};

// A table without a key, which the server has refused before any effect: once more, with one. Of partitions it would
// have to name what they go by.
void run_with_key(JobReport& report, const StatementJob& job, const std::string& sql, KeyDemand& keys,
                  ResultSink& sink);

}  // namespace ddb::session
