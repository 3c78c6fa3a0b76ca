// Crashes, restarts and leaving the office: the log decides what the tables hold.
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "node/storage/server_dialect.hpp"
#include "node/storage/xa_recovery.hpp"
#include "schemas/codec.hpp"
#include "storage_database_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

std::string count(StorageNode& node, const std::string& table = "d.t") {
    auto result = node.service()->scalar("SELECT COUNT(*) FROM " + table);
    return result.ok() ? result->value_or("") : result.error().message;
}

void prepare_table(Cluster& cluster) {
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)");
}

}  // namespace

TEST_CASE("a follower's server dies while it applies", "[recovery]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    cluster.settle();
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 60; ++i) {
            cluster.transaction({"INSERT INTO t(v) VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)"});
            if (i % 20 == 7)
                cluster.statement("CREATE TABLE t" + std::to_string(round) + "_" + std::to_string(i) +
                                  " (PRIMARY KEY(id)) SELECT * FROM t LIMIT 3");
            if (i == 5 + round * 20) b.kill_server();
        }
        b.wait_for<ServerDown>();
        b.wait_for<ServerUp>();
        cluster.settle();
        CHECK(Cluster::picture(a) == Cluster::picture(b));
    }
    CHECK_FALSE(b.fenced());
}

TEST_CASE("the coordinator's server dies between commits and the fold", "[recovery]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    for (int i = 0; i < 50; ++i) cluster.transaction({"INSERT INTO t(v) VALUES (1)"});
    cluster.statement("CREATE TABLE made (PRIMARY KEY(id)) SELECT * FROM t");
    cluster.transaction({"INSERT INTO made SELECT id+1000, v FROM made"});
    cluster.statement("CREATE USER late@localhost", "");
    // Prepared, proposed, and decided only after the crash.
    const LogIndex undecided = cluster.propose({"INSERT INTO t(v) VALUES (2)"});
    a.kill_server();
    a.wait_for<ServerDown>();
    a.wait_for<ServerUp>();
    a.database().close_office(Epoch{1});
    a.wait_for<OfficeLeft>();
    CHECK(prepared_transactions(*a.service())->empty());
    cluster.decide(undecided);
    cluster.settle();
    CHECK(count(a) == "51");
    CHECK(Cluster::picture(a) == Cluster::picture(b));
    CHECK(count(a, "ddb_meta.applied") == "0");
    CHECK_FALSE(a.fenced());
}

TEST_CASE("leaving the office rolls back what is prepared and ends the users", "[recovery]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    cluster.transaction({"INSERT INTO t(v) VALUES (1)"});
    const LogIndex last = cluster.propose({"INSERT INTO t(v) VALUES (2)"});
    auto bystander = a.user("root", "d");
    REQUIRE(bystander->execute("XA START 'someone else'").ok());
    REQUIRE(bystander->execute("INSERT INTO t(v) VALUES (3)").ok());
    a.database().close_office(Epoch{1});
    a.wait_for<OfficeLeft>([](const OfficeLeft& left) { return left.epoch == Epoch{1}; });
    CHECK_FALSE(bystander->execute("SELECT 1").ok());
    CHECK(prepared_transactions(*a.service())->empty());
    CHECK(count(a) == "1");
    CHECK(*a.service()->scalar("SELECT @@read_only") == "1");
    // It was decided after all: from its rows, like on any follower.
    cluster.decide(last);
    cluster.settle();
    CHECK(count(a) == "2");
    CHECK(Cluster::picture(a) == Cluster::picture(b));
    SECTION("and take it again") {
        a.forget_events();
        cluster.open(Epoch{2});
        cluster.transaction({"INSERT INTO t(v) VALUES (4)"});
        cluster.settle();
        CHECK(Cluster::picture(a) == Cluster::picture(b));
    }
}

