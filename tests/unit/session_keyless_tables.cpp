// Tables that are given a key.
#include <catch2/catch.hpp>

#include "node/session/keyless_inserts.hpp"
#include "node/session/keyless_tables.hpp"

using namespace ddb::session;

namespace {

const std::string key = "`ddb_row_key` BIGINT UNSIGNED INVISIBLE DEFAULT (UUID_SHORT()) PRIMARY KEY";

}  // namespace

TEST_CASE("a table gets a key where its columns begin") {
    CHECK(with_row_key("CREATE TEMPORARY TABLE t (a INT)") == "CREATE TEMPORARY TABLE t (" + key + ", a INT)");
    CHECK(with_row_key("CREATE TABLE IF NOT EXISTS t (a INT)") == "CREATE TABLE IF NOT EXISTS t (" + key + ", a INT)");
    CHECK(with_row_key("create or replace temporary table if not exists `d d`.`t`(a int, b blob) engine=innodb") ==
          "create or replace temporary table if not exists `d d`.`t`(" + key + ", a int, b blob) engine=innodb");
    CHECK(with_row_key("/* x */ CREATE TEMPORARY TABLE t /* y */ ( INDEX (a) ) SELECT 1 AS a") ==
          "/* x */ CREATE TEMPORARY TABLE t /* y */ (" + key + ",  INDEX (a) ) SELECT 1 AS a");
}

TEST_CASE("and behind its name where it has none of its own") {
    CHECK(with_row_key("CREATE TEMPORARY TABLE t AS SELECT 1 AS a") ==
          "CREATE TEMPORARY TABLE t (" + key + ") AS SELECT 1 AS a");
    CHECK(with_row_key("CREATE TEMPORARY TABLE t SELECT (1) AS a") ==
          "CREATE TEMPORARY TABLE t (" + key + ") SELECT (1) AS a");
    CHECK(with_row_key("CREATE TEMPORARY TABLE t ENGINE=InnoDB WITH x AS (SELECT 1) SELECT * FROM x") ==
          "CREATE TEMPORARY TABLE t (" + key + ") ENGINE=InnoDB WITH x AS (SELECT 1) SELECT * FROM x");
    CHECK(with_row_key("CREATE TEMPORARY TABLE t ((SELECT 1 AS a) UNION (SELECT 2))") ==
          "CREATE TEMPORARY TABLE t (" + key + ") ((SELECT 1 AS a) UNION (SELECT 2))");
}

TEST_CASE("what is no such table gets none") {
    CHECK(with_row_key("CREATE TEMPORARY TABLE t LIKE x").empty());
    CHECK(with_row_key("CREATE TEMPORARY TABLE t (LIKE x)").empty());
    CHECK(with_row_key("CREATE OR REPLACE TABLE t (a INT)").empty());
    CHECK(with_row_key("CREATE VIEW t AS SELECT 1").empty());
    CHECK(with_row_key("DROP TEMPORARY TABLE t").empty());
    CHECK(with_row_key("CREATE TEMPORARY TABLE").empty());
    CHECK(with_row_key("CREATE TEMPORARY TABLE t").find(key) != std::string::npos);
    CHECK(with_row_key("").empty());
}

TEST_CASE("on MySQL the key is never 0") {
    const std::string check = row_check(3750, ddb::TxnId{ddb::Epoch{5}, 6});
    CHECK(check == "ddb_row_key_5_6");
    CHECK(row_check(1173, ddb::TxnId{ddb::Epoch{5}, 6}).empty());
    const std::string whole = key + " CONSTRAINT `ddb_row_key_5_6` CHECK (`ddb_row_key` <> 0)";
    CHECK(with_row_key("CREATE TABLE t (a INT)", check) == "CREATE TABLE t (" + whole + ", a INT)");
    CHECK(with_row_key("CREATE TABLE t SELECT 1 AS a", check) == "CREATE TABLE t (" + whole + ") SELECT 1 AS a");
}

