// Receiver's side of a state transfer: feeds the chunks of a dump, in order, to the server's client program. A chunk
// that is damaged or out of place never gets that far.
//
// Owner: one thread (the loop); `changed` is called on the loader's own thread. The destructor ends the program; the
// server is then in an undefined state and has to be emptied.
#pragma once

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
#include "schemas/result.hpp"
#include "schemas/transfer_messages.hpp"

namespace ddb::storage {

class DumpLoad {
  public:
    struct Options {
        ConnectOptions service;
        std::string server_program;  // the client program is looked for beside it
        std::size_t chunks_waiting_max = 8;
    };
    using Changed = std::function<void()>;  // room for a chunk more, or the end

    DumpLoad(Options options, Changed changed);
    ~DumpLoad();

    enum class Offer : std::uint8_t {
        taken,
        damaged,   // does not match its digest: ask again
        unwanted,  // not the next one, or no room: ask again when it is due
    };
    [[nodiscard]] Offer offer(const TransferChunk& chunk);

    struct Progress {
        std::uint64_t next = 0;              // number of the chunk wanted next
        std::uint32_t room = 0;              // chunks that would be taken now
        std::uint64_t bytes = 0;             // taken so far
        bool loaded = false;                 // the client program has run everything and ended well
        std::vector<std::string> as_loaded;  // see remake_in_own_zone()
        std::optional<Error> failed;
    };
    [[nodiscard]] Progress progress() const;

  private:
    void run(const std::stop_token& stop);
    Result<std::vector<std::string>> load(const std::stop_token& stop);
    Status feed(int fd, const std::stop_token& stop);

    const Options options_;
    const Changed changed_;

    mutable std::mutex mutex_;
    std::condition_variable_any offered_;
    std::deque<TransferChunk> chunks_;
    bool last_taken_ = false;
    Progress progress_;

    std::jthread thread_;  // last: uses everything above
};

}  // namespace ddb::storage
