#include "tests/simulator/sim_database.hpp"

#include <string_view>

namespace ddb::simulator {

void SimDatabase::apply(const Entry& entry) {
    // FNV-1a: order and content both count.
    const auto mix = [this](std::uint64_t byte) { newest_.content = (newest_.content ^ byte) * 0x100000001b3ULL; };
    mix(entry.id.index.value);
    if (entry.kind == EntryKind::rows)
        for (const char byte : entry.payload.view()) mix(static_cast<unsigned char>(byte));
    newest_.position = entry.id.index;
}

}  // namespace ddb::simulator
