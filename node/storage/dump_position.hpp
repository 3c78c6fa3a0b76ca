// Donor: which entry a loaded dump ends with. Free function, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "node/storage/journal.hpp"
#include "schemas/entry.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// The entries behind `position` up to the last one that is among `markers` (ascending), read from the donor's journal;
// empty without markers. XA COMMIT goes in log order, so everything in front of a marked entry is in the dump too. Rows
// and statements come without their payload. Errors: not_found (a marker that is not in the log), corrupt.
[[nodiscard]] Result<std::vector<Entry>> entries_of_dump(const Journal& journal, LogIndex position,
                                                         std::span<const std::uint64_t> markers);

}  // namespace ddb::storage
