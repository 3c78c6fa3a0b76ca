// Texts of PREPARE and EXECUTE.
#include <catch2/catch.hpp>

#include "node/session/classifier.hpp"
#include "node/session/hidden_texts.hpp"

using namespace ddb::session;

TEST_CASE("what PREPARE and EXECUTE are given") {
    CHECK(prepared_as("PREPARE `S` FROM 'DROP TABLE t';")->name == "s");
    CHECK(prepared_as("prepare s from CONCAT('a', @b) -- c")->expression == "CONCAT('a', @b) -- c");
    CHECK(prepared_as("PREPARE s FROM @a := 'x'")->expression.empty());
    CHECK_FALSE(prepared_as("PREPARE s"));
    CHECK_FALSE(prepared_as("EXECUTE s"));
    CHECK(executed_expression("EXECUTE IMMEDIATE CONVERT('a' USING utf8mb4);") == "CONVERT('a' USING utf8mb4)");
    for (const char* text : {"EXECUTE IMMEDIATE 'a' USING 1", "EXECUTE s", "EXECUTE IMMEDIATE", "EXECUTE", "",
                             "SELECT 'a'", "EXECUTE IMMEDIATE 'a'; SELECT 1", "/*!50003 EXECUTE IMMEDIATE 'a' */"}) {
        CAPTURE(text);
        CHECK(executed_expression(text).empty());
    }
    CHECK(executed_name("EXECUTE `S`;") == "s");
    CHECK(executed_name("EXECUTE s USING @a").empty());
    CHECK(*literal_value("'it''s \\'a\\''") == "it's 'a'");
    CHECK(*literal_value("\"a\"\"b\"") == "a\"b");
    CHECK_FALSE(literal_value("'a' 'b'"));
    CHECK_FALSE(literal_value("@a"));
    CHECK(*said_literally("EXECUTE IMMEDIATE 'DO ?' USING 1") == "DO ?");
    CHECK_FALSE(said_literally("EXECUTE IMMEDIATE CONCAT('DO ?')"));
}

TEST_CASE("a literal text is refused as it would be by itself") {
    const auto refused = [](const char* sql) { return classify(sql).kind == StatementKind::refused; };
    for (const char* text :
         {"EXECUTE IMMEDIATE 'PURGE BINARY LOGS BEFORE NOW()'", "PREPARE s FROM \"CHANGE MASTER TO MASTER_HOST=''\"",
          "EXECUTE IMMEDIATE 'SET GLOBAL innodb_force_primary_key = OFF'",
          "EXECUTE IMMEDIATE 'CREATE TABLE t (a INT) PARTITION BY SYSTEM_TIME LIMIT 10 PARTITIONS 2'",
          "PREPARE s FROM 'ALTER TABLE t DISCARD TABLESPACE'"}) {
        CAPTURE(text);
        CHECK(refused(text));
    }
    for (const char* text : {"EXECUTE IMMEDIATE 'CREATE TABLE t (a INT)'", "EXECUTE IMMEDIATE 'SELECT 1'",
                             "EXECUTE IMMEDIATE CONCAT('PURGE ', 'x')", "PREPARE s FROM @a",
                             "EXECUTE IMMEDIATE 'EXECUTE s'", "EXECUTE IMMEDIATE ''"}) {
        CAPTURE(text);
        CHECK_FALSE(refused(text));
    }
}

TEST_CASE("texts that were prepared by name") {
    PreparedTexts texts;
    texts.prepared("s", "DROP TABLE t", "d");
    CHECK(texts.text_of("s", "d") == "DROP TABLE t");
    CHECK_FALSE(texts.text_of("s", "e"));
    CHECK_FALSE(texts.text_of("t", "d"));
    texts.prepared("s", "SELECT 1", "d");
    CHECK_FALSE(texts.text_of("s", "d"));
    texts.prepared("s", std::nullopt, "d");
    texts.prepared("t", "DROP TABLE t", "d");
    texts.forget();
    CHECK_FALSE(texts.text_of("t", "d"));
    for (int i = 0; i < 1000; ++i) texts.prepared("s" + std::to_string(i), "DROP TABLE t", "d");
    CHECK_FALSE(texts.text_of("s999", "d"));
}
