// Turns captured events into BINLOG '…' statements. Pure functions, any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/result.hpp"

namespace ddb::storage {

// Raw bytes of one statement: larger ones are slower for the server and cost it memory. A single larger event goes
// alone.
inline constexpr std::size_t binlog_statement_bytes_max = 1u << 20;

[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::string binlog_statement(std::string_view events);

// Packs the Table_map and rows events of any number of whole groups into statements. The server silently drops rows
// whose Table_map is not in the same statement, so maps are repeated wherever a group is split.
class BinlogPacker {
  public:
    using Sink = std::function<Status(std::string sql)>;
    explicit BinlogPacker(Sink sink) : sink_(std::move(sink)) {}

    // Whole events of one group, or whole groups. Errors: corrupt (not whole Table_map and rows events), or what the
    // sink returned.
    Status add(std::string_view group);
    // The pieces of one group one after another, wherever it was cut. Errors: as above; an event beyond
    // row_event_bytes_max is corrupt.
    Status add_piece(std::string_view piece);
    Status flush();  // corrupt too: the pieces end in the middle of an event

  private:
    Status send();

    Sink sink_;
    std::string cut_;  // the beginning of an event
    std::string piece_;
    std::vector<std::string> maps_;  // of the statement under way
    bool has_rows_ = false;
};

}  // namespace ddb::storage
