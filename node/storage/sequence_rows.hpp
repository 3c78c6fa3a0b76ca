// Where the sequences are at that a group's tables take their numbers from, put behind its rows.
//
// MariaDB does not log that a sequence went on when its number was the default of a table that has triggers or that
// foreign keys name (the sequence is among the tables locked ahead, which it takes for free then), nor what a statement
// took that failed. The next coordinator would give the same numbers once more.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/storage/connection.hpp"
#include "node/storage/local_database.hpp"

namespace ddb::storage {

using SequenceName = std::pair<std::string, std::string>;  // database, name

// The columns of a sequence's only row, as the server shows them.
using SequenceRow = std::vector<std::int64_t>;
inline constexpr std::size_t sequence_columns = 8;

// Events that write the row, made of the header of another event. Empty when the row has not `sequence_columns`, or a
// name is too long for an event.
[[nodiscard]] std::string sequence_row_events(std::string_view header, const SequenceName& name,
                                              const SequenceRow& row);

// Used by the capture thread alone.
class SequenceRows {
  public:
    explicit SequenceRows(ConnectOptions service) : service_(std::move(service)) {}

    // Adds them to what was captured. Without an answer from the server nothing is added: the next group will have it.
    void add_to(Captured& group);

  private:
    [[nodiscard]] const std::set<SequenceName>* sequences_of(const SequenceName& table);
    [[nodiscard]] SequenceRow row_of(const SequenceName& sequence);
    [[nodiscard]] bool has_known_columns(const SequenceName& sequence);
    [[nodiscard]] bool ensure_connection();

    const ConnectOptions service_;
    std::unique_ptr<Connection> connection_;
    std::map<SequenceName, std::set<SequenceName>> known_;  // by table, until the next definition
};

}  // namespace ddb::storage
