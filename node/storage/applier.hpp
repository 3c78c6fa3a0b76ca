// Applies decided entries to the local server from their events, in log order, with the position in the same
// transaction. Owns one thread and its connections. Runs on followers, and on a coordinator before its office opens;
// during the office it is paused and the committer advances the position.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "node/storage/binlog_statement.hpp"
#include "node/storage/binlog_stream.hpp"
#include "node/storage/connection.hpp"
#include "node/storage/definition_clock.hpp"
#include "node/storage/forced_logs.hpp"
#include "node/storage/journal.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/other_copies.hpp"
#include "node/storage/own_rows.hpp"
#include "node/storage/user_connections.hpp"
#include "schemas/entry.hpp"

namespace ddb::storage {

class Applier {
  public:
    struct Options {
        ConnectOptions service;
        std::uint32_t log_rows = 10'000;
        DefinitionClock* definitions = nullptr;
        const OwnRows* own_rows = nullptr;
    };
    // Called on the apply thread.
    struct Hooks {
        std::function<void(LogIndex applied)> applied;
        std::function<void(const std::string& reason)> fenced;
        std::function<void(LogIndex index)> audit;  // the server holds what is in the log up to here and nothing else
        std::function<void(const std::string& what)> foreign;  // the server holds this besides
    };

    Applier(Options options, Journal& journal, Hooks hooks);
    ~Applier();

    // Any thread; none of these waits, but pause().
    void decided(LogIndex up_to);
    // Somebody waits for `index`: entries up to there are not held back to share a transaction with later ones.
    void hurry(LogIndex index);
    // Goes on behind `position`, which is what the database holds now, up to `ceiling` at most.
    void resume(const Position& position, LogIndex ceiling);
    // Returns once nothing is being applied any more. A server that does not answer is waited for at most as long as
    // its connection's time-out.
    void pause();
    void set_ceiling(LogIndex ceiling);
    void set_other_copies(OtherCopies copies) { other_copies_ = copies; }  // as LocalDatabase has it
    // Donor of a state transfer: statement entries and transactions in parts, and what stands behind them, wait until
    // this is taken back.
    void hold_statements(bool hold);
    [[nodiscard]] bool statements_held() const;  // asked to, and nothing of that kind is under way any more
    // The database's content is void: forgets what was decided and what it was fenced for. Only while paused.
    void forget();
    [[nodiscard]] LogIndex applied() const;
    [[nodiscard]] bool waits_for_room() const { return waits_for_room_; }

  private:
    struct Batch;
    void run(const std::stop_token& stop);
    [[nodiscard]] LogIndex goal() const { return std::min(decided_, ceiling_); }
    [[nodiscard]] bool worth_a_transaction() const;
    // The next entries to apply; empty when there is nothing to do now.
    [[nodiscard]] bool wait_for_work(const std::stop_token& stop, LogIndex& from, LogIndex& to);
    Status apply(std::span<const Entry> entries, const std::stop_token& stop);
    Status apply_singly(std::span<const Entry> entries, const std::stop_token& stop);
    [[nodiscard]] bool calculate_otherwise(const Entry& entry);
    Status apply_batch(std::span<const Entry> batch, const std::stop_token& stop);
    Status apply_statement(const Entry& entry, const std::stop_token& stop);
    Status run_and_commit(const Entry& entry, const std::stop_token& stop);
    Status check_intents(const Entry& noop, const std::stop_token& stop);
    Status settle_intent(const StatementIntent& intent, std::uint64_t run, const std::stop_token& stop);
    [[nodiscard]] OtherCopies wait_for_copies(const std::stop_token& stop);
    void clear_intent_of(TxnId txn);
    Status ensure_connection();
    Status send_format_description();
    [[nodiscard]] std::string usual_settings_sql() const;
    void mend_own_rows() const;
    Status load_ran_statements(std::uint64_t least);
    // Rows of a statement entry, which has them apart from its definitions.
    struct StatementRows {
        std::string_view settings;
        std::string_view events;
        std::optional<PartsRange> parts;
    };
    Status send_transaction(std::span<const Entry> entries, const StatementRows& of_statement,
                            const std::stop_token& stop);
    Status add_parts(BinlogPacker& packer, const Entry& end, const PartsRange& parts, const std::stop_token& stop);
    Status commit(const Entry& last);
    [[nodiscard]] bool enter(const Entry& first, const std::stop_token& stop);
    void left(const Entry& last);
    void advance(LogIndex index);
    void end_local_readers(Victims victims);
    void fence(const std::string& reason);
    [[nodiscard]] std::chrono::milliseconds wait_for_room();
    [[nodiscard]] bool interrupted(const std::stop_token& stop) const;

    const Options options_;
    Journal& journal_;
    const Hooks hooks_;
    std::atomic<OtherCopies> other_copies_ = OtherCopies::some;
    std::atomic<bool> waits_for_room_{false};

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    bool running_ = false;  // asked to
    bool working_ = false;  // inside apply()
    bool fenced_ = false;
    bool hold_statements_ = false;
    bool holding_out_ = false;  // inside a statement, or between the first part of a transaction and its end
    LogIndex applied_;
    LogIndex decided_;
    LogIndex ceiling_;
    LogIndex hurry_;

    // Of the apply thread; written by resume() only while it is paused.
    std::unique_ptr<Connection> connection_;
    bool format_sent_ = false;
    std::size_t arithmetic_mode_ = 0;  // the connection's
    Position position_;
    std::optional<RanStatements> ran_;
    std::uint64_t ran_from_ = 0;               // `ran_` knows everything from this sequence number on
    std::optional<LogSettings> log_settings_;  // as they are while no statement is applied
    TxnId in_parts_;                           // whose end has not come yet
    std::chrono::milliseconds room_pause_{0};  // while there is no room

    std::jthread thread_;
};

}  // namespace ddb::storage
