// Opening and leaving the coordinator's office: DESIGN §3.1. Leaving, node start and server restart are one path,
// recover().
#include "node/storage/local_database_impl.hpp"
#include "node/storage/orphan_routines.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/user_connections.hpp"
#include "node/storage/xa_recovery.hpp"

namespace ddb::storage {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds commit_under_way_limit{5000};
constexpr milliseconds users_end_limit{10'000};
constexpr milliseconds rollback_limit{20'000};
constexpr int read_only_attempts_max = 5;  // each waits for locks of a second at most
constexpr LogIndex no_ceiling{UINT64_MAX};

// In office temporary tables, whose rows are in no log, need no key: sessions make the demand for what could make
// others. MySQL's would hold for later sessions only, and stays.
Status demand_keys(Connection& control, bool on) {
    if (control.leaves_out_defaults()) return ok();
    auto done = control.execute(control.dialect().require_primary_keys_sql(on));
    return done.ok() ? ok() : Status(done.error());
}

}  // namespace

void LocalDatabase::Impl::try_open() {
    if (!up_ || !opening_ || applier_->applied() < opening_->noop) return;
    const OpenOffice office = *opening_;
    opening_.reset();
    wanted_index_ = UINT64_MAX;
    applier_->pause();
    if (auto status = finish_open(office); !status.ok()) {
        lose_server("the office cannot be opened: " + status.error().message);
        return;
    }
    sink_(OfficeReady{office.epoch});
}

Status LocalDatabase::Impl::finish_open(const OpenOffice& office) {
    if (auto status = ensure_control(); !status.ok()) return status;
    // Nobody can write yet, so nothing falls between the position and the first event captured.
    auto from = binlog_end(*control_);
    if (!from.ok()) return from.error();
    const bool sequences = control_->dialect().has_sequences();
    auto capture = Capture::start(
        Capture::Options{service_, *from, office.epoch, format_description_,
                         sequences ? std::optional(service_) : std::nullopt},
        [this](Captured group) { sink_(std::move(group)); },
        [this](const Error& error, bool fatal) { on_capture_end(error, fatal); });
    if (!capture.ok()) return capture.error();
    capture_ = std::move(*capture);
    auto committer = std::make_unique<Committer>(
        Committer::Options{service_, applier_->applied(), options_.committed_log_rows}, journal_,
        Committer::Hooks{[this](Committed committed) { sink_(std::move(committed)); },
                         [this](LogIndex index) { report_applied(index); },
                         [this](const std::string& reason) {
                             send(ServerLost{reason, false});
                         },
                         [this](LogIndex index) { audit(index); }});
    {
        std::lock_guard lock(office_mutex_);
        committer->decided(decided_);
        committer_ = std::move(committer);
    }
    if (auto status = demand_keys(*control_, false); !status.ok()) return status;
    if (auto status = own_rows_.mend(*control_); !status.ok()) return status;
    auto writable = control_->execute("SET GLOBAL read_only=0");
    if (!writable.ok()) return writable.error();
    return ok();
}

// The owner's thread may be busy for long, while the next office's decisions come.
void LocalDatabase::Impl::close_office(Epoch epoch) {
    {
        std::lock_guard lock(office_mutex_);
        if (committer_ != nullptr) committer_->hear_no_more();
    }
    send(CloseOffice{epoch});
}

void LocalDatabase::Impl::close(Epoch epoch) {
    opening_.reset();
    wanted_index_ = UINT64_MAX;
    if (rebuilding_) {
        sink_(OfficeLeft{epoch});  // nothing of that tenure is left in there
        return;
    }
    if (!up_) {
        leaving_ = epoch;
        return;
    }
    if (auto status = recover(); !status.ok()) {
        leaving_ = epoch;
        lose_server("leaving the office: " + status.error().message);
        if (server_ != nullptr) server_->kill();
        return;
    }
    sink_(OfficeLeft{epoch});
}

void LocalDatabase::Impl::stop_office_workers() {
    std::unique_ptr<Committer> committer;
    std::unique_ptr<GroupReader> reader;
    {
        std::lock_guard lock(office_mutex_);
        committer = std::move(committer_);
        reader = std::move(group_reader_);
    }
    reader.reset();
    if (committer != nullptr && !committer->stop(commit_under_way_limit) && control_ != nullptr) {
        // Something holds it; without its connection it returns.
        (void)kill_user_connections(*control_, options_.service_user, Victims::all);
    }
    committer.reset();  // and with it the connections of what was not decided
    capture_.reset();
    stalled_ = false;
}

// User connections first: read_only would wait behind them. Then once more, for those that came in between.
Status LocalDatabase::Impl::end_users_and_writes() {
    Status status = ok();
    for (int attempt = 0; attempt < read_only_attempts_max; ++attempt) {
        status = end_user_connections(*control_, options_.service_user, users_end_limit);
        if (!status.ok()) return status;
        auto done = control_->execute("SET GLOBAL read_only=1");
        if (done.ok()) return end_user_connections(*control_, options_.service_user, users_end_limit);
        status = done.error();
        if (control_->broken()) return status;
    }
    return status;
}

Status LocalDatabase::Impl::recover() {
    applier_->pause();
    if (auto status = ensure_control(); !status.ok()) return status;
    stop_office_workers();
    if (auto status = end_users_and_writes(); !status.ok()) return status;
    if (auto status = demand_keys(*control_, options_.demand_keys); !status.ok()) return status;
    auto others = roll_back_prepared(*control_, rollback_limit);
    if (!others.ok()) return others.error();
    for (const std::string& xid : *others) {
        sink_(ForeignWrite{"a prepared transaction that is not of this cluster: " + to_hex_literal(xid)});
    }
    // Of a DROP DATABASE whose session has just been ended.
    if (auto status = storage::drop_orphan_routines(*control_, {}); !status.ok()) return status;
    auto position = settle_position(*control_, journal_, options_.committed_log_rows);
    if (!position.ok()) {
        if (position.error().code != ErrorCode::refused) return position.error();
        // Served no more, but the node goes on: it still journals and votes. The applier stays where it is.
        sink_(Fenced{position.error().message});
        auto stuck = read_position(*control_);
        if (!stuck.ok()) return stuck.error();
        position_ = std::move(*stuck);
        return ok();
    }
    position_ = std::move(*position);
    auto gtids = control_->dialect().foreign_gtids(*control_);
    if (!gtids.ok()) return gtids.error();
    foreign_gtids_ = std::move(*gtids);
    {
        std::lock_guard lock(office_mutex_);
        cluster_ = position_.cluster;
    }
    {
        std::lock_guard lock(report_mutex_);
        applied_ = position_.index;
        durable_ = LogIndex{};
        sink_(Applied{applied_, durable_});
    }
    samples_.clear();
    applier_->resume(position_, no_ceiling);
    return ok();
}

}  // namespace ddb::storage
