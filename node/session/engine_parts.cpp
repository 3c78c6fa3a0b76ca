#include "node/session/engine_parts.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "node/session/back_session.hpp"
#include "node/session/front_session.hpp"
#include "node/session/statement_jobs.hpp"

namespace ddb::session {
namespace {

constexpr int log_warning = 3;  // spdlog's levels
constexpr int log_error = 4;
// Sessions whose newest request number is remembered during one office; beyond it the oldest knowledge is given up at
// once.
constexpr std::size_t progress_max = 100'000;
constexpr std::size_t spare_executors = 8;

// As far as its text tells, with what leads to its tables: asked for while it runs, as another one, which would change
// that, cannot run. nullopt: it is not known. Blocks.
std::optional<DefinitionGate::Reach> reach_of(const std::string& sql, const storage::LocalDatabase& database) {
    auto readers = DefinitionReach::of(sql);
    if (!readers) return std::nullopt;
    auto users = database.table_users();
    if (!users) return std::nullopt;
    if (makes_table(sql)) {
        // A function that it calls may write to any table.
        const auto hiding = DefinitionReach::of_all(users->by_text);
        if (!hiding || hiding->concerns(sql)) return std::nullopt;
    }
    auto writers = makes_rows_only(sql) ? readers : std::nullopt;
    if (writers && !writers->spread(std::move(users->by_key))) writers.reset();
    std::move(users->by_trigger.begin(), users->by_trigger.end(), std::back_inserter(users->by_text));
    if (!readers->spread(std::move(users->by_text))) return std::nullopt;
    return DefinitionGate::Reach{std::move(*readers), std::move(writers)};
}

}  // namespace

// --- DefinitionGate --------------------------------------------------------------------------------------------------

bool DefinitionGate::enter(std::uint64_t serial) {
    if (busy_ || held_) {
        queue_.push_back(serial);
        return false;
    }
    busy_ = true;
    barrier_.hold();
    return true;
}

void DefinitionGate::leave() {
    DDB_ASSERT(busy_);
    busy_ = false;
    long_.reset();
    writers_.reset();
    ++number_;
    barrier_.release();
}

void DefinitionGate::inside(std::string sql, std::uint64_t now_ms) {
    since_ms_ = now_ms;
    long_ = Long{number_, std::move(sql)};
}

std::optional<DefinitionGate::Long> DefinitionGate::take_long(std::uint64_t now_ms) {
    if (now_ms < since_ms_ + long_ms) return std::nullopt;
    return std::exchange(long_, std::nullopt);
}

void DefinitionGate::narrow(std::uint64_t number, Reach reach) {
    if (!busy_ || number != number_) return;
    writers_ = std::move(reach.writers);
    barrier_.narrow(std::move(reach.readers));
}

std::uint64_t DefinitionGate::take_next() {
    if (busy_ || held_ || queue_.empty()) return 0;
    const std::uint64_t serial = queue_.front();
    queue_.pop_front();
    busy_ = true;
    barrier_.hold();
    return serial;
}

void DefinitionGate::cancel(std::uint64_t serial) {
    std::erase(queue_, serial);
}

// --- RequestRegistry -------------------------------------------------------------------------------------------------

bool RequestRegistry::start(const RequestKey& key, std::uint64_t serial) {
    const auto [it, fresh] = running_.try_emplace(key);
    if (!fresh) it->second.push_back(serial);
    return fresh;
}

std::vector<std::uint64_t> RequestRegistry::finish(const RequestKey& key) {
    const auto it = running_.find(key);
    if (it == running_.end()) return {};
    std::vector<std::uint64_t> waiting = std::move(it->second);
    running_.erase(it);
    return waiting;
}

bool RequestRegistry::seen_before(const RequestKey& key) {
    if (progress_.size() >= progress_max) progress_.clear();
    auto& newest = progress_[key.first];
    const bool seen = key.second <= newest;
    newest = std::max(newest, key.second);
    return seen;
}

// --- EngineParts -----------------------------------------------------------------------------------------------------

EngineParts::EngineParts(SessionHost& host_in, storage::LocalDatabase& database_in, storage::Journal& journal_in,
                         SessionLimits limits_in)
    : host(host_in),
      database(database_in),
      journal(journal_in),
      limits(limits_in),
      barrier([this](ReadToken token) { host.ask_read_index(token); },
              [this](LogIndex index) { database.hurry(index); }),
      balancer([this](NodeId node) {
          (void)host.send(Origin{node, {}}, LoadAsk{});
      }),
      pipeline(*this),
      gate(barrier),
      table_locks([this](std::uint64_t serial) { wake_for_locks(serial); }),
      read_lock([this](std::uint64_t serial) { wake_for_locks(serial); }),
      session_names(database.definitions()),
      pool(static_cast<std::size_t>(limits_in.sessions_max) * 6 + spare_executors) {}

EngineParts::~EngineParts() = default;

void EngineParts::post(Task task) {
    bool first = false;
    {
        std::lock_guard lock(posted_mutex_);
        first = posted_.empty();
        posted_.push_back(std::move(task));
    }
    if (first && std::this_thread::get_id() != loop_thread_) host.wake();
}

std::vector<Task> EngineParts::take_posted() {
    std::lock_guard lock(posted_mutex_);
    return std::exchange(posted_, {});
}

void EngineParts::run_deferred() {
    if (running_deferred_) return;
    running_deferred_ = true;
    while (!deferred_.empty()) {
        Task task = std::move(deferred_.front());
        deferred_.pop_front();
        task();
    }
    running_deferred_ = false;
    // Closed sessions go when nothing refers to them any more.
    std::erase_if(backs, [](const auto& item) { return item.second->over(); });
}

FrontSession* EngineParts::front(const SessionId& session) {
    const auto it = fronts.find(session);
    return it == fronts.end() ? nullptr : it->second.get();
}

BackSession* EngineParts::back(std::uint64_t serial) {
    const auto it = backs.find(serial);
    return it == backs.end() ? nullptr : it->second.get();
}

BackSession* EngineParts::back(NodeId peer, const SessionId& session) {
    const auto it = back_keys.find({peer, session});
    return it == back_keys.end() ? nullptr : back(it->second);
}

SessionId session_of(const SessionMessage& message) {
    return std::visit(
        [](const auto& m) {
            if constexpr (requires { m.session; }) {
                return m.session;
            } else {
                return SessionId{};
            }
        },
        message);
}

void EngineParts::reply_to_front(SessionMessage message) {
    defer(Task([this, message = std::move(message)]() mutable {
        if (auto* target = front(session_of(message))) target->on_back_message(view.self, std::move(message));
    }));
}

void EngineParts::send_to_back(NodeId coordinator, SessionMessage message) {
    if (coordinator == view.self) {
        defer(Task([this, message = std::move(message)]() mutable { on_back_request(NodeId{}, std::move(message)); }));
        return;
    }
    (void)host.send(Origin{coordinator, {}}, message);  // lost ones are sent again by the front's own timer
}

void EngineParts::answer(NodeId peer, SessionMessage message) {
    if (peer) {
        (void)host.send(Origin{peer, {}}, message);
    } else {
        reply_to_front(std::move(message));
    }
}

void EngineParts::open_back(NodeId peer, OpenSession open) {
    SessionOpened refusal;
    refusal.session = open.session;
    refusal.node = view.self;
    refusal.coordinator = view.coordinator;
    if (!serving()) {
        refusal.error = fail(ErrorCode::not_coordinator, "this node is not the coordinator");
        answer(peer, std::move(refusal));
        return;
    }
    if (auto* old = back(peer, open.session))
        old->close(fail(ErrorCode::not_coordinator, "the session was opened anew"));
    if (back_keys.size() >= std::size_t{limits.sessions_max} * 3) {
        refusal.error = Error{ErrorCode::overloaded, "too many sessions on the coordinator", 1040, "08004"};
        answer(peer, std::move(refusal));
        return;
    }
    const std::uint64_t serial = ++last_serial;
    const SessionId id = open.session;
    auto session = std::make_unique<BackSession>(*this, serial, peer, std::move(open));
    BackSession* opened = session.get();
    backs.emplace(serial, std::move(session));
    back_keys[{peer, id}] = serial;
    opened->open();
}

void EngineParts::on_back_request(NodeId peer, SessionMessage message) {
    if (auto* open = std::get_if<OpenSession>(&message)) {
        open_back(peer, std::move(*open));
    } else if (auto* execute = std::get_if<Execute>(&message)) {
        if (auto* session = back(peer, execute->session)) {
            session->on_execute(std::move(*execute));
            return;
        }
        ResultEnd end;
        end.session = execute->session;
        end.request = execute->request;
        end.node = view.self;
        end.coordinator = view.coordinator;
        end.error = fail(ErrorCode::not_coordinator, "no such session on this node");
        if (execute->request) answer(peer, std::move(end));
    } else if (const auto* cancel = std::get_if<Cancel>(&message)) {
        if (auto* session = back(peer, cancel->session)) session->on_cancel(cancel->request);
    } else if (const auto* credit = std::get_if<Credit>(&message)) {
        if (auto* session = back(peer, credit->session)) session->on_credit(*credit);
    } else if (auto* file = std::get_if<FileContent>(&message)) {
        if (auto* session = back(peer, file->session)) session->on_file(std::move(*file));
    } else if (const auto* close = std::get_if<CloseSession>(&message)) {
        if (auto* session = back(peer, close->session))
            session->close(fail(ErrorCode::shutting_down, "the client is gone"));
    }
}

void EngineParts::kill(std::uint64_t connection_id, bool query_only, Task done) {
    pool.run(Task([this, connection_id, query_only, done = std::move(done)]() mutable {
        (void)database.kill(connection_id, query_only);
        post(std::move(done));
    }));
}

void EngineParts::ask_outcome(core::OutcomeQuery query, std::uint64_t serial) {
    outcome_askers[query.token] = serial;
    host.ask_outcome(query);
}

bool EngineParts::coordinator_ready() const {
    if (!view.quorum || !view.coordinator) return false;
    return view.coordinator != view.self || serving();
}

void EngineParts::finish_request(const RequestKey& key) {
    for (const std::uint64_t serial : requests.finish(key)) {
        defer(Task([this, serial] {
            if (auto* session = back(serial)) session->on_other_finished();
        }));
    }
}

void EngineParts::wake_for_locks(std::uint64_t serial) {
    defer(Task([this, serial] {
        if (auto* session = back(serial)) session->on_tables_free();
    }));
}

void EngineParts::leave_gate() {
    gate.leave();
    pass_gate_on();
}

void EngineParts::pass_gate_on() {
    if (const std::uint64_t serial = gate.take_next(); serial != 0) {
        defer(Task([this, serial] {
            if (auto* session = back(serial)) {
                session->on_gate_entered();
            } else {
                leave_gate();
            }
        }));
    }
}

void EngineParts::tick_gate() {
    auto taken = gate.take_long(now_ms);
    if (!taken) return;
    pool.run(Task([this, taken = std::move(*taken)] {
        auto reach = reach_of(taken.sql, database);
        if (!reach) return;
        post(Task([this, number = taken.number, reach = std::move(*reach)]() mutable {
            gate.narrow(number, std::move(reach));
        }));
    }));
}

void EngineParts::look_for_session_names() {
    if (!server_up || fenced || !session_names.begin_look(now_ms)) return;
    pool.run(Task([this] {
        std::optional<SessionNames> names;
        std::string why;
        const auto texts = database.texts_about_sessions(session_words());
        if (texts) {
            names = SessionNames::of(*texts);
        } else if (texts.error().code == ErrorCode::overloaded) {
            names = SessionNames::any();
        } else {
            why = texts.error().message;
        }
        post(Task([this, names = std::move(names), why = std::move(why)]() mutable {
            if (session_names.looked(std::move(names)))
                host.log(log_warning, "views and routines cannot be listed, reads go to the coordinator: " + why);
            look_for_session_names();  // should there be something new already
            for (const auto& [id, session] : fronts) session->on_session_names();
        }));
    }));
}

void EngineParts::register_prepared(LogIndex index, TxnId txn, std::string xid,
                                    std::unique_ptr<storage::Connection> connection) {
    database.register_prepared(index, txn, std::move(xid), std::move(connection));
}

void EngineParts::roll_back(std::unique_ptr<storage::Connection> connection, std::string xid,
                            std::function<void(std::unique_ptr<storage::Connection>)> done) {
    if (!connection) {
        done(nullptr);
        return;
    }
    pool.run(Task([this, connection = std::move(connection), xid = std::move(xid), done = std::move(done)]() mutable {
        // Not finished, not reusable: its connection goes, and the office's end rolls it back at the latest.
        if (!connection->execute(xa_sql("ROLLBACK", xid))) connection.reset();
        post(Task(
            [connection = std::move(connection), done = std::move(done)]() mutable { done(std::move(connection)); }));
    }));
}

void EngineParts::foreign_write(const std::string& text) {
    host.log(log_error, "foreign write in the binary log, not replicated: " + text);
    ++counters.foreign_writes;
}

std::uint64_t EngineParts::wall_clock_us() const {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace ddb::session
