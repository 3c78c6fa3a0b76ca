// Answers that the node a client talks to makes or checks itself.
#include <algorithm>
#include <catch2/catch.hpp>

#include "session_support.hpp"

using namespace ddb;
using namespace ddb::session;
using namespace ddb::session::test;

TEST_CASE("rows that were lost between the nodes are told, never a result without them") {
    Client c = fresh("a1");
    Client f(bench(), *bench().follower, "root", "d");
    // The coordinator answers a request that comes again, but has its rows no more.
    const auto with_answer_lost = [&](const std::string& sql) {
        const auto request = f.start(sql);
        bench().deliver_to_peers = false;
        bench().run_for(200);
        bench().deliver_to_peers = true;
        const auto end = f.finish(request).end;
        REQUIRE(end.error);
        CHECK(end.error->message.find("lost on the way") != std::string::npos);
        return end.error->code;
    };
    CHECK(with_answer_lost("CHECKSUM TABLE a1") == ErrorCode::io);
    CHECK(f.good("CHECKSUM TABLE a1").rows.size() == 1);
    CHECK(with_answer_lost("INSERT INTO a1 VALUES (3,3) RETURNING id") == ErrorCode::unknown_outcome);
    CHECK(f.good("SELECT COUNT(*) FROM a1").cell() == "1");
}

TEST_CASE("the first request of a session can be looked up however much was written before") {
    Client c = fresh("a0");
    const LogIndex before = bench().entries.back().id.index;
    Client reader(bench(), *bench().follower, "root", "d");
    (void)reader.good("SELECT COUNT(*) FROM a0");  // its node has applied what was written before
    Client f(bench(), *bench().follower, "root", "d");
    CHECK(f.opened.index == before);
    bench().deliver_to_peers = false;
    const auto request = f.start("INSERT INTO a0 VALUES (3,3)");
    bench().run_for(200);
    bench().deliver_to_peers = true;
    CHECK(f.finish(request).code() == 0);
    CHECK(bench().node->last_outcome_query.request == request);
    CHECK(bench().node->last_outcome_query.seen >= before);
}

TEST_CASE("SHOW DDB is answered by the node itself") {
    Client f(bench(), *bench().follower, "root", "");
    const auto nodes = f.good("SHOW DDB NODES");
    REQUIRE(nodes.rows.size() == 2);
    CHECK(nodes.columns[1].name == "lag");
    CHECK(nodes.cell(0, 1) == "0");
    CHECK_FALSE(nodes.rows[1][1]);
    CHECK(nodes.end.rows == 2);
    CHECK(f.good("show ddb status").cell(0, 1) == std::string(300, 'x'));
    Client c = fresh("a2");
    c.good("INSERT INTO a2 VALUES (1,1)");
    const auto transactions = f.good("SHOW DDB TRANSACTIONS");
    CHECK(transactions.columns.at(0).name == "log_index");
    CHECK(f.run("SHOW DDB").code() == 1235);
    CHECK(f.run("SHOW DDB NODES LIKE 'x'").code() == 1235);
}

// Written as text, a transaction's name has the session's own character set on the server, and may be too long in it.
TEST_CASE("a session may ask for any character set of its texts") {
    Client c = fresh("a11");
    Client f(bench(), *bench().follower, "root", "d");
    int id = 0;
    for (Client* client : {&c, &f}) {
        client->good("SET character_set_connection = utf32");
        CHECK(client->good("SELECT HEX('a')").cell() == "00000061");
        client->good("INSERT INTO a11 VALUES (" + std::to_string(++id) + ", 1)");
        client->good("BEGIN");
        client->good("INSERT INTO a11 VALUES (" + std::to_string(++id) + ", 1)");
        client->good("COMMIT");
        client->good("ALTER TABLE a11 COMMENT = 'x'");
        CHECK(client->good("SELECT COUNT(*) FROM a11").cell() == std::to_string(id));
    }
}

TEST_CASE("a database may have any character set") {
    for (const std::string set : {"utf16", "utf32", "latin1"}) {
        Client c(bench(), *bench().node, "root", "");
        const std::string name = "a_" + set;
        c.good("CREATE DATABASE " + name + " CHARACTER SET " + set);
        c.good("USE " + name);
        c.good("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))");
        c.good("INSERT INTO t VALUES (1, 'one')");
        c.good("BEGIN");
        c.good("INSERT INTO t VALUES (2, 'two')");
        c.good("COMMIT");
        CHECK(c.good("SELECT COUNT(*) FROM t").cell() == "2");
        c.good("DROP DATABASE " + name);
    }
}

