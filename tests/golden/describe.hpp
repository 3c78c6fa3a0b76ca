// Effects and messages as one line of text each, for golden scripts.
#pragma once

#include <string>

#include "node/core/io.hpp"

namespace ddb::golden {

[[nodiscard]] std::string describe(EntryId id);  // "2/7": epoch 2, index 7
[[nodiscard]] std::string describe(const Membership& membership);
[[nodiscard]] std::string describe(const Snapshot& snapshot);
[[nodiscard]] std::string describe(const DumpPoint& point);
[[nodiscard]] std::string describe(const PeerMessage& message);
[[nodiscard]] std::string describe(const core::Effect& effect);  // all but Send
[[nodiscard]] std::string describe(const core::JournalWrite& write);

}  // namespace ddb::golden
