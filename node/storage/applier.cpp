#include "node/storage/applier.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "node/storage/binlog_event.hpp"
#include "node/storage/binlog_statement.hpp"
#include "node/storage/calculation_settings.hpp"
#include "node/storage/changed_tables.hpp"
#include "node/storage/failpoint.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/statement_runner.hpp"
#include "schemas/codec.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t read_bytes_max = 8u << 20;
constexpr std::size_t batch_entries_max = 256;
constexpr std::size_t batch_bytes_max = 1u << 20;
// Entries nobody waits for gather for this long, or until they are this many: a transaction costs the same for one and
// for all of them.
constexpr std::chrono::milliseconds gather_time{10};
constexpr std::uint64_t gather_entries = 64;
// A batch that fails for passing reasons is tried again for this long before the node is fenced.
constexpr std::chrono::seconds transient_limit{120};
constexpr std::chrono::milliseconds retry_pause{20};
// Where there is no room no other database would find more: it is waited for, however long.
constexpr std::chrono::milliseconds room_pause_first{100};
constexpr std::chrono::milliseconds room_pause_max{5000};
constexpr int service_read_timeout_ms = 600'000;
// In turns in one mode and the other: somebody else may open a table in between.
constexpr int calculations_max = 20;

bool stands_alone(const Entry& entry) {
    return entry.kind == EntryKind::statement || entry.kind == EntryKind::noop || entry.kind == EntryKind::audit ||
           entry.kind == EntryKind::rows_end;
}

// How many of the entries make up the next transaction. Parts have no effect and go with each other only: what they
// belong to may have to wait.
std::size_t batch_length(std::span<const Entry> entries) {
    if (stands_alone(entries.front())) return 1;
    const bool parts = entries.front().kind == EntryKind::rows_part;
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (count < entries.size() && count < batch_entries_max && !stands_alone(entries[count])) {
        if (parts != (entries[count].kind == EntryKind::rows_part)) break;
        if (!parts) bytes += entries[count].payload.size();
        if (count > 0 && bytes > batch_bytes_max) break;
        ++count;
    }
    return count;
}

}  // namespace

Applier::Applier(Options options, Journal& journal, Hooks hooks)
    : options_([&] {
          options.service.read_timeout_ms = service_read_timeout_ms;
          options.service.program_name = "ddb applier";
          return std::move(options);
      }()),
      journal_(journal),
      hooks_(std::move(hooks)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Applier::~Applier() {
    thread_.request_stop();
    changed_.notify_all();
    thread_.join();
}

void Applier::decided(LogIndex up_to) {
    {
        std::lock_guard lock(mutex_);
        if (up_to <= decided_) return;
        const bool idle = applied_ >= goal();
        decided_ = up_to;
        if (!running_) return;                        // in office the committer works; resume() looks again
        if (!idle && !worth_a_transaction()) return;  // woken by the clock
    }
    changed_.notify_all();
}

void Applier::hurry(LogIndex index) {
    {
        std::lock_guard lock(mutex_);
        if (index <= hurry_) return;
        hurry_ = index;
        if (applied_ >= goal()) return;
    }
    changed_.notify_all();
}

// A ceiling means that an office waits to be opened.
bool Applier::worth_a_transaction() const {
    return hurry_ > applied_ || ceiling_ < decided_ || goal().value - applied_.value >= gather_entries;
}

void Applier::resume(const Position& position, LogIndex ceiling) {
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !working_; });
        position_ = position;
        in_parts_ = TxnId{};
        holding_out_ = false;
        waits_for_room_ = false;
        applied_ = position.index;
        ceiling_ = ceiling;
        connection_.reset();
        ran_.reset();
        running_ = true;
    }
    changed_.notify_all();
}

void Applier::pause() {
    std::unique_lock lock(mutex_);
    running_ = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !working_; });
}

void Applier::set_ceiling(LogIndex ceiling) {
    {
        std::lock_guard lock(mutex_);
        ceiling_ = ceiling;
    }
    changed_.notify_all();
}

void Applier::hold_statements(bool hold) {
    {
        std::lock_guard lock(mutex_);
        hold_statements_ = hold;
    }
    changed_.notify_all();
}

bool Applier::statements_held() const {
    std::lock_guard lock(mutex_);
    return hold_statements_ && !holding_out_;
}

