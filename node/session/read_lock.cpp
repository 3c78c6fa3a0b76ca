#include "node/session/read_lock.hpp"

#include <algorithm>

namespace ddb::session {

bool ReadLock::must_wait(std::uint64_t serial, Use use) {
    // What its own lock forbids, its server says: everything runs in a read-only transaction then.
    const bool wait = use != Use::none && !holds(serial) &&
                      std::any_of(held_.begin(), held_.end(),
                                  [&](const auto& entry) { return use == Use::writes || entry.second.commits_wait; });
    (void)waiting_.stand(serial, wait);
    if (wait) leave(serial);  // let in before it was known to write
    return wait;
}

void ReadLock::statement_over(std::uint64_t serial) {
    waiting_.leave(serial);
    leave(serial);
}

void ReadLock::leave(std::uint64_t serial) {
    for (auto& [owner, held] : held_) {
        if (held.inside.erase(serial) != 0 && held.inside.empty()) wake_(owner);
    }
}

void ReadLock::release(std::uint64_t serial) {
    if (held_.erase(serial) == 0) return;
    waiting_.wake_all(wake_);
}

}  // namespace ddb::session
