// The node's durable memory: election state, log entries, decided index, identity. RocksDB below; one thread of its own
// writes batches, one sync for all that waits. A failed sync ends the process: what is durable is unknown after it.
// Owner: the daemon; write() from the loop thread, read() from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/core/io.hpp"
#include "schemas/entry.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct JournalOptions {
    std::string dir;                                    // created with mode 0700; locked against a second process
    NodeId node;                                        // a journal of another node id is refused
    std::string cluster;                                // likewise of another cluster name
    std::uint64_t cache_entries_bytes_max = 32u << 20;  // payloads loaded at start for RecoveredState
    std::uint64_t pending_bytes_max = 256u << 20;
};

// A statement entry that the coordinator is about to run on its own server (DESIGN §3.2): survives a crash, so that a
// statement that ran but is not in the log is recognised.
struct StatementIntent {
    TxnId txn;
    std::uint64_t sequence = 0;  // of the GTID it runs under
    // A run of the server (LocalDatabase::traces_of_run) that may leave half of its effects, or all, without a word in
    // its binary log, if it ends in the middle. 0: none does.
    std::uint64_t traces_of_run = 0;
};

class Journal {
  public:
    using Completed = std::function<void(const core::JournalCompleted&)>;  // on the journal thread

    // Raises the boot number durably. Errors: corrupt (what, where, and what to do), refused (other node or cluster,
    // second process), io. A torn tail is cut and reported in `notes`.
    [[nodiscard]] static Result<std::unique_ptr<Journal>> open(const JournalOptions& options, Completed completed);
    ~Journal();

    struct Identity {
        Incarnation incarnation;
        BootNumber boot;
        std::uint64_t boot_nonce = 0;
    };
    [[nodiscard]] const Identity& identity() const;
    // Taken once, after open(): moves out. `applied` is left 0 for the caller to fill in.
    [[nodiscard]] core::RecoveredState take_recovered();
    [[nodiscard]] const std::vector<std::string>& notes() const;

    void write(core::JournalWrite write);

    // Contiguous entries from `from`, at most up to `to`, at least one if present, then as many as fit into
    // `bytes_max`. Errors: not_found (below the kept log or above its end), corrupt.
    [[nodiscard]] Result<std::vector<Entry>> read(LogIndex from, LogIndex to, std::size_t bytes_max) const;

    // Synchronous and durable; called on an executor thread before the statement runs.
    Status record_intent(const StatementIntent& intent);
    Status clear_intent(const StatementIntent& intent);
    [[nodiscard]] std::vector<StatementIntent> intents() const;

    // The oldest write has waited for longer than that, or more is waiting than there is room for.
    [[nodiscard]] bool stalled(std::chrono::milliseconds longer_than) const;

  private:
    class Impl;
    explicit Journal(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ddb::storage
