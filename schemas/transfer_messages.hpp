// State transfer between two nodes (DESIGN §3.5): the receiver asks for everything, the donor only answers, so whatever
// is lost is asked for again. Plain values. A transfer is named by a random number of the receiver.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb {

inline constexpr std::size_t transfer_chunk_bytes_max = 256u << 10;
inline constexpr std::uint32_t transfer_window_max = 16;      // chunks under way
inline constexpr std::size_t transfer_markers_max = 200'000;  // of a coordinator that has not folded them yet
inline constexpr std::size_t transfer_entries_max = 250'000;

// Begin a dump. Sent again it changes nothing; answered by TransferState.
struct TransferOpen {
    std::uint64_t transfer = 0;
    bool with_root = false;  // the receiver's server is ddb's own: its root account is part of the database
};
// "I have everything below `next` and room for `window` chunks from there on." Answered by chunks, or by TransferState.
struct TransferPull {
    std::uint64_t transfer = 0;
    std::uint64_t next = 0;
    std::uint32_t window = 0;
    bool again = false;  // something is missing: from `next` on once more
};
enum class TransferPhase : std::uint8_t {
    unknown = 0,  // no such transfer here (any more); `reason` says why
    preparing = 1,
    running = 2,
};
struct TransferState {
    std::uint64_t transfer = 0;
    TransferPhase phase = TransferPhase::unknown;
    std::string reason;
    std::uint64_t estimate_bytes = 0;  // of the whole dump, roughly
};
struct TransferChunk {
    std::uint64_t transfer = 0;
    std::uint64_t number = 0;  // from 0
    bool last = false;
    Digest digest;  // see transfer_chunk_digest
    Payload bytes;
};
// The dump is loaded and says that it holds the entries up to `position` and those with these markers: which entry is
// the last?
struct TransferHeaderRequest {
    std::uint64_t transfer = 0;
    LogIndex position;
    std::vector<std::uint64_t> markers;
};
struct TransferHeader {
    std::uint64_t transfer = 0;
    std::optional<Error> error;  // else the rest is valid
    DumpPoint point;
    std::vector<Entry> entries;  // behind `position` up to the last one; of rows and statements without their payload
};
struct TransferClose {  // the receiver needs no more
    std::uint64_t transfer = 0;
    std::string reason;  // empty: all is well
};

using TransferMessage = std::variant<TransferOpen, TransferPull, TransferState, TransferChunk, TransferHeaderRequest,
                                     TransferHeader, TransferClose>;

[[nodiscard]] Digest transfer_chunk_digest(const TransferChunk& chunk);

}  // namespace ddb
