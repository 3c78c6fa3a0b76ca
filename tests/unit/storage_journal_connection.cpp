// The connection against a real server: pipelining, tracking, streaming, errors.
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "node/storage/session_track.hpp"
#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

// Given three bytes at a time; once it fails it is said to have failed.
struct Text final : FileForServer {
    explicit Text(std::string_view text, std::optional<Error> why = {}) : whole(text), error(std::move(why)) {}
    bool begin() override {
        left = whole;
        return true;
    }
    std::size_t read(std::span<char> out) override {
        const std::size_t count = left.copy(out.data(), std::min<std::size_t>(out.size(), 3));
        left.remove_prefix(count);
        return count;
    }
    [[nodiscard]] std::optional<Error> failure() const override { return error; }

    std::string_view whole, left;
    std::optional<Error> error;
};

// One server for all cases of this file: starting one takes a second.
struct Shared {
    TemporaryDir dir;
    ManagedOptions options = small_server(dir.path() + "/mysql");
    std::unique_ptr<ManagedServer> server;

    Shared() {
        auto started = ManagedServer::start(options, nullptr);
        if (!started.ok()) throw std::runtime_error(started.error().message);
        server = std::move(started).value();
        auto connection = connect();
        if (!connection->execute("CREATE DATABASE t").ok()) throw std::runtime_error("CREATE DATABASE");
    }
    std::unique_ptr<Connection> connect(const std::string& database = "") {
        ConnectOptions connect = service_account(*server, options);
        connect.database = database;
        auto connection = Connection::open(connect);
        if (!connection.ok()) throw std::runtime_error(connection.error().message);
        return std::move(connection).value();
    }
};

Shared& shared() {
    static Shared instance;
    return instance;
}

// Takes the values of wire rows apart.
std::vector<std::optional<std::string>> parse(const std::string& wire) {
    std::vector<std::optional<std::string>> out;
    for (std::size_t at = 0; at < wire.size();) {
        const auto first = static_cast<unsigned char>(wire[at++]);
        if (first == 0xfb) {
            out.emplace_back(std::nullopt);
            continue;
        }
        const std::size_t bytes = first < 251 ? 0 : first == 0xfc ? 2 : first == 0xfd ? 3 : 8;
        std::size_t n = bytes == 0 ? first : 0;
        for (std::size_t i = 0; i < bytes; ++i) n |= std::size_t{static_cast<unsigned char>(wire[at++])} << (8 * i);
        out.emplace_back(wire.substr(at, n));
        at += n;
    }
    return out;
}

std::string all_rows(Connection& connection, std::size_t chunk, std::uint32_t& count) {
    std::string out;
    count = 0;
    for (;;) {
        auto n = connection.next_rows(out, chunk);
        REQUIRE(n.ok());
        if (*n == 0) return out;
        count += *n;
    }
}

std::string all_bytes() {
    std::string out;
    for (int i = 0; i < 256; ++i) out.push_back(static_cast<char>(i));
    return out;
}

}  // namespace

TEST_CASE("statements are pipelined and the OK packet of a prepared transaction carries its GTID") {
    auto connection = shared().connect("t");
    REQUIRE(connection->execute("CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(10))").ok());

    const std::vector<std::string> first{"XA START 'x1'", "INSERT INTO a (v) VALUES ('p'), ('q')", "XA END 'x1'",
                                         "XA PREPARE 'x1'"};
    auto prepared = connection->execute_all(first);
    REQUIRE(prepared.ok());
    CHECK_FALSE(prepared->gtid.empty());
    CHECK(prepared->gtid == connection->scalar("SELECT @@last_gtid")->value());
    REQUIRE(connection->execute("XA COMMIT 'x1'").ok());

    const std::vector<std::string> reads{"XA START 'x2'", "SELECT * FROM a", "UPDATE a SET v = 'z' WHERE id = 99",
                                         "XA END 'x2'", "XA PREPARE 'x2'"};
    auto nothing = connection->execute_all(reads);
    REQUIRE(nothing.ok());
    CHECK(nothing->gtid.empty());
    REQUIRE(connection->execute("XA ROLLBACK 'x2'").ok());

    // The user's statement behind the prologue keeps its own answer.
    const std::vector<std::string> before{"XA START 'x3'", "DO 1"};
    REQUIRE(connection->start("INSERT INTO a (v) VALUES ('r'), ('s')", before).ok());
    CHECK(connection->columns().empty());
    CHECK(connection->ok_packet().affected_rows == 2);
    CHECK(connection->ok_packet().last_insert_id == 3);
    CHECK(connection->ok_packet().info == "Records: 2  Duplicates: 0  Warnings: 0");
    CHECK((connection->ok_packet().status_flags & 1) == 1);  // in a transaction
    const std::vector<std::string> finish{"XA END 'x3'", "XA PREPARE 'x3'"};
    auto last = connection->execute_all(finish);
    REQUIRE(last.ok());
    CHECK(last->info.empty());
    CHECK_FALSE(last->gtid.empty());
    auto committed = connection->execute("XA COMMIT 'x3'");
    REQUIRE(committed.ok());
}

