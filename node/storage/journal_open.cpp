#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "node/storage/journal_impl.hpp"
#include "node/storage/private_dir.hpp"
#include "schemas/codec.hpp"
#include "schemas/digest.hpp"

namespace ddb::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t write_buffer_bytes = 16u << 20;
constexpr std::size_t meta_buffer_bytes = 4u << 20;
constexpr std::size_t block_cache_bytes = 8u << 20;
constexpr std::uint64_t wal_bytes_max = 64u << 20;
constexpr std::size_t info_log_bytes_max = 1u << 20;
constexpr int open_files_max = 256;
constexpr std::uint64_t room_bytes_min = 4u << 20;  // beside what was being written at the last stop

std::uint64_t random_nonzero() {
    std::uint64_t value = 0;
    while (value == 0) {
        if (::getrandom(&value, sizeof value, 0) != sizeof value) value = 0;
    }
    return value;
}

rocksdb::DBOptions database_options() {
    rocksdb::DBOptions options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.paranoid_checks = true;
    // A record that was being written when the machine stopped is cut; any other damage is an error. The default would
    // drop everything behind the damage, synced or not, without a word.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    options.track_and_verify_wals_in_manifest = true;  // a whole missing file is noticed
    options.max_total_wal_size = wal_bytes_max;
    options.max_open_files = open_files_max;
    options.max_background_jobs = 2;
    options.allow_concurrent_memtable_write = false;  // one writer
    options.enable_write_thread_adaptive_yield = false;
    options.keep_log_file_num = 2;
    options.max_log_file_size = info_log_bytes_max;
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    return options;
}

rocksdb::ColumnFamilyOptions family_options(std::size_t buffer_bytes, const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.block_size = 16u << 10;
    table.cache_index_and_filter_blocks = true;
    rocksdb::ColumnFamilyOptions options;
    options.write_buffer_size = buffer_bytes;
    options.max_write_buffer_number = 2;
    options.compression = rocksdb::kNoCompression;  // two cores have better things to do
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

}  // namespace

Journal::Impl::~Impl() {
    if (thread_.joinable()) {
        thread_.request_stop();
        thread_.join();
    }
    if (db_) {
        meta_.reset();
        entries_.reset();
        (void)db_->Close();
    }
}

Error Journal::Impl::corrupt(const std::string& what) const {
    return fail(ErrorCode::corrupt,
                "journal " + options_.dir + ": " + what +
                    ". The journal cannot be trusted any more. Check the disk, move " + options_.dir +
                    " and the node's database directory away (never put an older copy back) and start the "
                    "node again: it returns under a new incarnation and gets everything from the other nodes");
}

Error Journal::Impl::explain(const rocksdb::Status& status) const {
    const std::string text = status.ToString();
    if (text.find("LOCK") != std::string::npos) {
        return fail(ErrorCode::refused,
                    "data directory is used by another process: " + options_.dir + " (" + text + ")");
    }
    if (status.IsNoSpace())
        return fail(ErrorCode::io, "journal " + options_.dir + ": no space left on the disk (" + text + ")");
    if (status.IsIOError()) return fail(ErrorCode::io, "journal " + options_.dir + ": " + text);
    return corrupt(text);
}

Status Journal::Impl::open() {
    if (auto status = make_private_dir(options_.dir); !status.ok()) return status;
    if (auto status = open_database(); !status.ok()) return status;
    if (auto status = tail_.open(options_.dir + "/tail"); !status.ok()) return status;
    // The state before the identity: a damaged journal is not written to.
    if (auto status = load_state(); !status.ok()) return status;
    if (auto status = load_memberships(); !status.ok()) return status;
    if (auto status = load_snapshot(); !status.ok()) return status;
    if (auto status = load_entries(); !status.ok()) return status;
    return load_identity();
}

// RocksDB first writes the end of its log into new files. Where these find no room it may end the process without a
// word of the reason.
Status Journal::Impl::room_to_open(std::uint64_t log_bytes) const {
    std::error_code error;
    const fs::space_info disk = fs::space(options_.dir, error);
    const std::uint64_t needed = log_bytes + room_bytes_min;
    if (error || disk.available >= needed) return ddb::ok();
    return fail(ErrorCode::io, "journal " + options_.dir +
                                   ": no space left on the disk: " + std::to_string(disk.available >> 10) +
                                   " KB are free and " + std::to_string(needed >> 10) + " KB needed to start");
}

