// What one server captured, another applied: every kind of change must end in equal tables.
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>

#include "node/storage/native_password.hpp"
#include "node/storage/system_login.hpp"
#include "storage_database_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

constexpr const char* all_types =
    "CREATE TABLE types (id INT AUTO_INCREMENT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d BIGINT, "
    "e FLOAT, f DOUBLE, g DECIMAL(30,10), h BIT(13), i DATE, j TIME(3), k DATETIME(6), l TIMESTAMP(2) NULL, m YEAR, "
    "n CHAR(20), o VARCHAR(300), p BINARY(16), q VARBINARY(70), r TINYBLOB, s MEDIUMTEXT, t LONGBLOB, "
    "u ENUM('x','y'), v SET('p','q','r'), w JSON, x POINT, y INET6, z UUID, "
    "aa INT AS (a+1) VIRTUAL, ab INT AS (a+2) STORED) CHARACTER SET utf8mb4";

constexpr const char* fill_types =
    "INSERT INTO types(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z) VALUES "
    "(-7,65000,-800000,-9e15,1.5,-2.25,12345678901234567890.0123456789,b'1010101010101','2024-02-29','-11:12:13.456',"
    "NOW(6),'2030-01-01 00:00:00.12',2024,'chars','v\xc3\xa4r',x'00ff',x'0001ff',x'00','text',REPEAT(x'00ff',5000),'y',"
    "'p,r','{\"a\":[1,2]}',POINT(1,2),'::1',UUID()),"
    "(NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,"
    "NULL,NULL,NULL,NULL)";

// Users come with every server; what a fresh server grants differs from one initialisation to the next only in times.
void equal(Cluster& cluster, StorageNode& a, StorageNode& b) {
    cluster.settle();
    CHECK(Cluster::picture(a) == Cluster::picture(b));
    CHECK_FALSE(a.fenced());
    CHECK_FALSE(b.fenced());
}

}  // namespace

TEST_CASE("rows of every kind arrive equal", "[replicate]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement(all_types);
    cluster.statement("CREATE TABLE parent (id INT PRIMARY KEY, v INT)");
    cluster.statement(
        "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent(id) "
        "ON DELETE CASCADE ON UPDATE CASCADE)");
    cluster.statement(
        "CREATE TABLE journal (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(50), at DATETIME(6), "
        "r DOUBLE)");
    cluster.statement(
        "CREATE TRIGGER after_parent AFTER INSERT ON parent FOR EACH ROW INSERT INTO journal(what,at,r) "
        "VALUES (CONCAT('parent ', NEW.id), NOW(6), RAND())");
    cluster.statement("CREATE TABLE big (id INT PRIMARY KEY, body LONGBLOB)");
    cluster.statement("CREATE SEQUENCE numbers");

    cluster.transaction({fill_types, "UPDATE types SET k=NOW(6), o=UUID(), a=5 WHERE b IS NULL", fill_types});
    CHECK(cluster.log().back().row_count == 5);
    cluster.transaction(
        {"INSERT INTO parent VALUES (1,1),(2,2),(3,3)", "INSERT INTO child VALUES (10,1),(11,1),(12,2)"});
    CHECK(cluster.log().back().row_count == 9);  // with the trigger's
    cluster.transaction({"UPDATE parent SET id=id+100 ORDER BY id DESC LIMIT 2", "DELETE FROM parent WHERE id=1"});
    cluster.transaction(
        {"UPDATE parent JOIN child ON child.p=parent.id SET parent.v=parent.v+1, child.id=child.id+1000"});
    cluster.transaction({"INSERT INTO parent VALUES (50,0)", "SAVEPOINT s", "INSERT INTO parent VALUES (51,0)",
                         "ROLLBACK TO s", "INSERT INTO parent VALUES (52,NEXTVAL(numbers))"});
    equal(cluster, a, b);

    SECTION("large ones") {
        cluster.transaction({"INSERT INTO big SELECT seq, REPEAT(CHAR(65+seq%26), 1000) FROM seq_1_to_5000"});
        CHECK(cluster.log().back().row_count == 5000);
        CHECK(cluster.log().back().payload.size() > 5'000'000);
        cluster.transaction({"INSERT INTO big VALUES (100000, REPEAT('x', 20*1024*1024))"});
        cluster.transaction({"UPDATE big SET body=CONCAT(body,'!') WHERE id > 4990"});
        equal(cluster, a, b);
    }
    SECTION("the transactions log") {
        auto reader = b.service();
        auto rows =
            reader->rows("SELECT log_index, txn, kind, `rows` FROM ddb_meta.transactions_log ORDER BY log_index");
        REQUIRE(rows.ok());
        // The coordinator folds its own about once a second; followers write with each batch.
        CHECK(rows->size() == cluster.last().value);
        CHECK(*rows->front()[2] == "noop");
        CHECK(*rows->back()[2] == "rows");
    }
}

