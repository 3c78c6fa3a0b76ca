// Executions of a prepared statement for many rows: what is run for them, and what bytes are none.
#include <catch2/catch.hpp>
#include <random>

#include "node/gateway/bulk_execution.hpp"
#include "node/gateway/field_types.hpp"
#include "node/gateway/packets.hpp"

namespace ddb::gateway {
namespace {

constexpr std::uint16_t send_types = 128;

PreparedStatement prepared(const std::string& sql) {
    PreparedStatement statement;
    statement.sql = sql;
    statement.placeholders = *find_placeholders(sql);
    return statement;
}

// The command behind the statement's id, of texts: no row for an empty list.
std::string command(std::size_t parameters, const std::vector<std::string>& values) {
    std::string out;
    put_int(out, send_types, 2);
    for (std::size_t i = 0; i < parameters; ++i) put_int(out, field_type::string, 2);
    for (const std::string& value : values) {
        out += '\0';
        put_lenenc_string(out, value);
    }
    return out;
}

std::vector<std::string> texts(const std::string& sql, const std::string& payload, bool no_backslash = false) {
    PreparedStatement statement = prepared(sql);
    auto bulk = BulkExecution::open(payload, statement, no_backslash);
    REQUIRE(bulk.ok());
    std::vector<std::string> out;
    for (;;) {
        auto text = bulk->next();
        REQUIRE(text.ok());
        if (!*text) return out;
        out.push_back(std::move(**text));
    }
}

}  // namespace

TEST_CASE("the rows of an INSERT are one statement where its text allows") {
    const std::string two = command(2, {"a", "b", "c", "d"});
    CHECK(texts("INSERT INTO t (a, b) VALUES (?, f(?)) ON DUPLICATE KEY UPDATE a = VALUES(a)", two) ==
          std::vector<std::string>{
              "INSERT INTO t (a, b) VALUES ( 'a' , f( 'b' )),( 'c' , f( 'd' )) ON DUPLICATE KEY UPDATE a = VALUES(a)"});
    CHECK(texts("replace `values` value(?, ?)", two) ==
          std::vector<std::string>{"replace `values` value( 'a' ,  'b' ),( 'c' ,  'd' )"});
    for (const std::string sql :
         {"INSERT INTO t VALUES (?), (?)", "INSERT INTO t SET a = ?, b = ?", "INSERT INTO t SELECT ?, ?",
          "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = ?", "UPDATE t SET a = ? WHERE b = ?",
          "DELETE FROM t WHERE a IN (?, ?)", "INSERT INTO t VALUES (/*!40000 ? */, ?)", "INSERT INTO t VALUES (?, ?"}) {
        INFO(sql);
        CHECK(texts(sql, two).size() == 2);
    }
    CHECK(texts("INSERT INTO t VALUES (?, '\\')", command(1, {"a", "b"}), true).size() == 2);
}

TEST_CASE("a row's indicators") {
    std::string payload = command(3, {});
    payload += std::string("\1\2\3", 3);
    CHECK(texts("INSERT INTO t VALUES (?,?,?)", payload).front() ==
          "INSERT INTO t VALUES ( NULL , DEFAULT , DEFAULT )");
    PreparedStatement update = prepared("UPDATE t SET a = ?, b = ? WHERE c = ?");
    auto bulk = BulkExecution::open(payload, update, false);
    REQUIRE(bulk.ok());
    CHECK(bulk->next().error().mysql_code == 1210);  // to leave a column as it is
}

TEST_CASE("types are those of the execution before, when none are sent") {
    PreparedStatement statement = prepared("INSERT INTO t VALUES (?)");
    std::string untyped("\0\0\0\1a", 5);
    CHECK(BulkExecution::open(untyped, statement, false).error().mysql_code == 1210);
    REQUIRE(BulkExecution::open(command(1, {"b"}), statement, false).ok());
    REQUIRE(BulkExecution::open(untyped, statement, false).ok());
}

TEST_CASE("what is no bulk execution") {
    for (const std::string sql : {"SELECT ?", "CALL p(?)", "INSERT INTO t VALUES (1)", "SET @a = ?", "?"}) {
        PreparedStatement statement = prepared(sql);
        const auto bulk = BulkExecution::open(command(statement.placeholders.size(), {"a"}), statement, false);
        INFO(sql);
        REQUIRE_FALSE(bulk.ok());
        CHECK(bulk.error().mysql_code == 1295);
    }
    PreparedStatement statement = prepared("INSERT INTO t VALUES (?)");
    CHECK(BulkExecution::open(command(1, {}), statement, false).error().mysql_code == 1210);
    CHECK(BulkExecution::open("", statement, false).error().mysql_code == 1210);
    CHECK(BulkExecution::open("\x40", statement, false).error().mysql_code == 1210);  // an answer for each row
}

TEST_CASE("rows of garbage end in texts or errors") {
    std::mt19937_64 random(7);
    for (int i = 0; i < 20'000; ++i) {
        PreparedStatement statement =
            prepared(i % 2 == 0 ? "INSERT INTO t VALUES (?, ?)" : "UPDATE t SET a = ? WHERE b = ?");
        std::string payload = command(2, {});
        if (i % 3 == 0) payload[2] = static_cast<char>(random());
        for (std::uint64_t n = random() % 30; n > 0; --n) payload += static_cast<char>(random() % 5);
        auto bulk = BulkExecution::open(payload, statement, false);
        for (int rows = 0; bulk.ok() && rows < 100; ++rows) {
            const auto text = bulk->next();
            if (!text || !*text) break;
            REQUIRE(find_placeholders(**text)->empty());
        }
    }
}

}  // namespace ddb::gateway
