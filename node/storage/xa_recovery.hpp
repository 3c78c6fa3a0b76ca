// Prepared transactions of ours that nobody will finish: DESIGN §3.1 rolls every one of them back and lets the log
// speak. Then the database's true position: the position row plus the markers of transactions committed behind it.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "node/storage/journal.hpp"
#include "node/storage/metadata.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct PreparedTransaction {
    std::string xid;                 // gtrid
    std::string statement_argument;  // as XA ROLLBACK takes it
    bool ours = false;
};
[[nodiscard]] Result<std::vector<PreparedTransaction>> prepared_transactions(Connection& service);

// Until none of ours is left; those of others stay and are returned. Error: timeout (an owner that does not go away).
[[nodiscard]] Result<std::vector<std::string>> roll_back_prepared(Connection& service, std::chrono::milliseconds limit);

// Writes what XA COMMITs behind the position row into it, with their rows of the transactions_log, and removes every
// marker. Only while none of our transactions is open. Errors: refused: the server holds transactions that the log does
// not.
[[nodiscard]] Result<Position> settle_position(Connection& service, Journal& journal, std::uint32_t log_rows);

// One fold: position, log and markers of `entries`, contiguous from the position row, as one transaction.
Status fold_entries(Connection& service, std::span<const Entry> entries, std::uint32_t log_rows);

// The statements among `entries` are in the log and in the database: their intents have served.
void clear_intents(Journal& journal, std::span<const Entry> entries);

}  // namespace ddb::storage
