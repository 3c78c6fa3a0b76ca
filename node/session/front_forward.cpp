// The way to the coordinator and back: opening the session there, sending a request again to the next coordinator, and
// what its answers tell about the session's state.
#include <algorithm>
#include <utility>

#include "node/session/front_session.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::uint64_t resend_ms_first = 1000;
constexpr std::uint64_t retry_gap_ms = 10;
constexpr std::uint64_t opening_gap_ms = 100;
constexpr std::uint16_t in_any_transaction = status_in_transaction | status_in_read_only_transaction;
constexpr std::uint64_t begin_again_ms_max = 10'000;  // as begin_ms_max, when a coordinator was lost

// Why a coordinator did not let the session in: its server was not there, or shut down, or the office was being left.
[[nodiscard]] bool server_is_gone(const Error& error) {
    return error.code == ErrorCode::io || error.mysql_code == 1053 || error.mysql_code == 1927;
}

// Statements that commit the open transaction before they do their own work: a lost answer leaves two questions open.
[[nodiscard]] bool commits_implicitly(const Classified& statement) {
    switch (statement.kind) {
        case StatementKind::ddl:
        case StatementKind::account:
        case StatementKind::begin:
        case StatementKind::lock_tables:
        case StatementKind::unlock_tables:
        case StatementKind::read_lock:
        case StatementKind::execute:
            return true;
        case StatementKind::commit:
            return statement.chain;
        case StatementKind::set:
            return statement.autocommit.has_value();
        case StatementKind::plain:
            return statement.asked_setting && statement.asked_setting->autocommit;
        default:
            return false;
    }
}

}  // namespace

void FrontSession::forward() {
    if (guest()) return decline(ErrorCode::io, "this node serves no reads now");
    active_->slot.reset();
    active_->step = Step::waiting;
    if (txn_here_) here_asked_ = true;
    if (parts_.now_ms < active_->not_before_ms || !parts_.coordinator_ready()) return;
    if (active_->avoid_epoch && parts_.view.epoch == active_->avoid_epoch) return;
    active_->repeated = active_->ever_forwarded || active_->execute.retry;
    if (!open_back()) return;
    active_->step = Step::forwarded;
    active_->resend_gap_ms = resend_ms_first;
    active_->resend_ms = parts_.now_ms + resend_ms_first;
    if (held_begin_ != Begin::none && !active_->execute.describe) {
        active_->execute.begin = held_begin_;
        held_begin_sent_ = true;
    }
    Execute execute = to_send();
    execute.retry = active_->repeated;
    execute.timeout_ms =
        static_cast<std::uint32_t>(active_->deadline_ms - std::min(active_->deadline_ms, parts_.now_ms));
    // All that was applied here before the request came is older than what it will write.
    if (!execute.retry) execute.seen = std::max({execute.seen, seen_, parts_.barrier.applied()});
    if (!active_->ever_forwarded) active_->execute.seen = execute.seen;  // a retry carries what was known at first
    active_->ever_forwarded = true;
    if (active_->statement.kind == StatementKind::lock_tables) table_locks_ = true;  // until an answer says otherwise
    parts_.send_to_back(back_node_, std::move(execute));
}

// A statement that may have run where state of the session was lost must not run where that is missing. A COMMIT with
// its number finds what became of it, and does nothing else.
Execute FrontSession::to_send() const {
    Execute execute = active_->execute;
    if (!active_->only_asks) return execute;
    execute.sql = "COMMIT";
    execute.file.reset();
    execute.pieces = FilePieces::none;
    execute.file_begin.clear();
    execute.begin = Begin::none;
    return execute;
}

// Settings that can be given to the next coordinator's session stay, autocommit above all: a client that goes on must
// not find its statements committed one by one.
void FrontSession::tell_state_lost() {
    const std::string others = user_locks_.any()         ? "user locks"
                               : temporary_tables_.any() ? "temporary tables"
                                                         : "prepared statements";
    const std::string lost = not_replayable_.empty() ? others : std::exchange(not_replayable_, {});
    temporary_tables_.forget();
    user_locks_.forget();
    said_.forget_prepared();
    drop_readers();
    on_server_lost();  // what the session has here may know of what was lost
    had_back_ = false;
    finish_error(Error{ErrorCode::sql,
                       "the coordinator changed, and the session's " + lost + " went with it: set them up again", 1927,
                       "70100"});
}