TEST_CASE("a connection begins with the collation that its client chose") {
    ConnectOptions options = service_account(*shared().server, shared().options);
    const auto answers = [&](std::uint16_t collation) {
        options.login.collation = collation;
        auto connection = Connection::open(options);
        REQUIRE(connection.ok());
        return **(*connection)
                     ->scalar(
                         "SELECT CONCAT(@@character_set_client, ' ', @@character_set_results, ' ', "
                         "@@collation_connection, ' ', 'a' = 'A')");
    };
    CHECK(answers(0) == "utf8mb4 utf8mb4 utf8mb4_general_ci 1");
    CHECK(answers(45) == "utf8mb4 utf8mb4 utf8mb4_general_ci 1");
    CHECK(answers(46) == "utf8mb4 utf8mb4 utf8mb4_bin 0");
    CHECK(answers(8) == "latin1 latin1 latin1_swedish_ci 1");
    CHECK(answers(63) == "binary binary binary 0");
    CHECK(answers(192) == "utf8mb3 utf8mb3 utf8mb3_unicode_ci 1");  // the library has another name for it
    CHECK(answers(999) == "utf8mb4 utf8mb4 utf8mb4_general_ci 1");  // not known
    // What MySQL's clients ask for, which MariaDB has not.
    CHECK(answers(255) == "utf8mb4 utf8mb4 utf8mb4_general_ci 1");
    CHECK(answers(248) == "utf8mb4 utf8mb4 utf8mb4_general_ci 1");
}

TEST_CASE("an error in the middle wins and leaves the connection usable") {
    auto connection = shared().connect("t");
    const std::vector<std::string> statements{"DO 1", "SELECT 1 UNION SELECT 2", "SELECT nonsense FROM nowhere",
                                              "SELEC", "SELECT 3"};
    auto result = connection->execute_all(statements);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::sql);
    CHECK(result.error().mysql_code == 1146);
    CHECK(result.error().sqlstate == "42S02");
    CHECK_FALSE(connection->broken());

    const std::vector<std::string> before{"SET @a = 1", "BROKEN"};
    auto status = connection->start("SELECT 5", before);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().mysql_code == 1064);
    CHECK(connection->columns().empty());
    CHECK(connection->scalar("SELECT @a")->value() == "1");
}

