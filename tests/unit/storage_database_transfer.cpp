// State transfer between two real servers: a dump taken while writes go on makes another server equal.
#include <poll.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "node/storage/dump_charsets.hpp"
#include "node/storage/dump_columns.hpp"
#include "node/storage/dump_comments.hpp"
#include "node/storage/dump_delimiters.hpp"
#include "node/storage/dump_load.hpp"
#include "node/storage/dump_position.hpp"
#include "node/storage/dump_source.hpp"
#include "node/storage/dump_triggers.hpp"
#include "node/storage/metadata.hpp"
#include "storage_database_support.hpp"
#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

using Clock = std::chrono::steady_clock;

// The dump program comes with a package that is not installed on every machine that builds; tools/setup unpacks it.
const bool path_is_set = [] {
    const char* path = std::getenv("PATH");
    return ::setenv("PATH", (std::string(path != nullptr ? path : "/usr/bin") + ":" DDB_CLIENT_TOOLS).c_str(), 1) == 0;
}();

constexpr std::chrono::seconds patience{60};
std::uint64_t attempt = 0;

// Carries chunks from the one to the other until everything is loaded. `each` is called for every chunk taken, and may
// spoil it.
void carry(DumpSource& source, DumpLoad& load, const std::function<void(TransferChunk&)>& each) {
    const auto give_up = Clock::now() + patience;
    for (;;) {
        REQUIRE(Clock::now() < give_up);
        const auto dumped = source.progress();
        if (dumped.failed) FAIL(dumped.failed->message);
        const auto loaded = load.progress();
        if (loaded.failed) FAIL(loaded.failed->message);
        if (loaded.loaded) return;
        auto chunk = loaded.room > 0 ? source.chunk(loaded.next) : std::nullopt;
        if (!chunk) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            continue;
        }
        each(*chunk);
        if (load.offer(*chunk) == DumpLoad::Offer::taken) source.acknowledge(chunk->number + 1);
    }
}

DumpSource::Options source_options(StorageNode& node) {
    DumpSource::Options options;
    options.service = node.database().service();
    options.transfer = 7;
    options.with_root = true;
    options.chunks_kept_max = 4;
    return options;
}

DumpLoad::Options load_options(StorageNode& node) {
    DumpLoad::Options options;
    options.service = node.database().service();
    options.chunks_waiting_max = 2;
    return options;
}

void build_database(Cluster& cluster) {
    cluster.statement("CREATE DATABASE d CHARACTER SET utf8mb4", "");
    cluster.statement("CREATE DATABASE `odd ``name-1`", "");
    cluster.statement("CREATE USER u@localhost IDENTIFIED BY 'pw'", "");
    cluster.statement("CREATE USER 'o''dd'@'10.%' IDENTIFIED BY 'x' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5", "");
    cluster.statement("CREATE ROLE r", "");
    cluster.statement("GRANT SELECT ON d.* TO r", "");
    cluster.statement("GRANT r TO u@localhost WITH ADMIN OPTION", "");
    cluster.statement("SET DEFAULT ROLE r FOR u@localhost", "");
    cluster.statement("GRANT ALL ON d.* TO u@localhost", "");
    cluster.statement("ALTER USER root@localhost PASSWORD EXPIRE NEVER", "");
    cluster.statement("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(2000), n INT, KEY (n))");
    cluster.statement("CREATE TABLE b (id INT PRIMARY KEY, body LONGBLOB, s TEXT)");
    cluster.statement(
        "CREATE TABLE child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t(id) ON DELETE CASCADE)");
    cluster.statement("CREATE TABLE h (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING");
    cluster.statement("CREATE SEQUENCE s START WITH 5 INCREMENT BY 3");
    cluster.statement("CREATE TABLE q (id INT PRIMARY KEY DEFAULT nextval(d.s), v INT)");
    cluster.statement("CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(50))");
    cluster.statement("CREATE TRIGGER tr AFTER INSERT ON child FOR EACH ROW INSERT INTO log(what) VALUES ('child')");
    cluster.statement("CREATE VIEW v1 AS SELECT id, n FROM t WHERE n > 1", "d", "u");
    cluster.statement("CREATE VIEW a_view_on_a_view AS SELECT * FROM v1");
    cluster.statement("CREATE PROCEDURE p(x INT) BEGIN SELECT x; SELECT ';;'; END", "d", "u");
    cluster.statement("CREATE FUNCTION f(x INT) RETURNS INT DETERMINISTIC RETURN x+1");
    cluster.statement("CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 10:00:00' DO DELETE FROM t");
    cluster.statement("GRANT EXECUTE ON PROCEDURE d.p TO 'o''dd'@'10.%'", "");
    cluster.statement("GRANT SELECT (id), UPDATE (n) ON d.t TO 'o''dd'@'10.%'", "");
    cluster.statement("GRANT SELECT ON `odd ``name-1`.* TO PUBLIC", "");
    cluster.statement("CREATE TABLE `t'1` (a INT PRIMARY KEY, `b c` VARCHAR(10))", "odd `name-1");
    cluster.transaction({"INSERT INTO `t'1` VALUES (1,'x\\'y'),(2,'\\0\\n')"}, "odd `name-1");
    cluster.transaction({"INSERT INTO t(v,n) SELECT REPEAT(CHAR(65+seq%26),1500), seq FROM seq_1_to_6000"});
    cluster.transaction({"INSERT INTO b VALUES (1, REPEAT(x'00ff0a27', 500000), 'a\\r\\nb\\0c')",
                         "INSERT INTO child VALUES (1,1),(2,2)", "INSERT INTO h VALUES (1,1)"});
    cluster.transaction({"UPDATE h SET v=2", "INSERT INTO q(v) VALUES (1)"});
}

