#include "node/session/results.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace ddb::session {

CreditStream::CreditStream(std::uint32_t credit_bytes, Deliver deliver)
    : initial_credit_(std::max<std::uint32_t>(credit_bytes, 1)),
      deliver_(std::move(deliver)),
      credit_(initial_credit_) {}

Status CreditStream::take(SessionMessage message, std::size_t bytes) {
    {
        std::unique_lock lock(mutex_);
        // A reader who has nothing yet grants nothing.
        if (credit_ < static_cast<std::int64_t>(bytes) && !held_.empty()) {
            lock.unlock();
            deliver_held();
            lock.lock();
        }
        // A chunk larger than all the credit ever granted at once goes out when everything before it was consumed.
        const auto needed = static_cast<std::int64_t>(std::min<std::size_t>(bytes, initial_credit_));
        const bool in_time = changed_.wait_for(lock, std::chrono::milliseconds(slow_reader_ms_max),
                                               [&] { return cancelled_ || credit_ >= needed; });
        // Not `sql`: of what is left of the result nothing was read.
        if (cancelled_)
            return Error{ErrorCode::shutting_down, "Query execution was interrupted", error_interrupted, "70100"};
        if (!in_time) return fail(ErrorCode::overloaded, "the client did not read its result for 60 seconds");
        credit_ -= static_cast<std::int64_t>(bytes);
    }
    const bool goes_on = bytes >= result_chunk_bytes || std::holds_alternative<ResultEnd>(message);
    held_.push_back(std::move(message));
    if (goes_on) deliver_held();
    return ok();
}

bool CreditStream::take_back() {
    if (!delivered_) held_.clear();
    return !delivered_;
}

void CreditStream::deliver_held() {
    delivered_ = true;
    deliver_(release());
}

void CreditStream::add_credit(std::uint32_t bytes) {
    std::lock_guard lock(mutex_);
    credit_ += bytes;
    changed_.notify_one();
}

void CreditStream::cancel() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_one();
}

Status KeptResult::take(SessionMessage message, std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > bytes_max_) {
        return fail(ErrorCode::overloaded,
                    "the result of a statement that writes must be kept until it is decided, and is larger than " +
                        std::to_string(bytes_max_ >> 20) +
                        " MiB; run it inside BEGIN and COMMIT, where rows are sent at once");
    }
    messages_.push_back(std::move(message));
    return ok();
}

std::deque<SessionMessage> KeptResult::release_ended() {
    while (!messages_.empty() && !std::holds_alternative<ResultEnd>(messages_.back())) messages_.pop_back();
    return release();
}

std::size_t size_of_rows(const SessionMessage& message) {
    const auto* rows = std::get_if<ResultRows>(&message);
    return rows == nullptr ? 0 : rows->rows.size();
}

Outcome outcome_of(const StatementEnd& end) {
    Outcome out;
    out.affected_rows = end.had_rows ? end.rows : end.ok.affected_rows;
    out.last_insert_id = end.ok.last_insert_id;
    out.warnings = end.ok.warnings;
    out.info = end.ok.info;
    return out;
}

void tell_end(const StatementEnd& end, ResultEnd& out) {
    out.outcome = outcome_of(end);
    out.parameters = end.parameters;
    out.generated_id = end.generated_id;
    out.found_rows = end.found_rows;
    out.wait_timeout_s = end.ok.wait_timeout_s;
    if (!end.had_rows) return;
    out.rows = end.rows;
    out.outcome.affected_rows = 0;
}

namespace {

// One result set's rows; the closing packet is in connection.ok_packet() afterwards.
[[nodiscard]] Status read_rows(storage::Connection& connection, SessionId session, RequestNumber request,
                               ResultSink& sink, StatementEnd& end) {
    if (auto taken = sink.take(ResultHeader{session, request, connection.columns()}, 0); !taken) return taken;
    end.had_rows = end.any_rows = end.answered = true;
    for (;;) {
        ResultRows chunk{session, request, 0, {}};
        auto count = connection.next_rows(chunk.rows, result_chunk_bytes);
        if (!count) return count.error();
        if (*count == 0) return ok();
        chunk.row_count = *count;
        end.rows += *count;
        const std::size_t bytes = chunk.rows.size();
        if (auto taken = sink.take(std::move(chunk), bytes); !taken) return taken;
    }
}

// What becomes of a result that nobody takes any more. When its statement was cancelled, and so is being killed, the
// server's last words on it are read, and the connection can go on: a transaction, temporary tables and user variables
// outlive their statements.
[[nodiscard]] Error leave_result(storage::Connection& connection, const Error& cause) {
    if (cause.code != ErrorCode::shutting_down) return cause;
    for (;;) {
        const auto more = connection.next_result();
        if (!more && more.error().code != ErrorCode::sql) return more.error();
        if (!more || !*more) return Error{ErrorCode::sql, cause.message, error_interrupted, "70100"};
    }
}

}  // namespace

KeptWarnings read_warnings(storage::Connection& connection, SessionId session, RequestNumber request) {
    constexpr std::uint64_t bytes_max = 1u << 20;  // servers cut a message off at 512 characters
    KeptResult kept(bytes_max);
    StatementEnd end;
    if (!read_rows(connection, session, request, kept, end)) return {};
    return {kept.release(), end.rows, end.rows};
}

namespace {

[[nodiscard]] StatementEnd read_statement(storage::Connection& connection, const StatementText& text, SessionId session,
                                          RequestNumber request, ResultSink& sink) {
    StatementEnd end;
    if (text.describe) {
        auto described = connection.describe(text.sql);
        end.had_rows = described.ok() && !connection.columns().empty();
        if (end.had_rows) described = sink.take(ResultHeader{session, request, connection.columns()}, 0);
        if (!described) end.error = described.error();
        end.ok = connection.ok_packet();
        if (!end.error) end.parameters = end.ok.parameters;
        return end;
    }
    if (auto started = text.file ? connection.load(text.sql, *text.file, text.before, text.behind)
                                 : connection.start(text.sql, text.before, text.behind);
        !started) {
        end.error = started.error();
        return end;
    }
    for (;;) {
        end.had_rows = false;
        end.rows = 0;
        if (!connection.columns().empty()) {
            if (auto read = read_rows(connection, session, request, sink, end); !read) {
                end.error = leave_result(connection, read.error());
                return end;
            }
        }
        end.ok = connection.ok_packet();
        auto more = connection.next_result();
        if (more && !*more) return end;
        // Only results with rows of their own are told apart; the empty one that ends a CALL is the caller's.
        if (end.had_rows) {
            ResultEnd part;
            part.session = session;
            part.request = request;
            part.more = true;
            tell_end(end, part);
            if (auto taken = sink.take(std::move(part), 0); more && !taken) {
                end.error = leave_result(connection, taken.error());
                return end;
            }
        }
        if (!more) {
            end.error = more.error();
            return end;
        }
    }
}

}  // namespace

StatementEnd run_statement(storage::Connection& connection, const StatementText& text, SessionId session,
                           RequestNumber request, ResultSink& sink) {
    StatementEnd end = read_statement(connection, text, session, request, sink);
    // The columns come before the first row is tried: a function that writes fails behind them, and may run elsewhere.
    // Other errors are told behind the columns, as the server does.
    constexpr std::array runs_elsewhere{error_read_only_transaction, error_xa_state, error_server_read_only};
    const bool again = end.error && std::find(runs_elsewhere.begin(), runs_elsewhere.end(), end.error->mysql_code) !=
                                        runs_elsewhere.end();
    if (again && end.answered && sink.take_back()) end.answered = false;
    return end;
}

}  // namespace ddb::session
