// Read barrier, executors, streaming with credit.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <latch>

#include "node/session/executor_pool.hpp"
#include "node/session/read_barrier.hpp"
#include "node/session/results.hpp"

using namespace ddb;
using namespace ddb::session;

TEST_CASE("strong reads share a question and wait for the applied index") {
    std::vector<ReadToken> asked;
    ReadBarrier barrier([&](ReadToken token) { asked.push_back(token); });
    int passed = 0;
    const auto pass = [&](LogIndex) { ++passed; };
    barrier.on_applied(LogIndex{5});
    barrier.wait({Consistency::local, LogIndex{99}}, pass);
    CHECK(passed == 1);
    barrier.wait({Consistency::session, LogIndex{5}}, pass);
    CHECK(passed == 2);
    barrier.wait({Consistency::session, LogIndex{6}}, pass);
    barrier.wait({}, pass);
    barrier.wait({}, pass);
    const auto cancelled = barrier.wait({}, pass);
    CHECK(asked.size() == 1);
    barrier.on_read_index({asked[0], true, LogIndex{5}}, 1);
    CHECK(passed == 3);
    REQUIRE(asked.size() == 2);  // the two that came later
    barrier.cancel(cancelled);
    barrier.on_read_index({asked[1], true, LogIndex{7}}, 1);
    CHECK(passed == 3);
    barrier.on_applied(LogIndex{6});
    CHECK(passed == 4);
    barrier.on_applied(LogIndex{7});
    CHECK(passed == 5);
}

TEST_CASE("refused and lost questions are asked again") {
    std::vector<ReadToken> asked;
    ReadBarrier barrier([&](ReadToken token) { asked.push_back(token); });
    int passed = 0;
    barrier.wait({}, [&](LogIndex) { ++passed; });
    barrier.on_read_index({asked[0], false, LogIndex{}}, 1);
    barrier.tick(11);
    REQUIRE(asked.size() == 2);
    barrier.tick(100);
    CHECK(asked.size() == 2);
    barrier.tick(500);
    REQUIRE(asked.size() == 3);
    CHECK(asked[1] < asked[2]);
    barrier.on_read_index({asked[1], true, LogIndex{}}, 501);
    CHECK(passed == 1);
}

TEST_CASE("definitions hold reads up, but not those of open transactions") {
    ReadBarrier barrier([](ReadToken) {});
    int passed = 0;
    barrier.hold();
    barrier.wait({Consistency::session, LogIndex{}}, [&](LogIndex) { ++passed; });
    CHECK(passed == 0);
    barrier.wait({Consistency::session, LogIndex{}, true}, [&](LogIndex) { ++passed; });
    CHECK(passed == 1);
    barrier.release();
    CHECK(passed == 2);
}

TEST_CASE("a definition whose reach is known holds the reads that it concerns") {
    ReadBarrier barrier([](ReadToken) {});
    std::vector<int> passed;
    const auto wait = [&](int number, std::string_view sql) {
        return barrier.wait({Consistency::session, LogIndex{}, false, sql},
                            [&passed, number](LogIndex) { passed.push_back(number); });
    };
    barrier.tick(1000);
    barrier.hold();
    const auto first = wait(1, "SELECT * FROM t");
    wait(2, "SELECT * FROM u");
    wait(3, "");
    wait(4, "SELECT * FROM u /* " + std::string(ReadBarrier::kept_sql_bytes_max, 'x') + " */");
    CHECK(passed.empty());
    barrier.narrow(*DefinitionReach::of("ALTER TABLE t ADD COLUMN c INT"));
    CHECK(passed == std::vector{2});
    wait(5, "SELECT * FROM u");
    wait(6, "SELECT * FROM d.T");
    CHECK(passed == std::vector{2, 5});
    CHECK_FALSE(barrier.late(first));
    CHECK_FALSE(barrier.late());
    barrier.tick(1000 + ReadBarrier::late_ms);
    CHECK(barrier.late(first));
    CHECK_FALSE(barrier.late());  // others pass
    barrier.release();
    CHECK(passed == std::vector{2, 5, 1, 3, 4, 6});
    barrier.hold();
    wait(7, "SELECT * FROM u");
    CHECK(passed.size() == 6);
    barrier.tick(1000 + ReadBarrier::late_ms * 3);
    CHECK(barrier.late());
    barrier.release();
    CHECK_FALSE(barrier.late());
}

TEST_CASE("who waits for what is not applied is late, and so is who comes after") {
    std::vector<ReadToken> asked;
    ReadBarrier barrier([&](ReadToken token) { asked.push_back(token); });
    const auto wait = [&] { return barrier.wait({}, [](LogIndex) {}); };
    barrier.on_applied(LogIndex{4});
    barrier.tick(100);
    const auto first = wait();
    barrier.tick(100 + ReadBarrier::late_ms);
    CHECK_FALSE(barrier.late(first));  // no coordinator has answered: nobody is better off
    barrier.on_read_index({asked.back(), true, LogIndex{5}}, 100 + ReadBarrier::late_ms);
    CHECK(barrier.late(first));
    CHECK(barrier.late());
    const auto second = wait();
    CHECK_FALSE(barrier.late(second));
    barrier.on_read_index({asked.back(), true, LogIndex{6}}, 110 + ReadBarrier::late_ms);
    CHECK(barrier.late(second));
    barrier.on_applied(LogIndex{5});
    CHECK_FALSE(barrier.late());
    CHECK_FALSE(barrier.late(second));
}

