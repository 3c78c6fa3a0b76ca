// Which statement goes where, by its text: real dump headers, comments, tricky quotes, everything that is refused.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include "node/session/classifier.hpp"
#include "node/session/client_file.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/versioned_comments.hpp"

using namespace ddb;
using namespace ddb::session;
using Kind = StatementKind;

namespace {

Kind kind_of(const std::string& sql) {
    return classify(sql).kind;
}
bool local(const std::string& sql) {
    const auto c = classify(sql);
    return c.kind == Kind::read && c.local;
}
bool refused(const std::string& sql) {
    const auto c = classify(sql);
    return c.kind == Kind::refused && !c.refusal.empty();
}

}  // namespace

TEST_CASE("which statements leave variables that another coordinator cannot be given") {
    const auto computes = [](const char* sql) { return computes_variables(classify(sql), sql); };
    for (const char* sql : {"SELECT @a := 1", "SELECT 1 INTO @a", "UPDATE t SET v = (@a := v)", "CALL p(1, @a)",
                            "INSERT INTO t SELECT @a := @a + 1", "GET DIAGNOSTICS CONDITION 1 @a = MESSAGE_TEXT",
                            "EXECUTE IMMEDIATE 'SELECT 1 INTO @a'", "SET @a = f()"}) {
        INFO(sql);
        CHECK(computes(sql));
    }
    for (const char* sql : {"UPDATE t SET v := 5, m = 'a@b'", "INSERT INTO t VALUES ('@a := 1')", "CALL p(1)",
                            "INSERT INTO t VALUES (@a)", "EXECUTE p USING @a", "SET @a = 1", "PREPARE p FROM @a"}) {
        INFO(sql);
        CHECK_FALSE(computes(sql));
    }
}

TEST_CASE("what sessions run is asked of the coordinator, as it is now") {
    for (const char* sql : {"SHOW PROCESSLIST", "SHOW FULL PROCESSLIST"}) {
        CHECK_FALSE(classify(sql).local);
        CHECK(classify(sql).of_server);
    }
    for (const char* sql : {"SELECT * FROM information_schema.processlist",
                            "select count(*) = 1 from information_schema.PROCESSLIST where state='x' and id in (1);"}) {
        INFO(sql);
        CHECK(classify(sql).of_server);
    }
    for (const char* sql : {"SELECT * FROM information_schema.processlist, t", "SELECT * FROM t",
                            "SELECT f(id) FROM information_schema.processlist",
                            "SELECT id FROM information_schema.processlist WHERE id IN (SELECT id FROM t)",
                            "SELECT * FROM information_schema.processlist WHERE d.f(1)",
                            "SELECT id FROM information_schema.processlist JOIN t",
                            "SELECT id FROM information_schema.processlist UNION SELECT id FROM t",
                            "SELECT a,b,c,d,e,f,g,h,i,j FROM information_schema.processlist WHERE f(1)"}) {
        INFO(sql);
        CHECK_FALSE(classify(sql).of_server);
    }
    CHECK(classify("SHOW STATUS").local);
    CHECK(classify("SHOW GLOBAL STATUS").of_server);
    CHECK_FALSE(classify("SHOW TABLES").of_server);
}

TEST_CASE("local reads") {
    for (const char* sql : {"SELECT 1",
                            "select * from t where a='x'",
                            "  /* c */ SELECT 1",
                            "(SELECT 1) UNION (SELECT 2)",
                            "WITH a AS (SELECT 1) SELECT * FROM a",
                            "VALUES (1),(2)",
                            "TABLE t",
                            "SHOW TABLES",
                            "SHOW CREATE TABLE t",
                            "DESC t",
                            "DESCRIBE t",
                            "EXPLAIN SELECT 1",
                            "-- x\nSELECT 1",
                            "# x\nSELECT 1",
                            "SELECT * FROM t FOR UPDATE",
                            "SELECT * FROM u WHERE mail = 'a@b.c'",
                            "SELECT 'INTO', 'share'",
                            "SELECT 'it''s @ home'",
                            "SELECT 'x--y'",
                            "select sleep(1)"}) {
        INFO(sql);
        CHECK(local(sql));
    }
    for (const char* sql : {"SELECT @a",
                            "SELECT @@version",
                            "SELECT GET_LOCK('a',1)",
                            "SELECT 1 INTO OUTFILE '/tmp/x'",
                            "SELECT * FROM t LOCK IN SHARE MODE",
                            "SELECT LAST_INSERT_ID()",
                            "SELECT row_count()",
                            "SELECT FOUND_ROWS()",
                            "SELECT SQL_CALC_FOUND_ROWS * FROM t",
                            "SELECT CONNECTION_ID()",
                            "SELECT ID FROM information_schema.processlist",
                            "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX",
                            "SELECT LASTVAL(s)",
                            "SELECT PREVIOUS VALUE FOR s",
                            "SELECT s.currval",
                            "SELECT `last_insert_id`()",
                            "SELECT \"a@b\"",
                            "/*! SELECT 1 */",
                            "/*M!100100 SELECT 1 */",
                            "SELECT /*!40001 SQL_NO_CACHE */ * FROM t",
                            "SELECT 'a\\', @x := 1, '",
                            "SELECT 'a@b', 'c\\\\'",
                            "SELECT is_free_lock('x')",
                            "DO SLEEP(1)",
                            "CHECKSUM TABLE t",
                            "SELECT * FROM t FOR SHARE"}) {
        INFO(sql);
        CHECK(kind_of(sql) == Kind::read);
        CHECK(!local(sql));
    }
}

