// The temporary tables that a session has on its coordinator, as far as the texts of its statements tell. Pure; owned
// by a session.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "node/session/classifier.hpp"

namespace ddb::session {

class TemporaryTables {
  public:
    // A statement that succeeded. `database`: the session's own.
    void ran(const Classified& statement, std::string_view sql, std::string_view database);
    // Some of which no text tells: the session has some from now on.
    void made_by_routine() { unknown_ = true; }
    void forget() { *this = TemporaryTables(); }
    [[nodiscard]] bool any() const { return unknown_ || !names_.empty(); }

  private:
    std::set<std::pair<std::string, std::string>> names_;  // database, name
    bool unknown_ = false;
};

}  // namespace ddb::session
