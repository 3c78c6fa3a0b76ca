// Tokens of SQL texts.
#include <catch2/catch.hpp>

#include "node/session/classifier.hpp"
#include "node/session/sql_scan.hpp"
#include "node/session/versioned_comments.hpp"

using namespace ddb::session;
using Kind = StatementKind;

TEST_CASE("tokens") {
    const auto tokens = scan("-- x\n/* y */ SELECT `a``b`, 'it''s', \"q\\\"\" @v @@global.w # end\n 1.5", 100);
    REQUIRE(tokens.size() == 11);
    CHECK(tokens[0].is("SELECT"));
    CHECK(tokens[1].kind == Token::Kind::quoted);
    CHECK(tokens[1].text == "a``b");
    CHECK(tokens[3].text == "it''s");
    CHECK(tokens[5].text == "q\\\"");
    CHECK(tokens[6].kind == Token::Kind::user_variable);
    CHECK(tokens[6].text == "v");
    CHECK(tokens[7].kind == Token::Kind::system_variable);
    CHECK(tokens[7].text == "global.w");
    CHECK(scan("SELECT 'unfinished", 10).size() == 2);
    CHECK(scan("SELECT 'unfinished\\", 10).size() == 2);
    CHECK(scan("/* unfinished", 10).empty());
    CHECK(scan("@", 10).size() == 1);
    CHECK(scan("`", 10).size() == 1);
    CHECK(scan("a--b", 10).size() == 4);
    CHECK(scan("a-- b", 10).size() == 1);
}

TEST_CASE("versioned comments are MySQL's where the server is") {
    set_server_version("9.7.4-2");
    CHECK(classify("/*!80000 SET sql_log_bin=0 */").kind == Kind::refused);
    CHECK(classify("SET x=1 /*!90704 , sql_log_bin=0 */").kind == Kind::refused);
    CHECK(classify("SET x=1 /*!90705 , sql_log_bin=0 */").kind == Kind::set);
    CHECK(classify("/*M!100100 SET sql_log_bin=0 */").kind == Kind::empty);
    set_server_version("10.11.19-MariaDB-0+deb12u1");
    CHECK(classify("SET x=1 /*!90704 , sql_log_bin=0 */").kind == Kind::set);
}

TEST_CASE("versioned comments") {
    CHECK(scan("/*!40101 SET NAMES utf8 */", 10).size() == 3);
    CHECK(scan("/*!SET x=1*/", 10).size() == 4);
    CHECK(scan("/*!50701 ignored by MariaDB */ a", 10).size() == 1);
    CHECK(scan("/*!80000 ignored by MariaDB */ a", 10).size() == 1);
    CHECK(scan("/*M!100100 b */ a", 10).size() == 2);
    CHECK(scan("/*M!999999\\- enable the sandbox mode */ a", 10).size() == 1);
    CHECK(scan("/*!999999\\- enable the sandbox mode */", 10).empty());
    const auto tokens = scan("CREATE /*!50017 DEFINER=`root`@`localhost`*/ TRIGGER t", 20);
    CHECK(tokens.back().text == "t");
    CHECK(tokens[1].versioned);
    CHECK(!tokens.back().versioned);
}

TEST_CASE("strings end, and words are found, as a look at each byte would have it") {
    const auto naive_end = [](const std::string& sql) {  // behind the string that begins at 0
        std::size_t i = 1;
        for (; i < sql.size(); ++i) {
            if (sql[i] == '\\') {
                ++i;
            } else if (sql[i] == '\'') {
                if (i + 1 >= sql.size() || sql[i + 1] != '\'') return i;
                ++i;
            }
        }
        return sql.size();
    };
    const std::string letters = "'\\aA";
    for (std::size_t number = 0; number < 4096; ++number) {
        std::string sql = "'";
        for (std::size_t left = number, i = 0; i < 6; left /= 4, ++i) sql += letters[left % 4];
        const auto tokens = scan(sql, 1);
        REQUIRE(tokens.size() == 1);
        CHECK(tokens[0].text == sql.substr(1, naive_end(sql) - 1));
        std::string upper = sql;
        for (char& c : upper) c = c == 'a' ? 'A' : c;
        for (const std::string word : {"A", "AA", "A'A", "''", "\\AA"})
            CHECK(contains_ignoring_case(sql, word) == (upper.find(word) != std::string::npos));
    }
}