TEST_CASE("classes") {
    CHECK(kind_of("") == Kind::empty);
    CHECK(kind_of(" -- nothing\n /* at all */ ") == Kind::empty);
    CHECK(kind_of("INSERT INTO t VALUES (1)") == Kind::dml);
    CHECK(kind_of("REPLACE INTO t VALUES (1)") == Kind::dml);
    CHECK(kind_of("LOAD DATA INFILE 'x' INTO TABLE t") == Kind::dml);
    CHECK(kind_of("LOAD DATA LOCAL INFILE 'x' INTO TABLE t") == Kind::dml);
    CHECK(kind_of("ANALYZE SELECT 1") == Kind::dml);
    CHECK(kind_of("ANALYZE FORMAT=JSON SELECT 1") == Kind::dml);
    CHECK(kind_of("ANALYZE TABLE t") == Kind::ddl);
    CHECK(kind_of("gibberish") == Kind::dml);
    CHECK(kind_of("\xff\xfe\x01") == Kind::dml);
    CHECK(kind_of("BEGIN") == Kind::begin);
    CHECK(kind_of("begin work") == Kind::begin);
    CHECK(kind_of("BEGIN NOT ATOMIC SELECT 1; END") == Kind::execute);
    CHECK(classify("BEGIN NOT ATOMIC SELECT 1; END").block);
    CHECK(classify("IF 1 THEN SELECT 1; END IF").block);
    CHECK(classify("DECLARE n INT; BEGIN INSERT INTO t VALUES (1); END").block);
    CHECK_FALSE(classify("EXECUTE IMMEDIATE 'SELECT 1'").block);
    CHECK(classify("START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */").consistent_snapshot);
    CHECK(classify("START TRANSACTION READ ONLY").read_only);
    CHECK(kind_of("COMMIT") == Kind::commit);
    CHECK(kind_of("COMMIT AND NO CHAIN NO RELEASE") == Kind::commit);
    CHECK(!classify("COMMIT AND NO CHAIN").chain);
    CHECK(classify("COMMIT AND CHAIN").chain);
    for (const char* sql : {"COMMIT RELEASE", "commit work and no chain release;", "COMMIT/**/RELEASE"}) {
        CHECK(kind_of(sql) == Kind::commit);
        CHECK(classify(sql).release);
    }
    CHECK_FALSE(classify("ROLLBACK NO RELEASE").release);
    for (const char* sql : {"COMMIT AND CHAIN RELEASE", "COMMIT CHAIN", "COMMIT AND NO RELEASE", "ROLLBACK AND RELEASE",
                            "COMMIT NO", "COMMIT AND", "ROLLBACK RELEASE AND CHAIN"}) {
        CHECK(kind_of(sql) == Kind::dml);
    }
    CHECK(kind_of("COMMIT WORK;") == Kind::commit);
    CHECK(kind_of("COMMIT AND NONSENSE") == Kind::dml);
    CHECK(kind_of("ROLLBACK everything") == Kind::dml);
    CHECK(kind_of("BEGIN WORK") == Kind::begin);
    CHECK(kind_of("START TRANSACTION READ WRITE, WITH CONSISTENT SNAPSHOT;") == Kind::begin);
    CHECK(kind_of("START TRANSACTION NONSENSE") == Kind::execute);
    CHECK(kind_of("BEGIN UPDATE t SET a = 1; END") == Kind::execute);
    CHECK(kind_of("ROLLBACK") == Kind::rollback);
    CHECK(kind_of("ROLLBACK TO SAVEPOINT a") == Kind::savepoint);
    CHECK(kind_of("ROLLBACK WORK TO a") == Kind::savepoint);
    CHECK(kind_of("SAVEPOINT a") == Kind::savepoint);
    CHECK(kind_of("RELEASE SAVEPOINT a") == Kind::savepoint);
    CHECK(kind_of("SHOW WARNINGS") == Kind::diagnostics);
    CHECK(kind_of("SHOW COUNT(*) ERRORS") == Kind::diagnostics);
    CHECK(kind_of("SELECT @@warning_count, @@error_count") == Kind::diagnostics);
    CHECK(kind_of("SELECT @@warning_count, f()") == Kind::read);
    CHECK(kind_of("SELECT @@warning_count,") == Kind::read);
    CHECK(kind_of("SELECT @@warning_count FROM t") == Kind::read);
    CHECK(kind_of("USE `x`") == Kind::use);
    CHECK(kind_of("CALL p()") == Kind::call);
    CHECK(kind_of("EXECUTE IMMEDIATE 'select 1'") == Kind::execute);
    CHECK(kind_of("PREPARE s FROM 'select 1'") == Kind::plain);
    CHECK(kind_of("DROP PREPARE s") == Kind::plain);
    CHECK(kind_of("KILL 3") == Kind::plain);
    CHECK(kind_of("LOCK TABLES t WRITE") == Kind::lock_tables);
    CHECK(kind_of("UNLOCK TABLES") == Kind::unlock_tables);
}

