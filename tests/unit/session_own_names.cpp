// CURRENT_USER and CURRENT_ROLE in statements about accounts.
#include <catch2/catch.hpp>

#include "node/session/classifier.hpp"
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
