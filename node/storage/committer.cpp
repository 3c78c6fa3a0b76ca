#include "node/storage/committer.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "node/storage/failpoint.hpp"
#include "node/storage/local_database.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/xa_recovery.hpp"

namespace ddb::storage {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds fold_interval{1000};
constexpr std::uint64_t fold_entries_max = 2000;  // waiting: fold sooner
constexpr std::uint64_t fold_step = 500;          // entries of one transaction
constexpr std::size_t fold_read_bytes_max = 8u << 20;
constexpr milliseconds registration_check{20};
constexpr milliseconds retry_pause{5};
constexpr milliseconds commit_limit{30'000};
constexpr std::uint64_t report_every = 64;
// Told together while the next can be committed at once: each word wakes the loop, which would take a processor from
// the commits that wait.
constexpr std::size_t told_together_max = 8;
constexpr std::uint16_t xid_unknown = 1397;
constexpr std::uint16_t user_limit_reached = 1226;  // MAX_QUERIES_PER_HOUR and its kin: for up to an hour

}  // namespace

Committer::Committer(Options options, Journal& journal, Hooks hooks)
    : options_(std::move(options)),
      journal_(journal),
      hooks_(std::move(hooks)),
      decided_(options_.after),
      committed_(options_.after),
      reported_(options_.after),
      folded_(options_.after),
      fold_thread_([this](const std::stop_token& stop) { run_folds(stop); }),
      commit_thread_([this](const std::stop_token& stop) { run_commits(stop); }) {}

Committer::~Committer() {
    (void)stop(milliseconds(0));
    commit_thread_.request_stop();
    fold_thread_.request_stop();
    commit_thread_.join();
    fold_thread_.join();
}

void Committer::decided(LogIndex up_to) {
    {
        std::lock_guard lock(mutex_);
        if (!hears_ || up_to <= decided_) return;
        decided_ = up_to;
    }
    changed_.notify_all();
}

void Committer::hear_no_more() {
    std::lock_guard lock(mutex_);
    hears_ = false;
}

void Committer::register_prepared(LogIndex index, TxnId txn, std::string xid, std::unique_ptr<Connection> connection) {
    add(index, Registration{txn, std::move(xid), std::move(connection), false});
}

void Committer::register_done(LogIndex index, bool part) {
    if (!part) {
        std::lock_guard lock(mutex_);
        last_done_ = std::max(last_done_, index);
    }
    add(index, Registration{});
}

void Committer::hold_statements(bool hold) {
    {
        std::lock_guard lock(mutex_);
        fold_soon_ = hold;
    }
    fold_due_.notify_all();
}

bool Committer::statements_told() const {
    std::lock_guard lock(mutex_);
    return fold_known_ >= last_done_;
}

void Committer::register_audit(LogIndex index) {
    add(index, Registration{TxnId{}, {}, nullptr, true});
}

void Committer::add(LogIndex index, Registration registration) {
    {
        std::lock_guard lock(mutex_);
        registered_.insert_or_assign(index, std::move(registration));
        if (index > decided_) return;  // nobody waits for it yet
    }
    changed_.notify_all();
}

bool Committer::stop(milliseconds limit) {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    fold_due_.notify_all();
    return changed_.wait_for(lock, limit, [&] { return !committing_; });
}

LogIndex Committer::committed() const {
    std::lock_guard lock(mutex_);
    return committed_;
}

// Entries nobody registers are those that change nothing here: membership, markers, audits.
bool Committer::has_no_effect_here(LogIndex index) {
    const auto entries = journal_.read(index, index, 1);
    if (!entries.ok() || entries->empty()) return false;
    const EntryKind kind = entries->front().kind;
    return !leaves_marker(kind) && kind != EntryKind::statement;
}

std::optional<Committer::Registration> Committer::wait_for_next(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
        committing_ = false;
        if (stopping_) changed_.notify_all();
        if (!changed_.wait(lock, stop, [&] { return stopping_ || committed_ < decided_; })) return std::nullopt;
        if (stopping_) return std::nullopt;
        const LogIndex index = next(committed_);
        const auto found = registered_.find(index);
        if (found != registered_.end()) {
            Registration out = std::move(found->second);
            registered_.erase(found);
            committing_ = true;
            return out;
        }
        const bool came =
            changed_.wait_for(lock, stop, registration_check, [&] { return stopping_ || registered_.contains(index); });
        if (came || stop.stop_requested()) continue;
        lock.unlock();
        const bool skip = has_no_effect_here(index);
        lock.lock();
        if (skip && !stopping_ && !registered_.contains(index)) {
            committing_ = true;
            return Registration{};
        }
    }
}

