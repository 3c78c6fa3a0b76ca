// What is asked about a definition before it runs: what other nodes could not repeat is refused, its text alone does
// not tell. Blocks; executor threads.
#pragma once

#include "node/session/statement_jobs.hpp"

namespace ddb::session {

// Outside of transactions. An error is the refusal, or the server's own; nothing has been done then.
[[nodiscard]] Status may_define(storage::Connection& connection, const StatementJob& job);

// SHOW CREATE TABLE of a name as it is written; empty where the server shows none.
[[nodiscard]] Result<std::string> shown_table(storage::Connection& connection, const std::string& name);

// Said by a server's parser, before it knows that the statement is a definition: what that would commit stays open.
// Names are looked up later, but in PREPARE of views and CREATE TABLE … SELECT, whose errors are therefore not here.
[[nodiscard]] bool is_no_statement(std::uint16_t code);

}  // namespace ddb::session
