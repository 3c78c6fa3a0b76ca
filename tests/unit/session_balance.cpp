// Reads that are balanced over two engines: node 1 is the coordinator, node 2 the one that the client talks to. Both
// have one server, so where a read ran is told by the answer's node alone.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "session_support.hpp"

using namespace ddb;
using namespace ddb::session;
using namespace ddb::session::test;

namespace {

const NodeId here{2};
const NodeId other{1};

// A client of node 2 whose reads are balanced, and both nodes known to serve.
Client balanced(const char* how = "round_robin") {
    Client f(bench(), *bench().follower, "root", "d");
    f.good(std::string("SET ddb_read_balance = '") + how + "'");
    for (int i = 0; i < 500; ++i) {
        if (f.good("SELECT 1").end.node == other) return f;
        bench().run_for(10);  // until the first answers are there, or a failed node is tried again
    }
    FAIL("no read reached the other node");
    return f;
}

std::map<NodeId, int> nodes_of(Client& f, const std::string& sql, int count, const std::string& expected) {
    std::map<NodeId, int> nodes;
    for (int i = 0; i < count; ++i) {
        const auto answer = f.good(sql);
        CHECK(answer.cell() == expected);
        ++nodes[answer.end.node];
    }
    return nodes;
}

SessionEngine::Counters counters() {
    return bench().follower->engine->counters();
}

}  // namespace

TEST_CASE("reads go to all nodes in turn, and are told as those of one") {
    Client c = fresh("b1");
    c.good("INSERT INTO b1 VALUES (1,10)");
    const auto guests = bench().node->engine->counters().guests;
    const auto forwarded = bench().node->engine->counters().forwarded_sessions;
    Client f = balanced();
    for (const auto consistency : {Consistency::strong, Consistency::session, Consistency::local}) {
        f.consistency = consistency;
        const auto nodes = nodes_of(f, "SELECT v FROM b1", 20, "10");
        CHECK(nodes.at(here) == 10);
        CHECK(nodes.at(other) == 10);
    }
    f.consistency = Consistency::strong;
    CHECK(bench().node->engine->counters().guests == guests + 1);
    CHECK(bench().node->engine->counters().forwarded_sessions == forwarded);
    Answer answers[2];
    for (const char* sql : {"SELECT id AS a, v, NULL, 1/0 FROM b1 AS x", "SELECT * FROM nothing",
                            "SHOW TABLES LIKE 'b1'", "EXPLAIN SELECT * FROM b1", "SELEC 1"}) {
        for (auto& answer : answers) answer = f.run(sql);
        INFO(sql);
        if (f.run("SELECT 1").end.node == answers[1].end.node) f.good("SELECT 1");  // the same order for the next
        CHECK(answers[0].rows == answers[1].rows);
        CHECK(answers[0].code() == answers[1].code());
        if (answers[0].end.error) CHECK(answers[0].end.error->message == answers[1].end.error->message);
        CHECK(answers[0].end.status_flags == answers[1].end.status_flags);
        CHECK(answers[0].end.outcome.warnings == answers[1].end.outcome.warnings);
        CHECK(answers[0].end.outcome.affected_rows == answers[1].end.outcome.affected_rows);
        CHECK(answers[0].end.database == answers[1].end.database);
        CHECK(answers[0].end.redirected == answers[1].end.redirected);
        REQUIRE(answers[0].columns.size() == answers[1].columns.size());
        for (std::size_t i = 0; i < answers[0].columns.size(); ++i) {
            CHECK(answers[0].columns[i].name == answers[1].columns[i].name);
            CHECK(answers[0].columns[i].table == answers[1].columns[i].table);
            CHECK(answers[0].columns[i].type == answers[1].columns[i].type);
            CHECK(answers[0].columns[i].length == answers[1].columns[i].length);
        }
    }
    std::map<NodeId, int> warned;
    for (int i = 0; i < 4; ++i) {
        ++warned[f.good("SELECT 1/0").end.node];
        CHECK(f.good("SHOW WARNINGS").cell(0, 1) == "1365");
    }
    CHECK(warned.size() == 2);
    f.good("SET ddb_read_balance = 'off'");
    CHECK(nodes_of(f, "SELECT v FROM b1", 4, "10").at(here) == 4);
    CHECK(f.run("SET ddb_read_balance = 'fair'").code() == 1235);
}

