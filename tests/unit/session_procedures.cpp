// What procedures do that no text of a client's shows.
#include <catch2/catch.hpp>

#include "session_support.hpp"

namespace ddb::session::test {

// As on a server. Outside of a transaction it is one, of which nothing stays.
TEST_CASE("what a procedure did before it failed belongs to the transaction around it") {
    Client c = fresh("hw12");
    c.good("CREATE TABLE hw12log (id INT AUTO_INCREMENT PRIMARY KEY, what INT)");
    c.good(
        "CREATE PROCEDURE hw12p(x INT) BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN "
        "INSERT INTO hw12log (what) VALUES (x); RESIGNAL; END; "
        "INSERT INTO hw12 VALUES (x, x); INSERT INTO hw12 VALUES (x, x); END");
    const auto logged = [&] {
        return c.good("SELECT COUNT(*) FROM hw12log").cell() + c.good("SELECT COUNT(*) FROM hw12").cell();
    };
    c.good("BEGIN");
    CHECK(c.run("CALL hw12p(1)").code() == 1062);
    CHECK(logged() == "11");
    c.good("COMMIT");
    CHECK(logged() == "11");
    c.good("SET autocommit = 0");
    CHECK(c.run("EXECUTE IMMEDIATE 'CALL hw12p(2)'").code() == 1062);
    c.good("COMMIT");
    CHECK(logged() == "22");
    CHECK(c.run("BEGIN NOT ATOMIC INSERT INTO hw12log (what) VALUES (3); SIGNAL SQLSTATE '45000'; END").code() == 1644);
    CHECK(logged() == "32");
    c.good("ROLLBACK");
    c.good("CREATE PROCEDURE hw12c() BEGIN INSERT INTO hw12log (what) VALUES (5); COMMIT; END");
    CHECK(c.run("CALL hw12c()").code() == 1399);  // refused
    c.good("COMMIT");
    c.good("SET autocommit = 1");
    CHECK(c.run("CALL hw12p(4)").code() == 1062);
    CHECK(logged() == "22");
}

TEST_CASE("temporary tables need no key, in whatever text, and all others do") {
    Client c = fresh("hw11");
    const auto demanded = [&] { return c.good("SELECT @@innodb_force_primary_key FOR UPDATE").cell(); };
    CHECK(demanded() == "0");
    c.good(
        "CREATE PROCEDURE hw11p() BEGIN DROP TEMPORARY TABLE IF EXISTS hw11t; "
        "EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE hw11t (a INT)'; INSERT INTO hw11t VALUES (1), (1); "
        "PREPARE s FROM 'CREATE TEMPORARY TABLE hw11u AS SELECT a FROM hw11t'; EXECUTE s; "
        "SELECT COUNT(*) FROM hw11u; DROP TEMPORARY TABLE hw11u; END");
    for (const char* const begin : {"COMMIT", "BEGIN"}) {
        c.good(begin);
        CHECK(c.good("CALL hw11p()").cell() == "2");
        CHECK(c.good("SELECT COUNT(*) FROM hw11t").cell() == "2");
    }
    c.good("COMMIT");
    c.good("ALTER TABLE hw11t ADD INDEX (a)");
    c.good("ALTER TABLE hw11t ADD id INT AUTO_INCREMENT UNIQUE FIRST, ADD b INT DEFAULT 1");
    c.good("ALTER TABLE hw11t DROP id, DROP b");
    c.good("CREATE TABLE hw11l LIKE hw11t");
    CHECK(c.good("SHOW CREATE TABLE hw11l").cell(0, 1).find("ddb_row_key") != std::string::npos);
    CHECK(c.good("SHOW CREATE TABLE hw11t").cell(0, 1).find("ddb_row_key") == std::string::npos);
    for (const char* const sql :
         {"CREATE OR REPLACE TABLE hw11l (a INT)", "ALTER TABLE hw11 DROP PRIMARY KEY", "ALTER TABLE hw11 DROP id",
          "ALTER TABLE hw11 ADD a INT, DROP COLUMN IF EXISTS ID", "DROP INDEX `PRIMARY` ON hw11",
          "ALTER TABLE hw11 DROP CONSTRAINT `primary`", "EXECUTE IMMEDIATE 'ALTER TABLE hw11 DROP id'"}) {
        INFO(sql);
        CHECK(c.run(sql).code() == 1173);
        CHECK(demanded() == "0");
    }
    CHECK(c.run("ALTER TABLE hw11 ADD PRIMARY KEY IF NOT EXISTS (id), DROP PRIMARY KEY").code() == 1173);
    c.good("ALTER TABLE hw11 DROP PRIMARY KEY, ADD PRIMARY KEY (v)");
    c.good("CREATE TABLE hw11n (a INT NOT NULL UNIQUE, b INT)");
    CHECK(c.run("ALTER TABLE hw11n MODIFY a INT").code() == 1173);
    CHECK(c.run("DROP INDEX a ON hw11n").code() == 1173);
    c.good("ALTER TABLE hw11n DROP b, ADD c INT");
    CHECK(demanded() == "0");
}

}  // namespace ddb::session::test