TEST_CASE("many large statements in one pipeline, with replies larger than the socket's buffer in between") {
    auto connection = shared().connect("t");
    const std::string filler(300'000, 'x');
    std::vector<std::string> statements;
    for (int i = 0; i < 40; ++i) {
        statements.push_back("SELECT REPEAT('y', 400000)");
        statements.push_back("SET @big = '" + filler + "'");
    }
    REQUIRE(connection->execute_all(statements).ok());
    CHECK(connection->scalar("SELECT LENGTH(@big)")->value() == "300000");
}

TEST_CASE("statements around the packet size limit of 16 MB") {
    auto connection = shared().connect("t");
    constexpr std::size_t packet = (1u << 24) - 1;
    for (const std::size_t length : {packet - 2, packet - 1, packet, packet + 1, 2 * packet - 1, 2 * packet}) {
        std::string sql = "SELECT LENGTH('')";
        sql.insert(sql.size() - 2, length - sql.size(), 'a');
        REQUIRE(sql.size() == length);
        auto answer = connection->scalar(sql);
        REQUIRE(answer.ok());
        CHECK(answer->value() == std::to_string(length - 17));
    }
}

TEST_CASE("every column type and NULL come as they are, also in small chunks") {
    auto connection = shared().connect("t");
    REQUIRE(connection
                ->execute(
                    "CREATE TABLE types (id INT PRIMARY KEY, b BIT(12), ti TINYINT UNSIGNED, d DECIMAL(20,5), f DOUBLE,"
                    " dt DATETIME(6), y YEAR, tm TIME(3), c CHAR(5), vb VARBINARY(300), bl LONGBLOB, tx LONGTEXT,"
                    " e ENUM('a','b'), s SET('x','y'), j JSON, g GEOMETRY, i6 INET6, u UUID)")
                .ok());
    const std::string bytes = all_bytes();
    const std::string escaped = connection->escape(bytes);
    REQUIRE(connection
                ->execute("INSERT INTO types VALUES (1, b'101', 255, -1.5, 0.1, '2024-02-29 12:34:56.789012', 2024,"
                          " '-838:59:58.999', 'ü', _binary'" +
                          escaped + "', _binary'" + escaped + escaped +
                          "', '𝄞', 'b', 'x,y', '{\"k\": null}', POINT(1,2), '::1',"
                          " '123e4567-e89b-12d3-a456-426614174000')")
                .ok());
    REQUIRE(connection->execute("INSERT INTO types (id) VALUES (2)").ok());
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{1} << 20}) {
        REQUIRE(connection->start("SELECT * FROM types ORDER BY id").ok());
        REQUIRE(connection->columns().size() == 18);
        CHECK(connection->columns()[0].name == "id");
        CHECK(connection->columns()[0].table == "types");
        CHECK(connection->columns()[0].database == "t");
        CHECK(connection->columns()[10].type == 252);
        CHECK(connection->columns()[10].charset == 63);
        std::uint32_t count = 0;
        const auto values = parse(all_rows(*connection, chunk, count));
        CHECK(count == 2);
        REQUIRE(values.size() == 36);
        CHECK(values[1] == std::string("\0\x05", 2));
        CHECK(values[3] == "-1.50000");
        CHECK(values[5] == "2024-02-29 12:34:56.789012");
        CHECK(values[7] == "-838:59:58.999");
        CHECK(values[8] == "ü");
        CHECK(values[9] == bytes);
        CHECK(values[10] == bytes + bytes);
        CHECK(values[11] == "𝄞");
        CHECK(values[13] == "x,y");
        CHECK(values[15]->size() == 25);
        for (std::size_t i = 19; i < 36; ++i) CHECK_FALSE(values[i].has_value());
        CHECK_FALSE(*connection->next_result());
    }
}

TEST_CASE("the names of types and formats are told of a result's columns and of a statement's that does not run") {
    auto connection = shared().connect("t");
    REQUIRE(connection->extended_metadata());
    REQUIRE(connection->execute("CREATE TABLE named (id INT PRIMARY KEY, j JSON, i6 INET6, p POINT, g GEOMETRY)").ok());
    const std::string sql = "SELECT id, j, i6, p, g, JSON_OBJECT('a', id), UUID(), CONCAT(j) FROM named";
    const std::vector<std::string> types{"", "", "inet6", "point", "", "", "uuid", ""};
    const std::vector<std::string> formats{"", "json", "", "", "", "json", "", ""};
    for (const bool describe : {false, true}) {
        REQUIRE((describe ? connection->describe(sql) : connection->start(sql)).ok());
        REQUIRE(connection->columns().size() == types.size());
        for (std::size_t i = 0; i < types.size(); ++i) {
            CHECK(connection->columns()[i].type_name == types[i]);
            CHECK(connection->columns()[i].format_name == formats[i]);
        }
    }
}

TEST_CASE("a row of 20 MB, and one beyond the limit") {
    auto connection = shared().connect("t");
    REQUIRE(connection->start("SELECT REPEAT('z', 20000000), NULL, ''").ok());
    std::uint32_t count = 0;
    const auto values = parse(all_rows(*connection, 100, count));
    REQUIRE(values.size() == 3);
    CHECK(values[0]->size() == 20'000'000);
    CHECK_FALSE(values[1].has_value());
    CHECK(values[2] == "");

    REQUIRE(connection->start("SELECT REPEAT('z', 70000000)").ok());
    std::string out;
    auto rows = connection->next_rows(out, 100);
    REQUIRE_FALSE(rows.ok());
    CHECK(rows.error().code == ErrorCode::overloaded);
    CHECK(out.empty());
    CHECK(connection->scalar("SELECT 1")->value() == "1");  // what was left over is dropped
}

