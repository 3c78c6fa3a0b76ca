// Warnings of a session's last statement that its server has forgotten since: the answer to SHOW WARNINGS, read ahead
// of what made it forget them, and what else can be asked of it. Values; any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "schemas/session_messages.hpp"

namespace ddb::session {

// SHOW [COUNT(*)] WARNINGS | ERRORS [LIMIT …]
struct WarningsAsked {
    bool errors = false;  // these only
    bool count = false;
    std::uint64_t offset = 0;
    std::uint64_t limit = UINT64_MAX;
};

// What the statement asks for; nullopt: something else, or otherwise than a server would take it.
[[nodiscard]] std::optional<WarningsAsked> asks_for_warnings(std::string_view sql);

struct KeptWarnings {
    std::deque<SessionMessage> messages;
    std::uint64_t rows = 0;
    std::uint64_t total = 0;  // may be more than were kept

    struct Told {
        std::deque<SessionMessage> messages;
        std::uint64_t rows = 0;
    };
    [[nodiscard]] Told as_answer_to(const WarningsAsked& asked, RequestNumber request) const;  // may be asked for again
    [[nodiscard]] std::uint64_t errors() const;
    // The text that gives the counts that `sql` asks for (SHOW COUNT(*), @@warning_count, @@error_count) from any
    // server; nullopt when it asks for none.
    [[nodiscard]] std::optional<std::string> counting_sql(std::string_view sql) const;
};

inline constexpr const char* show_warnings_sql = "SHOW WARNINGS LIMIT 100";

}  // namespace ddb::session
