// Which locks of GET_LOCK() a session has.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "node/session/user_locks.hpp"

using namespace ddb::session;

namespace {

bool held_behind(const std::vector<std::string>& statements) {
    UserLocks locks;
    for (const auto& sql : statements) locks.ran(sql);
    return locks.any();
}

}  // namespace

TEST_CASE("a user lock is held until it is released as often as it was taken") {
    CHECK(held_behind({"SELECT GET_LOCK('a', 5)"}));
    CHECK_FALSE(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT RELEASE_LOCK('a')"}));
    CHECK_FALSE(held_behind({"select get_lock('A', 5) as 'locked';", "do release_lock(\"a\")"}));
    CHECK_FALSE(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT 1", "SELECT RELEASE_LOCK('a') AS b"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT GET_LOCK('a', 0) x", "SELECT RELEASE_LOCK('a')"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT GET_LOCK('b', 0)", "SELECT RELEASE_LOCK('a')"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT RELEASE_LOCK('b')"}));
    CHECK_FALSE(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT GET_LOCK('b', 0)", "SELECT RELEASE_ALL_LOCKS()"}));
    CHECK_FALSE(held_behind({"SELECT RELEASE_LOCK('a')"}));
}

TEST_CASE("and for good where the text does not tell") {
    CHECK(held_behind({"SELECT GET_LOCK(CONCAT('a', 1), 5)", "SELECT RELEASE_LOCK(CONCAT('a', 1))"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5) FROM t", "SELECT RELEASE_LOCK('a')"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5), GET_LOCK('b', 5)", "SELECT RELEASE_LOCK('a')"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT RELEASE_LOCK('a') FROM t"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT IF(0, RELEASE_LOCK('a'), 1)"}));
    CHECK(held_behind({"SELECT GET_LOCK('a', 5)", "SELECT RELEASE_LOCK('a', 5"}));
    CHECK(held_behind({"SELECT GET_LOCK('a' 'b', 5)", "SELECT RELEASE_LOCK('a' 'b')"}));
    CHECK_FALSE(held_behind({"SELECT GET_LOCK(x, 5)", "DO RELEASE_ALL_LOCKS()"}));
}
