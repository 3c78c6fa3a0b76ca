// Writes that a statement does not name, by functions and sequences: in SET, and in what fills a temporary table.
#include <catch2/catch.hpp>

#include "schemas/status_flags.hpp"
#include "session_support.hpp"

namespace ddb::session::test {
namespace {

// A table of one row, and a function that counts in it.
Client counting(const std::string& name) {
    Client c = fresh(name.c_str());
    c.good("INSERT INTO " + name + " VALUES (1, 0)");
    c.good("CREATE FUNCTION " + name + "f() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN UPDATE " + name +
           " SET v = v + 1; RETURN (SELECT v FROM " + name + " WHERE id = 1); END");
    c.good("CREATE VIEW " + name + "v AS SELECT " + name + "f() AS n");
    c.good("CREATE SEQUENCE " + name + "s");
    return c;
}

std::uint64_t foreign_writes() {
    return bench().node->engine->counters().foreign_writes;
}

}  // namespace

TEST_CASE("what SET writes by a function belongs to the transaction around it") {
    Client c = counting("hw0");
    const auto foreign = foreign_writes();
    const auto value = [&] { return c.good("SELECT v FROM hw0").cell(); };
    c.good("BEGIN");
    c.good("SET @x = hw0f()");
    CHECK(c.good("SELECT @x").cell() == "1");
    c.good("ROLLBACK");
    CHECK(value() == "0");
    c.good("SET autocommit = 0");
    CHECK((c.good("SET @x = NOW()").end.status_flags & status_in_transaction) == 0);
    CHECK((c.good("SET @x = hw0f()").end.status_flags & status_in_transaction) != 0);
    c.good("ROLLBACK");
    CHECK(value() == "0");
    c.good("SET @x = (SELECT n FROM hw0v)");
    c.good("COMMIT");
    CHECK(bench().entries.back().kind == EntryKind::rows);
    c.good("SET autocommit = 1");
    CHECK(value() == "1");
    c.good("START TRANSACTION READ ONLY");
    CHECK(c.run("SET @x = hw0f()").code() == 1792);
    c.good("COMMIT");
    c.good("SET TRANSACTION READ ONLY");
    CHECK(c.run("SET @x = hw0f()").code() == 1792);
    c.good("SET @x = hw0f()");
    c.good("SET SESSION TRANSACTION READ ONLY");
    CHECK(c.run("SET @x = hw0f()").code() == 1792);
    c.good("SET SESSION TRANSACTION READ WRITE");
    CHECK(value() == "2");
    CHECK(c.run("SET autocommit = 1, @x = hw0f()").code() == 1235);
    c.good("SET autocommit = 1, sql_mode = CONCAT(@@sql_mode, '')");
    CHECK(value() == "2");
    CHECK(foreign_writes() == foreign);
}

TEST_CASE("what fills a temporary table by a function is decided before the answer") {
    Client c = counting("hw1");
    const auto foreign = foreign_writes();
    const auto value = [&] { return c.good("SELECT v FROM hw1").cell(); };
    bench().hold_decisions(true);
    const auto made = c.start("CREATE TEMPORARY TABLE hw1a (PRIMARY KEY (n)) AS SELECT hw1f() AS n");
    CHECK(c.waits(made));
    bench().hold_decisions(false);
    CHECK(!c.finish(made).end.error);
    CHECK(c.good("SELECT n FROM hw1a").cell() == "1");
    c.good("CREATE OR REPLACE TEMPORARY TABLE hw1a (PRIMARY KEY (n)) SELECT n FROM hw1v");
    CHECK(c.good("SELECT n FROM hw1a").cell() == "2");
    c.good("CREATE TEMPORARY TABLE hw1b (PRIMARY KEY (n)) AS SELECT 7 AS n");
    CHECK(c.good("SELECT n FROM hw1b").cell() == "7");
    c.good("BEGIN");
    c.good("CREATE TEMPORARY TABLE hw1c (PRIMARY KEY (n)) AS SELECT hw1f() AS n");
    c.good("ROLLBACK");
    CHECK(value() == "2");
    c.good("SET TRANSACTION READ ONLY");
    CHECK(c.run("CREATE TEMPORARY TABLE hw1d (PRIMARY KEY (n)) AS SELECT hw1f() AS n").code() == 1792);
    CHECK(c.run("CREATE TEMPORARY TABLE hw1e (PRIMARY KEY (n)) AS SELECT hw1f() AS n UNION ALL SELECT 3").code() ==
          1062);
    CHECK(value() == "2");
    CHECK(foreign_writes() == foreign);
}

TEST_CASE("a sequence's numbers are decided before they are told, whatever asks for them") {
    Client c = counting("hw2");
    c.good("SET autocommit = 0");
    int used = 0;
    for (const char* sql : {"SELECT NEXT VALUE FOR hw2s", "SET @n = NEXT VALUE FOR hw2s"}) {
        INFO(sql);
        used += 5000;
        c.good("SELECT SETVAL(hw2s, " + std::to_string(used) + ")");
        c.good("COMMIT");
        bench().hold_decisions(true);
        const auto asked = c.start(sql);
        const bool told = !c.waits(asked);
        const auto committed = told ? c.start("COMMIT") : asked;
        CHECK(c.waits(committed));
        bench().hold_decisions(false);
        CHECK(!c.finish(committed).end.error);
        if (!told) c.good("COMMIT");
    }
}

TEST_CASE("under a read lock on everything the sequences of others stand still in transactions, too") {
    Client a = counting("hw3");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("FLUSH TABLES WITH READ LOCK");
    a.good("SET lock_wait_timeout = 1");
    a.good("BEGIN");
    for (const char* sql :
         {"SELECT NEXT VALUE FOR hw3s", "SELECT nextval(hw3s)", "DO SETVAL(hw3s, 9)", "SET @n = NEXT VALUE FOR hw3s",
          "CREATE TEMPORARY TABLE hw3a (PRIMARY KEY (n)) AS SELECT NEXTVAL(hw3s) AS n",
          "CREATE TEMPORARY TABLE hw3b (PRIMARY KEY (n)) AS SELECT hw3f() AS n"}) {
        INFO(sql);
        CHECK(a.run(sql).code() == 1205);
    }
    a.good("SELECT PREVIOUS VALUE FOR hw3s");
    a.good("ROLLBACK");
    for (const char* sql : {"CREATE TEMPORARY TABLE hw3c (PRIMARY KEY (n)) AS SELECT hw3f() AS n"}) {
        INFO(sql);
        CHECK(a.run(sql).code() == 1205);
        CHECK(f.run(sql).code() == 1223);
    }
    a.good("CREATE TEMPORARY TABLE hw3d (PRIMARY KEY (n)) AS SELECT 1 AS n");
    f.good("CREATE TEMPORARY TABLE hw3d (PRIMARY KEY (n)) AS SELECT 1 AS n");
    CHECK(f.good("SELECT next_not_cached_value FROM hw3s").cell() == "1");
    f.good("UNLOCK TABLES");
    CHECK(a.good("SELECT NEXT VALUE FOR hw3s").cell() == "1");
}

TEST_CASE("a temporary table that an EXECUTE or a block makes is one of the session's") {
    Client c = fresh("hw4");
    for (const char* make : {"EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE hw4t (id INT PRIMARY KEY)'",
                             "BEGIN NOT ATOMIC CREATE TEMPORARY TABLE hw4t (id INT PRIMARY KEY); END", "EXECUTE s"}) {
        Client f(bench(), *bench().follower, "root", "d");
        INFO(make);
        f.good("PREPARE s FROM 'CREATE TEMPORARY TABLE hw4t (id INT PRIMARY KEY)'");
        f.good(make);
        f.good("INSERT INTO hw4t VALUES (1)");
        CHECK(f.good("SELECT id FROM hw4t").cell() == "1");
        f.good("UPDATE hw4t SET id = 2");
        CHECK(f.good("SELECT id FROM hw4t").cell() == "2");
        CHECK(!bench().node->engine->idle());
    }
    Client f(bench(), *bench().follower, "root", "d");
    f.good("BEGIN NOT ATOMIC CREATE TEMPORARY TABLE hw4t (id INT PRIMARY KEY); INSERT INTO hw4t VALUES (3); END");
    CHECK(f.good("SELECT id FROM hw4t").cell() == "3");
}

TEST_CASE("what EXECUTE hides ends a transaction as it says") {
    Client c = fresh("hw5");
    const auto rows = [&] { return c.good("SELECT COUNT(*) FROM hw5").cell(); };
    c.good("SET @hw5 = 'ROLLBACK'");
    c.good("PREPARE hw5p FROM @hw5");
    for (const char* const sql : {"EXECUTE IMMEDIATE 'ROLLBACK'", "EXECUTE IMMEDIATE @hw5", "EXECUTE hw5p"}) {
        INFO(sql);
        c.good("BEGIN");
        c.good("INSERT INTO hw5 VALUES (1, 1)");
        CHECK((c.good(sql).end.status_flags & status_in_transaction) == 0);
        c.good("COMMIT");
        CHECK(rows() == "0");
    }
    c.good("BEGIN");
    c.good("INSERT INTO hw5 VALUES (1, 1)");
    CHECK(c.run("EXECUTE IMMEDIATE 'START TRANSACTION'").code() == 1235);
    CHECK(c.run("EXECUTE IMMEDIATE 'LOCK TABLES hw5 WRITE'").code() == 1235);
    c.good("INSERT INTO hw5 VALUES (2, 1)");
    c.good("EXECUTE IMMEDIATE 'COMMIT'");
    c.good("ROLLBACK");
    CHECK(rows() == "2");
    CHECK(c.run("EXECUTE IMMEDIATE 'BEGIN'").code() == 1235);
    c.good("BEGIN");
    c.good("INSERT INTO hw5 VALUES (3, 1)");
    c.good("EXECUTE IMMEDIATE 'CREATE TABLE hw5b (id INT PRIMARY KEY)'");
    c.good("ROLLBACK");
    CHECK(rows() == "3");
    c.good("EXECUTE hw5p");
}

TEST_CASE("RENAME TABLE that is hidden does what it says, to a temporary table too") {
    Client c = fresh("hw6");
    c.good("CREATE TEMPORARY TABLE hw6 (id INT PRIMARY KEY)");
    const auto entries = bench().entries.size();
    c.good("EXECUTE IMMEDIATE 'RENAME TABLE hw6 TO hw6t'");
    CHECK(bench().entries.size() == entries);
    CHECK(c.good("SELECT COUNT(*) FROM hw6t").cell() == "0");
    Client other(bench(), *bench().node, "root", "d");
    other.good("EXECUTE IMMEDIATE 'RENAME TABLE hw6 TO hw6b'");
    CHECK(other.good("SELECT COUNT(*) FROM hw6b").cell() == "0");
}

// Where the text is known. One that fails halfway is in no log, so that it must be.
TEST_CASE("rights are given and taken by hidden statements as by those of their own") {
    Client c = fresh("hw9");
    c.good("CREATE USER hw9u");
    c.good("CREATE ROLE hw9r");
    c.good("SET @hw9 = 'GRANT SELECT ON d.* TO hw9u, nosuch@nowhere'");
    c.good("PREPARE hw9p FROM @hw9");
    const auto rights = [&] { return c.good("SHOW GRANTS FOR hw9u").rows.size(); };
    for (const char* const begin : {"COMMIT", "BEGIN"}) {
        INFO(begin);
        const auto entries = bench().entries.size();
        c.good(begin);
        CHECK(c.run("EXECUTE hw9p").code() == 1133);
        CHECK(rights() == 2);
        c.good(begin);
        CHECK(c.run("EXECUTE IMMEDIATE @hw9").code() == 1133);  // changes nothing any more
        c.good("EXECUTE IMMEDIATE CONCAT('GRANT hw9r ', 'TO hw9u')");
        c.good("EXECUTE IMMEDIATE 'REVOKE ALL, GRANT OPTION FROM hw9u'");
        CHECK(rights() == 1);
        CHECK(bench().entries.size() == entries + 3);
    }
    // Others may have prepared it anew: nobody knows its text.
    c.good("CREATE PROCEDURE hw9q() PREPARE hw9p FROM 'GRANT SELECT ON d.* TO hw9u'");
    c.good("CALL hw9q()");
    const Answer refused = c.run("EXECUTE hw9p");
    CHECK(refused.code() == 1235);
    CHECK((refused.end.error && refused.end.error->message.find("statement of its own") != std::string::npos));
    CHECK(rights() == 1);
    c.good("DROP USER hw9u");
    c.good("DROP ROLE hw9r");
}

TEST_CASE("a hidden definition is asked what one of its own is") {
    Client c = fresh("hw13");
    const std::string own = bench().database->service().user;
    c.good("SET @drop = 'DROP USER " + own + "@localhost'");
    c.good("PREPARE hw13p FROM @drop");
    c.good("SET @space = 'ALTER TABLE hw13 DISCARD TABLESPACE'");
    const auto entries = bench().entries.size();
    for (const char* const begin : {"COMMIT", "BEGIN"}) {
        INFO(begin);
        c.good(begin);
        for (const std::string& sql :
             {std::string("EXECUTE hw13p"), std::string("EXECUTE IMMEDIATE @drop"),
              "EXECUTE IMMEDIATE CONCAT('RENAME ', 'USER " + own + " TO x')", std::string("EXECUTE IMMEDIATE @space"),
              std::string("EXECUTE IMMEDIATE 'ALTER TABLE hw13 DISCARD TABLESPACE'"),
              std::string("PREPARE x FROM @space"), std::string("EXECUTE IMMEDIATE 'PURGE BINARY LOGS BEFORE NOW()'"),
              std::string("EXECUTE IMMEDIATE 'SET GLOBAL binlog_format = STATEMENT'"),
              std::string(
                  "EXECUTE IMMEDIATE CONCAT('CREATE TABLE hw13s (PRIMARY KEY (id)) ', 'IGNORE SELECT * FROM hw13')")}) {
            INFO(sql);
            CHECK(c.run(sql).code() == 1235);
        }
        CHECK(c.run("EXECUTE x").code() == 1243);
    }
    c.good("COMMIT");
    CHECK(bench().entries.size() == entries);
    c.good("EXECUTE IMMEDIATE 'CREATE TABLE hw13a (a INT)'");
    c.good("SET @make = 'CREATE TABLE hw13b AS SELECT 1 AS a'");
    c.good("PREPARE hw13p FROM @make");
    c.good("BEGIN");
    c.good("EXECUTE hw13p");
    c.good("INSERT INTO hw13a VALUES (1), (1)");
    c.good("UPDATE hw13b SET a = a + 1");
    // In another database than the present one its names are that one's.
    c.good("CREATE DATABASE hw13d");
    c.good("PREPARE hw13p FROM 'DROP TABLE hw13b'");
    c.good("USE hw13d");
    c.good("EXECUTE hw13p");
    c.good("DROP DATABASE hw13d");
    c.good("USE d");
    CHECK(c.run("SELECT * FROM hw13b").code() == 1146);
    CHECK(c.good("SELECT COUNT(*) FROM hw13a").cell() == "2");
}

TEST_CASE("autocommit that a procedure switches off is off") {
    Client c = fresh("hw7");
    c.good("CREATE PROCEDURE hw7off() SET autocommit = 0");
    for (const char* const sql : {"CALL hw7off()", "EXECUTE IMMEDIATE 'SET autocommit = 0'"}) {
        INFO(sql);
        CHECK((c.good(sql).end.status_flags & status_autocommit) == 0);
        c.good("INSERT INTO hw7 VALUES (1, 1)");
        c.good("ROLLBACK");
        CHECK(c.good("SELECT COUNT(*) FROM hw7").cell() == "0");
        c.good("COMMIT");
        c.good("BEGIN");
        c.good(sql);
        c.good("INSERT INTO hw7 VALUES (1, 1)");
        c.good("ROLLBACK");
        c.good("INSERT INTO hw7 VALUES (1, 1)");
        c.good("ROLLBACK");
        c.good("SET autocommit = 1");
        CHECK(c.good("SELECT COUNT(*) FROM hw7").cell() == "0");
    }
    c.good("INSERT INTO hw7 VALUES (1, 1)");
    c.good("ROLLBACK");
    CHECK(c.good("SELECT COUNT(*) FROM hw7").cell() == "1");
}

TEST_CASE("autocommit that a procedure switches off before it fails is off") {
    Client c = fresh("hw10");
    c.good("CREATE PROCEDURE hw10off() BEGIN SET autocommit = 0; SELECT 1; SELECT no_such_column FROM hw10; END");
    for (const bool inside : {false, true}) {
        INFO(inside);
        if (inside) c.good("BEGIN");
        CHECK(c.run("CALL hw10off()").code() == 1054);
        c.good("INSERT INTO hw10 VALUES (1, 1)");
        c.good("ROLLBACK");
        CHECK(c.run("CALL hw10off()").code() == 1054);
        CHECK(c.good("SHOW WARNINGS").cell(0, 1) == "1054");
        CHECK(c.good("SELECT @@autocommit").cell() == "0");
        c.good("INSERT INTO hw10 VALUES (1, 1)");
        c.good("ROLLBACK");
        c.good("SET autocommit = 1");
        CHECK(c.good("SELECT COUNT(*) FROM hw10").cell() == "0");
    }
}

TEST_CASE("a definition that the node refuses leaves the session as it was") {
    Client c = fresh("hw8");
    c.good("SET foreign_key_checks = 0");
    c.good("CREATE TABLE hw8child (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES hw8parent(id))");
    c.good("CREATE TEMPORARY TABLE hw8t (id INT PRIMARY KEY)");
    CHECK(c.run("CREATE TABLE hw8parent (id INT PRIMARY KEY) SELECT 1 AS id").code() == 1235);
    CHECK(c.good("SELECT COUNT(*) FROM hw8t").cell() == "0");
    c.good("CREATE TABLE hw8parent (id INT PRIMARY KEY)");
    c.good("CREATE TABLE IF NOT EXISTS hw8parent SELECT 1 AS id");  // does nothing
    CHECK(c.run("CREATE OR REPLACE TABLE hw8parent (id INT PRIMARY KEY) SELECT 1 AS id").code() == 1235);
    c.good("DROP TABLE hw8child, hw8parent");
}

}  // namespace ddb::session::test
