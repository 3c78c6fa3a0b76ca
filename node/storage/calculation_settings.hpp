// What MySQL's servers, and MariaDB's from 11 on, calculate stored columns with, and what indexes of virtual ones hold,
// as far as it is of the session that writes the row: its time zone, the names of days, how it takes dates that are
// none. They do so anew wherever rows are applied, so the binary log has to tell it: where it is not the usual, the
// session's transaction inserts a row into ddb_meta.settings and deletes it again. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/storage/binlog_event.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {

// The SET statement that has a session of an applier calculate with these; `modes`: of sql_mode, others are left out.
[[nodiscard]] std::string calculation_sql(std::string_view zone, std::string_view names, std::string_view encryption,
                                          std::string_view modes);
// For rows which were written under the usual settings.
[[nodiscard]] std::string usual_calculation_sql(const ServerDialect& dialect);

// Of the event in a log entry that holds such a statement (settings_event()): no server writes one of this type.
inline constexpr EventType settings_event_type{250};

// What such a row tells, where it was inserted: the SET statement for the rows behind it. Empty: none of these, or a
// deletion.
[[nodiscard]] bool notes_settings(const TableMap& table);
[[nodiscard]] std::string noted_settings_sql(const EventView& event, const RowsEvent& rows);

// Of the procedure that inserts it: the table, the parameters that say the settings, the arguments for them, and what
// it does behind INSERT IGNORE of the transaction's marker, whose number is `txn`: a transaction that is marked again
// has the settings told again, whatever they are.
[[nodiscard]] std::string settings_table_sql();
inline constexpr std::string_view settings_parameters =
    "zone VARCHAR(255) CHARACTER SET ascii, day_names VARCHAR(64) CHARACTER SET ascii, cipher VARCHAR(64) CHARACTER "
    "SET ascii, modes VARCHAR(1000) CHARACTER SET ascii";
inline constexpr std::string_view settings_arguments =
    "@@session.time_zone,@@session.lc_time_names,@@session.block_encryption_mode,@@session.sql_mode";
[[nodiscard]] std::string note_settings_body(const ServerDialect& dialect);

}  // namespace ddb::storage
