// Reads on other nodes' servers, for a session that balances them: through a guest of its own there (front_guest.cpp),
// to which the session's settings are said first. What a guest cannot do is asked anew here, as long as nothing of the
// answer has been passed on.
#include <algorithm>
#include <random>
#include <utility>

#include "node/session/front_session.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::uint64_t open_ms_max = 1000;      // for a guest to have logged in
constexpr std::uint64_t unused_ms_max = 60'000;  // then a guest is closed
constexpr std::uint64_t unwanted_ms = 5000;      // before a node is asked again that did not take this session
constexpr std::uint64_t resend_ms_first = 1000;  // a link may have lost the request, or its answer
constexpr std::uint32_t guest_margin_ms = 1000;  // behind our own deadline, should the end of it be lost
constexpr std::size_t head_tokens = 8;

[[nodiscard]] SessionId random_session() {
    std::random_device random;
    SessionId id;
    for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(random());
    return id;
}

// What the session's own connection has done so far: another one's would be no answer.
[[nodiscard]] bool tells_of_connection(std::string_view sql) {
    const auto tokens = scan(sql, head_tokens);
    if (tokens.empty() || !tokens[0].is("SHOW")) return false;
    return std::any_of(tokens.begin(), tokens.end(), [](const Token& token) {
        return token.is("STATUS") || token.is("PROFILE") || token.is("PROFILES");
    });
}

}  // namespace

// By SET, else as the client asked when it opened the session, else as the node is configured.
ReadBalance FrontSession::balance() const {
    return read_balance_.value_or(open_.read_balance.value_or(parts_.limits.read_balance));
}

// A read that might run on this node, or that only the session's settings keep from it, which can be said elsewhere.
bool FrontSession::may_ask_reader() const {
    const Classified& statement = active_->statement;
    if (active_->execute.describe || active_->only_here) return false;
    const bool plain = !in_transaction_ && back_autocommit_ && !next_on_back_ && !holds_locks();
    return plain && settings_known() && statement.kind == StatementKind::read && statement.local &&
           !tells_of_connection(active_->execute.sql);
}

// True when it was sent to a guest, or done with.
bool FrontSession::read_elsewhere() {
    if (active_->statement.kind == StatementKind::diagnostics && !active_->execute.describe) {
        const auto* reader = last_was_local_ && last_reader_ ? reader_on(last_reader_) : nullptr;
        if (reader == nullptr || !reader->id) return false;
        ask_reader(last_reader_);
        return true;
    }
    return balance() != ReadBalance::off && may_ask_reader() && ask_some_reader(balance(), parts_.serves_reads());
}

bool FrontSession::ask_some_reader(ReadBalance how, bool or_here) {
    parts_.balancer.want();
    const auto excluded = [this](NodeId node) {
        const auto* reader = reader_on(node);
        return reader != nullptr && parts_.now_ms < reader->not_before_ms;
    };
    const NodeId node = parts_.balancer.pick(how, or_here, excluded);
    if (!node || node == parts_.view.self) return false;
    if (active_->wait_id != 0) parts_.barrier.cancel(std::exchange(active_->wait_id, 0));
    ask_reader(node);
    return true;
}

// A definition that runs here, or is applied here, keeps this server from what the read must see, for minutes perhaps:
// the coordinator has applied everything, and where it has a definition to wait for, the others do not know it yet.
void FrontSession::ask_where_it_is_known() {
    if (active_->only_here || here_open_ || !parts_.barrier.late(active_->wait_id)) return;
    if (guest()) return decline(ErrorCode::io, "this node has not applied it yet");
    const bool describe = active_->execute.describe;  // waits for no definition there
    if (parts_.view.coordinator == parts_.view.self && !describe) {
        active_->late = true;
        if (!active_->here && may_ask_reader()) (void)ask_some_reader(ReadBalance::least_loaded, false);
        return;
    }
    if (!parts_.coordinator_ready()) return;
    parts_.barrier.cancel(std::exchange(active_->wait_id, 0));
    if (active_->here) leave_here();
    forward();
}