TEST_CASE("definitions and accounts") {
    for (const char* sql : {"CREATE TABLE t (id INT PRIMARY KEY)",
                            "CREATE OR REPLACE TABLE t AS SELECT 1",
                            "DROP TABLE IF EXISTS t",
                            "TRUNCATE t",
                            "RENAME TABLE a TO b",
                            "ALTER TABLE t ADD c INT DEFAULT 5",
                            "ALTER TABLE t ADD user VARCHAR(99) DEFAULT '@x'",
                            "ALTER TABLE t ADD value INT, ADD nextval INT DEFAULT 3",
                            "ALTER TABLE t ALTER who SET DEFAULT (current_user())",
                            "CREATE VIEW v AS SELECT 1",
                            "CREATE DEFINER=`a`@`b` PROCEDURE p() SELECT 1",
                            "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t BEFORE INSERT "
                            "ON x FOR EACH ROW SET NEW.a=1 */",
                            "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`%` SQL SECURITY DEFINER "
                            "*/\n/*!50001 VIEW `v` AS select 1 */",
                            "/*!40000 ALTER TABLE `t` DISABLE KEYS */",
                            "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `d` /*!40100 DEFAULT CHARACTER SET utf8mb4 */",
                            "CREATE INDEX i ON t(a)",
                            "CREATE UNIQUE INDEX i ON t(a)",
                            "CREATE SEQUENCE s",
                            "DROP EVENT e",
                            "OPTIMIZE TABLE t",
                            "FLUSH PRIVILEGES",
                            "ALTER TABLE t MODIFY id INT NOT NULL AUTO_INCREMENT",
                            "ALTER TABLE t MODIFY id INT AUTO_INCREMENT, ADD PRIMARY KEY (id)",
                            "ALTER TABLE t DROP i, ADD i INT AUTO_INCREMENT, DROP PRIMARY KEY, ADD PRIMARY KEY (i)",
                            "ALTER TABLE t ADD c DATETIME DEFAULT NOW()",
                            "CREATE TABLE t (u CHAR(36) DEFAULT uuid())",
                            "CREATE TABLE events (a INT)"}) {
        INFO(sql);
        CHECK(kind_of(sql) == Kind::ddl);
        CHECK(!classify(sql).secret);
    }
    for (const char* sql :
         {"CREATE USER a IDENTIFIED BY 'x'", "CREATE OR REPLACE USER a", "ALTER USER a IDENTIFIED BY 'x'",
          "DROP USER a", "GRANT SELECT ON *.* TO a", "REVOKE ALL ON *.* FROM a", "SET PASSWORD FOR a = PASSWORD('x')",
          "SET PASSWORD = 'x'", "CREATE ROLE r", "SET DEFAULT ROLE r FOR a", "RENAME USER a TO b"}) {
        INFO(sql);
        CHECK(kind_of(sql) == Kind::account);
        CHECK(classify(sql).secret);
    }
    CHECK(classify("SET sql_auto_is_null = 0").repeatable);
    CHECK(!classify("SET sql_auto_is_null = 1").repeatable);
    CHECK(!classify("SET @@session.sql_auto_is_null = ON").repeatable);
    CHECK(classify("SET PASSWORD = PASSWORD('it''s')").own_account);
    CHECK(!classify("SET PASSWORD FOR a@b = PASSWORD('it\\'s')").own_account);
    CHECK(classify("SET DEFAULT ROLE NONE").own_account);
    CHECK(refused("SET PASSWORD FOR 'O''Brien'@b = PASSWORD('x')"));
    CHECK(refused("SET DEFAULT ROLE `r'` FOR a"));
    CHECK(refused("SET DEFAULT ROLE r FOR 'a\\\\b'"));
    CHECK(classify("GRANT SELECT ON *.* TO a").grant);
    CHECK(kind_of("CREATE TEMPORARY TABLE t (a INT)") == Kind::temporary_table);
    CHECK(kind_of("CREATE OR REPLACE TEMPORARY TABLE t (a INT)") == Kind::temporary_table);
    CHECK(kind_of("DROP TEMPORARY TABLE t") == Kind::temporary_table);
}

