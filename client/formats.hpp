// The output formats of CONTRACT: one formatter per format, fed with results as they stream in. A formatter holds at
// most the rows that decide the widths of a table. Not thread-safe.
//
//   table     as the mysql client draws it; binary values as 0x…, control characters escaped
//   tsv       as `mysql --batch`: header line, \t \n \0 and \\ escaped, NULL for NULL, binary values raw
//   vertical  one line per column; binary values as 0x…
//   csv       RFC 4180 with line feeds; NULL is nothing, the empty string is "", binary values as 0x…
//   json      one object per statement on one line; integers, FLOAT and DOUBLE are numbers, DECIMAL is a string so that
//             no digit is lost, BIT is a number, binary values are base64 with type "binary". Further results of a CALL
//             stand in the extra key more_results, which other statements do not have.
//   ndjson    one object per row, by column name; a statement without rows is one object with its counts
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/sink.hpp"
#include "client/values.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::client {

enum class Format : std::uint8_t { table, tsv, vertical, csv, json, ndjson };
[[nodiscard]] std::optional<Format> parse_format(std::string_view name);

// What is told about a result when it ends.
struct ResultReport {
    std::optional<Error> error;
    Outcome outcome;
    NodeId node;
    NodeId coordinator;
    TxnId txn;
    LogIndex index;
    std::uint16_t replicated_on = 0;
    std::uint16_t members = 0;
    bool more = false;  // another result of the same statement follows
    double elapsed_ms = 0;
};

// MySQL number and state of any error; those of ddb's own that have none get 1105 and HY000.
[[nodiscard]] std::uint16_t error_number(const Error& error);
[[nodiscard]] std::string error_state(const Error& error);
// `ERROR 1064 (42000): You have …`
[[nodiscard]] std::string error_line(const Error& error);
// `2 rows in set (0.003 sec), node 2, coordinator 3` and `Query OK, 1 row affected …`.
[[nodiscard]] std::string footer_line(const ResultReport& report, bool has_rows, std::uint64_t rows);

struct FormatSettings {
    Format format = Format::table;
    bool column_names = true;
    bool footer = false;  // behind table and vertical results
};

class Formatter {
  public:
    virtual ~Formatter() = default;
    // Called per result: header (only for one with rows), row…, end. An error may end a result at any point.
    virtual void header(const std::vector<Column>& columns) = 0;
    virtual void row(const Row& row) = 0;
    virtual void end(const ResultReport& report) = 0;
};

[[nodiscard]] std::unique_ptr<Formatter> make_formatter(const FormatSettings& settings, Sink& sink);

}  // namespace ddb::client
