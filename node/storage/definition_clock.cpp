#include "node/storage/definition_clock.hpp"

#include <algorithm>
#include <array>

#include "node/storage/sql_words.hpp"

namespace ddb::storage {

// EXECUTE tells nothing.
bool may_make_routine(std::string_view sql) {
    constexpr std::array<std::string_view, 6> words{"FUNCTION", "PROCEDURE", "PACKAGE", "VIEW", "RENAME", "EXECUTE"};
    return std::any_of(words.begin(), words.end(), [&](auto word) { return contains(sql, word); });
}

DefinitionClock::Running::Running(DefinitionClock* clock) : clock_(clock) {
    if (clock_ != nullptr) ++clock_->begun_;
}

DefinitionClock::Running::~Running() {
    if (clock_ != nullptr) ++clock_->ended_;
}

// In this order: had another one begun in between, it would be counted by the second number only.
std::optional<std::uint64_t> DefinitionClock::quiet() const {
    const std::uint64_t ended = ended_;
    const std::uint64_t begun = begun_;
    return begun == ended ? std::optional(begun) : std::nullopt;
}

}  // namespace ddb::storage
