// Temporary tables in the text of routines.
#include <catch2/catch.hpp>

#include "node/session/routine_tables.hpp"

using namespace ddb::session;

namespace {

const std::string key = "`ddb_row_key` BIGINT UNSIGNED INVISIBLE DEFAULT (UUID_SHORT()) PRIMARY KEY";

}  // namespace

TEST_CASE("a routine's temporary tables get a key") {
    CHECK(with_routine_tables("CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (a INT)") ==
          "CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (" + key + ", a INT)");
    CHECK(with_routine_tables("CREATE PROCEDURE p() BEGIN create temporary table if not exists d.t as select 1 a;\n"
                              "IF x THEN CREATE OR REPLACE TEMPORARY TABLE u (a INT, KEY (a), UNIQUE KEY b (a));\n"
                              "END IF; SELECT 1; END") ==
          "CREATE PROCEDURE p() BEGIN create temporary table if not exists d.t (" + key + ") as select 1 a;\n" +
              "IF x THEN CREATE OR REPLACE TEMPORARY TABLE u (" + key + ", a INT, KEY (a), UNIQUE KEY b (a));\n" +
              "END IF; SELECT 1; END");
    CHECK(with_routine_tables("CREATE PROCEDURE p() CREATE TEMPORARY TABLE t SELECT a FROM x FORCE KEY (PRIMARY)") ==
          "CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (" + key + ") SELECT a FROM x FORCE KEY (PRIMARY)");
    CHECK(
        with_routine_tables("CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (INDEX (a)) SELECT a FROM x USE KEY (b)") ==
        "CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (" + key + ", INDEX (a)) SELECT a FROM x USE KEY (b)");
}

TEST_CASE("and those that have one, or are no tables, stay") {
    for (const char* text :
         {"CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (a INT PRIMARY KEY)",
          "CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (a INT NOT NULL KEY, b INT)",
          "CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (a INT, CONSTRAINT PRIMARY KEY (a))",
          "CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (a INT PRIMARY KEY) engine=innodb",
          "CREATE PROCEDURE p() CREATE TEMPORARY TABLE t LIKE x", "CREATE PROCEDURE p() DROP TEMPORARY TABLE t",
          "CREATE PROCEDURE p() SELECT 'CREATE TEMPORARY TABLE t (a INT)' -- CREATE TEMPORARY TABLE t (a INT)",
          "CREATE PROCEDURE p() CREATE TABLE temporary (a INT)", "CREATE TEMPORARY", "CREATE TEMPORARY TABLE",
          "CREATE TEMPORARY TABLE IF", "CREATE TEMPORARY TABLE t (", "ALTER TABLE temporary ADD PRIMARY KEY (a)",
          "ALTER TABLE", "temporary", ""}) {
        CAPTURE(text);
        const std::string other = with_routine_tables(text);
        CHECK((other.empty() || other == "CREATE TEMPORARY TABLE t (" + key + ", "));
    }
}

TEST_CASE("a routine's temporary tables of other engines are InnoDB's") {
    CHECK(with_routine_tables("CREATE TRIGGER r BEFORE INSERT ON x FOR EACH ROW BEGIN\n"
                              "CREATE TEMPORARY TABLE t (a INT, PRIMARY KEY (a)) ENGINE = MEMORY COMMENT 'b'; END") ==
          "CREATE TRIGGER r BEFORE INSERT ON x FOR EACH ROW BEGIN\n"
          "CREATE TEMPORARY TABLE t (a INT, PRIMARY KEY (a)) ENGINE = InnoDB COMMENT 'b'; END");
    CHECK(with_routine_tables("BEGIN NOT ATOMIC CREATE TEMPORARY TABLE t ENGINE=HEAP SELECT 1; END") ==
          "BEGIN NOT ATOMIC CREATE TEMPORARY TABLE t (" + key + ") ENGINE=InnoDB SELECT 1; END");
    CHECK(with_routine_tables("/*!50003 CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (a INT) ENGINE=MyISAM */") ==
          "/*!50003 CREATE PROCEDURE p() CREATE TEMPORARY TABLE t (" + key + ", a INT) ENGINE=InnoDB */");
}

TEST_CASE("a routine drops its temporary tables as such") {
    CHECK(
        with_routine_tables("CREATE PROCEDURE p() BEGIN DROP TABLE IF EXISTS `T`, d.u; DROP TABLE x; DROP TABLE t, x;\n"
                            "CREATE TEMPORARY TABLE t (a INT KEY); CREATE TEMPORARY TABLE d.u LIKE t; END") ==
        "CREATE PROCEDURE p() BEGIN DROP TEMPORARY TABLE IF EXISTS `T`, d.u; DROP TABLE x; DROP TABLE t, x;\n"
        "CREATE TEMPORARY TABLE t (a INT KEY); CREATE TEMPORARY TABLE d.u LIKE t; END");
    CHECK(with_routine_tables("CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE t LIKE x; DROP").empty());
    CHECK(with_routine_tables("CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE t LIKE x; DROP TABLE IF").empty());
    CHECK(with_routine_tables("CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE t LIKE x; DROP TEMPORARY TABLE t")
              .empty());
}

TEST_CASE("a routine empties its temporary tables by what does not commit") {
    CHECK(with_routine_tables(
              "CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS t (a INT KEY);\n"
              "TRUNCATE TABLE T; truncate `t`; TRUNCATE x; SELECT TRUNCATE(1.5, 0); TRUNCATE t WAIT 1; END") ==
          "CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS t (a INT KEY);\n"
          "DELETE FROM T; DELETE FROM `t`; TRUNCATE x; SELECT TRUNCATE(1.5, 0); TRUNCATE t WAIT 1; END");
    CHECK(with_routine_tables(
              "CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS d.t (a INT AUTO_INCREMENT KEY) "
              "ENGINE=MEMORY; TRUNCATE d.t; END") ==
          "CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS d.t (a INT AUTO_INCREMENT KEY) "
          "ENGINE=InnoDB; CREATE OR REPLACE TEMPORARY TABLE d.t (a INT AUTO_INCREMENT KEY) ENGINE=InnoDB; END");
    CHECK(
        with_routine_tables("CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE t LIKE x; TRUNCATE t; END") ==
        "CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE t LIKE x; CREATE OR REPLACE TEMPORARY TABLE t LIKE x; END");
    for (const char* text :
         {"CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE t (a INT AUTO_INCREMENT KEY) SELECT 1 AS b; TRUNCATE t; "
          "END",
          "CREATE PROCEDURE p() BEGIN IF x THEN CREATE TEMPORARY TABLE t LIKE y; ELSE CREATE TEMPORARY TABLE t LIKE x; "
          "END IF; TRUNCATE t; END",
          "CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE t LIKE x; TRUNCATE"}) {
        CAPTURE(text);
        CHECK(with_routine_tables(text).empty());
    }
}
