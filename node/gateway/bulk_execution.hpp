// A prepared statement that is executed for many rows of parameters in one command, MariaDB's COM_STMT_BULK_EXECUTE. As
// on a server the rows of an INSERT or REPLACE are one statement, where its text allows; other statements run once for
// each row, one behind the other, and the first error ends them.
//
// Source: https://mariadb.com/kb/en/com_stmt_bulk_execute/
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/gateway/prepared_statement.hpp"
#include "schemas/result.hpp"

namespace ddb::gateway {

class BulkExecution {
  public:
    // `payload`: what the command carries behind the statement's id. Types are kept in `statement`, as of other
    // executions. Errors: invalid_argument (1210; 1295 for what is no INSERT, REPLACE, UPDATE or DELETE with
    // parameters).
    [[nodiscard]] static Result<BulkExecution> open(std::string_view payload, PreparedStatement& statement,
                                                    bool no_backslash);
    // All rows are one statement.
    [[nodiscard]] bool whole() const { return row_.has_value(); }
    // The text to run next; nothing when no row is left. Errors: as bind(), and 1210 for bytes that are no row.
    [[nodiscard]] Result<std::optional<std::string>> next();

    void add(const Outcome& outcome);                              // of a text that has run
    [[nodiscard]] const Outcome& sum() const { return outcome_; }  // of all that have

  private:
    // The only row behind VALUES, with all of the statement's placeholders inside of its parentheses.
    struct Row {
        std::size_t begin = 0;
        std::size_t end = 0;  // behind it
        std::vector<std::size_t> placeholders;
    };
    BulkExecution() = default;
    [[nodiscard]] static std::optional<Row> only_row(const PreparedStatement& statement);
    [[nodiscard]] Result<std::vector<Parameter>> next_parameters();
    [[nodiscard]] Result<std::optional<std::string>> all_rows();

    std::string sql_;
    std::vector<std::size_t> placeholders_;
    std::vector<std::uint16_t> types_;
    std::string rows_;
    std::size_t taken_ = 0;  // of rows_
    bool inserts_ = false;
    bool no_backslash_ = false;
    std::optional<Row> row_;
    Outcome outcome_;
};

}  // namespace ddb::gateway
