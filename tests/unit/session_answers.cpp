// Answers that the node a client talks to makes or checks itself.
#include <catch2/catch.hpp>

#include "session_support.hpp"

using namespace ddb;
using namespace ddb::session;
using namespace ddb::session::test;

TEST_CASE("rows that were lost between the nodes are told, never a result without them") {
    Client c = fresh("a1");
    Client f(bench(), *bench().follower, "root", "d");
    // The coordinator answers a request that comes again, but has its rows no more.
    const auto with_answer_lost = [&](const std::string& sql) {
        const auto request = f.start(sql);
        bench().deliver_to_peers = false;
        bench().run_for(200);
        bench().deliver_to_peers = true;
        const auto end = f.finish(request).end;
        REQUIRE(end.error);
        CHECK(end.error->message.find("lost on the way") != std::string::npos);
        return end.error->code;
    };
    CHECK(with_answer_lost("CHECKSUM TABLE a1") == ErrorCode::io);
    CHECK(f.good("CHECKSUM TABLE a1").rows.size() == 1);
    CHECK(with_answer_lost("INSERT INTO a1 VALUES (3,3) RETURNING id") == ErrorCode::unknown_outcome);
    CHECK(f.good("SELECT COUNT(*) FROM a1").cell() == "1");
}

TEST_CASE("SHOW DDB is answered by the node itself") {
    Client f(bench(), *bench().follower, "root", "");
    const auto nodes = f.good("SHOW DDB NODES");
    REQUIRE(nodes.rows.size() == 2);
    CHECK(nodes.columns[1].name == "lag");
    CHECK(nodes.cell(0, 1) == "0");
    CHECK_FALSE(nodes.rows[1][1]);
    CHECK(nodes.end.rows == 2);
    CHECK(f.good("show ddb status").cell(0, 1) == std::string(300, 'x'));
    Client c = fresh("a2");
    c.good("INSERT INTO a2 VALUES (1,1)");
    const auto transactions = f.good("SHOW DDB TRANSACTIONS");
    CHECK(transactions.columns.at(0).name == "log_index");
    CHECK(f.run("SHOW DDB").code() == 1235);
    CHECK(f.run("SHOW DDB NODES LIKE 'x'").code() == 1235);
}

TEST_CASE("SET ddb_read_consistency holds for the session") {
    Client c = fresh("a3");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET ddb_read_consistency = 'local'");
    bench().set_view(NodeId{}, false);  // only what asks nobody is answered
    CHECK(f.good("SELECT COUNT(*) FROM a3").cell() == "0");
    f.timeout_ms = 300;
    f.good("SET SESSION ddb_read_consistency = DEFAULT, ddb_write_concern = all");
    CHECK(f.run("SELECT COUNT(*) FROM a3").end.error->code != ErrorCode::sql);
    bench().set_view(bench().node->id);
    f.timeout_ms = 10'000;
    CHECK(f.good("SELECT COUNT(*) FROM a3").cell() == "0");
    CHECK(f.run("SET ddb_read_consistency = 'loud'").code() == 1235);
    CHECK(f.run("SET ddb_speed = 1").code() == 1235);
    CHECK(f.run("SET GLOBAL ddb_write_concern = 'all'").code() == 1235);
    CHECK(f.run("SET autocommit = 1, ddb_write_concern = 'all'").code() == 1235);
    CHECK(f.good("SET @ddb_mine = 1").end.error == std::nullopt);
}

TEST_CASE("warnings of a definition can be read, as often as wanted, until the next statement") {
    Client c = fresh("warned");
    CHECK(c.good("DROP TABLE IF EXISTS nothing").end.outcome.warnings == 1);
    for (int i = 0; i < 2; ++i) {
        auto answer = c.good("SHOW WARNINGS");
        REQUIRE(answer.rows.size() == 1);
        CHECK(answer.columns.size() == 3);
        CHECK(answer.cell(0, 0) == "Note");
        CHECK(answer.cell(0, 1) == "1051");
    }
    CHECK(c.run("DROP TABLE nothing").code() == 1051);
    CHECK(c.good("show warnings;").cell(0, 0) == "Error");
    c.good("INSERT INTO warned VALUES (1, 1)");
    CHECK(c.good("SHOW WARNINGS").rows.empty());
    c.good("CREATE TABLE IF NOT EXISTS warned (id INT PRIMARY KEY)");
    Client other(bench(), *bench().node, "root", "d");
    CHECK(other.good("SHOW WARNINGS").rows.empty());
    CHECK(c.good("SHOW WARNINGS").cell(0, 1) == "1050");
    c.good("CREATE TABLE warned_too (id INT PRIMARY KEY)");
    CHECK(c.good("SHOW WARNINGS").rows.empty());
}

TEST_CASE("a function sees the session's user variables, wherever the statement that calls it could run") {
    Client c = fresh("uservars");
    c.good("CREATE FUNCTION uservar() RETURNS INT READS SQL DATA RETURN @x");
    c.good("INSERT INTO uservars VALUES (1, 7)");
    c.good("SET @x = 5");
    CHECK(c.good("SELECT uservar()").cell() == "5");
    Client other(bench(), *bench().node, "root", "d");
    other.good("SELECT v FROM uservars WHERE id = 1 INTO @x");
    CHECK(other.good("SELECT uservar()").cell() == "7");
    c.good("DROP FUNCTION uservar");
}