TEST_CASE("a block that commits by itself is refused with all that it did, and does nothing twice") {
    Client c = fresh("a12");
    const auto refused = [&](const std::string& sql) {
        const auto answer = c.run(sql);
        CHECK(answer.code() == 1399);
        CHECK(answer.end.error->message.find("cannot commit") != std::string::npos);
    };
    refused("BEGIN NOT ATOMIC INSERT INTO a12 VALUES (1,1); TRUNCATE TABLE a12; END");
    refused("IF 1 THEN INSERT INTO a12 VALUES (1,1); COMMIT; END IF");
    CHECK(c.good("SELECT COUNT(*) FROM a12").cell() == "0");
    c.good("DROP TABLE a12");
    c.good("CREATE TABLE a12 (id INT AUTO_INCREMENT PRIMARY KEY, v INT)");
    c.good("BEGIN");
    c.good("INSERT INTO a12 (v) VALUES (1)");
    refused("BEGIN NOT ATOMIC INSERT INTO a12 (v) VALUES (1); CREATE TABLE a12_more (id INT PRIMARY KEY); END");
    c.good("COMMIT");
    CHECK(c.good("SELECT COUNT(*) FROM a12").cell() == "2");  // as of a procedure that fails in a transaction
    c.good("BEGIN NOT ATOMIC INSERT INTO a12 (v) VALUES (2); UPDATE a12 SET v = 3; END");
    CHECK(c.good("SELECT SUM(v) FROM a12").cell() == "9");
    c.good("EXECUTE IMMEDIATE 'CREATE TABLE a12_more (id INT PRIMARY KEY)'");
    c.good("DROP TABLE a12_more");
}

TEST_CASE("what a procedure or a block showed before it failed is told, and what it did is undone") {
    Client c = fresh("a13");
    Client f(bench(), *bench().follower, "root", "d");
    c.good(
        "CREATE PROCEDURE a13p() BEGIN SELECT 5 UNION SELECT 6; INSERT INTO a13 VALUES (1,1); SELECT COUNT(*) FROM "
        "a13; "
        "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO=4711; END");
    for (Client* client : {&c, &f}) {
        for (const char* sql : {"CALL a13p()",
                                "BEGIN NOT ATOMIC SELECT 5; SELECT 6; INSERT INTO a13 VALUES (1,1); SELECT "
                                "COUNT(*) FROM a13; INSERT INTO a13 VALUES (1,1); END"}) {
            INFO(sql);
            const auto answer = client->run(sql);
            CHECK(answer.code() == (sql[0] == 'C' ? 4711 : 1062));
            REQUIRE(answer.rows.size() == 3);
            CHECK(answer.cell(0) == "5");
            CHECK(answer.cell(2) == "1");
            CHECK(client->good("SELECT COUNT(*) FROM a13").cell() == "0");
        }
    }
    // One result alone, which its own statement broke off, is none.
    const auto broken_off = c.run("INSERT INTO a13 VALUES (1,1),(2,2),(1,3) RETURNING id");
    CHECK(broken_off.code() == 1062);
    CHECK(broken_off.rows.empty());
}