void FrontSession::ask_reader(NodeId node) {
    if (reader_on(node) == nullptr) readers_.push_back(Reader{node, {}, {}});
    Reader& reader = *reader_on(node);
    active_->step = Step::afar;
    active_->reader = node;
    active_->slot = parts_.balancer.own_read(node);
    ++parts_.counters.balanced_reads;
    if (!open_reader(reader)) return reader_declined(fail(ErrorCode::io, "the node cannot be reached"));
    Execute execute = active_->execute;
    execute.session = reader.id;
    execute.request = active_->asked = reader.last = next(reader.last);
    execute.retry = false;
    execute.seen = std::max(execute.seen, seen_);
    if (execute.timeout_ms != 0) {
        const std::uint64_t left = active_->deadline_ms - std::min(active_->deadline_ms, parts_.now_ms);
        execute.timeout_ms = static_cast<std::uint32_t>(left) + guest_margin_ms;
    }
    active_->resend_gap_ms = resend_ms_first;
    active_->resend_ms = parts_.now_ms + resend_ms_first;
    reader.used_ms = parts_.now_ms;
    if (auto sent = parts_.send_to_guest(node, execute); !sent) reader_declined(sent.error());
}

// As without balancing.
void FrontSession::ask_again_elsewhere() {
    ++parts_.counters.reads_asked_again;
    active_->reader = NodeId{};
    active_->slot.reset();
    active_->rows = RowCount{};
    if (active_->begin_until_ms != 0 && !active_->late) active_->begin_until_ms = parts_.now_ms + begin_ms_max;
    if (may_read_here()) {
        read_locally();
    } else {
        forward();
    }
}

// --- guests ----------------------------------------------------------------------------------------------------------

FrontSession::Reader* FrontSession::reader_on(NodeId node) {
    const auto found =
        std::find_if(readers_.begin(), readers_.end(), [node](const Reader& reader) { return reader.node == node; });
    return found == readers_.end() ? nullptr : &*found;
}

bool FrontSession::open_reader(Reader& reader) {
    if (reader.id) return true;
    reader.id = random_session();
    reader.last = RequestNumber{};
    reader.opened = false;
    reader.open_until_ms = parts_.now_ms + open_ms_max;
    parts_.readers[reader.id] = open_.session;
    OpenSession open = open_;
    open.session = reader.id;
    open.database = database_;
    open.reads_only = true;
    if (!parts_.send_to_guest(reader.node, open)) return false;
    const auto settings = settings_of_connection();
    return std::all_of(settings.begin(), settings.end(), [&](const std::string& sql) { return say_to(reader, sql); });
}

// A setting; its number tells the guest whether it has missed one.
bool FrontSession::say_to(Reader& reader, const std::string& sql) {
    Execute execute;
    execute.session = reader.id;
    execute.request = reader.last = next(reader.last);
    execute.sql = sql;
    execute.consistency = Consistency::local;
    return static_cast<bool>(parts_.send_to_guest(reader.node, execute));
}

void FrontSession::tell_readers(const std::string& sql) {
    for (Reader& reader : readers_) {
        if (reader.id && !say_to(reader, sql)) drop_reader(reader);
    }
}

void FrontSession::use_elsewhere(const std::string& database) {
    if (!database.empty()) {
        tell_readers("USE " + storage::quoted_name(database));
        return;
    }
    // It was dropped. No statement leads back to no database: what reads next begins with another connection.
    drop_readers();
    local_poisoned_ = local_busy_;
    on_server_lost();
}

// Ends what it does, too.
void FrontSession::drop_reader(Reader& reader) {
    if (!reader.id) return;
    (void)parts_.send_to_guest(reader.node, CloseSession{reader.id});
    parts_.readers.erase(reader.id);
    reader.id = SessionId{};
}

void FrontSession::drop_readers() {
    for (Reader& reader : readers_) drop_reader(reader);
}

// --- answers ---------------------------------------------------------------------------------------------------------