// False: interrupted while a donor held it back.
bool Applier::enter(const Entry& first, const std::stop_token& stop) {
    if (first.kind == EntryKind::noop) in_parts_ = TxnId{};  // a new epoch: what had no end is void
    const bool begins_parts = first.kind == EntryKind::rows_part && first.txn != in_parts_;
    std::unique_lock lock(mutex_);
    if (first.kind == EntryKind::noop) holding_out_ = false;
    // A statement that overtook the parts goes on with them: their end stands behind it.
    const bool inside = holding_out_ && in_parts_ && (first.kind == EntryKind::statement || first.txn == in_parts_);
    if (inside || (first.kind != EntryKind::statement && !begins_parts)) return true;
    (void)changed_.wait(lock, stop, [&] { return !hold_statements_ || !running_ || fenced_; });
    holding_out_ = !hold_statements_ && running_ && !fenced_ && !stop.stop_requested();
    if (holding_out_ && begins_parts) in_parts_ = first.txn;
    return holding_out_;
}

void Applier::left(const Entry& last) {
    if (last.kind != EntryKind::statement && last.kind != EntryKind::rows_end) return;
    if (last.txn == in_parts_) in_parts_ = TxnId{};
    if (in_parts_) return;
    std::lock_guard lock(mutex_);
    holding_out_ = false;
}

void Applier::forget() {
    std::lock_guard lock(mutex_);
    decided_ = LogIndex{};
    fenced_ = false;
    waits_for_room_ = false;
}

LogIndex Applier::applied() const {
    std::lock_guard lock(mutex_);
    return applied_;
}

bool Applier::interrupted(const std::stop_token& stop) const {
    std::lock_guard lock(mutex_);
    return stop.stop_requested() || !running_ || fenced_;
}

bool Applier::wait_for_work(const std::stop_token& stop, LogIndex& from, LogIndex& to) {
    std::unique_lock lock(mutex_);
    working_ = false;
    changed_.notify_all();
    const auto has_work = [&] { return running_ && !fenced_ && applied_ < goal(); };
    do {
        if (!changed_.wait(lock, stop, has_work)) return false;
        changed_.wait_for(lock, stop, gather_time, [&] { return !has_work() || worth_a_transaction(); });
        if (stop.stop_requested()) return false;
    } while (!has_work());
    working_ = true;
    from = next(applied_);
    to = goal();
    return true;
}

void Applier::run(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "apply");
    LogIndex from;
    LogIndex to;
    while (wait_for_work(stop, from, to)) {
        auto entries = journal_.read(from, to, read_bytes_max);
        if (!entries.ok() || entries->empty()) {
            fence("entry " + to_string(from) + " is decided but cannot be read from the journal: " +
                  (entries.ok() ? "no such entry" : entries.error().message));
            continue;
        }
        std::span<const Entry> rest(*entries);
        while (!rest.empty() && !interrupted(stop)) {
            const std::size_t count = batch_length(rest);
            if (!enter(rest.front(), stop)) break;
            const Status status = apply(rest.first(count), stop);
            left(rest.front());
            if (!status.ok()) break;
            if (rest.front().kind == EntryKind::audit) hooks_.audit(rest.front().id.index);
            rest = rest.subspan(count);
        }
    }
}

// One transaction, tried again while what stands in its way may pass. Fails only when interrupted or fenced.
Status Applier::apply(std::span<const Entry> entries, const std::stop_token& stop) {
    std::optional<std::chrono::steady_clock::time_point> give_up;  // from the first failure on
    auto in_the_way = Victims::in_transaction;
    for (int calculated = 1;;) {
        Status status = ensure_connection();
        // A commit whose answer was lost may have happened after all.
        if (status.ok() && position_.index >= entries.back().id.index) return ok();
        if (status.ok()) {
            status = entries.front().kind == EntryKind::statement ? apply_statement(entries.front(), stop)
                                                                  : apply_batch(entries, stop);
        }
        if (status.ok()) {
            advance(entries.back().id.index);
            return ok();
        }
        const Error error = status.error();
        const bool lost = connection_ == nullptr || connection_->broken() || error.code == ErrorCode::io;
        if (lost) {
            connection_.reset();
        } else {
            (void)connection_->execute("ROLLBACK");
            const std::string settings = usual_settings_sql();
            if (!settings.empty() && !connection_->execute(settings).ok()) connection_.reset();
        }
        if (interrupted(stop)) return error;
        constexpr std::uint16_t out_of_range = 1690;
        if (!lost && error.mysql_code == out_of_range && entries.size() > 1) return apply_singly(entries, stop);
        if (connection_ != nullptr && error.mysql_code == out_of_range && calculated++ < calculations_max &&
            calculate_otherwise(entries.front()))
            continue;
        const std::string where =
            "entries " + to_string(entries.front().id.index) + " to " + to_string(entries.back().id.index) + ": ";
        if (!lost && !is_transient(error)) {
            fence(where + error.message + (error.mysql_code != 0 ? " (" + std::to_string(error.mysql_code) + ")" : "") +
                  say_tables_of(entries));
            return error;
        }
        // A lost server comes back in its own time; the supervisor pauses us meanwhile.
        if (!give_up) give_up = std::chrono::steady_clock::now() + transient_limit;
        const bool no_room = lacks_room(error);
        if (!lost && !no_room && std::chrono::steady_clock::now() >= *give_up) {
            fence(where + "still failing after " + std::to_string(transient_limit.count()) + " s: " + error.message);
            return error;
        }
        constexpr std::uint16_t lock_wait = 1205;
        // A transaction may hold a table of which it has read no row, and InnoDB not know of it: next time they all go.
        if (error.mysql_code == lock_wait) end_local_readers(std::exchange(in_the_way, Victims::all));
        const auto pause = no_room ? wait_for_room() : retry_pause;
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, stop, pause, [&] { return !running_; });
        if (stop.stop_requested() || !running_) return error;
    }
}

