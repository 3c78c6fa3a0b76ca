// Donor's side of a state transfer: one consistent dump of the whole database, cut into numbered chunks that stay in
// memory until they are acknowledged. While nobody takes them the dump program stands still behind its full pipe, so
// memory is bounded whatever the size of the database.
//
// The caller must see to it that nothing but row changes happens in the server from before the start until the end: a
// definition in between makes the dump wrong, mostly without an error (FACTS 38).
//
// Owner: one thread (the loop); `changed` is called on the dump's own thread. The destructor ends the program.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node/storage/connection.hpp"
#include "node/storage/dump_triggers.hpp"
#include "schemas/result.hpp"
#include "schemas/transfer_messages.hpp"

namespace ddb::storage {

class DumpSource {
  public:
    struct Options {
        ConnectOptions service;
        std::string server_program;  // the dump program is looked for beside it
        std::uint64_t transfer = 0;
        bool with_root = false;
        std::size_t chunks_kept_max = transfer_window_max;
    };
    using Changed = std::function<void()>;  // a chunk more, or the end

    DumpSource(Options options, Changed changed);
    ~DumpSource();

    // The chunk with this number; nothing when it is not there yet, or no more.
    [[nodiscard]] std::optional<TransferChunk> chunk(std::uint64_t number) const;
    void acknowledge(std::uint64_t next);                              // chunks below are not needed any more
    void set_rate(std::uint64_t bytes_per_s) { rate_ = bytes_per_s; }  // 0: as fast as it goes

    struct Progress {
        std::uint64_t estimate_bytes = 0;  // of the whole; 0 = not known yet
        std::uint64_t bytes = 0;           // cut so far
        bool snapshot_taken = false;
        bool complete = false;           // the last chunk is there
        std::optional<Error> failed;     // nothing more will come
        std::vector<std::string> notes;  // what could not be taken along
    };
    [[nodiscard]] Progress progress() const;

  private:
    using Clock = std::chrono::steady_clock;
    void run(const std::stop_token& stop);
    Status dump(const std::stop_token& stop);
    Status prepare(Connection& connection, const Endpoint& endpoint, std::vector<std::string>& arguments);
    Status find_broken_views(Connection& connection, std::vector<std::string>& arguments);
    static bool permit_odd_tables(std::string& head);
    Status copy_output(int fd, const std::stop_token& stop);
    bool add_bytes(std::string_view bytes, const std::stop_token& stop);
    bool cut(bool last, const std::stop_token& stop);
    void wait_for_pace(std::size_t bytes, const std::stop_token& stop);

    const Options options_;
    const Changed changed_;
    std::atomic<std::uint64_t> rate_ = 0;

    mutable std::mutex mutex_;
    std::condition_variable_any taken_;
    std::deque<TransferChunk> chunks_;
    Progress progress_;

    // Of the dump's thread.
    std::string buffer_;
    std::uint64_t next_number_ = 0;
    Clock::time_point next_read_;  // not before
    BrokenTriggers triggers_;

    std::jthread thread_;  // last: uses everything above
};

}  // namespace ddb::storage