TEST_CASE("SHOW DATABASES and SHOW PROCEDURE STATUS list what a dump can bring back") {
    Client f(bench(), *bench().follower, "root", "");
    const auto listed = [&](const std::string& sql, std::size_t column = 0) {
        const auto answer = f.good(sql);
        CHECK(answer.end.rows == answer.rows.size());
        return std::count_if(answer.rows.begin(), answer.rows.end(),
                             [&](const auto& row) { return row[column] == "ddb_meta"; });
    };
    f.good("CREATE DATABASE IF NOT EXISTS d");
    CHECK(f.good("SHOW DATABASES").columns.at(0).name == "Database");
    CHECK(f.good("SHOW DATABASES").rows.size() == f.good("SHOW SCHEMAS;").rows.size());
    CHECK(f.good("SHOW DATABASES").rows.size() > 2);
    CHECK(f.good("SHOW DATABASES LIKE '%'").rows.size() == f.good("SHOW DATABASES").rows.size());
    for (const char* sql :
         {"SHOW DATABASES", "show schemas ;", "SHOW DATABASES LIKE '%'", "SHOW SCHEMAS WHERE `Database` <> 'sys'",
          "SHOW PROCEDURE STATUS", "SHOW PROCEDURE STATUS WHERE Db <> 'sys'", "SHOW FUNCTION STATUS"}) {
        INFO(sql);
        CHECK(listed(sql) == 0);
    }
    CHECK(f.good("SHOW DATABASES LIKE 'ddb%'").cell() == "ddb_meta");
    CHECK(listed("SHOW PROCEDURE STATUS WHERE Db = 'ddb_meta'") > 0);
    CHECK(f.good("SELECT COUNT(*) FROM ddb_meta.position").cell() == "1");
    f.good("PREPARE s FROM 'SHOW DATABASES'");
    CHECK(listed("EXECUTE s") == 0);
    CHECK(f.good("EXECUTE s").rows.size() == f.good("SHOW DATABASES").rows.size());
    f.good("SHOW DATABASES");
    CHECK(f.good("SELECT FOUND_ROWS()").cell() == std::to_string(f.good("SHOW DATABASES").rows.size()));
}

TEST_CASE("SHOW GRANTS leaves out the rights on the node's schema that everybody has") {
    Client c = fresh("a14");
    Client f(bench(), *bench().follower, "root", "d");
    c.good("CREATE USER a14u");
    c.good("GRANT SELECT ON d.a14 TO a14u");
    c.good("GRANT SELECT ON d.* TO PUBLIC");
    for (Client* client : {&c, &f}) {
        for (const char* sql : {"SHOW GRANTS", "SHOW GRANTS FOR PUBLIC", "SHOW GRANTS FOR a14u"}) {
            INFO(sql);
            const auto answer = client->good(sql);
            CHECK(answer.rows.size() >= 1);
            CHECK(answer.end.rows == answer.rows.size());
            for (const auto& row : answer.rows) CHECK(row[0]->find("ddb_meta") == std::string::npos);
        }
    }
    CHECK(f.good("SHOW GRANTS FOR PUBLIC").rows.size() == 1);
    c.good("REVOKE SELECT ON d.* FROM PUBLIC");
    c.good("DROP USER a14u");
}

TEST_CASE("SET of what replication stands on: to what it has, with the server's own error for what is no value") {
    Client c = fresh("a16");
    for (const char* sql :
         {"SET SESSION binlog_format = ROW", "SET @@sql_log_bin = ON, SESSION completion_type = NO_CHAIN",
          "SET GLOBAL local_infile = 1", "SET GLOBAL max_allowed_packet = 1024*1024*1024",
          "SET STATEMENT innodb_snapshot_isolation = ON FOR INSERT INTO a16 VALUES (1,1)"}) {
        c.good(sql);
    }
    const auto packets = c.good("SET GLOBAL max_allowed_packet = 1000000000");
    CHECK(packets.end.outcome.warnings == 1);
    CHECK(c.good("SHOW WARNINGS").cell(0, 1) == "1292");
    CHECK(c.good("SHOW WARNINGS").cell(0, 2).find("1000000000") != std::string::npos);
    CHECK(c.good("SELECT @@GLOBAL.max_allowed_packet").cell() == "1073741824");
    CHECK(c.good("SET GLOBAL innodb_flush_log_at_trx_commit = 0").end.outcome.warnings == 1);
    CHECK(c.good("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit <> 0").cell() == "1");
    CHECK(c.good("SET GLOBAL innodb_flush_log_at_trx_commit = 1").end.outcome.warnings == 0);
    for (const char* sql : {"SET SESSION binlog_format = MIXED", "SET binlog_format = DEFAULT"}) {
        CHECK(c.good(sql).end.outcome.warnings == 0);
        CHECK(c.good("SELECT @@binlog_format").cell() == "ROW");
    }
    c.good("SET @a16_packet = @@GLOBAL.max_allowed_packet, @a16_format = 'row', @a16_more = 1 << 24, @a16_no = 0");
    CHECK(c.good("SET GLOBAL max_allowed_packet = @a16_packet").end.outcome.warnings == 0);
    CHECK(c.good("SET GLOBAL max_allowed_packet = @a16_more").end.outcome.warnings == 1);
    CHECK(c.good("SHOW WARNINGS").cell(0, 2).find("16777216") != std::string::npos);
    c.good("SET binlog_format = @a16_format");
    c.good("SET SESSION sql_log_bin = @@sql_log_bin");
    CHECK(c.run("SET sql_log_bin = @a16_no").code() == 1235);
    CHECK(c.run("SET sql_log_bin = @a16_nothing").code() == 1231);
    CHECK(c.run("SET binlog_format = @@tx_isolation").code() == 1231);
    CHECK(c.run("SET binlog_format = @@no_such_variable").code() == 1193);
    CHECK(c.run("SET SESSION binlog_format = 'rows'").code() == 1231);
    CHECK(c.run("SET sql_log_bin = maybe").code() == 1231);
    CHECK(c.run("SET SESSION binlog_format = STATEMENT").code() == 1235);
    c.good("BEGIN");
    c.good("INSERT INTO a16 VALUES (2,2)");
    CHECK(c.run("SET sql_log_bin = 1").code() == 1694);  // as a server says inside of a transaction
    c.good("COMMIT");
    CHECK(c.good("SELECT COUNT(*) FROM a16").cell() == "2");
}