void Committer::run_commits(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "commit");
    std::vector<Committed> untold;
    while (auto registration = wait_for_next(stop)) {
        if (registration->connection != nullptr && !commit(stop, *registration)) {
            tell(untold);
            std::lock_guard lock(mutex_);
            stopping_ = true;
            committing_ = false;
            changed_.notify_all();
            fold_due_.notify_all();
            return;
        }
        LogIndex index;
        bool more = false, soon = false;
        {
            std::lock_guard lock(mutex_);
            soon = fold_soon_;
            committed_ = next(committed_);
            index = committed_;
            more = committed_ < decided_ && registered_.contains(next(committed_));
        }
        if (index.value % fold_entries_max == 0 || soon) fold_due_.notify_all();
        if (registration->audit) hooks_.audit(index);
        if (registration->connection != nullptr && registration->connection->broken()) registration->connection.reset();
        untold.push_back(Committed{index, std::move(registration->connection)});
        if (!more || untold.size() >= told_together_max) tell(untold);
        report(more);
    }
    tell(untold);
}

void Committer::tell(std::vector<Committed>& untold) {
    for (Committed& committed : untold) hooks_.committed(std::move(committed));
    untold.clear();
}

// The position travels in batches while commits follow each other closely.
void Committer::report(bool more_follow) {
    const LogIndex now = committed();
    if (more_follow && now.value - reported_.value < report_every) return;
    reported_ = now;
    hooks_.applied(now);
}

bool Committer::commit(const std::stop_token& stop, Registration& registration) {
    const std::string sql = xa_sql("COMMIT", registration.xid);
    const auto give_up = std::chrono::steady_clock::now() + commit_limit;
    for (;;) {
        const auto done = registration.connection->execute(sql);
        if (done.ok()) {
            pass(Failpoint::xa_committed);
            return true;
        }
        const std::uint16_t code = done.error().mysql_code;
        if (registration.connection->broken() || code == xid_unknown || code == user_limit_reached) {
            registration.connection.reset();
            return commit_from_elsewhere(stop, registration);
        }
        // It stays prepared after an error (KILL QUERY, a lock somebody holds on everything).
        std::unique_lock lock(mutex_);
        if (std::chrono::steady_clock::now() >= give_up) {
            lock.unlock();
            hooks_.failed("XA COMMIT of a decided transaction keeps failing: " + done.error().message);
            return false;
        }
        changed_.wait_for(lock, stop, retry_pause, [&] { return stopping_; });
        if (stopping_ || stop.stop_requested()) return false;
    }
}

// Its connection died: the server gives the transaction away once it has noticed. Whether the lost XA COMMIT still
// happened is told by the marker.
bool Committer::commit_from_elsewhere(const std::stop_token& stop, const Registration& registration) {
    const auto give_up = std::chrono::steady_clock::now() + commit_limit;
    for (;;) {
        auto service = open_service(options_.service);
        if (service.ok()) {
            const auto finished = finish_orphan(**service, registration);
            if (finished.ok() && *finished) return true;
        }
        std::unique_lock lock(mutex_);
        if (std::chrono::steady_clock::now() >= give_up) {
            lock.unlock();
            hooks_.failed("a decided transaction lost its connection and can be neither found nor committed");
            return false;
        }
        changed_.wait_for(lock, stop, retry_pause, [&] { return stopping_; });
        if (stopping_ || stop.stop_requested()) return false;
    }
}

Result<bool> Committer::finish_orphan(Connection& service, const Registration& registration) {
    const auto done = service.execute("XA COMMIT '" + registration.xid + "'");
    if (done.ok()) return true;
    if (done.error().mysql_code != xid_unknown) return false;
    auto marker =
        service.scalar("SELECT 1 FROM ddb_meta.applied WHERE txn=" + std::to_string(marker_of(registration.txn)));
    if (!marker.ok()) return marker.error();
    return marker->has_value();
}

void Committer::run_folds(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "fold");
    std::unique_ptr<Connection> connection;
    while (!stop.stop_requested()) {
        LogIndex up_to;
        {
            std::unique_lock lock(mutex_);
            fold_due_.wait_for(lock, stop, fold_interval, [&] {
                const bool soon = fold_soon_ && fold_known_ < last_done_ && folded_ < committed_;
                return stopping_ || soon || committed_.value - folded_.value >= fold_entries_max;
            });
            if (stopping_) return;
            up_to = committed_;
        }
        while (folded_ < up_to && !stop.stop_requested()) {
            // A failure costs nothing: the markers are still there, and it is tried again.
            if (!fold(connection, up_to).ok()) break;
        }
    }
}

Status Committer::fold(std::unique_ptr<Connection>& connection, LogIndex up_to) {
    if (connection == nullptr || connection->broken()) {
        auto opened = open_service(options_.service);
        if (!opened.ok()) return opened.error();
        connection = std::move(*opened);
    }
    const LogIndex last{std::min(up_to.value, folded_.value + fold_step)};
    const auto entries = journal_.read(next(folded_), last, fold_read_bytes_max);
    if (!entries.ok()) return entries.error();
    if (entries->empty()) return fail(ErrorCode::not_found, "entry to fold is not in the journal");
    if (auto status = fold_entries(*connection, *entries, options_.log_rows); !status.ok()) return status;
    folded_ = entries->back().id.index;
    {
        std::lock_guard lock(mutex_);
        fold_known_ = folded_;
    }
    clear_intents(journal_, *entries);
    return ok();
}

}  // namespace ddb::storage
