// Hints that have one statement calculate otherwise than its session: SET_VAR(time_zone = …), SET_VAR(sql_mode = …).
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

// The variable that a hint sets, in lower case, of those that stored columns are calculated with and nobody is told of
// (storage/calculation_settings.hpp); empty where there is none. `queries`: also behind SELECT.
[[nodiscard]] std::string hinted_calculation(std::string_view sql, bool queries);

[[nodiscard]] std::string hint_refusal(const std::string& variable);

}  // namespace ddb::session