TEST_CASE("RESET QUERY CACHE empties the coordinator's, and commits as on a server") {
    Client c = fresh("a15");
    c.good("BEGIN");
    c.good("INSERT INTO a15 VALUES (1,1)");
    c.good("RESET QUERY CACHE");
    c.good("ROLLBACK");
    CHECK(c.good("SELECT COUNT(*) FROM a15").cell() == "1");
    CHECK(c.run("RESET QUERY CACHE, MASTER").code() == 1235);
}

TEST_CASE("SHOW STATUS counts the sessions of the node, each as one connection") {
    Client c = fresh("a10");
    c.good("INSERT INTO a10 VALUES (1,1)");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("INSERT INTO a10 VALUES (2,2)");  // it has a connection on either server now
    const auto connected = [](Client& client, const std::string& scope) {
        const auto answer = client.good("SHOW " + scope + " STATUS LIKE 'threads_connected'");
        REQUIRE(answer.rows.size() == 1);
        return std::stoul(answer.cell(0, 1));
    };
    const auto here = bench().node->engine->counters().sessions;
    const auto there = bench().follower->engine->counters().sessions;
    CHECK(connected(c, "") == here);
    CHECK(connected(f, "GLOBAL") == there);
    f.good("SET @mine = 1");  // from now on everything runs on the coordinator
    CHECK(connected(f, "SESSION") == there);
    {
        Client more(bench(), *bench().follower, "root", "d");
        CHECK(connected(f, "") == there + 1);
    }
    const auto all = f.good("SHOW STATUS LIKE 'threads%'");
    CHECK(all.rows.size() == 4);
    CHECK(all.cell(1, 0) == "Threads_connected");
    CHECK(all.cell(3, 0) == "Threads_running");
    CHECK(f.good("SHOW VARIABLES LIKE 'autocommit'").cell(0, 1) == "ON");
}

TEST_CASE("SET ddb_read_consistency holds for the session") {
    Client c = fresh("a3");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET ddb_read_consistency = 'local'");
    bench().set_view(NodeId{}, false);  // only what asks nobody is answered
    CHECK(f.good("SELECT COUNT(*) FROM a3").cell() == "0");
    f.timeout_ms = 300;
    f.good("SET SESSION ddb_read_consistency = DEFAULT, ddb_write_concern = all");
    CHECK(f.run("SELECT COUNT(*) FROM a3").end.error->code != ErrorCode::sql);
    bench().set_view(bench().node->id);
    f.timeout_ms = 10'000;
    CHECK(f.good("SELECT COUNT(*) FROM a3").cell() == "0");
    CHECK(f.run("SET ddb_read_consistency = 'loud'").code() == 1235);
    CHECK(f.run("SET ddb_speed = 1").code() == 1235);
    CHECK(f.run("SET GLOBAL ddb_write_concern = 'all'").code() == 1235);
    CHECK(f.run("SET autocommit = 1, ddb_write_concern = 'all'").code() == 1235);
    CHECK(f.good("SET @ddb_mine = 1").end.error == std::nullopt);
}

