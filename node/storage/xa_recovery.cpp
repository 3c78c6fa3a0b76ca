#include "node/storage/xa_recovery.hpp"

#include <algorithm>
#include <thread>

#include "node/storage/local_database.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t read_bytes_max = 16u << 20;
constexpr std::size_t fold_entries_max = 500;
constexpr LogIndex end_of_log{UINT64_MAX - 1};  // the journal adds one

// One `XA RECOVER` row: format id, lengths of the two parts, data.
PreparedTransaction describe(const Connection::Row& row) {
    const std::string format = row.at(0).value_or("1");
    const auto gtrid = static_cast<std::size_t>(std::strtoul(row.at(1).value_or("0").c_str(), nullptr, 10));
    const std::string data = row.at(3).value_or("");
    PreparedTransaction out;
    out.xid = data.substr(0, gtrid);
    const std::string bqual = gtrid < data.size() ? data.substr(gtrid) : std::string();
    out.statement_argument = to_hex_literal(out.xid) + "," + to_hex_literal(bqual) + "," + format;
    out.ours = bqual.empty() && out.xid.starts_with(xid_prefix);
    return out;
}

}  // namespace

Result<std::vector<PreparedTransaction>> prepared_transactions(Connection& service) {
    auto rows = service.rows("XA RECOVER");
    if (!rows.ok()) return rows.error();
    std::vector<PreparedTransaction> out;
    for (const auto& row : *rows) {
        if (row.size() >= 4) out.push_back(describe(row));
    }
    return out;
}

Result<std::vector<std::string>> roll_back_prepared(Connection& service, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        auto all = prepared_transactions(service);
        if (!all.ok()) return all.error();
        std::vector<std::string> others;
        std::string last_error;
        bool left = false;
        for (const auto& transaction : *all) {
            if (!transaction.ours) {
                others.push_back(transaction.xid);
                continue;
            }
            // Fails as long as the owner's connection is still being torn down.
            auto done = service.execute("XA ROLLBACK " + transaction.statement_argument);
            if (done.ok()) continue;
            if (service.broken()) return done.error();
            left = true;
            last_error = done.error().message;
        }
        if (!left) return others;
        if (std::chrono::steady_clock::now() >= deadline) {
            return fail(ErrorCode::timeout, "a prepared transaction cannot be rolled back: " + last_error);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the server offers nothing to wait on
    }
}

Status fold_entries(Connection& service, std::span<const Entry> entries, std::uint32_t log_rows) {
    if (entries.empty()) return ok();
    const Entry& last = entries.back();
    const Entry* format = nullptr;
    std::vector<std::uint64_t> markers;
    for (const Entry& entry : entries) {
        if (entry.kind == EntryKind::noop && entry.payload.size() > 0) format = &entry;
        if (leaves_marker(entry.kind)) markers.push_back(marker_of(entry.txn));
    }
    const std::string description(format != nullptr ? format->payload.view() : std::string_view());
    std::vector<std::string> statements = {
        "SET SESSION autocommit=0",
        set_position_sql(last.id.index, last.id.epoch, format != nullptr ? &description : nullptr),
        log_rows_sql(entries), trim_log_sql(last.id.index, log_rows)};
    if (!markers.empty()) statements.push_back(delete_markers_sql(markers));
    auto done = service.execute_all(statements);
    if (done.ok()) done = service.execute("COMMIT");
    if (!done.ok()) (void)service.execute("ROLLBACK");
    (void)service.execute("SET SESSION autocommit=1");
    if (!done.ok()) return done.error();
    return ok();
}

void clear_intents(Journal& journal, std::span<const Entry> entries) {
    if (std::none_of(entries.begin(), entries.end(), [](const Entry& e) { return e.kind == EntryKind::statement; }))
        return;
    for (const StatementIntent& intent : journal.intents()) {
        const bool there = std::any_of(entries.begin(), entries.end(), [&](const Entry& e) {
            return e.kind == EntryKind::statement && e.txn == intent.txn;
        });
        if (there) (void)journal.clear_intent(intent);
    }
}

Result<Position> settle_position(Connection& service, Journal& journal, std::uint32_t log_rows) {
    auto position = read_position(service);
    if (!position.ok()) return position;
    auto markers = read_markers(service);
    if (!markers.ok()) return markers.error();
    std::size_t left = markers->size();
    // Entries that leave no marker (statements, sequences, no-ops) count only when a marked one stands behind them: XA
    // COMMIT happens in log order and only for what is decided, so such a marker proves everything in front of it.
    std::vector<Entry> proven;
    std::vector<Entry> waiting;
    LogIndex from = next(position->index);
    const auto fold = [&](bool all) -> Status {
        while (!proven.empty() && (all || proven.size() >= fold_entries_max)) {
            const std::size_t count = std::min(proven.size(), fold_entries_max);
            const std::span<const Entry> now(proven.data(), count);
            if (auto status = fold_entries(service, now, log_rows); !status.ok()) return status;
            clear_intents(journal, now);
            proven.erase(proven.begin(), proven.begin() + static_cast<std::ptrdiff_t>(count));
        }
        return ok();
    };
    while (left > 0) {
        auto entries = journal.read(from, end_of_log, read_bytes_max);
        if (!entries.ok() && entries.error().code != ErrorCode::not_found) return entries.error();
        if (!entries.ok() || entries->empty()) break;
        from = next(entries->back().id.index);
        for (Entry& entry : *entries) {
            if (left == 0) break;
            const bool marked =
                leaves_marker(entry.kind) && std::binary_search(markers->begin(), markers->end(), marker_of(entry.txn));
            if (entry.kind != EntryKind::noop) entry.payload = Payload();
            waiting.push_back(std::move(entry));
            if (!marked) continue;
            --left;
            proven.insert(proven.end(), std::make_move_iterator(waiting.begin()),
                          std::make_move_iterator(waiting.end()));
            waiting.clear();
        }
        if (auto status = fold(false); !status.ok()) return status.error();
    }
    if (auto status = fold(true); !status.ok()) return status.error();
    if (left > 0) {
        return fail(ErrorCode::refused,
                    std::to_string(left) + " transactions of this database are not in the log: it must be rebuilt");
    }
    return read_position(service);
}

}  // namespace ddb::storage
