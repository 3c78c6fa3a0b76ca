// Which temporary tables a session has, by the texts of its statements.
#include <catch2/catch.hpp>

#include "node/session/temporary_tables.hpp"

using namespace ddb::session;

namespace {

struct Session {
    TemporaryTables tables;

    bool has_some_after(std::string_view sql, std::string_view database = "d") {
        tables.ran(classify(sql), sql, database);
        return tables.any();
    }
};

}  // namespace

TEST_CASE("a temporary table is one until it is dropped, in whichever words") {
    Session s;
    CHECK_FALSE(s.has_some_after("CREATE TABLE t (a INT PRIMARY KEY)"));
    CHECK(s.has_some_after("CREATE TEMPORARY TABLE t (a INT)"));
    CHECK(s.has_some_after("create or replace temporary table if not exists `e`.`u` select 1 as a"));
    CHECK(s.has_some_after("CREATE OR REPLACE TEMPORARY TABLE t LIKE x"));
    CHECK(s.has_some_after("INSERT INTO t VALUES (1)"));
    CHECK(s.has_some_after("DROP TABLE e.t, x"));
    CHECK(s.has_some_after("DROP TABLE t", "e"));
    CHECK(s.has_some_after("DROP TEMPORARY TABLE IF EXISTS d.t"));
    CHECK_FALSE(s.has_some_after("/* x */ drop table y, /* y */ `u`;", "e"));
    CHECK(s.has_some_after("CREATE TEMPORARY TABLE t (a INT)"));
    s.tables.forget();
    CHECK_FALSE(s.tables.any());
}

TEST_CASE("one whose name is not known is there for good") {
    for (const char* const sql : {"EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE t (a INT)'", "CREATE TEMPORARY TABLE"}) {
        INFO(sql);
        Session s;
        CHECK(s.has_some_after(sql));
        CHECK(s.has_some_after("DROP TEMPORARY TABLE t"));
    }
    for (const char* const sql :
         {"ALTER TABLE t RENAME TO u", "RENAME TABLE t TO u", "ALTER TABLE t ADD b INT, RENAME u"}) {
        INFO(sql);
        Session s;
        CHECK_FALSE(s.has_some_after(sql));  // there is none
        CHECK(s.has_some_after("CREATE TEMPORARY TABLE t (a INT)"));
        CHECK(s.has_some_after(sql));
        CHECK(s.has_some_after("DROP TABLE t"));
        CHECK(s.has_some_after("DROP TABLE u"));
    }
    Session s;
    s.tables.made_by_routine();
    CHECK(s.has_some_after("CREATE TEMPORARY TABLE t (a INT)"));
    CHECK(s.has_some_after("DROP TEMPORARY TABLE t"));
}
