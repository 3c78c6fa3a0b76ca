// What takes tables from the server, or puts some beside them.
#include <catch2/catch.hpp>

#include "node/session/servers_own.hpp"

namespace ddb::session::test {

TEST_CASE("what is every server's own is neither dropped nor renamed") {
    for (const char* sql :
         {"DROP DATABASE mysql", "drop schema if exists `SYS`", "DROP TABLE mysql.proc",
          "DROP TABLES IF EXISTS d.t, `mysql`.`Global_Priv`", "DROP VIEW mysql.user", "DROP VIEW sys.version",
          "RENAME TABLE mysql.proc TO mysql.p", "RENAME TABLE d.t TO d.u, mysql.db NOWAIT TO d.db",
          "ALTER TABLE mysql.proc RENAME d.proc", "ALTER TABLE IF EXISTS mysql.proc ADD x INT, RENAME TO p"}) {
        INFO(sql);
        CHECK(may_take_servers_own(sql));
        CHECK(takes_servers_own(sql, "d").find("every server has it") != std::string::npos);
    }
    CHECK_FALSE(takes_servers_own("DROP TABLE proc", "mysql").empty());
    CHECK_FALSE(takes_servers_own("RENAME TABLE proc TO d.proc", "mysql").empty());
}

TEST_CASE("nothing is moved beside it") {
    for (const char* sql : {"RENAME TABLE d.t TO mysql.t", "RENAME TABLE t TO u, u TO sys.u",
                            "ALTER TABLE t RENAME mysql.t", "ALTER ONLINE TABLE d.t ADD x INT, RENAME AS `sys`.t"}) {
        INFO(sql);
        CHECK(takes_servers_own(sql, "d").find("would not have it") != std::string::npos);
    }
    CHECK_FALSE(takes_servers_own("ALTER TABLE d.t RENAME = t", "mysql").empty());
}

TEST_CASE("all else is") {
    for (const char* sql :
         {"DROP TABLE d.proc, e.user", "DROP TABLE mysql.mine", "RENAME TABLE mysql.mine TO d.mine",
          "DROP DATABASE mysql2", "DROP TABLE proc", "RENAME TABLE proc TO user", "ALTER TABLE mysql.proc FORCE",
          "ALTER TABLE d.t RENAME COLUMN mysql TO sys, RENAME KEY a TO b", "DROP USER mysql",
          "RENAME USER mysql TO sys", "DROP PROCEDURE mysql.p", "DROP", "RENAME TABLE", "RENAME TABLE a",
          "ALTER TABLE t RENAME", "CREATE TABLE mysql.t (a INT)"}) {
        INFO(sql);
        CHECK(takes_servers_own(sql, "d").empty());
    }
    CHECK_FALSE(may_take_servers_own("CREATE TABLE t (a INT)"));
    CHECK_FALSE(may_take_servers_own("ALTER TABLE t ADD a INT"));
}

}  // namespace ddb::session::test
