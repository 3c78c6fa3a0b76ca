// What has one statement calculate otherwise than its session: the hints SET_VAR(time_zone = …), SET_VAR(sql_mode = …)
// on MySQL, SET STATEMENT time_zone = … FOR on MariaDB.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ddb::session {

// The variable that a hint sets, in lower case, of those that stored columns are calculated with and nobody is told of
// (storage/calculation_settings.hpp); empty where there is none. `queries`: also behind SELECT.
[[nodiscard]] std::string hinted_calculation(std::string_view sql, bool queries);

// The same of SET STATEMENT on MariaDB, where it is the time zone alone.
[[nodiscard]] std::string zone_of_one_statement(std::string_view sql);

[[nodiscard]] std::string hint_refusal(const std::string& variable);

}  // namespace ddb::session
