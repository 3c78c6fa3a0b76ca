// LOCK TABLES: sessions on two nodes, one server.
#include <catch2/catch.hpp>

#include "session_support.hpp"

namespace ddb::session::test {

TEST_CASE("who writes to a table that is locked waits, whichever node it talks to") {
    Client a = fresh("locks0");
    Client f(bench(), *bench().follower, "root", "d");
    Client g(bench(), *bench().follower, "root", "d");
    f.good("LOCK TABLES locks0 WRITE");
    const auto insert = a.start("INSERT INTO locks0 VALUES (1,1)");
    const auto reading = g.start("SELECT * FROM locks0 FOR UPDATE");
    CHECK(a.waits(insert));
    CHECK(g.waits(reading));
    f.good("INSERT INTO locks0 VALUES (2,2)");
    CHECK(f.good("SELECT COUNT(*) FROM locks0").cell() == "1");
    f.good("UNLOCK TABLES");
    CHECK(!a.finish(insert).end.error);
    CHECK(!g.finish(reading).end.error);
    f.good("LOCK TABLES locks0 READ");
    CHECK(g.good("SELECT SUM(v) FROM locks0 WHERE @x IS NULL").cell() == "3");
    const auto again = a.start("INSERT INTO locks0 VALUES (3,3)");
    CHECK(a.waits(again));
    g.good("LOCK TABLES locks0 READ");
    f.good("BEGIN");  // unlocks
    CHECK(a.waits(again));
    f.good("COMMIT");
    g.good("UNLOCK TABLES");
    CHECK(!a.finish(again).end.error);
    CHECK(bench().node->engine->idle());
}

TEST_CASE("a lock waits for the transactions that use its tables, which may go on meanwhile") {
    Client a = fresh("locks1");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    a.good("BEGIN");
    a.good("INSERT INTO locks1 VALUES (1,1)");
    const auto lock = f.start("LOCK TABLES locks1 WRITE");
    CHECK(f.waits(lock));
    a.good("INSERT INTO locks1 VALUES (2,2)");
    const auto later = b.start("INSERT INTO locks1 VALUES (3,3)");
    CHECK(b.waits(later));
    a.good("COMMIT");
    CHECK(!f.finish(lock).end.error);
    CHECK(f.good("SELECT COUNT(*) FROM locks1").cell() == "2");
    CHECK(b.waits(later));
    f.good("UNLOCK TABLES");
    CHECK(!b.finish(later).end.error);
}

TEST_CASE("who waits for a lock is told after a while, and a lock ends with its session") {
    Client a = fresh("locks2");
    Client b(bench(), *bench().node, "root", "d");
    {
        Client f(bench(), *bench().follower, "root", "d");
        f.good("LOCK TABLES locks2 WRITE");
        CHECK(a.run("INSERT INTO locks2 VALUES (1,1)").code() == 1205);
        CHECK(b.run("LOCK TABLES locks2 READ").code() == 1205);
        const auto insert = a.start("INSERT INTO locks2 VALUES (1,1)");
        CHECK(a.waits(insert));
        a.cancel(insert);
        CHECK(a.finish(insert).code() == 1317);
    }
    {
        Client f(bench(), *bench().follower, "root", "d");
        f.good("LOCK TABLES locks2 WRITE");
        a.good("SET lock_wait_timeout = 1");
        const std::uint64_t begin = bench().now_ms();
        CHECK(a.run("INSERT INTO locks2 VALUES (1,1)").code() == 1205);
        CHECK(a.run("LOCK TABLES locks2 WRITE").code() == 1205);
        CHECK(b.run("ALTER TABLE locks2 NOWAIT COMMENT='x'").code() == 1205);
        CHECK(b.run("SELECT * FROM locks2 FOR UPDATE WAIT 0").code() == 1205);
        CHECK(bench().now_ms() < begin + 2800);
        a.good("SET lock_wait_timeout = DEFAULT");
    }
    a.good("INSERT INTO locks2 VALUES (1,1)");
    a.good("BEGIN");
    a.good("INSERT INTO locks2 VALUES (2,2)");
    CHECK(b.run("LOCK TABLES locks2 WRITE").code() == 1205);
    Client other(bench(), *bench().node, "root", "d");
    CHECK(other.run("UPDATE locks2 SET v=3 WHERE id=1").end.outcome.affected_rows == 1);  // b has given up
    a.good("ROLLBACK");
    CHECK(b.run("LOCK TABLES nothing WRITE").code() == 1146);
    CHECK(b.run("LOCK TABLES locks2").code() == 1064);
    CHECK(b.run("LOCK INSTANCE FOR BACKUP").code() == 1235);
    a.good("INSERT INTO locks2 VALUES (3,3)");
}

TEST_CASE("a lock is given while the fate of a statement that was sent again is being asked for") {
    Client a = fresh("locksretry");
    a.good("CREATE PROCEDURE locksretryp() INSERT INTO locksretry VALUES (1,1)");
    Client b(bench(), *bench().node, "root", "d");
    a.good("DO 1");
    b.good("DO 1");
    const auto call = a.start("CALL locksretryp()", true);
    CHECK(b.good("LOCK TABLES locksretry WRITE").code() == 0);
    CHECK(a.waits(call));
    b.good("UNLOCK TABLES");
    CHECK(!a.finish(call).end.error);
}

TEST_CASE("UNLOCK TABLES commits, but only what was done under a lock") {
    Client a = fresh("locks4");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET autocommit = 0");
    f.good("LOCK TABLES locks4 WRITE");
    f.good("INSERT INTO locks4 VALUES (1,1)");
    f.good("UNLOCK TABLES");
    CHECK(a.good("SELECT COUNT(*) FROM locks4").cell() == "1");
    f.good("INSERT INTO locks4 VALUES (2,2)");
    f.good("UNLOCK TABLES");
    f.good("ROLLBACK");
    CHECK(a.good("SELECT COUNT(*) FROM locks4").cell() == "1");
}

TEST_CASE("a definition that waits for another one is waited for") {
    Client a = fresh("locks5");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    a.good("INSERT INTO locks5 VALUES (1,1)");
    bench().hold_decisions(true);
    const auto table = a.start("CREATE TABLE locks5a (id INT PRIMARY KEY)");
    CHECK(a.waits(table));
    const auto truncation = b.start("TRUNCATE locks5");
    CHECK(b.waits(truncation));
    const auto lock = f.start("LOCK TABLES locks5 WRITE");
    CHECK(f.waits(lock));
    bench().hold_decisions(false);
    CHECK(!a.finish(table).end.error);
    CHECK(!b.finish(truncation).end.error);
    CHECK(!f.finish(lock).end.error);
    f.good("UNLOCK TABLES");
}

TEST_CASE("a connection that is lost in front of what commits is told, and the session goes on") {
    Client a = fresh("locks6");
    Client killer(bench(), *bench().node, "root", "d");
    for (const char* sql :
         {"LOCK TABLES locks6 WRITE", "SET autocommit = 1", "START TRANSACTION WITH CONSISTENT SNAPSHOT",
          "CREATE TABLE IF NOT EXISTS locks6 (id INT PRIMARY KEY)"}) {
        INFO(sql);
        a.good("SET autocommit = 0");
        a.good("COMMIT");
        a.good("START TRANSACTION READ ONLY");
        const auto id = a.good("SELECT CONNECTION_ID(), @x, v FROM locks6 UNION SELECT CONNECTION_ID(), 1, 2").cell();
        killer.good("KILL CONNECTION " + id);
        bench().run_for(100);
        const auto answer = a.run(sql);
        CHECK(answer.end.error);
        (void)a.run("ROLLBACK");
        a.good("SELECT COUNT(*) FROM locks6");
    }
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("a connection that is lost outside of a transaction is not told as a transaction's end") {
    Client a = fresh("locks10");
    Client killer(bench(), *bench().node, "root", "d");
    const auto code_after_kill = [&](const char* before, const char* sql) {
        a.good(before);
        const auto id = a.good("SELECT CONNECTION_ID(), @x").cell();
        killer.good("KILL CONNECTION " + id);
        bench().run_for(100);
        const auto code = a.run(sql).code();
        (void)a.run("ROLLBACK");
        return code;
    };
    CHECK(code_after_kill("DO 0", "USE d") == 1927);
    CHECK(code_after_kill("DO 0", "SET @y = 1") == 1927);
    CHECK(code_after_kill("START TRANSACTION", "SET @y = 1") == 1213);
    CHECK(code_after_kill("START TRANSACTION", "INSERT INTO locks10 VALUES (1,1)") == 1213);
}

TEST_CASE("under its locks a session uses what they allow, and what its server allows besides") {
    Client a = fresh("locks7");
    for (const char* sql :
         {"CREATE TABLE locks7u (id INT PRIMARY KEY, v INT)", "CREATE TABLE locks7w (id INT PRIMARY KEY, v INT)",
          "CREATE TABLE locks7log (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
          "CREATE TRIGGER locks7g BEFORE INSERT ON locks7 FOR EACH ROW INSERT INTO locks7log (v) VALUES (1)"})
        a.good(sql);
    Client f(bench(), *bench().follower, "root", "d");
    f.good("CREATE TEMPORARY TABLE locks7tmp (id INT PRIMARY KEY)");
    f.good("LOCK TABLES locks7 WRITE, locks7u READ, locks7 AS x READ");
    f.good("INSERT INTO locks7 VALUES (1,1)");
    f.good("INSERT INTO locks7 SELECT id + 1, v FROM locks7 AS x");
    CHECK(f.good("SELECT COUNT(*) FROM locks7log").cell() == "2");  // locked along with the trigger
    f.good("INSERT INTO locks7tmp VALUES (1)");
    f.good("WITH c AS (SELECT id FROM locks7) SELECT * FROM c");
    for (const char* sql : {"INSERT INTO locks7u VALUES (1,1)", "UPDATE locks7 AS x SET v=2", "TRUNCATE locks7u",
                            "ALTER TABLE locks7u ADD z INT", "UPDATE locks7, locks7u SET locks7u.v=1"}) {
        INFO(sql);
        const auto answer = f.run(sql);
        CHECK(answer.code() == 1099);
        CHECK(f.good("SHOW WARNINGS").cell(0, 1) == "1099");
    }
    for (const char* sql :
         {"SELECT * FROM locks7w", "SELECT * FROM locks7 AS y", "INSERT INTO locks7w VALUES (1,1)", "TRUNCATE locks7w",
          "DROP TABLE locks7w", "CREATE TABLE locks7n (id INT PRIMARY KEY)", "INSERT INTO locks7 SELECT * FROM locks7",
          "DELETE locks7 FROM locks7, locks7w", "SET @a = (SELECT MAX(v) FROM locks7w)"}) {
        INFO(sql);
        CHECK(f.run(sql).code() == 1100);
    }
    CHECK(f.run("SELECT * FROM locks7w").end.error->message == "Table 'locks7w' was not locked with LOCK TABLES");
    a.good("INSERT INTO locks7w VALUES (1,1)");  // nothing is left locked on the server
    f.good("UNLOCK TABLES");
    CHECK(f.good("SELECT v FROM locks7w WHERE @a IS NULL").cell() == "1");
    f.good("DROP TABLE locks7w");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("a table that its holder drops is locked by nobody") {
    Client a = fresh("locks8");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("LOCK TABLES locks8 WRITE");
    f.good("DROP TABLE locks8");
    a.good("CREATE TABLE locks8 (id INT PRIMARY KEY)");
    a.good("INSERT INTO locks8 VALUES (1)");
    CHECK(f.good("SELECT COUNT(*) FROM locks8").cell() == "1");
}

TEST_CASE("locked tables are told as lost when their coordinator is") {
    Client c = fresh("locks3");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("LOCK TABLES locks3 WRITE");
    bench().close_office();
    bench().open_office();
    CHECK(f.run("INSERT INTO locks3 VALUES (1,1)").code() == 1927);
    f.good("INSERT INTO locks3 VALUES (1,1)");
    c.good("INSERT INTO locks3 VALUES (2,2)");
}

}  // namespace ddb::session::test
