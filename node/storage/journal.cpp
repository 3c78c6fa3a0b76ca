#include "node/storage/journal.hpp"

#include <pthread.h>
#include <rocksdb/convenience.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "node/storage/journal_impl.hpp"
#include "schemas/codec.hpp"
#include "schemas/digest.hpp"

namespace ddb::storage {
namespace {

constexpr std::uint64_t batch_bytes_max = 8u << 20;  // one write may exceed it alone
constexpr auto free_files_interval = std::chrono::seconds(2);
constexpr std::uint64_t entry_overhead_bytes = 256;  // an entry's fields beside its payload, roughly

std::uint64_t bytes_of(const core::JournalWrite& write) {
    std::uint64_t bytes = entry_overhead_bytes;
    for (const Entry& entry : write.entries) bytes += entry.payload.size() + entry_overhead_bytes;
    return bytes;
}

void must(const rocksdb::Status& status, const char* what) {
    if (!status.ok()) journal_failed(std::string(what) + ": " + status.ToString());
}

}  // namespace

void journal_failed(const std::string& what) {
    // Straight to the descriptor and out: destructors would go on with work that is based on this write.
    const std::string text =
        "ddb: journal: " + what +
        "\nddb: it is unknown what reached the disk; the node ends now. Check the disk and its free "
        "space, then start the node again.\n";
    (void)!::write(STDERR_FILENO, text.data(), text.size());
    constexpr int exit_io_error = 74;
    ::_exit(exit_io_error);
}

// --- queue -----------------------------------------------------------------------------------------------------------

void Journal::Impl::write(core::JournalWrite write) {
    Queued queued{std::move(write), 0, Clock::now()};
    queued.bytes = bytes_of(queued.write);
    {
        std::lock_guard lock(mutex_);
        queued_bytes_ += queued.bytes;
        queue_.push_back(std::move(queued));
    }
    filled_.notify_one();
}

bool Journal::Impl::stalled(std::chrono::milliseconds longer_than) const {
    std::lock_guard lock(mutex_);
    if (queued_bytes_ > options_.pending_bytes_max) return true;
    const auto limit = Clock::now() - longer_than;
    if (writing_since_) return *writing_since_ < limit;
    return !queue_.empty() && queue_.front().since < limit;
}

// Everything that waits, up to a limit. A write that truncates or drops begins a batch of its own, so that what it
// refers to can be looked up in the database. Empty: time to stop, and nothing is left.
std::vector<Journal::Impl::Queued> Journal::Impl::take_batch(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    (void)filled_.wait(lock, stop, [this] { return !queue_.empty(); });
    std::vector<Queued> batch;
    std::uint64_t bytes = 0;
    while (!queue_.empty()) {
        Queued& head = queue_.front();
        const bool refers = head.write.truncate_after || head.write.drop_before || head.write.reset;
        if (!batch.empty() && (refers || bytes + head.bytes > batch_bytes_max)) break;
        bytes += head.bytes;
        batch.push_back(std::move(head));
        queue_.pop_front();
    }
    if (!batch.empty()) writing_since_ = batch.front().since;
    return batch;
}

// --- writer ----------------------------------------------------------------------------------------------------------

void Journal::Impl::run(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "journal");
    for (;;) {
        std::vector<Queued> batch = take_batch(stop);
        if (batch.empty()) return;
        commit(batch);
        {
            std::lock_guard lock(mutex_);
            for (const Queued& queued : batch) queued_bytes_ -= queued.bytes;
            writing_since_.reset();
        }
        for (const Queued& queued : batch) completed_({queued.write.op, queued.write.epoch});
        free_dropped_files();
    }
}

void Journal::Impl::commit(std::vector<Queued>& batch) {
    rocksdb::WriteBatch out;
    rocksdb::WriteOptions options;
    options.sync = false;
    for (Queued& queued : batch) {
        options.sync = options.sync || queued.write.sync;
        add(out, queued.write);
    }
    ++state_.write_number;
    must(out.Put(meta_.get(), std::string(state_key), encode_state(state_)), "writing the state");
    must(db_->Write(options, &out), "a write failed");
    if (!options.sync) return;
    if (!tail_.write(state_.write_number))
        journal_failed(std::string("a write of the tail mark failed: ") + std::strerror(errno));
    dropped_durably_below_ = next(state_.base.index);
}

