// Purpose: tells a reader of results whether it has seen each one whole. A link may break and be made again in the
// middle of an answer, and an answer that is sent again has no rows. Owner: the reader's thread.
#pragma once
#include <cstdint>
#include <optional>

#include "schemas/session_messages.hpp"

namespace ddb {

class RowCount {
  public:
    void begin(const ResultHeader&) { seen_ = 0; }
    void add(const ResultRows& rows) {
        if (seen_) *seen_ += rows.row_count;
    }
    // Ends a result. An error when it did not come whole; of a write that is no failure: it is decided.
    [[nodiscard]] std::optional<Error> end(const ResultEnd& end) {
        const std::optional<std::uint64_t> seen = seen_;
        seen_.reset();
        if (end.error || end.rows == seen) return std::nullopt;
        if (!end.txn) return fail(ErrorCode::io, "rows of this result were lost on the way: ask again");
        return fail(ErrorCode::unknown_outcome,
                    "committed as " + to_string(end.txn) + ", but the rows it returned were lost on the way");
    }

  private:
    std::optional<std::uint64_t> seen_;
};

}  // namespace ddb