TEST_CASE("a balanced session sees what it and others wrote") {
    Client c = fresh("b2");
    c.good("INSERT INTO b2 VALUES (1,0)");
    Client f = balanced();
    for (int i = 1; i <= 10; ++i) {
        f.good("UPDATE b2 SET v = v + 1");
        CHECK(f.good("SELECT v FROM b2").cell() == std::to_string(2 * i - 1));
        c.good("UPDATE b2 SET v = v + 1");
        CHECK(f.good("SELECT v FROM b2").cell() == std::to_string(2 * i));
    }
}

TEST_CASE("a session's settings hold wherever it reads") {
    Client c = fresh("b3");
    c.good("CREATE DATABASE IF NOT EXISTS e");
    c.good("CREATE TABLE e.b3 (id INT PRIMARY KEY, v INT)");
    c.good("INSERT INTO e.b3 VALUES (7,7)");
    Client f = balanced();
    const auto both = [&](const std::string& sql, const std::string& expected) {
        INFO(sql);
        const auto nodes = nodes_of(f, sql, 6, expected);
        CHECK(nodes.count(here) == 1);
        CHECK(nodes.count(other) == 1);
    };
    f.good("SET group_concat_max_len = 5");
    both("SELECT GROUP_CONCAT('abcdefgh')", "abcde");
    f.good("SET group_concat_max_len = 6");  // guests are there already
    both("SELECT GROUP_CONCAT('abcdefgh')", "abcdef");
    f.good("SET sql_mode = 'PIPES_AS_CONCAT'");
    both("SELECT 'a' || 'b'", "ab");
    f.good("SET NAMES latin1");
    both("SELECT HEX('\xe4')", "E4");
    CHECK(f.good("SELECT _utf8mb4 x'C3A4'").cell() == "\xe4");
    f.good("USE e");
    both("SELECT v FROM b3", "7");
    both("SELECT DATABASE()", "e");
    f.good("USE d");
    both("SELECT COUNT(*) FROM b3", "0");
    both("SELECT GROUP_CONCAT('abcdefgh')", "abcdef");
    c.good("CREATE USER ub3 IDENTIFIED BY 'pw'");
    c.good("GRANT SELECT ON e.* TO ub3");
    Client u(bench(), *bench().follower, "ub3", "e");
    u.good("SET ddb_read_balance = 'round_robin'");
    for (int i = 0; i < 6; ++i) {
        CHECK(u.good("SELECT v FROM b3").cell() == "7");
        CHECK(u.run("SELECT * FROM d.b3").code() == 1142);
    }
    c.good("DROP USER ub3");
}

TEST_CASE("what cannot be said elsewhere reads as without balancing") {
    Client c = fresh("b4");
    const auto guests = bench().node->engine->counters().guests;
    const auto only_on_coordinator = [guests](Client& f, const std::string& sql, const std::string& expected) {
        CHECK(nodes_of(f, sql, 4, expected).at(other) == 4);
        CHECK(bench().node->engine->counters().guests == guests);
    };
    for (const char* state :
         {"SET @a = 1", "SET GLOBAL table_open_cache_instances = DEFAULT", "BEGIN", "SET autocommit = 0",
          "CREATE TEMPORARY TABLE tb4 (id INT PRIMARY KEY)", "SELECT 1 INTO @b"}) {
        INFO(state);
        Client f(bench(), *bench().follower, "root", "d");
        (void)f.run(state);
        f.good("SET ddb_read_balance = 'round_robin'");
        f.good("DO 0");
        const auto before = counters().balanced_reads;
        for (int i = 0; i < 4; ++i) CHECK(f.good("SELECT COUNT(*) FROM b4").cell() == "0");
        if (std::string(state).starts_with("SET GLOBAL")) continue;  // refused, or of no session
        CHECK(counters().balanced_reads == before);
        only_on_coordinator(f, "SELECT COUNT(*) FROM b4", "0");
    }
    Client f = balanced();
    c.good("CREATE SEQUENCE sb4");
    for (int i = 1; i <= 4; ++i) CHECK(f.good("SELECT NEXTVAL(sb4)").cell() == std::to_string(i));
    c.good(
        "CREATE FUNCTION fb4() RETURNS INT DETERMINISTIC BEGIN INSERT INTO b4 VALUES (1,1) ON DUPLICATE KEY UPDATE "
        "v=v+1; RETURN 1; "
        "END");
    for (int i = 0; i < 4; ++i) CHECK(f.good("SELECT fb4()").end.txn);
    CHECK(f.good("SELECT v FROM b4").cell() == "4");
    CHECK(f.good("SHOW STATUS LIKE 'Com_select'").end.node == here);
    CHECK(f.good("SHOW STATUS LIKE 'Com_select'").end.node == here);
}

