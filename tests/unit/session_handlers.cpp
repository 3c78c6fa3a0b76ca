// HANDLER: sessions on two nodes, one server.
#include <catch2/catch.hpp>

#include "schemas/status_flags.hpp"
#include "session_support.hpp"

namespace ddb::session::test {

TEST_CASE("a HANDLER keeps its place over writes, reads and transactions of its session") {
    Client a = fresh("hand0");
    Client f(bench(), *bench().follower, "root", "d");
    a.good("INSERT INTO hand0 VALUES (1,10),(2,20),(3,30),(4,40),(5,50)");
    f.good("HANDLER hand0 OPEN AS h");
    CHECK(f.good("HANDLER h READ FIRST").cell() == "1");
    f.good("INSERT INTO hand0 VALUES (9,90)");
    CHECK(f.good("HANDLER h READ NEXT").cell() == "2");
    CHECK(f.good("SELECT COUNT(*) FROM hand0").cell() == "6");
    f.good("BEGIN");
    CHECK(f.good("HANDLER h READ NEXT").cell() == "3");
    f.good("UPDATE hand0 SET v = 31 WHERE id = 3");
    CHECK(f.good("HANDLER h READ `PRIMARY` = (3)").cell(0, 1) == "31");
    f.good("ROLLBACK");
    CHECK(f.good("HANDLER h READ `PRIMARY` >= (3) LIMIT 2").rows.size() == 2);
    CHECK(f.good("HANDLER h READ `PRIMARY` = (3)").cell(0, 1) == "30");
    a.good("UPDATE hand0 SET v = 41 WHERE id = 4");
    CHECK(f.good("HANDLER h READ `PRIMARY` NEXT").cell(0, 1) == "41");
    f.good("HANDLER h CLOSE");
    CHECK(f.run("HANDLER h READ NEXT").code() == 1109);
    CHECK(f.run("HANDLER h CLOSE").code() == 1109);
    CHECK(f.run("HANDLER nowhere OPEN").code() == 1146);
    CHECK(f.run("HANDLER hand0 OPENS").code() == 1064);
    CHECK(bench().node->engine->counters().foreign_writes == 0);
    CHECK(bench().node->engine->idle());
}

TEST_CASE("HANDLER OPEN and CLOSE begin no transaction where autocommit is off, READ does") {
    Client a = fresh("hand1");
    a.good("SET autocommit = 0");
    const auto open = a.good("HANDLER hand1 OPEN").end.status_flags;
    CHECK((open & status_in_transaction) == 0);
    CHECK((a.good("HANDLER hand1 READ FIRST").end.status_flags & status_in_transaction) != 0);
    a.good("COMMIT");
    CHECK((a.good("HANDLER hand1 CLOSE").end.status_flags & status_in_transaction) == 0);
}

TEST_CASE("an idle HANDLER holds up neither definitions nor LOCK TABLES") {
    Client a = fresh("hand2");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    a.good("INSERT INTO hand2 VALUES (1,10),(2,20)");
    b.good("SET lock_wait_timeout = 2");
    f.good("HANDLER hand2 OPEN AS h");
    CHECK(f.good("HANDLER h READ FIRST").cell() == "1");
    CHECK(f.good("SELECT 1 / 0").rows.size() == 1);
    b.good("ALTER TABLE hand2 ADD w INT");
    CHECK(f.good("SHOW WARNINGS").cell(0, 1) == "1365");
    CHECK(f.good("HANDLER h READ NEXT").columns.size() == 3);  // opened again, from the beginning
    b.good("LOCK TABLES hand2 WRITE");
    const auto reading = f.start("HANDLER h READ NEXT");
    bench().run_for(300);
    CHECK(b.good("SELECT COUNT(*) FROM hand2").cell() == "2");
    b.good("UNLOCK TABLES");
    CHECK(!f.finish(reading).end.error);
    f.good("BEGIN");
    f.good("HANDLER h READ FIRST");
    b.good("ALTER TABLE hand2 DROP w");
    f.good("INSERT INTO hand2 VALUES (3,30)");
    f.good("COMMIT");
    CHECK(f.good("SELECT COUNT(*) FROM hand2").cell() == "3");
    b.good("DROP TABLE hand2");
    CHECK(f.run("HANDLER h READ FIRST").code() == 1146);
}

TEST_CASE("a session that waits behind a definition does not hold it up by its own HANDLER") {
    Client a = fresh("hand3");
    Client b(bench(), *bench().node, "root", "d");
    Client f(bench(), *bench().follower, "root", "d");
    b.good("SET lock_wait_timeout = 3");
    for (const char* sql : {"CREATE TABLE IF NOT EXISTS hand3b (id INT PRIMARY KEY)", "HANDLER h READ FIRST",
                            "SELECT COUNT(*) FROM hand3", "INSERT INTO hand3 (id) VALUES (1)"}) {
        INFO(sql);
        f.good("HANDLER hand3 OPEN AS h");
        f.good("HANDLER h READ FIRST");
        const auto alter = b.start("ALTER TABLE hand3 ADD w" + std::to_string(bench().now_ms()) + " INT");
        const auto other = f.start(sql);
        CHECK(!b.finish(alter).end.error);
        CHECK(!f.finish(other).end.error);
        f.good("HANDLER h CLOSE");
    }
}

TEST_CASE("no HANDLER under LOCK TABLES, and one of a locked table waits under any name") {
    Client a = fresh("hand4");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("HANDLER hand4 OPEN AS h");
    f.good("LOCK TABLES hand4 READ");
    for (const char* sql : {"HANDLER h READ FIRST", "HANDLER hand4 OPEN", "HANDLER h CLOSE"})
        CHECK(f.run(sql).code() == 1192);
    f.good("UNLOCK TABLES");
    f.good("HANDLER h READ FIRST");
    a.good("LOCK TABLES hand4 WRITE");
    f.good("SET lock_wait_timeout = 1");
    CHECK(f.run("HANDLER h READ FIRST").code() == 1205);
    CHECK(f.run("HANDLER hand4 OPEN").code() == 1205);
    f.good("HANDLER h CLOSE");
    a.good("UNLOCK TABLES");
}

TEST_CASE(
    "a session with a HANDLER is told when it is lost with its coordinator, and one that closed it counts as quiet") {
    Client a = fresh("hand5");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("HANDLER hand5 OPEN");
    CHECK(!bench().node->engine->idle());
    bench().close_office();
    bench().open_office();
    CHECK(f.run("HANDLER hand5 READ FIRST").code() == 1927);
    CHECK(f.run("HANDLER hand5 READ FIRST").code() == 1109);
    f.good("HANDLER hand5 OPEN");
    f.good("HANDLER hand5 READ FIRST");
    f.good("HANDLER hand5 CLOSE");
    CHECK(bench().node->engine->idle());
}

TEST_CASE("a HANDLER opened by EXECUTE is known to be there") {
    Client a = fresh("hand6");
    Client b(bench(), *bench().node, "root", "d");
    b.good("SET lock_wait_timeout = 2");
    a.good("INSERT INTO hand6 VALUES (1,10)");
    a.good("PREPARE s FROM 'HANDLER hand6 OPEN'");
    a.good("EXECUTE s");
    CHECK(a.good("HANDLER hand6 READ FIRST").cell() == "1");
    b.good("ALTER TABLE hand6 ADD w INT");
    a.good("PREPARE s FROM 'HANDLER hand6 READ `PRIMARY` = (?)'");
    a.good("SET @a = 1");
    CHECK(a.good("EXECUTE s USING @a").cell() == "1");
}

}  // namespace ddb::session::test
