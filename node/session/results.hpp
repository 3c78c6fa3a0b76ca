// The way of a result from the executor that reads it to the client: streamed with credit, or kept until the decision.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "node/session/kept_warnings.hpp"
#include "node/storage/connection.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

// A reader that grants no credit for this long is taken for dead.
inline constexpr std::uint32_t slow_reader_ms_max = 60'000;

// Takes a statement's result messages on the executor thread.
class ResultSink {
  public:
    virtual ~ResultSink() = default;
    // Errors end the reading: overloaded (too large, slow reader), shutting_down (cancelled).
    [[nodiscard]] virtual Status take(SessionMessage message, std::size_t bytes) = 0;
    // Of a statement that failed: forgets what nobody has been told; true when that is all of it.
    [[nodiscard]] virtual bool take_back() { return false; }
};

// Streams to the loop as far as credit reaches. The executor calls take() and release(), the loop the rest. What
// begins a result, and a chunk that ends one, are held: a small result goes to the loop at once with the statement's
// end, as waking the loop costs more than the rows.
class CreditStream final : public ResultSink {
  public:
    using Deliver = std::function<void(std::vector<SessionMessage>)>;  // on the executor thread; posts to the loop
    CreditStream(std::uint32_t credit_bytes, Deliver deliver);

    [[nodiscard]] Status take(SessionMessage message, std::size_t bytes) override;
    [[nodiscard]] bool take_back() override;
    // When the statement is over: what is still held, for the caller to deliver.
    [[nodiscard]] std::vector<SessionMessage> release() { return std::exchange(held_, {}); }
    void add_credit(std::uint32_t bytes);
    void cancel();  // the reader is gone or gave up

  private:
    void deliver_held();

    const std::uint32_t initial_credit_;
    const Deliver deliver_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::int64_t credit_;
    bool cancelled_ = false;
    std::vector<SessionMessage> held_;  // the executor's own, as is the next
    bool delivered_ = false;
};

// Keeps everything up to a limit.
class KeptResult final : public ResultSink {
  public:
    explicit KeptResult(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
    [[nodiscard]] Status take(SessionMessage message, std::size_t bytes) override;
    [[nodiscard]] std::deque<SessionMessage> release() { return std::move(messages_); }
    // The results that ended: of a procedure that failed behind them.
    [[nodiscard]] std::deque<SessionMessage> release_ended();

  private:
    const std::uint64_t bytes_max_;
    std::uint64_t bytes_ = 0;
    std::deque<SessionMessage> messages_;
};

inline constexpr std::uint16_t error_interrupted = 1317;
// Said of what is more than it was taken for, before any effect: it runs again as that, or elsewhere.
inline constexpr std::uint16_t error_read_only_transaction = 1792;
inline constexpr std::uint16_t error_xa_state = 1399;
inline constexpr std::uint16_t error_server_read_only = 1290;  // of followers' servers: MySQL looks at that first

// How a statement ended on the server.
struct StatementEnd {
    std::optional<Error> error;
    storage::OkPacket ok;
    bool had_rows = false;                    // the last result had columns
    bool any_rows = false;                    // some result of it had
    bool answered = false;                    // something was given to the sink, and not taken back
    std::uint64_t rows = 0;                   // of the last result
    std::optional<std::uint16_t> parameters;  // of a description
    std::uint64_t generated_id = 0;           // LAST_INSERT_ID(), where `ok` does not tell it
    std::optional<std::uint64_t> found_rows;  // FOUND_ROWS(), likewise
};

struct StatementText {
    std::string_view sql;
    std::span<const std::string> before = {};  // as in Connection::start()
    std::span<const std::string> behind = {};  // the caller reads its replies with finish_behind()
    bool describe = false;                     // the columns it would have, nothing else; alone
    storage::FileForServer* file = nullptr;    // of LOAD … LOCAL
};

// Sends the statement and feeds every result into `sink`; blocking. Results but the last are closed
// with a ResultEnd that says `more`; the last one's end is the caller's.
[[nodiscard]] StatementEnd run_statement(storage::Connection& connection, const StatementText& text, SessionId session,
                                         RequestNumber request, ResultSink& sink);

// The answer to a SHOW WARNINGS whose header was read, up to a limit in bytes; none on any error.
[[nodiscard]] KeptWarnings read_warnings(storage::Connection& connection, SessionId session, RequestNumber request);

// As the log keeps it: of a result with columns, affected_rows is the number of its rows.
[[nodiscard]] Outcome outcome_of(const StatementEnd& end);
// As a client is told: `outcome`, `rows` and `parameters`; a result with columns affects none.
void tell_end(const StatementEnd& end, ResultEnd& out);
[[nodiscard]] std::size_t size_of_rows(const SessionMessage& message);

}  // namespace ddb::session