// False when the request was answered instead: state of the session is lost for good.
bool FrontSession::open_back() {
    if (back_node_ == parts_.view.coordinator && back_epoch_ == parts_.view.epoch) return true;
    const bool locks = active_->statement.kind == StatementKind::lock_tables;  // sent again, perhaps
    if (had_back_ && holds_locks() && !locks && not_replayable_.empty()) not_replayable_ = "locked tables";
    table_locks_ = read_lock_ = false;
    const bool state_lost = had_back_ && (!replayable() || said_.prepared_elsewhere(database_));
    active_->only_asks = state_lost && active_->repeated && !active_->execute.describe;
    if (state_lost && !active_->only_asks) {
        tell_state_lost();
        return false;
    }
    back_node_ = parts_.view.coordinator;
    back_epoch_ = parts_.view.epoch;
    had_back_ = true;
    OpenSession open = open_;
    open.database = database_;
    parts_.send_to_back(back_node_, std::move(open));
    for (auto& sql : said_.everything()) say_again(std::move(sql));
    if (!back_autocommit_) say_again("SET autocommit=0");  // not every way to switch it off is among them
    say_last_insert_id();
    return true;
}

// To the session on the coordinator, ahead of what comes next.
void FrontSession::say_again(std::string sql) {
    Execute execute;  // request number 0: nobody waits for it
    execute.session = open_.session;
    execute.sql = std::move(sql);
    execute.consistency = Consistency::local;
    parts_.send_to_back(back_node_, std::move(execute));
}

void FrontSession::say_last_insert_id() {
    if (last_insert_id_ != 0) say_again("SET SESSION last_insert_id = " + std::to_string(last_insert_id_));
}

void FrontSession::retry_later(std::uint64_t after_ms) {
    active_->step = Step::waiting;
    if (active_->begin_until_ms != 0) active_->begin_until_ms = parts_.now_ms + begin_again_ms_max;
    active_->not_before_ms = parts_.now_ms + after_ms;
}

// The session on the coordinator is gone, with its transaction.
void FrontSession::back_lost() {
    back_node_ = NodeId{};
    held_begin_sent_ = false;
    const bool on_it = held_begin_ == Begin::none && !txn_here_;
    const bool had_transaction = on_it && std::exchange(in_transaction_, false);
    if (had_transaction && active_ && active_->execute.describe) {
        // What is only looked at is none of the transaction's statements: the next one is.
        transaction_lost_ = coordinator_changed;
        active_->in_transaction = false;
    }
    // A statement of the transaction that waits for a coordinator, or for its file, must not run by itself at the next.
    const bool waits = active_ && (active_->step == Step::waiting || active_->step == Step::file);
    const bool never_sent = waits && active_->in_transaction && !active_->ever_forwarded;
    if (!never_sent && (!active_ || active_->step != Step::forwarded)) {
        if (had_transaction) transaction_lost_ = coordinator_changed;
        return;
    }
    if (never_sent) {
        end_lost_transaction(coordinator_changed);
        return;
    }
    if (active_->answer_started) {
        const bool in_transaction = active_->in_transaction;
        finish_error(in_transaction ? transaction_lost_error(coordinator_changed)
                                    : result_cut("the coordinator was lost in the middle of the result"));
        return;
    }
    if (active_->in_transaction) {
        if (commits_implicitly(active_->statement)) {
            finish_error(unknown_outcome());
            return;
        }
        if (active_->statement.kind != StatementKind::commit) {
            end_lost_transaction(coordinator_changed);
            return;
        }
    }
    retry_later(retry_gap_ms);
}

// The answer to its next statement. ROLLBACK has what it wanted, but not when a transaction is to begin behind it.
void FrontSession::end_lost_transaction(std::string_view why) {
    if (active_->statement.kind == StatementKind::rollback && !active_->statement.chain) {
        finish(make_end());
    } else {
        finish_error(transaction_lost_error(why));
    }
}

void FrontSession::on_view() {
    const auto& view = parts_.view;
    if (back_node_ && view.coordinator && (view.coordinator != back_node_ || view.epoch != back_epoch_)) back_lost();
    if (active_ && active_->step == Step::waiting) forward();
}

void FrontSession::on_peer_gone(NodeId peer) {
    if (back_node_ == peer && peer) back_lost();
    reader_lost(peer);
}

// --- answers ---------------------------------------------------------------------------------------------------------

