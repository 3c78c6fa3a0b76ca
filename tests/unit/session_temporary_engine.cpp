// Temporary tables of other engines than InnoDB.
#include <catch2/catch.hpp>

#include "node/session/temporary_engine.hpp"

using namespace ddb::session;

TEST_CASE("a temporary table's engine becomes InnoDB, wherever its options name it") {
    CHECK(with_innodb("CREATE TEMPORARY TABLE t (a INT) ENGINE=MEMORY") ==
          "CREATE TEMPORARY TABLE t (a INT) ENGINE=InnoDB");
    CHECK(with_innodb("create temporary table `t` (engine int, type int) max_rows=5 engine  'HEAP' comment 'x'") ==
          "create temporary table `t` (engine int, type int) max_rows=5 engine  InnoDB comment 'x'");
    CHECK(with_innodb("CREATE TEMPORARY TABLE engine (a INT) TYPE = `MyISAM` SELECT 1 AS a") ==
          "CREATE TEMPORARY TABLE engine (a INT) TYPE = InnoDB SELECT 1 AS a");
    CHECK(with_innodb("CREATE TEMPORARY TABLE t ENGINE=Aria AS SELECT 1 AS a") ==
          "CREATE TEMPORARY TABLE t ENGINE=InnoDB AS SELECT 1 AS a");
}

TEST_CASE("what names none stays as it is") {
    CHECK(with_innodb("CREATE TEMPORARY TABLE t (a INT)").empty());
    CHECK(with_innodb("CREATE TEMPORARY TABLE t AS SELECT engine FROM information_schema.tables").empty());
    CHECK(with_innodb("CREATE TEMPORARY TABLE t (a INT) ENGINE=").empty());
    CHECK(with_innodb("").empty());
}
