// Mistakes made on purpose, to prove that the simulator finds each of them. Only one test builds the core with
// DDB_PLANTED_BUGS; everywhere else planted() is false at compile time and leaves no code.
#pragma once

#include <cstdint>

namespace ddb::core {

enum class Bug : std::uint8_t {
    none,
    vote_before_sync,
    grant_twice,
    ignore_rank,
    decide_older_epoch,
    forget_epoch,
    apply_undecided,
    wiped_node_votes,
    execute_twice,
    absent_unconfirmed,
    read_unconfirmed,
    question_always_confirms,
};

#ifdef DDB_PLANTED_BUGS
extern Bug planted_bug;  // chosen before the first core is made
[[nodiscard]] inline bool planted(Bug bug) {
    return planted_bug == bug;
}
#else
[[nodiscard]] constexpr bool planted(Bug) {
    return false;
}
#endif

}  // namespace ddb::core