void FrontSession::on_back_message(NodeId from, SessionMessage message) {
    if (closed_ || from != back_node_) return;
    if (const auto* opened = std::get_if<SessionOpened>(&message)) {
        on_back_opened(*opened);
        return;
    }
    const bool relayed = std::visit(
        [&](const auto& m) {
            if constexpr (requires { m.request; }) {
                return active_ && active_->step == Step::forwarded && m.request == active_->execute.request;
            } else {
                return false;
            }
        },
        message);
    if (relayed) relay(std::move(message));
}

void FrontSession::on_back_opened(const SessionOpened& opened) {
    if (opened.accepted) return;
    if (opened.error.code == ErrorCode::not_coordinator) {
        back_lost();
        return;
    }
    const Error error = opened.error;
    back_node_ = NodeId{};
    held_begin_sent_ = false;
    if (!active_ || active_->step != Step::forwarded) return;
    active_->ever_forwarded = active_->repeated;  // here it did not run
    if (server_is_gone(error)) {
        // Its node has not noticed yet. No more time than it had, as nothing came of this attempt.
        const std::uint64_t until_ms = active_->begin_until_ms;
        retry_later(opening_gap_ms);
        active_->begin_until_ms = until_ms;
        return;
    }
    // What ran on a coordinator before says nothing here.
    finish_error(active_->repeated && !only_reads() ? unknown_outcome() : error);
}

// The statement that may have run where state of the session was lost: its fate, as the next coordinator's log knows
// it. Which state went with the other one is told with the statement behind it, at the latest.
void FrontSession::fate_told(ResultEnd end) {
    parts_.send_to_back(back_node_, CloseSession{open_.session});
    back_node_ = NodeId{};
    const bool absent = end.error && end.error->mysql_code == 1213;
    if (absent && active_->statement.kind != StatementKind::commit) {
        tell_state_lost();
        return;
    }
    end.redirected = end.node != parts_.view.self;
    learn_state(end);
    finish(std::move(end));
}

void FrontSession::relay(SessionMessage message) {
    if (auto* end = std::get_if<ResultEnd>(&message)) {
        if (auto lost = active_->rows.end(*end)) {
            end->error = std::move(lost);
            if (active_->step != Step::afar) active_->answer_started = true;
        }
        if (!end->more && active_->step == Step::afar) {
            reader_end(std::move(*end));
            return;
        }
        if (!end->more) {
            on_back_end(std::move(*end));
            return;
        }
        end->redirected = end->node != parts_.view.self;
    } else if (const auto* header = std::get_if<ResultHeader>(&message)) {
        active_->rows.begin(*header);
    } else if (const auto* rows = std::get_if<ResultRows>(&message)) {
        active_->rows.add(*rows);
    } else if (const auto* wanted = std::get_if<FileWanted>(&message)) {
        return on_piece_wanted(wanted->offset);
    } else {
        return;
    }
    active_->answer_started = true;
    active_->resend_ms = parts_.now_ms + active_->resend_gap_ms;
    send(std::move(message));
}

void FrontSession::on_back_end(ResultEnd end) {
    if (end.error && end.error->code == ErrorCode::not_coordinator) {
        back_lost();
        return;
    }
    const bool plain_commit = active_->statement.kind == StatementKind::commit && !active_->statement.chain;
    const bool again = (!active_->in_transaction || plain_commit) && !active_->answer_started;
    if (end.error && end.error->code == ErrorCode::unknown_outcome && again) {
        // The next coordinator's log knows; until the deadline there is time to ask it.
        active_->unknown = end.error;
        active_->avoid_epoch = back_epoch_;
        if (held_begin_ == Begin::none && !txn_here_) in_transaction_ = false;
        retry_later(retry_gap_ms);
        return;
    }
    if (active_->only_asks) {
        fate_told(std::move(end));
        return;
    }
    const bool by_deadline = active_->give_up_ms != 0 && !active_->cancelled_by_client;
    if (end.error && end.error->mysql_code == 1317 && by_deadline) {
        end.error->code = ErrorCode::timeout;
        end.error->message = "timed out after " + std::to_string(active_->execute.timeout_ms) +
                             " ms; the statement was cancelled and rolled back";
    }
    end.redirected = end.node != parts_.view.self;
    learn_state(end);
    // The coordinator does not know: it prepared a statement, or did not come to run one, or it is not there.
    if (held_begin_ != Begin::none || txn_here_)
        end.status_flags =
            static_cast<std::uint16_t>(end.status_flags | (make_end().status_flags & in_any_transaction));
    finish(std::move(end));
}

