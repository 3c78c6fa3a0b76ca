// The node's own procedures and everybody's right to run them, as the server's tables have them. Who may write to these
// tables can take the procedures away with those of others (DELETE FROM mysql.proc), and no transaction could begin
// from then on: the node looks, and puts back what is gone or was changed. MariaDB's; MySQL shows nobody such tables.
// Blocks; any thread.
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

class OwnRoutines {
  public:
    // `service`: a session of the service account, whose changes are not logged.
    Status learn(Connection& service);  // behind create_metadata()
    Status mend(Connection& service) const;

  private:
    static constexpr std::size_t tables = 3;
    using Rows = std::vector<std::vector<std::optional<std::string>>>;

    mutable std::mutex mutex_;
    std::array<Rows, tables> rows_;  // empty before learn()
};

}  // namespace ddb::storage
