// What a session's next server session is told.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "node/session/said_again.hpp"

using namespace ddb::session;

namespace {

std::vector<std::string> told(const std::vector<std::string>& sets) {
    SaidAgain said;
    for (const auto& sql : sets) REQUIRE(said.set(sql));
    return said.settings();
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a setting takes the place of what it replaces") {
    CHECK(told({"SET @a = 1", "SET @b = 2", "SET @A := 3"}) == Texts{"SET @b = 2", "SET @A := 3"});
    CHECK(told({"SET NAMES utf8", "SET sql_mode = 'A'", "set session SQL_MODE=''", "SET @@session.sql_mode='B'",
                "SET @@sql_mode='C'", "SET NAMES latin1 COLLATE x"}) ==
          Texts{"SET @@sql_mode='C'", "SET NAMES latin1 COLLATE x"});
    CHECK(told({"SET @a = 1", "SET @a = 1, @b = 2", "SET @a = 3"}) == Texts{"SET @a = 1, @b = 2", "SET @a = 3"});
    CHECK(told({"SET @a = 1", "SET @b = 1", "SET @b = 2, @a = 2"}) == Texts{"SET @b = 2, @a = 2"});
}

TEST_CASE("but not of what something in between was told") {
    CHECK(told({"SET @n = 0", "SET @n = @n + 1", "SET @n = @n + 1"}) ==
          Texts{"SET @n = 0", "SET @n = @n + 1", "SET @n = @n + 1"});
    CHECK(told({"SET @a = 1", "SET @b = @a", "SET @a = 1"}) == Texts{"SET @a = 1", "SET @b = @a", "SET @a = 1"});
    CHECK(told({"SET @old = @@sql_mode", "SET sql_mode = ''", "SET sql_mode = @old", "SET @old = @@sql_mode",
                "SET sql_mode = ''"}) == Texts{"SET @old = @@sql_mode", "SET sql_mode = ''", "SET sql_mode = @old",
                                               "SET @old = @@sql_mode", "SET sql_mode = ''"});
}

TEST_CASE("what would come to something else is not said") {
    SaidAgain said;
    for (const char* sql :
         {"SET @id = @@identity", "SET @a = 1, @id = 1 + @@session.last_insert_id", "SET @n = @@warning_count",
          "SET @now := CURRENT_TIMESTAMP", "SET timestamp = @@timestamp", "SET @host = @@global.hostname, @b = 2"}) {
        CHECK_FALSE(said.set(sql));
    }
    CHECK(said.settings().empty());
    const Texts others{"SET @@timestamp = 5", "SET @old = @@sql_mode, last_insert_id = 7", "SET @s = 'CURRENT_DATE'",
                       "SET @@identity = 4, @`CURRENT_TIME` = 3"};
    CHECK(told(others) == others);
}

TEST_CASE("what sets more than is known stays, unless it is said again") {
    const Texts all{"SET GLOBAL x = 1", "SET SESSION TRANSACTION READ ONLY", "SET x.y = 1", "SET @@global.x = 2"};
    CHECK(told(all) == all);
    CHECK(told({all[1], "SET @a = 1", all[1]}) == Texts{"SET @a = 1", all[1]});
    CHECK(told({"SET", "SET ,", "SET @a", "SET (", "SET x ="}).size() == 5);
}

TEST_CASE("statements prepared by name are prepared again, in their place") {
    SaidAgain said;
    CHECK(said.set("SET sql_mode = 'ANSI_QUOTES'"));
    CHECK(said.prepared("PREPARE s FROM 'SELECT 1'", "d", true));
    CHECK(said.set("SET sql_mode = ''"));
    CHECK(said.set("SET sql_mode = 'ANSI_QUOTES'"));
    CHECK(said.prepared("prepare `T` from @text;", "d", true));
    CHECK(said.everything() == Texts{"SET sql_mode = 'ANSI_QUOTES'", "PREPARE s FROM 'SELECT 1'",
                                     "SET sql_mode = 'ANSI_QUOTES'", "prepare `T` from @text;"});
    CHECK(said.settings().size() == 2);
    CHECK_FALSE(said.prepared_elsewhere("d"));
    CHECK(said.prepared_elsewhere("e"));
    CHECK(said.prepared("PREPARE S FROM 'SELECT 2'", "e", true));
    CHECK(said.prepared("DEALLOCATE PREPARE t", "e", true));
    CHECK(said.everything().back() == "PREPARE S FROM 'SELECT 2'");
    CHECK(said.everything().size() == 3);
    CHECK_FALSE(said.prepared_elsewhere("e"));
    CHECK(said.prepared("PREPARE s FROM 'no statement'", "e", false));
    CHECK(said.everything().size() == 2);
    CHECK_FALSE(said.prepared("PREPARE s FROM CONCAT('SELECT ', NOW())", "e", true));
    CHECK(said.prepared("KILL QUERY 5", "e", true));
    CHECK(said.prepared("PREPARE", "e", true));
    CHECK(said.everything().size() == 2);
    CHECK(said.prepared("PREPARE u FROM 'SELECT 3'", "e", true));
    said.forget_prepared();
    CHECK(said.everything() == said.settings());
}

TEST_CASE("what is for one INSERT is not said behind it") {
    SaidAgain said;
    CHECK(said.set("SET INSERT_ID = 5"));
    CHECK(said.last_sets("insert_id"));
    CHECK(said.set("SET @@session.last_insert_id = 7, @a = 1"));
    CHECK(said.last_sets("last_insert_id"));
    CHECK_FALSE(said.last_sets("insert_id"));
    said.forget_insert_id();
    CHECK(said.settings() == Texts{"SET @@session.last_insert_id = 7, @a = 1"});
}

TEST_CASE("there is a limit, by number and by size") {
    SaidAgain said;
    for (std::size_t i = 0; i < SaidAgain::statements_max; ++i) CHECK(said.set("SET @a" + std::to_string(i) + " = 1"));
    CHECK_FALSE(said.set("SET @b = 1"));
    CHECK(said.set("SET @a0 = 2"));
    SaidAgain large;
    const std::string half = " = '" + std::string(SaidAgain::bytes_max / 2, 'x') + "'";
    CHECK(large.set("SET @a" + half));
    CHECK_FALSE(large.set("SET @b" + half));
    CHECK(large.set("SET @a" + half));
}