void FrontSession::on_reader_message(NodeId from, SessionMessage message) {
    Reader* const reader = reader_on(from);
    if (closed_ || reader == nullptr) return;
    const bool asked = active_ && active_->step == Step::afar && active_->reader == from;
    if (const auto* opened = std::get_if<SessionOpened>(&message)) {
        if (opened->session != reader->id) return;
        reader->opened = opened->accepted;
        if (opened->accepted) return;
        if (asked) return reader_declined(opened->error);
        reader->not_before_ms = parts_.now_ms + unwanted_ms;
        drop_reader(*reader);
        return;
    }
    const bool answers = std::visit(
        [&](auto& m) {
            if constexpr (requires {
                              m.session;
                              m.request;
                          }) {
                if (!asked || m.session != reader->id || m.request != active_->asked) return false;
                m.session = open_.session;
                m.request = active_->execute.request;
                return true;
            } else {
                return false;
            }
        },
        message);
    if (answers) relay(std::move(message));
}

// Told as if it had been read here, but for the node.
void FrontSession::reader_end(ResultEnd end) {
    if (end.error && end.error->code != ErrorCode::sql && !active_->answer_started) return reader_declined(*end.error);
    if (!end.error) no_backslash_escapes_ = (end.status_flags & status_no_backslash_escapes) != 0;
    seen_ = std::max(seen_, end.index);
    if (auto* reader = reader_on(active_->reader)) reader->used_ms = parts_.now_ms;
    ResultEnd told = make_end();
    told.node = end.node;
    told.error = std::move(end.error);
    told.outcome = std::move(end.outcome);
    told.rows = end.rows;
    last_was_local_ = true;
    last_reader_ = active_->reader;
    finish(std::move(told));
}

// Nothing of the answer was passed on. The guest is of no more use, unless it is the statement that is none for it.
void FrontSession::reader_declined(const Error& error) {
    Reader& reader = *reader_on(active_->reader);
    if (error.code == ErrorCode::refused) {
        active_->statement.local = false;
        forward();
        return;
    }
    // The server's own refusal of the login, and a guest that has ended, say nothing of the node.
    const bool of_session =
        error.code == ErrorCode::sql || error.code == ErrorCode::not_found || error.code == ErrorCode::not_coordinator;
    if (of_session) {
        reader.not_before_ms = parts_.now_ms + unwanted_ms;
    } else {
        parts_.balancer.failed(reader.node);
    }
    drop_reader(reader);
    ask_again_elsewhere();
}

void FrontSession::reader_lost(NodeId node) {
    Reader* const reader = reader_on(node);
    if (reader == nullptr) return;
    drop_reader(*reader);
    if (!active_ || active_->step != Step::afar || active_->reader != node) return;
    if (active_->answer_started) {
        finish_error(result_cut("the node that read was lost in the middle of the result"));
        return;
    }
    parts_.balancer.failed(node);
    ask_again_elsewhere();
}

void FrontSession::watch_readers() {
    const bool waits = active_ && active_->step == Step::afar;
    for (Reader& reader : readers_) {
        const bool used = waits && active_->reader == reader.node;
        if (!used && parts_.now_ms >= reader.used_ms + unused_ms_max) drop_reader(reader);
    }
    if (!waits) return;
    const NodeId node = active_->reader;
    parts_.balancer.want();
    if (parts_.balancer.silent(node)) return reader_lost(node);
    if (active_->answer_started) return;
    const Reader& reader = *reader_on(node);
    const bool never_opened = !reader.opened && parts_.now_ms >= reader.open_until_ms;
    if (never_opened || !parts_.balancer.serves(node)) return reader_lost(node);
    if (parts_.now_ms < active_->resend_ms) return;
    active_->resend_gap_ms *= 2;
    active_->resend_ms = parts_.now_ms + active_->resend_gap_ms;
    Execute copy = active_->execute;
    copy.session = reader.id;
    copy.request = active_->asked;
    copy.seen = std::max(copy.seen, seen_);
    (void)parts_.send_to_guest(node, copy);  // known there: it is not done twice
}

Error FrontSession::timed_out() const {
    return fail(ErrorCode::timeout, "timed out after " + std::to_string(active_->execute.timeout_ms) + " ms");
}

}  // namespace ddb::session
