// Definitions, accounts, programs and a dump: what runs outside XA, and what servers log in their own way.
#include <algorithm>
#include <catch2/catch.hpp>

#include "session_support.hpp"

using namespace ddb;
using namespace ddb::session;
using namespace ddb::session::test;

TEST_CASE("definitions and accounts") {
    Client c = fresh("t6");
    const auto before = bench().entries.size();
    c.good("ALTER TABLE t6 ADD w INT DEFAULT 4");
    CHECK(bench().entries.back().kind == EntryKind::statement);
    CHECK(bench().entries.size() == before + 1);
    CHECK(c.run("CREATE TABLE t6 (id INT PRIMARY KEY)").code() == 1050);
    CHECK(bench().entries.size() == before + 1);
    CHECK(c.run("DROP TABLE t6, missing").code() == 1051);  // drops t6 all the same
    CHECK(bench().entries.size() == before + 2);
    CHECK(bench().entries.back().outcome.error_code == 1051);
    CHECK(c.run("SELECT * FROM t6").code() == 1146);
    c.good("CREATE TABLE t6c (PRIMARY KEY (id)) AS SELECT 1 AS id");
    CHECK(c.good("SELECT id FROM t6c").cell() == "1");
    c.good("CREATE USER u6 IDENTIFIED BY 'pw'");
    c.good("GRANT SELECT ON d.* TO u6");
    const auto granted = bench().entries.size();
    CHECK(c.run("GRANT SELECT ON d.* TO u6, nobody6").code() == 1133);  // of what it has
    CHECK(bench().entries.size() == granted);
    CHECK(c.run("GRANT UPDATE ON d.* TO u6, nobody6").code() == 1133);
    CHECK(bench().entries.back().outcome.error_code == 1133);
    Client u(bench(), *bench().node, "u6", "d");
    CHECK(u.good("SELECT id FROM t6c").cell() == "1");
    CHECK(u.run("INSERT INTO t6c VALUES (2)").code() == 1142);
    CHECK(u.run("CREATE TABLE no (id INT PRIMARY KEY)").code() == 1142);
    CHECK(u.good("SELECT COUNT(*) FROM t6c WHERE id=2").cell() == "0");
    c.good("DROP USER u6");
    c.good("CREATE SEQUENCE s6 CACHE 10");
    CHECK(c.good("SELECT NEXTVAL(s6)").cell() == "1");
    CHECK(bench().entries.back().kind == EntryKind::rows);
    CHECK(bench().entries.back().session == SessionId{});
    CHECK(c.good("SELECT NEXTVAL(s6)").cell() == "2");
    CHECK(c.run("XA START 'x'").code() == 1235);
    CHECK(c.run("SET sql_log_bin=0").end.error->code == ErrorCode::invalid_argument);
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("who names an engine that is not replicated is told which one is") {
    Client c = fresh("t6e");
    const auto refused = c.run("CREATE TABLE t6m (id INT PRIMARY KEY) ENGINE=MyISAM");
    CHECK(refused.code() == 1290);
    REQUIRE(refused.end.error);
    CHECK(refused.end.error->message.find("say ENGINE=InnoDB") != std::string::npos);
    c.good("CREATE TEMPORARY TABLE t6m (id INT PRIMARY KEY) ENGINE=MyISAM");  // which is not replicated
    CHECK(c.good("SHOW CREATE TABLE t6m").cell(0, 1).find("ENGINE=InnoDB") != std::string::npos);
    c.good("DROP TEMPORARY TABLE t6m");
    c.good("SET sql_mode = ''");
    c.good("CREATE TABLE t6m (id INT PRIMARY KEY) ENGINE=MyISAM");
    CHECK(c.good("SHOW CREATE TABLE t6m").cell(0, 1).find("ENGINE=InnoDB") != std::string::npos);
    c.good("DROP TABLE t6m");
}

TEST_CASE("an ALTER that depends on the order of rows runs where a key gives them one") {
    Client c = fresh("t6k");
    c.good("INSERT INTO t6k VALUES (1,5),(2,5),(3,6)");
    c.good("ALTER IGNORE TABLE t6k ADD UNIQUE (v)");
    CHECK(c.good("SELECT GROUP_CONCAT(id ORDER BY id) FROM t6k").cell() == "1,3");
    CHECK(c.run("ALTER TABLE t6k ADD n INT AUTO_INCREMENT PRIMARY KEY").code() == 1068);
    c.good("ALTER TABLE t6k DROP PRIMARY KEY, ADD n INT AUTO_INCREMENT PRIMARY KEY");
    c.good("CREATE TABLE t6u (a INT NOT NULL, b INT, UNIQUE (b), UNIQUE (a))");
    c.good("INSERT INTO t6u VALUES (9,1),(8,2)");
    c.good("ALTER TABLE `t6u` ADD n INT AUTO_INCREMENT PRIMARY KEY");
    CHECK(c.good("SELECT n FROM t6u WHERE a = 8").cell() == "1");
    CHECK(c.run("ALTER IGNORE TABLE IF EXISTS d.missing6 ADD UNIQUE (v)").code() == 0);
    CHECK(c.run("ALTER IGNORE TABLE missing6 ADD UNIQUE (v)").code() == 1146);
    // To the server a UNIQUE key of parts of columns will do, but InnoDB keeps no rows in its order.
    c.good("CREATE TABLE t6p (a VARCHAR(20) NOT NULL, n INT, UNIQUE (a(5)))");
    c.good("INSERT INTO t6p VALUES ('x',0),('a',0)");
    CHECK(c.run("ALTER TABLE t6p ADD id INT AUTO_INCREMENT UNIQUE").code() == 1235);
    CHECK(c.run("ALTER TABLE t6p MODIFY n INT AUTO_INCREMENT UNIQUE").code() == 1235);
    CHECK(c.run("ALTER IGNORE TABLE t6p ADD UNIQUE (n)").code() == 1235);
    c.good("ALTER TABLE t6p AUTO_INCREMENT = 7, COMMENT 'c'");
    c.good("DROP TABLE t6p");
    c.good("CREATE VIEW t6v AS SELECT * FROM t6u");  // has no key at all
    CHECK(c.run("ALTER IGNORE TABLE t6v ADD UNIQUE (a)").code() == 1235);
    CHECK(c.run("ALTER TABLE t6v ADD n2 INT AUTO_INCREMENT PRIMARY KEY").code() == 1235);
    c.good("DROP VIEW t6v");
    c.good("DROP TABLE t6u");
}

// Each server counts for itself: rows of these tables would not be found on another one.
TEST_CASE("what a client changes in the statistics of tables stays on its server") {
    Client c = fresh("t22");
    c.good("INSERT INTO t22 VALUES (1,1),(2,2)");
    c.good("ANALYZE TABLE t22 PERSISTENT FOR ALL");
    const auto of_table = [](const std::string& names) { return " WHERE " + names + " = ('d', 't22')"; };
    const std::string counted = of_table("(db_name, table_name)");
    const std::string innodb = of_table("(database_name, table_name)");
    CHECK(c.good("SELECT COUNT(*) FROM mysql.column_stats" + counted + " FOR UPDATE").cell() == "2");
    const auto before = bench().entries.size();
    c.good("DELETE FROM mysql.column_stats" + counted);
    CHECK(c.good("SELECT COUNT(*) FROM mysql.column_stats" + counted + " FOR UPDATE").cell() == "0");
    CHECK(bench().entries.size() == before);
    c.good("UPDATE mysql.innodb_table_stats SET n_rows = 77" + innodb);
    CHECK(c.good("SELECT n_rows FROM mysql.innodb_table_stats" + innodb + " FOR UPDATE").cell() == "77");
    REQUIRE(bench().entries.size() == before + 1);
    CHECK(bench().entries.back().row_count == 0);
    CHECK(bench().entries.back().payload.size() == 0);
    c.good("BEGIN");
    c.good("DELETE FROM mysql.innodb_index_stats" + innodb);
    c.good("INSERT INTO t22 VALUES (3,3)");
    c.good("COMMIT");
    CHECK(bench().entries.back().row_count == 1);
    CHECK(c.good("SELECT COUNT(*) FROM mysql.innodb_index_stats" + innodb + " FOR UPDATE").cell() == "0");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

// It ended the office of each coordinator that ran it, one after the other.
TEST_CASE("what the server logs as text is refused and harms nobody") {
    Client c = fresh("t25");
    c.good(
        "CREATE TABLE t25v (x INT PRIMARY KEY, a BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, b BIGINT UNSIGNED "
        "GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (a, b)) WITH SYSTEM VERSIONING");
    const auto before = bench().entries.size();
    CHECK(c.run("INSERT INTO t25v (x) VALUES (1)").code() == 1235);
    CHECK(c.run("INSERT INTO t25v (x) VALUES (RAND() * 10)").code() == 1235);
    c.good("BEGIN");
    c.good("INSERT INTO t25 VALUES (1,1)");
    c.good("INSERT INTO t25v (x) VALUES (2)");
    CHECK(c.run("COMMIT").code() == 1235);
    CHECK(bench().entries.size() == before);
    c.good("INSERT INTO t25 VALUES (2,2)");
    CHECK(c.good("SELECT COUNT(*) FROM t25v").cell() == "0");
    CHECK(c.good("SELECT id FROM t25").cell() == "2");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("a routine with a byte of zero, at which dumps end, is refused") {
    Client c = fresh("zb");
    const std::string text = "CREATE PROCEDURE zb() SELECT 'a" + std::string(1, '\0') + "b'";
    CHECK(c.run(text).code() == 1235);
    c.good("CREATE PROCEDURE zb() SELECT x'00'");
    c.good("CREATE TABLE zb2 (id INT PRIMARY KEY) COMMENT 'a" + std::string(1, '\0') + "b'");
}

TEST_CASE("SET GLOBAL shortens the waits of sessions that begin later, and never lengthens them") {
    Client c = fresh("t24");
    const std::string limit = c.good("SELECT @@innodb_lock_wait_timeout").cell();
    const std::string global = c.good("SELECT @@GLOBAL.innodb_lock_wait_timeout").cell();
    c.good("SET GLOBAL innodb_lock_wait_timeout = 0");
    CHECK(Client(bench(), *bench().node, "root", "d").good("SELECT @@innodb_lock_wait_timeout").cell() == "0");
    c.good("SET GLOBAL innodb_lock_wait_timeout = 1000");
    CHECK(Client(bench(), *bench().node, "root", "d").good("SELECT @@innodb_lock_wait_timeout").cell() == limit);
    c.good("SET GLOBAL innodb_lock_wait_timeout = " + global);
}

// A server logs it; another one would rename its own table of that name.
TEST_CASE("RENAME TABLE of a temporary table stays in its session") {
    Client c = fresh("t23");
    c.good("INSERT INTO t23 VALUES (1,1)");
    c.good("CREATE TEMPORARY TABLE t23 (x INT PRIMARY KEY)");
    const auto before = bench().entries.size();
    c.good("RENAME TABLE IF EXISTS `d`.t23 TO t23b");
    CHECK(bench().entries.size() == before);
    CHECK(c.good("SHOW CREATE TABLE t23b").cell(0, 1).starts_with("CREATE TEMPORARY"));
    CHECK(c.run("RENAME TABLE t23 TO t23c, t23b TO t23d").code() == 1235);
    CHECK(bench().entries.size() == before);
    c.good("RENAME TABLE t23 TO t23c");
    CHECK(bench().entries.size() == before + 1);
    CHECK(c.good("SELECT v FROM t23c").cell() == "1");
}

TEST_CASE("programs: triggers, functions, procedures, prepared statements, temporary tables") {
    Client c = fresh("t7");
    c.good("CREATE TABLE log7 (id INT AUTO_INCREMENT PRIMARY KEY, v INT)");
    c.good("CREATE TRIGGER tr7 AFTER INSERT ON t7 FOR EACH ROW INSERT INTO log7 (v) VALUES (NEW.v)");
    c.good(
        "CREATE FUNCTION f7(x INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO log7 (v) VALUES (x); "
        "RETURN x; END");
    c.good("CREATE PROCEDURE p7(x INT) BEGIN INSERT INTO t7 VALUES (x,x); SELECT x; SELECT x+1; END");
    c.good("INSERT INTO t7 VALUES (1,1)");
    CHECK(c.good("SELECT f7(5)").cell() == "5");
    CHECK(bench().entries.back().kind == EntryKind::rows);
    auto called = c.good("CALL p7(8)");
    CHECK(called.results == 2);
    CHECK(called.cell(1) == "9");
    CHECK(c.good("SELECT COUNT(*) FROM log7").cell() == "3");
    c.good("PREPARE s FROM 'INSERT INTO t7 VALUES (?,?)'");
    c.good("SET @x = 20");
    c.good("EXECUTE s USING @x, @x");
    CHECK(c.good("SELECT v FROM t7 WHERE id=20").cell() == "20");
    c.good("SET @y = f7(6)");
    CHECK(c.good("SELECT @y").cell() == "6");
    CHECK(c.good("SELECT COUNT(*) FROM log7").cell() == "5");
    c.good("CREATE TEMPORARY TABLE tmp7 (id INT PRIMARY KEY) ENGINE=InnoDB");
    c.good("INSERT INTO tmp7 VALUES (1),(2)");
    CHECK(c.good("SELECT COUNT(*) FROM tmp7").cell() == "2");
    CHECK(!bench().node->engine->idle());
    c.good("DROP TEMPORARY TABLE tmp7");
    c.good("INSERT INTO log7 (v) VALUES (1)");
    CHECK(c.good("SELECT LAST_INSERT_ID()").cell() == c.good("SELECT MAX(id) FROM log7").cell());
    CHECK(c.run("EXECUTE IMMEDIATE 'LOCK TABLES t7 WRITE'").code() == 1235);
    c.good("INSERT INTO t7 VALUES (30,30)");
    CHECK(bench().entries.back().session == c.session);
    c.good("EXECUTE IMMEDIATE 'CREATE TABLE x7 (id INT PRIMARY KEY)'");
    CHECK(bench().entries.back().kind == EntryKind::statement);
    c.good("CREATE PROCEDURE q7() BEGIN INSERT INTO t7 VALUES (40,40); COMMIT; END");
    CHECK(c.run("CALL q7()").code() == 1399);
    CHECK(c.good("SELECT COUNT(*) FROM t7 WHERE id=40").cell() == "0");
    CHECK(bench().node->engine->counters().foreign_writes == 0);
}

TEST_CASE("a dump loads") {
    Client c = fresh("t8");
    for (const char* sql : {"/*M!999999\\- enable the sandbox mode */",
                            "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
                            "/*!40101 SET NAMES utf8mb4 */",
                            "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */",
                            "/*!40103 SET TIME_ZONE='+00:00' */",
                            "/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */",
                            "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
                            "DROP TABLE IF EXISTS `t8`",
                            "/*!40101 SET @saved_cs_client     = @@character_set_client */",
                            "/*!40101 SET character_set_client = utf8 */",
                            "CREATE TABLE `t8` (`id` int(11) NOT NULL AUTO_INCREMENT, `v` varchar(50) DEFAULT NULL, "
                            "PRIMARY KEY (`id`)) ENGINE=InnoDB",
                            "/*!40101 SET character_set_client = @saved_cs_client */",
                            "LOCK TABLES `t8` WRITE",
                            "/*!40000 ALTER TABLE `t8` DISABLE KEYS */",
                            "INSERT INTO `t8` VALUES (0,'a@b'),(2,'it''s')",
                            "/*!40000 ALTER TABLE `t8` ENABLE KEYS */",
                            "UNLOCK TABLES",
                            "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr8 BEFORE "
                            "INSERT ON t8 FOR EACH ROW SET NEW.v='x' */",
                            "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */",
                            "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */"}) {
        INFO(sql);
        CHECK(!c.run(sql).end.error);
    }
    CHECK(c.good("SELECT MIN(id) FROM t8").cell() == "0");
    CHECK(c.good("SELECT @@sql_mode LIKE '%NO_AUTO_VALUE%'").cell() == "0");
}

TEST_CASE("a right to explain a view that was given a moment ago is asked for where it was given") {
    Client c = fresh("explained");
    c.good("CREATE USER u20 IDENTIFIED BY 'pw'");
    c.good("CREATE VIEW explained_v AS SELECT * FROM explained");
    c.good("GRANT SELECT ON d.explained TO u20");
    c.good("GRANT SELECT ON d.explained_v TO u20");
    c.good("GRANT INSERT ON d.* TO u20");
    Client never(bench(), *bench().follower, "u20", "d");
    CHECK(never.run("EXPLAIN SELECT * FROM explained_v").code() == 1345);
    Client u(bench(), *bench().follower, "u20", "d");  // its connection here knows the rights of now
    c.good("GRANT SHOW VIEW ON d.* TO u20");
    u.good("EXPLAIN SELECT * FROM explained_v");
    c.good("DROP VIEW explained_v");
    c.good("DROP USER u20");
}

TEST_CASE("a table that foreign keys name is not filled where others see its rows too early") {
    Client a = fresh("fill0");
    a.good("CREATE TABLE fill0c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES fill0 (id))");
    a.good("CREATE TABLE fill0u (id INT PRIMARY KEY)");
    a.good("INSERT INTO fill0u VALUES (1), (2)");
    a.good("SET foreign_key_checks = 0");
    for (const char* sql : {"CREATE OR REPLACE TABLE fill0 (id INT PRIMARY KEY) AS SELECT id FROM fill0u",
                            "CREATE OR REPLACE TABLE d.Fill0 (id INT PRIMARY KEY) SELECT id FROM fill0u"}) {
        INFO(sql);
        const Answer refused = a.run(sql);
        CHECK(refused.code() == 1235);
        CHECK(refused.end.error->message.find("create it, then INSERT ... SELECT") != std::string::npos);
    }
    a.good("CREATE OR REPLACE TABLE fill0 (id INT PRIMARY KEY) WITH SYSTEM VERSIONING");
    a.good("INSERT INTO fill0 SELECT id FROM fill0u");
    a.good("CREATE OR REPLACE TABLE fill0c (id INT PRIMARY KEY) AS SELECT id FROM fill0u");
    a.good("CREATE OR REPLACE TABLE fill0 (id INT PRIMARY KEY) AS SELECT id FROM fill0u");
    CHECK(a.good("SELECT COUNT(*) FROM fill0").cell() == "2");
}