TEST_CASE("what is asked about the statement before is right wherever that one ran") {
    Client c = fresh("a4");
    Client f(bench(), *bench().follower, "root", "d");
    for (Client* client : {&c, &f}) {
        client->good("DELETE FROM a4");
        client->good("INSERT INTO a4 VALUES (1,1),(2,2),(3,3)");
        CHECK(client->good("SELECT ROW_COUNT()").cell() == "3");
        CHECK(client->good("SELECT ROW_COUNT()").cell() == "-1");
        client->good("SELECT id FROM a4 ORDER BY id LIMIT 2");
        const auto found = client->good("SELECT FOUND_ROWS()");
        CHECK(found.cell() == "2");
        CHECK(found.columns.at(0).name == "FOUND_ROWS()");
        client->good("SELECT id FROM a4 ORDER BY id LIMIT 1, 1");
        CHECK(client->good("SELECT FOUND_ROWS()").cell() == "2");
        client->good("SELECT SQL_CALC_FOUND_ROWS id FROM a4 ORDER BY id LIMIT 2");
        CHECK(client->good("SELECT FOUND_ROWS()").cell() == "3");
        client->good("SELECT 1 / 0, id FROM a4 WHERE id = 1");
        CHECK(client->good("SELECT @@warning_count").cell() == "1");
        CHECK(client->run("INSERT INTO a4 VALUES (1,1)").code() == 1062);
        CHECK(client->good("SHOW WARNINGS").cell(0, 1) == "1062");
        client->good("UPDATE a4 SET v = v + 1 WHERE id < 3");
        client->good("SET @n = ROW_COUNT()");
        CHECK(client->good("SELECT @n").cell() == "2");
    }
}

TEST_CASE("what runs on the server is told while a definition is undecided") {
    Client f = fresh("t72");
    Client other(bench(), *bench().node, "root", "d");
    bench().hold_decisions(true);
    const auto definition = f.start("ALTER TABLE t72 ADD w INT");
    bench().run_for(300);
    CHECK(other.good("SELECT * FROM t72").end.node == NodeId{2});  // which does not know it yet
    for (const char* sql : {"SHOW PROCESSLIST", "SHOW FULL PROCESSLIST", "SHOW GLOBAL STATUS LIKE 'Uptime'"})
        other.good(sql);
    bench().hold_decisions(false);
    CHECK(f.finish(definition).code() == 0);
}

TEST_CASE("a transaction's kind holds to its end, and is told with every answer") {
    constexpr std::uint16_t in_read_only = 0x2001;
    Client c = fresh("a5");
    CHECK((c.good("START TRANSACTION READ ONLY").end.status_flags & in_read_only) == in_read_only);
    CHECK(c.run("SET TRANSACTION READ WRITE").code() == 1568);
    CHECK((c.good("SELECT * FROM a5").end.status_flags & in_read_only) == in_read_only);
    CHECK((c.good("COMMIT AND CHAIN").end.status_flags & in_read_only) == in_read_only);
    CHECK(c.run("INSERT INTO a5 VALUES (1,1)").code() == 1792);
    CHECK((c.good("COMMIT").end.status_flags & in_read_only) == 0);
    c.good("INSERT INTO a5 VALUES (1,1)");
}

TEST_CASE("nothing of one's own is made in the schemas that a load leaves out") {
    Client c = fresh("a7");
    for (const char* sql :
         {"CREATE TABLE mysql.mine (id INT PRIMARY KEY)", "CREATE OR REPLACE TABLE IF NOT EXISTS `MySQL`.mine (id INT)",
          "CREATE FUNCTION sys.f() RETURNS INT RETURN 1", "CREATE DEFINER=root@localhost PROCEDURE sys.p() DO 1",
          "CREATE SEQUENCE mysql.s", "CREATE OR REPLACE VIEW sys.v AS SELECT 1"}) {
        INFO(sql);
        CHECK(c.run(sql).code() == 1235);
    }
    c.good("CREATE TEMPORARY TABLE mysql.mine (id INT PRIMARY KEY)");
    c.good("USE mysql");
    CHECK(c.run("CREATE TABLE mine (id INT PRIMARY KEY)").code() == 1235);
    c.good("CREATE TABLE d.a7_more (id INT PRIMARY KEY)");
    c.good("DROP TABLE d.a7_more");
}