TEST_CASE("settings") {
    for (const char* sql :
         {"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */", "/*!40101 SET NAMES utf8mb4 */",
          "/*!40103 SET TIME_ZONE='+00:00' */", "/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */",
          "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */",
          "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
          "/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */",
          "/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES' */ ",
          "/*!40101 SET character_set_client = @saved_cs_client */", "SET @time_zone_id= LAST_INSERT_ID()",
          "SET CHARACTER SET utf8", "SET SESSION sql_mode=''", "SET @@session.foreign_key_checks=0", "SET ROLE admin",
          "set session transaction isolation level read committed"}) {
        INFO(sql);
        CHECK(kind_of(sql) == Kind::set);
    }
    CHECK(classify("SET @a=1, @b='x'").session_state);
    CHECK(!classify("SET @a=1").reads_tables);
    CHECK(classify("SET @a=LAST_INSERT_ID()").reads_tables);
    CHECK(classify("SET @a=1, sql_mode=''").session_state);
    CHECK(classify("SET NAMES utf8").session_state);
    CHECK(classify("SET autocommit=0").autocommit == std::optional<bool>(false));
    CHECK(classify("SET AUTOCOMMIT = ON").autocommit == std::optional<bool>(true));
    CHECK(classify("SET @@session.autocommit := 0").autocommit == std::optional<bool>(false));
    CHECK(classify("SET NAMES utf8, autocommit=0").autocommit == std::optional<bool>(false));
    CHECK(classify("SET autocommit=@x").asked_setting->autocommit);
    CHECK(refused("SET autocommit=@x, sql_mode=''"));
    CHECK(kind_of("SET TRANSACTION ISOLATION LEVEL READ COMMITTED") == Kind::set_transaction);
    CHECK(classify("SET SESSION TRANSACTION READ ONLY").read_only_default == std::optional<bool>(true));
    CHECK(classify("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").each_statement_reads_anew ==
          std::optional<bool>(true));
    CHECK(classify("SET SESSION tx_isolation='REPEATABLE-READ'").each_statement_reads_anew ==
          std::optional<bool>(false));
    CHECK(kind_of("SET STATEMENT max_statement_time=1 FOR SELECT 1") == Kind::read);
    CHECK(!classify("SET STATEMENT SQL_MODE='' FOR SELECT 1 INTO @a").local);
    CHECK(kind_of("SET STATEMENT sql_mode='' FOR INSERT INTO t VALUES (1)") == Kind::dml);
}