void Journal::Impl::add(rocksdb::WriteBatch& batch, core::JournalWrite& write) {
    if (write.hard) {
        DDB_ASSERT(write.hard->epoch >= state_.hard.epoch);
        state_.hard = *write.hard;
    }
    if (write.reset) add_reset(batch, *write.reset);
    if (write.rebuilding) state_.rebuilding = *write.rebuilding;
    if (write.incarnation) {
        identity_record_.identity.incarnation = *write.incarnation;
        must(batch.Put(meta_.get(), std::string(identity_key), encode_identity(identity_record_)),
             "writing the identity");
    }
    if (write.signed_list) {
        add_membership(batch, signed_key, encode_membership(*write.signed_list), state_.signed_digest);
    }
    if (write.base_membership) {
        add_membership(batch, membership_key, encode_membership(*write.base_membership), state_.membership_digest);
    }
    if (write.truncate_after) add_truncation(batch, *write.truncate_after);
    add_entries(batch, write.entries);
    if (write.decided) state_.decided = std::max(state_.decided, *write.decided);
    if (write.drop_before) add_drop(batch, write);
}

void Journal::Impl::add_membership(rocksdb::WriteBatch& batch, std::string_view key, const std::string& bytes,
                                   Digest& digest) {
    digest = blake2b(bytes);
    must(batch.Put(meta_.get(), std::string(key), bytes), "writing a membership");
}

// The log goes on behind a loaded snapshot: whatever was kept is replaced by a base without entries.
void Journal::Impl::add_reset(rocksdb::WriteBatch& batch, const Snapshot& snapshot) {
    if (state_.last.index > state_.base.index) {
        must(batch.DeleteRange(entries_.get(), entry_key(next(state_.base.index)), entry_key(next(state_.last.index))),
             "replacing the log");
    }
    membership_entries_.clear();
    state_.base = state_.last = snapshot.last;
    state_.base_digest = state_.last_digest = snapshot.digest;
    state_.decided = snapshot.last.index;
    add_membership(batch, membership_key, encode_membership(snapshot.membership), state_.membership_digest);
    const std::string bytes = encode_snapshot(snapshot);
    state_.snapshot_digest = blake2b(bytes);
    must(batch.Put(meta_.get(), std::string(snapshot_key), bytes), "writing the snapshot's header");
}

void Journal::Impl::add_truncation(rocksdb::WriteBatch& batch, LogIndex after) {
    DDB_ASSERT(after >= state_.base.index);
    if (after >= state_.last.index) return;
    must(batch.DeleteRange(entries_.get(), entry_key(next(after)), entry_key(next(state_.last.index))), "truncating");
    membership_entries_.erase(membership_entries_.upper_bound(after), membership_entries_.end());
    if (after == state_.base.index) {
        state_.last = state_.base;
        state_.last_digest = state_.base_digest;
        return;
    }
    const Entry entry = must_read(after);
    state_.last = entry.id;
    state_.last_digest = entry.digest;
}

void Journal::Impl::add_entries(rocksdb::WriteBatch& batch, const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
        DDB_ASSERT(entry.id.index == next(state_.last.index));
        DDB_ASSERT(entry.id.epoch >= state_.last.epoch);
        must(batch.Put(entries_.get(), entry_key(entry.id.index), encode_entry(entry)), "writing an entry");
        if (entry.kind == EntryKind::membership) {
            membership_entries_[entry.id.index] = std::string(entry.payload.view());
        }
        state_.last = entry.id;
        state_.last_digest = entry.digest;
    }
}

void Journal::Impl::add_drop(rocksdb::WriteBatch& batch, const core::JournalWrite& write) {
    const LogIndex first = next(state_.base.index);
    const LogIndex keep_from = std::min(*write.drop_before, next(state_.last.index));
    if (keep_from <= first) return;
    const LogIndex base = previous(keep_from);
    // The new base may be among the entries of this very write, which the database does not have yet.
    if (!write.entries.empty() && base >= write.entries.front().id.index) {
        const Entry& entry = write.entries[base.value - write.entries.front().id.index.value];
        state_.base = entry.id;
        state_.base_digest = entry.digest;
    } else {
        const Entry entry = must_read(base);
        state_.base = entry.id;
        state_.base_digest = entry.digest;
    }
    must(batch.DeleteRange(entries_.get(), entry_key(first), entry_key(keep_from)), "dropping entries");
    if (state_.snapshot_digest != Digest{}) {
        // Its outcomes would leave a gap in front of those that the kept entries hold.
        state_.snapshot_digest = Digest{};
        must(batch.Delete(meta_.get(), std::string(snapshot_key)), "dropping a snapshot's header");
    }
    // The newest membership that goes is the one that held at the new base.
    const auto kept = membership_entries_.lower_bound(keep_from);
    if (kept == membership_entries_.begin()) return;
    if (!write.base_membership) {
        add_membership(batch, membership_key, std::prev(kept)->second, state_.membership_digest);
    }
    membership_entries_.erase(membership_entries_.begin(), kept);
}

