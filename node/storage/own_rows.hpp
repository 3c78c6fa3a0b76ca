// The node's own procedures, everybody's right to run them and the node's own account, as the server's tables have
// them. Who may write to these tables can take them away with those of others (DELETE FROM mysql.proc, DELETE FROM
// mysql.user WHERE User <> 'root'), and no transaction could begin from then on, or nobody log in: the node looks, and
// puts back what is gone or was changed. MySQL shows nobody its table of procedures. Blocks; any thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// A statement (or an event of one) that makes the server read its tables of accounts anew: what is gone from them must
// be back before.
[[nodiscard]] bool may_read_accounts(std::string_view sql);

class OwnRows {
  public:
    // `service`: a session of the service account, whose changes are not logged.
    Status learn(Connection& service);  // behind create_metadata()
    Status mend(Connection& service) const;

  private:
    using Rows = std::vector<std::vector<std::optional<std::string>>>;

    mutable std::mutex mutex_;
    std::vector<Rows> rows_;  // as ServerDialect::vital_tables() names them; empty before learn()
};

}  // namespace ddb::storage
