// Reads on this node's own server (DESIGN §3.3): inside a read-only XA that is always rolled back, so that the server
// refuses whatever writes or commits before it has an effect.
#include <algorithm>
#include <array>
#include <utility>

#include "node/session/front_session.hpp"

namespace ddb::session {
namespace {

// Reads share an XA for no longer than this, idle or not: it keeps definitions of the tables it read waiting.
constexpr std::uint64_t shared_ms_max = 100;
constexpr std::uint64_t idle_ms_max = 20;
constexpr std::uint64_t names_ms_max = 300;
constexpr std::uint16_t error_deadlock = 1213;

void end_xa(storage::Connection& connection, const std::string& xid) {
    const std::array<std::string, 2> sql{xa_sql("END", xid), xa_sql("ROLLBACK", xid)};
    (void)connection.execute_all(sql);  // XA END fails in rollback-only transactions, ROLLBACK does not mind
}

}  // namespace

// Everything one local read needs on its executor.
struct FrontSession::LocalJob {
    ConnectionPtr connection;
    LocalXa xa;
    OpenSession open;
    std::string database;
    std::string current_database;
    std::string sql;
    RequestNumber request;
    std::uint64_t now_ms = 0;
    bool plain = false;        // diagnostics of the previous statement: no transaction around them
    bool transaction = false;  // part of a READ ONLY transaction
    bool describe = false;
    bool opened = false;  // `before` and `xa` are as the read needs them
    std::vector<std::string> before;
    std::vector<std::string> settings;  // of the session, for the connection to be told
    std::shared_ptr<CreditStream> stream;
};

// No right to the database, table, column, routine or what a privilege is needed for; to explain a view (1345), or to
// what it stands on (1356).
bool FrontSession::is_denial(std::uint16_t error) {
    constexpr std::array<std::uint16_t, 8> codes{1044, 1045, 1142, 1143, 1227, 1345, 1356, 1370};
    return std::find(codes.begin(), codes.end(), error) != codes.end();
}

bool FrontSession::writes(std::uint16_t error) {
    return error == error_read_only_transaction || error == error_server_read_only;
}

bool FrontSession::is_for_coordinator(std::uint16_t error) {
    return writes(error) || error == error_xa_state || is_denial(error);
}

// Says in `before` what must stand in front of the read: nothing while the open XA may still be shared. READ COMMITTED,
// so that each read sees what is committed when it begins, however long the XA has been open; a transaction of the
// client's has the session's own level.
void FrontSession::open_xa(LocalJob& job) {
    if (std::exchange(job.opened, true) || job.plain) return;
    const bool young = job.now_ms < job.xa.begun_ms + shared_ms_max;
    job.xa.shared = !job.xa.xid.empty() && (job.transaction ? job.xa.transaction : young);
    if (job.xa.shared) return;
    if (!job.xa.xid.empty()) job.before = {xa_sql("END", job.xa.xid), xa_sql("ROLLBACK", job.xa.xid)};
    job.xa = {storage::random_xid(), job.now_ms, false, job.transaction};
    job.before.emplace_back(job.transaction ? "SET TRANSACTION READ ONLY"
                                            : "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY");
    job.before.push_back(xa_sql("START", job.xa.xid));
}

// What the session has set, on the coordinator so far. A setting that fails here only leaves its reads to the
// coordinator.
void FrontSession::say_settings(LocalJob& job, LocalReport& report) {
    if (job.settings.empty()) return;
    if (!job.xa.xid.empty() && !job.xa.transaction) {
        end_xa(*job.connection, job.xa.xid);
        job.xa = {};
    }
    if (auto said = job.connection->execute_all(job.settings); !said) {
        report.end.error = said.error();
        report.setting_failed = report.end.error->code == ErrorCode::sql;
        job.connection.reset();
    }
}

// The XA for the statement. Of a transaction it must be open before the statement is sent, not just stand in front, as
// that need not be a read.
void FrontSession::open_transaction(LocalJob& job, LocalReport& report) {
    open_xa(job);
    if (!job.transaction || job.before.empty()) return;
    if (auto begun = job.connection->execute_all(std::exchange(job.before, {})); !begun) {
        report.end.error = fail(ErrorCode::io, begun.error().message);
        job.connection.reset();
    }
}

// A function that sets variables does so for the session: it belongs to the coordinator, where the session is, and is
// run there unless somebody was told of it. Not known by its name are those with variables of the server's, by SET;
// what it sets in a READ ONLY transaction, which is not known there, is lost.
void FrontSession::look_for_state(const LocalJob& job, LocalReport& report) {
    if (job.plain || job.transaction || report.end.error || !job.connection->left_state()) return;
    report.left_state = true;
    if (report.end.answered && job.stream->take_back()) report.end.answered = false;
}

FrontSession::LocalReport FrontSession::read_on_executor(LocalJob& job, const storage::LocalDatabase& database) {
    LocalReport report;
    StatementEnd& end = report.end;
    const bool resumed = job.xa.transaction;  // one that opens is not sent ahead of this
    if (!job.connection) {
        auto made = database.connect(job.open.user, job.open.password, job.database, login_of(job.open));
        if (!made) {
            end.error = made.error();
            return report;
        }
        job.connection = std::move(*made);
        job.xa = {};
    } else if (job.current_database != job.database && !job.database.empty()) {
        if (auto used = job.connection->execute("USE " + storage::quoted_name(job.database)); !used) {
            end.error = used.error();
            job.connection.reset();  // it has another one in use, where the next read may find what it names
        }
    }
    if (!end.error) say_settings(job, report);
    if (!end.error) open_transaction(job, report);
    if (!end.error) {
        end = run_statement(*job.connection, {job.sql, job.before, {}, job.describe}, job.open.session, job.request,
                            *job.stream);
        look_for_state(job, report);
    }
    const bool unread = end.error && end.error->code != ErrorCode::sql;
    // MySQL's XA END makes it forget what SHOW WARNINGS would tell of the error.
    const bool goes_on = (resumed || !job.xa.transaction) && end.error && !ends_transaction(end.error->mysql_code);
    if (unread || !job.connection || job.connection->broken() || job.connection->ahead_failed()) {
        job.connection.reset();
    } else if (end.error && !job.xa.xid.empty() && !goes_on) {
        end_xa(*job.connection, job.xa.xid);
        job.xa.xid.clear();
        if (job.connection->broken()) job.connection.reset();
    }
    if (!job.connection) job.xa.xid.clear();
    report.connection = std::move(job.connection);
    report.xa = std::move(job.xa);
    return report;
}

// All of the session's, but autocommit: it is not asked for where every statement is in an XA, which the server would
// refuse behind what was read outside of one (FACTS 9).
std::vector<std::string> FrontSession::settings_of_connection() const {
    std::vector<std::string> settings;
    for (auto& sql : said_.settings()) {
        if (!classify(sql).autocommit) settings.push_back(std::move(sql));
    }
    return settings;
}

bool FrontSession::may_read_here() const {
    if (parts_.fenced || !parts_.server_up) return false;
    if (active_->execute.describe) return settings_known() && !txn_here_;
    const Classified& statement = active_->statement;
    if (statement.kind == StatementKind::diagnostics)
        return last_was_local_ && !last_reader_ && (local_ != nullptr || local_busy_);
    const bool plain_session =
        !in_transaction_ && back_autocommit_ && settings_known() && !next_on_back_ && !holds_locks();
    return statement.kind == StatementKind::read && statement.local && plain_session;
}

void FrontSession::read_locally() {
    active_->slot = guest() ? parts_.balancer.guest_read(client_.peer) : parts_.balancer.own_read(parts_.view.self);
    if (active_->statement.kind == StatementKind::diagnostics && !active_->execute.describe) {
        if (!tell_kept_warnings()) run_locally();
        return;
    }
    active_->step = Step::barrier;
    active_->unsure_ms = 0;
    const RequestNumber request = active_->execute.request;
    const auto passed = [parts = &parts_, id = open_.session, serial = serial_, request](LogIndex index) {
        auto* session = parts->front(id);
        if (session == nullptr || session->serial_ != serial) return;
        auto& active = session->active_;
        if (!active || active->execute.request != request || active->step != Step::barrier) return;
        active->wait_id = 0;
        session->seen_ = std::max(session->seen_, index);
        session->run_if_local();
    };
    const LogIndex at_least = std::max(active_->execute.seen, seen_);
    const bool own_writes = active_->execute.consistency == Consistency::session;
    // Inside a transaction each statement waits, as not all levels keep the first one's view; at the others a barrier
    // more changes nothing.
    const Read read{active_->execute.consistency, own_writes ? at_least : LogIndex{}, here_open_, active_->execute.sql};
    const std::uint64_t id = parts_.barrier.wait(read, passed);
    if (active_ && active_->step == Step::barrier) active_->wait_id = id;
}

// What it calls may belong to the session, which is on the coordinator; and what that is, this server knows for sure
// only now that it has applied all that the read must see.
void FrontSession::run_if_local() {
    const bool sure = parts_.session_names.sure();
    if (active_->execute.describe || (sure && !names_session())) return run_locally();
    if (!sure && wait_for_names()) return;
    if (guest()) return decline(ErrorCode::refused, "it may ask its session for something");
    active_->statement.local = false;
    if (active_->here && not_in_here()) return;
    forward();
}

// True: run_if_local() is called again, as soon as the names are known or with the next tick. What can go nowhere else
// waits for them, others do so for a moment only, and not for definitions that run.
bool FrontSession::wait_for_names() {
    parts_.look_for_session_names();
    if (active_->unsure_ms == 0) active_->unsure_ms = std::max<std::uint64_t>(parts_.now_ms, 1);
    const bool soon = parts_.session_names.looking() && parts_.now_ms < active_->unsure_ms + names_ms_max;
    return soon || (active_->here && here_open_);
}

void FrontSession::on_session_names() {
    if (active_ && active_->step == Step::barrier && active_->unsure_ms != 0) run_if_local();
}

// As far as this node knows.
bool FrontSession::names_session() const {
    return parts_.session_names.concern(active_->execute.sql, active_->statement.kind == StatementKind::call);
}

bool FrontSession::tell_kept_warnings() {
    if (warnings_.rows == 0) return false;
    const auto asked = asks_for_warnings(active_->execute.sql);
    if (!asked || asked->count) {
        if (auto counting = warnings_.counting_sql(active_->execute.sql)) active_->execute.sql = std::move(*counting);
        return false;
    }
    auto told = warnings_.as_answer_to(*asked, active_->execute.request);
    for (SessionMessage& message : told.messages) send(std::move(message));
    ResultEnd end = make_end();
    end.rows = told.rows;
    finish(std::move(end));
    return true;
}

CreditStream::Deliver FrontSession::deliver() const {
    return [parts = &parts_, id = open_.session, serial = serial_,
            request = active_->execute.request](std::vector<SessionMessage> messages) {
        parts->post(Task([parts, id, serial, request, messages = std::move(messages)]() mutable {
            auto* session = parts->front(id);
            if (session != nullptr && session->serial_ == serial) session->send_rows(request, std::move(messages));
        }));
    };
}

void FrontSession::send_rows(RequestNumber request, std::vector<SessionMessage> messages) {
    for (SessionMessage& message : messages) {
        if (!active_ || active_->execute.request != request || active_->step != Step::local) return;
        active_->answer_started = true;
        if (auto* end = std::get_if<ResultEnd>(&message)) end->outcome.affected_rows = 0;
        send(std::move(message));
    }
}

// By its server, when wait_timeout was over, while the session was busy on the coordinator. MySQL's says so to whoever
// comes next, for whom it is no answer.
bool FrontSession::local_closed_while_idle() const {
    constexpr std::uint64_t looks_behind_ms = 1000;
    return !here_open_ && parts_.now_ms > local_used_ms_ + looks_behind_ms && local_ && local_->ended();
}

void FrontSession::run_locally() {
    active_->step = Step::local;
    if (local_busy_ || parts_.clearing) {
        local_wanted_ = true;
        return;
    }
    local_wanted_ = false;
    if (local_closed_while_idle()) on_server_lost();
    if (guest() && !local_) return decline(ErrorCode::not_found, "the connection of these reads is gone");
    local_busy_ = true;
    active_->stream = std::make_shared<CreditStream>(active_->execute.credit_bytes, deliver());
    ++parts_.counters.local_reads;
    LocalJob job;
    job.connection = std::move(local_);
    job.open = open_;
    job.database = database_;
    job.current_database = local_database_;
    job.xa = std::exchange(local_xa_, {});
    job.now_ms = parts_.now_ms;
    job.sql = active_->execute.sql;
    job.request = active_->execute.request;
    job.describe = active_->execute.describe || active_->looks;
    job.transaction = active_->here;
    job.plain = !job.transaction && (job.describe || active_->statement.kind != StatementKind::read);
    job.stream = active_->stream;
    job.settings = std::exchange(local_unsaid_, {}).settings();
    if (!guest() && !job.connection) job.settings = settings_of_connection();
    const bool calls_once = job.settings.empty() && (!job.transaction || here_open_);
    const bool same_database = database_.empty() || database_ == local_database_;
    const bool fits = active_->execute.credit_bytes >= storage::Connection::peeked_bytes_max;
    local_database_ = database_;
    start_local(std::move(job), same_database && calls_once && fits);
}

// `early`: the statement may be sent from here.
void FrontSession::start_local(LocalJob job, bool early) {
    storage::Connection* const connection = job.connection.get();
    bool sent = false;
    if (early && connection != nullptr && !job.describe) {
        open_xa(job);
        sent = parts_.early.send(*connection, job.sql, job.before);
    }
    Task task([parts = &parts_, serial = serial_, job = std::move(job)]() mutable {
        const SessionId id = job.open.session;
        const RequestNumber request = job.request;
        LocalReport report = read_on_executor(job, parts->database);
        auto last = job.stream->release();
        parts->post(Task([parts, id, serial, request, report = std::move(report), last = std::move(last)]() mutable {
            auto* session = parts->front(id);
            if (session == nullptr || session->serial_ != serial) return;
            // Of what was only looked at, the client has yet to be given the columns.
            const bool looked = session->active_ && session->active_->looks;
            if (!looked) session->send_rows(request, std::move(last));
            session->local_back(std::move(report.connection), report.xa);
            const auto& active = session->active_;
            if (active && active->execute.request == request && active->step == Step::local)
                session->local_done(std::move(report));
            session->run_wanted();
        }));
    });
    if (sent) {
        parts_.early.wait(*connection, std::move(task));
    } else {
        parts_.pool.run(std::move(task));
    }
}

void FrontSession::local_done(LocalReport report) {
    if (guest()) return guest_done(std::move(report));
    if (report.left_state) on_server_lost();  // nothing more is read on that connection
    if (report.left_state && !active_->answer_started && !report.end.answered) {
        active_->statement.local = false;
        forward();
        return;
    }
    if (active_->looks) return looked_here(std::move(report));
    if (active_->here) return done_here(std::move(report));
    const auto& error = report.end.error;
    if (error && !active_->answer_started && !report.end.answered) {
        // It writes, or commits implicitly: it belongs to the coordinator, and had no effect here (FACTS 1).
        if (writes(error->mysql_code) || error->mysql_code == error_xa_state) {
            active_->statement.local = false;
            forward();
            return;
        }
        if (report.setting_failed) {
            reads_anywhere_ = false;
            forward();
            return;
        }
        // A right that was given a moment ago may not have been here yet when this connection began: where it was given
        // they know.
        if (is_denial(error->mysql_code)) {
            on_server_lost();  // another connection for what comes next
            forward();
            return;
        }
        // What the session has made on the coordinator, temporary tables above all, is not known here.
        if (active_->execute.describe && error->code == ErrorCode::sql && back_node_) {
            forward();
            return;
        }
        // Lost; or what an earlier read in the same XA holds and a definition waits for makes a circle.
        const bool in_the_way = error->mysql_code == error_deadlock && report.xa.shared;
        const bool lost = error->code == ErrorCode::io;
        if ((lost || in_the_way) && !active_->local_retried) {
            active_->local_retried = true;
            local_wanted_ = true;
            return;
        }
        if (lost) {
            forward();
            return;
        }
    }
    end_local(report.end);
}

void FrontSession::end_local(const StatementEnd& ended) {
    if (!ended.error) no_backslash_escapes_ = (ended.ok.status_flags & status_no_backslash_escapes) != 0;
    ResultEnd end = make_end();
    tell_end(ended, end);
    end.error = ended.error;
    if (end.error) end.outcome = Outcome{0, 0, 0, end.error->mysql_code, {}};
    if (!active_->execute.describe) {
        last_was_local_ = true;
        last_reader_ = NodeId{};
    }
    finish(std::move(end));
}

void FrontSession::local_back(ConnectionPtr connection, LocalXa xa) {
    local_busy_ = false;
    local_ = std::move(connection);
    local_xa_ = std::move(xa);
    local_used_ms_ = parts_.now_ms;
    if (local_) local_id_ = local_->id();
    if (std::exchange(local_poisoned_, false) && local_) {
        parts_.pool.run(Task([killed = std::move(local_)]() mutable { killed.reset(); }));
    }
    if (!local_) {
        local_xa_ = {};
        local_unsaid_ = {};
        last_was_local_ = false;
    }
    if (txn_here_ && here_open_ && local_xa_.xid.empty()) lose_here();
    if (txn_here_) here_open_ = local_xa_.transaction && !local_xa_.xid.empty();
}

// The read that waits, if one does.
void FrontSession::run_wanted() {
    if (!local_wanted_ || local_busy_ || !active_ || active_->step != Step::local) return;
    if (parts_.server_up) {
        run_locally();
    } else {
        local_wanted_ = false;
        if (active_->here) leave_here();
        forward();
    }
}

void FrontSession::close_idle_xa() {
    if (!txn_here_ && parts_.now_ms >= local_used_ms_ + idle_ms_max) close_local_xa(true);
}

// `ask`: for what SHOW WARNINGS would tell, where the server forgets it.
void FrontSession::close_local_xa(bool ask) {
    if (!local_ || local_busy_ || local_xa_.xid.empty()) return;
    local_busy_ = true;
    parts_.pool.run(Task([parts = &parts_, id = open_.session, serial = serial_, ask, connection = std::move(local_),
                          xid = std::exchange(local_xa_, {}).xid]() mutable {
        KeptWarnings warnings;
        if (ask && connection->forgets_warnings() && connection->start(show_warnings_sql))
            warnings = read_warnings(*connection, id, {});
        end_xa(*connection, xid);
        if (connection->broken()) connection.reset();
        parts->post(
            Task([parts, id, serial, connection = std::move(connection), warnings = std::move(warnings)]() mutable {
                auto* session = parts->front(id);
                if (session == nullptr || session->serial_ != serial) return;
                session->local_back(std::move(connection), {});
                // Of a statement that began meanwhile they are not.
                const auto& active = session->active_;
                if (session->last_was_local_ && (!active || active->statement.kind == StatementKind::diagnostics))
                    session->warnings_ = std::move(warnings);
                session->run_wanted();
            }));
    }));
}

void FrontSession::cancel_local() {
    if (active_->stream) active_->stream->cancel();
    if (!local_busy_) return;
    if (active_->here) lose_here();
    local_poisoned_ = true;
    parts_.kill(local_id_, false, Task([] {}));
}

void FrontSession::on_server_lost() {
    if (local_) parts_.pool.run(Task([connection = std::move(local_)]() mutable { connection.reset(); }));
    local_xa_ = {};
    local_unsaid_ = {};
    if (!txn_here_ || !here_open_ || local_busy_) return;
    lose_here();
    if (active_ && active_->here) finish_error(transaction_lost_error(std::exchange(transaction_lost_, {})));
}

}  // namespace ddb::session
