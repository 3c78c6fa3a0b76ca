// The HANDLERs that a session has open on the coordinator's server, as far as its statements tell: their names, and
// which tables they read. One that the server has closed by itself stays here until its session ends: it costs a
// question too many, no more. Loop thread only.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ddb::session {

class OpenHandlers {
  public:
    // A HANDLER … OPEN that succeeded; of any other text it is one without a name. Tables are of `database` where the
    // text does not tell.
    void opened(std::string_view sql, std::string_view database);
    void closed(std::string_view sql);  // HANDLER … CLOSE
    void opened_unseen() { tables_[{}]; }

    // What names the table that a HANDLER … READ reads under another name; empty where none is known.
    [[nodiscard]] std::string_view read_by(std::string_view sql) const;
    [[nodiscard]] bool empty() const { return tables_.empty(); }

  private:
    std::map<std::string, std::string> tables_;  // by name in lower case: servers take two of them for one
};

}  // namespace ddb::session