TEST_CASE("what a definition can change for readers") {
    const auto concerns = [](std::string_view definition, std::string_view read) {
        const auto reach = DefinitionReach::of(definition);
        return reach ? std::optional(reach->concerns(read)) : std::nullopt;
    };
    const std::string_view of_t = "SELECT a FROM d.`T` WHERE b = 'x'";
    const std::string_view of_u = "SELECT t1 FROM u WHERE tt = 1.5 AND _t = 2";
    for (const std::string_view known :
         {"ALTER TABLE t ADD COLUMN c INT", "alter online table if exists `d`.`t` rename column a to b",
          "CREATE UNIQUE INDEX i ON t (a)", "DROP INDEX i ON d.t", "TRUNCATE t", "DROP TABLE s, d.t",
          "OPTIMIZE TABLE t", "ANALYZE LOCAL TABLES s, d.t", "CREATE OR REPLACE TABLE t (a INT) AS SELECT * FROM u",
          "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4"}) {
        CAPTURE(known);
        CHECK(concerns(known, of_t) == true);
        CHECK(concerns(known, of_u) == false);
        CHECK(concerns(known, "SELECT /*!50000t.*/ 1") == true);
    }
    for (const std::string_view unknown :
         {"ALTER TABLE t RENAME TO s", "RENAME TABLE t TO s", "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE s",
          "ALTER TABLE t CONVERT TABLE s TO PARTITION p VALUES LESS THAN (3)", "DROP DATABASE d",
          "GRANT ALL ON d.t TO u", "CREATE VIEW v AS SELECT 1",
          "CREATE PROCEDURE p() CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
          "ALTER TABLE `t-1` ADD COLUMN c INT", "ALTER TABLE `\xc3\xa9` ADD COLUMN c INT", "EXECUTE s", "TRUNCATE",
          "ALTER TABLE t COMMENT 'a\\', RENAME TO u, COMMENT 'b'", ""}) {
        CAPTURE(unknown);
        CHECK_FALSE(concerns(unknown, of_u).has_value());
    }
}

TEST_CASE("what leads to a table is concerned by its definitions") {
    auto reach = *DefinitionReach::of("TRUNCATE t");
    CHECK(reach.spread({{"outer_view", "select * from `d`.`inner_view`"},
                        {"inner_view", "select * from `d`.`t`"},
                        {"f", "RETURN (SELECT MAX(a) FROM outer_view)"},
                        {"other", "select * from u"}}));
    CHECK(reach.concerns("SELECT F(1)"));
    CHECK(reach.concerns("SELECT * FROM outer_view"));
    CHECK_FALSE(reach.concerns("SELECT * FROM other"));
    CHECK_FALSE(reach.spread({{"strange name", "select * from t"}}));
}

TEST_CASE("executors grow while all are busy and are reused afterwards") {
    ExecutorPool pool(8);
    std::latch all_running(5);
    std::atomic<int> done{0};
    for (int i = 0; i < 5; ++i) {
        pool.run(Task([&] {
            all_running.arrive_and_wait();
            ++done;
        }));
    }
    while (done.load() < 5) std::this_thread::yield();
    CHECK(pool.threads() == 5);
    for (int i = 0; i < 1000; ++i) pool.run(Task([&] { ++done; }));
    while (done.load() < 1005) std::this_thread::yield();
    CHECK(pool.threads() <= 8);
}

TEST_CASE("a stream never has more than its credit in flight") {
    std::atomic<std::size_t> delivered{0};
    const auto count = [&](const std::vector<SessionMessage>& messages) {
        for (const auto& message : messages) delivered += size_of_rows(message);
    };
    CreditStream stream(1000, count);
    std::atomic<bool> failed{false};
    std::jthread reader([&] {
        for (int i = 0; i < 100; ++i) {
            ResultRows rows;
            rows.rows.assign(400, 'x');
            if (!stream.take(std::move(rows), 400)) failed = true;
        }
        count(stream.release());
    });
    std::size_t granted = 1000;
    while (delivered < 40'000) {
        const std::size_t now = delivered;
        CHECK(now <= granted);
        if (granted - now < 400) {
            granted += 400;
            stream.add_credit(400);
        }
        std::this_thread::yield();
    }
    reader.join();
    CHECK(!failed);
    stream.cancel();
    CHECK(!stream.take(ResultRows{}, 1));
}

