#include "node/storage/dump_position.hpp"

#include <algorithm>

#include "node/storage/metadata.hpp"
#include "schemas/transfer_messages.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t read_bytes_max = 16u << 20;
constexpr LogIndex end_of_log{UINT64_MAX - 1};  // the journal adds one

}  // namespace

Result<std::vector<Entry>> entries_of_dump(const Journal& journal, LogIndex position,
                                           std::span<const std::uint64_t> markers) {
    std::vector<Entry> out;
    std::size_t left = markers.size();
    std::size_t proven = 0;
    LogIndex from = next(position);
    while (left > 0) {
        auto entries = journal.read(from, end_of_log, read_bytes_max);
        if (!entries.ok() && entries.error().code != ErrorCode::not_found) return entries.error();
        if (!entries.ok() || entries->empty() || out.size() + entries->size() > transfer_entries_max) {
            return fail(ErrorCode::not_found, std::to_string(left) +
                                                  " transactions of the dump are not in the donor's log behind entry " +
                                                  to_string(position));
        }
        from = next(entries->back().id.index);
        for (Entry& entry : *entries) {
            if (left == 0) break;
            const bool marked =
                leaves_marker(entry.kind) && std::binary_search(markers.begin(), markers.end(), marker_of(entry.txn));
            const bool large = leaves_marker(entry.kind) || entry.kind == EntryKind::rows_part;
            if (large || entry.kind == EntryKind::statement) entry.payload = Payload();
            out.push_back(std::move(entry));
            if (!marked) continue;
            --left;
            proven = out.size();
        }
    }
    out.resize(proven);
    return out;
}

}  // namespace ddb::storage
