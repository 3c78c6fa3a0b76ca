// Stored functions, procedures and views that ask their session for something or leave something in it: user variables,
// locks by name, numbers given last. The session is on the coordinator, so whoever names one reads there. Those that
// name another one count as well. Names are compared without their databases, as DefinitionReach does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "node/session/definition_reach.hpp"
#include "node/storage/local_database.hpp"

namespace ddb::session {

// Pure; any thread.
class SessionNames {
  public:
    [[nodiscard]] static SessionNames of(const storage::StoredTexts& texts);
    // Not known which: whatever is read may be concerned.
    [[nodiscard]] static SessionNames any();
    // A statement that may call functions and read views; `calls`: or a procedure.
    [[nodiscard]] bool concern(std::string_view sql, bool calls) const;

  private:
    bool any_ = false;
    std::optional<DefinitionReach> readable_;  // functions, packages, views; nullopt: there are none
    std::optional<DefinitionReach> callable_;  // procedures, too
};

[[nodiscard]] bool asks_session(std::string_view body);
// The words without which no text does, as a regular expression.
[[nodiscard]] std::string session_words();

// What is known of them on this node's server, which is looked at again behind each definition that may change it.
// Loop thread.
class KnownSessionNames {
  public:
    static constexpr std::uint64_t again_ms = 1000;  // behind a look that failed

    explicit KnownSessionNames(const storage::DefinitionClock& clock) : clock_(clock) {}
    // Nothing of the kind was defined since: otherwise it is not sure what a name means.
    [[nodiscard]] bool sure() const { return at_ && *at_ == clock_.begun(); }
    [[nodiscard]] bool concern(std::string_view sql, bool calls) const { return names_.concern(sql, calls); }
    [[nodiscard]] bool looking() const { return looking_.has_value(); }
    // True: the server is to be looked at, and looked() told.
    [[nodiscard]] bool begin_look(std::uint64_t now_ms);
    // nullopt: in vain. True: for the first time in a row.
    bool looked(std::optional<SessionNames> names);
    void forget();  // the server has got another content

  private:
    const storage::DefinitionClock& clock_;
    SessionNames names_;
    std::optional<std::uint64_t> at_;  // what the clock said before they were looked at
    std::optional<std::uint64_t> looking_;
    bool stale_look_ = false;
    bool in_vain_ = false;
    std::uint64_t not_before_ms_ = 0;
    std::uint64_t now_ms_ = 0;
};

}  // namespace ddb::session
