// The session engine against a real private server: what a client is told, and what is in the log and the tables.
#define CATCH_CONFIG_MAIN
#include <algorithm>
#include <catch2/catch.hpp>

#include "session_support.hpp"

using namespace ddb;
using namespace ddb::session;
using namespace ddb::session::test;

TEST_CASE("autocommit writes are logged, decided and read back") {
    Client c = fresh("t1");
    const auto before = bench().entries.size();
    auto answer = c.good("INSERT INTO t1 VALUES (1,10),(2,20)");
    CHECK(answer.end.outcome.affected_rows == 2);
    CHECK(answer.end.outcome.info.find("Records: 2") != std::string::npos);
    CHECK(answer.end.txn);
    CHECK((answer.end.status_flags & 1) == 0);
    CHECK((answer.end.status_flags & 2) != 0);
    REQUIRE(bench().entries.size() == before + 1);
    const Entry& entry = bench().entries.back();
    CHECK(entry.kind == EntryKind::rows);
    CHECK(entry.row_count == 2);
    CHECK(entry.session == c.session);
    CHECK(entry.request == c.last);
    CHECK(entry.id.index == answer.end.index);
    CHECK(c.good("SELECT SUM(v) FROM t1").cell() == "30");
    CHECK(c.good("UPDATE t1 SET v=v+1 WHERE id=1").end.outcome.info.find("Changed: 1") != std::string::npos);
    const auto logged = bench().entries.size();
    CHECK(c.good("UPDATE t1 SET v=0 WHERE id=99").end.outcome.affected_rows == 0);
    CHECK(bench().entries.size() == logged);
    auto returning = c.good("INSERT INTO t1 VALUES (3,30) RETURNING id, v");
    CHECK(returning.cell(0, 1) == "30");
    CHECK(c.run("INSERT INTO t1 VALUES (1,1)").code() == 1062);
    CHECK(c.run("INSERT INTO missing VALUES (1)").code() == 1146);
    CHECK(c.run("SELEC 1").code() == 1064);
    CHECK(c.good("SELECT COUNT(*) FROM t1").cell() == "3");
    CHECK(c.good("INSERT IGNORE INTO t1 VALUES (1,1)").end.outcome.warnings == 1);
    CHECK(c.good("SHOW WARNINGS").cell(0, 1) == "1062");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("reads at every consistency, and their diagnostics") {
    Client c = fresh("t2");
    c.good("INSERT INTO t2 VALUES (1,0)");
    for (const auto consistency : {Consistency::strong, Consistency::session, Consistency::local}) {
        c.consistency = consistency;
        for (int i = 0; i < 3; ++i) CHECK(c.good("SELECT id FROM t2").cell() == "1");
    }
    c.consistency = Consistency::strong;
    const auto reads = bench().node->engine->counters().local_reads;
    auto answer = c.good("SELECT 1/0 FROM t2");
    CHECK(answer.end.outcome.warnings == 1);
    CHECK(!answer.end.txn);
    CHECK(c.good("SHOW WARNINGS").cell(0, 1) == "1365");
    CHECK(bench().node->engine->counters().local_reads > reads);
    CHECK(c.run("SELECT * FROM nothing").code() == 1146);
    CHECK(c.good("SELECT * FROM t2 FOR UPDATE").cell() == "1");
    CHECK(c.good("SELECT @@autocommit").cell() == "1");
    CHECK(c.good("SET @a = 5").end.outcome.affected_rows == 0);
    CHECK(c.good("SELECT @a + 1").cell() == "6");
    CHECK(c.good("SELECT COUNT(*) FROM t2 INTO @n").end.outcome.affected_rows == 1);
    CHECK(c.good("SELECT @n").cell() == "1");
    CHECK(c.good("DO SLEEP(0)").columns.empty());
    CHECK(c.good("-- nothing").columns.empty());
}

TEST_CASE("transactions") {
    Client a = fresh("t3");
    Client b(bench(), *bench().node, "root", "d");
    const auto before = bench().entries.size();
    CHECK((a.good("BEGIN").end.status_flags & 1) != 0);
    a.good("INSERT INTO t3 VALUES (1,1)");
    CHECK(a.good("SELECT COUNT(*) FROM t3").cell() == "1");
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "0");
    a.good("SAVEPOINT s");
    a.good("INSERT INTO t3 VALUES (2,2)");
    a.good("ROLLBACK TO s");
    CHECK(a.run("INSERT INTO t3 VALUES (1,1)").code() == 1062);
    CHECK(bench().entries.size() == before);
    auto commit = a.good("COMMIT");
    CHECK(commit.end.txn);
    CHECK((commit.end.status_flags & 1) == 0);
    CHECK(bench().entries.size() == before + 1);
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "1");

    a.good("START TRANSACTION");
    a.good("DELETE FROM t3");
    a.good("ROLLBACK");
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "1");
    CHECK(bench().entries.size() == before + 1);

    a.good("BEGIN");
    a.good("SELECT * FROM t3");
    a.good("COMMIT");
    CHECK(bench().entries.size() == before + 1);

    a.good("SET autocommit=0");
    a.good("INSERT INTO t3 VALUES (5,5)");
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "1");
    a.good("COMMIT");
    a.good("INSERT INTO t3 VALUES (6,6)");
    a.good("SET autocommit=1");
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "3");
    a.good("INSERT INTO t3 VALUES (7,7)");
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "4");

    a.good("BEGIN");
    a.good("INSERT INTO t3 VALUES (8,8)");
    a.good("BEGIN");
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "5");
    a.good("INSERT INTO t3 VALUES (9,9)");
    a.good("CREATE TABLE t3b (id INT PRIMARY KEY)");
    CHECK(b.good("SELECT COUNT(*) FROM t3").cell() == "6");
    CHECK((a.good("COMMIT AND CHAIN").end.status_flags & 1) != 0);
    a.good("ROLLBACK");
    a.good("START TRANSACTION READ ONLY");
    CHECK(a.run("INSERT INTO t3 VALUES (10,10)").code() == 1792);
    CHECK(a.good("SELECT COUNT(*) FROM t3").cell() == "6");
    a.good("COMMIT");
}

