// Tables without a primary key. Servers demand one of every table, as the rows that are replicated must be found again,
// and applications make some without, or give them one when they are filled. These get an invisible column. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "node/session/sql_scan.hpp"
#include "schemas/ids.hpp"

namespace ddb::session {

// The servers' word for a table without a key, MySQL's being the second.
[[nodiscard]] constexpr bool wants_key(std::uint16_t code) {
    return code == 1173 || code == 3750;
}
// MySQL puts 0 into the column for some rows (keyless_inserts.hpp). The name of a constraint against that, of which a
// database has each once: made of the transaction's. Empty where none is wanted.
[[nodiscard]] std::string row_check(std::uint16_t code, TxnId txn);

// CREATE TABLE with a key in it, and this constraint. Empty for other statements, for LIKE, which takes the other
// table's, and for OR REPLACE of a table that is not temporary.
[[nodiscard]] std::string with_row_key(std::string_view create_table, const std::string& check = {});

// Of an ALTER TABLE that may give its table a primary key: the table's name, as it is written. Empty for others.
[[nodiscard]] std::string table_given_key(std::string_view sql);

// Of any ALTER TABLE, likewise.
[[nodiscard]] std::string altered_table(std::span<const Token> tokens);

// An ALTER TABLE, or DROP INDEX, of `other` in place of its own table, whose name is `name` as it is written. Both are
// empty for other statements, and for an ALTER TABLE that renames its table or moves rows to another one.
struct AlteredTable {
    std::string name;
    std::string sql;
};
[[nodiscard]] AlteredTable altered_instead(std::string_view sql, std::string_view other);

// Whether SHOW CREATE TABLE says this of a table that with_row_key() made.
[[nodiscard]] bool has_row_key(std::string_view shown);

// The same ALTER TABLE, by which the column goes.
[[nodiscard]] std::string without_row_key(std::string_view alter_table);

}  // namespace ddb::session