TEST_CASE("refused in words") {
    for (const char* sql : {"SET sql_log_bin=0",
                            "SET @@SESSION.SQL_LOG_BIN= 0",
                            "SET original_server_version := 80200",
                            "SET @x=1, gtid_domain_id=4",
                            "SET GLOBAL binlog_format=STATEMENT",
                            "SET SESSION session_track_system_variables=''",
                            "SET GLOBAL read_only=1",
                            "SET GLOBAL sort_buffer_size=1, sync_binlog=1",
                            "SET GLOBAL a=1, @x=1, b=2, sync_binlog=1",
                            "SET @@global.event_scheduler=ON",
                            "SET PERSIST server_id=4",
                            "SET PERSIST max_connections = 100",
                            "SET PERSIST_ONLY back_log = 100",
                            "SET @a = 1, @@persist.max_connections = 100",
                            "SET @@PERSIST_ONLY . back_log = 100",
                            "SET SESSION sort_buffer_size = 1, PERSIST `max_connections` = DEFAULT",
                            "SET PERSIST max_allowed_packet = 1073741824",
                            "SET STATEMENT gtid_seq_no=4 FOR INSERT INTO t VALUES(1)",
                            "SET GLOBAL TRANSACTION READ ONLY",
                            "SET GLOBAL tx_read_only = 1",
                            "SET @@global.sql_select_limit = 10",
                            "SET GLOBAL log_bin_compress = ON",
                            "XA START 'a'",
                            "XA RECOVER",
                            "RESET MASTER",
                            "PURGE BINARY LOGS TO 'x'",
                            "CHANGE MASTER TO MASTER_HOST='x'",
                            "START SLAVE",
                            "STOP SLAVE",
                            "START REPLICA",
                            "BACKUP STAGE START",
                            "FLUSH TABLES t WITH READ LOCK",
                            "FLUSH TABLES WITH READ LOCK AND DISABLE CHECKPOINT",
                            "FLUSH TABLES t FOR EXPORT",
                            "INSTALL PLUGIN x SONAME 'y'",
                            "UNINSTALL PLUGIN x",
                            "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')",
                            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
                            "CREATE DEFINER=`a`@`b` EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
                            "ALTER EVENT e DISABLE",
                            "BINLOG 'x'",
                            "SHUTDOWN",
                            "INSERT INTO ddb_meta.position VALUES (1)",
                            "CALL ddb_meta.begin(1)",
                            "DROP DATABASE `ddb_meta`",
                            "UPDATE DDB_META . position SET a=1",
                            "ALTER TABLE t ADD c CHAR(36) DEFAULT uuid()",
                            "ALTER TABLE t ADD COLUMN c DOUBLE DEFAULT (rand())",
                            "ALTER TABLE t ADD who VARCHAR(99) DEFAULT (current_user())",
                            "ALTER TABLE t ADD (a INT, who VARCHAR(99) DEFAULT CURRENT_USER)",
                            "ALTER TABLE t ADD who VARCHAR(99) DEFAULT (user())",
                            "ALTER TABLE t ADD c INT DEFAULT (@@max_sort_length)",
                            "ALTER TABLE t ADD c INT DEFAULT (@a + 1)",
                            "ALTER TABLE t ADD c INT DEFAULT (NEXT VALUE FOR s)",
                            "ALTER TABLE t ADD c INT DEFAULT (s.nextval)",
                            "EXECUTE IMMEDIATE 'set sql_log_bin=0'",
                            "PREPARE s FROM 'set gtid_domain_id=1'",
                            "PREPARE s FROM 'flush tables with read lock'",
                            "CREATE FUNCTION f RETURNS INT SONAME 'x.so'",
                            "CREATE TABLESPACE s ADD DATAFILE 's.ibd'",
                            "CREATE UNDO TABLESPACE u ADD DATAFILE 'u.ibu'",
                            "ALTER UNDO TABLESPACE u SET INACTIVE",
                            "CREATE OR REPLACE SPATIAL REFERENCE SYSTEM 990001 NAME 'x' DEFINITION 'y'",
                            "DROP SPATIAL REFERENCE SYSTEM 990001",
                            "SET PERSIST partial_revokes = ON",
                            "CREATE RESOURCE GROUP g TYPE = USER",
                            "DROP RESOURCE GROUP g",
                            "ALTER INSTANCE DISABLE INNODB REDO_LOG",
                            "/*!40101 SET sql_log_bin=0 */"}) {
        INFO(sql);
        CHECK(refused(sql));
    }
    CHECK(!refused("SELECT * FROM ddb_meta.transactions_log"));
    CHECK(!classify("ALTER IGNORE TABLE t ADD UNIQUE (a)").refused_without_key.empty());
    CHECK(!classify("ALTER TABLE t ADD id INT AUTO_INCREMENT PRIMARY KEY").refused_without_key.empty());
    CHECK(!classify("ALTER TABLE t ADD id INT AUTO_INCREMENT UNIQUE").refused_without_key.empty());
    CHECK(!classify("ALTER TABLE t MODIFY id INT AUTO_INCREMENT, ADD PRIMARY KEY (id)").refused_without_key.empty());
    CHECK(classify("ALTER TABLE t AUTO_INCREMENT = 7, COMMENT 'c'").refused_without_key.empty());
    CHECK(classify("ALTER TABLE t AUTO_INCREMENT 7").refused_without_key.empty());
    CHECK(!refused("INSERT INTO t VALUES ('ddb_meta')"));
    CHECK(!refused("FLUSH TABLES"));
    CHECK(!refused("SET GLOBAL max_connections=10"));
    CHECK(!refused("SET sql_select_limit = 10"));
    CHECK(!refused("SET tx_read_only = 1"));
    CHECK(!refused("SET GLOBAL max_connections=10, SESSION max_allowed_packet=1, autocommit=0"));
    CHECK(classify("SET GLOBAL max_connections=10, SESSION sql_mode='', autocommit=0").autocommit == false);
}

