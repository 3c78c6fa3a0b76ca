// What a session has said that lives in its server's session: settings, variables, statements prepared by name. The
// next session of its own, on another server or connection, is told the same, in the same order. Pure; owned by a
// session.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ddb::session {

class SaidAgain {
  public:
    static constexpr std::size_t statements_max = 256;
    static constexpr std::size_t bytes_max = 64u << 10;

    // A SET that succeeded. What it makes pointless is forgotten. False: there is no room for it, nothing has changed.
    [[nodiscard]] bool set(const std::string& sql);
    // PREPARE, DEALLOCATE PREPARE or DROP PREPARE, whether it succeeded or not: a name that failed to be prepared
    // anew is none either. `database`: the session's. False: it cannot be said again.
    [[nodiscard]] bool prepared(const std::string& sql, std::string_view database, bool succeeded);

    [[nodiscard]] std::vector<std::string> settings() const;
    [[nodiscard]] std::vector<std::string> everything() const;
    void forget_prepared();
    // A statement has used up what INSERT_ID said, or may have.
    void forget_insert_id();
    // Whether the last text sets it: a name in lower case.
    [[nodiscard]] bool last_sets(std::string_view target) const;
    // Some statement was prepared while another database than this one was the session's: its names mean that one's.
    [[nodiscard]] bool prepared_elsewhere(std::string_view database) const;

  private:
    struct Said {
        std::string sql;
        std::vector<std::string> targets;  // what it sets, all of it; empty: not known
        bool reads = false;                // what others set
        std::string prepares;              // the name, in lower case
        std::string database;
    };
    [[nodiscard]] static Said read_set(const std::string& sql);
    [[nodiscard]] bool add(Said said);
    void forget_set(const Said& later);
    template <typename Which>
    void forget(const Which& which, std::vector<Said>::iterator begin);

    std::vector<Said> said_;
    std::size_t bytes_ = 0;
};

}  // namespace ddb::session
