// Reads the rows of one large group from the binary log a second time, piece by piece as they are asked for, so that a
// transaction of any size goes into the log through bounded memory while the capture goes on behind it. Owns one thread
// and one replication connection; ends by itself at the end of the group.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "node/storage/binlog_stream.hpp"
#include "node/storage/local_database.hpp"

namespace ddb::storage {

// Row events of about this many bytes make one part; a larger event is cut, so that no message between nodes keeps
// heartbeats waiting behind it. One beyond row_event_bytes_max is for the caller to refuse
// (GroupPlace::largest_event_bytes).
inline constexpr std::size_t part_bytes = 1u << 20;

// The rows and their table maps among the events of one group; pure.
class GroupRows {
  public:
    explicit GroupRows(GroupPlace place) : place_(std::move(place)) {}

    // Whether the event belongs into the payload of an entry. Errors: corrupt.
    [[nodiscard]] Result<bool> wanted(const EventView& event);
    // Of one that is wanted: what goes in front of it; may be empty.
    [[nodiscard]] std::string in_front();
    [[nodiscard]] bool ended(const EventView& event) const { return event.end >= place_.end; }
    // At the end: whether everything was found that the capture saw.
    [[nodiscard]] bool complete() const { return row_events_ == place_.row_events; }
    [[nodiscard]] const GroupPlace& place() const { return place_; }

  private:
    GroupPlace place_;
    std::vector<std::uint64_t> own_tables_;  // table ids of those that are not replicated
    std::vector<std::uint64_t> settings_tables_;
    std::string settings_;  // noted, and nothing wanted has come behind them
    std::uint32_t row_events_ = 0;
};

class GroupReader {
  public:
    // Called on this object's thread, once for each want() until the last part.
    using OnPart = std::function<void(CapturedPart)>;
    // Instead of what is left: the connection was lost, or (corrupt) the log holds something unexpected.
    using OnFailure = std::function<void(const Error&)>;

    GroupReader(ConnectOptions service, Epoch epoch, GroupPlace place, OnPart on_part, OnFailure on_failure);
    ~GroupReader();  // stops and joins; no call afterwards

    void want();  // any thread

  private:
    void run(const std::stop_token& stop);
    Status read(const std::stop_token& stop);
    [[nodiscard]] bool deliver(const std::stop_token& stop, bool last);
    [[nodiscard]] bool deliver_piece(const std::stop_token& stop, std::string events, bool last);

    const ConnectOptions service_;
    const Epoch epoch_;
    GroupRows rows_;
    const OnPart on_part_;
    const OnFailure on_failure_;

    std::mutex mutex_;
    std::condition_variable_any changed_;
    unsigned wanted_ = 0;
    std::unique_ptr<BinlogStream> stream_;

    std::string part_;  // of the thread
    std::jthread thread_;
};

}  // namespace ddb::storage