TEST_CASE("settings that end too early stay within their text") {
    for (const char* sql : {"SET", "SET GLOBAL", "SET SESSION", "SET a", "SET a.", "SET GLOBAL a.",
                            "SET a =", "SET a :", "SET a,", "SET STATEMENT", "SET STATEMENT a FOR", "SET STATEMENT FOR",
                            "SET @", "SET @@", "SET @@global.", "SET NAMES"}) {
        INFO(sql);
        (void)classify(std::string(sql));
    }
}

TEST_CASE("SET STATEMENT may stand before another one, however often") {
    CHECK(kind_of("SET STATEMENT sort_buffer_size=700000, sql_mode='' FOR SET STATEMENT sort_buffer_size=200000 FOR "
                  "SELECT 1") == Kind::read);
    CHECK(kind_of("SET STATEMENT sql_mode='' FOR SET STATEMENT sql_log_bin=0 FOR INSERT INTO t VALUES (1)") ==
          Kind::refused);
    CHECK(kind_of("SET STATEMENT sql_mode='' FOR SET STATEMENT a=1 FOR SET b=1") == Kind::refused);
    CHECK(kind_of("SET STATEMENT sql_mode='' FOR SET STATEMENT a=1 FOR") == Kind::dml);
    std::string deep;
    for (int i = 0; i < 20'000; ++i) deep += "SET STATEMENT a=1 FOR ";
    CHECK(kind_of(deep + "DELETE FROM t") == Kind::dml);
}

TEST_CASE("random bytes are classified without harm") {
    std::uint64_t state = 1;
    for (int round = 0; round < 20000; ++round) {
        std::string sql = round % 3 == 0 ? "SET " : round % 3 == 1 ? "SELECT " : "";
        for (int i = 0; i < 24; ++i) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            static constexpr char alphabet[] = "'\"`\\/*!M-#@,.(=) aS1\n\xc3";
            sql += alphabet[(state >> 33) % (sizeof alphabet - 1)];
        }
        (void)classify(sql);
    }
}

TEST_CASE("statements of ddb's own") {
    const auto both = classify("SET @@session.ddb_read_consistency = local, DDB_WRITE_CONCERN = 'ALL'");
    CHECK(both.kind == StatementKind::ddb_set);
    CHECK(both.read_consistency == Consistency::local);
    CHECK(both.write_concern == WriteConcern::all);
    CHECK_FALSE(both.session_state);
    CHECK(classify("SET ddb_read_consistency = session").read_consistency == Consistency::session);
    CHECK(classify("SET ddb_read_balance = 'Round_Robin'").read_balance == ReadBalance::round_robin);
    CHECK(classify("SET SESSION ddb_read_balance = least_loaded").read_balance == ReadBalance::least_loaded);
    CHECK(classify("SET ddb_read_balance = off").read_balance == ReadBalance::off);
    CHECK(classify("SET ddb_read_balance = DEFAULT").standard_balance);
    CHECK_FALSE(classify("SET ddb_read_balance = DEFAULT").read_balance);
    CHECK(classify("SET ddb_read_balance = fair").refusal ==
          "ddb_read_balance is 'off', 'round_robin' or 'least_loaded'");
    CHECK(classify("SET @ddb_x = 1").kind == StatementKind::set);
    CHECK(classify("SHOW DDB NODES").view == DdbView::nodes);
    CHECK(classify("SHOW DDB TRANSACTIONS").kind == StatementKind::ddb_show);
    for (const char* sql :
         {"SET ddb_read_consistency =", "SET ddb_read_consistency = 1", "SET ddb_write_concern = (SELECT 1)",
          "SET ddb_ = 1", "SHOW DDB", "SHOW DDB STATUS WHERE 1"}) {
        INFO(sql);
        CHECK(classify(sql).kind == StatementKind::refused);
    }
}

TEST_CASE("settings that may be made on any server") {
    for (const char* sql : {"SET NAMES latin1", "SET sql_mode = 'ANSI', @@session.time_zone = '+00:00'", "SET ROLE r",
                            "SET SESSION TRANSACTION READ ONLY", "SET autocommit = 1"}) {
        INFO(sql);
        CHECK(classify(sql).repeatable);
    }
    for (const char* sql :
         {"SET @a = 1", "SET sql_mode = '', @a = 1", "SET GLOBAL wait_timeout = 9", "SET @@global.wait_timeout = 9",
          "SET sql_mode = (SELECT m FROM t)", "SELECT 1", "SET sql_mode = f()", "SET sql_mode = d.concat('a')",
          "SET sql_mode = `concat`('a')", "SET sql_mode = (TABLE t)", "SET sql_mode = CONCAT(f('a'))",
          "SET sql_mode = CONCAT(@a, 'b')"}) {
        INFO(sql);
        CHECK_FALSE(classify(sql).repeatable);
    }
    // Of Rust's sqlx, MariaDB's driver for Java, ActiveRecord.
    for (const char* sql :
         {"SET sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')),time_zone='+00:00',NAMES utf8mb4",
          "set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')",
          "SET @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',A'), ',B'), wait_timeout = 9",
          "SET sql_mode = (SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))"}) {
        INFO(sql);
        CHECK_FALSE(classify(sql).reads_tables);
    }
}

