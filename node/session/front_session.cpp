#include "node/session/front_session.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "node/session/classifier_rules.hpp"
#include "node/session/node_account.hpp"
#include "node/session/session_tracking.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/status_rows.hpp"

namespace ddb::session {
namespace {

constexpr std::uint64_t opening_ms_max = 3000;
// After the deadline of a request that runs elsewhere: time for its cancellation to come to a definite end.
constexpr std::uint64_t cancel_grace_ms = 1500;
constexpr std::uint64_t timeout_ms_max = 24ULL * 3600 * 1000;

[[nodiscard]] bool is_refusal_of_account(const Error& error) {
    return error.mysql_code == 1045 || error.mysql_code == 1130 || error.mysql_code == 1698;
}

// Refusals that an account or database made a moment ago may explain: this server may not have applied it yet.
[[nodiscard]] bool may_be_behind(const Error& error) {
    return is_refusal_of_account(error) || error.mysql_code == 1044 || error.mysql_code == 1049;
}

// Where to its server every client is one of this host: for these accounts are made without a password, which others
// must not have. Blocks.
[[nodiscard]] Result<ConnectionPtr> unless_account_is_local(ConnectionPtr connection) {
    constexpr std::array<std::string_view, 3> hosts{"@localhost", "@127.0.0.1", "@::1"};
    const auto account = connection->scalar("SELECT CAST(CURRENT_USER() AS BINARY) LIMIT 1");
    if (!account) return account.error();
    const std::string name = account->value_or("");
    if (std::none_of(hosts.begin(), hosts.end(), [&](auto host) { return name.ends_with(host); })) return connection;
    return Error{ErrorCode::refused,
                 "Access denied: the account " + name + " has no password, and is for clients on the node's own host",
                 1045, "28000"};
}

// A client of this host may come from one of its addresses, as where the node listens to no other, and have an account
// of localhost: `open.host` is none then. Blocks.
[[nodiscard]] Result<ConnectionPtr> connect_as(const storage::LocalDatabase& database, OpenSession& open) {
    const auto connect = [&] { return database.connect(open.user, open.password, open.database, login_of(open)); };
    auto connection = connect();
    if (open.host.empty()) return connection;
    if (!connection && open.may_be_local && is_refusal_of_account(connection.error())) {
        const std::string host = std::exchange(open.host, {});
        if (auto as_local = connect()) return as_local;
        open.host = host;
    }
    const bool unchecked = connection && open.password.empty() && !open.may_be_local && !database.knows_hosts();
    return unchecked ? unless_account_is_local(std::move(*connection)) : std::move(connection);
}

}  // namespace

FrontSession::FrontSession(EngineParts& parts, std::uint64_t serial, Origin client, OpenSession open)
    : parts_(parts), serial_(serial), client_(std::move(client)), open_(std::move(open)), database_(open_.database) {
    guest_used_ms_ = parts.now_ms;
}

FrontSession::~FrontSession() = default;

// --- opening ---------------------------------------------------------------------------------------------------------

void FrontSession::open() {
    if (open_.user == parts_.limits.service_user) {
        connected(
            nullptr,
            Error{ErrorCode::refused, "the account '" + open_.user + "' belongs to the node itself", 1045, "28000"},
            true);
        return;
    }
    opening_until_ms_ = parts_.now_ms + opening_ms_max;
    connect(false);
}

void FrontSession::connect(bool last_try) {
    opening_wait_id_ = 0;
    connects_later_.reset();
    if (parts_.clearing && parts_.now_ms < opening_until_ms_) {
        connects_later_ = last_try;
        return;
    }
    if (!last_try) opening_index_ = parts_.barrier.applied();
    parts_.pool.run(Task([parts = &parts_, id = open_.session, serial = serial_, open = open_, last_try]() mutable {
        auto connection = connect_as(parts->database, open);
        std::optional<Error> error;
        if (!connection) error = connection.error();
        parts->post(Task([parts, id, serial, last_try, host = open.host, error = std::move(error),
                          made = connection ? std::move(*connection) : nullptr]() mutable {
            auto* session = parts->front(id);
            if (session == nullptr || session->serial_ != serial) return;
            if (made) session->open_.host = std::move(host);
            session->connected(std::move(made), error, last_try);
        }));
    }));
}

void FrontSession::connected(ConnectionPtr connection, const std::optional<Error>& error, bool last_try) {
    if (error && !last_try && error->code == ErrorCode::io) {  // ended by an office that is left
        connect(true);
        return;
    }
    if (error && !last_try && may_be_behind(*error) && parts_.view.quorum) {
        opening_refusal_ = *error;
        opening_until_ms_ = parts_.now_ms + begin_ms_max;
        const auto again = [parts = &parts_, id = open_.session, serial = serial_](LogIndex index) {
            auto* session = parts->front(id);
            if (session == nullptr || session->serial_ != serial) return;
            session->opening_wait_id_ = 0;
            // Not without need: MySQL counts wrong passwords (FAILED_LOGIN_ATTEMPTS).
            if (index <= session->opening_index_) {
                session->refuse_opening(session->opening_refusal_);
            } else {
                session->connect(true);
            }
        };
        opening_wait_id_ = 1;  // overwritten below unless the wait is over at once
        const std::uint64_t wait_id = parts_.barrier.wait({}, again);
        if (opening_wait_id_ != 0) opening_wait_id_ = wait_id;
        return;
    }
    if (error) {
        refuse_opening(*error);
        return;
    }
    SessionOpened opened = opened_here();
    local_ = std::move(connection);
    local_id_ = local_->id();
    local_database_ = open_.database;
    accepted_ = true;
    opened.accepted = true;
    opened.connection_id = local_id_;
    opened.index = parts_.barrier.applied();
    opened.server_version = local_->server_version();
    opened.wait_timeout_s = local_->wait_timeout_s();
    send(std::move(opened));
    advance();
}

SessionOpened FrontSession::opened_here() const {
    SessionOpened out;
    out.session = open_.session;
    out.node = parts_.view.self;
    out.coordinator = parts_.view.coordinator;
    out.coordinator_address = parts_.view.coordinator_address;
    return out;
}

void FrontSession::refuse_opening(const Error& error) {
    SessionOpened opened = opened_here();
    opened.error = error;
    send(std::move(opened));
    closed_ = true;  // the engine removes it with the next tick
}

// Whether the account or database is there, this server cannot know: a refusal in its words would be believed.
void FrontSession::watch_opening() {
    if (connects_later_ && (!parts_.clearing || parts_.now_ms >= opening_until_ms_)) connect(*connects_later_);
    if (opening_wait_id_ == 0) return;
    if (!parts_.view.quorum) {
        parts_.barrier.cancel(opening_wait_id_);
        connect(true);
    } else if (parts_.now_ms >= opening_until_ms_) {
        parts_.barrier.cancel(std::exchange(opening_wait_id_, 0));
        Error behind = fail(ErrorCode::timeout, "this node has not applied for " + std::to_string(begin_ms_max) +
                                                    " ms what the others have, and knows no better yet than: " +
                                                    opening_refusal_.message + "; try again, or another node");
        behind.mysql_code = 1047;
        behind.sqlstate = "08S01";
        refuse_opening(behind);
    }
}

// --- requests --------------------------------------------------------------------------------------------------------

void FrontSession::on_execute(Execute execute) {
    if (closed_) return;
    const auto same = [&](const Execute& other) { return other.request == execute.request; };
    if (active_ && same(active_->execute)) {
        if (active_->step == Step::file) (void)ask_for_file();  // the question may have been lost
        return;
    }
    if (std::any_of(queue_.begin(), queue_.end(), same)) return;
    // Its answer was lost. Rows are read again where that changes nothing.
    const bool read_again = last_end_ && last_end_->rows && last_was_local_ && !guest();
    if (last_end_ && last_end_->request == execute.request && !read_again) {
        send(*last_end_);
        return;
    }
    const std::size_t queued_max = parts_.limits.requests_queued_max + (guest() ? SaidAgain::statements_max : 0);
    if (queue_.size() >= queued_max) {
        ResultEnd end = make_end();
        end.request = execute.request;
        end.error = fail(ErrorCode::overloaded,
                         "more than " + std::to_string(queue_.size()) + " requests wait in this session");
        send(std::move(end));
        return;
    }
    queue_.push_back(std::move(execute));
    advance();
}

void FrontSession::advance() {
    if (!accepted_ || closed_ || active_ || queue_.empty()) return;
    Execute execute = std::move(queue_.front());
    queue_.pop_front();
    begin(std::move(execute));
}

void FrontSession::begin(Execute execute) {
    active_ = Active{};
    if (auto rest = without_tracking(execute.sql)) execute.sql = std::move(*rest);
    active_->statement = classify(execute.sql);
    // What is so already is left out: in the company of autocommit other settings are not given to those that read.
    if (active_->statement.autocommit == back_autocommit_ && !in_transaction_ && held_begin_ == Begin::none) {
        if (auto rest = without_autocommit(execute.sql); rest && !rest->empty()) {
            execute.sql = std::move(*rest);
            active_->statement = classify(execute.sql);
        }
    }
    const std::string& own = parts_.limits.service_user;
    if (active_->statement.kind == StatementKind::account && touches_account(execute.sql, own))
        active_->statement = rules::refuse("the account '" + own + "' belongs to the node itself");
    active_->deadline_ms =
        parts_.now_ms +
        (execute.timeout_ms == 0 ? timeout_ms_max : std::min<std::uint64_t>(execute.timeout_ms, timeout_ms_max));
    if (execute.timeout_ms == 0) active_->begin_until_ms = parts_.now_ms + begin_ms_max;
    active_->in_transaction = in_transaction_ && held_begin_ == Begin::none && !txn_here_;
    active_->execute = std::move(execute);
    active_->execute.begin = Begin::none;
    if (active_->statement.kind != StatementKind::diagnostics) warnings_ = {};
    if (guest()) return begin_guest();
    if (!active_->execute.describe) {
        const bool plain = active_->statement.kind == StatementKind::plain;
        active_->keeps_counts = plain && SqlScanner(active_->execute.sql).next().is("GET");
        const SessionState state{.autocommit = back_autocommit_, .in_transaction = in_transaction_};
        if (auto known = with_last_statement(active_->execute.sql, active_->statement.kind, last_, state)) {
            active_->execute.sql = std::move(*known);
            if (plain) active_->statement = classify(active_->execute.sql);
        }
    }
    if (active_->statement.local && names_session()) active_->statement.local = false;
    if (answer_of_ddb() || answer_without_work() || run_read_only_here() || ask_for_file() || read_elsewhere()) return;
    if (may_read_here()) {
        read_locally();
    } else {
        forward();
    }
}

// Schemas that each server has, and no dump takes along.
bool FrontSession::is_servers_own(std::string_view database) {
    return equals_ignoring_case(database, "MYSQL") || equals_ignoring_case(database, "SYS");
}

// What needs neither the server nor the coordinator.
bool FrontSession::answer_without_work() {
    const Classified& statement = active_->statement;
    const StatementKind kind = statement.kind;
    if (active_->execute.sql.size() > statement_bytes_max) {
        finish_error(Error{ErrorCode::invalid_argument,
                           "the statement has " + std::to_string(active_->execute.sql.size()) + " bytes, at most " +
                               std::to_string(statement_bytes_max) + " are accepted",
                           1153, "08S01"});
        return true;
    }
    if (kind == StatementKind::refused) {
        finish_error(Error{ErrorCode::invalid_argument, statement.refusal, 1235, "42000"});
        return true;
    }
    if (statement.creates_in && is_servers_own(statement.creates_in->empty() ? database_ : *statement.creates_in)) {
        finish_error(Error{ErrorCode::invalid_argument,
                           "tables, views and routines of your own in the schemas mysql and sys are refused: a node "
                           "that is loaded from another one would not have them; use another database",
                           1235, "42000"});
        return true;
    }
    if (active_->execute.describe) return false;
    if (!transaction_lost_.empty()) {
        end_lost_transaction(std::exchange(transaction_lost_, {}));
        return true;
    }
    const bool ends_nothing = (kind == StatementKind::commit || kind == StatementKind::rollback) && !in_transaction_ &&
                              back_autocommit_ && !statement.chain && !active_->execute.retry;
    const bool unlocks_nothing = kind == StatementKind::unlock_tables && !holds_locks();
    if (kind == StatementKind::empty || unlocks_nothing || ends_nothing || hold_begin() || end_held()) {
        finish(make_end());
        return true;
    }
    return false;
}

ResultEnd FrontSession::make_end() const {
    ResultEnd end;
    end.session = open_.session;
    if (active_) end.request = active_->execute.request;
    end.node = parts_.view.self;
    end.coordinator = parts_.view.coordinator;
    end.members = parts_.view.members;
    end.database = database_;
    end.index = seen_;
    end.status_flags = static_cast<std::uint16_t>(
        (in_transaction_ ? status_in_transaction : 0) |
        (in_transaction_ && reads_only_ ? status_in_read_only_transaction : 0) |
        (back_autocommit_ ? status_autocommit : 0) | (no_backslash_escapes_ ? status_no_backslash_escapes : 0));
    return end;
}

void FrontSession::finish(ResultEnd end) {
    if (end.rows) *end.rows -= std::min<std::uint64_t>(*end.rows, active_->hidden_rows);
    if (active_->wait_id != 0) parts_.barrier.cancel(active_->wait_id);
    if (end.error) {
        if (!guest()) ++parts_.counters.errors;  // told by the session that it reads for
        if (end.error->code == ErrorCode::unknown_outcome) ++parts_.counters.unknown;
    }
    end.session = open_.session;
    end.request = active_->execute.request;
    if (!active_->execute.describe) {
        last_ = {active_->keeps_counts && !end.error ? last_.row_count : row_count_of(end),
                 found_rows_of(active_->execute.sql, end, last_was_local_, last_)};
    }
    active_.reset();
    local_wanted_ = false;
    last_end_ = end;
    send(std::move(end));
    parts_.defer(Task([parts = &parts_, id = open_.session, serial = serial_] {
        auto* session = parts->front(id);
        if (session != nullptr && session->serial_ == serial) session->advance();
    }));
}

void FrontSession::finish_error(Error error) {
    ResultEnd end = make_end();
    end.outcome.error_code = error.mysql_code;
    end.error = std::move(error);
    finish(std::move(end));
}

void FrontSession::send(SessionMessage message) {
    if (closed_) return;
    if (active_) fit_to_client(message);
    outbox_.push_back(std::move(message));
    flush();
}

// What the server says of itself that is otherwise for the client of a node.
void FrontSession::fit_to_client(SessionMessage& message) {
    if (const auto* header = std::get_if<ResultHeader>(&message)) {
        active_->columns = header->columns.size();
        if (active_->statement.kind == StatementKind::execute)
            active_->statement.hides = hides_of_execute(header->columns);
    }
    auto* rows = std::get_if<ResultRows>(&message);
    if (rows == nullptr) return;
    if (active_->statement.shows_status) tell_sessions(*rows, parts_.fronts.size() - parts_.guests());
    const Hides hides = active_->statement.hides;
    if (hides != Hides::nothing && !guest()) active_->hidden_rows += hide_rows(*rows, hides, active_->columns);
}

void FrontSession::flush() {
    while (!outbox_.empty()) {
        const auto sent = parts_.host.send(client_, outbox_.front());
        if (!sent) {
            if (sent.error().code == ErrorCode::not_found) parts_.lost_clients.push_back(client_);
            return;  // overloaded: bounded by the client's credit, tried again with the next round
        }
        outbox_.pop_front();
    }
}

// --- cancel, deadline, end -------------------------------------------------------------------------------------------

Error FrontSession::no_quorum() const {
    if (!parts_.view.quorum) {
        const std::string reason =
            parts_.view.reason.empty() ? "no coordinator with a majority is known" : parts_.view.reason;
        return fail(ErrorCode::no_quorum, "no quorum: " + reason + "; nothing was done");
    }
    return fail(ErrorCode::timeout,
                "timed out after " +
                    std::to_string(active_->begin_until_ms != 0 ? begin_ms_max : active_->execute.timeout_ms) +
                    " ms before anything was done");
}

Error FrontSession::unknown_outcome() const {
    if (active_->unknown) return *active_->unknown;
    return fail(ErrorCode::unknown_outcome, "outcome unknown: no answer from the coordinator in time; ask for " +
                                                request_name(open_.session, active_->execute.request));
}

// Whatever became of it changed nothing.
bool FrontSession::only_reads() const {
    return active_->execute.describe || (active_->statement.kind == StatementKind::read && active_->statement.local);
}

void FrontSession::at_deadline() {
    const bool reads = only_reads();
    switch (active_->step) {
        case Step::file:
            finish_error(fail(ErrorCode::timeout, "timed out before the client had sent its file; nothing was done"));
            return;
        case Step::barrier:
            finish_error(no_quorum());
            return;
        case Step::local:
            cancel_local();
            finish_error(timed_out());
            return;
        case Step::afar:
            if (auto* reader = reader_on(active_->reader)) drop_reader(*reader);  // which ends what it does
            finish_error(timed_out());
            return;
        case Step::waiting:
            // Sent again by its client, another node may have passed it on before.
            finish_error((active_->ever_forwarded || active_->execute.retry) && !reads ? unknown_outcome()
                                                                                       : no_quorum());
            return;
        case Step::forwarded:
            if (active_->give_up_ms == 0) {
                active_->give_up_ms = parts_.now_ms + cancel_grace_ms;
                parts_.send_to_back(back_node_, Cancel{open_.session, active_->execute.request});
            } else if (parts_.now_ms >= active_->give_up_ms) {
                finish_error(reads ? no_quorum() : unknown_outcome());
            }
            return;
    }
}

void FrontSession::on_cancel(RequestNumber request) {
    const auto cancelled = [] { return Error{ErrorCode::sql, "Query execution was interrupted", 1317, "70100"}; };
    for (auto it = queue_.begin(); it != queue_.end(); ++it) {
        if (it->request != request) continue;
        queue_.erase(it);
        ResultEnd end = make_end();
        end.request = request;
        end.error = cancelled();
        send(std::move(end));
        return;
    }
    if (!active_ || active_->execute.request != request) return;
    active_->cancelled_by_client = true;
    if (active_->step == Step::forwarded) {
        parts_.send_to_back(back_node_, Cancel{open_.session, request});
    } else if (active_->step == Step::local) {
        cancel_local();
        finish_error(cancelled());
    } else if (active_->step == Step::afar) {
        if (auto* reader = reader_on(active_->reader)) drop_reader(*reader);
        finish_error(cancelled());
    } else if (!active_->ever_forwarded) {
        finish_error(cancelled());
    }
}

void FrontSession::on_credit(const Credit& credit) {
    if (!active_ || active_->execute.request != credit.request) return;
    if (active_->step == Step::local) {
        active_->stream->add_credit(credit.bytes);
    } else if (active_->step == Step::forwarded) {
        parts_.send_to_back(back_node_, credit);
    } else if (active_->step == Step::afar) {
        if (const auto* reader = reader_on(active_->reader))
            (void)parts_.send_to_guest(reader->node, Credit{reader->id, active_->asked, credit.bytes});
    }
}

void FrontSession::tick() {
    flush();
    close_idle_xa();
    run_wanted();
    watch_readers();
    watch_opening();
    if (!active_) return;
    const bool waits = active_->step == Step::barrier || active_->step == Step::waiting;
    const bool begins_late = waits && active_->begin_until_ms != 0 && parts_.now_ms >= active_->begin_until_ms;
    if (parts_.now_ms >= active_->deadline_ms || begins_late) {
        at_deadline();
        return;
    }
    if (active_->step == Step::barrier && active_->unsure_ms != 0) {
        run_if_local();
    } else if (active_->step == Step::barrier) {
        ask_where_it_is_known();
    } else if (active_->step == Step::waiting) {
        forward();
    } else if (active_->step == Step::forwarded && back_node_ != parts_.view.self &&
               parts_.now_ms >= active_->resend_ms) {
        // The request or its answer may have been lost with a link; the coordinator knows what it has already seen.
        active_->resend_gap_ms *= 2;
        active_->resend_ms = parts_.now_ms + active_->resend_gap_ms;
        Execute copy = to_send();
        copy.retry = true;
        parts_.send_to_back(back_node_, std::move(copy));
    }
}

void FrontSession::close() {
    closed_ = true;
    if (opening_wait_id_ != 0) parts_.barrier.cancel(opening_wait_id_);
    if (active_) {
        if (active_->wait_id != 0) parts_.barrier.cancel(active_->wait_id);
        if (active_->step == Step::local) cancel_local();
    }
    if (back_node_) parts_.send_to_back(back_node_, CloseSession{open_.session});
    drop_readers();
    if (local_) parts_.pool.run(Task([connection = std::move(local_)]() mutable { connection.reset(); }));
}

}  // namespace ddb::session
