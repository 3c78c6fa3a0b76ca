#include "node/session/hidden_rows.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "node/session/row_values.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

// GRANT <rights> ON [PROCEDURE] `ddb_meta`.…; what stands between backticks has no other case.
[[nodiscard]] bool grants_on_schema(std::string_view grant) {
    constexpr std::string_view on = " ON ";
    constexpr std::string_view procedure = "PROCEDURE ";
    const auto found = grant.find(on);
    if (!grant.starts_with("GRANT ") || found == std::string_view::npos) return false;
    std::string_view object = grant.substr(found + on.size());
    if (object.starts_with(procedure)) object.remove_prefix(procedure.size());
    return object.starts_with("`ddb_meta`.");
}

}  // namespace

Hides hides_of_execute(const std::vector<Column>& columns) {
    const bool listed = columns.size() == 1 && columns[0].name == "Database";
    return listed && equals_ignoring_case(columns[0].table, "SCHEMATA") ? Hides::schema : Hides::nothing;
}

std::uint32_t hide_rows(ResultRows& rows, Hides what, std::size_t columns) {
    std::string kept;
    std::uint32_t hidden = 0;
    std::size_t at = 0;
    for (std::uint32_t i = 0; i < rows.row_count; ++i) {
        const std::size_t begin = at;
        const std::string_view first = value_at(rows.rows, at);
        for (std::size_t column = 1; column < columns; ++column) (void)value_at(rows.rows, at);
        if (what == Hides::rights ? grants_on_schema(first) : first == "ddb_meta") {
            ++hidden;
        } else {
            kept += std::string_view(rows.rows).substr(begin, at - begin);
        }
    }
    if (hidden == 0) return 0;
    rows.rows = std::move(kept);
    rows.row_count -= hidden;
    return hidden;
}

}  // namespace ddb::session