TEST_CASE("what is no COMMIT or is already so commits nothing") {
    Client c = fresh("a6");
    c.good("BEGIN");
    c.good("INSERT INTO a6 VALUES (1,1)");
    CHECK(c.run("COMMIT AND NONSENSE").code() == 1064);
    CHECK(c.run("CREATE TABLE a6_more (id NOTYPE)").code() == 4161);
    CHECK(c.run("CREATE TABLE a6_more id INT").code() == 1064);
    CHECK(c.run("ALTER TABLE a6 ADD w INT NOT NULL DEFAULT NULL").code() == 1067);
    CHECK(c.run("CREATE TABLE a6_more (id INT, c CHAR(300))").code() == 1074);
    CHECK(c.run("CREATE TABLE a6_more (id INT, c CHAR(3) COLLATE nix)").code() == 1273);
    CHECK(c.run("CREATE PROCEDURE a6_p() BEGIN LEAVE x; END").code() == 1308);
    CHECK((c.good("SET autocommit = 1").end.status_flags & 1) == 1);
    c.good("ROLLBACK");
    CHECK(c.good("SELECT COUNT(*) FROM a6").cell() == "0");
    c.good("SET autocommit = 0");
    CHECK(c.good("CHECK TABLE a6").columns.size() == 4);
    c.good("SAVEPOINT s1");
    c.good("INSERT INTO a6 VALUES (1,1)");
    c.good("ROLLBACK TO s1");
    CHECK((c.good("SET autocommit = 1").end.status_flags & 1) == 0);
    CHECK(c.good("SELECT COUNT(*) FROM a6").cell() == "0");
}

TEST_CASE("with autocommit off a session asks for itself what drivers ask, and begins no transaction by it") {
    constexpr std::uint16_t status_in_transaction = 1;
    for (TestNode* node : {bench().node.get(), bench().follower.get()}) {
        Client c(bench(), *node);
        c.good("SET session_track_schema=1, autocommit=0, session_track_system_variables='autocommit'");
        for (const char* sql : {"SELECT @@autocommit", "SELECT @@session.autocommit, DATABASE()"}) {
            const Answer answer = c.good(sql);
            CHECK(answer.cell() == "0");
            CHECK((answer.end.status_flags & status_in_transaction) == 0);
        }
        CHECK((c.good("SELECT COUNT(*) FROM ddb_meta.position").end.status_flags & status_in_transaction) != 0);
        CHECK((c.good("SELECT 1").end.status_flags & status_in_transaction) != 0);
        CHECK(c.good("SELECT @@autocommit").cell() == "0");
        c.good("SET autocommit=1");
        CHECK(c.good("SELECT @@autocommit").cell() == "1");
    }
}

TEST_CASE("a session asks whether it is in a transaction") {
    for (TestNode* node : {bench().node.get(), bench().follower.get()}) {
        Client c(bench(), *node);
        const auto inside = [&] { return c.good("SELECT @@in_transaction").cell() == "1"; };
        CHECK_FALSE(inside());
        for (const char* begin : {"BEGIN", "START TRANSACTION READ ONLY"}) {
            c.good(begin);
            CHECK(inside());
            c.good("SELECT COUNT(*) FROM ddb_meta.position");
            CHECK(inside());
            c.good("ROLLBACK");
            CHECK_FALSE(inside());
        }
        c.good("SET autocommit=0");
        CHECK_FALSE(inside());
        c.good("SELECT COUNT(*) FROM ddb_meta.position");
        CHECK(inside());
        c.good("COMMIT AND CHAIN");
        CHECK(inside());
    }
}

TEST_CASE("what drivers set when they connect keeps no read away from the client's node") {
    for (const char* sql :
         {"set autocommit=1, sql_mode = concat(@@sql_mode,',ANSI_QUOTES')",
          "SET NAMES utf8mb4, @@SESSION.sql_mode = CONCAT(CONCAT(@@sql_mode, ',ANSI_QUOTES'), ',ANSI')",
          "SET sql_mode=(SELECT CONCAT(@@sql_mode, ',ANSI_QUOTES')),time_zone='+00:00',NAMES utf8mb4"}) {
        Client f(bench(), *bench().follower);
        f.good(sql);
        const auto before = bench().follower->engine->counters().local_reads;
        CHECK(f.good("SELECT COUNT(*) AS \"n\" FROM \"ddb_meta\".\"position\"").cell() == "1");
        CHECK(bench().follower->engine->counters().local_reads == before + 1);
    }
}

