// Turns captured events into BINLOG '…' statements. Pure functions, any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "node/storage/binlog_event.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

// Raw bytes of one statement: larger ones are slower for the server and cost it memory. A single larger event goes
// alone.
inline constexpr std::size_t binlog_statement_bytes_max = 1u << 20;

[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::string binlog_statement(std::string_view events);

// Packs the Table_map and rows events of any number of whole groups into statements, with a SET between those whose
// rows were calculated under different settings. The server silently drops rows
// whose Table_map is not in the same statement, so maps are repeated wherever a group is split.
class BinlogPacker {
  public:
    using Sink = std::function<Status(std::string sql)>;
    // `usual_settings`: the SET statement that takes back those of settings events; the session begins and ends as it
    // says.
    explicit BinlogPacker(Sink sink, std::string usual_settings = {})
        : sink_(std::move(sink)), usual_settings_(std::move(usual_settings)) {}

    // The settings of the group before do not hold any more.
    void begin_group() { settings_ = usual_settings_; }

    // Whole events of one group, or whole groups. Errors: corrupt (not whole Table_map and rows events), or what the
    // sink returned.
    Status add(std::string_view group);
    // The pieces of one group one after another, wherever it was cut. Errors: as above; an event beyond
    // row_event_bytes_max is corrupt.
    Status add_piece(std::string_view piece);
    Status flush();  // corrupt too: the pieces end in the middle of an event

  private:
    Status add_rows(const EventView& event);
    Status set(const std::string& settings);
    Status send();

    Sink sink_;
    const std::string usual_settings_;
    std::string settings_ = usual_settings_;  // of the rows that come
    std::string session_ = usual_settings_;   // as the session has them, behind what was sent
    std::string cut_;                         // the beginning of an event
    std::string piece_;
    std::vector<std::string> maps_;  // of the statement under way
    bool has_rows_ = false;
};

}  // namespace ddb::storage