void hold_statements(StorageNode& donor) {
    donor.database().hold_statements(true);
    for (int i = 0; i < 2000 && !donor.database().statements_held(); ++i) ::poll(nullptr, 0, 5);
    REQUIRE(donor.database().statements_held());
}

// Dumps the one into the other while the coordinator writes on. Returns the last entry the dump holds.
Entry transfer_under_load(Cluster& cluster, StorageNode& donor, StorageNode& receiver) {
    LogIndex loaded_index;
    std::size_t damaged = 0;
    std::uint64_t bytes = 0;
    {
        hold_statements(donor);
        DumpSource source(source_options(donor), [] {});
        DumpLoad load(load_options(receiver), [] {});
        carry(source, load, [&](TransferChunk& chunk) {
            // The dump is not over yet: its program stands still behind what is not taken.
            if (chunk.number < 20) {
                cluster.transaction({"INSERT INTO t(v,n) VALUES ('later'," + std::to_string(chunk.number) + ")",
                                     "UPDATE t SET n=n+1 WHERE id <= 3",
                                     "DELETE FROM t WHERE id=" + std::to_string(100 + chunk.number)});
            }
            if (chunk.number % 5 == 3 && damaged++ % 2 == 0) {
                std::string spoilt(chunk.bytes.view());
                spoilt[spoilt.size() / 2] = static_cast<char>(spoilt[spoilt.size() / 2] ^ 1);
                chunk.bytes = Payload(std::move(spoilt));
                CHECK(load.offer(chunk) == DumpLoad::Offer::damaged);
            }
        });
        CHECK(source.progress().complete);
        CHECK(source.progress().notes.empty());
        bytes = source.progress().bytes;
        CHECK(bytes == load.progress().bytes);
        CHECK(damaged > 0);
        donor.database().hold_statements(false);
    }
    CHECK(bytes > 12'000'000);
    receiver.database().read_loaded_position();
    std::vector<std::uint64_t> markers;
    receiver.wait_for<LoadedPosition>([&](const LoadedPosition& position) {
        loaded_index = position.index;
        markers = position.markers;
        return true;
    });
    auto found = entries_of_dump(donor.journal(), loaded_index, markers);
    REQUIRE(found.ok());
    const LogIndex last = found->empty() ? loaded_index : found->back().id.index;
    CHECK(last < cluster.last());
    const Entry last_entry = cluster.log().at(last.value - 1);
    receiver.database().install_snapshot(last_entry.id, *found);
    receiver.wait_for<RebuildLoaded>();
    return last_entry;
}

}  // namespace

