// A server whose commits stand still, told from one that has much to write.
#include <catch2/catch.hpp>
#include <fstream>

#include "node/storage/commit_watch.hpp"
#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

Connection::Row thread(const char* seconds, const char* state, const char* info) {
    return {"7", "root", "localhost", std::nullopt, "Query", seconds, state, info, "0.000"};
}

void write(const std::string& path, std::size_t bytes) {
    std::ofstream(path, std::ios::app) << std::string(bytes, 'x');
}

}  // namespace

TEST_CASE("commits that are late stand still, unless the binary log grows") {
    const std::vector<Connection::Row> idle{thread("90", "", "SELECT 1"), {"1", "x"}, thread("3", "", "XA COMMIT 'a'")};
    const std::vector<Connection::Row> late{idle[0], thread("4", "", "XA PREPARE 'a'")};
    const std::vector<Connection::Row> full{thread("0", "Waiting for someone to free space", "XA COMMIT 'a'")};
    TemporaryDir dir;
    write(dir.path() + "/ibdata1", 100);
    write(dir.path() + "/binlog.000001", 100);
    CommitWatch watch(dir.path());
    CHECK_FALSE(watch.stalls(idle));
    CHECK(watch.stalls(full));
    CHECK_FALSE(watch.stalls(late));
    write(dir.path() + "/binlog.000001", 1);
    CHECK_FALSE(watch.stalls(late));
    write(dir.path() + "/binlog.000002", 1);
    CHECK_FALSE(watch.stalls(late));
    write(dir.path() + "/ibdata1", 100);
    CHECK(watch.stalls(late));
    CHECK(watch.stalls(late));
    CHECK_FALSE(watch.stalls(idle));

    CommitWatch unseen("");
    CHECK_FALSE(unseen.stalls(idle));
    CHECK(unseen.stalls(late));
    CommitWatch gone(dir.path() + "/gone");
    CHECK(gone.stalls(late));
}
