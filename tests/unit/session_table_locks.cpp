#include <catch2/catch.hpp>
#include <vector>

#include "node/session/table_locks.hpp"

namespace ddb::session {
namespace {

std::string told(const std::string& sql) {
    const auto tables = tables_to_lock(sql, "d");
    if (!tables) return "not understood";
    std::string out;
    for (const auto& [table, write] : tables->tables)
        out += (out.empty() ? "" : ",") + table.first + "." + table.second + (write ? " W" : " R");
    return out + (tables->wait_ms ? " wait " + std::to_string(*tables->wait_ms) : "");
}

struct Bench {
    std::vector<std::uint64_t> woken;
    TableLocks locks{[this](std::uint64_t serial) { woken.push_back(serial); }};

    void lock(std::uint64_t serial, const std::string& sql, std::uint64_t number = 1) {
        locks.lock(serial, *tables_to_lock(sql, "d"), number);
    }
    bool waits(std::uint64_t serial, const std::string& sql, std::uint64_t began = 0) {
        return locks.must_wait(serial, TableLocks::Statement{sql, "d", false, false, began});
    }
    bool read_waits(std::uint64_t serial, const std::string& sql) {
        return locks.must_wait(serial, TableLocks::Statement{sql, "d", true, false, 0});
    }
};

}  // namespace

TEST_CASE("what LOCK TABLES asks for") {
    CHECK(told("LOCK TABLES t WRITE") == "d.t W");
    CHECK(told("lock table `T` read local, other.u AS x low_priority write;") == "d.t R,other.u W");
    CHECK(told("/*!40000 LOCK TABLES t x READ, `a``b` WRITE CONCURRENT */") == "d.a``b W,d.t R");
    CHECK(told("LOCK TABLES 2024_log a READ, 2024_log b WRITE") == "d.2024_log W");
    CHECK(told("LOCK TABLES t WRITE WAIT 5") == "d.t W wait 5000");
    CHECK(told("LOCK TABLES t WRITE NOWAIT") == "d.t W wait 0");
    for (const char* sql : {"LOCK TABLES", "LOCK TABLES t", "LOCK TABLES t WRITE,", "LOCK TABLES t WRITE u READ",
                            "LOCK TABLES t. READ", "LOCK INSTANCE FOR BACKUP"}) {
        CHECK(told(sql) == "not understood");
    }
}

TEST_CASE("who waits for a locked table") {
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE, u READ");
    CHECK(b.locks.give(1));
    CHECK(!b.waits(1, "INSERT INTO t VALUES (1)"));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)"));
    CHECK(b.waits(2, "update `T` set v = 1"));
    CHECK(b.waits(2, "DELETE x FROM other.v x JOIN d.t"));
    CHECK(b.waits(2, "INSERT INTO \"t\" VALUES (1)"));
    CHECK(!b.waits(2, "INSERT INTO other.t VALUES (1)"));
    CHECK(!b.waits(2, "INSERT INTO v VALUES ('t')"));
    CHECK(b.read_waits(2, "SELECT * FROM t"));
    CHECK(!b.read_waits(2, "SELECT * FROM u"));
    CHECK(b.waits(2, "INSERT INTO v SELECT * FROM u"));
    std::string dump = "INSERT INTO v VALUES (1,'t')";
    for (int i = 0; i < 200'000; ++i) dump += ",(1,'u')";
    CHECK(!b.waits(2, dump));
    CHECK(b.locks.must_wait(2, TableLocks::Statement{"CALL p()", "d", false, true, 0}));
    CHECK(b.locks.must_wait(3, *tables_to_lock("LOCK TABLES u WRITE", "d")));
    CHECK(!b.locks.must_wait(3, *tables_to_lock("LOCK TABLES u READ", "d")));
    CHECK(b.woken.empty());
    b.locks.release(1);
    CHECK(b.woken == std::vector<std::uint64_t>{2});
    CHECK(!b.waits(2, "INSERT INTO t VALUES (1)"));
    CHECK(b.locks.empty());
}

TEST_CASE("who came first gets a table first") {
    Bench b;
    const auto asks = [&](std::uint64_t serial) {
        return b.locks.must_wait(serial, *tables_to_lock("LOCK TABLES t WRITE", "d"));
    };
    b.lock(5, "LOCK TABLES t WRITE");
    CHECK(asks(9));
    CHECK(asks(2));
    CHECK(asks(9));
    b.locks.release(5);
    CHECK(b.woken == std::vector<std::uint64_t>{9, 2});
    CHECK(!asks(9));
    b.lock(9, "LOCK TABLES t WRITE");
    CHECK(asks(2));
    CHECK(asks(1));
    b.woken.clear();
    b.locks.release(9);
    CHECK(b.woken == std::vector<std::uint64_t>{2, 1});
    b.locks.statement_over(2);
    b.woken.clear();
    b.lock(3, "LOCK TABLES t READ");
    b.locks.release(3);
    CHECK(b.woken == std::vector<std::uint64_t>{1});
}

TEST_CASE("transactions older than a lock are let in until it is given, which waits for them") {
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE", 10);
    CHECK(!b.locks.others_inside(1));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)", 0));
    CHECK(b.waits(2, "INSERT INTO t VALUES (1)", 11));
    CHECK(!b.waits(3, "INSERT INTO t VALUES (1)", 9));
    CHECK(!b.locks.give(1));
    CHECK(b.locks.others_inside(1));
    b.locks.statement_over(3);
    CHECK(b.woken == std::vector<std::uint64_t>{1});
    CHECK(!b.locks.others_inside(1));
    CHECK(b.locks.give(1));
    CHECK(b.waits(3, "INSERT INTO t VALUES (1)", 9));
}

TEST_CASE("a lock is not given over statements that were let run before anybody asked for it") {
    Bench b;
    b.lock(1, "LOCK TABLES t WRITE", 10);
    b.locks.under_way(1, 2, TableLocks::Statement{"INSERT INTO u VALUES (1)", "d", false, false, 0});
    CHECK(!b.locks.others_inside(1));
    b.locks.under_way(1, 2, TableLocks::Statement{"TRUNCATE t", "d", false, false, 0});
    b.locks.under_way(1, 3, TableLocks::Statement{"CALL p()", "d", false, true, 0});
    CHECK(!b.locks.give(1));
    CHECK(b.locks.others_inside(1));
    b.locks.statement_over(2);
    CHECK(b.woken.empty());
    b.locks.statement_over(3);
    CHECK(b.woken == std::vector<std::uint64_t>{1});
    CHECK(!b.locks.others_inside(1));
    CHECK(b.locks.give(1));
}

}  // namespace ddb::session
