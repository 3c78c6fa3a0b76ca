// What the jobs of a session do at their end, in turn on the connection that they report back. Private to them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "node/session/statement_jobs.hpp"

namespace ddb::session {

// How long the server may take to end a statement whose connection was killed, and how often it is asked.
constexpr std::chrono::milliseconds ending_ms_max{10'000};
constexpr std::chrono::milliseconds look_again_ms{50};

// An error that is not the server's own answer leaves unread bytes or a dead socket: nothing more can be said on it.
void drop_if_unusable(JobReport& report);
void learn_left_state(JobReport& report);
// What follows on the statement's connection makes the server forget its warnings.
void keep_warnings(JobReport& report, const StatementJob& job);
// Rows come without an insert id, and so does what a procedure did; another coordinator's session could not be given
// it. Servers keep a statement's warnings over this question, but not FOUND_ROWS().
void learn_generated_id(JobReport& report, const StatementJob& job);
// Behind a statement that may have taken the node's own procedures or account away.
void mend_own_rows(const StatementJob& job);
// In front of one that makes the server read its accounts anew.
void mend_before_accounts_are_read(const StatementJob& job);
// Behind SET ROLE, which may have taken the rights away by which the node runs its writes.
void admit_roles(JobReport& report, const StatementJob& job);
// 0 where there is none.
[[nodiscard]] std::uint64_t number_in(const std::optional<std::string>& digits);

}  // namespace ddb::session
