#include "tests/simulator/sim_database.hpp"

#include <string_view>

#include "schemas/codec.hpp"

namespace ddb::simulator {

bool SimDatabase::apply(const Entry& entry, const JournalImage& journal) {
    // FNV-1a: order and content both count.
    const auto mix = [this](std::uint64_t byte) { newest_.content = (newest_.content ^ byte) * 0x100000001b3ULL; };
    mix(entry.id.index.value);
    const auto mix_rows = [&](const Entry& rows) {
        for (const char byte : rows.payload.view()) mix(static_cast<unsigned char>(byte));
    };
    if (entry.kind == EntryKind::rows) mix_rows(entry);
    if (entry.kind == EntryKind::rows_end) {
        const PartsRange parts = decode_parts(entry.payload.view()).value();
        std::uint32_t found = 0;
        for (LogIndex index = parts.first; index < entry.id.index; index = next(index)) {
            const Entry* part = journal.find(index);
            if (!part || part->kind != EntryKind::rows_part || part->txn != entry.txn) continue;
            mix_rows(*part);
            ++found;
        }
        if (found != parts.count) return false;
    }
    newest_.position = entry.id.index;
    return true;
}

}  // namespace ddb::simulator