TEST_CASE("a row larger than all credit goes out alone") {
    std::size_t delivered = 0;
    const auto count = [&](const std::vector<SessionMessage>& messages) {
        for (const auto& message : messages) delivered += size_of_rows(message);
    };
    CreditStream stream(1000, count);
    ResultRows rows;
    rows.rows.assign(5000, 'x');
    CHECK(stream.take(std::move(rows), 5000).ok());
    count(stream.release());
    CHECK(delivered == 5000);
}

TEST_CASE("what is small waits for the statement's end, and for nothing else") {
    std::vector<std::vector<SessionMessage>> delivered;
    CreditStream stream(1u << 20,
                        [&](std::vector<SessionMessage> messages) { delivered.push_back(std::move(messages)); });
    CHECK(stream.take(ResultHeader{}, 0).ok());
    CHECK(stream.take(ResultRows{}, 10).ok());
    CHECK(delivered.empty());
    CHECK(stream.take(ResultEnd{}, 0).ok());  // of a result that others follow
    REQUIRE(delivered.size() == 1);
    CHECK(delivered[0].size() == 3);
    CHECK(stream.take(ResultHeader{}, 0).ok());
    CHECK(stream.take(ResultRows{}, result_chunk_bytes).ok());
    REQUIRE(delivered.size() == 2);
    CHECK(delivered[1].size() == 2);
    CHECK(stream.take(ResultRows{}, 10).ok());
    CHECK(delivered.size() == 2);
    CHECK_FALSE(stream.take_back());
    CHECK(stream.release().size() == 1);
    CHECK(stream.release().empty());

    CreditStream unread(1u << 20, [&](std::vector<SessionMessage>) { FAIL("nothing is large enough"); });
    CHECK(unread.take(ResultHeader{}, 0).ok());
    CHECK(unread.take_back());
    CHECK(unread.release().empty());
}

TEST_CASE("behind a definition that has run, what it concerns waits in transactions, too") {
    ReadBarrier barrier([](ReadToken) {});
    int passed = 0;
    const auto wait = [&](std::string_view sql) {
        barrier.wait({Consistency::session, LogIndex{}, true, sql}, [&](LogIndex) { ++passed; });
    };
    barrier.hold();
    wait("SELECT * FROM t");
    CHECK(passed == 1);
    barrier.took_effect();
    wait("SELECT * FROM t");
    CHECK(passed == 1);
    barrier.narrow(*DefinitionReach::of("TRUNCATE t"));
    wait("SELECT * FROM u");
    CHECK(passed == 2);
    wait("");
    barrier.release();
    CHECK(passed == 4);
    barrier.hold();
    wait("SELECT * FROM t");
    CHECK(passed == 5);
}

TEST_CASE("definitions that only make a table and its rows") {
    CHECK(makes_rows_only("CREATE TABLE t (PRIMARY KEY (id)) AS SELECT * FROM u"));
    CHECK_FALSE(makes_rows_only("CREATE OR REPLACE TABLE t AS SELECT * FROM u"));
    CHECK_FALSE(makes_rows_only("CREATE TABLE t (p INT, FOREIGN KEY (p) REFERENCES parent (id)) AS SELECT 1 AS p"));
    CHECK_FALSE(makes_rows_only("ALTER TABLE t ADD COLUMN c INT"));
    CHECK_FALSE(makes_rows_only("CREATE TABLE t AS SELECT NEXTVAL(s) AS n FROM u"));
    CHECK_FALSE(makes_rows_only("CREATE TABLE t AS SELECT NEXT VALUE FOR s AS n FROM u"));
    CHECK_FALSE(makes_rows_only("CREATE TABLE t (c INT COMMENT 'a\\', p INT REFERENCES q (id)) AS SELECT 1 AS p"));
    CHECK(makes_table("CREATE OR REPLACE TABLE t AS SELECT f()"));
    for (const char* sql :
         {"CREATE TABLE t AS SELECT 1 AS a", "CREATE OR REPLACE TABLE d.t (id INT PRIMARY KEY) (SELECT 1 AS id)",
          "CREATE TABLE t WITH q AS (SELECT 1 AS a) SELECT * FROM q", "CREATE TABLE t (a INT) VALUES (1)"}) {
        INFO(sql);
        CHECK(fills_table(sql));
    }
    for (const char* sql :
         {"CREATE TABLE t (a INT PRIMARY KEY, `select` INT COMMENT 'SELECT') WITH SYSTEM VERSIONING",
          "CREATE TABLE t (a INT PRIMARY KEY) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (5))",
          "CREATE TABLE t LIKE u", "INSERT INTO t SELECT 1"}) {
        INFO(sql);
        CHECK_FALSE(fills_table(sql));
    }
    CHECK_FALSE(makes_table("CREATE INDEX i ON t (a)"));
    CHECK(ignores_what_it_fills("CREATE TABLE t (a INT PRIMARY KEY) IGNORE AS (SELECT 1 AS a)"));
    CHECK(ignores_what_it_fills("CREATE TABLE t IGNORE SELECT 1 AS a"));
    CHECK_FALSE(ignores_what_it_fills("CREATE TABLE t (a INT PRIMARY KEY) SELECT 1 AS a FROM u IGNORE INDEX (i)"));
}