TEST_CASE("several results of a CALL") {
    auto connection = shared().connect("t");
    REQUIRE(connection->execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2, 3; SET @done = 1; END").ok());
    REQUIRE(connection->start("CALL p()").ok());
    CHECK(connection->columns().size() == 1);
    REQUIRE(*connection->next_result());
    CHECK(connection->columns().size() == 2);
    std::uint32_t count = 0;
    CHECK(parse(all_rows(*connection, 1000, count)).size() == 2);
    REQUIRE(*connection->next_result());
    CHECK(connection->columns().empty());
    CHECK_FALSE(*connection->next_result());
    // Left over in the middle: the next statement does not see the rest.
    REQUIRE(connection->start("CALL p()").ok());
    CHECK(connection->scalar("SELECT @done + 41")->value() == "42");
}

TEST_CASE("the default database is tracked and errors carry code and state") {
    auto connection = shared().connect();
    auto used = connection->execute("USE t");
    REQUIRE(used.ok());
    CHECK(used->database_changed);
    CHECK(used->database == "t");
    auto plain = connection->execute("DO 1");
    REQUIRE(plain.ok());
    CHECK_FALSE(plain->database_changed);

    ConnectOptions wrong = service_account(*shared().server, shared().options);
    wrong.password = "wrong";
    auto refused = Connection::open(wrong);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::sql);
    CHECK(refused.error().mysql_code == 1045);
    CHECK(refused.error().sqlstate == "28000");
    wrong.endpoint.socket = "/nowhere.sock";
    auto unreachable = Connection::open(wrong);
    REQUIRE_FALSE(unreachable.ok());
    CHECK(unreachable.error().code == ErrorCode::io);

    auto table = shared().connect("t");
    REQUIRE(table->execute("CREATE TABLE loaded (a INT PRIMARY KEY, b VARCHAR(20))").ok());
    const std::string load = "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE loaded";
    auto file = table->execute(load);
    CHECK_FALSE(file.ok());
    CHECK(file.error().mysql_code == 4166);
    CHECK_FALSE(table->broken());
    const std::vector<std::string> before{"BEGIN"}, behind{"SET @rows = (SELECT COUNT(*) FROM loaded)", "COMMIT"};
    Text two("1\tx\n2\ty\n"), unused("unused");
    REQUIRE(table->load(load, two, before, behind).ok());
    CHECK(table->ok_packet().affected_rows == 2);
    REQUIRE(table->finish_behind().ok());
    CHECK(table->scalar("SELECT @rows")->value() == "2");
    CHECK_FALSE(table->load("LOAD DATA LOCAL INFILE 'x' INTO TABLE missing", two, {}, behind).ok());
    REQUIRE(table->finish_behind().ok());
    CHECK_FALSE(table->execute(load).ok());  // the offer is over
    CHECK(table->load("INSERT INTO loaded VALUES (3, '')", unused).ok());
    CHECK(unused.left.empty());

    // What the server took is not the whole of it: nobody may go on as if it were.
    Text failing("4\tx\n", Error{ErrorCode::overloaded, "the client is gone", 0, ""});
    REQUIRE(table->execute("BEGIN").ok());
    const Status failed = table->load(load, failing);
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().message == "the client is gone");
    CHECK(table->broken());
}

TEST_CASE("a killed statement is an ordinary error, a killed connection a lost one") {
    auto connection = shared().connect("t");
    auto killer = shared().connect();
    const auto kill = [&](const std::string& what) {
        return std::jthread([&, what] {
            // Strikes once the victim sleeps.
            const std::string find =
                "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(30)%' AND id = " +
                std::to_string(connection->id());
            for (int i = 0; i < 1000 && killer->scalar(find)->value() == "0"; ++i) ::poll(nullptr, 0, 5);
            (void)killer->execute(what + std::to_string(connection->id()));
        });
    };
    {
        const auto thread = kill("KILL QUERY ");
        auto killed = connection->execute("SELECT 1 FROM (SELECT SLEEP(30)) s JOIN information_schema.tables");
        REQUIRE_FALSE(killed.ok());
        CHECK(killed.error().mysql_code == 1317);
        CHECK_FALSE(connection->broken());
    }
    CHECK(connection->scalar("SELECT 1")->value() == "1");
    {
        const auto thread = kill("KILL ");
        auto killed = connection->execute("DO SLEEP(30)");
        REQUIRE_FALSE(killed.ok());
        CHECK(connection->broken());
    }
    auto after = connection->execute("DO 1");
    REQUIRE_FALSE(after.ok());
    CHECK(after.error().code == ErrorCode::io);
}