TEST_CASE("an INSERT without a list of columns is given one") {
    CHECK(table_filled_unnamed("INSERT INTO d.`t x` VALUES (1)") == "d.`t x`");
    CHECK(table_filled_unnamed("replace low_priority t value (1), (2)") == "t");
    CHECK(table_filled_unnamed("INSERT HIGH_PRIORITY IGNORE t VALUES ROW(1)") == "t");
    for (const char* other : {"INSERT INTO t (a) VALUES (1)", "INSERT INTO t SELECT 1", "INSERT INTO t SET a = 1",
                              "INSERT INTO t () VALUES ()", "UPDATE t SET a = 1", "INSERT INTO t VALUES", "INSERT", ""})
        CHECK(table_filled_unnamed(other).empty());
    CHECK(ignores_errors("INSERT IGNORE INTO t VALUES (1)"));
    CHECK_FALSE(ignores_errors("INSERT INTO t VALUES (1)"));
    CHECK_FALSE(ignores_errors("INSERT IGNORE INTO t (a) VALUES (1)"));
    CHECK(with_columns("/* x */ INSERT INTO d.t /* y */ VALUES (1)", "`a`, `b`") ==
          "/* x */ INSERT INTO d.t /* y */ (`a`, `b`) VALUES (1)");
}

TEST_CASE("the key goes where the client gives another one") {
    CHECK(table_given_key("ALTER TABLE d.`t` ADD PRIMARY KEY (a)") == "d.`t`");
    CHECK(table_given_key("alter online ignore table if exists t add id int auto_increment primary key") == "t");
    CHECK(table_given_key("ALTER TABLE t ADD c INT").empty());
    CHECK(table_given_key("ALTER DATABASE t").empty());
    CHECK(table_given_key("CREATE TABLE t (a INT PRIMARY KEY)").empty());
    CHECK(without_row_key("ALTER TABLE d.`t` ADD PRIMARY KEY (a)") ==
          "ALTER TABLE d.`t` DROP COLUMN `ddb_row_key`, ADD PRIMARY KEY (a)");
    CHECK(without_row_key("ALTER TABLE t WAIT 5 ADD PRIMARY KEY (a)") ==
          "ALTER TABLE t WAIT 5 DROP COLUMN `ddb_row_key`, ADD PRIMARY KEY (a)");
    CHECK(without_row_key("ALTER TABLE t NOWAIT ADD PRIMARY KEY (a)") ==
          "ALTER TABLE t NOWAIT DROP COLUMN `ddb_row_key`, ADD PRIMARY KEY (a)");
    CHECK(has_row_key("CREATE TABLE `t` (\n  `ddb_row_key` bigint(20) unsigned,\n  PRIMARY KEY (`ddb_row_key`)\n)"));
    CHECK_FALSE(has_row_key("CREATE TABLE `t` (\n  `ddb_row_key` bigint(20) unsigned,\n  PRIMARY KEY (`a`)\n)"));
    CHECK_FALSE(has_row_key("CREATE TEMPORARY TABLE `t` (\n  `a` int(11)"));
}

TEST_CASE("a definition is tried with another table") {
    const auto altered = altered_instead("ALTER TABLE /* x */ d.`t` MODIFY id INT, DROP PRIMARY KEY", "a.b");
    CHECK(altered.name == "d.`t`");
    CHECK(altered.sql == "ALTER TABLE /* x */ a.b MODIFY id INT, DROP PRIMARY KEY");
    CHECK(altered_instead("drop index if exists `PRIMARY` on t wait 5", "a.b").sql ==
          "drop index if exists `PRIMARY` on a.b wait 5");
    for (const char* other :
         {"ALTER TABLE t RENAME u, DROP PRIMARY KEY", "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u", "DROP INDEX",
          "ALTER TABLE", "DROP TABLE t", ""}) {
        CHECK(altered_instead(other, "a.b").name.empty());
        CHECK(altered_instead(other, "a.b").sql.empty());
    }
}