TEST_CASE("how strings are quoted is told with the answers that the node gives itself, too") {
    constexpr std::uint16_t no_backslash_escapes = 0x200;
    Client f(bench(), *bench().follower, "root", "");
    CHECK((f.good("SET sql_mode = 'NO_BACKSLASH_ESCAPES'").end.status_flags & no_backslash_escapes) != 0);
    CHECK((f.good("COMMIT").end.status_flags & no_backslash_escapes) != 0);
    CHECK((f.good("BEGIN").end.status_flags & no_backslash_escapes) != 0);
    CHECK((f.good("COMMIT").end.status_flags & no_backslash_escapes) != 0);
    CHECK((f.run("SELECT nothing").end.status_flags & no_backslash_escapes) != 0);
    CHECK((f.good("SET sql_mode = ''").end.status_flags & no_backslash_escapes) == 0);
    CHECK((f.good("COMMIT").end.status_flags & no_backslash_escapes) == 0);
}

TEST_CASE("sql_auto_is_null finds the row that was inserted last") {
    Client c = fresh("autoid");
    Client f(bench(), *bench().follower, "root", "d");
    c.good("CREATE TABLE autoid2 (id INT AUTO_INCREMENT PRIMARY KEY, v INT)");
    f.good("SET sql_auto_is_null = 1");
    f.good("INSERT INTO autoid2 (v) VALUES (7)");
    CHECK(f.good("SELECT v FROM autoid2 WHERE id IS NULL").cell() == "7");
    CHECK(f.good("SELECT COUNT(*) FROM autoid2 WHERE id IS NULL").cell() == "0");
}

TEST_CASE("warnings of a definition can be read, as often as wanted, until the next statement") {
    Client c = fresh("warned");
    CHECK(c.good("DROP TABLE IF EXISTS nothing").end.outcome.warnings == 1);
    for (int i = 0; i < 2; ++i) {
        auto answer = c.good("SHOW WARNINGS");
        REQUIRE(answer.rows.size() == 1);
        CHECK(answer.columns.size() == 3);
        CHECK(answer.cell(0, 0) == "Note");
        CHECK(answer.cell(0, 1) == "1051");
    }
    CHECK(c.good("SHOW ERRORS").rows.empty());
    CHECK(c.good("SHOW COUNT(*) ERRORS").cell() == "0");
    CHECK(c.run("DROP TABLE nothing").code() == 1051);
    CHECK(c.good("show warnings;").cell(0, 0) == "Error");
    CHECK(c.good("SHOW ERRORS").cell(0, 1) == "1051");
    CHECK(c.good("SHOW COUNT(*) ERRORS;").cell() == "1");
    Client several(bench(), *bench().node, "root", "d");
    several.good("CREATE TABLE warned_thrice (id INT PRIMARY KEY, v INT)");
    several.good("INSERT INTO warned_thrice VALUES (1,11), (2,22), (3,33)");
    several.good("SET sql_mode = ''");
    CHECK(several.good("ALTER TABLE warned_thrice MODIFY v VARCHAR(1)").end.outcome.warnings == 3);
    CHECK(several.good("SHOW WARNINGS LIMIT 2").rows.size() == 2);
    const auto second = several.good("SHOW WARNINGS LIMIT 1, 1");
    REQUIRE(second.rows.size() == 1);
    CHECK(second.cell(0, 2) == "Data truncated for column 'v' at row 2");
    CHECK(several.good("SHOW WARNINGS LIMIT 5 OFFSET 2").cell(0, 2) == "Data truncated for column 'v' at row 3");
    CHECK(several.good("SHOW WARNINGS LIMIT 0").rows.empty());
    const auto counts = several.good("SELECT @@warning_count, @@error_count");
    CHECK(counts.cell() == "3");
    CHECK(counts.cell(0, 1) == "0");
    CHECK(counts.columns.at(0).name == "@@warning_count");
    CHECK(several.good("SHOW COUNT(*) WARNINGS").columns.at(0).name == "@@session.warning_count");
    CHECK(several.run("SHOW WARNINGS LIMIT 'a'").code() == 1064);
    c.good("INSERT INTO warned VALUES (1, 1)");
    CHECK(c.good("SHOW WARNINGS").rows.empty());
    c.good("CREATE TABLE IF NOT EXISTS warned (id INT PRIMARY KEY)");
    Client other(bench(), *bench().node, "root", "d");
    CHECK(other.good("SHOW WARNINGS").rows.empty());
    CHECK(c.good("SHOW WARNINGS").cell(0, 1) == "1050");
    c.good("CREATE TABLE warned_too (id INT PRIMARY KEY)");
    CHECK(c.good("SHOW WARNINGS").rows.empty());
}

