#include <catch2/catch.hpp>
#include <vector>

#include "node/session/named_tables.hpp"
#include "node/session/open_handlers.hpp"
#include "node/session/read_lock.hpp"
#include "node/session/table_locks.hpp"

namespace ddb::session {
namespace {

std::string told(const std::string& sql) {
    const auto tables = tables_to_lock(sql, "d");
    if (!tables) return "not understood";
    std::string out;
    for (const auto& [table, write] : tables->tables)
        out += (out.empty() ? "" : ",") + table.first + "." + table.second + (write ? " W" : " R");
    return out + (tables->wait_ms ? " wait " + std::to_string(*tables->wait_ms) : "");
}

// What a session with these locks asks its server before the statement; "itself" stands for the statement's own text.
std::string asked(const std::string& sql, const std::string& database = "d") {
    const auto held = tables_to_lock("LOCK TABLES t WRITE, u READ, w AS x READ, w AS y WRITE, other.v READ", "d");
    const LockQuestions questions = lock_questions(sql, database, *held);
    std::string out;
    for (const auto& text : questions.prepare) out += (out.empty() ? "" : "; ") + (text == sql ? "itself" : text);
    for (const auto& text : questions.explain)
        out += (out.empty() ? "" : "; ") + (text == "EXPLAIN " + sql ? "explain itself" : text);
    return out;
}

struct Bench {
    std::vector<std::uint64_t> woken;
    TableLocks locks{[this](std::uint64_t serial) { woken.push_back(serial); }};

