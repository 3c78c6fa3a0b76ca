#include "session_support.hpp"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <random>

#include "schemas/digest.hpp"

namespace ddb::session::test {
namespace {

[[nodiscard]] std::vector<std::optional<std::string>> take_row(std::string_view& bytes, std::size_t columns) {
    std::vector<std::optional<std::string>> row;
    const auto byte = [&] {
        const auto value = static_cast<unsigned char>(bytes.at(0));
        bytes.remove_prefix(1);
        return std::size_t{value};
    };
    for (std::size_t i = 0; i < columns; ++i) {
        std::size_t length = byte();
        if (length == 0xfb) {
            row.emplace_back();
            continue;
        }
        const int more = length == 0xfc ? 2 : length == 0xfd ? 3 : length == 0xfe ? 8 : 0;
        if (more > 0) length = 0;
        for (int k = 0; k < more; ++k) length |= byte() << (8 * k);
        row.emplace_back(std::string(bytes.substr(0, length)));
        bytes.remove_prefix(length);
    }
    return row;
}

}  // namespace

// --- TestNode --------------------------------------------------------------------------------------------------------

TestNode::TestNode(Bench& bench_in, NodeId id_in) : bench(bench_in), id(id_in) {
    SessionLimits limits;
    limits.lock_wait_ms = 1000;
    limits.transaction_ms = 2000;
    engine = std::make_unique<SessionEngine>(*this, *bench.database, *bench.journal, limits);
}

TestNode::~TestNode() {
    engine.reset();
}

Status TestNode::send(const Origin& to, const SessionMessage& message) {
    if (!to.peer) {
        if (clients_gone) return fail(ErrorCode::not_found, "gone");
        if (!std::holds_alternative<Ping>(message)) sent[to.client].push_back(message);
        return ok();
    }
    if (!bench.deliver_to_peers) return ok();  // lost
    bench.post([this, to, message] {
        TestNode* target = to.peer == bench.node->id ? bench.node.get() : bench.follower.get();
        if (target != nullptr) target->engine->on_message(Origin{id, {}}, message, bench.now_ms());
    });
    return ok();
}

void TestNode::ask_read_index(ReadToken token) {
    ++read_indexes_asked;
    if (!hears_coordinator) return;
    bench.post([this, token] { engine->on_read_index({token, bench.ready_, bench.decided_}); });
}

void TestNode::ask_outcome(const core::OutcomeQuery& query) {
    last_outcome_query = query;
    bench.post([this, query] {
        core::OutcomeAnswer answer;
        answer.token = query.token;
        for (const auto& entry : bench.entries) {
            if (entry.session != query.session || entry.request != query.request) continue;
            answer.fate = core::Fate::decided;
            answer.id = entry.id;
            answer.txn = entry.txn;
            answer.outcome = entry.outcome;
        }
        engine->on_outcome(answer);
    });
}

void TestNode::propose(const core::Propose& proposal) {
    bench.post([this, proposal] {
        if (proposal.epoch != bench.epoch) {
            engine->on_refused({proposal.token, fail(ErrorCode::not_coordinator, "old epoch")});
            return;
        }
        bench.append(proposal.entry);
        engine->on_accepted({proposal.token, bench.entries.back().id});
        bench.check_decided();
    });
}

void TestNode::log(int, const std::string& text) {
    logged.push_back(text);
}
void TestNode::wake() {
    bench.post([this] { engine->pump(bench.now_ms()); });
}

// --- Bench -----------------------------------------------------------------------------------------------------------

Bench::Bench() {
    storage::JournalOptions journal_options;
    journal_options.dir = dir.path() + "/journal";
    journal_options.node = NodeId{1};
    journal_options.cluster = "test";
    auto opened = storage::Journal::open(journal_options, [this](const core::JournalCompleted& completed) {
        post([this, completed] {
            durable_ = LogIndex{completed.op.value};
            check_decided();
        });
    });
    if (!opened) FAIL(opened.error().message);
    journal = std::move(*opened);
    storage::DatabaseOptions options;
    options.data_dir = dir.path();
    options.service_password = "service password";
    options.node = NodeId{1};
    auto started = storage::LocalDatabase::start(options, *journal, [this](storage::DatabaseEvent event) {
        auto shared = std::make_shared<storage::DatabaseEvent>(std::move(event));
        post([this, shared] { take(std::move(*shared)); });
    });
    if (!started) FAIL(started.error().message);
    database = std::move(*started);
    node = std::make_unique<TestNode>(*this, NodeId{1});
    follower = std::make_unique<TestNode>(*this, NodeId{2});
    open_office();
}

Bench::~Bench() {
    follower.reset();
    node.reset();
    database.reset();
    journal.reset();
}

std::uint64_t Bench::now_ms() const {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

void Bench::post(Event event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_one();
}

void Bench::run_until(const std::function<bool()>& done, int limit_ms) {
    const std::uint64_t deadline = now_ms() + static_cast<std::uint64_t>(limit_ms);
    while (!done()) {
        if (now_ms() > deadline) FAIL("nothing more happens");
        std::deque<Event> due;
        {
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, std::chrono::milliseconds(1), [&] { return !events_.empty(); });
            due.swap(events_);
        }
        for (auto& event : due) event();
        for (auto* each : {node.get(), follower.get()}) {
            if (each != nullptr) each->engine->on_answers(now_ms());
        }
        if (now_ms() < last_tick_ms_ + 10) continue;
        last_tick_ms_ = now_ms();
        for (auto* each : {node.get(), follower.get()}) {
            if (each != nullptr) each->engine->tick(last_tick_ms_);
        }
    }
}

void Bench::run_for(int ms) {
    const std::uint64_t end = now_ms() + static_cast<std::uint64_t>(ms);
    run_until([&] { return now_ms() >= end; }, ms + 1000);
}

void Bench::take(storage::DatabaseEvent event) {
    if (auto* group = std::get_if<storage::Captured>(&event)) {
        node->engine->on_captured(std::move(*group));
    } else if (auto* committed = std::get_if<storage::Committed>(&event)) {
        node->engine->on_committed(std::move(*committed));
    } else if (const auto* applied = std::get_if<storage::Applied>(&event)) {
        for (auto* each : {node.get(), follower.get()}) each->engine->on_applied(applied->index);
    } else if (const auto* ready = std::get_if<storage::OfficeReady>(&event)) {
        node->engine->on_office_ready(ready->epoch);
        ready_ = true;
    } else if (std::holds_alternative<storage::OfficeLeft>(event)) {
        left_ = true;
        node->engine->on_office_left();
    } else if (const auto* fenced = std::get_if<storage::Fenced>(&event)) {
        FAIL("fenced: " << fenced->reason);
    } else if (const auto* foreign = std::get_if<storage::ForeignWrite>(&event)) {
        node->logged.push_back("storage: " + foreign->description);
    }
}

void Bench::append(Entry entry) {
    entry.id = EntryId{epoch, LogIndex{entries.size() + 1}};
    entry.digest = entry_digest(entries.empty() ? Digest{} : entries.back().digest, entry);
    entries.push_back(entry);
    core::JournalWrite write;
    write.op = OpId{entry.id.index.value};
    write.entries.push_back(std::move(entry));
    journal->write(std::move(write));
}

void Bench::hold_decisions(bool hold) {
    hold_ = hold;
    check_decided();
}

void Bench::check_decided() {
    if (hold_ || durable_ <= decided_) return;
    decided_ = durable_;
    database->decided(decided_);
    node->engine->on_decided(decided_);
}

void Bench::set_view(NodeId coordinator, bool quorum) {
    for (auto* each : {node.get(), follower.get()}) {
        ClusterView view;
        view.self = each->id;
        view.coordinator = coordinator;
        view.epoch = epoch;
        view.members = 2;
        view.voters = {NodeId{1}, NodeId{2}};
        view.quorum = quorum;
        if (!quorum) view.reason = "the test took it away";
        each->engine->on_view(view);
    }
}

void Bench::open_office() {
    epoch = next(epoch);
    hold_ = false;
    Entry noop;
    noop.kind = EntryKind::noop;
    noop.payload = database->initial().format_description;
    append(noop);
    const LogIndex index{entries.size()};
    ready_ = false;
    run_until([&] { return decided_ >= index; });
    database->open_office(epoch, index);
    run_until([&] { return ready_; });
    set_view(node->id);
}

void Bench::close_office() {
    ready_ = left_ = false;
    node->engine->on_office_closing(epoch);
    database->close_office(epoch);
    run_until([&] { return left_; });
    hold_decisions(false);
}

// --- Client ----------------------------------------------------------------------------------------------------------

std::string Answer::cell(std::size_t row, std::size_t column) const {
    if (row >= rows.size() || column >= rows[row].size()) return "<none>";
    return rows[row][column].value_or("NULL");
}

Client::Client(Bench& bench_in, TestNode& node_in, const std::string& user_in, const std::string& database_in,
               bool open_now)
    : bench(bench_in), node(node_in), user(user_in), database(database_in) {
    std::random_device random;
    for (auto& byte : session.bytes) byte = static_cast<std::uint8_t>(random());
    name = to_string(session);
    if (open_now) {
        open();
        if (!opened.accepted) FAIL(opened.error.message);
    }
}

void Client::open() {
    OpenSession message;
    message.session = session;
    message.user = user;
    message.password = user == "root" ? "" : "pw";
    message.database = database;
    if (from_other_host) message.host = "192.0.2.1";
    if (from_other_host && user != "root") message.password.clear();
    node.engine->on_message(Origin{{}, name}, message, bench.now_ms());
    bench.run_until([&] { return !inbox().empty() && std::holds_alternative<SessionOpened>(inbox().front()); });
    opened = std::get<SessionOpened>(inbox().front());
    inbox().pop_front();
}

Client::~Client() {
    if (!name.empty()) node.engine->on_client_gone(Origin{{}, name});
}

RequestNumber Client::start(const std::string& sql, bool retry, RequestNumber number) {
    if (!number) number = last = next(last);
    Execute message;
    message.session = session;
    message.request = number;
    message.sql = sql;
    message.consistency = consistency;
    message.timeout_ms = timeout_ms;
    message.retry = retry;
    message.credit_bytes = credit_bytes;
    node.engine->on_message(Origin{{}, name}, message, bench.now_ms());
    return number;
}

bool Client::waits(RequestNumber request) {
    bench.run_for(200);
    return std::none_of(inbox().begin(), inbox().end(), [&](const SessionMessage& message) {
        const auto* end = std::get_if<ResultEnd>(&message);
        return end != nullptr && end->request == request;
    });
}

Answer Client::finish(RequestNumber request) {
    Answer answer;
    bool over = false;
    bench.run_until(
        [&] {
            while (!over && !inbox().empty()) {
                SessionMessage message = std::move(inbox().front());
                inbox().pop_front();
                if (auto* header = std::get_if<ResultHeader>(&message);
                    header != nullptr && header->request == request) {
                    answer.columns = header->columns;
                    ++answer.results;
                } else if (auto* rows = std::get_if<ResultRows>(&message);
                           rows != nullptr && rows->request == request) {
                    std::string_view bytes = rows->rows;
                    for (std::uint32_t i = 0; i < rows->row_count; ++i)
                        answer.rows.push_back(take_row(bytes, answer.columns.size()));
                    credit(request, static_cast<std::uint32_t>(rows->rows.size()));
                } else if (auto* end = std::get_if<ResultEnd>(&message);
                           end != nullptr && end->request == request && !end->more) {
                    answer.end = *end;
                    over = true;
                }
            }
            return over;
        },
        40'000);
    return answer;
}

Answer Client::run(const std::string& sql) {
    return finish(start(sql));
}

Answer Client::good(const std::string& sql) {
    Answer answer = run(sql);
    if (answer.end.error)
        FAIL(sql.substr(0, 300) << ": " << answer.end.error->mysql_code << " " << answer.end.error->message);
    return answer;
}

void Client::cancel(RequestNumber request) {
    node.engine->on_message(Origin{{}, name}, Cancel{session, request}, bench.now_ms());
}

void Client::credit(RequestNumber request, std::uint32_t bytes) {
    node.engine->on_message(Origin{{}, name}, Credit{session, request, bytes}, bench.now_ms());
}

Bench& bench() {
    static Bench instance;
    return instance;
}

Client fresh(const char* table) {
    Client client(bench(), *bench().node);
    client.good("CREATE DATABASE IF NOT EXISTS d");
    client.good("USE d");
    client.good(std::string("CREATE TABLE ") + table + " (id INT PRIMARY KEY, v INT) ENGINE=InnoDB");
    return client;
}

}  // namespace ddb::session::test
