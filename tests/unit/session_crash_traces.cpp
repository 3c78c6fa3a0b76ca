// Of which definitions a server that ends in the middle may leave half.
#include <catch2/catch.hpp>

#include "node/session/crash_traces.hpp"
#include "node/session/dropped_databases.hpp"

using ddb::session::may_leave_traces;

TEST_CASE("what MariaDB takes back whole leaves no traces") {
    for (const char* sql :
         {"CREATE TABLE t (a INT)", "CREATE TABLE IF NOT EXISTS t LIKE u", "create table t as select 1, 2",
          "/* x */ CREATE VIEW v AS SELECT 1", "RENAME TABLE a TO b, b TO c",
          "CREATE DEFINER=`a`@`b` TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @x = 1", "CREATE SEQUENCE s",
          "CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW v AS SELECT 1", "FLUSH TABLES", "ANALYZE TABLE t",
          "CHECK TABLE t"}) {
        INFO(sql);
        CHECK_FALSE(may_leave_traces(sql));
    }
}

TEST_CASE("what is replaced, brought to its end later, and stands in tables without transactions may leave traces") {
    for (const char* sql : {"CREATE OR REPLACE TABLE t (a INT)",
                            "CREATE /*M! OR REPLACE */ TABLE t (a INT)",
                            "DROP TABLE a",
                            "DROP VIEW v",
                            "CREATE OR REPLACE VIEW v AS SELECT 1",
                            "DROP DATABASE d",
                            "CREATE DATABASE d",
                            "CREATE SCHEMA d",
                            "ALTER DATABASE d CHARACTER SET utf8mb4",
                            "CREATE PROCEDURE p() SELECT 1",
                            "DROP FUNCTION f",
                            "CREATE FUNCTION table_of() RETURNS INT RETURN 1",
                            "CREATE USER a",
                            "DROP ROLE r",
                            "GRANT ALL ON *.* TO a",
                            "RENAME USER a TO b",
                            "TRUNCATE TABLE t",
                            "ALTER TABLE t ADD a INT",
                            "CREATE INDEX i ON t (a)",
                            "EXECUTE s",
                            "BEGIN NOT ATOMIC DROP TABLE a; END",
                            "CREATE PACKAGE p AS END",
                            "REPAIR TABLE t",
                            ""}) {
        INFO(sql);
        CHECK(may_leave_traces(sql));
    }
}

TEST_CASE("which statements drop a database, and make it anew") {
    const auto replaced = [](std::string_view sql) -> std::string {
        const auto dropped = ddb::session::dropped_database(sql);
        return dropped ? "dropped " + dropped->replaced : "none";
    };
    CHECK(replaced("DROP DATABASE d") == "dropped ");
    CHECK(replaced("/* x */ drop schema if exists d") == "dropped ");
    CHECK(replaced("SET STATEMENT max_statement_time = 1 FOR DROP DATABASE d") == "dropped ");
    CHECK(replaced("SET STATEMENT lock_wait_timeout = 1 FOR SET STATEMENT sql_mode = '' FOR DROP DATABASE d") ==
          "dropped ");
    CHECK(replaced("CREATE OR REPLACE DATABASE d") == "dropped d");
    CHECK(replaced("CREATE OR REPLACE SCHEMA `a``b` COLLATE latin1_bin") == "dropped a`b");
    CHECK(replaced("DROP TABLE d") == "none");
    CHECK(replaced("CREATE DATABASE d") == "none");
    CHECK(replaced("CREATE OR REPLACE TABLE d (id INT)") == "none");
}
