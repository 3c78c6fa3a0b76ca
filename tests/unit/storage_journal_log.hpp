// A journal with its completions, and entries to put into it, for the tests of the journal.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "node/storage/journal.hpp"
#include "schemas/codec.hpp"
#include "schemas/digest.hpp"

namespace ddb::storage::test {

// Makes entries that continue each other.
class Chain {
  public:
    Entry next(std::string payload, std::uint64_t epoch = 1, EntryKind kind = EntryKind::rows) {
        Entry entry;
        entry.id = {Epoch{epoch}, LogIndex{last_.index.value + 1}};
        entry.kind = kind;
        entry.payload = Payload(std::move(payload));
        entry.digest = entry_digest(digest_, entry);
        last_ = entry.id;
        digest_ = entry.digest;
        return entry;
    }
    void go_back_to(const Entry& entry) {
        last_ = entry.id;
        digest_ = entry.digest;
    }

  private:
    EntryId last_;
    Digest digest_;
};

class OpenJournal {
  public:
    explicit OpenJournal(const JournalOptions& options) {
        auto opened = Journal::open(options, [this](const core::JournalCompleted& done) {
            std::lock_guard lock(mutex_);
            completed_.push_back(done.op.value);
            changed_.notify_all();
        });
        if (!opened.ok()) throw std::runtime_error(opened.error().message);
        journal_ = std::move(opened).value();
    }
    Journal* operator->() { return journal_.get(); }

    std::uint64_t write(core::JournalWrite write) {
        write.op = OpId{++ops_};
        journal_->write(std::move(write));
        return ops_;
    }
    std::uint64_t append(std::vector<Entry> entries) {
        core::JournalWrite write;
        write.entries = std::move(entries);
        return this->write(std::move(write));
    }
    void wait_all() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(60), [this] { return completed_.size() == ops_; })) {
            throw std::runtime_error("journal does not complete");
        }
    }
    std::vector<std::uint64_t> completed() {
        std::lock_guard lock(mutex_);
        return completed_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::uint64_t> completed_;
    std::uint64_t ops_ = 0;
    std::unique_ptr<Journal> journal_;
};

inline JournalOptions journal_in(const std::string& dir) {
    JournalOptions options;
    options.dir = dir + "/journal";
    options.node = NodeId{7};
    options.cluster = "test";
    return options;
}

}  // namespace ddb::storage::test