TEST_CASE("the least loaded node reads") {
    Client c = fresh("b5");
    Client f = balanced("least_loaded");
    std::vector<Client> sleepers;
    for (int i = 0; i < 3; ++i) sleepers.emplace_back(bench(), *bench().node, "root", "d");
    for (auto& sleeper : sleepers) (void)sleeper.start("SELECT SLEEP(3)");
    bench().run_for(400);  // until the other node has told
    CHECK(nodes_of(f, "SELECT COUNT(*) FROM b5", 10, "0").at(here) == 10);
    for (auto& sleeper : sleepers) sleeper.cancel(sleeper.last);
    for (auto& sleeper : sleepers) (void)sleeper.finish(sleeper.last);
    bench().run_for(400);
    CHECK(nodes_of(f, "SELECT COUNT(*) FROM b5", 10, "0").at(other) == 5);
}

TEST_CASE("a node that does not answer is passed over, without an error") {
    Client c = fresh("b6");
    Client f = balanced();
    f.timeout_ms = 20'000;
    if (f.good("SELECT 1").end.node == other) f.good("SELECT 1");
    // The next is the other node's.
    const auto again = counters().reads_asked_again;
    const auto request = f.start("SELECT COUNT(*) FROM b6");
    bench().deliver_to_peers = false;
    f.consistency = Consistency::local;
    const auto answer = f.finish(request);
    CHECK(answer.code() == 0);
    CHECK(answer.cell() == "0");
    CHECK(answer.end.node == here);
    CHECK(counters().reads_asked_again == again + 1);
    CHECK(nodes_of(f, "SELECT COUNT(*) FROM b6", 5, "0").at(here) == 5);
    bench().deliver_to_peers = true;
    // It is heard again, but not asked at once.
    CHECK(nodes_of(f, "SELECT COUNT(*) FROM b6", 5, "0").at(here) == 5);
    bench().run_for(2500);
    CHECK(nodes_of(f, "SELECT COUNT(*) FROM b6", 6, "0").size() == 2);

    // Its link breaks while it reads.
    if (f.good("SELECT 1").end.node == other) f.good("SELECT 1");
    const auto broken = f.start("SELECT SLEEP(0.2), 7");
    bench().run_for(50);
    bench().follower->engine->on_peer_gone(other);
    CHECK(f.finish(broken).cell(0, 1) == "7");
    CHECK(counters().reads_asked_again == again + 2);
}

TEST_CASE("a node that cannot begin to read is given up soon, not at the client's deadline") {
    Client c = fresh("b11");
    Client f = balanced();
    f.timeout_ms = 20'000;
    if (f.good("SELECT 1").end.node == other) f.good("SELECT 1");
    const auto again = counters().reads_asked_again;
    bench().node->hears_coordinator = false;
    const auto begin = bench().now_ms();
    const auto answer = f.good("SELECT COUNT(*) FROM b11");
    bench().node->hears_coordinator = true;
    CHECK(answer.end.node == here);
    CHECK(counters().reads_asked_again == again + 1);
    CHECK(bench().now_ms() - begin < 4000);
    bench().run_for(2500);
}