TEST_CASE("a dump asks for FLOAT columns with all their digits", "[transfer]") {
    const ExactColumns floats{{{"d", "t"}, {{{"f", "DOUBLE"}, {"g`, h", "DOUBLE"}}, {"id", "f", "g`, h"}}},
                              {{"d", "a`b"}, {{{"f", "DOUBLE"}}, {"f"}}}};
    const std::string head = "SELECT /*!40001 SQL_NO_CACHE */ ";
    const auto asked = [&](const std::string& rest, const char* database = "d") {
        return with_exact_columns(head + rest, database, floats).substr(head.size());
    };
    CHECK(asked("`id`, `f` FROM `t`") == "`id`, CAST(`f` AS DOUBLE) FROM `t`");
    CHECK(asked("`g``, h`,`f`, ` FROM ` FROM `t` WHERE 1") ==
          "CAST(`g``, h` AS DOUBLE), CAST(`f` AS DOUBLE), ` FROM ` FROM `t` WHERE 1");
    CHECK(asked("`f`, row_start, row_end FROM `a``b` FOR SYSTEM_TIME ALL") ==
          "CAST(`f` AS DOUBLE), row_start, row_end FROM `a``b` FOR SYSTEM_TIME ALL");
    CHECK(asked("* FROM `t`") == "`id`, CAST(`f` AS DOUBLE), CAST(`g``, h` AS DOUBLE) FROM `t`");
    for (const auto* other :
         {"`id`, `f` FROM `u`", "`id`, `e` FROM `t`", "`f`", "`f", "`f` FROM", "", "* FROM `u`", "f(`f`) FROM `t`"})
        CHECK(asked(other) == other);
    CHECK(asked("`f` FROM `t`", "e") == "`f` FROM `t`");
    CHECK(with_exact_columns("SELECT `f` FROM `t`", "d", floats) == "SELECT `f` FROM `t`");
}

TEST_CASE("who loads a dump is told of characters with a backslash in them", "[transfer]") {
    const std::string sets = "/*!50003 SET character_set_client  = sjis */ ;\n";
    const std::string back = "/*!50003 SET character_set_client  = @saved_cs_client */ ;\n";
    const std::string view = "/*!50001 SET character_set_client      = cp932 */;\n";
    const std::string plain = "/*!50003 SET character_set_client  = utf8mb4 */ ;\n";
    const std::string rows =
        "INSERT INTO `t` VALUES (1,'" + std::string(300, 'x') + sets.substr(0, sets.size() - 1) + "');\n";
    const std::string body = "DELIMITER ;;\nBEGIN SELECT '\n" + sets + "'; END\n;;\nDELIMITER ;\n";
    const std::string dump =
        plain + back + rows + body + sets + "body\n" + back + view + back + "/*!50003 SET x */;\n/*!5000";
    const std::string loaded = plain + back + rows + body + "\\C sjis\n" + sets + "body\n\\C utf8mb4\n" + back +
                               "\\C cp932\n" + view + "\\C utf8mb4\n" + back + "/*!50003 SET x */;\n/*!5000";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{64}, dump.size()}) {
        DumpCharsets charsets;
        std::string out;
        for (std::size_t at = 0; at < dump.size(); at += piece) out += charsets.pass(dump.substr(at, piece));
        CHECK(out + charsets.rest() == loaded);
    }
}

TEST_CASE("a text that ends with a comment ends in a dump where it is loaded", "[transfer]") {
    const std::string rows = "INSERT INTO `t` VALUES ('-- x ;;');\nDELIMITER\n-- x ;;\nDELIMITER ;\n";
    const std::string begin = "DELIMITER ;;\n";
    const std::string end = "DELIMITER ;\n";
    const std::string set = "/*!50003 SET time_zone             = @saved_time_zone */ ;;\n";
    const std::string trigger = "/*!50003 CREATE*/ /*!50003 TRIGGER t BEFORE INSERT ON t FOR EACH ROW set new.a=1 ";
    const std::string event = "/*!50106 CREATE*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 HOUR DO\nselect 1 ";
    const std::string routine = "CREATE DEFINER=`a`@`b` PROCEDURE p()\nselect '-- x ;;\n', 1 ";
    const std::string dump = rows + begin + trigger + "-- done */;;\n" + end + begin + trigger + "*/;;\n" + end +
                             begin + set + event + "# d */ ;;\n" + set + event + "*/ ;;\n" + set + end + begin +
                             routine + "-- */ ;;\n" + end + begin + routine + ";;\n" + end + begin + routine +
                             "/* # */ ;;\n" + end + rows + "DELIM";
    const std::string loaded = rows + begin + trigger + "-- done \n*/;;\n" + end + begin + trigger + "*/;;\n" + end +
                               begin + set + event + "# d \n*/ ;;\n" + set + event + "*/ ;;\n" + set + end + begin +
                               routine + "-- */ \n;;\n" + end + begin + routine + ";;\n" + end + begin + routine +
                               "/* # */ \n;;\n" + end + rows + "DELIM";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{64}, dump.size()}) {
        DumpComments comments;
        std::string out;
        for (std::size_t at = 0; at < dump.size(); at += piece) out += comments.pass(dump.substr(at, piece));
        CHECK(out + comments.rest() == loaded);
    }
}