TEST_CASE("statements run on the follower as they ran on the coordinator", "[replicate]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{3});
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement("CREATE DATABASE `odd ``name` CHARACTER SET latin1", "");
    cluster.statement("CREATE TABLE `t'1` (a INT PRIMARY KEY) CHARSET latin1", "odd `name");
    cluster.statement("CREATE USER u@localhost IDENTIFIED BY 'pw'", "");
    cluster.statement("GRANT ALL ON d.* TO u@localhost", "");
    cluster.statement("CREATE TABLE t (a INT PRIMARY KEY, b DATETIME(6) DEFAULT '2020-01-01')");
    cluster.transaction({"INSERT INTO t(a) VALUES (1),(2),(3)"});
    cluster.statement("CREATE VIEW v AS SELECT * FROM t WHERE a > 1", "d", "u");
    cluster.statement(
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.b = '2021-02-03'", "d", "root",
        {"SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", "SET NAMES latin1 COLLATE latin1_german1_ci"});
    cluster.statement("CREATE PROCEDURE p(x INT) BEGIN SELECT x, 'a\\'b'; END", "d", "u");
    cluster.statement("CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 10:00:00' DO DELETE FROM t", "d",
                      "root", {"SET time_zone='+05:30'"});
    cluster.statement("CREATE TABLE c1 (PRIMARY KEY (a)) SELECT a, NOW(6) AS n, UUID() AS u, RAND() AS r FROM t");
    cluster.statement("ALTER TABLE t ADD c DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), ADD INDEX (b)");
    cluster.statement("CREATE TABLE x1 (a INT PRIMARY KEY)");
    cluster.statement("CREATE TABLE x2 (a INT PRIMARY KEY)");
    cluster.statement("RENAME TABLE x1 TO x3, x2 TO x1, x3 TO x2");
    CHECK(cluster.statement("DROP TABLE x1, missing, x2") != LogIndex{});
    CHECK(cluster.statement("DROP USER u2@localhost, u3@localhost", "") != LogIndex{});
    cluster.statement("CREATE ROLE r", "");
    cluster.statement("GRANT r TO u@localhost", "");
    CHECK(cluster.statement("GRANT SELECT ON d.* TO u@localhost, missing@localhost", "", "root",
                            {"SET sql_mode='NO_AUTO_CREATE_USER'"}) != LogIndex{});
    cluster.statement("CREATE TABLE child (a INT PRIMARY KEY, FOREIGN KEY (a) REFERENCES nowhere(a))", "d", "root",
                      {"SET foreign_key_checks=0"});
    // What the log does not tell of a session.
    cluster.statement("CREATE TABLE loose (a INT PRIMARY KEY) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=64", "d", "root",
                      {"SET innodb_strict_mode=0"});
    cluster.statement("ALTER TABLE t ADD CHECK (a > 2)", "d", "root", {"SET check_constraint_checks=0"});
    cluster.statement("CREATE TABLE versioned (a INT PRIMARY KEY) WITH SYSTEM VERSIONING");
    cluster.statement("ALTER TABLE versioned ADD b INT", "d", "root", {"SET system_versioning_alter_history=KEEP"});
    cluster.statement("TRUNCATE TABLE c1");
    cluster.statement("CREATE DATABASE unnamed", "");
    cluster.statement("ALTER DATABASE CHARACTER SET latin2", "unnamed");
    cluster.statement("ALTER DATABASE unnamed COLLATE latin2_croatian_ci", "d");
    cluster.statement("DROP DATABASE `odd ``name`", "odd `name");
    cluster.settle();
    CHECK(Cluster::picture(a) == Cluster::picture(b));
    CHECK_FALSE(b.fenced());
}

