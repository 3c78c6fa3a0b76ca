// BEGIN is answered by the client's node and goes to the coordinator with the transaction's first statement.
#include <catch2/catch.hpp>

#include "schemas/status_flags.hpp"
#include "session_support.hpp"

namespace ddb::session::test {
namespace {

[[nodiscard]] bool is_open(const Answer& answer) {
    return (answer.end.status_flags & status_in_transaction) != 0;
}

}  // namespace

TEST_CASE("a transaction begins with its first statement") {
    Client c = fresh("begin0");
    Client f(bench(), *bench().follower, "root", "d");
    bench().deliver_to_peers = false;  // nothing of this needs the coordinator
    CHECK(is_open(f.good("BEGIN")));
    CHECK(is_open(f.good("START TRANSACTION READ ONLY")));
    CHECK(!is_open(f.good("COMMIT")));
    CHECK(is_open(f.good("BEGIN")));
    CHECK(!is_open(f.good("ROLLBACK")));
    CHECK(is_open(f.good("BEGIN")));
    bench().deliver_to_peers = true;
    CHECK(is_open(f.good("INSERT INTO begin0 VALUES (1,1)")));
    CHECK(c.good("SELECT COUNT(*) FROM begin0").cell() == "0");
    CHECK(f.good("SELECT COUNT(*) FROM begin0").cell() == "1");
    CHECK(!is_open(f.good("ROLLBACK")));
    CHECK(c.good("SELECT COUNT(*) FROM begin0").cell() == "0");
    f.good("BEGIN");
    f.good("INSERT INTO begin0 VALUES (1,1)");
    f.good("BEGIN");  // commits the one before
    CHECK(c.good("SELECT COUNT(*) FROM begin0").cell() == "1");
    f.good("INSERT INTO begin0 VALUES (2,2)");
    f.good("COMMIT AND CHAIN");
    CHECK(c.good("SELECT COUNT(*) FROM begin0").cell() == "2");
    f.good("ROLLBACK");
}

TEST_CASE("a transaction stays open behind a statement that failed, and is of the kind that was asked for") {
    Client c = fresh("begin1");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("BEGIN");
    const auto failed = f.run("INSERT INTO begin1 VALUES (1, nothing)");
    CHECK(failed.code() == 1054);
    CHECK(is_open(failed));
    f.good("INSERT INTO begin1 VALUES (1,1)");
    CHECK(c.good("SELECT COUNT(*) FROM begin1").cell() == "0");
    f.good("COMMIT");
    f.good("START TRANSACTION READ ONLY");
    CHECK(f.run("INSERT INTO begin1 VALUES (2,2)").code() == 1792);
    f.good("COMMIT");
    f.good("SET SESSION TRANSACTION READ ONLY");
    CHECK((f.good("BEGIN").end.status_flags & status_in_read_only_transaction) != 0);
    CHECK(f.run("INSERT INTO begin1 VALUES (2,2)").code() == 1792);
    f.good("COMMIT");
    f.good("SET SESSION TRANSACTION READ WRITE");
    f.good("BEGIN");
    f.good("CREATE TABLE begin1d (id INT PRIMARY KEY)");  // ends it
    CHECK(!is_open(f.good("INSERT INTO begin1 VALUES (3,3)")));
    CHECK(c.good("SELECT COUNT(*) FROM begin1").cell() == "2");
}

TEST_CASE("BEGIN outlives a change of coordinator as long as nothing was done") {
    Client c = fresh("begin2");
    Client idle(bench(), *bench().follower, "root", "d");
    Client asked(bench(), *bench().follower, "root", "d");
    Client worked(bench(), *bench().follower, "root", "d");
    idle.good("SELECT * FROM begin2 FOR UPDATE");  // so that it has a session on the coordinator
    for (Client* each : {&idle, &asked, &worked}) each->good("BEGIN");
    worked.good("INSERT INTO begin2 VALUES (1,1)");
    const auto request = asked.start("INSERT INTO begin2 VALUES (2,2)");  // runs, and its answer is lost
    bench().deliver_to_peers = false;
    bench().run_for(200);
    bench().deliver_to_peers = true;
    bench().close_office();
    bench().run_for(50);
    bench().open_office();
    const auto answer = asked.finish(request);
    CHECK(answer.code() == 0);
    CHECK(is_open(answer));
    CHECK(is_open(idle.good("INSERT INTO begin2 VALUES (3,3)")));
    CHECK(worked.run("INSERT INTO begin2 VALUES (4,4)").code() == 1213);
    CHECK(c.good("SELECT COUNT(*) FROM begin2").cell() == "0");
    asked.good("COMMIT");
    idle.good("COMMIT");
    CHECK(c.good("SELECT GROUP_CONCAT(id ORDER BY id) FROM begin2").cell() == "2,3");
}

TEST_CASE("a first statement that was given up does not come back with the transaction") {
    Client c = fresh("begin3");
    const auto given_up = [&c] {
        Client f(bench(), *bench().follower, "root", "d");
        f.good("BEGIN");
        f.timeout_ms = 300;
        const auto request = f.start("INSERT INTO begin3 VALUES (1,1)");  // runs, and its answer is lost
        bench().deliver_to_peers = false;
        bench().run_for(200);
        CHECK(c.run("SELECT * FROM begin3 FOR UPDATE NOWAIT").code() == 1205);  // it did
        CHECK(f.finish(request).end.error->code == ErrorCode::unknown_outcome);
        bench().deliver_to_peers = true;
        f.timeout_ms = 10'000;
        return f;
    };
    Client goes_on = given_up();
    CHECK(is_open(goes_on.good("INSERT INTO begin3 VALUES (2,2)")));
    goes_on.good("COMMIT");
    CHECK(c.good("SELECT GROUP_CONCAT(id) FROM begin3").cell() == "2");
    Client ends = given_up();
    CHECK(!is_open(ends.good("COMMIT")));
    c.good("INSERT INTO begin3 VALUES (1,5)");  // no lock of it is left
    CHECK(c.good("SELECT GROUP_CONCAT(v ORDER BY id) FROM begin3").cell() == "5,2");
}

TEST_CASE("behind a level set in the global scope each statement of a later session's transaction passes the barrier") {
    Client c = fresh("begin4");
    const auto asked = [](Client& client) {
        client.good("BEGIN");
        client.good("SELECT 1 FROM begin4");
        const std::size_t before = bench().node->read_indexes_asked;
        client.good("SELECT 2 FROM begin4");
        const std::size_t after = bench().node->read_indexes_asked;
        client.good("COMMIT");
        return after - before;
    };
    CHECK(asked(c) == 0);
    c.good("SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED");
    Client later(bench(), *bench().node, "root", "d");
    CHECK(asked(later) == 1);
    CHECK(later.good("SELECT @@tx_isolation").cell() == "READ-COMMITTED");
    CHECK(c.run("SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE").code() == 1235);
    c.good("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ");
}

TEST_CASE("a transaction that is lost while its COMMIT is prepared is told as lost, not as committed") {
    Client c = fresh("t14d");
    for (const char* sql : {"COMMIT", "ROLLBACK", "INSERT INTO t14d VALUES (1,1)"}) {
        INFO(sql);
        Client f(bench(), *bench().follower, "root", "d");
        f.good("SET @x = 3");  // what it prepares is asked of the coordinator
        f.good("BEGIN");
        f.good("DELETE FROM t14d");
        Execute describe;
        describe.session = f.session;
        describe.request = f.last = next(f.last);
        describe.sql = sql;
        describe.timeout_ms = 10'000;
        describe.describe = true;
        bench().deliver_to_peers = false;
        bench().follower->engine->on_message(Origin{{}, f.name}, describe, bench().now_ms());
        bench().run_for(50);
        bench().deliver_to_peers = true;
        bench().close_office();
        bench().open_office();
        CHECK(!f.finish(f.last).end.error);
        CHECK(f.run("COMMIT").code() == 1213);
        CHECK(f.run("COMMIT").code() == 0);
    }
}

TEST_CASE("ROLLBACK AND CHAIN of a lost transaction begins none, and says so") {
    Client c = fresh("t14c");
    Client idle(bench(), *bench().follower, "root", "d");
    Client asks(bench(), *bench().follower, "root", "d");
    for (Client* const each : {&idle, &asks}) {
        each->good("BEGIN");
        each->good("DELETE FROM t14c");
    }
    bench().deliver_to_peers = false;
    const auto under_way = asks.start("ROLLBACK AND CHAIN");
    bench().run_for(50);
    bench().deliver_to_peers = true;
    bench().close_office();
    bench().open_office();
    CHECK(asks.finish(under_way).code() == 1213);
    CHECK(idle.run("ROLLBACK AND CHAIN").code() == 1213);
    for (Client* const each : {&idle, &asks}) CHECK((each->good("DO 0").end.status_flags & status_in_transaction) == 0);
}

}  // namespace ddb::session::test