namespace {

// All that has come of the answer, unread, once nothing more comes for a while.
std::string unread_bytes(Connection& connection) {
    std::string bytes;
    for (;;) {
        pollfd item{connection.socket(), POLLIN, 0};
        REQUIRE(::poll(&item, 1, 5000) == 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        std::string now(64u << 10, '\0');
        const auto got = ::recv(connection.socket(), now.data(), now.size(), MSG_PEEK);
        REQUIRE(got > 0);
        now.resize(static_cast<std::size_t>(got));
        if (now == bytes) return bytes;
        bytes = std::move(now);
    }
}

}  // namespace

TEST_CASE("an answer is known to be complete with its last byte, and not before") {
    auto connection = shared().connect("t");
    REQUIRE(
        connection
            ->execute("CREATE PROCEDURE early() BEGIN SELECT 1; SELECT 2, NULL UNION SELECT 3, REPEAT('x', 300); END")
            .ok());
    const std::vector<std::string> before{"SET @a = 1", "SELECT 'dropped'"};
    const std::vector<std::string> statements{"DO 1",
                                              "SELECT 1",
                                              "SELECT 1 FROM DUAL WHERE FALSE",
                                              "CALL early()",
                                              "SELECT NULL",
                                              "SELECT '', NULL, REPEAT('y', 251)",
                                              "SELECT * FROM information_schema.CHARACTER_SETS"};
    for (const std::string& sql : statements) {
        INFO(sql);
        REQUIRE(connection->start_early(sql, before));
        const std::string bytes = unread_bytes(*connection);
        CHECK(scan_replies(bytes, 3) == Replies::complete);
        CHECK(scan_replies(bytes, 4) == Replies::incomplete);
        CHECK(scan_replies(bytes, 2) == Replies::other);
        CHECK(connection->peek_replies() == Replies::complete);
        for (std::size_t n = 0; n < bytes.size(); ++n) {
            if (scan_replies(std::string_view(bytes).substr(0, n), 3) != Replies::incomplete) FAIL(n);
        }
        REQUIRE(connection->start(sql, before).ok());
        std::uint32_t count = 0;
        if (!connection->columns().empty()) (void)all_rows(*connection, 1u << 20, count);
        while (*connection->next_result()) {
        }
        CHECK(connection->scalar("SELECT 'usable'")->value() == "usable");
    }
}

TEST_CASE("errors, files and long answers are not taken for a complete answer") {
    auto connection = shared().connect("t");
    const std::vector<std::string> wrong_ahead{"SELECT nothing"};
    REQUIRE(connection->start_early("SELECT 1", wrong_ahead));
    CHECK(scan_replies(unread_bytes(*connection), 2) == Replies::failed);
    CHECK(connection->peek_replies() == Replies::failed);
    CHECK(connection->start("SELECT 1", wrong_ahead).error().mysql_code == 1054);
    CHECK(connection->ahead_failed());

    REQUIRE(connection->start_early("SELECT 1 UNION SELECT nothing"));
    (void)unread_bytes(*connection);
    CHECK(connection->peek_replies() == Replies::failed);
    CHECK(connection->start("SELECT 1 UNION SELECT nothing").error().mysql_code == 1054);

    REQUIRE(connection->execute("CREATE TABLE early_file (v INT PRIMARY KEY)").ok());
    const std::string load = "LOAD DATA LOCAL INFILE 'x' INTO TABLE early_file";
    REQUIRE(connection->start_early(load));
    (void)unread_bytes(*connection);
    CHECK(connection->peek_replies() == Replies::other);
    CHECK_FALSE(connection->start(load).ok());

    const std::string rows = "SELECT REPEAT('x', 100) FROM seq_1_to_1000";
    REQUIRE(connection->start_early(rows));
    (void)unread_bytes(*connection);
    CHECK(connection->peek_replies() == Replies::other);
    REQUIRE(connection->start(rows).ok());
    std::uint32_t count = 0;
    (void)all_rows(*connection, 1u << 20, count);
    CHECK(count == 1000);

    CHECK_FALSE(connection->start_early("SELECT '" + std::string(64u << 10, 'x') + "'"));
    CHECK(connection->scalar("SELECT 'usable'")->value() == "usable");
}

TEST_CASE("a connection that ends behind the first replies has no more to come") {
    auto connection = shared().connect("t");
    auto killer = shared().connect("t");
    const std::vector<std::string> before{"DO 1"};
    const std::string sql = "DO SLEEP(60)";
    REQUIRE(connection->start_early(sql, before));
    (void)unread_bytes(*connection);
    CHECK(connection->peek_replies() == Replies::incomplete);
    REQUIRE(killer->execute("KILL " + std::to_string(connection->id())).ok());
    pollfd item{connection->socket(), POLLRDHUP, 0};
    REQUIRE(::poll(&item, 1, 10'000) == 1);
    CHECK(connection->peek_replies() == Replies::other);
    CHECK(connection->start(sql, before).error().code == ErrorCode::io);
}

TEST_CASE("bytes that are no answer are told from one that is not complete") {
    CHECK(scan_replies("", 1) == Replies::incomplete);
    CHECK(scan_replies(std::string(4, '\0'), 1) == Replies::other);
    CHECK(scan_replies(std::string("\xff\xff\xff\0", 4), 1) == Replies::other);
    CHECK(scan_replies(std::string("\1\0\0\1\0", 5), 1) == Replies::other);    // an OK without its fields
    CHECK(scan_replies(std::string("\1\0\0\1\xfb", 5), 1) == Replies::other);  // a file is asked for
    CHECK(scan_replies(std::string("\1\0\0\1\1\1\0\0\2x\1\0\0\3x", 15), 1) == Replies::other);
}

TEST_CASE("what a server tells of the session is understood whatever the database's character set is") {
    for (const std::string set : {"utf8mb4", "utf16", "utf32"}) {
        auto connection = shared().connect();
        REQUIRE(connection->execute("CREATE OR REPLACE DATABASE tracked CHARACTER SET " + set).ok());
        REQUIRE(connection->execute("CREATE TABLE tracked.t (id INT PRIMARY KEY)").ok());
        const auto used = connection->execute("USE tracked");
        REQUIRE(used.ok());
        CHECK(used->database_changed);
        CHECK(used->database == "tracked");
        const std::vector<std::string> sql{"XA START 'track'", "INSERT INTO t VALUES (1)", "XA END 'track'",
                                           "XA PREPARE 'track'"};
        const auto prepared = connection->execute_all(sql);
        REQUIRE(prepared.ok());
        CHECK(prepared->gtid.starts_with("0-"));
        REQUIRE(connection->execute("XA COMMIT 'track'").ok());
        REQUIRE(connection->execute("DROP DATABASE tracked").ok());
    }
}

TEST_CASE("nothing is made of a session's state that is cut off or malformed") {
    using namespace std::string_literals;
    const std::string state = "\x12\x00\x10\x09last_gtid\x05\x30-1-6"s;
    CHECK(tracked_state(state).gtid == "0-1-6");
    CHECK(tracked_state("\0\0\0"s + state + "more").gtid == "0-1-6");
    CHECK_FALSE(tracked_state("\0\0\0\0"s + state).gtid);
    for (std::size_t bytes = 0; bytes < state.size(); ++bytes) CHECK_FALSE(tracked_state(state.substr(0, bytes)).gtid);
    CHECK(tracked_state("\x05\x01\x03\x02\x64\x31"s).database == "d1");
    CHECK_FALSE(tracked_state("\x04\x07\x02\x64\x31"s).database);
    CHECK(tracked_state("\x03\x02\x01\x31"s).changed);
    CHECK_FALSE(tracked_state("\x03\x02\x01\x30"s).changed);
    CHECK_FALSE(tracked_state("\x02\x02\x01\x31"s).changed);
    for (const std::string& behind : {""s, "\x05\x00\x00\x04\xfe\x00\x00\x22\x00"s, "\x01\x00\x00\x01\x01"s}) {
        INFO("a terminator in the place of the length, behind: " << behind.size());
        std::string bytes;
        const auto told = [&](const std::string& items) {
            bytes = "\0"s + items + behind;
            return tracked_state(bytes);
        };
        CHECK(told("\x02\x01\x31"s).changed);
        CHECK_FALSE(told("\x02\x01\x31"s).database);
        CHECK(told("\x01\x03\x02\x64\x31"s).database == "d1");
        CHECK(told(state.substr(1)).gtid == "0-1-6");
        CHECK(told(state.substr(1) + "\x02\x01\x31"s).changed);
        CHECK_FALSE(told(state.substr(1)).changed);
    }
}
