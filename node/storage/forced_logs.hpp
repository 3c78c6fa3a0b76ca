// Servers beside ddb force nothing to the disk when they commit, as the journal has it all. Not so a definition: it is
// in no transaction, and only the GTID in the binary log tells that it has run. A host that loses its power must not
// keep the one without the other.
#pragma once

#include <string>

#include "schemas/result.hpp"

namespace ddb::storage {

class Connection;

// How the server forces its logs while no definition runs.
struct LogSettings {
    std::string redo;    // innodb_flush_log_at_trx_commit
    std::string binlog;  // sync_binlog
};
[[nodiscard]] Result<LogSettings> log_settings(Connection& connection);

// For the whole server, between them a definition. Forced binary logs are those that MariaDB undoes or completes by
// what was in the middle when it ended.
[[nodiscard]] std::string force_logs_sql();
[[nodiscard]] std::string usual_logs_sql(const LogSettings& usual);

// A commit that is forced to the disk takes along whatever was committed in front of it. By the service account, which
// logs nothing.
Status force_redo_log(Connection& connection);
// Of a server of this host: the newest file among its `files`; those before it were forced when they were closed.
Status force_binlog(Connection& connection, const std::string& files);

}  // namespace ddb::storage