TEST_CASE("LOAD LOCAL names a file of the client") {
    CHECK(client_file_of("load /* x */ data local infile 'a\\'b''c\\\\d\\n' into table t", false) == "a'b'c\\d\n");
    CHECK(client_file_of("LOAD DATA LOCAL INFILE 'C:\\dir\\n' INTO TABLE t", true) == "C:\\dir\\n");
    CHECK(client_file_of("LOAD XML CONCURRENT LOCAL INFILE \"x\" INTO TABLE t", false) == "x");
    CHECK(client_file_of("LOAD DATA LOW_PRIORITY LOCAL INFILE '' INTO TABLE t", false) == "");
    for (const auto* other : {"LOAD DATA INFILE 'x' INTO TABLE t", "LOAD DATA LOCAL INFILE x INTO TABLE t", "LOAD",
                              "LOAD DATA LOCAL INFILE", "SELECT 'LOAD DATA LOCAL INFILE'", ""})
        CHECK_FALSE(client_file_of(other, false));
}

TEST_CASE("statements whose answer does not tell what LAST_INSERT_ID() has become") {
    CHECK(hides_generated_id(Kind::call, "CALL p()"));
    CHECK(hides_generated_id(Kind::execute, "EXECUTE s"));
    CHECK(hides_generated_id(Kind::dml, "INSERT INTO t VALUES () returning id"));
    CHECK(hides_generated_id(Kind::read, "SELECT LAST_INSERT_ID(5)"));
    CHECK_FALSE(hides_generated_id(Kind::dml, "INSERT INTO t VALUES ()"));
    CHECK_FALSE(hides_generated_id(Kind::read, "SELECT 1"));
}

TEST_CASE("tables have no place of their own on a host") {
    CHECK(refused("CREATE TABLE t (id INT PRIMARY KEY) DATA DIRECTORY='/tmp/x'"));
    CHECK(
        refused("CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY HASH (id) (PARTITION p0 INDEX DIRECTORY '/tmp/x')"));
    CHECK(refused("ALTER TABLE t ADD PARTITION (PARTITION p1 VALUES LESS THAN (20) DATA DIRECTORY = '/tmp/x')"));
    CHECK(kind_of("CREATE TABLE t (id INT PRIMARY KEY, data INT, directory INT, INDEX directory (directory))") ==
          Kind::ddl);
    CHECK(refused("CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(3) NOT NULL, VECTOR INDEX (v))"));
    CHECK(refused("CREATE VECTOR INDEX i ON t (v)"));
    CHECK(refused("ALTER TABLE t ADD VECTOR KEY i (v) M=5"));
    CHECK(refused("CREATE TABLE t (VECTOR (v), v VECTOR(3) NOT NULL, id INT PRIMARY KEY)"));
    CHECK(refused("CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(3) NOT NULL, VECTOR `i` (v))"));
    CHECK(refused("ALTER TABLE t ADD VECTOR (v) DISTANCE=cosine"));
    CHECK(kind_of("CREATE TABLE t (id INT PRIMARY KEY, vector VECTOR(3), KEY vector (id))") == Kind::ddl);
    CHECK(kind_of("CREATE TABLE t (vector VARCHAR(9) DEFAULT (COALESCE(id, vector (id))), PRIMARY KEY (vector, id))") ==
          Kind::ddl);
    CHECK(kind_of("ALTER TABLE t ADD vector VARCHAR(3)") == Kind::ddl);
    CHECK(refused("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u WITHOUT VALIDATION"));
    CHECK(kind_of("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u WITH VALIDATION") == Kind::ddl);
    CHECK(refused("CREATE SEQUENCE s AS BIGINT UNSIGNED START 5"));
    CHECK(refused("ALTER SEQUENCE s AS bigint ZEROFILL"));
    CHECK(kind_of("CREATE SEQUENCE s AS INT UNSIGNED") == Kind::ddl);
    CHECK(kind_of("CREATE SEQUENCE s AS BIGINT START 5") == Kind::ddl);
    CHECK(refused("ALTER TABLE t ADD u UUID DEFAULT (uuid_v7())") ==
          refused("ALTER TABLE t ADD u UUID DEFAULT (uuid())"));
    CHECK(kind_of("CREATE TABLE t (id INT PRIMARY KEY) COMMENT 'DATA DIRECTORY=1'") == Kind::ddl);
    CHECK(kind_of("CREATE TEMPORARY TABLE t (id INT) DATA DIRECTORY='/tmp/x'") == Kind::temporary_table);
}