TEST_CASE("snapshots open with the transaction") {
    Client a = fresh("t4");
    Client b(bench(), *bench().node, "root", "d");
    a.good("START TRANSACTION WITH CONSISTENT SNAPSHOT");
    b.good("INSERT INTO t4 VALUES (1,1)");
    CHECK(a.good("SELECT COUNT(*) FROM t4").cell() == "0");
    a.good("COMMIT");
    CHECK(a.good("SELECT COUNT(*) FROM t4").cell() == "1");
}

TEST_CASE("a deadlock ends the transaction, a lock wait only the statement") {
    Client a = fresh("t5");
    Client b(bench(), *bench().node, "root", "d");
    a.good("INSERT INTO t5 VALUES (1,0),(2,0)");
    a.good("BEGIN");
    b.good("BEGIN");
    a.good("UPDATE t5 SET v=1 WHERE id=1");
    b.good("UPDATE t5 SET v=2 WHERE id=2");
    const auto waiting = a.start("UPDATE t5 SET v=1 WHERE id=2");
    bench().run_for(200);
    const auto second = b.run("UPDATE t5 SET v=2 WHERE id=1");
    const auto first = a.finish(waiting);
    REQUIRE((first.code() == 1213) != (second.code() == 1213));
    const auto& loser = first.code() == 1213 ? first : second;
    CHECK((loser.end.status_flags & 1) == 0);
    Client& winner = first.code() == 1213 ? b : a;
    winner.good("COMMIT");
    CHECK(a.good("SELECT COUNT(DISTINCT v) FROM t5").cell() == "1");

    a.good("BEGIN");
    a.good("UPDATE t5 SET v=7 WHERE id=1");
    b.good("BEGIN");
    b.good("INSERT INTO t5 VALUES (3,3)");
    CHECK(b.run("UPDATE t5 SET v=8 WHERE id=1").code() == 1205);
    b.good("COMMIT");
    a.good("COMMIT");
    CHECK(a.good("SELECT v FROM t5 WHERE id=3").cell() == "3");
}

