// Which hints have a statement calculate otherwise than its session.
#include <catch2/catch.hpp>

#include "node/session/calculation_hints.hpp"

namespace ddb::session::test {

TEST_CASE("hints that set what stored columns are calculated with") {
    CHECK(hinted_calculation("INSERT /*+ SET_VAR(time_zone='+05:00') */ INTO t VALUES (1)", false) == "time_zone");
    CHECK(hinted_calculation("update\n/*+ NO_ICP(t) set_var ( SQL_mode = 'ANSI') */ t SET v = 1", false) == "sql_mode");
    CHECK(hinted_calculation("WITH w AS (SELECT 1) DELETE /*+SET_VAR(`time_zone`='UTC')*/ FROM t", false) ==
          "time_zone");
    const char* filled = "INSERT INTO t SELECT /*+ SET_VAR(time_zone = 'UTC') */ 1";
    CHECK(hinted_calculation(filled, true) == "time_zone");
    CHECK(hinted_calculation(filled, false).empty());
}

TEST_CASE("hints of other variables, and what only looks like one") {
    for (const char* sql : {"INSERT /*+ SET_VAR(sort_buffer_size = 16M) */ INTO t VALUES (1)",
                            "INSERT INTO t VALUES ('/*+ SET_VAR(time_zone = 1) */')",
                            "INSERT INTO t /*+ SET_VAR(time_zone = 1) */ VALUES (1)",
                            "INSERT /* SET_VAR(time_zone = 1) */ INTO t VALUES (1)", "INSERT /*+ SET_VAR( */ INTO t",
                            "INSERT /*+ SET_VAR", "UPDATE"}) {
        INFO(sql);
        CHECK(hinted_calculation(sql, true).empty());
    }
}

TEST_CASE("SET STATEMENT that sets what stored columns are calculated with") {
    CHECK(zone_of_one_statement("SET STATEMENT time_zone='+05:00' FOR INSERT INTO t VALUES (1)") == "time_zone");
    CHECK(zone_of_one_statement("set statement a=1, b=2 FOR SET STATEMENT SQL_MODE = '', `time_zone` = 'UTC' FOR "
                                "DELETE FROM t") == "time_zone");
    for (const char* sql :
         {"SET STATEMENT sql_mode = 'time_zone' FOR INSERT INTO t VALUES (1)",
          "SET STATEMENT max_statement_time = 1 FOR UPDATE t SET time_zone = 1", "SET time_zone = 'UTC'",
          "INSERT INTO t VALUES ('SET STATEMENT time_zone=1 FOR')", "SET STATEMENT", "SET STATEMENT a", "SET", ""}) {
        INFO(sql);
        CHECK(zone_of_one_statement(sql).empty());
    }
}

}  // namespace ddb::session::test