TEST_CASE("a function sees the session's user variables, wherever the statement that calls it could run") {
    Client c = fresh("uservars");
    c.good("CREATE FUNCTION uservar() RETURNS INT READS SQL DATA RETURN @x");
    c.good("INSERT INTO uservars VALUES (1, 7)");
    c.good("SET @x = 5");
    CHECK(c.good("SELECT uservar()").cell() == "5");
    Client other(bench(), *bench().node, "root", "d");
    other.good("SELECT v FROM uservars WHERE id = 1 INTO @x");
    CHECK(other.good("SELECT uservar()").cell() == "7");
    c.good("DROP FUNCTION uservar");
}

TEST_CASE("reads and logins wait while the server ends the connections of an office that is left") {
    Client c = fresh("a20");
    c.good("INSERT INTO a20 VALUES (1,10)");
    c.consistency = Consistency::local;
    CHECK(c.good("SELECT v FROM a20").cell() == "10");
    Client late(bench(), *bench().node, "root", "d", false);

    bench().node->engine->on_office_closing(bench().epoch);
    const auto read = c.start("SELECT v FROM a20");
    OpenSession open;
    open.session = late.session;
    open.user = "root";
    late.node.engine->on_message(Origin{{}, late.name}, open, bench().now_ms());
    bench().run_for(100);
    CHECK(c.inbox().empty());
    CHECK(late.inbox().empty());
    bench().close_office();
    const auto answer = c.finish(read);
    CHECK(answer.code() == 0);
    CHECK(answer.cell() == "10");
    bench().run_until([&] { return !late.inbox().empty(); });
    CHECK(std::get<SessionOpened>(late.inbox().front()).accepted);
    bench().open_office();
}

TEST_CASE("a read that waits for an office to be left goes to the coordinator when the server dies meanwhile") {
    Client c = fresh("a21");
    Client f(bench(), *bench().follower, "root", "d");
    f.consistency = Consistency::local;
    auto& engine = *bench().follower->engine;
    engine.on_office_closing(bench().epoch);
    const auto read = f.start("SELECT COUNT(*) FROM a21");
    bench().run_for(50);
    CHECK(f.inbox().empty());
    const auto reads = engine.counters().local_reads;
    engine.on_server_down();
    CHECK(f.finish(read).cell() == "0");
    CHECK(engine.counters().local_reads == reads);
    engine.on_office_left();
    engine.on_applied(LogIndex{bench().entries.size()});
}

TEST_CASE("a node that has not applied all for long does not say that an account or database is not there") {
    auto& follower = *bench().follower;
    follower.hears_coordinator = false;
    for (const auto* user : {"root", "stranger"}) {
        Client late(bench(), follower, user, "made_a_moment_ago", false);
        late.open();
        CHECK(!late.opened.accepted);
        CHECK(late.opened.error.code == ErrorCode::timeout);
        CHECK(late.opened.error.mysql_code == 1047);
        CHECK(late.opened.error.message.find(user[0] == 'r' ? "Unknown database" : "Access denied") !=
              std::string::npos);
    }
    follower.hears_coordinator = true;
    Client known(bench(), follower, "root", "never_made", false);
    known.open();
    CHECK(known.opened.error.mysql_code == 1049);
    // Without a majority nobody knows better than this server.
    follower.hears_coordinator = false;
    bench().set_view(NodeId{}, false);
    Client alone(bench(), follower, "root", "never_made", false);
    alone.open();
    CHECK(alone.opened.error.mysql_code == 1049);
    bench().set_view(bench().node->id);
    follower.hears_coordinator = true;
}
