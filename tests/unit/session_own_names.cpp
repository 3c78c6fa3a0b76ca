// CURRENT_USER and CURRENT_ROLE in statements about accounts, and the account of the node itself.
#include <catch2/catch.hpp>

#include "node/session/classifier.hpp"
#include "node/session/node_account.hpp"
#include "node/session/own_names.hpp"

using namespace ddb::session;

TEST_CASE("own names take the place of the words, and of nothing else") {
    const OwnNames names{"`u`@`%`", "`r`"};
    const auto put = [&](std::string_view sql) { return with_own_names(sql, names); };
    CHECK(put("GRANT a TO CURRENT_USER") == "GRANT a TO `u`@`%`");
    CHECK(put("GRANT a TO current_user(), Current_Role ( ) WITH ADMIN OPTION") ==
          "GRANT a TO `u`@`%`, `r` WITH ADMIN OPTION");
    CHECK(put("REVOKE a FROM CURRENT_ROLE, b /* CURRENT_USER */") == "REVOKE a FROM `r`, b /* CURRENT_USER */");
    CHECK(put("GRANT a TO `CURRENT_USER`, 'CURRENT_ROLE'") == "GRANT a TO `CURRENT_USER`, 'CURRENT_ROLE'");
    CHECK(with_own_names("GRANT a TO CURRENT_USER, CURRENT_ROLE", {"", "`r`"}) == "GRANT a TO CURRENT_USER, `r`");
    CHECK(put("") == "");
}

TEST_CASE("an account as statements have it") {
    CHECK(account_in_statement("u@localhost") == "`u`@`localhost`");
    CHECK(account_in_statement("a@b@%") == "`a@b`@`%`");
    CHECK(account_in_statement("@localhost") == "``@`localhost`");
    CHECK(account_in_statement("nothing") == "");
}

TEST_CASE("own names in hidden statements are refused where rights are given") {
    const auto refused = [](const char* sql) { return classify(sql).kind == StatementKind::refused; };
    CHECK(refused("EXECUTE IMMEDIATE 'GRANT r TO CURRENT_USER'"));
    CHECK(refused("EXECUTE IMMEDIATE ' revoke r FROM current_role()'"));
    CHECK(refused("PREPARE p FROM \"GRANT r TO CURRENT_USER\""));
    CHECK_FALSE(refused("PREPARE p FROM 'SELECT is_grantable FROM t WHERE grantee = CURRENT_USER()'"));
    CHECK_FALSE(refused("EXECUTE IMMEDIATE 'GRANT r TO u'"));
}

TEST_CASE("the account of the node itself is seen where a statement names it, and nowhere else") {
    for (const char* sql :
         {"DROP USER ddb@localhost", "drop user if exists a, 'ddb'@'%'", "CREATE OR REPLACE USER `ddb`",
          "DROP ROLE ddb", "ALTER USER ddb@localhost IDENTIFIED BY 'x'", "RENAME USER ddb@localhost TO a",
          "RENAME USER a TO ddb@h", "SET PASSWORD FOR 'ddb'@localhost = PASSWORD('x')",
          "SET DEFAULT ROLE r FOR ddb@localhost", "GRANT SELECT ON x.* TO a, ddb@localhost IDENTIFIED BY 'x'",
          "REVOKE ALL, GRANT OPTION FROM ddb@localhost", "REVOKE SELECT ON *.* FROM \"ddb\"@localhost",
          "GRANT ddb TO a", "GRANT a, ddb TO b", "REVOKE a FROM ddb", "CREATE ROLE r WITH ADMIN ddb@localhost",
          "GRANT PROXY ON ddb@localhost TO a", "SET STATEMENT max_statement_time=1 FOR DROP USER ddb@localhost",
          "CREATE USER IF NOT EXISTS ddb"}) {
        INFO(sql);
        CHECK(touches_account(sql, "ddb"));
    }
    for (const char* sql :
         {"CREATE USER a IDENTIFIED BY 'ddb'", "GRANT ALL ON ddb.* TO a", "GRANT SELECT (x, ddb) ON x.ddb TO a@ddb",
          "GRANT SELECT ON ddb TO a", "REVOKE EXECUTE ON FUNCTION ddb FROM a", "SET PASSWORD FOR a = PASSWORD('ddb')",
          "ALTER USER a REQUIRE ISSUER 'ddb'", "CREATE USER DDB", "DROP USER", "GRANT"}) {
        INFO(sql);
        CHECK_FALSE(touches_account(sql, "ddb"));
    }
}
