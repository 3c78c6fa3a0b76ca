#include "storage_database_support.hpp"

#include <signal.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <thread>

#include "node/storage/group_reader.hpp"
#include "node/storage/metadata.hpp"
#include "schemas/codec.hpp"
#include "schemas/digest.hpp"

namespace ddb::storage::test {
namespace {

constexpr std::chrono::seconds patience{40};
constexpr const char* password = "service password";

}  // namespace

StorageNode::StorageNode(std::uint32_t id, std::string dir, Endpoint external)
    : id_(id), dir_(dir.empty() ? own_dir_.emplace().path() : std::move(dir)), external_(std::move(external)) {
    start();
}

StorageNode::~StorageNode() {
    stop();
}

void StorageNode::start(bool content_void) {
    JournalOptions options;
    options.dir = dir_ + "/journal";
    options.node = NodeId{id_};
    options.cluster = "test";
    auto journal = Journal::open(options, [this](const core::JournalCompleted& done) {
        std::lock_guard lock(mutex_);
        completed_ = std::max(completed_, done.op.value);
        changed_.notify_all();
    });
    if (!journal.ok()) FAIL(journal.error().message);
    journal_ = std::move(*journal);
    DatabaseOptions database;
    database.data_dir = dir_;
    database.service_password = password;
    database.node = NodeId{id_};
    database.content_void = content_void;
    database.managed = external_.socket.empty();
    // The recovery tests know MySQL too: DDB_SERVER names another server program than the one in PATH.
    if (const char* const program = std::getenv("DDB_SERVER")) database.server_program = program;
    database.external = external_;
    auto started = LocalDatabase::start(database, *journal_, [this](DatabaseEvent event) { take(std::move(event)); });
    if (!started.ok()) FAIL(started.error().message);
    database_ = std::move(*started);
}

void StorageNode::stop() {
    database_.reset();
    journal_.reset();
    forget_events();
}

void StorageNode::append(const std::vector<Entry>& entries) {
    core::JournalWrite write;
    write.op = OpId{++operation_};
    write.entries = entries;
    journal_->write(std::move(write));
    wait([&] { return completed_ >= operation_; }, "the journal");
}

void StorageNode::reset_journal(const Snapshot& snapshot) {
    core::JournalWrite write;
    write.op = OpId{++operation_};
    write.reset = snapshot;
    journal_->write(std::move(write));
    wait([&] { return completed_ >= operation_; }, "the journal");
}

std::unique_ptr<Connection> StorageNode::service() {
    ConnectOptions options;
    options.endpoint.socket = database_->socket();
    options.user = "ddb";
    options.password = password;
    auto connection = open_service(options);
    if (!connection.ok()) FAIL(connection.error().message);
    return std::move(*connection);
}

std::unique_ptr<Connection> StorageNode::user(const std::string& name, const std::string& database) {
    auto connection = database_->connect(name, name == "root" ? "" : "pw", database);
    if (!connection.ok()) FAIL(connection.error().message);
    return std::move(*connection);
}

void StorageNode::kill_server() const {
    REQUIRE(::kill(static_cast<pid_t>(database_->server_pid()), SIGKILL) == 0);
}

void StorageNode::take(DatabaseEvent event) {
    std::lock_guard lock(mutex_);
    if (auto* group = std::get_if<Captured>(&event)) {
        groups_.push_back(std::move(*group));
    } else if (auto* part = std::get_if<CapturedPart>(&event)) {
        parts_.push_back(std::move(*part));
    } else if (auto* done = std::get_if<Committed>(&event)) {
        committed_.push_back(std::move(*done));
    } else if (const auto* applied = std::get_if<Applied>(&event)) {
        applied_ = applied->index;
        durable_ = applied->durable;
    } else {
        if (const auto* bad = std::get_if<Fenced>(&event)) fenced_ = bad->reason;
        events_.push_back(std::move(event));
    }
    changed_.notify_all();
}

void StorageNode::wait(const std::function<bool()>& done, const char* what) {
    std::unique_lock lock(mutex_);
    bool came = false;  // done() may take what it found: asked no more once it said yes
    changed_.wait_for(lock, patience, [&] { return (came = done()) || fenced_; });
    if (!came) FAIL("node " << id_ << " waited in vain for " << what << "; fenced: " << fenced_.value_or("no"));
}

void StorageNode::wait_applied(LogIndex index) {
    wait([&] { return applied_ >= index; }, ("applied " + std::to_string(index.value)).c_str());
}

template <class E>
void StorageNode::wait_for(const std::function<bool(const E&)>& wanted) {
    wait(
        [&] {
            for (auto it = events_.begin(); it != events_.end(); ++it) {
                const auto* event = std::get_if<E>(&*it);
                if (event == nullptr || !wanted(*event)) continue;
                events_.erase(it);
                return true;
            }
            return false;
        },
        typeid(E).name());
}
template void StorageNode::wait_for<OfficeReady>(const std::function<bool(const OfficeReady&)>&);
template void StorageNode::wait_for<OfficeLeft>(const std::function<bool(const OfficeLeft&)>&);
template void StorageNode::wait_for<ServerUp>(const std::function<bool(const ServerUp&)>&);
template void StorageNode::wait_for<ServerDown>(const std::function<bool(const ServerDown&)>&);
template void StorageNode::wait_for<Fenced>(const std::function<bool(const Fenced&)>&);
template void StorageNode::wait_for<RebuildReady>(const std::function<bool(const RebuildReady&)>&);
template void StorageNode::wait_for<LoadedPosition>(const std::function<bool(const LoadedPosition&)>&);
template void StorageNode::wait_for<RebuildLoaded>(const std::function<bool(const RebuildLoaded&)>&);
template void StorageNode::wait_for<ForeignWrite>(const std::function<bool(const ForeignWrite&)>&);

CapturedPart StorageNode::next_part() {
    wait([&] { return !parts_.empty(); }, "a part of a large group");
    std::lock_guard lock(mutex_);
    CapturedPart out = std::move(parts_.front());
    parts_.pop_front();
    return out;
}

Captured StorageNode::next_group() {
    wait([&] { return !groups_.empty(); }, "a group of the binary log");
    std::lock_guard lock(mutex_);
    Captured out = std::move(groups_.front());
    groups_.pop_front();
    return out;
}

std::optional<std::string> StorageNode::fenced() const {
    std::lock_guard lock(mutex_);
    return fenced_;
}

LogIndex StorageNode::applied() const {
    std::lock_guard lock(mutex_);
    return applied_;
}

std::unique_ptr<Connection> StorageNode::wait_committed(LogIndex index) {
    std::unique_ptr<Connection> out;
    wait(
        [&] {
            for (auto it = committed_.begin(); it != committed_.end(); ++it) {
                if (it->index != index) continue;
                out = std::move(it->connection);
                committed_.erase(it);
                return true;
            }
            return false;
        },
        "a commit");
    return out;
}

void StorageNode::forget_events() {
    std::lock_guard lock(mutex_);
    events_.clear();
    groups_.clear();
    committed_.clear();
    fenced_.reset();
}

void Cluster::open(Epoch epoch) {
    epoch_ = epoch;
    counter_ = 0;
    Entry noop;
    noop.kind = EntryKind::noop;
    noop.payload = nodes_[0]->database().initial().format_description;
    const LogIndex index = append(noop);
    nodes_[0]->database().open_office(epoch, index);
    nodes_[0]->wait_for<OfficeReady>([&](const OfficeReady& ready) { return ready.epoch == epoch; });
}

LogIndex Cluster::append(Entry entry, bool decide_now) {
    std::vector<Entry> entries;
    entries.push_back(std::move(entry));
    append_all(std::move(entries));
    if (decide_now) decide(last());
    return last();
}

void Cluster::append_all(std::vector<Entry> entries) {
    for (Entry& entry : entries) {
        entry.id = EntryId{epoch_, LogIndex{log_.size() + 1}};
        entry.created_at_us = 1'700'000'000'000'000 + log_.size();
        entry.digest = entry_digest(log_.empty() ? Digest{} : log_.back().digest, entry);
        log_.push_back(entry);
    }
    for (StorageNode* node : nodes_) node->append(entries);
}

void Cluster::decide(LogIndex up_to) {
    for (StorageNode* node : nodes_) node->database().decided(up_to);
}

LogIndex Cluster::propose(const std::vector<std::string>& statements, const std::string& database) {
    StorageNode& node = *nodes_[0];
    auto connection = node.user("root", database);
    const TxnId txn = next_txn();
    const std::string xid = random_xid();
    for (const auto& sql : node.database().begin_sql(xid, txn)) {
        auto done = connection->execute(sql);
        if (!done.ok()) FAIL(sql << ": " << done.error().message);
    }
    for (const auto& sql : statements) {
        auto done = connection->execute(sql);
        if (!done.ok()) FAIL(sql.substr(0, 200) << ": " << done.error().message);
    }
    auto prepared = connection->execute_all(node.database().prepare_sql(xid));
    if (!prepared.ok()) FAIL(prepared.error().message);
    REQUIRE(!prepared->gtid.empty());
    for (;;) {
        Captured group = node.next_group();
        Entry entry;
        entry.kind = EntryKind::rows;
        entry.row_count = group.rows;
        entry.statement_count = static_cast<std::uint32_t>(statements.size());
        if (group.kind == Captured::Kind::other) {  // a sequence
            entry.payload = Payload(std::move(group.events));
            node.database().register_done(append(std::move(entry)), false);
            continue;
        }
        REQUIRE(group.kind == Captured::Kind::xa);
        REQUIRE(group.xid == xid);
        CHECK(group.gtid == prepared->gtid);
        entry.txn = txn;
        entry.payload = Payload(std::move(group.events));
        if (group.place) {
            entry.kind = EntryKind::rows_end;
            entry.payload = Payload(encode_parts(append_parts(txn, group)));
        }
        const LogIndex index = append(std::move(entry), false);
        node.database().register_prepared(index, txn, xid, std::move(connection));
        return index;
    }
}

PartsRange Cluster::append_parts(TxnId txn, const Captured& group) {
    StorageNode& node = *nodes_[0];
    PartsRange parts;
    node.database().read_group(group.epoch, *group.place);
    for (bool last = false; !last;) {
        node.database().want_part();
        CapturedPart part = node.next_part();
        last = part.last;
        CHECK(part.events.size() <= part_bytes);
        Entry entry;
        entry.kind = EntryKind::rows_part;
        entry.txn = txn;
        entry.payload = Payload(std::move(part.events));
        const LogIndex index = append(std::move(entry));
        node.database().register_done(index, true);
        if (parts.count++ == 0) parts.first = index;
    }
    return parts;
}

LogIndex Cluster::transaction(const std::vector<std::string>& statements, const std::string& database) {
    const LogIndex index = propose(statements, database);
    decide(index);
    CHECK(nodes_[0]->wait_committed(index) != nullptr);
    return index;
}

LogIndex Cluster::statement(const std::string& sql, const std::string& database, const std::string& user,
                            const std::vector<std::string>& before) {
    StorageNode& node = *nodes_[0];
    auto connection = node.user(user, database);
    for (const auto& setting : before) {
        if (auto done = connection->execute(setting); !done.ok()) FAIL(done.error().message);
    }
    const TxnId txn = next_txn();
    const std::uint64_t sequence = statement_sequence(txn);
    REQUIRE(node.journal().record_intent({txn, sequence}).ok());
    auto begun = connection->execute_all(node.database().statement_begin_sql(sequence));
    if (!begun.ok()) FAIL(begun.error().message);
    const auto done = connection->execute(sql);
    const auto last = LocalDatabase::statement_gtid(*connection, sequence);
    REQUIRE(last.ok());
    const auto settings = LocalDatabase::settings_event(*connection);
    REQUIRE(settings.ok());
    REQUIRE(connection->execute_all(node.database().statement_end_sql()).ok());
    StatementPayload payload;
    if (!last->empty()) {
        payload.events = *settings;
        for (;;) {
            Captured group = node.next_group();
            if (group.kind == Captured::Kind::other) {
                REQUIRE(group.events.empty());
                continue;
            }
            REQUIRE(group.kind == Captured::Kind::statement);
            REQUIRE(group.sequence == sequence);
            payload.events += group.statement.events;
            if (group.gtid == *last) break;
        }
    } else if (done.ok()) {
        return LogIndex{};
    } else {
        payload.sql = sql;
        payload.database = database;
    }
    if (!done.ok()) payload.expected_error = done.error().mysql_code;
    Entry entry;
    entry.kind = EntryKind::statement;
    entry.txn = txn;
    entry.payload = Payload(encode_statement(payload));
    const LogIndex index = append(std::move(entry), false);
    node.database().register_done(index, false);
    decide(index);
    (void)node.wait_committed(index);
    return index;
}

std::string Cluster::log_rows(StorageNode& node) {
    auto rows = node.service()->rows("CHECKSUM TABLE ddb_meta.transactions_log");
    if (!rows.ok()) FAIL(rows.error().message);
    return rows->front()[1].value_or("");
}

void Cluster::settle() {
    for (StorageNode* node : nodes_) node->wait_applied(last());
    // The coordinator folds what it committed about once a second.
    for (StorageNode* node : nodes_) {
        auto connection = node->service();
        for (int tries = 0; tries < 500; ++tries) {
            auto newest = connection->scalar("SELECT MAX(log_index) FROM ddb_meta.transactions_log");
            if (newest.ok() && newest->value_or("") == std::to_string(last().value)) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }
    CHECK(log_rows(*nodes_.front()) == log_rows(*nodes_.back()));
}

std::string Cluster::picture(StorageNode& node) {
    auto connection = node.service();
    std::string out;
    const auto add = [&](const std::string& sql) {
        auto rows = connection->rows(sql);
        if (!rows.ok()) FAIL(sql << ": " << rows.error().message);
        // Counters may be lower on followers.
        const std::regex counter(" AUTO_INCREMENT=[0-9]+");
        for (const auto& row : *rows) {
            for (const auto& value : row) out += std::regex_replace(value.value_or("NULL"), counter, "") + "|";
            out += "\n";
        }
    };
    auto tables = connection->rows(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema NOT IN "
        "('mysql','information_schema','performance_schema','sys','ddb_meta') ORDER BY 1,2");
    REQUIRE(tables.ok());
    for (const auto& table : *tables) {
        const std::regex tick("`");
        const std::string name =
            "`" + std::regex_replace(*table[0], tick, "``") + "`.`" + std::regex_replace(*table[1], tick, "``") + "`";
        add("SHOW CREATE TABLE " + name);
        if (*table[2] != "VIEW") add("CHECKSUM TABLE " + name);
    }
    add("SELECT trigger_schema,trigger_name,action_statement,definer,sql_mode FROM information_schema.triggers ORDER "
        "BY 1,2");
    add("SELECT routine_schema,routine_name,routine_definition,definer,sql_mode FROM information_schema.routines WHERE "
        "routine_schema NOT IN ('ddb_meta','sys','mysql') ORDER BY 1,2");
    add("SELECT event_schema,event_name,definer,event_definition,time_zone FROM information_schema.events ORDER BY "
        "1,2");
    add("SELECT user,host,db FROM mysql.db ORDER BY 1,2,3");
    add("SELECT schema_name,default_collation_name FROM information_schema.schemata WHERE schema_name <> 'ddb_meta' "
        "ORDER BY 1");
    if (connection->server_version().find("MariaDB") == std::string::npos) {
        add("SELECT user,host,plugin FROM mysql.user ORDER BY 1,2");
        add("SELECT * FROM mysql.role_edges ORDER BY 1,2,3,4");
        return out;
    }
    add("SELECT user,host,json_remove(priv,'$.password_last_changed') FROM mysql.global_priv ORDER BY 1,2");
    add("SELECT * FROM mysql.roles_mapping ORDER BY 1,2,3");
    return out;
}

}  // namespace ddb::storage::test