Status Journal::Impl::open_database() {
    const std::string dir = options_.dir + "/db";
    std::error_code ignored;
    std::uint64_t log_bytes = 0;
    fs::directory_iterator it(dir, ignored);
    for (; it != fs::directory_iterator(); it.increment(ignored)) {
        const fs::directory_entry& item = *it;
        if (item.path().extension() != ".log") continue;
        std::error_code error;
        if (const auto size = item.file_size(error); !error) log_bytes += size;
        const std::uint64_t torn = torn_bytes_of_wal(item.path());
        if (torn == 0) continue;
        notes_.push_back("journal: a write that was cut short by the last stop (" + std::to_string(torn) +
                         " bytes at the end of " + item.path().filename().string() +
                         ") was never confirmed and is dropped");
    }
    if (auto status = room_to_open(log_bytes); !status.ok()) return status;
    const auto cache = rocksdb::NewLRUCache(block_cache_bytes);
    const std::vector<rocksdb::ColumnFamilyDescriptor> families{
        {rocksdb::kDefaultColumnFamilyName, family_options(meta_buffer_bytes, cache)},
        {"entries", family_options(write_buffer_bytes, cache)}};
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    // RocksDB makes its files with the process's mask; nothing a node writes is for others.
    ::umask(0077);
    const rocksdb::Status status = rocksdb::DB::Open(database_options(), dir, families, &handles, &db);
    if (!status.ok()) return explain(status);
    db_.reset(db);
    meta_.reset(handles[0]);
    entries_.reset(handles[1]);
    return ddb::ok();
}

Status Journal::Impl::get_meta(std::string_view key, std::optional<std::string>& out) const {
    std::string value;
    const rocksdb::Status status = db_->Get({}, meta_.get(), rocksdb::Slice(key.data(), key.size()), &value);
    if (status.IsNotFound()) return ddb::ok();
    if (!status.ok()) return explain(status);
    out = std::move(value);
    return ddb::ok();
}

Status Journal::Impl::load_state() {
    std::optional<std::string> bytes;
    if (auto status = get_meta(state_key, bytes); !status.ok()) return status;
    if (bytes && !decode_state(*bytes, state_)) return corrupt("the state record has an unknown form");
    if (tail_.damaged()) {
        notes_.push_back("journal: the file " + options_.dir + "/tail was unreadable; it is written anew");
    }
    if (tail_.stored() > state_.write_number) {
        return corrupt("confirmed writes are missing: it ends at write " + std::to_string(state_.write_number) +
                       ", but write " + std::to_string(tail_.stored()) + " was synced and confirmed");
    }
    recovered_.hard = state_.hard;
    recovered_.base = state_.base;
    recovered_.base_digest = state_.base_digest;
    recovered_.decided = std::min(state_.decided, state_.last.index);
    return ddb::ok();
}

Status Journal::Impl::load_memberships() {
    const auto load = [&](std::string_view key, const Digest& digest, std::optional<Membership>& out) -> Status {
        std::optional<std::string> bytes;
        if (auto status = get_meta(key, bytes); !status.ok()) return status;
        const std::string name(key);
        if (!bytes) return digest == Digest{} ? ddb::ok() : Status(corrupt("the record \"" + name + "\" is missing"));
        if (blake2b(*bytes) != digest) return corrupt("the record \"" + name + "\" is not the one written last");
        auto membership = decode_membership(*bytes);
        if (!membership.ok()) return corrupt("the record \"" + name + "\": " + membership.error().message);
        out = std::move(membership).value();
        return ddb::ok();
    };
    if (auto status = load(signed_key, state_.signed_digest, recovered_.signed_list); !status.ok()) return status;
    return load(membership_key, state_.membership_digest, recovered_.base_membership);
}

Status Journal::Impl::load_snapshot() {
    recovered_.rebuilding = state_.rebuilding;
    recovered_.outcomes_floor = state_.base.index;
    if (state_.snapshot_digest == Digest{}) return ddb::ok();
    std::optional<std::string> bytes;
    if (auto status = get_meta(snapshot_key, bytes); !status.ok()) return status;
    if (!bytes || blake2b(*bytes) != state_.snapshot_digest) {
        return corrupt("the record of the snapshot is not the one written last");
    }
    auto snapshot = decode_snapshot(*bytes);
    if (!snapshot.ok()) return corrupt("the record of the snapshot: " + snapshot.error().message);
    recovered_.outcomes_floor = snapshot->outcomes_floor;
    recovered_.forgotten = snapshot->forgotten;
    recovered_.outcomes = std::move(snapshot->outcomes);
    return ddb::ok();
}