TEST_CASE("a line of a routine that begins with the word delimiter keeps its newline", "[transfer]") {
    const std::string before = "/*!50003 SET sql_mode = 'ANSI_QUOTES' */ ;\nDELIMITER ;;\nCREATE FUNCTION f(\n";
    const std::string after = "x INT) RETURNS INT RETURN 1\n;;\nDELIMITER ;\nINSERT INTO t VALUES (1);\n";
    const std::string no_escapes = "/*!50003 SET sql_mode = 'NO_BACKSLASH_ESCAPES' */ ;\nDELIMITER ;;\nSET @a = '\\'\n";
    const auto passed = [](const std::string& dump, std::size_t piece) {
        DumpDelimiters delimiters;
        std::string out;
        for (std::size_t at = 0; at < dump.size(); at += piece) out += delimiters.pass(dump.substr(at, piece));
        return out;
    };
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
        for (const char* line :
             {"delimiter\n", "Delimiter VARCHAR(9),\n", "delimiters INT, /*! y */ 'it\\'s', `\\` /* z */\n"})
            CHECK(passed(before + line + after, piece) == before + line + "\n" + after);
        for (const char* line : {"delimiter -- x\n", "delimiter # x\n", "delimiter --\n", " delimiter\n",
                                 "/* x\ndelimiter\n*/", "'\ndelimiter\n'", "\"\ndelimiter\n\"", "delimiter '\n'"})
            CHECK(passed(before + line + after, piece) == before + line + after);
        CHECK(passed(no_escapes + "delimiter\n" + after, piece) == no_escapes + "delimiter\n\n" + after);
        CHECK(passed("delimiter\n" + after, piece) == "delimiter\n" + after);
    }
}

TEST_CASE("a trigger that names a column that is gone has it while it is made", "[transfer]") {
    using Names = std::set<std::string>;
    CHECK(columns_named("SET NEW.a = OLD . `b``c`, @new.x = 'NEW.y' /* OLD.z */ + new.d", "") ==
          Names{"a", "b`c", "d"});
    CHECK(columns_named("SET NEW", "").empty());
    CHECK(columns_named("SET `NEW`.`a` = `old` /* . */ . -- b\n c, @`new`.x = \"NEW.y\", `x` = 1", "") ==
          Names{"a", "c"});
    CHECK(columns_named("SET NEW.\"a b\" = \"OLD\".\"c\", NEW.d = 'it\\'s NEW.x'", "ANSI_QUOTES") ==
          Names{"a b", "c", "d"});
    CHECK(columns_named("SET NEW.a = '\\', NEW.b = '\\'", "NO_BACKSLASH_ESCAPES") == Names{"a", "b"});
    const BrokenTriggers broken{
        {{"d", "t r"}, {"t", {"a", "b"}}}, {{"e", "u"}, {"v", {"c"}}}, {{"e", "w"}, {"v", {"c"}}}};
    const std::string begin = "DELIMITER ;;\n";
    const std::string end = "DELIMITER ;\n";
    const auto other = [](const std::string& name) {
        return "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER " + name +
               " BEFORE INSERT ON v FOR EACH ROW SET @x = 1\n*/;;\n";
    };
    // Its text reads like a dump in some places.
    const std::string first =
        "/*!50003 CREATE*/ /*!50017 DEFINER=`trigger`@`b`*/ /*!50003 trigger if not exists `d` . `t r` BEFORE INSERT "
        "ON t FOR EACH ROW\nBEGIN -- ;;\n /*\nUSE `e`;\n" +
        other("u") + "*/ x; END */;;\n";
    const std::string dump = "USE `d`;\n" + begin + other("u") + end + begin + first + end + begin + first + end +
                             "USE `e`;\nINSERT INTO x VALUES (';;');\n" + begin + other("u") + end + begin +
                             other("w") + end + "SET x ;;\n";
    const std::string loaded = "USE `d`;\n" + begin + other("u") + end + begin +
                               "ALTER TABLE `d`.`t` ADD COLUMN `a` INT;;\nALTER TABLE `d`.`t` ADD COLUMN `b` INT;;\n" +
                               first + end + begin + first + end + "USE `e`;\nINSERT INTO x VALUES (';;');\n" + begin +
                               "ALTER TABLE `e`.`v` ADD COLUMN `c` INT;;\n" + other("u") + end + begin + other("w") +
                               end +
                               "SET x ;;\nALTER TABLE `d`.`t` DROP COLUMN `a`;\nALTER TABLE `d`.`t` DROP COLUMN "
                               "`b`;\nALTER TABLE `e`.`v` DROP "
                               "COLUMN `c`;\n";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{100}, dump.size()}) {
        DumpTriggers triggers(broken);
        std::string out;
        for (std::size_t at = 0; at < dump.size(); at += piece) out += triggers.pass(dump.substr(at, piece));
        CHECK(out + triggers.rest() == loaded);
    }
}