// A server logs the rows of such a transaction all the same, and ROLLBACK behind them.
TEST_CASE("what was rolled back does not travel, though a temporary table was made in between", "[replicate]") {
    StorageNode a(1);
    Cluster cluster({&a});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement("CREATE TABLE t (id INT PRIMARY KEY)");
    auto session = a.user("root", "d");
    const std::string undone = random_xid();
    REQUIRE(session->execute_all(a.database().begin_sql(undone, cluster.next_txn())).ok());
    REQUIRE(session->execute("INSERT INTO t VALUES (1)").ok());
    REQUIRE(session->execute("CREATE TEMPORARY TABLE x (id INT PRIMARY KEY)").ok());
    REQUIRE(session->execute("XA END '" + undone + "'").ok());
    REQUIRE(session->execute("XA ROLLBACK '" + undone + "'").ok());
    const std::string kept = random_xid();
    REQUIRE(session->execute_all(a.database().begin_sql(kept, cluster.next_txn())).ok());
    REQUIRE(session->execute("INSERT INTO t VALUES (2)").ok());
    REQUIRE(session->execute_all(a.database().prepare_sql(kept)).ok());
    Captured group = a.next_group();
    for (; group.xid != kept; group = a.next_group()) {
        CHECK(group.events.empty());
        CHECK(group.rows == 0);
        CHECK_FALSE(group.ddl);
    }
    CHECK(group.rows == 1);
    REQUIRE(session->execute("XA ROLLBACK '" + kept + "'").ok());
}

TEST_CASE("the marker leaves the user's session alone", "[replicate]") {
    StorageNode a(1);
    Cluster cluster({&a});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)");
    auto session = a.user("root", "d");
    REQUIRE(session->execute("INSERT INTO t(v) VALUES (1),(2)").ok());
    (void)a.next_group();
    auto before = session->scalar("SELECT LAST_INSERT_ID()");
    const TxnId txn = cluster.next_txn();
    const std::string xid = random_xid();
    REQUIRE(session->execute_all(a.database().begin_sql(xid, txn)).ok());
    CHECK(**session->scalar("SELECT LAST_INSERT_ID()") == **before);
    // A transaction that does nothing holds nothing but the marker.
    auto prepared = session->execute_all(a.database().prepare_sql(xid));
    REQUIRE(prepared.ok());
    const Captured group = a.next_group();
    CHECK(group.xid == xid);
    CHECK(group.events.empty());
    CHECK(group.row_events == 0);
    REQUIRE(session->execute("XA ROLLBACK '" + xid + "'").ok());
    SECTION("whatever the session's character sets are") {
        const TxnId next = cluster.next_txn();
        REQUIRE(session->execute("SET character_set_client=binary, collation_connection=utf32_general_ci").ok());
        REQUIRE(session->execute_all(a.database().statement_begin_sql(7)).ok());
        REQUIRE(session->execute_all(a.database().statement_end_sql()).ok());
        REQUIRE(session->execute_all(a.database().begin_sql(xid, next)).ok());
        REQUIRE(session->execute(xa_sql("END", xid)).ok());
        REQUIRE(session->execute(xa_sql("ROLLBACK", xid)).ok());
    }
    SECTION("only the node can write one") {
        CHECK(session->execute("CALL ddb_meta.mark(5, 'x')").error().mysql_code == 1227);
        CHECK(session->execute("CALL ddb_meta.mark(5, NULL)").error().mysql_code == 1227);
        CHECK(session->execute("CALL ddb_meta.statement_begin(5, NULL, FALSE)").error().mysql_code == 1227);
        CHECK(a.database().connect("ddb", "service password", "").error().mysql_code == 1045);
    }
}

TEST_CASE("a client is not let in by the name of the node's own system user", "[replicate]") {
    StorageNode a(1);
    Cluster cluster({&a});
    cluster.open(Epoch{1});
    const std::string name = system_user();
    const auto login = [&](const std::string& user, const std::string& password) -> unsigned {
        auto connection = a.database().connect(user, password, "");
        return connection.ok() ? 0 : connection.error().mysql_code;
    };
    CHECK(login("", "") == 1045);
    if (name.empty() || name == "ddb") return;  // nobody's, or the node's own account
    const auto identified = [&](const std::string& how) {
        REQUIRE(a.service()->execute("CREATE OR REPLACE USER '" + name + "'@localhost IDENTIFIED " + how).ok());
    };
    identified("VIA unix_socket");
    CHECK(login(name, "") == 1698);
    CHECK(login(name, "pw") == 1698);
    identified("VIA mysql_native_password USING PASSWORD('pw') OR unix_socket");
    CHECK(login(name, "") == 1698);
    CHECK(login(name, "other") == 1698);
    CHECK(login(name, "pw") == 0);
    CHECK(login(name, password_from_sha1(std::string(sha1_bytes, 'x'))) == 1698);
    identified("VIA mysql_native_password USING PASSWORD('pw')");
    CHECK(login(name, "") == 1045);
    CHECK(login(name, "pw") == 0);
}

