// How a write ended. Values; any thread, but for the connection in it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "node/storage/connection.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::session {

struct WriteResult {
    enum class Kind : std::uint8_t {
        decided,
        nothing,  // nothing to replicate; rolled back
        failed,   // definite: never given to the journal
        unknown,
    };
    Kind kind = Kind::failed;
    LogIndex index;
    Error error;
    std::unique_ptr<storage::Connection> connection;  // given back; null when it is gone
};
using WriteDone = std::function<void(WriteResult)>;

[[nodiscard]] inline WriteResult ended(WriteResult::Kind kind, Error error = {}) {
    WriteResult result;
    result.kind = kind;
    result.error = std::move(error);
    return result;
}

[[nodiscard]] inline Error unknown_error(TxnId txn, const std::string& reason) {
    return fail(ErrorCode::unknown_outcome, "outcome of " + to_string(txn) + " is unknown: " + reason);
}

}  // namespace ddb::session
