// The locks of GET_LOCK() that a session has on its coordinator, as far as the texts of its statements tell. Pure;
// owned by a session.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace ddb::session {

class UserLocks {
  public:
    // A statement that succeeded. One that did not get its lock counts as if it had: the answer is not looked at.
    void ran(std::string_view sql);
    void forget() { *this = UserLocks(); }
    [[nodiscard]] bool any() const { return unknown_ || !times_.empty(); }

  private:
    std::map<std::string, std::size_t> times_;  // each name is to be released as often as it was taken
    bool unknown_ = false;
};

}  // namespace ddb::session