TEST_CASE("definitions are replicated whatever the session's settings are", "[replicate]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    const auto with = [&](const std::string& setting, const std::string& sql) {
        INFO(setting);
        CHECK(cluster.statement(sql, "d", "root", {setting}).value != 0);
        cluster.settle();
    };
    for (const char* name : {"utf16", "filename"})
        with(std::string("SET character_set_results=") + name, std::string("CREATE TABLE ") + name + " (id INT KEY)");
    with("SET sql_select_limit=0", "CREATE TABLE no_row (id INT KEY)");
    std::string wide = "CREATE TABLE wide (id INT KEY";
    for (int i = 0; i < 40; ++i) wide += ", c" + std::to_string(i) + " CHAR(250) CHARACTER SET latin1 NOT NULL";
    with("SET innodb_strict_mode=0", wide + ")");
    cluster.statement("CREATE TABLE kept (id INT KEY) WITH SYSTEM VERSIONING");
    with("SET system_versioning_alter_history='KEEP'", "ALTER TABLE kept ADD COLUMN v INT");
    cluster.statement("CREATE TABLE old (id INT KEY)");
    cluster.transaction({"INSERT INTO old VALUES (1)"});
    with("SET check_constraint_checks=0", "ALTER TABLE old ADD CONSTRAINT c CHECK (id > 5)");
    with("SET old_mode=''", "CREATE TABLE utf8 (id INT KEY, c CHAR(3) CHARACTER SET utf8)");
    with("SET innodb_compression_default=ON", "CREATE TABLE packed (id INT KEY)");
    cluster.statement("CREATE TABLE parted (id INT KEY)");
    cluster.transaction({"INSERT INTO parted VALUES (1)"});
    with("SET div_precision_increment=12", "ALTER TABLE parted ADD COLUMN third DECIMAL(20,12) AS (id / 3) STORED");
    const auto third = b.service()->scalar("SELECT third FROM d.parted");
    if (!third.ok()) FAIL(third.error().message);
    CHECK(**third == "0.333333333333");
    CHECK(Cluster::picture(a) == Cluster::picture(b));
}

TEST_CASE("throughput of capture, commit and apply", "[replicate][speed]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement("CREATE TABLE t (id INT PRIMARY KEY, v INT)");
    cluster.settle();
    using Clock = std::chrono::steady_clock;
    constexpr int transactions = 4000;
    std::vector<std::unique_ptr<Connection>> sessions;
    for (int i = 0; i < 32; ++i) sessions.push_back(a.user("root", "d"));
    const auto start = Clock::now();
    for (int done = 0; done < transactions;) {
        const LogIndex first = cluster.last();
        std::vector<std::pair<TxnId, std::string>> names;
        for (auto& session : sessions) {
            const TxnId txn = cluster.next_txn();
            names.emplace_back(txn, random_xid());
            auto sql = a.database().begin_sql(names.back().second, txn);
            sql.push_back("INSERT INTO t VALUES (" + std::to_string(done++) + ",1)");
            for (auto& more : a.database().prepare_sql(names.back().second)) sql.push_back(more);
            REQUIRE(session->execute_all(sql).ok());
        }
        std::vector<Entry> entries;
        for (const auto& [txn, xid] : names) {
            Captured group = a.next_group();
            REQUIRE(group.xid == xid);
            Entry& entry = entries.emplace_back();
            entry.kind = EntryKind::rows;
            entry.txn = txn;
            entry.payload = Payload(std::move(group.events));
        }
        cluster.append_all(std::move(entries));
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            a.database().register_prepared(LogIndex{first.value + 1 + i}, names[i].first, names[i].second,
                                           std::move(sessions[i]));
        }
        cluster.decide(cluster.last());
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            sessions[i] = a.wait_committed(LogIndex{first.value + 1 + i});
        }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    cluster.settle();
    const double applied = std::chrono::duration<double>(Clock::now() - start).count();
    std::cout << "storage: one client thread, " << transactions / seconds
              << " transactions/s committed, follower level after " << applied - seconds << " s more\n";
    CHECK(Cluster::picture(a).size() > 100);
}