TEST_CASE("a guest whose connection ends is replaced") {
    Client c = fresh("b7");
    const auto connections = [&] {
        std::set<std::string> ids;
        for (const auto& row : c.good("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'd'").rows)
            ids.insert(*row[0]);
        return ids;
    };
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET group_concat_max_len = 5");
    const auto before = connections();
    f.good("SET ddb_read_balance = 'round_robin'");
    const auto read = [&](int count) { return nodes_of(f, "SELECT GROUP_CONCAT('abcdefgh')", count, "abcde"); };
    bench().run_until([&] { return read(2).size() == 2; });
    int killed = 0;
    for (const auto& id : connections()) {
        if (before.contains(id)) continue;
        (void)c.run("KILL " + id);
        ++killed;
    }
    CHECK(killed == 1);
    bench().run_for(50);
    CHECK(read(8).at(NodeId{2}) == 8);
    bench().run_for(5100);
    CHECK(read(4).size() == 2);
}

TEST_CASE("a result that began is not begun again") {
    Client c = fresh("b8");
    Client f = balanced();
    f.credit_bytes = 1000;
    if (f.good("SELECT 1").end.node == other) f.good("SELECT 1");
    const auto request = f.start(
        "SELECT REPEAT('x', 100000) FROM d.b8 RIGHT JOIN (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT "
        "3 UNION ALL SELECT 4 UNION ALL SELECT 5) AS s ON TRUE");
    bench().run_until([&] { return !f.inbox().empty(); });
    CHECK(std::holds_alternative<ResultHeader>(f.inbox().front()));
    bench().follower->engine->on_peer_gone(other);
    const auto answer = f.finish(request);
    CHECK(answer.code() == 1158);
    CHECK(f.good("SELECT 1").end.node == here);
}

TEST_CASE("a balanced read can be cancelled, and has its deadline") {
    Client c = fresh("b9");
    Client f = balanced();
    const auto at_the_other = [&] {
        if (f.good("SELECT 1").end.node == other) f.good("SELECT 1");
    };
    at_the_other();
    const auto request = f.start("SELECT SLEEP(20)");
    bench().run_for(100);
    f.cancel(request);
    CHECK(f.finish(request).code() == 1317);
    at_the_other();
    f.timeout_ms = 200;
    const auto late = f.run("SELECT SLEEP(20)");
    REQUIRE(late.end.error);
    CHECK(late.end.error->code == ErrorCode::timeout);
    CHECK(late.end.error->message == "timed out after 200 ms");
    f.timeout_ms = 10'000;
    CHECK(nodes_of(f, "SELECT COUNT(*) FROM b9", 6, "0").size() == 2);
    bench().run_until([&] {
        return c.good("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP(20)%'")
                   .cell() == "0";
    });
}

TEST_CASE("what a guest is sent out of order, or cannot do, it declines") {
    Client c = fresh("b10");
    const Origin node{NodeId{9}, {}};
    auto& engine = *bench().node->engine;
    OpenSession open;
    open.user = "root";
    open.database = "d";
    open.reads_only = true;
    open.session.bytes[0] = 99;
    // Its answers leave for a node that is not there; what the engine counts tells.
    const auto say = [&](std::uint64_t number, const char* sql) {
        Execute execute;
        execute.session = open.session;
        execute.request = RequestNumber{number};
        execute.sql = sql;
        const auto before = engine.counters().local_reads;
        engine.on_message(node, execute, bench().now_ms());
        bench().run_for(100);
        return engine.counters().local_reads - before;
    };
    const auto others = engine.counters().guests;
    engine.on_message(node, open, bench().now_ms());
    bench().run_for(100);
    CHECK(engine.counters().guests == others + 1);
    CHECK(say(1, "SELECT COUNT(*) FROM b10") == 1);
    CHECK(say(1, "SELECT COUNT(*) FROM b10") == 0);
    CHECK(say(2, "INSERT INTO b10 VALUES (1,1)") == 0);
    CHECK(say(3, "SELECT COUNT(*) FROM b10") == 1);
    CHECK(say(5, "SELECT COUNT(*) FROM b10") == 0);
    CHECK(say(6, "SELECT COUNT(*) FROM b10") == 0);
    CHECK(c.good("SELECT COUNT(*) FROM b10").cell() == "0");
    // Nobody but its node.
    engine.on_message(Origin{NodeId{8}, {}}, CloseSession{open.session}, bench().now_ms());
    CHECK(engine.counters().guests == others + 1);
    engine.on_peer_gone(NodeId{9});
    CHECK(engine.counters().guests == others);
}
