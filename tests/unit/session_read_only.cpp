// READ ONLY transactions, and reads of sessions with settings, on the server of the client's node.
#include <catch2/catch.hpp>

#include "schemas/status_flags.hpp"
#include "session_support.hpp"

namespace ddb::session::test {
namespace {

constexpr std::uint16_t in_read_only = status_in_transaction | status_in_read_only_transaction;

[[nodiscard]] bool is_open(const Answer& answer) {
    return (answer.end.status_flags & in_read_only) == in_read_only;
}

[[nodiscard]] bool is_here(const Answer& answer) {
    return answer.end.node == bench().follower->id;
}

// Nothing reaches the coordinator while it lives.
struct Alone {
    Alone() { bench().deliver_to_peers = false; }
    ~Alone() { bench().deliver_to_peers = true; }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;
};

}  // namespace

TEST_CASE("a READ ONLY transaction reads one snapshot on the client's node") {
    Client c = fresh("ro1");
    c.good("INSERT INTO ro1 VALUES (1,1)");
    Client f(bench(), *bench().follower, "root", "d");
    for (const char* end : {"COMMIT", "ROLLBACK", "BEGIN"}) {
        const auto before = c.good("SELECT v FROM ro1").cell();
        {
            const Alone alone;
            f.good("START TRANSACTION READ ONLY");
            const auto first = f.good("SELECT v FROM ro1");
            CHECK(first.cell() == before);
            CHECK(is_open(first));
            CHECK(is_here(first));
        }
        c.good("UPDATE ro1 SET v = v + 1");
        const Alone alone;
        CHECK(f.good("SELECT v FROM ro1").cell() == before);
        CHECK(f.run("SELECT nothing FROM ro1").code() == 1054);
        f.good("SAVEPOINT a");
        f.good("ROLLBACK TO a");
        CHECK(f.run("ROLLBACK TO b").code() == 1305);
        CHECK(is_open(f.good("SELECT v FROM ro1")));
        CHECK(f.good("SELECT v FROM ro1").cell() == before);
        CHECK(is_open(f.good(end)) == false);
        if (std::string(end) == "BEGIN") f.good("ROLLBACK");
        CHECK(f.good("SELECT v FROM ro1").cell() != before);
    }
    f.good("START TRANSACTION READ ONLY");
    const auto before = f.good("SELECT v FROM ro1").cell();
    c.good("UPDATE ro1 SET v = v + 1");
    const Alone alone;
    CHECK(is_open(f.good("COMMIT AND CHAIN")));
    CHECK(f.good("SELECT v FROM ro1").cell() != before);
    CHECK(!is_open(f.good("COMMIT")));
}

TEST_CASE("a READ ONLY transaction has the session's level and settings") {
    Client c = fresh("ro2");
    c.good("INSERT INTO ro2 VALUES (1,1)");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    f.good("SET sql_mode = 'PIPES_AS_CONCAT'");
    {
        const Alone alone;
        CHECK(f.good("SELECT 'a' || v FROM ro2").cell() == "a1");
        f.good("START TRANSACTION READ ONLY");
        CHECK(f.good("SELECT 'b' || v FROM ro2").cell() == "b1");
    }
    c.good("UPDATE ro2 SET v = 2");
    f.good("SET sql_mode = 'PIPES_AS_CONCAT,ANSI_QUOTES', group_concat_max_len = 5");
    CHECK(is_open(f.good("SELECT @@sql_mode, CONNECTION_ID(), DATABASE()")));
    CHECK(is_open(f.good("USE d")));
    {
        const Alone alone;
        const auto again = f.good("SELECT 'c' || \"v\", GROUP_CONCAT('1234567') FROM ro2");
        CHECK(again.cell() == "c2");
        CHECK(again.cell(0, 1) == "12345");
        CHECK(is_open(again));
        f.good("COMMIT");
        CHECK(is_here(f.good("SELECT \"v\" FROM ro2")));
    }
    f.good("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    f.good("START TRANSACTION READ ONLY");
    CHECK(!is_here(f.good("SELECT v FROM ro2")));
    f.good("COMMIT");
}

TEST_CASE("what a READ ONLY transaction cannot do, and what ends it") {
    Client c = fresh("ro3");
    c.good("INSERT INTO ro3 VALUES (1,1)");
    c.good("CREATE FUNCTION ro3f() RETURNS INT READS SQL DATA RETURN (SELECT MAX(v) FROM ro3)");
    c.good("CREATE PROCEDURE ro3p(IN n INT) SELECT n + v FROM ro3");
    c.good("CREATE PROCEDURE ro3c() COMMIT");
    Client f(bench(), *bench().follower, "root", "d");
    const auto begin = [&f] {
        f.good("START TRANSACTION READ ONLY");
        CHECK(is_here(f.good("SELECT v FROM ro3")));
    };
    begin();
    CHECK(f.run("CREATE TABLE ro3d (id NOTYPE)").code() == 4161);
    CHECK(is_open(f.good("SELECT v FROM ro3")));
    CHECK(f.run("INSERT INTO ro3 VALUES (2,2)").code() == 1792);
    CHECK(f.run("SELECT * FROM ro3 FOR UPDATE").code() == 1792);
    CHECK(f.run("SET TRANSACTION READ WRITE").code() == 1568);
    for (const char* other : {"SELECT @a := v FROM ro3", "SET @a = 1", "SELECT GET_LOCK('l', 0)", "CALL ro3p(@a)",
                              "SELECT LAST_INSERT_ID(ro3f())"}) {
        const auto refused = f.run(other);
        CAPTURE(other);
        CHECK(refused.code() == 1235);
        CHECK(is_open(refused));
    }
    CHECK(is_open(f.good("SELECT ro3f()")));
    CHECK(f.good("CALL ro3p(5)").cell() == "6");
    const auto commits = f.run("CALL ro3c()");
    CHECK(commits.code() == 1399);
    CHECK(commits.end.error->message.find("cannot commit") != std::string::npos);
    CHECK(f.run("INSERT INTO VALUES (2,2)").code() == 1064);
    CHECK(f.good("SHOW ERRORS").cell(0, 1) == "1064");
    CHECK(is_open(f.good("SELECT v FROM ro3")));
    const auto none = f.run("CREATE TABLE ro3d (id NOTYPE)");
    CHECK(none.code() == 4161);
    CHECK(is_open(none));
    CHECK(is_open(f.good("SELECT v FROM ro3")));
    CHECK(!is_open(f.good("CREATE TABLE ro3d (id INT PRIMARY KEY)")));
    CHECK(!is_open(f.good("INSERT INTO ro3 VALUES (2,2)")));
    begin();
    f.good("START TRANSACTION");
    f.good("INSERT INTO ro3 VALUES (3,3)");
    f.good("ROLLBACK");
    CHECK(f.good("SELECT COUNT(*) FROM ro3").cell() == "2");
    f.good("START TRANSACTION READ ONLY");
    const auto there = f.good("SELECT @a := v FROM ro3");  // as the first: the coordinator can
    CHECK(is_open(there));
    CHECK(!is_here(there));
    CHECK(!is_here(f.good("SELECT v FROM ro3")));
    f.good("COMMIT");
}

TEST_CASE("a session whose transactions are READ ONLY reads here with autocommit off, too") {
    Client c = fresh("ro4");
    c.good("INSERT INTO ro4 VALUES (1,1)");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET SESSION TRANSACTION READ ONLY");
    f.good("SET autocommit = 0");
    CHECK(is_here(f.good("SELECT v FROM ro4")));
    c.good("UPDATE ro4 SET v = 2");
    {
        const Alone alone;
        const auto again = f.good("SELECT v FROM ro4");
        CHECK(again.cell() == "1");
        CHECK(is_open(again));
        f.good("COMMIT");
        CHECK(f.good("SELECT v FROM ro4").cell() == "2");
    }
    CHECK(!is_open(f.good("SET autocommit = 1")));
    f.good("BEGIN");
    CHECK(is_here(f.good("SELECT v FROM ro4")));
    f.good("START TRANSACTION READ WRITE");
    f.good("UPDATE ro4 SET v = 3");
    f.good("COMMIT");
    CHECK(f.run("UPDATE ro4 SET v = 4").code() == 1792);
    f.good("SET SESSION tx_read_only = DEFAULT");
    f.good("UPDATE ro4 SET v = 4");
    f.good("BEGIN");
    f.good("UPDATE ro4 SET v = v + 1");
    f.good("COMMIT");
    CHECK(f.good("SELECT v FROM ro4").cell() == "5");
}

TEST_CASE("a READ ONLY transaction whose connection is ended is told as rolled back, once") {
    Client c = fresh("ro5");
    Client f(bench(), *bench().follower, "root", "d");
    for (const bool rolls_back : {false, true}) {
        f.good("START TRANSACTION READ ONLY");
        f.good("SELECT v FROM ro5");
        bench().run_for(200);  // the server tells of what was 100 ms ago
        const auto id = c.good(
            "SELECT id FROM information_schema.processlist WHERE command = 'Sleep' AND id IN (SELECT "
            "trx_mysql_thread_id FROM information_schema.innodb_trx)");
        REQUIRE(id.rows.size() == 1);
        c.good("KILL " + id.cell());
        if (rolls_back) {
            f.good("ROLLBACK");
        } else {
            const auto lost = f.run("SELECT v FROM ro5");
            CHECK(lost.code() == 1213);
            CHECK(!is_open(lost));
        }
        CHECK(!is_open(f.good("SELECT v FROM ro5")));
    }
    f.good("START TRANSACTION READ ONLY");
    f.good("SELECT v FROM ro5");
    const auto slow = f.start("SELECT SLEEP(20) FROM DUAL");
    bench().run_for(200);
    f.cancel(slow);
    CHECK(f.finish(slow).code() == 1317);
    CHECK(f.run("SELECT v FROM ro5").code() == 1213);
    f.good("INSERT INTO ro5 VALUES (1,1)");
}

TEST_CASE("what a READ ONLY transaction asked the coordinator for leaves nothing behind there") {
    Client c = fresh("ro7");
    c.good("INSERT INTO ro7 VALUES (1,1)");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET autocommit = 0");
    f.good("SET SESSION TRANSACTION READ ONLY");
    CHECK(is_here(f.good("SELECT v FROM ro7")));
    f.good("SELECT @@version");
    f.good("COMMIT");
    f.good("SET SESSION TRANSACTION READ WRITE");
    f.good("UPDATE ro7 SET v = 2");
    f.good("COMMIT");
    CHECK(c.good("SELECT v FROM ro7").cell() == "2");
}

TEST_CASE("a database that is gone is not mistaken for the one before") {
    Client c = fresh("ro8");
    c.good("CREATE DATABASE gone");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SELECT v FROM ro8");
    f.good("USE gone");
    c.good("DROP DATABASE gone");
    for (int i = 0; i < 3; ++i) CHECK(f.run("SELECT v FROM ro8").code() == 1049);
    f.good("USE d");
    f.good("SELECT v FROM ro8");
}

TEST_CASE("a session that looks at its counters has one connection") {
    Client c = fresh("ro6");
    Client f(bench(), *bench().follower, "root", "d");
    CHECK(is_here(f.good("SELECT v FROM ro6")));
    f.good("FLUSH STATUS");
    CHECK(!is_here(f.good("SELECT v FROM ro6")));
    Client p(bench(), *bench().follower, "root", "d");
    p.good("SET profiling = 1");
    CHECK(!is_here(p.good("SELECT v FROM ro6")));
}

TEST_CASE("SET SESSION TRANSACTION READ ONLY concerns what autocommit=0 has not begun, and no BEGIN") {
    Client c = fresh("ro9");
    c.good("SET autocommit=0");
    CHECK(c.run("SELECT 1 FROM nowhere").code() == 1146);
    c.good("SET SESSION TRANSACTION READ ONLY");
    CHECK(c.run("INSERT INTO ro9 VALUES (1, 1)").code() == 1792);
    Client begun(bench(), *bench().node, "root", "d");
    begun.good("BEGIN");
    begun.good("SET SESSION TRANSACTION READ ONLY");
    begun.good("INSERT INTO ro9 VALUES (2, 2)");
    begun.good("COMMIT");
    CHECK(begun.run("INSERT INTO ro9 VALUES (3, 3)").code() == 1792);
}

TEST_CASE("a definition that ends a READ ONLY transaction is looked at first, and its columns told once") {
    Client c = fresh("ro21");
    for (TestNode* const node : {bench().node.get(), bench().follower.get()}) {
        Client f(bench(), *node, "root", "d");
        f.good("START TRANSACTION READ ONLY");
        f.good("SELECT * FROM ro21");
        const Answer answer = f.good("ANALYZE TABLE ro21");
        CHECK(answer.results == 1);
        CHECK(answer.cell(0, 3) == "OK");
    }
}

}  // namespace ddb::session::test