void FrontSession::learn_state(const ResultEnd& end) {
    if (begin_is_answered(end)) held_begin_ = Begin::none;
    if (held_begin_ == Begin::none && !txn_here_) {
        in_transaction_ = (end.status_flags & status_in_transaction) != 0;
        reads_only_ = (end.status_flags & status_in_read_only_transaction) != 0;
    }
    back_autocommit_ = (end.status_flags & status_autocommit) != 0;
    no_backslash_escapes_ = (end.status_flags & status_no_backslash_escapes) != 0;
    if (database_ != end.database) use_elsewhere(end.database);
    database_ = end.database;
    seen_ = std::max(seen_, end.index);
    if (active_->execute.describe) return;
    last_was_local_ = false;
    next_on_back_ = false;
    const StatementKind kind = active_->statement.kind;
    if ((end.status_flags & status_session_state_changed) != 0) not_replayable_ = "what a routine left in the session";
    // Older ones are given up in any case.
    if (kind == StatementKind::lock_tables) table_locks_ = !end.error || end.error->code == ErrorCode::unknown_outcome;
    if (kind == StatementKind::read_lock)
        read_lock_ = read_lock_ || !end.error || end.error->code == ErrorCode::unknown_outcome;
    if (kind == StatementKind::plain && !said_.prepared(active_->execute.sql, database_, !end.error))
        not_replayable_ = "prepared statements";
    const bool writes = kind == StatementKind::dml || kind == StatementKind::call || kind == StatementKind::execute;
    const std::uint64_t id = generated_id_of(end);
    const bool took_id = end.error || kind == StatementKind::call || (id != 0 && id != last_insert_id_);
    if (writes && took_id) said_.forget_insert_id();
    if (end.error) return;
    if (kind == StatementKind::unlock_tables) read_lock_ = false;
    if (kind == StatementKind::unlock_tables || kind == StatementKind::begin) table_locks_ = false;
    if (id != 0) {
        last_insert_id_ = id;
        // The coordinator that answers may have found the statement in its log: there it was not the session's last
        // one.
        if (active_->repeated && back_node_) say_last_insert_id();
    }
    const Classified& statement = active_->statement;
    next_on_back_ = statement.kind == StatementKind::set_transaction;
    note_ties();
    if (statement.handler == HandlerVerb::open) not_replayable_ = "open HANDLERs";
    if (computes_variables(statement, active_->execute.sql)) not_replayable_ = "user variables";
    if (statement.counts_anew) reads_anywhere_ = false;
    if (statement.kind == StatementKind::set) remember_set();
    // Behind an older one that says otherwise.
    if (statement.asked_setting && statement.asked_setting->autocommit)
        (void)said_.set(back_autocommit_ ? "SET autocommit=1" : "SET autocommit=0");
}

// What it has on this coordinator only.
void FrontSession::note_ties() {
    const bool known_before = settings_known();
    const Classified& statement = active_->statement;
    if (statement.takes_user_lock || statement.releases_user_lock) user_locks_.ran(active_->execute.sql);
    temporary_tables_.ran(active_->statement, active_->execute.sql, database_);
    if (known_before || !settings_known()) return;
    // The last one is gone, and reads go anywhere again: on connections that are told everything anew.
    drop_readers();
    on_server_lost();
}

// Settings are given to the next coordinator's session again; values computed from what this one had seen cannot be.
void FrontSession::remember_set() {
    const std::string& sql = active_->execute.sql;
    const Classified& statement = active_->statement;
    if (statement.read_only_default) read_only_default_ = statement.read_only_default;
    if (statement.serializable) serializable_ = *statement.serializable;
    if (!statement.repeatable) {
        reads_anywhere_ = false;
        drop_readers();
    } else if (!statement.autocommit) {
        tell_readers(sql);
        if (settings_known() && (local_ || local_busy_) && !local_unsaid_.set(sql)) {
            local_unsaid_ = {};
            local_poisoned_ = local_busy_;
            on_server_lost();
        }
    }
    if (!statement.session_state) return;  // GLOBAL: others may have set it since
    if (statement.reads_tables) {
        if (not_replayable_.empty()) not_replayable_ = "session variables";
        return;
    }
    if (said_.set(sql)) {
        if (said_.last_sets("last_insert_id") || said_.last_sets("identity")) last_insert_id_ = 0;
        return;
    }
    not_replayable_ = "session variables";
    local_unsaid_ = {};  // nothing is read here any more
}

}  // namespace ddb::session
