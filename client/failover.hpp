// What may be done with a statement whose node went away, and what a session must get back on another node. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/ids.hpp"

namespace ddb::client {

enum class StatementClass : std::uint8_t {
    read,     // has no effect anywhere: may simply run again
    setting,  // SET, USE: an effect on the session alone, which may be repeated
    begin,
    commit,
    rollback,  // of the whole transaction
    dml,       // may write, commits nothing by itself
    other,     // may write and may end a transaction: DDL, accounts, anything unknown
};

// Errs on the side of `dml` and `other`: a SELECT that calls a function that is not built in may write.
[[nodiscard]] StatementClass classify(std::string_view sql);

// Settings of a session that a new one on another node must repeat, in order.
class SessionMemory {
  public:
    struct Setting {
        RequestNumber request;
        std::string sql;
    };

    // Notes a statement that succeeded.
    void succeeded(StatementClass kind, std::string_view sql, RequestNumber request);
    void generated_id(std::uint64_t last_insert_id, RequestNumber request);
    [[nodiscard]] std::vector<Setting> settings() const;
    // False: the session has something that cannot be repeated (temporary table, lock, prepared statement, variable).
    [[nodiscard]] bool restorable() const { return restorable_; }
    void accept_loss() { restorable_ = true; }  // the user was told

  private:
    void remember(std::string sql, RequestNumber request);
    std::vector<Setting> settings_;
    Setting generated_;  // LAST_INSERT_ID() as the session knows it
    std::size_t bytes_ = 0;
    bool restorable_ = true;
};

}  // namespace ddb::client