Status Applier::apply_singly(std::span<const Entry> entries, const std::stop_token& stop) {
    for (; !entries.empty(); entries = entries.subspan(1)) {
        if (auto status = apply(entries.first(1), stop); !status.ok()) return status;
    }
    return ok();
}

// In the other mode, with the tables opened anew: what they calculate is settled when they are. False: there is none.
bool Applier::calculate_otherwise(const Entry& entry) {
    const auto modes = connection_->dialect().arithmetic_modes_sql();
    if (modes.empty()) return false;
    arithmetic_mode_ = (arithmetic_mode_ + 1) % modes.size();
    std::string names;  // all tables, where they are not known
    if (entry.kind == EntryKind::rows) {
        const auto tables = changed_tables(entry.payload.view()).value_or(std::vector<ChangedTable>());
        for (const ChangedTable& table : tables)
            names += (names.empty() ? " " : ", ") + quoted_name(table.database) + "." + quoted_name(table.table);
    }
    // Where a reader still has one open this takes too long, but whoever comes next opens it anew all the same.
    (void)connection_->execute("FLUSH LOCAL TABLES" + names);
    return connection_->execute(modes[arithmetic_mode_]).ok();
}

Status Applier::ensure_connection() {
    if (connection_ != nullptr && !connection_->broken()) return ok();
    auto connection = open_service(options_.service);
    if (!connection.ok()) return connection.error();
    if (!log_settings_) {  // where a connection was lost within a statement they are others since
        auto usual = log_settings(**connection);
        if (!usual.ok()) return usual.error();
        log_settings_ = std::move(*usual);
    }
    auto position = read_position(**connection);
    if (!position.ok()) return position.error();
    const std::string session = (*connection)->dialect().applier_session_sql();
    if (auto set = (*connection)->execute(session); !set.ok()) return set.error();
    connection_ = std::move(*connection);
    if (const std::string settings = usual_settings_sql(); !settings.empty()) {
        if (auto set = connection_->execute(settings); !set.ok()) {
            connection_.reset();
            return set.error();
        }
    }
    position_ = std::move(*position);
    format_sent_ = false;
    arithmetic_mode_ = 0;
    return ok();
}

// Of a session that applies rows, where it calculates what they have been calculated from.
std::string Applier::usual_settings_sql() const {
    const ServerDialect& dialect = connection_->dialect();
    return dialect.calculates_rows() ? usual_calculation_sql(dialect) : std::string();
}

Status Applier::send_format_description() {
    if (format_sent_) return ok();
    if (position_.format_description.empty()) return fail(ErrorCode::corrupt, "rows before any format description");
    auto sent = connection_->execute(binlog_statement(position_.format_description));
    if (!sent.ok()) return sent.error();
    if (const std::string sql = connection_->dialect().after_format_description_sql(); !sql.empty()) {
        if (auto done = connection_->execute(sql); !done.ok()) return done.error();
    }
    format_sent_ = true;
    return ok();
}