    void lock(std::uint64_t serial, const std::string& sql, std::uint64_t number = 1) {
        locks.lock(serial, *tables_to_lock(sql, "d"), number);
    }
    bool waits(std::uint64_t serial, const std::string& sql, std::uint64_t began = 0) {
        return locks.must_wait(serial, TableLocks::Statement{sql, "d", false, false, began});
    }
    bool read_waits(std::uint64_t serial, const std::string& sql) {
        return locks.must_wait(serial, TableLocks::Statement{sql, "d", true, false, 0});
    }
};

}  // namespace

TEST_CASE("what LOCK TABLES asks for") {
    CHECK(told("LOCK TABLES t WRITE") == "d.t W");
    CHECK(told("lock table `T` read local, other.u AS x low_priority write;") == "d.t R,other.u W");
    CHECK(told("/*!40000 LOCK TABLES t x READ, `a``b` WRITE CONCURRENT */") == "d.a``b W,d.t R");
    CHECK(told("LOCK TABLES 2024_log a READ, 2024_log b WRITE") == "d.2024_log W");
    CHECK(told("LOCK TABLES t WRITE WAIT 5") == "d.t W wait 5000");
    CHECK(told("LOCK TABLES t WRITE NOWAIT") == "d.t W wait 0");
    CHECK(lock_sql_of(*tables_to_lock("LOCK TABLES t x READ, `a``b` WRITE, o.u READ LOCAL", "d")) ==
          "LOCK TABLES `d`.`a``b` WRITE, `d`.`t` AS `x` READ, `o`.`u` READ");
    CHECK(lock_sql_of(LockRequest{}).empty());
    for (const char* sql : {"LOCK TABLES", "LOCK TABLES t", "LOCK TABLES t WRITE,", "LOCK TABLES t WRITE u READ",
                            "LOCK TABLES t. READ", "LOCK INSTANCE FOR BACKUP"}) {
        CHECK(told(sql) == "not understood");
    }
}

TEST_CASE("a database is dropped when nobody has locked a table of it") {
    Bench b;
    b.lock(1, "LOCK TABLES t READ, other.u READ");
    CHECK(b.waits(2, "DROP DATABASE d"));
    CHECK(b.waits(3, "/* all of it */ drop schema if exists `D`;"));
    CHECK_FALSE(b.waits(4, "DROP DATABASE t"));
    CHECK_FALSE(b.waits(5, "DROP TABLE d"));
    CHECK_FALSE(b.waits(1, "DROP DATABASE d"));
    b.locks.release(1);
    CHECK_FALSE(b.waits(2, "DROP DATABASE d"));
}

TEST_CASE("what is in keeping with the session's own locks is not asked about") {
    for (const char* sql : {"SELECT 1",
                            "SELECT * FROM t",
                            "select * from `t`, u where t.id in (1, 2) order by u.id",
                            "SELECT * FROM d.t JOIN w x USING (id)",
                            "SELECT * FROM w AS x, w y",
                            "SELECT * FROM t WHERE id = (SELECT MAX(id) FROM u)",
                            "SELECT * FROM other.v LIMIT 1",
                            "SELECT * FROM information_schema.tables",
                            "SELECT EXTRACT(YEAR FROM z), TRIM('a' FROM b) FROM t",
                            "INSERT INTO t VALUES (1,1)",
                            "INSERT t (id, v) SELECT id, v FROM u",
                            "REPLACE INTO d.t SET id = 1",
                            "UPDATE t SET v = 1 WHERE id = 1",
                            "UPDATE w AS y SET v = 1",
                            "DELETE FROM t WHERE v = 1",
                            "TRUNCATE t",
                            "ALTER TABLE t ADD z INT",
                            "DROP TABLE t",
                            "DROP TABLE IF EXISTS w",
                            "CREATE INDEX i ON t (v)",
                            "CREATE TEMPORARY TABLE z (id INT)",
                            "CREATE TABLE IF NOT EXISTS t (id INT)",
                            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW INSERT INTO z VALUES (1)",
                            "SHOW CREATE TABLE t",
                            "SHOW TABLES",
                            "SHOW COLUMNS FROM z",
                            "DESC z",
                            "LOAD DATA INFILE 'f' INTO TABLE t (id)",
                            "INSERT INTO t VALUES (1,1) ON DUPLICATE KEY UPDATE v = 1",
                            "SELECT * FROM (SELECT * FROM t) AS z",
                            "SELECT * FROM t PARTITION (p0) JOIN u ON t.id = u.id",
                            "SELECT * FROM (t, u)",
                            "UPDATE t JOIN w AS y USING (id) SET t.v = 1",
                            "SELECT * FROM JSON_TABLE('[]', '$' COLUMNS (id INT PATH '$')) AS j, t",
                            "CHECK TABLE z",
                            "ANALYZE TABLE z",
                            "RENAME TABLE z TO zz",
                            "SELECT id FROM t FOR UPDATE",
                            "SELECT id INTO @z FROM t"}) {
        INFO(sql);
        CHECK(asked(sql).empty());
    }
}

TEST_CASE("a table that the session has not locked, or not under that name, is asked about") {
    for (const char* sql : {"SELECT * FROM z",
                            "SELECT * FROM t AS a",
                            "SELECT * FROM w",
                            "SELECT * FROM t, z",
                            "SELECT * FROM t LEFT JOIN (u, z) ON t.id = z.id",
                            "SELECT * FROM t, t AS a",
                            "SELECT * FROM t WHERE id IN (SELECT id FROM t)",
                            "SELECT (SELECT MAX(v) FROM `z`)",
                            "EXPLAIN SELECT * FROM z",
                            "INSERT INTO t SELECT * FROM t",
                            "INSERT IGNORE INTO z VALUES (1)",
                            "INSERT INTO u SELECT * FROM z",
                            "UPDATE z SET v = 1",
                            "DELETE FROM other.t",
                            "DELETE t FROM t, z",
                            "DELETE FROM t USING t JOIN z ON t.id = z.id",
                            "SET @a = (SELECT MAX(v) FROM z)",
                            "DO (SELECT 1 FROM z)",
                            "WITH c AS (SELECT * FROM z) SELECT 1",
                            "CREATE TEMPORARY TABLE a SELECT * FROM z",
                            "CREATE TEMPORARY TABLE a LIKE z",
                            "SELECT * FROM mysql.user",
                            "SELECT 1 UNION SELECT id FROM z",
                            "UPDATE t, z SET t.v = 1",
                            "SELECT * FROM t NATURAL JOIN z",
                            "SELECT STRAIGHT_JOIN * FROM t STRAIGHT_JOIN z"}) {
        INFO(sql);
        CHECK(asked(sql).substr(0, 6) == "itself");
    }
    CHECK(asked("SELECT * FROM t", "other") == "itself");
    CHECK(asked("SELECT * FROM T") == "itself");
    CHECK(asked("SELECT * FROM w AS X") == "itself");
    CHECK(asked("SELECT * FROM t", "").empty());
    CHECK(asked("TRUNCATE TABLE z") == "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("DROP TABLE IF EXISTS t, `z`, other.t") ==
          "SELECT 1 FROM `z`; SELECT 1 FROM other.t; EXPLAIN DELETE FROM `z`; EXPLAIN DELETE FROM other.t");
    CHECK(asked("ALTER ONLINE TABLE z DROP v") == "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("CREATE OR REPLACE TABLE z (id INT, v INT DEFAULT 1)") == "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("CREATE UNIQUE INDEX i USING BTREE ON z (v)") == "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("DROP INDEX i ON z") == "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("CREATE DEFINER=a@b TRIGGER g BEFORE INSERT ON z FOR EACH ROW DELETE FROM zz") ==
          "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("FLUSH LOCAL TABLES t, z") == "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("FLUSH TABLES").empty());
    CHECK(asked("SHOW CREATE TABLE z") == "SELECT 1 FROM z");
    CHECK(asked("LOAD DATA LOCAL INFILE 'f' INTO TABLE z") == "SELECT 1 FROM z; EXPLAIN DELETE FROM z");
    CHECK(asked("CREATE TABLE z LIKE zz") == "SELECT 1 FROM z; itself; EXPLAIN DELETE FROM z");
}

TEST_CASE("a table that the session has locked for reading is asked about where it is written to") {
    CHECK(asked("INSERT INTO u VALUES (1,1)") == "EXPLAIN DELETE FROM u");
    CHECK(asked("LOAD DATA INFILE 'f' REPLACE INTO TABLE d.`u`") == "EXPLAIN DELETE FROM d.`u`");
    CHECK(asked("UPDATE LOW_PRIORITY w AS x SET v = 1") == "EXPLAIN DELETE x FROM w AS x");
    CHECK(asked("DELETE QUICK FROM u WHERE id IN (SELECT id FROM t)") == "EXPLAIN DELETE FROM u");
    CHECK(asked("ALTER TABLE u ADD z INT") == "EXPLAIN DELETE FROM u");
    CHECK(asked("FLUSH TABLE u") == "EXPLAIN DELETE FROM u");
    CHECK(asked("TRUNCATE u") == "EXPLAIN DELETE FROM u");
    CHECK(asked("UPDATE t, u SET u.v = 1") == "explain itself");
    CHECK(asked("DELETE u FROM t JOIN u WHERE t.id = u.id") == "explain itself");
    CHECK(asked("UPDATE t, u SET t.v = f()").empty());
    std::string dump = "INSERT INTO t VALUES (1,'u')";
    for (int i = 0; i < 200'000; ++i) dump += ",(1,'z')";
    CHECK(asked(dump + " ON DUPLICATE KEY UPDATE v = (SELECT 1 FROM z)").empty());
}

TEST_CASE("who waits for a locked table") {
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE, u READ");
    CHECK(b.locks.give(1));
    CHECK(!b.waits(1, "INSERT INTO t VALUES (1)"));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)"));
    CHECK(b.waits(2, "update `T` set v = 1"));
    CHECK(b.waits(2, "DELETE x FROM other.v x JOIN d.t"));
    CHECK(b.waits(2, "INSERT INTO \"t\" VALUES (1)"));
    CHECK(!b.waits(2, "INSERT INTO other.t VALUES (1)"));
    CHECK(!b.waits(2, "INSERT INTO v VALUES ('t')"));
    CHECK(b.read_waits(2, "SELECT * FROM t"));
    CHECK(!b.read_waits(2, "SELECT * FROM u"));
    CHECK(b.waits(2, "INSERT INTO v SELECT * FROM u"));
    std::string dump = "INSERT INTO v VALUES (1,'t')";
    for (int i = 0; i < 200'000; ++i) dump += ",(1,'u')";
    CHECK(!b.waits(2, dump));
    CHECK(b.locks.must_wait(2, TableLocks::Statement{"CALL p()", "d", false, true, 0}));
    CHECK(b.locks.must_wait(3, *tables_to_lock("LOCK TABLES u WRITE", "d")));
    CHECK(!b.locks.must_wait(3, *tables_to_lock("LOCK TABLES u READ", "d")));
    CHECK(b.woken.empty());
    b.locks.release(1);
    CHECK(b.woken == std::vector<std::uint64_t>{2});
    CHECK(!b.waits(2, "INSERT INTO t VALUES (1)"));
    CHECK(b.locks.empty());
}

TEST_CASE("a lock ends with its table") {
    CHECK(dropped_tables("DROP TABLE IF EXISTS t, other.`U`", "d") ==
          std::vector<TableName>{{"d", "t"}, {"other", "u"}});
    CHECK(dropped_tables("DROP TEMPORARY TABLE t", "d").empty());
    CHECK(dropped_tables("ALTER TABLE t DROP v", "d").empty());
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE, t AS x READ, u WRITE");
    CHECK(b.locks.give(1));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)"));
    b.locks.dropped(1, {{"d", "t"}, {"d", "v"}});
    CHECK(b.woken == std::vector<std::uint64_t>{2});
    CHECK(!b.waits(2, "INSERT INTO t VALUES (1)"));
    CHECK(b.waits(3, "INSERT INTO u VALUES (1)"));
    CHECK(b.locks.held(1).aliases.size() == 1);
    b.locks.dropped(1, {{"d", "u"}});
    CHECK(b.locks.empty());
    CHECK(!b.waits(3, "INSERT INTO u VALUES (1)"));
}

TEST_CASE("who came first gets a table first") {
    Bench b;
    const auto asks = [&](std::uint64_t serial) {
        return b.locks.must_wait(serial, *tables_to_lock("LOCK TABLES t WRITE", "d"));
    };
    b.lock(5, "LOCK TABLES t WRITE");
    CHECK(asks(9));
    CHECK(asks(2));
    CHECK(asks(9));
    b.locks.release(5);
    CHECK(b.woken == std::vector<std::uint64_t>{9, 2});
    CHECK(!asks(9));
    b.lock(9, "LOCK TABLES t WRITE");
    CHECK(asks(2));
    CHECK(asks(1));
    b.woken.clear();
    b.locks.release(9);
    CHECK(b.woken == std::vector<std::uint64_t>{2, 1});
    b.locks.statement_over(2);
    b.woken.clear();
    b.lock(3, "LOCK TABLES t READ");
    b.locks.release(3);
    CHECK(b.woken == std::vector<std::uint64_t>{1});
}

TEST_CASE("transactions older than a lock are let in until it is given, which waits for them") {
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE", 10);
    CHECK(!b.locks.others_inside(1));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)", 0));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)", 11));
    CHECK(!b.waits(3, "INSERT INTO t VALUES (1)", 9));
    CHECK(!b.locks.give(1));
    CHECK(b.locks.others_inside(1));
    b.locks.statement_over(3);
    CHECK(b.woken == std::vector<std::uint64_t>{1});
    CHECK(!b.locks.others_inside(1));
    CHECK(b.locks.give(1));
    CHECK(b.waits(3, "INSERT INTO t VALUES (1)", 9));
}