// Gives whole files back at once instead of waiting for a compaction. Only below a durable drop: the files do not come
// back when the drop is lost in a crash.
void Journal::Impl::free_dropped_files() {
    if (dropped_durably_below_ <= files_freed_below_) return;
    const auto now = Clock::now();
    if (now - files_freed_at_ < free_files_interval) return;
    files_freed_at_ = now;
    const std::string begin = entry_key(LogIndex{0});
    const std::string end = entry_key(dropped_durably_below_);
    const rocksdb::Slice begin_slice(begin), end_slice(end);
    const rocksdb::RangePtr range(&begin_slice, &end_slice);
    must(rocksdb::DeleteFilesInRanges(db_.get(), entries_.get(), &range, 1, false), "freeing dropped files");
    files_freed_below_ = dropped_durably_below_;
}

Entry Journal::Impl::must_read(LogIndex index) const {
    std::string bytes;
    must(db_->Get({}, entries_.get(), entry_key(index), &bytes), "reading an entry");
    auto entry = decode_entry(bytes);
    if (!entry.ok()) journal_failed("entry " + to_string(index) + " is damaged: " + entry.error().message);
    return std::move(entry).value();
}

// --- any thread ------------------------------------------------------------------------------------------------------

Result<std::vector<Entry>> Journal::Impl::read(LogIndex from, LogIndex to, std::size_t bytes_max) const {
    const std::string upper = entry_key(next(to));
    const rocksdb::Slice upper_slice(upper);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_slice;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, entries_.get()));
    std::vector<Entry> out;
    std::size_t bytes = 0;
    LogIndex expected = from;
    for (it->Seek(entry_key(from)); it->Valid(); it->Next()) {
        std::uint64_t index = 0;
        if (!parse_big_endian(it->key().ToStringView(), index) || index != expected.value) {
            if (out.empty()) break;  // below the kept log
            return corrupt("entry " + to_string(expected) + " is missing");
        }
        if (!out.empty() && bytes + it->value().size() > bytes_max) break;
        auto entry = decode_entry(it->value().ToStringView());
        if (!entry.ok()) return corrupt("entry " + to_string(expected) + ": " + entry.error().message);
        if (entry->id.index != expected) return corrupt("entry " + to_string(expected) + " lies under a wrong index");
        bytes += it->value().size();
        out.push_back(std::move(entry).value());
        expected = next(expected);
    }
    if (!it->status().ok()) return explain(it->status());
    if (out.empty()) return fail(ErrorCode::not_found, "entry " + to_string(from) + " is not in the journal");
    return out;
}

Status Journal::Impl::put_intent(const StatementIntent& intent, bool present) {
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const auto status = present ? db_->Put(synced, meta_.get(), intent_key(intent), encode_intent(intent))
                                : db_->Delete(synced, meta_.get(), intent_key(intent));
    must(status, "an intent could not be written");
    return ddb::ok();
}

std::vector<StatementIntent> Journal::Impl::intents() const {
    std::vector<StatementIntent> out;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, meta_.get()));
    const std::string prefix(intent_prefix);
    for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
        StatementIntent intent;
        if (!decode_intent(it->value().ToStringView(), intent)) journal_failed("an intent has an unknown form");
        out.push_back(intent);
    }
    must(it->status(), "reading the intents");
    return out;
}

// --- public ----------------------------------------------------------------------------------------------------------

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::open(const JournalOptions& options, Completed completed) {
    auto impl = std::make_unique<Impl>(options, std::move(completed));
    if (auto status = impl->open(); !status.ok()) return status.error();
    impl->start();
    return std::unique_ptr<Journal>(new Journal(std::move(impl)));
}

const Journal::Identity& Journal::identity() const {
    return impl_->identity_;
}
core::RecoveredState Journal::take_recovered() {
    return std::exchange(impl_->recovered_, {});
}
const std::vector<std::string>& Journal::notes() const {
    return impl_->notes_;
}
void Journal::write(core::JournalWrite write) {
    impl_->write(std::move(write));
}
Result<std::vector<Entry>> Journal::read(LogIndex from, LogIndex to, std::size_t bytes_max) const {
    return impl_->read(from, to, bytes_max);
}
Status Journal::record_intent(const StatementIntent& intent) {
    return impl_->put_intent(intent, true);
}
Status Journal::clear_intent(const StatementIntent& intent) {
    return impl_->put_intent(intent, false);
}
std::vector<StatementIntent> Journal::intents() const {
    return impl_->intents();
}
bool Journal::stalled(std::chrono::milliseconds longer_than) const {
    return impl_->stalled(longer_than);
}

}  // namespace ddb::storage