TEST_CASE("reads that follow each other closely see every write and hold up no definition for long") {
    Client c = fresh("t16");
    Client reader(bench(), *bench().node, "root", "d");
    c.good("INSERT INTO t16 VALUES (1,0)");
    for (int i = 1; i <= 30; ++i) {
        c.good("UPDATE t16 SET v=" + std::to_string(i) + " WHERE id=1");
        CHECK(reader.good("SELECT v FROM t16 WHERE id=1").cell() == std::to_string(i));
        CHECK(reader.run("SELECT nothing FROM t16").code() == 1054);
        CHECK(reader.good("SELECT v+0 FROM t16 WHERE id=1").cell() == std::to_string(i));
    }
    reader.good("SELECT * FROM t16");
    const auto altered = c.start("ALTER TABLE t16 ADD w INT DEFAULT 7");
    std::optional<Answer> done;
    const std::uint64_t begun = bench().now_ms();
    while (!done && bench().now_ms() < begun + 5000) {
        reader.consistency = Consistency::local;
        CHECK(reader.run("SELECT v FROM t16 WHERE id=1").code() == 0);
        const auto& inbox = c.inbox();
        if (std::any_of(inbox.begin(), inbox.end(),
                        [](const SessionMessage& message) { return std::holds_alternative<ResultEnd>(message); }))
            done = c.finish(altered);
    }
    REQUIRE(done);
    CHECK(!done->end.error);
    CHECK(reader.good("SELECT w FROM t16").cell() == "7");
}