TEST_CASE("a lock is not given over statements that were let run before anybody asked for it") {
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE", 10);
    b.locks.under_way(1, 2, TableLocks::Statement{"INSERT INTO u VALUES (1)", "d", false, false, 0});
    CHECK(!b.locks.others_inside(1));
    b.locks.under_way(1, 2, TableLocks::Statement{"TRUNCATE t", "d", false, false, 0});
    b.locks.under_way(1, 3, TableLocks::Statement{"CALL p()", "d", false, true, 0});
    CHECK(!b.locks.give(1));
    CHECK(b.locks.others_inside(1));
    b.locks.statement_over(2);
    CHECK(b.woken.empty());
    b.locks.statement_over(3);
    CHECK(b.woken == std::vector<std::uint64_t>{1});
    CHECK(!b.locks.others_inside(1));
    CHECK(b.locks.give(1));
}

TEST_CASE("a lock does not wait for a statement that waits for it") {
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE", 10);
    b.locks.under_way(1, 2, TableLocks::Statement{"CALL p()", "d", false, true, 0});
    CHECK(b.locks.others_inside(1));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)", 0));
    CHECK(b.woken == std::vector<std::uint64_t>{1});
    CHECK(!b.locks.others_inside(1));
    CHECK(b.locks.give(1));
}

