// What an EXECUTE is when its server says that it commits (1399): its text may have come from anywhere.
#pragma once

#include <optional>
#include <string>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::session {

enum class HiddenCommand {
    other,  // commits what is open, then does its own work
    rollback,
    begin,
    lock_tables,
    rename_table,
    rights,    // GRANT and REVOKE, of roles too
    accounts,  // made, changed or dropped
};

// Inside an XA that is active, where it is tried once more. Blocks.
[[nodiscard]] HiddenCommand hidden_command(storage::Connection& connection, const std::string& sql);

// Why it cannot run as a statement without a name.
[[nodiscard]] std::optional<Error> refused_when_hidden(HiddenCommand command, bool has_temporary_tables);

}  // namespace ddb::session
