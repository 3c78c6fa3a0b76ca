// What a statement may ask about the one before it: ROW_COUNT() and FOUND_ROWS(). The server that is asked may not
// know: XA END and XA PREPARE ran on its connection since, or the statement before was a read on another node. So the
// values are put in the functions' places. So are @@autocommit, as no server is told that it is off, and
// @@in_transaction, as reads outside of transactions run in one of ours. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/session/classifier.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

struct LastStatement {
    std::int64_t row_count = 0;               // as ROW_COUNT() has it: -1 behind rows and errors
    std::optional<std::uint64_t> found_rows;  // when the coordinator's connection does not know it
};

struct SessionState {  // as the client knows it; where it is on, servers say so themselves
    bool autocommit = true;
    bool in_transaction = true;
};

[[nodiscard]] std::int64_t row_count_of(const ResultEnd& end);
// What FOUND_ROWS() says behind the statement; `local`: this node's server ran it.
[[nodiscard]] std::optional<std::uint64_t> found_rows_of(std::string_view sql, const ResultEnd& end, bool local,
                                                         const LastStatement& before);

// The statement with the values in it; nothing when it asks for none, or may mean something else by these words.
[[nodiscard]] std::optional<std::string> with_last_statement(std::string_view sql, StatementKind kind,
                                                             const LastStatement& last, SessionState state = {});

}  // namespace ddb::session