TEST_CASE("a read lock holds up writes when it is asked for, and commits when no write is left") {
    using Use = ReadLock::Use;
    std::vector<std::uint64_t> woken;
    ReadLock lock([&](std::uint64_t serial) { woken.push_back(serial); });
    CHECK(!lock.must_wait(2, Use::writes));
    lock.ask(1);
    lock.under_way(1, 2);
    lock.under_way(1, 5);
    CHECK(lock.must_wait(3, Use::writes));
    CHECK(!lock.must_wait(4, Use::commits));
    CHECK(!lock.must_wait(4, Use::none));
    CHECK(!lock.must_wait(1, Use::writes));
    lock.statement_over(2);
    CHECK(lock.others_inside(1));
    CHECK(lock.must_wait(5, Use::writes));  // it was taken for one that runs
    CHECK(woken == std::vector<std::uint64_t>{1});
    CHECK(!lock.others_inside(1));
    lock.hold_commits(1);
    CHECK(lock.must_wait(4, Use::commits));
    lock.ask(6);
    lock.statement_over(4);
    lock.release(1);
    CHECK(woken == std::vector<std::uint64_t>{1, 3, 5});
    CHECK(!lock.must_wait(4, Use::commits));
    CHECK(lock.must_wait(3, Use::writes));
    CHECK(lock.others_hold(3));
    CHECK(!lock.others_hold(6));
    lock.release(6);
    CHECK(!lock.must_wait(3, Use::writes));
}

TEST_CASE("open HANDLERs are known by their names, and what they read by its own") {
    OpenHandlers handlers;
    handlers.opened("HANDLER t OPEN", "d");
    handlers.opened("handler `other`.`t 2` OPEN AS `H x`", "d");
    handlers.opened("HANDLER u /* so */ OPEN b;", "d");
    CHECK(handlers.read_by("HANDLER t READ NEXT") == "`d`.t");
    CHECK(handlers.read_by("HANDLER `h X` READ `PRIMARY` = (1)") == "`other`.`t 2`");
    CHECK(handlers.read_by("HANDLER b READ FIRST") == "`d`.u");
    CHECK(handlers.read_by("HANDLER u READ FIRST").empty());
    handlers.closed("HANDLER T CLOSE");
    handlers.closed("HANDLER `h x` CLOSE");
    CHECK(!handlers.empty());
    handlers.closed("HANDLER b CLOSE");
    CHECK(handlers.empty());
    handlers.opened_unseen();
    CHECK(!handlers.empty());
}

}  // namespace ddb::session