// One pass over the kept log: contiguous, each entry chained to the one before, ending where the state says. Payloads
// stay in memory for the newest entries only.
Status Journal::Impl::load_entries() {
    EntryId last = state_.base;
    Digest digest = state_.base_digest;
    std::uint64_t payload_bytes = 0;
    std::size_t first_with_payload = 0;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, entries_.get()));
    for (it->Seek(entry_key(next(state_.base.index))); it->Valid(); it->Next()) {
        const LogIndex expected = next(last.index);
        std::uint64_t index = 0;
        if (!parse_big_endian(it->key().ToStringView(), index) || index != expected.value) {
            return corrupt("entry " + to_string(expected) + " is missing");
        }
        auto entry = decode_entry(it->value().ToStringView());
        if (!entry.ok()) return corrupt("entry " + to_string(expected) + ": " + entry.error().message);
        if (entry->id.index != expected || entry->id.epoch < last.epoch ||
            entry_digest(digest, *entry) != entry->digest) {
            return corrupt("entry " + to_string(expected) + " does not continue the entry before it");
        }
        last = entry->id;
        digest = entry->digest;
        if (entry->kind == EntryKind::membership) membership_entries_[last.index] = std::string(entry->payload.view());
        payload_bytes += entry->payload.size();
        recovered_.entries.push_back(std::move(entry).value());
        while (payload_bytes > options_.cache_entries_bytes_max && first_with_payload < recovered_.entries.size()) {
            Entry& oldest_entry = recovered_.entries[first_with_payload++];
            Payload& oldest = oldest_entry.payload;
            payload_bytes -= oldest.size();
            if (oldest_entry.kind == EntryKind::membership) continue;  // small, and the core reads all of them
            recovered_.payload_bytes_left_out += oldest.size();
            oldest = Payload();
        }
    }
    if (!it->status().ok()) return explain(it->status());
    if (last != state_.last || digest != state_.last_digest) {
        return corrupt("the log ends at entry " + to_string(last.index) + " of epoch " + to_string(last.epoch) +
                       ", but entry " + to_string(state_.last.index) + " of epoch " + to_string(state_.last.epoch) +
                       " was written");
    }
    recovered_.payloads_from = LogIndex{state_.base.index.value + 1 + first_with_payload};
    files_freed_below_ = dropped_durably_below_ = next(state_.base.index);
    return ddb::ok();
}

Status Journal::Impl::load_identity() {
    std::optional<std::string> bytes;
    if (auto status = get_meta(identity_key, bytes); !status.ok()) return status;
    IdentityRecord record;
    if (bytes) {
        if (!decode_identity(*bytes, record)) return corrupt("the identity record has an unknown form");
        if (record.node != options_.node) {
            return fail(ErrorCode::refused, "data directory of another node: " + options_.dir + " belongs to node " +
                                                to_string(record.node) + ", this is node " + to_string(options_.node));
        }
        if (record.cluster != options_.cluster) {
            return fail(ErrorCode::refused, "data directory of another cluster: " + options_.dir + " belongs to \"" +
                                                record.cluster + "\", cluster.name is \"" + options_.cluster + "\"");
        }
    } else {
        if (state_.write_number != 0) return corrupt("the identity record is missing");
        record.node = options_.node;
        record.cluster = options_.cluster;
        record.identity.incarnation = Incarnation{random_nonzero()};
    }
    record.identity.boot = next(record.identity.boot);
    record.identity.boot_nonce = random_nonzero();
    rocksdb::WriteOptions synced;
    synced.sync = true;
    // Together with the state: from here on a journal without one of the two is a damaged one.
    ++state_.write_number;
    rocksdb::WriteBatch batch;
    (void)batch.Put(meta_.get(), std::string(identity_key), encode_identity(record));
    (void)batch.Put(meta_.get(), std::string(state_key), encode_state(state_));
    if (const auto status = db_->Write(synced, &batch); !status.ok()) return explain(status);
    if (!tail_.write(state_.write_number)) {
        return fail(ErrorCode::io, "cannot write " + options_.dir + "/tail: " + std::string(std::strerror(errno)));
    }
    identity_ = record.identity;
    identity_record_ = record;
    return ddb::ok();
}

void Journal::Impl::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

}  // namespace ddb::storage
