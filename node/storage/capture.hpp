// Reads the binary log of the coordinator's server and delivers its groups in their order. GroupAssembler is the pure
// part; Capture owns the thread and the replication connection. One Capture per tenure.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node/storage/binlog_event.hpp"
#include "node/storage/binlog_stream.hpp"
#include "node/storage/local_database.hpp"
#include "node/storage/sequence_rows.hpp"

namespace ddb::storage {

// Rows of a group that are held in memory; of a larger one only its place is told.
inline constexpr std::size_t group_bytes_in_memory = 8u << 20;

// Puts events together to groups. Not thread safe.
class GroupAssembler {
  public:
    // `file`: of the binary log, where the first event comes from.
    GroupAssembler(Epoch epoch, std::string format_description, std::string file,
                   std::size_t bytes_in_memory = group_bytes_in_memory)
        : epoch_(epoch),
          format_description_(std::move(format_description)),
          bytes_in_memory_(bytes_in_memory),
          file_(std::move(file)) {}

    // A complete group, or nothing yet. An error means that the log holds something this code must not guess at.
    [[nodiscard]] Result<std::optional<Captured>> feed(const EventView& event);

  private:
    struct Savepoint {
        std::string name;
        std::size_t bytes = 0;
        std::uint32_t end = 0;  // offset in the file
        std::uint32_t row_events = 0;
        std::uint64_t rows = 0;
    };
    struct Group {
        Captured out;
        bool open = false;
        bool skipped = false;     // XA COMMIT and XA ROLLBACK
        bool standalone = false;  // ends with its first Query event
        bool kind_open = false;   // its first Query event will tell what it is
        std::vector<Savepoint> savepoints;
        std::vector<std::uint64_t> own_tables;  // table ids of ddb_meta
        std::vector<std::uint64_t> settings_tables;
        std::vector<std::uint64_t> statistics_tables;
        std::string settings;  // noted, and nothing has been written behind them yet
        struct Map {
            std::uint64_t table_id = 0;
            std::string event;
        };
        std::vector<Map> maps;  // of the statement under way, for counting
        GroupPlace place;       // what is known of it so far
    };

    Status begin(const EventView& event);
    Status take_kind(std::string_view text);
    Status add_query(const EventView& event, bool& ends);
    Status add_table_map(const EventView& event);
    Status add_rows(const EventView& event);
    void add_event(const EventView& event);
    void add_raw(std::string_view raw);
    void roll_back_to(std::string_view name, std::uint32_t end);
    Captured finish(bool rolled_back, std::uint32_t end);

    const Epoch epoch_;
    const std::string format_description_;
    const std::size_t bytes_in_memory_;
    std::string file_;
    Group group_;
    bool rolled_back_ = false;
};

class Capture {
  public:
    struct Options {
        ConnectOptions connection;
        BinlogPosition from;
        Epoch epoch;
        std::string format_description;              // of the tenure: rows must stay readable under it
        std::optional<ConnectOptions> sequences_of;  // the server, where it has sequences
    };
    using OnGroup = std::function<void(Captured)>;
    // The stream ended: `fatal` when the log holds what cannot be replicated, else the connection was lost.
    using OnEnd = std::function<void(const Error& error, bool fatal)>;

    [[nodiscard]] static Result<std::unique_ptr<Capture>> start(const Options& options, OnGroup on_group, OnEnd on_end);
    ~Capture();  // stops and joins; no call of the two functions afterwards

  private:
    Capture(std::unique_ptr<BinlogStream> stream, const Options& options, OnGroup on_group, OnEnd on_end);
    void run(const std::stop_token& stop);

    std::unique_ptr<BinlogStream> stream_;
    GroupAssembler assembler_;
    std::optional<SequenceRows> sequence_rows_;
    OnGroup on_group_;
    OnEnd on_end_;
    std::jthread thread_;
};

}  // namespace ddb::storage
