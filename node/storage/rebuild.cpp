// Replacing the whole content of this node's database by that of another node: the receiver's part of DESIGN §3.5 that
// touches the server. The journal says "rebuilding" from before the first step until after the last, so that a crash
// anywhere in between leads to begin_rebuild() again.
#include <algorithm>
#include <array>

#include "node/storage/forced_logs.hpp"
#include "node/storage/local_database_impl.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/user_connections.hpp"
#include "node/storage/xa_recovery.hpp"

namespace ddb::storage {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds rollback_limit{20'000};
constexpr std::size_t fold_entries_max = 500;
constexpr milliseconds back_off_first{200};

}  // namespace

void LocalDatabase::Impl::begin_rebuild(std::uint64_t attempt) {
    rebuilding_ = true;
    send(BeginRebuild{attempt});
}

void LocalDatabase::Impl::read_loaded_position() {
    send(ReadLoaded{});
}

void LocalDatabase::Impl::install_snapshot(EntryId last, std::vector<Entry> entries) {
    send(Install{last, std::move(entries)});
}

void LocalDatabase::Impl::end_rebuild() {
    send(EndRebuild{});
}

// Made by this very start, and nothing was done with it: as good as another new one, and at hand.
bool LocalDatabase::Impl::pristine() {
    if (server_ == nullptr || !server_->running() || !server_->fresh() || dump_seen_ || position_.index.value != 0 ||
        !ensure_control().ok()) {
        return false;
    }
    const auto used = user_data_exists(*control_);
    return used.ok() && !*used;
}

void LocalDatabase::Impl::empty_database() {
    opening_.reset();
    wanted_index_ = UINT64_MAX;
    if (up_) sink_(ServerDown{"its content is being replaced"});
    up_ = false;
    samples_.clear();
    const bool keep = pristine();
    dump_seen_ = true;
    // The server first: whoever waits for it returns.
    if (server_ != nullptr && !keep) server_->kill();
    stop_office_workers();
    applier_->pause();
    applier_->forget();
    {
        std::lock_guard lock(office_mutex_);
        decided_ = LogIndex{};
    }
    Status status = options_.managed ? empty_managed(keep) : empty_external();
    if (status.ok()) {
        // What was begun on the old content is nowhere any more.
        for (const StatementIntent& intent : journal_.intents()) (void)journal_.clear_intent(intent);
    }
    if (leaving_) {
        sink_(OfficeLeft{*leaving_});
        leaving_.reset();
    }
    sink_(status.ok() ? DatabaseEvent(RebuildReady{attempt_})
                      : DatabaseEvent(RebuildBroken{attempt_, status.error().message}));
}

// A new data directory takes less time than dropping what is in the old one, and repairs whatever was wrong with it.
Status LocalDatabase::Impl::empty_managed(bool keep) {
    if (!keep) {
        control_.reset();
        server_.reset();
        if (auto status = ManagedServer::wipe(options_.data_dir + "/mysql"); !status.ok()) return status;
    }
    if (auto status = launch_server(); !status.ok()) return status;
    // The dump may hold tables from before the cluster.
    const std::array<std::string, 2> settings = {"SET GLOBAL read_only=1",
                                                 control_->dialect().require_primary_keys_sql(false)};
    for (const std::string& sql : settings) {
        if (auto done = control_->execute(sql); !done.ok()) return done.error();
    }
    return ok();
}

Status LocalDatabase::Impl::empty_external() {
    if (auto status = launch_server(); !status.ok()) return status;
    if (auto status = end_users_and_writes(); !status.ok()) return status;
    if (auto others = roll_back_prepared(*control_, rollback_limit); !others.ok()) return others.error();
    auto names = control_->rows(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN "
        "('information_schema','mysql','performance_schema','sys')");
    if (!names.ok()) return names.error();
    std::vector<std::string> statements = {"SET SESSION foreign_key_checks=0, lock_wait_timeout=30"};
    for (const auto& row : *names) statements.push_back("DROP DATABASE " + quoted_name(row.at(0).value_or("")));
    // The binary log tells which statement entries ran here: none of them has, now.
    const ServerDialect& dialect = control_->dialect();
    statements.insert(statements.end(), {dialect.forget_binlog_sql(), dialect.require_primary_keys_sql(false),
                                         "SET SESSION foreign_key_checks=1, lock_wait_timeout=1"});
    for (const std::string& sql : statements) {
        if (auto done = control_->execute(sql); !done.ok()) return done.error();
    }
    return ok();
}

void LocalDatabase::Impl::report_loaded() {
    if (auto status = ensure_control(); !status.ok()) return sink_(RebuildBroken{attempt_, status.error().message});
    auto position = read_position(*control_);
    if (!position.ok()) return sink_(RebuildBroken{attempt_, position.error().message});
    auto markers = read_markers(*control_);
    if (!markers.ok()) return sink_(RebuildBroken{attempt_, markers.error().message});
    sink_(LoadedPosition{attempt_, position->index, std::move(*markers)});
}

Status LocalDatabase::Impl::install(const Install& snapshot) {
    if (auto status = ensure_control(); !status.ok()) return status;
    if (auto status = prepare_server(); !status.ok()) return status;
    auto keyed = control_->execute(control_->dialect().require_primary_keys_sql(true));
    if (!keyed.ok()) return keyed.error();
    const std::span<const Entry> entries(snapshot.entries);
    for (std::size_t at = 0; at < entries.size(); at += fold_entries_max) {
        const auto now = entries.subspan(at, std::min(fold_entries_max, entries.size() - at));
        if (auto status = fold_entries(*control_, now, options_.committed_log_rows); !status.ok()) return status;
    }
    auto position = read_position(*control_);
    if (!position.ok()) return position.error();
    auto markers = read_markers(*control_);
    if (!markers.ok()) return markers.error();
    if (position->index != snapshot.last.index || position->epoch != snapshot.last.epoch || !markers->empty()) {
        return fail(ErrorCode::corrupt, "the loaded database stands at entry " + to_string(position->index) + " with " +
                                            std::to_string(markers->size()) + " marks, expected was entry " +
                                            to_string(snapshot.last.index));
    }
    // A commit that is flushed takes everything in front of it to the disk: the journal must not call this database
    // whole while a crash of the host could still take a part of it away.
    if (auto done = control_->execute("FLUSH TABLES"); !done.ok()) return done.error();
    return force_redo_log(*control_);
}

void LocalDatabase::Impl::leave_rebuild() {
    rebuilding_ = false;
    if (auto status = recover(); !status.ok()) {
        next_attempt_ = {};
        back_off_ = back_off_first;
        return;  // the supervisor tries again, as after any loss of the server
    }
    up_ = true;
    sink_(ServerUp{position_.index, Payload(format_description_), version_, pid_, extended_metadata_});
    try_open();
}

}  // namespace ddb::storage