// It would be said to lie behind nothing but the position, and the definition would run once more where it is loaded.
TEST_CASE("a definition just decided is in the position before a dump begins", "[transfer]") {
    REQUIRE(path_is_set);
    StorageNode donor(1);
    Cluster cluster({&donor});
    cluster.open(Epoch{3});
    cluster.statement("CREATE DATABASE d", "");
    for (int i = 0; i < 5; ++i) {
        const LogIndex index = cluster.statement("CREATE TABLE t" + std::to_string(i) + " (id INT PRIMARY KEY)");
        hold_statements(donor);
        const auto position = read_position(*donor.service());
        REQUIRE(position.ok());
        CHECK(position->index >= index);
        donor.database().hold_statements(false);
    }
}

TEST_CASE("a dump taken under load makes another server equal", "[transfer]") {
    REQUIRE(path_is_set);
    StorageNode donor(1);
    StorageNode receiver(2);
    Cluster cluster({&donor});
    cluster.open(Epoch{3});
    build_database(cluster);
    // What the receiver has of its own goes.
    {
        auto root = receiver.service();
        for (const char* sql :
             {"CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "CREATE USER old@localhost"})
            REQUIRE(root->execute(sql).ok());
    }
    receiver.database().begin_rebuild(++attempt);
    receiver.wait_for<RebuildReady>([&](const RebuildReady& ready) { return ready.attempt == attempt; });
    CHECK_FALSE(receiver.database().connect("root", "", "").ok());

    const Entry last_entry = transfer_under_load(cluster, donor, receiver);
    const LogIndex last = last_entry.id.index;
    Snapshot snapshot;
    snapshot.last = last_entry.id;
    snapshot.digest = last_entry.digest;
    receiver.reset_journal(snapshot);
    receiver.database().end_rebuild();
    receiver.wait_for<ServerUp>([&](const ServerUp& up) { return up.applied == last; });

    // The log from there on makes it equal, whatever was written meanwhile.
    cluster.statement("CREATE TABLE afterwards (id INT PRIMARY KEY)");
    cluster.transaction(
        {"INSERT INTO afterwards VALUES (1)", "INSERT INTO child VALUES (3,3)", "INSERT INTO q(v) VALUES (2)"});
    receiver.append({cluster.log().begin() + static_cast<std::ptrdiff_t>(last.value), cluster.log().end()});
    receiver.database().decided(cluster.last());
    receiver.wait_applied(cluster.last());
    cluster.settle();
    CHECK_FALSE(receiver.fenced());
    CHECK(Cluster::picture(donor) == Cluster::picture(receiver));
    CHECK(Cluster::log_rows(donor) == Cluster::log_rows(receiver));
    CHECK(**receiver.service()->scalar("SELECT @@innodb_force_primary_key") == "1");

    SECTION("and it is an ordinary node afterwards") {
        receiver.stop();
        receiver.start();
        CHECK(receiver.database().initial().applied == cluster.last());
        CHECK_FALSE(receiver.fenced());
    }
}

TEST_CASE("an external server is emptied and loaded, and keeps the accounts it came with", "[transfer]") {
    StorageNode donor(1);
    Cluster cluster({&donor});
    cluster.open(Epoch{1});
    build_database(cluster);
    TemporaryDir dir;
    ManagedOptions options = small_server(dir.path());
    options.node = NodeId{2};
    options.service_password = "service password";
    auto server = ManagedServer::start(options, {});
    REQUIRE(server.ok());
    {
        auto root = Connection::open(service_account(**server, options));
        REQUIRE(root.ok());
        for (const char* sql :
             {"CREATE DATABASE old", "CREATE TABLE old.t (a INT PRIMARY KEY)", "CREATE DATABASE d",
              "CREATE USER old@localhost", "ALTER USER root@localhost IDENTIFIED BY 'of this host'"}) {
            REQUIRE((*root)->execute(sql).ok());
        }
    }
    StorageNode receiver(2, {}, (*server)->endpoint());
    receiver.database().begin_rebuild(++attempt);
    receiver.wait_for<RebuildReady>([&](const RebuildReady& ready) { return ready.attempt == attempt; });
    donor.database().hold_statements(true);
    auto dump = source_options(donor);
    dump.with_root = false;
    DumpSource source(dump, [] {});
    DumpLoad load(load_options(receiver), [] {});
    carry(source, load, [](TransferChunk&) {});
    donor.database().hold_statements(false);
    cluster.settle();
    // Nothing was written since: position and markers say where the dump stands, the fold has come or not.
    receiver.database().read_loaded_position();
    LoadedPosition position;
    receiver.wait_for<LoadedPosition>([&](const LoadedPosition& loaded) {
        position = loaded;
        return true;
    });
    auto entries = entries_of_dump(donor.journal(), position.index, position.markers);
    REQUIRE(entries.ok());
    receiver.database().install_snapshot(cluster.log().back().id, *entries);
    receiver.wait_for<RebuildLoaded>();
    receiver.database().end_rebuild();
    receiver.wait_for<ServerUp>([&](const ServerUp& up) { return up.applied == cluster.last(); });
    auto service = receiver.service();
    CHECK(**service->scalar("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='old'") == "0");
    CHECK(**service->scalar("SELECT COUNT(*) FROM d.t") == "6000");
    const auto users = service->rows("SELECT user FROM mysql.global_priv ORDER BY 1");
    REQUIRE(users.ok());
    std::string names;
    for (const auto& row : *users) names += *row[0] + " ";
    CHECK(names == "PUBLIC ddb mariadb.sys o'dd r root u ");
    CHECK(Connection::open(ConnectOptions{(*server)->endpoint(), "root", "of this host", ""}).ok());
    CHECK_FALSE(receiver.fenced());
}

TEST_CASE("a dump that cannot be right is a failed one", "[transfer]") {
    StorageNode donor(1);
    Cluster cluster({&donor});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)");
    cluster.transaction({"INSERT INTO t SELECT seq, REPEAT('x', 100000) FROM seq_1_to_200"});

    SECTION("the server dies in the middle") {
        DumpSource source(source_options(donor), [] {});
        const auto give_up = Clock::now() + patience;
        while (!source.chunk(1) && Clock::now() < give_up) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        REQUIRE(source.chunk(1));
        donor.kill_server();
        for (std::uint64_t next = 0; Clock::now() < give_up && !source.progress().failed; ++next) {
            source.acknowledge(next);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        REQUIRE(source.progress().failed);
        CHECK_FALSE(source.progress().complete);
        CHECK(source.progress().failed->message.find("mariadb-dump") != std::string::npos);
    }
    SECTION("a view on something that is gone is left out and named") {
        cluster.statement("CREATE VIEW broken AS SELECT * FROM t");
        cluster.statement("DROP TABLE t");
        DumpSource source(source_options(donor), [] {});
        const auto give_up = Clock::now() + patience;
        while (!source.progress().complete && Clock::now() < give_up)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        CHECK(source.progress().complete);
        REQUIRE(source.progress().notes.size() == 1);
        CHECK(source.progress().notes[0].find("`d`.`broken`") != std::string::npos);
    }
    SECTION("so is one of functions whose definers are gone, or may not call them") {
        cluster.statement("CREATE USER gone, weak");
        cluster.statement("GRANT ALL ON *.* TO gone, weak");
        cluster.statement("CREATE DEFINER=gone FUNCTION f() RETURNS INT RETURN 1");
        cluster.statement("CREATE DEFINER=weak VIEW of_weak AS SELECT f()");
        cluster.statement("CREATE VIEW of_gone AS SELECT f()");
        cluster.statement("REVOKE ALL PRIVILEGES, GRANT OPTION FROM weak");
        cluster.statement("DROP USER gone");
        cluster.statement("DROP TABLE t");
        DumpSource source(source_options(donor), [] {});
        const auto give_up = Clock::now() + patience;
        while (!source.progress().complete && !source.progress().failed && Clock::now() < give_up)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        CHECK(source.progress().complete);
        CHECK(source.progress().notes.size() == 2);
    }
    SECTION("nobody takes it: it stands still, and ends when it is dropped") {
        auto source = std::make_unique<DumpSource>(source_options(donor), [] {});
        std::this_thread::sleep_for(std::chrono::milliseconds(700));
        CHECK_FALSE(source->progress().complete);
        CHECK(source->progress().bytes <= 4 * transfer_chunk_bytes_max);
        const auto begin = Clock::now();
        source.reset();
        CHECK(Clock::now() - begin < std::chrono::seconds(5));
    }
    SECTION("what is loaded must be right, too") {
        StorageNode receiver(2);
        receiver.database().begin_rebuild(++attempt);
        receiver.wait_for<RebuildReady>([&](const RebuildReady& ready) { return ready.attempt == attempt; });
        DumpLoad load(load_options(receiver), [] {});
        TransferChunk chunk;
        chunk.transfer = 7;
        chunk.last = true;
        chunk.bytes =
            Payload("CREATE DATABASE d;\nCREATE TABLE d.t (id INT PRIMARY KEY);\nINSERT INTO d.t VALUES (1),(1);\n");
        CHECK(load.offer(chunk) == DumpLoad::Offer::damaged);
        chunk.digest = transfer_chunk_digest(chunk);
        chunk.number = 1;
        CHECK(load.offer(chunk) == DumpLoad::Offer::unwanted);
        chunk.number = 0;
        CHECK(load.offer(chunk) == DumpLoad::Offer::taken);
        const auto give_up = Clock::now() + patience;
        while (!load.progress().failed && Clock::now() < give_up)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        REQUIRE(load.progress().failed);
        CHECK(load.progress().failed->message.find("1062") != std::string::npos);
        // The end of a load that failed is a new beginning.
        receiver.database().begin_rebuild(++attempt);
        receiver.wait_for<RebuildReady>([&](const RebuildReady& ready) { return ready.attempt == attempt; });
        CHECK(**receiver.service()->scalar("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='d'") ==
              "0");
    }
}

TEST_CASE("a node that was stopped while it was rebuilt holds nothing", "[transfer]") {
    StorageNode node(1);
    Cluster cluster({&node});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    node.database().begin_rebuild(++attempt);
    node.wait_for<RebuildReady>([&](const RebuildReady& ready) { return ready.attempt == attempt; });
    node.stop();
    node.start(true);
    CHECK(node.database().initial().applied == LogIndex{});
    CHECK_FALSE(node.database().connect("root", "", "").ok());
    node.database().begin_rebuild(++attempt);
    node.wait_for<RebuildReady>([&](const RebuildReady& ready) { return ready.attempt == attempt; });
    node.database().close_office(Epoch{1});
    node.wait_for<OfficeLeft>();
}

TEST_CASE("statement entries wait while a dump is taken", "[transfer]") {
    StorageNode a(1);
    StorageNode b(2);
    Cluster cluster({&a, &b});
    cluster.open(Epoch{1});
    cluster.statement("CREATE DATABASE d", "");
    cluster.statement("CREATE TABLE t (id INT PRIMARY KEY)");
    b.wait_applied(cluster.last());
    b.database().hold_statements(true);
    // Not at once: the statement before them may still be finishing.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!b.database().statements_held() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    REQUIRE(b.database().statements_held());
    const LogIndex rows = cluster.transaction({"INSERT INTO t VALUES (1)"});
    b.wait_applied(rows);
    cluster.statement("CREATE TABLE t2 (id INT PRIMARY KEY)");
    cluster.transaction({"INSERT INTO t2 VALUES (1)"});
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(b.applied() == rows);
    b.database().hold_statements(false);
    cluster.settle();
    CHECK(Cluster::picture(a) == Cluster::picture(b));
}