TEST_CASE("a big result obeys its credit") {
    Client c = fresh("t9");
    c.credit_bytes = 300'000;
    const auto request = c.start("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000");
    std::size_t received = 0;
    std::size_t granted = 300'000;
    std::uint32_t rows = 0;
    bool over = false;
    std::optional<Error> error;
    bench().run_until([&] {
        while (!c.inbox().empty()) {
            SessionMessage message = std::move(c.inbox().front());
            c.inbox().pop_front();
            if (const auto* chunk = std::get_if<ResultRows>(&message)) {
                received += chunk->rows.size();
                rows += chunk->row_count;
                CHECK(received <= granted);
                if (granted - received < 150'000) {
                    c.credit(request, 200'000);
                    granted += 200'000;
                }
            } else if (const auto* end = std::get_if<ResultEnd>(&message)) {
                error = end->error;
                over = true;
            }
        }
        return over;
    });
    CHECK(!error);
    CHECK(rows == 20000);

    // The reader goes away in the middle: the session lives on.
    const auto abandoned = c.start("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_2000000");
    bench().run_for(100);
    c.cancel(abandoned);
    CHECK(c.finish(abandoned).code() == 1317);
    CHECK(c.good("SELECT 1").cell() == "1");
}

TEST_CASE("what a session has set up outlives a statement that is cancelled, as on a server") {
    Client c = fresh("t10a");
    c.good("CREATE TEMPORARY TABLE mine (id INT PRIMARY KEY)");
    c.good("SELECT @a := 5");
    c.good("BEGIN");
    c.good("INSERT INTO t10a VALUES (1,1)");
    for (const char* sql : {"SELECT SLEEP(20), @a", "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_2000000",
                            "SELECT a.seq FROM seq_1_to_100000 a, seq_1_to_100000 b WHERE a.seq + b.seq < 0"}) {
        const auto request = c.start(sql);
        bench().run_for(200);
        c.cancel(request);
        CHECK(c.finish(request).code() == 1317);
    }
    CHECK(c.good("SELECT v FROM t10a").cell() == "1");
    CHECK(c.good("SELECT COUNT(*), @a FROM mine").cell(0, 1) == "5");
    c.good("COMMIT");
    CHECK(c.good("SELECT v FROM t10a").cell() == "1");
}

TEST_CASE("deadlines and cancellation") {
    Client a = fresh("t10");
    Client b(bench(), *bench().node, "root", "d");
    a.good("INSERT INTO t10 VALUES (1,1)");
    a.good("BEGIN");
    a.good("UPDATE t10 SET v=2 WHERE id=1");
    b.timeout_ms = 500;
    auto late = b.run("UPDATE t10 SET v=3 WHERE id=1");
    REQUIRE(late.end.error);
    CHECK(late.end.error->code == ErrorCode::timeout);
    b.timeout_ms = 10'000;
    const auto request = b.start("UPDATE t10 SET v=3 WHERE id=1");
    bench().run_for(100);
    b.cancel(request);
    CHECK(b.finish(request).code() == 1317);
    a.good("COMMIT");
    CHECK(b.good("SELECT v FROM t10").cell() == "2");
    b.timeout_ms = 300;
    CHECK(b.run("SELECT SLEEP(20)").end.error->code == ErrorCode::timeout);
    b.timeout_ms = 10'000;
    CHECK(b.good("SELECT 1").cell() == "1");
    bench().set_view(NodeId{}, false);
    b.timeout_ms = 300;
    auto nobody = b.run("INSERT INTO t10 VALUES (9,9)");
    CHECK(nobody.end.error->code == ErrorCode::no_quorum);
    CHECK(nobody.end.error->message.find("the test took it away") != std::string::npos);
    const auto again =
        b.finish(b.start("INSERT INTO t10 VALUES (8,8)", true));  // who had it first may have passed it on
    CHECK(again.end.error->code == ErrorCode::unknown_outcome);
    bench().set_view(bench().node->id);
    CHECK(b.good("SELECT COUNT(*) FROM t10").cell() == "1");
}

TEST_CASE("a client that goes away leaves nothing behind") {
    Client a = fresh("t11");
    {
        Client gone(bench(), *bench().node, "root", "d");
        gone.good("BEGIN");
        gone.good("INSERT INTO t11 VALUES (1,1)");
        bench().node->engine->on_client_gone(Origin{{}, gone.name});
    }
    a.timeout_ms = 5000;
    a.good("INSERT INTO t11 VALUES (1,2)");
    CHECK(a.good("SELECT v FROM t11").cell() == "2");
    a.good("BEGIN");
    a.good("INSERT INTO t11 VALUES (2,2)");
    bench().run_for(2500);  // idle limit
    CHECK(a.run("SELECT 1").code() == 1213);
    CHECK(a.good("SELECT COUNT(*) FROM t11").cell() == "1");
    bench().run_until([] { return bench().node->engine->idle(); }, 10'000);
}

TEST_CASE("requests are executed once") {
    Client c = fresh("t12");
    const auto first = c.start("INSERT INTO t12 VALUES (1,1)");
    CHECK(!c.finish(first).end.error);
    const auto entries = bench().entries.size();
    // The same client over another connection, with the request it never got an answer for.
    Client again(bench(), *bench().follower, "root", "d", false);
    again.session = c.session;
    again.open();
    auto answer = again.finish(again.start("INSERT INTO t12 VALUES (1,1)", true, first));
    CHECK(!answer.end.error);
    CHECK(answer.end.outcome.affected_rows == 1);
    CHECK(answer.end.txn);
    CHECK(bench().entries.size() == entries);
    // One that runs is joined.
    Client other(bench(), *bench().node, "root", "d");
    other.good("BEGIN");
    other.good("INSERT INTO t12 VALUES (2,0)");
    const auto running = c.start("INSERT INTO t12 VALUES (2,2)", false, RequestNumber{50});
    bench().run_for(100);
    const auto joined = again.start("INSERT INTO t12 VALUES (2,2)", true, RequestNumber{50});
    bench().run_for(100);
    other.good("ROLLBACK");
    CHECK(!c.finish(running).end.error);
    CHECK(!again.finish(joined).end.error);
    CHECK(again.good("SELECT COUNT(*) FROM t12").cell() == "2");
}

TEST_CASE("a follower's clients are served by the coordinator") {
    Client c = fresh("t13");
    Client f(bench(), *bench().follower, "root", "d");
    auto answer = f.good("INSERT INTO t13 VALUES (1,1)");
    CHECK(answer.end.redirected);
    CHECK(answer.end.node == bench().node->id);
    auto read = f.good("SELECT v FROM t13");
    CHECK(read.cell() == "1");
    CHECK(!read.end.redirected);
    CHECK(read.end.node == bench().follower->id);
    f.good("BEGIN");
    f.good("UPDATE t13 SET v=5");
    CHECK(f.good("SELECT v FROM t13").cell() == "5");
    f.good("COMMIT");
    CHECK(f.good("SELECT v FROM t13").cell() == "5");
    auto big = f.good("SELECT seq, REPEAT('y', 500), @a FROM seq_1_to_10000");
    CHECK(big.rows.size() == 10000);
    CHECK(big.end.outcome.affected_rows == 0);
    f.good("CREATE DATABASE d13");
    f.good("USE d13");
    CHECK(f.good("SELECT DATABASE()").cell() == "d13");
    f.good("CREATE TABLE x (id INT PRIMARY KEY)");
    f.good("INSERT INTO x VALUES (1)");
    CHECK(f.good("SELECT * FROM x").cell() == "1");
    // Answers get lost for a while.
    bench().deliver_to_peers = false;
    const auto lost = f.start("INSERT INTO x VALUES (2)");
    bench().run_for(200);
    bench().deliver_to_peers = true;
    CHECK(!f.finish(lost).end.error);
    CHECK(f.good("SELECT COUNT(*) FROM x").cell() == "2");
    Client nobody(bench(), *bench().node, "stranger", "", false);
    nobody.open();
    CHECK(!nobody.opened.accepted);
    CHECK(nobody.opened.error.mysql_code == 1045);
    Client service(bench(), *bench().node, "ddb", "", false);
    service.open();
    CHECK(!service.opened.accepted);
}

TEST_CASE("the office changes hands") {
    Client c = fresh("t14");
    Client f(bench(), *bench().follower, "root", "d");
    Client g(bench(), *bench().follower, "root", "d");
    Client h(bench(), *bench().follower, "root", "d");
    f.good("SET @a = 3, sql_mode='ANSI_QUOTES'");
    f.good("CREATE TABLE t14n (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=70");
    const auto made = f.good("INSERT INTO t14n VALUES ()").end.outcome.last_insert_id;
    c.good("BEGIN");
    c.good("INSERT INTO t14 VALUES (1,1)");
    g.good("BEGIN");
    g.good("INSERT INTO t14 VALUES (4,4)");
    bench().hold_decisions(true);
    const auto undecided = f.start("INSERT INTO t14 VALUES (2,2)");
    const auto committing = g.start("COMMIT");
    bench().run_for(300);
    bench().close_office();
    const auto arrived_between = h.start("INSERT INTO t14 VALUES (3,3)");
    bench().run_for(50);
    bench().open_office();
    // In flight when the office was lost: found in the log by the next one.
    auto answer = f.finish(undecided);
    CHECK(!answer.end.error);
    CHECK(answer.end.txn.epoch < bench().epoch);
    auto committed = g.finish(committing);
    CHECK(!committed.end.error);
    CHECK(!h.finish(arrived_between).end.error);
    // Open when it was lost: gone.
    CHECK(c.run("INSERT INTO t14 VALUES (1,1)").code() == 1213);
    CHECK(c.good("SELECT COUNT(*) FROM t14 WHERE id=1").cell() == "0");
    CHECK(f.good("SELECT @@sql_mode, @a").cell() == "ANSI_QUOTES");
    CHECK(f.good("SELECT @a").cell() == "3");
    CHECK(made == 70);
    CHECK(f.good("SELECT LAST_INSERT_ID()").cell() == "70");
    CHECK(c.good("SELECT COUNT(*) FROM t14 WHERE id IN (2,4)").cell() == "2");
    f.good("INSERT INTO t14 VALUES (20,20)");
    c.good("INSERT INTO t14 VALUES (21,21)");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("LAST_INSERT_ID() goes along to the next coordinator also where no answer told it") {
    Client c = fresh("t14r");
    c.good("CREATE TABLE t14i (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=80");
    c.good("CREATE PROCEDURE p14() INSERT INTO t14i VALUES ()");
    Client by_itself(bench(), *bench().follower, "root", "d");
    Client called(bench(), *bench().follower, "root", "d");
    Client inside(bench(), *bench().follower, "root", "d");
    Client asked(bench(), *bench().follower, "root", "d");
    CHECK(by_itself.good("INSERT INTO t14i VALUES () RETURNING id").cell() == "80");
    CHECK(called.good("CALL p14()").end.outcome.last_insert_id == 0);
    inside.good("BEGIN");
    CHECK(inside.good("INSERT INTO t14i VALUES () RETURNING id").cell() == "82");
    inside.good("COMMIT");
    asked.good("SELECT LAST_INSERT_ID(77)");
    c.good("CREATE PROCEDURE found14() SELECT SQL_CALC_FOUND_ROWS * FROM (VALUES (1),(2),(3)) AS v LIMIT 1");
    asked.good("CALL found14()");
    CHECK(asked.good("SELECT FOUND_ROWS()").cell() == "3");
    bench().close_office();
    bench().open_office();
    CHECK(by_itself.good("SELECT LAST_INSERT_ID()").cell() == "80");
    CHECK(called.good("SELECT LAST_INSERT_ID()").cell() == "81");
    CHECK(inside.good("SELECT LAST_INSERT_ID()").cell() == "82");
    CHECK(asked.good("SELECT LAST_INSERT_ID()").cell() == "77");
}

TEST_CASE("LAST_INSERT_ID() is that of a write which the next coordinator found in its log") {
    Client c = fresh("t14f");
    c.good("CREATE TABLE t14g (id INT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT=90");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("INSERT INTO t14g (v) VALUES (1)");
    bench().hold_decisions(true);
    const auto undecided = f.start("INSERT INTO t14g (v) VALUES (2)");
    bench().run_for(300);
    bench().close_office();
    bench().open_office();
    CHECK(f.finish(undecided).end.outcome.last_insert_id == 91);
    CHECK(f.good("SELECT LAST_INSERT_ID()").cell() == "91");
}

TEST_CASE("a write of a session that the next coordinator does not let in is unknown, not failed") {
    Client c = fresh("t14x");
    c.good("CREATE USER gone14@'%' IDENTIFIED BY 'pw'");
    c.good("GRANT ALL ON d.* TO gone14@'%'");
    Client f(bench(), *bench().follower, "gone14", "d");
    f.good("INSERT INTO t14x VALUES (1,1)");
    bench().hold_decisions(true);
    const auto undecided = f.start("INSERT INTO t14x VALUES (2,2)");
    bench().run_for(300);
    bench().close_office();
    auto direct = bench().database->connect("root", "", "");
    REQUIRE(direct);
    for (const char* sql : {"SET sql_log_bin=0", "RENAME USER gone14@'%' TO still14@'%'"})
        REQUIRE((*direct)->execute(sql));
    bench().open_office();
    CHECK(f.finish(undecided).end.error->code == ErrorCode::unknown_outcome);
    CHECK(f.run("INSERT INTO t14x VALUES (3,3)").code() == 1045);
    CHECK(c.good("SELECT GROUP_CONCAT(id) FROM t14x").cell() == "1,2");
}

TEST_CASE("a statement that waits for a coordinator is never run outside its transaction") {
    Client c = fresh("t17");
    Client f(bench(), *bench().follower, "root", "d");
    for (Client* each : {&c, &f}) {
        each->good("BEGIN");
        each->good("DELETE FROM t17");
        bench().set_view(NodeId{}, false);
        const auto waiting = each->start("INSERT INTO t17 VALUES (1,1)");
        bench().run_for(50);
        bench().close_office();
        bench().open_office();
        CHECK(each->finish(waiting).code() == 1213);
        CHECK(each->run("COMMIT").code() == 0);
        CHECK(each->good("SELECT COUNT(*) FROM t17").cell() == "0");
    }
}

TEST_CASE("a file that comes after its transaction was lost is not loaded") {
    Client c = fresh("t18");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("BEGIN");
    f.good("INSERT INTO t18 VALUES (1,1)");
    const auto load = f.start("LOAD DATA LOCAL INFILE 'x' INTO TABLE t18");
    bench().run_until([&] { return !f.inbox().empty(); });
    CHECK(std::get<FileWanted>(f.inbox().front()).name == "x");
    bench().close_office();
    bench().open_office();
    bench().run_for(50);
    bench().follower->engine->on_message(Origin{{}, f.name}, FileContent{f.session, load, std::nullopt, "2\t2\n"},
                                         bench().now_ms());
    CHECK(f.finish(load).code() == 1213);
    CHECK(f.good("SELECT COUNT(*) FROM t18").cell() == "0");
    const auto again = f.start("LOAD DATA LOCAL INFILE 'x' INTO TABLE t18");
    bench().run_until([&] { return !f.inbox().empty(); });
    f.inbox().clear();
    (void)f.start("LOAD DATA LOCAL INFILE 'x' INTO TABLE t18", true, again);  // it asks again
    bench().run_until([&] { return !f.inbox().empty(); });
    bench().follower->engine->on_message(Origin{{}, f.name}, FileContent{f.session, again, std::nullopt, "2\t2\n"},
                                         bench().now_ms());
    CHECK(f.finish(again).end.outcome.affected_rows == 1);
    CHECK(f.good("SELECT COUNT(*) FROM t18").cell() == "1");
}

TEST_CASE("many sessions at once") {
    Client setup = fresh("t15");
    setup.good("INSERT INTO t15 VALUES (0,0)");
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 16; ++i) {
        auto& node = i % 2 == 0 ? *bench().node : *bench().follower;
        clients.push_back(std::make_unique<Client>(bench(), node, "root", "d"));
    }
    int good = 0;
    for (int round = 0; round < 10; ++round) {
        std::vector<RequestNumber> requests;
        for (auto& client : clients) requests.push_back(client->start("UPDATE t15 SET v=v+1 WHERE id=0"));
        for (std::size_t i = 0; i < clients.size(); ++i) {
            if (!clients[i]->finish(requests[i]).end.error) ++good;
        }
    }
    CHECK(good == 160);
    CHECK(setup.good("SELECT v FROM t15").cell() == "160");
}
