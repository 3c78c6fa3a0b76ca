// FLUSH TABLES WITH READ LOCK: sessions on two nodes, one server.
#include <catch2/catch.hpp>

#include "schemas/status_flags.hpp"
#include "session_support.hpp"

namespace ddb::session::test {
namespace {

constexpr const char* lock_all = "FLUSH TABLES WITH READ LOCK";

}  // namespace

TEST_CASE("under a read lock on everything others read, and wait where they write") {
    Client a = fresh("all0");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    a.good(
        "CREATE FUNCTION all0f() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO all0 VALUES (50,50); "
        "RETURN 1; END");
    a.good("CREATE TEMPORARY TABLE all0t (id INT PRIMARY KEY)");
    f.good(lock_all);
    a.good("SET lock_wait_timeout = 1");
    for (const char* sql :
         {"INSERT INTO all0 VALUES (1,1)", "UPDATE all0 SET v=1", "SELECT * FROM all0 FOR UPDATE",
          "ALTER TABLE all0 ADD w INT", "CREATE TABLE all0n (id INT PRIMARY KEY)", "CREATE USER all0u",
          "SELECT all0f()", "SET @x = all0f()", "LOCK TABLES all0 WRITE", "FLUSH TABLES", "CALL nothing()"}) {
        INFO(sql);
        CHECK(a.run(sql).code() == 1205);
    }
    for (const char* sql :
         {"SELECT COUNT(*) FROM all0", "SELECT COUNT(*), @x FROM all0", "SELECT * FROM all0 LOCK IN SHARE MODE",
          "INSERT INTO all0t VALUES (1)", "CREATE TEMPORARY TABLE all0t2 (id INT PRIMARY KEY)", "SET @x = 1",
          "SET @x = (SELECT MAX(v) FROM all0)", "LOCK TABLES all0 READ", "UNLOCK TABLES", "BEGIN",
          "SELECT COUNT(*), @x FROM all0", "COMMIT", "HANDLER all0 OPEN", "HANDLER all0 READ FIRST",
          "HANDLER all0 CLOSE"}) {
        INFO(sql);
        a.good(sql);
    }
    const auto insert = b.start("INSERT INTO all0 VALUES (2,2)");
    CHECK(b.waits(insert));
    CHECK(f.good("SELECT COUNT(*) FROM all0").cell() == "0");
    f.good("UNLOCK TABLES");
    CHECK(!b.finish(insert).end.error);
    CHECK(a.good("SELECT all0f() + 0").cell() == "1");
    CHECK(f.good("SELECT COUNT(*) FROM all0").cell() == "2");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
    CHECK(bench().node->engine->idle() == false);  // of the temporary tables
}

TEST_CASE("the session that holds the read lock is refused its own writes") {
    Client a = fresh("all1");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("CREATE TEMPORARY TABLE all1t (id INT PRIMARY KEY)");
    f.good("CREATE PROCEDURE all1p() INSERT INTO all1 VALUES (9,9)");
    f.good(lock_all);
    for (const char* sql :
         {"INSERT INTO all1 VALUES (1,1)", "UPDATE all1 SET v=1", "DELETE FROM all1", "SELECT * FROM all1 FOR UPDATE",
          "ALTER TABLE all1 ADD w INT", "DROP TABLE all1", "CREATE USER all1u", "CALL all1p()",
          "LOCK TABLES all1 WRITE", "EXECUTE IMMEDIATE 'INSERT INTO all1 VALUES (1,1)'",
          "EXECUTE IMMEDIATE 'DROP TABLE all1'"}) {
        INFO(sql);
        CHECK(f.run(sql).code() == 1223);
    }
    CHECK(f.run("DROP TABL all1").code() == 1064);
    for (const char* sql : {"INSERT INTO all1t VALUES (1)", "UPDATE all1t SET id = 2", "SELECT COUNT(*) FROM all1",
                            "FLUSH TABLES", "CHECK TABLE all1", lock_all, "BEGIN"}) {
        INFO(sql);
        f.good(sql);
    }
    CHECK(f.run("INSERT INTO all1 VALUES (1,1)").code() == 1223);
    f.good("INSERT INTO all1t VALUES (3)");
    f.good("COMMIT");
    CHECK(f.good("SELECT COUNT(*) FROM all1t").cell() == "2");
    f.good("UNLOCK TABLES");
    f.good("INSERT INTO all1 VALUES (1,1)");
    CHECK(a.good("SELECT COUNT(*) FROM all1").cell() == "1");
    a.good("LOCK TABLES all1 READ");
    CHECK(a.run(lock_all).code() == 1192);
    a.good("UNLOCK TABLES");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("a snapshot under the read lock outlives it, as dumps want it") {
    Client a = fresh("all2");
    Client f(bench(), *bench().follower, "root", "d");
    a.good("INSERT INTO all2 VALUES (1,1)");
    f.good("SET autocommit = 0");
    f.good("INSERT INTO all2 VALUES (2,2)");
    f.good(lock_all);  // commits
    f.good("ROLLBACK");
    const auto insert = a.start("INSERT INTO all2 VALUES (3,3)");
    CHECK(a.waits(insert));
    f.good("START TRANSACTION WITH CONSISTENT SNAPSHOT");
    CHECK(a.waits(insert));  // BEGIN does not unlock
    CHECK(!f.good("SHOW MASTER STATUS").rows.empty());
    CHECK((f.good("UNLOCK TABLES").end.status_flags & status_in_transaction) != 0);
    CHECK(!a.finish(insert).end.error);
    CHECK(f.good("SELECT COUNT(*) FROM all2").cell() == "2");
    const auto refused = f.run("INSERT INTO all2 VALUES (4,4)");
    CHECK(refused.code() == 1223);
    CHECK(f.good("SELECT COUNT(*) FROM all2").cell() == "2");
    f.good("COMMIT");
    CHECK(f.good("SELECT COUNT(*) FROM all2").cell() == "3");
    f.good("INSERT INTO all2 VALUES (4,4)");
    f.good("COMMIT");
}

TEST_CASE("commits of what was written before wait for the read lock, not the lock for them") {
    Client a = fresh("all3");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    a.good("BEGIN");
    a.good("INSERT INTO all3 VALUES (1,1)");
    b.good("BEGIN");
    b.good("SELECT COUNT(*), @x FROM all3");
    f.good(lock_all);
    b.good("COMMIT");
    const auto commit = a.start("COMMIT");
    CHECK(a.waits(commit));
    CHECK(f.good("SELECT COUNT(*) FROM all3").cell() == "0");
    f.good("UNLOCK TABLES");
    CHECK(!a.finish(commit).end.error);
    CHECK(f.good("SELECT COUNT(*) FROM all3").cell() == "1");
    a.good("SET lock_wait_timeout = 1");
    a.good("BEGIN");
    a.good("INSERT INTO all3 VALUES (2,2)");
    f.good(lock_all);
    for (const char* sql : {"COMMIT", "BEGIN", "CREATE TABLE all3n (id INT PRIMARY KEY)"}) {
        INFO(sql);
        const auto failed = a.run(sql);
        CHECK(failed.code() == 1205);
        CHECK((failed.end.status_flags & status_in_transaction) == 0);  // rolled back
        f.good("UNLOCK TABLES");
        a.good("BEGIN");
        a.good("INSERT INTO all3 VALUES (2,2)");
        f.good(lock_all);
    }
    const auto cancelled = a.start("COMMIT");
    bench().run_for(100);
    a.cancel(cancelled);
    CHECK(a.finish(cancelled).code() == 1317);
    a.good("ROLLBACK");
    f.good("UNLOCK TABLES");
    CHECK(f.good("SELECT COUNT(*) FROM all3").cell() == "1");
}

TEST_CASE("the read lock waits for statements that write, and those may wait for a transaction that commits") {
    Client a = fresh("all4");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    a.good("INSERT INTO all4 VALUES (1,1)");
    a.good("BEGIN");
    a.good("UPDATE all4 SET v = 2");
    const auto update = b.start("UPDATE all4 SET v = v + 10");
    CHECK(b.waits(update));
    const auto lock = f.start(lock_all);
    CHECK(f.waits(lock));
    a.good("COMMIT");
    CHECK(!b.finish(update).end.error);
    CHECK(!f.finish(lock).end.error);
    CHECK(f.good("SELECT v FROM all4").cell() == "12");
    f.good("UNLOCK TABLES");
    bench().hold_decisions(true);
    a.good("CREATE TEMPORARY TABLE all4t (id INT PRIMARY KEY)");
    const auto undecided = a.start("UPDATE all4 SET v = 5");
    CHECK(a.waits(undecided));
    const auto again = f.start(lock_all);
    CHECK(f.waits(again));
    bench().hold_decisions(false);
    CHECK(!a.finish(undecided).end.error);
    CHECK(!f.finish(again).end.error);
    CHECK(f.good("SELECT v FROM all4").cell() == "5");
    f.good("UNLOCK TABLES");
}

TEST_CASE("two sessions hold the read lock at once, and it waits for tables that are locked for writing") {
    Client a = fresh("all5");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET lock_wait_timeout = 1");
    b.good("LOCK TABLES all5 WRITE");
    CHECK(f.run(lock_all).code() == 1205);
    a.good("CREATE TABLE IF NOT EXISTS all5b (id INT PRIMARY KEY)");  // nothing is left of it
    const auto lock = a.start(lock_all);
    CHECK(a.waits(lock));
    b.good("INSERT INTO all5 VALUES (1,1)");
    b.good("UNLOCK TABLES");
    CHECK(!a.finish(lock).end.error);
    f.good(lock_all);
    a.good("UNLOCK TABLES");
    const auto insert = b.start("INSERT INTO all5 VALUES (2,2)");
    CHECK(b.waits(insert));
    f.good("LOCK TABLES all5 READ");
    CHECK(b.waits(insert));
    f.good("UNLOCK TABLES");
    CHECK(!b.finish(insert).end.error);
    {
        Client gone(bench(), *bench().follower, "root", "d");
        gone.good(lock_all);
    }
    b.good("INSERT INTO all5 VALUES (3,3)");
    CHECK(bench().node->engine->idle());
}

TEST_CASE("the read lock is told as lost when its coordinator is, and only who may has it") {
    Client a = fresh("all6");
    Client f(bench(), *bench().follower, "root", "d");
    f.good(lock_all);
    bench().close_office();
    bench().open_office();
    CHECK(f.run("SELECT COUNT(*) FROM all6").code() == 1927);
    f.good("INSERT INTO all6 VALUES (1,1)");
    a.good("INSERT INTO all6 VALUES (2,2)");
    a.good("CREATE USER all6u IDENTIFIED BY 'pw'");
    a.good("GRANT SELECT, INSERT ON d.* TO all6u");
    Client u(bench(), *bench().node, "all6u", "d");
    CHECK(u.run(lock_all).code() == 1227);
    u.good("INSERT INTO all6 VALUES (3,3)");
}

TEST_CASE("locks end with the connection of their session, though it says nothing, as a server's do") {
    Client a = fresh("all9");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    for (const char* lock : {lock_all, "LOCK TABLES all9 READ"}) {
        INFO(lock);
        f.good(lock);
        const auto id = f.good("SELECT CONNECTION_ID(), @x").cell();
        const auto insert = b.start("UPDATE all9 SET v = v + 1");
        CHECK(b.waits(insert));
        a.good("KILL CONNECTION " + id);
        CHECK(!b.finish(insert).end.error);
        CHECK(f.run("SELECT v FROM all9").code() == 1927);
        f.good("SELECT v FROM all9");
    }
    f.good("SET SESSION wait_timeout = 1");
    f.good(lock_all);
    bench().run_for(1'300);
    b.good("UPDATE all9 SET v = v + 1");
    CHECK(f.run("UNLOCK TABLES").code() == 1927);
    CHECK(bench().node->engine->idle());
}

}  // namespace ddb::session::test
