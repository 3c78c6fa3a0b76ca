// Payloads that answer a command: OK, error, columns, rows, ends of results, in the form that the client's capabilities
// ask for. Plain functions.
//
// Source: https://mariadb.com/kb/en/4-server-response-packets/
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"
#include "schemas/status_flags.hpp"

namespace ddb::gateway {

inline constexpr std::uint16_t status_out_parameters = 0x1000;  // SERVER_PS_OUT_PARAMS

struct OkAnswer {
    std::uint64_t affected_rows = 0;
    std::uint64_t last_insert_id = 0;
    std::uint16_t status_flags = 0;
    std::uint16_t warnings = 0;
    std::string info;
    std::optional<std::string> new_database;  // told to clients that track session state
};
// `header`: 0x00 for an OK, 0xFE for the end of a result under deprecate_eof. With session_track: info is a
// length-encoded string, and a changed database sets status_session_state_changed and the tracker; without, info is the
// rest of the packet.
[[nodiscard]] std::string encode_ok(const OkAnswer& answer, std::uint64_t capabilities, std::uint8_t header = 0x00);
// Code 1105 / HY000 where the error has none of its own.
[[nodiscard]] std::string encode_error(const Error& error);
[[nodiscard]] std::string encode_eof(std::uint16_t status_flags, std::uint16_t warnings);
[[nodiscard]] std::string encode_column_count(std::size_t columns);
// Column definition 41. `with_default`: of COM_FIELD_LIST, which carries a NULL default value behind.
[[nodiscard]] std::string encode_column(const Column& column, std::uint64_t capabilities, bool with_default = false);

// Walks over rows in the form of ResultRows: each row is `columns` length-encoded strings, 0xFB is NULL.
class RowCutter {
  public:
    RowCutter(std::string_view rows, std::size_t columns) : rest_(rows), columns_(columns) {}
    // The next row's bytes, which are a row of the text protocol as they are; nothing at the end. Damaged bytes (they
    // come from another node): an error.
    [[nodiscard]] Result<std::optional<std::string_view>> next();

  private:
    std::string_view rest_;
    std::size_t columns_;
};

}  // namespace ddb::gateway