TEST_CASE("partitions of history hold the same rows on every node") {
    const std::string versioned =
        "CREATE TABLE t (id INT PRIMARY KEY) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME ";
    CHECK(refused(versioned + "LIMIT 100 PARTITIONS 3"));
    CHECK(refused(versioned + "INTERVAL 1 DAY STARTS '2026-01-01 00:00:00' AUTO PARTITIONS 3"));
    CHECK(refused("ALTER TABLE t PARTITION BY SYSTEM_TIME limit 5 (PARTITION p HISTORY, PARTITION n CURRENT)"));
    CHECK(kind_of(versioned + "INTERVAL 1 DAY PARTITIONS 3") == Kind::ddl);
    CHECK(kind_of("CREATE TABLE t (auto INT PRIMARY KEY, `limit` INT) PARTITION BY HASH (auto)") == Kind::ddl);
    CHECK(kind_of("CREATE TABLE t (auto INT PRIMARY KEY, PERIOD FOR SYSTEM_TIME (a, b))") == Kind::ddl);
}

TEST_CASE("tables keep their files") {
    CHECK(refused("ALTER TABLE t DISCARD TABLESPACE"));
    CHECK(refused("alter table d.t IMPORT TABLESPACE"));
    CHECK(refused("ALTER TABLE t DISCARD PARTITION p0, p1 TABLESPACE"));
    CHECK(kind_of("ALTER TABLE t ADD discard INT") == Kind::ddl);
    CHECK(kind_of("ALTER TABLE t COMMENT 'DISCARD TABLESPACE'") == Kind::ddl);
}

TEST_CASE("HANDLER is a read of the coordinator that opens, reads or closes") {
    for (const auto& [sql, verb] :
         {std::pair{"HANDLER t OPEN", HandlerVerb::open}, std::pair{"HANDLER d.t OPEN AS h", HandlerVerb::open},
          std::pair{"handler h read `PRIMARY` = (1)", HandlerVerb::read},
          std::pair{"HANDLER h CLOSE", HandlerVerb::close}, std::pair{"HANDLER d.t READ FIRST", HandlerVerb::read},
          std::pair{"HANDLER h", HandlerVerb::none}}) {
        INFO(sql);
        const Classified found = classify(sql);
        CHECK(found.kind == StatementKind::read);
        CHECK(!found.local);
        CHECK(found.handler == verb);
    }
    CHECK(classify("PREPARE s FROM 'HANDLER t OPEN'").hides_handler);
    CHECK(classify("EXECUTE IMMEDIATE 'HANDLER t OPEN'").hides_handler);
    CHECK(!classify("BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR NOT FOUND SET @a=1; OPEN c; END").hides_handler);
}

TEST_CASE("FLUSH TABLES WITH READ LOCK is known in each of its forms, and other FLUSHes are not it") {
    for (const char* sql :
         {"FLUSH TABLES WITH READ LOCK", "flush table with read lock;", "FLUSH /*!40101 LOCAL */ TABLES WITH READ LOCK",
          "FLUSH NO_WRITE_TO_BINLOG TABLES WITH READ LOCK"}) {
        INFO(sql);
        CHECK(classify(sql).kind == StatementKind::read_lock);
    }
    for (const char* sql : {"FLUSH TABLES", "FLUSH LOCAL TABLES", "FLUSH TABLES with, t", "FLUSH STATUS"}) {
        INFO(sql);
        CHECK(classify(sql).kind == StatementKind::ddl);
        CHECK(classify(sql).maintains);
    }
    CHECK(!classify("ALTER TABLE t ADD w INT").maintains);
}

TEST_CASE("FLUSH TABLES of many tables is refused as that of one, where it would lock them") {
    for (const std::size_t count : {1, 12, 1'000, 60'000}) {
        std::string tables = "t";
        for (std::size_t i = 1; i < count; ++i) tables += ", t";
        INFO(count);
        CHECK(kind_of("FLUSH TABLES " + tables + " WITH READ LOCK") == Kind::refused);
        CHECK(kind_of("FLUSH LOCAL TABLE " + tables + " FOR EXPORT") == Kind::refused);
    }
    CHECK(kind_of("FLUSH TABLES a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p") == Kind::ddl);
}