// Everything of one transaction but its COMMIT, in few round trips: `rows` first, then position and log. The session
// runs with autocommit off, so that what is sent behind a statement that failed (a deadlock ends the transaction) stays
// undone.
Status Applier::send_transaction(std::span<const Entry> entries, const StatementRows& of_statement,
                                 const std::stop_token& stop) {
    constexpr std::size_t pending_bytes_max = 4u << 20;
    std::vector<std::string> pending;
    std::size_t pending_bytes = 0;
    const auto send = [&]() -> Status {
        auto done = connection_->execute_all(pending);
        pending.clear();
        pending_bytes = 0;
        if (!done.ok()) return done.error();
        return ok();
    };
    BinlogPacker packer(
        [&](std::string sql) -> Status {
            pending_bytes += sql.size();
            pending.push_back(std::move(sql));
            return pending_bytes < pending_bytes_max ? ok() : send();
        },
        usual_settings_sql());
    Status status = ok();
    if (!of_statement.settings.empty()) status = packer.add(settings_event(of_statement.settings));
    if (status.ok() && !of_statement.events.empty()) status = packer.add(of_statement.events);
    if (status.ok() && of_statement.parts) status = add_parts(packer, entries.back(), *of_statement.parts, stop);
    for (const Entry& entry : entries) {
        if (leaves_marker(entry.kind) && entry.kind != EntryKind::statement) packer.begin_group();
        if (status.ok() && entry.kind == EntryKind::rows) status = packer.add(entry.payload.view());
        if (!status.ok() || entry.kind != EntryKind::rows_end) continue;
        const auto parts = decode_parts(entry.payload.view());
        if (!parts.ok()) return parts.error();
        status = add_parts(packer, entry, *parts, stop);
    }
    if (status.ok()) status = packer.flush();
    if (!status.ok()) return status;
    const Entry& last = entries.back();
    const bool new_format = last.kind == EntryKind::noop && last.payload.size() > 0;
    const std::string format(last.kind == EntryKind::noop ? last.payload.view() : std::string_view());
    pending.push_back(set_position_sql(last.id.index, last.id.epoch, new_format ? &format : nullptr));
    pending.push_back(log_rows_sql(entries));
    pending.push_back(trim_log_sql(last.id.index, options_.log_rows));
    return send();
}

// From the journal, which keeps them until their end is applied.
Status Applier::add_parts(BinlogPacker& packer, const Entry& end, const PartsRange& parts,
                          const std::stop_token& stop) {
    if (parts.count == 0) return ok();
    std::uint32_t found = 0;
    for (LogIndex from = parts.first; from < end.id.index;) {
        if (interrupted(stop)) return fail(ErrorCode::shutting_down, "applying was interrupted");
        const auto entries = journal_.read(from, previous(end.id.index), read_bytes_max);
        if (!entries.ok()) return fail(ErrorCode::corrupt, "parts of the transaction: " + entries.error().message);
        if (entries->empty()) break;
        for (const Entry& entry : *entries) {
            if (entry.kind != EntryKind::rows_part || entry.txn != end.txn) continue;
            if (auto status = packer.add_piece(entry.payload.view()); !status.ok()) return status;
            ++found;
        }
        from = next(entries->back().id.index);
    }
    if (found == parts.count) return ok();
    return fail(ErrorCode::corrupt, "the journal holds " + std::to_string(found) + " of the transaction's " +
                                        std::to_string(parts.count) + " parts");
}

Status Applier::commit(const Entry& last) {
    auto done = connection_->execute("COMMIT");
    if (!done.ok()) return done.error();
    position_.index = last.id.index;
    position_.epoch = last.id.epoch;
    if (last.kind == EntryKind::noop && last.payload.size() > 0) {
        position_.format_description = last.payload.view();
        format_sent_ = false;
    }
    return ok();
}

Status Applier::apply_batch(std::span<const Entry> batch, const std::stop_token& stop) {
    if (batch.front().kind == EntryKind::noop) {
        if (auto status = check_intents(batch.front(), stop); !status.ok()) return status;
    }
    const bool has_rows = std::any_of(batch.begin(), batch.end(), [](const Entry& entry) {
        return leaves_marker(entry.kind) && entry.payload.size() > 0;
    });
    if (has_rows) {
        if (auto status = send_format_description(); !status.ok()) return status;
    }
    if (auto status = send_transaction(batch, {}, stop); !status.ok()) return status;
    pass(Failpoint::applying);
    if (auto status = commit(batch.back()); !status.ok()) return status;
    pass(Failpoint::applied);
    return ok();
}

std::chrono::milliseconds Applier::wait_for_room() {
    room_pause_ = std::clamp(room_pause_ * 2, room_pause_first, room_pause_max);
    waits_for_room_ = true;
    return room_pause_;
}

void Applier::advance(LogIndex index) {
    waits_for_room_ = false;
    room_pause_ = {};
    {
        std::lock_guard lock(mutex_);
        applied_ = index;
    }
    hooks_.applied(index);
}

// Readers hold back what is decided for everybody; they are told that their transaction is gone and may be tried again.
void Applier::end_local_readers(Victims victims) {
    if (auto connection = open_service(options_.service); connection.ok()) {
        (void)kill_user_connections(**connection, options_.service.user, victims);
    }
}

void Applier::fence(const std::string& reason) {
    {
        std::lock_guard lock(mutex_);
        fenced_ = true;
        waits_for_room_ = false;
    }
    hooks_.fenced(reason);
}

}  // namespace ddb::storage
