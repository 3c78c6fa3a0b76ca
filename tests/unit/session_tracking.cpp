// What drivers want to be told of their session.
#include "node/session/session_tracking.hpp"

#include <catch2/catch.hpp>

using namespace ddb::session;

TEST_CASE("what a driver wants to be told with answers is no setting of a server's") {
    const auto rest = [](const char* sql) { return without_tracking(sql).value_or("as it is"); };
    CHECK(rest("SET session_track_schema= ON").empty());
    CHECK(rest("set @@session.session_track_schema=1, SESSION session_track_system_variables='a,b';").empty());
    CHECK(rest("set autocommit=1, session_track_schema=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')") ==
          "SET autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')");
    CHECK(rest("SET session_track_system_variables=CONCAT(@@session_track_system_variables, ',a'), NAMES utf8;") ==
          "SET NAMES utf8;");
    CHECK(rest("SET GLOBAL session_track_schema=1") == "as it is");
    CHECK(rest("SET GLOBAL a=1, session_track_schema=1") == "as it is");
    CHECK(rest("SET session_track_gtids=OWN_GTID") == "as it is");
    CHECK(rest("SET @session_track_schema=1") == "as it is");
    CHECK(rest("SELECT @@session_track_schema") == "as it is");
    CHECK(*without_autocommit("set autocommit=1, sql_mode = concat(@@sql_mode,',A')") ==
          "SET sql_mode = concat(@@sql_mode,',A')");
    CHECK(without_autocommit("SET @@session.autocommit = 1")->empty());
    CHECK(!without_autocommit("SET @@global.autocommit = 1, a = 2"));
    for (const char* sql : {"SET", "SET session_track_schema", "SET session_track_schema=(,",
                            "SET ,session_track_schema", "SET SESSION", "SET session_track_schema,"}) {
        INFO(sql);
        (void)without_tracking(sql);
    }
}
