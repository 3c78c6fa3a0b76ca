// Statement entries, and the intents of statements that never became entries.
#include <algorithm>
#include <array>
#include <chrono>

#include "node/storage/applier.hpp"
#include "node/storage/calculation_settings.hpp"
#include "node/storage/failpoint.hpp"
#include "node/storage/local_database.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/statement_runner.hpp"
#include "schemas/codec.hpp"

namespace ddb::storage {

// The logs are forced to the disk until the position is there as well: of several statements that ran without it, those
// about accounts could not be told apart from rows that have to be applied again.
Status Applier::apply_statement(const Entry& entry, const std::stop_token& stop) {
    if (auto forced = connection_->execute(force_logs_sql()); !forced.ok()) return forced.error();
    const Status status = run_and_commit(entry, stop);
    if (ensure_connection().ok()) (void)connection_->execute(usual_logs_sql(*log_settings_));
    return status;
}

// The statement commits by itself, so a crash can come between it and its position. Its GTID in the binary log tells
// then that it ran; its rows (CREATE … SELECT) are in the position's transaction.
Status Applier::run_and_commit(const Entry& entry, const std::stop_token& stop) {
    const auto payload = decode_statement(entry.payload.view());
    if (!payload.ok()) return payload.error();
    const auto parts = take_apart(*payload);
    if (!parts.ok()) return parts.error();
    const std::uint64_t sequence = statement_sequence(entry.txn);
    if (auto status = load_ran_statements(sequence); !status.ok()) return status;
    const auto ran = ran_->find(sequence);
    const bool has_rows = !parts->rows.empty() || payload->parts;
    const bool whole = ran != ran_->end() && (ran->second.with_rows || !has_rows) &&
                       ran->second.last >= sequence + std::max<std::size_t>(parts->queries.size(), 1) - 1;
    std::size_t first = 0;
    if (ran != ran_->end())
        first = whole ? parts->queries.size() : static_cast<std::size_t>(ran->second.last - sequence + 1);
    const bool by_ourselves = ran != ran_->end() && ran->second.with_rows;
    // Also of one that has run already: the connection may have been lost before its end.
    const bool makes =
        may_make_routine(payload->sql) || std::any_of(parts->queries.begin(), parts->queries.end(), may_make_routine);
    const DefinitionClock::Running running(makes ? options_.definitions : nullptr);
    if (!by_ourselves && !(whole && parts->queries.empty())) {
        // Whatever comes of it, what we knew is out of date.
        ran_.reset();
        if (std::any_of(parts->queries.begin(), parts->queries.end(), may_read_accounts)) mend_own_rows();
        const Status status = run_statement(options_.service, *payload, *parts, sequence, first);
        if (!status.ok()) return status;
        pass(Failpoint::statement_applied);
    }
    if (!by_ourselves && has_rows) {
        if (auto status = send_format_description(); !status.ok()) return status;
    }
    const std::array<Entry, 1> entries = {entry};
    StatementRows rows;
    // These are some of the definition's, where there are rows to calculate from.
    const bool calculates = connection_->calculates_rows();
    if (!by_ourselves && has_rows) rows = {calculates ? parts->settings : "", parts->rows, payload->parts};
    if (auto status = send_transaction(entries, rows, stop); !status.ok()) return status;
    const Status status = commit(entry);
    if (status.ok()) clear_intent_of(entry.txn);
    if (!rows.settings.empty()) connection_.reset();  // not all of them are taken back
    return status;
}

// Where it fails, the node's next look may do it.
void Applier::mend_own_rows() const {
    if (options_.own_rows == nullptr) return;
    auto service = open_service(options_.service);
    if (service.ok()) (void)options_.own_rows->mend(**service);
}

Status Applier::load_ran_statements(std::uint64_t least) {
    if (ran_ && least >= ran_from_) return ok();
    auto ran = connection_->dialect().ran_statements(options_.service, least);
    if (!ran.ok()) return ran.error();
    ran_ = std::move(*ran);
    ran_from_ = least;
    return ok();
}

// A no-op of a newer epoch has every surviving entry of older epochs in front of it.
Status Applier::check_intents(const Entry& noop, const std::stop_token& stop) {
    const auto intents = journal_.intents();
    if (intents.empty()) return ok();
    std::uint64_t least = UINT64_MAX;
    for (const StatementIntent& intent : intents) least = std::min(least, first_sequence(intent.sequence));
    if (auto status = load_ran_statements(least); !status.ok()) return status;
    const auto run = connection_->dialect().traces_of_run(*connection_);
    if (!run.ok()) return run.error();
    for (const StatementIntent& intent : intents) {
        if (intent.txn.epoch >= noop.id.epoch) continue;
        if (auto status = settle_intent(intent, *run, stop); !status.ok()) return status;
        (void)journal_.clear_intent(intent);
    }
    return ok();
}

// A statement that we began to run and that is not in the log has left its effect here alone, if any. Where there is no
// other copy this one stays: nobody was told what became of the statement.
Status Applier::settle_intent(const StatementIntent& intent, std::uint64_t run, const std::stop_token& stop) {
    const bool ran = ran_->contains(first_sequence(intent.sequence));
    if (!ran && (intent.traces_of_run == 0 || intent.traces_of_run == run)) return ok();
    const OtherCopies others = wait_for_copies(stop);
    if (others == OtherCopies::unknown) return fail(ErrorCode::shutting_down, "applying was interrupted");
    const std::string what = "statement " + to_string(intent.txn) +
                             (ran ? " ran here but is not in the log"
                                  : " was under way when the database server ended, and may have been done in part");
    if (others == OtherCopies::some) return fail(ErrorCode::refused, what + ": this database must be rebuilt");
    hooks_.foreign(what + "; this is the only copy and stays as it is");
    return ok();
}

// Without a deadline: nobody can serve before it is known, as whoever can makes it known.
OtherCopies Applier::wait_for_copies(const std::stop_token& stop) {
    constexpr std::chrono::milliseconds look_again{20};
    while (other_copies_ == OtherCopies::unknown && !interrupted(stop)) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, stop, look_again, [&] { return !running_; });
    }
    return other_copies_;
}

void Applier::clear_intent_of(TxnId txn) {
    for (const StatementIntent& intent : journal_.intents()) {
        if (intent.txn == txn) (void)journal_.clear_intent(intent);
    }
}

}  // namespace ddb::storage
