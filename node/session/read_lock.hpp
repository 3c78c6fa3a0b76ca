// FLUSH TABLES WITH READ LOCK on the coordinator. On the server it would keep transactions from being prepared and
// committed that others depend on, so the node keeps this lock itself: what writes waits before it reaches the server.
//
// As on a server it is taken in two steps: writing statements wait first, while transactions may still commit, which
// those that run may be waiting for; when none runs any more, commits wait too. Any number of sessions may hold it.
//
// Loop thread only. Sessions are known by their serial; all locks end with their sessions, and those with the office.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "node/session/waiting_line.hpp"

namespace ddb::session {

class ReadLock {
  public:
    enum class Use : std::uint8_t { none, commits, writes };  // of a statement: commits what was written before

    // `wake`: a session that waits may ask again, later, and not from inside the call.
    explicit ReadLock(std::function<void(std::uint64_t)> wake) : wake_(std::move(wake)) {}

    // False: it may run. True: it waits and is woken when that may have changed.
    [[nodiscard]] bool must_wait(std::uint64_t serial, Use use);
    void statement_over(std::uint64_t serial);

    void ask(std::uint64_t serial) { held_.try_emplace(serial); }  // nobody new writes
    void hold_commits(std::uint64_t serial) { held_.at(serial).commits_wait = true; }
    [[nodiscard]] bool holds_commits(std::uint64_t serial) const { return held_.at(serial).commits_wait; }
    // A statement of `other` that was let run before, and has to end first.
    void under_way(std::uint64_t serial, std::uint64_t other) { held_.at(serial).inside.insert(other); }
    [[nodiscard]] bool others_inside(std::uint64_t serial) const { return !held_.at(serial).inside.empty(); }
    void release(std::uint64_t serial);

    [[nodiscard]] bool holds(std::uint64_t serial) const { return held_.contains(serial); }
    [[nodiscard]] bool others_hold(std::uint64_t serial) const { return held_.size() > (holds(serial) ? 1 : 0); }

  private:
    void leave(std::uint64_t serial);

    struct Held {
        bool commits_wait = false;
        std::set<std::uint64_t> inside;
    };
    std::function<void(std::uint64_t)> wake_;
    std::map<std::uint64_t, Held> held_;
    WaitingLine waiting_;
};

}  // namespace ddb::session