// A node that stood still while another one came to office hears of all that at once.
TEST_CASE("what the next office decides commits nothing of this one", "[recovery]") {
    constexpr int prepared = 8;
    StorageNode a(1);
    Cluster cluster({&a});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    LogIndex last;
    for (int i = 0; i < prepared; ++i) last = cluster.propose({"INSERT INTO t(v) VALUES (1)"});
    const auto commits = [&] { return a.service()->rows("SHOW GLOBAL STATUS LIKE 'Com_xa_commit'")->at(0).at(1); };
    const auto before = commits();
    const auto server = static_cast<pid_t>(a.database().server_pid());
    REQUIRE(::kill(server, SIGSTOP) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // the owner's thread has asked it something by now
    a.database().close_office(Epoch{1});
    cluster.decide(last);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    REQUIRE(::kill(server, SIGCONT) == 0);
    a.wait_for<OfficeLeft>();
    CHECK(commits() == before);
    cluster.settle();
    CHECK(count(a) == std::to_string(prepared));
    CHECK_FALSE(a.fenced());
}

TEST_CASE("a node restarts on its files", "[recovery]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    for (int i = 0; i < 20; ++i) cluster.transaction({"INSERT INTO t(v) VALUES (1)"});
    const bool fast = GENERATE(true, false);
    if (fast) a.kill_server();
    a.stop();
    a.start();
    CHECK(a.database().had_meta());
    CHECK(a.database().has_user_data());
    CHECK(a.database().initial().applied == cluster.last());
    CHECK(count(a) == "20");
    a.database().decided(cluster.last());
    cluster.settle();
    CHECK(Cluster::picture(a) == Cluster::picture(b));
}

namespace {

// As those of runs that a loss of power has ended: behind what was forced to the disk stands something else, or half an
// event. The newest one is of the run that came after.
void tear_binary_logs(StorageNode& node) {
    const auto files = node.service()->rows("SHOW BINARY LOGS");
    REQUIRE(files.ok());
    const auto data = node.service()->scalar("SELECT @@datadir");
    REQUIRE((data.ok() && *data));
    for (std::size_t i = 0; i + 1 < files->size(); ++i) {
        std::ofstream file(**data + files->at(i).at(0).value_or(""), std::ios::app | std::ios::binary);
        REQUIRE(file.good());
        file << std::string(i % 2 == 0 ? 300 : 7, '\0');
    }
}

// A new office of `node`, which does not know its old one's statements.
void come_to_office_again(StorageNode& node, Cluster& cluster) {
    node.database().close_office(Epoch{1});
    node.wait_for<OfficeLeft>();
    Entry noop;
    noop.kind = EntryKind::noop;
    noop.payload = node.database().initial().format_description;
    cluster.next_epoch();
    cluster.append(noop);
}

}  // namespace

TEST_CASE("a statement that ran but is not in the log fences the node", "[recovery]") {
    StorageNode a(1);
    Cluster cluster({&a});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    auto session = a.user("root", "d");
    const TxnId txn = cluster.next_txn();
    REQUIRE(a.journal().record_intent({txn, statement_sequence(txn), 0}).ok());
    // One that never ran is forgotten without a word.
    const TxnId other = cluster.next_txn();
    REQUIRE(a.journal().record_intent({other, statement_sequence(other), 0}).ok());
    REQUIRE(session->execute_all(a.database().statement_begin_sql(statement_sequence(txn))).ok());
    const auto service = a.service();
    const bool forced = service->scalar("SELECT @@GLOBAL.sync_binlog").value().value_or("") == "1";
    CHECK(forced == service->dialect().tells_by_binlog());
    const bool ran = GENERATE(true, false);
    const bool only_copy = GENERATE(true, false);
    a.database().set_other_copies(only_copy ? OtherCopies::none : OtherCopies::some);
    if (ran) REQUIRE(session->execute("CREATE TABLE lost (a INT PRIMARY KEY)").ok());
    // Each start opens another binary log; what ran is found however many there are.
    for (int i = 0; i < 4; ++i) {
        a.kill_server();
        a.wait_for<ServerUp>();
    }
    tear_binary_logs(a);
    come_to_office_again(a, cluster);
    if (ran && !only_copy) {
        a.wait_for<Fenced>();
        CHECK(a.fenced()->find("rebuilt") != std::string::npos);
        return;
    }
    if (ran)
        a.wait_for<ForeignWrite>(
            [](const ForeignWrite& f) { return f.description.find("only copy") != std::string::npos; });
    cluster.settle();
    CHECK_FALSE(a.fenced());
    CHECK(a.journal().intents().empty());
    CHECK(count(a, "d.lost") == (ran ? "0" : "Table 'd.lost' doesn't exist"));
}

TEST_CASE("a statement that a run of the server may have done in part fences the node", "[recovery]") {
    StorageNode a(1);
    Cluster cluster({&a});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    const TxnId txn = cluster.next_txn();
    const auto run = LocalDatabase::traces_of_run(*a.user("root", "d"));
    REQUIRE(run.ok());
    const bool on_mysql = *run == 0;
    const bool of_this_run = GENERATE(true, false);
    REQUIRE(a.journal().record_intent({txn, statement_sequence(txn), of_this_run || on_mysql ? *run : 1}).ok());
    const bool only_copy = GENERATE(true, false);
    a.database().set_other_copies(only_copy ? OtherCopies::none : OtherCopies::some);
    come_to_office_again(a, cluster);
    if (of_this_run || only_copy || on_mysql) {
        const auto in_part = [](const ForeignWrite& f) { return f.description.find("in part") != std::string::npos; };
        if (!of_this_run && !on_mysql) a.wait_for<ForeignWrite>(in_part);
        cluster.settle();
        CHECK_FALSE(a.fenced());
        CHECK(a.journal().intents().empty());
    } else {
        a.wait_for<Fenced>();
        CHECK(a.fenced()->find("in part") != std::string::npos);
    }
}

TEST_CASE("divergence fences, a reader in the way does not", "[recovery]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    prepare_table(cluster);
    cluster.transaction({"INSERT INTO t(v) VALUES (1),(2)"});
    cluster.settle();
    SECTION("reader") {
        auto reader = b.user("root", "d");
        REQUIRE(reader->execute("BEGIN").ok());
        REQUIRE(reader->rows("SELECT * FROM t LOCK IN SHARE MODE").ok());
        cluster.transaction({"UPDATE t SET v=v+1"});
        cluster.settle();
        REQUIRE(reader->execute("ROLLBACK").ok() == false);
        auto second = b.user("root", "d");
        REQUIRE(second->execute("BEGIN").ok());
        REQUIRE(second->rows("SELECT * FROM t").ok());
        cluster.statement("ALTER TABLE t ADD w INT");
        cluster.settle();
        CHECK(Cluster::picture(a) == Cluster::picture(b));
        auto third = b.user("root", "d");  // holds the table, and InnoDB knows of no transaction
        REQUIRE(third->execute("BEGIN").ok());
        REQUIRE(third->rows("SELECT * FROM t WHERE 1 = 0").ok());
        cluster.statement("ALTER TABLE t ADD x INT");
        cluster.settle();
        CHECK(Cluster::picture(a) == Cluster::picture(b));
    }
    SECTION("missing row") {
        REQUIRE(b.service()->execute("DELETE FROM d.t WHERE id=1").ok());
        cluster.transaction({"UPDATE t SET v=v+1 WHERE id=1"});
        b.wait_for<Fenced>();
        CHECK(b.fenced()->ends_with("; of d.t"));
        CHECK(b.applied() < cluster.last());
    }
}
