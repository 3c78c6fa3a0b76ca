// Runs a statement entry (DDL, accounts) on this server as the coordinator ran it: same session context, same GTID
// sequence, same error. Knows nothing about positions. Used by one thread.
#pragma once

#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "node/storage/server_dialect.hpp"
#include "schemas/entry.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// What a statement entry holds, taken apart. The views point into `payload.events`.
struct StatementParts {
    std::vector<std::string_view> queries;  // Query events
    std::string rows;                       // Table_map and rows events, in order
    std::string_view settings;              // a SET statement for what the Query events do not tell of their session
};
[[nodiscard]] Result<StatementParts> take_apart(const StatementPayload& payload);
// These settings as an event to stand before those of the statement. No server writes one of this type.
[[nodiscard]] std::string settings_event(std::string_view sql);

// The SET and USE statements that bring a fresh session into the context of a Query event. Errors: corrupt.
struct SessionSetup {
    std::string use;  // empty: none
    std::vector<std::string> settings;
    std::string text;
    std::uint16_t error = 0;  // as the event has it
    std::string grantor;      // the user who says a GRANT, empty where it is none
};
[[nodiscard]] Result<SessionSetup> session_of(const ServerDialect& dialect, std::string_view query_event);

// Runs everything but the rows, from the `first`-th query on, the n-th under `sequence` + n. Errors: sql with the
// server's code (transient ones are the caller's to judge); refused when the outcome differs from the one the entry
// expects.
Status run_statement(const ConnectOptions& service, const StatementPayload& payload, const StatementParts& parts,
                     std::uint64_t sequence, std::size_t first);

// 1205, 1213 and their kin: nothing happened, try again.
[[nodiscard]] bool is_transient(const Error& error);
// Of these, what lasts until somebody makes room on this host: its disk, its memory, its files or connections.
[[nodiscard]] bool lacks_room(const Error& error);

}  // namespace ddb::storage
