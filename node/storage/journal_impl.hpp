// Inside of Journal. Private to journal*.cpp. What belongs to which thread: everything under "writer" to the journal
// thread once start() was called, everything under "queue" to its mutex; the database handle is safe for all.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "node/storage/journal.hpp"
#include "node/storage/journal_records.hpp"

namespace ddb::storage {

class Journal::Impl {
  public:
    Impl(const JournalOptions& options, Completed completed) : options_(options), completed_(std::move(completed)) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    // journal_open.cpp
    Status open();
    void start();

    // journal.cpp
    void write(core::JournalWrite write);
    Result<std::vector<Entry>> read(LogIndex from, LogIndex to, std::size_t bytes_max) const;
    Status put_intent(const StatementIntent& intent, bool present);
    [[nodiscard]] std::vector<StatementIntent> intents() const;
    [[nodiscard]] bool stalled(std::chrono::milliseconds longer_than) const;

    Journal::Identity identity_;
    core::RecoveredState recovered_;
    std::vector<std::string> notes_;

  private:
    using Clock = std::chrono::steady_clock;
    struct Queued {
        core::JournalWrite write;
        std::uint64_t bytes = 0;
        Clock::time_point since;
    };

    // journal_open.cpp
    Status room_to_open(std::uint64_t log_bytes) const;
    Status open_database();
    Error explain(const rocksdb::Status& status) const;
    [[nodiscard]] Error corrupt(const std::string& what) const;
    Status load_identity();
    Status load_state();
    Status load_memberships();
    Status load_snapshot();
    Status load_entries();
    Status get_meta(std::string_view key, std::optional<std::string>& out) const;

    // journal.cpp
    void run(const std::stop_token& stop);
    std::vector<Queued> take_batch(const std::stop_token& stop);
    void commit(std::vector<Queued>& batch);
    void add(rocksdb::WriteBatch& batch, core::JournalWrite& write);
    void add_truncation(rocksdb::WriteBatch& batch, LogIndex after);
    void add_entries(rocksdb::WriteBatch& batch, const std::vector<Entry>& entries);
    void add_drop(rocksdb::WriteBatch& batch, const core::JournalWrite& write);
    void add_reset(rocksdb::WriteBatch& batch, const Snapshot& snapshot);
    void add_membership(rocksdb::WriteBatch& batch, std::string_view key, const std::string& bytes, Digest& digest);
    void free_dropped_files();
    [[nodiscard]] Entry must_read(LogIndex index) const;

    JournalOptions options_;
    Completed completed_;
    std::unique_ptr<rocksdb::DB> db_;
    std::unique_ptr<rocksdb::ColumnFamilyHandle> meta_;
    std::unique_ptr<rocksdb::ColumnFamilyHandle> entries_;

    // writer
    StateRecord state_;
    IdentityRecord identity_record_;
    TailMark tail_;
    std::map<LogIndex, std::string> membership_entries_;  // kept entries of that kind: their payloads
    LogIndex files_freed_below_;
    LogIndex dropped_durably_below_;
    Clock::time_point files_freed_at_{};

    // queue
    mutable std::mutex mutex_;
    std::condition_variable_any filled_;
    std::deque<Queued> queue_;
    std::uint64_t queued_bytes_ = 0;
    std::optional<Clock::time_point> writing_since_;  // oldest write of the batch under way

    std::jthread thread_;  // last: uses everything above
};

// Ends the process: after a failed write or sync nobody knows what is durable, and every promise depends on it.
[[noreturn]] void journal_failed(const std::string& what);

[[nodiscard]] inline std::string to_std_string(const rocksdb::Slice& slice) {
    return {slice.data(), slice.size()};
}

}  // namespace ddb::storage
