#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "client/client_commands.hpp"
#include "client/statement_splitter.hpp"

using namespace ddb::client;
using Kind = SplitItem::Kind;

namespace {

// Feeds `sql` in pieces of `step` bytes; returns what comes out, commands marked.
std::vector<std::string> split(std::string_view sql, std::size_t step, bool no_backslash = false) {
    StatementSplitter splitter;
    splitter.set_no_backslash_escapes(no_backslash);
    std::vector<std::string> out;
    const auto drain = [&] {
        while (const auto item = splitter.next()) {
            switch (item->kind) {
                case Kind::statement:
                    out.push_back(item->text + (item->vertical ? "[G]" : ""));
                    break;
                case Kind::source:
                    out.push_back("<source " + item->text + ">");
                    break;
                case Kind::quit:
                    out.push_back("<quit>");
                    break;
                case Kind::too_long:
                    out.push_back("<too long>");
                    break;
                case Kind::bad_command:
                    out.push_back("<bad>");
                    break;
            }
        }
    };
    for (std::size_t at = 0; at < sql.size(); at += step) {
        splitter.feed(sql.substr(at, step));
        drain();
    }
    splitter.finish();
    drain();
    return out;
}

// The same whatever the reads look like.
void check(std::string_view sql, const std::vector<std::string>& expected, bool no_backslash = false) {
    INFO(std::string(sql));
    for (const std::size_t step :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{100'000}}) {
        INFO("pieces of " << step);
        CHECK(split(sql, step, no_backslash) == expected);
    }
}

}  // namespace

TEST_CASE("statements are cut at the delimiter") {
    check("", {});
    check(" \n\t ", {});
    check(";;;", {});
    check("select 1", {"select 1"});
    check("select 1;select 2;\n", {"select 1", "select 2"});
    check("select 1 \n\n; \n select\n2 ;", {"select 1", "select\n2"});
    check("select 1\\G select 2\\g select 3", {"select 1[G]", "select 2", "select 3"});
    check(std::string_view("select '\0;\xff';x", 14), {std::string("select '\0;\xff'", 12), "x"});
}

TEST_CASE("quotes hide delimiters") {
    check("select ';', \"a;b\", `c;d`; x", {"select ';', \"a;b\", `c;d`", "x"});
    check("select 'it''s;', 'a\\';b';x", {"select 'it''s;', 'a\\';b'", "x"});
    check("select `a\\`; x", {"select `a\\`", "x"});
    check("select 'a\\'; x", {"select 'a\\'", "x"}, true);
    check("select 'a\\\\'; x", {"select 'a\\\\'", "x"});
    check("select '\\G'; x", {"select '\\G'", "x"});
    check("select 'unfinished; x", {"select 'unfinished; x"});
    check("select '-- ', '#', '/*'; x", {"select '-- ', '#', '/*'", "x"});
}

TEST_CASE("comments in front go, comments within stay") {
    check("-- a; b\n# c; d\n/* e; f */ select 1; x", {"select 1", "x"});
    check("select 1 -- a; 'b\n, 2; x", {"select 1 -- a; 'b\n, 2", "x"});
    check("select 1 # a; \"b\n, 2; x", {"select 1 # a; \"b\n, 2", "x"});
    check("select 1 /* ; ' */ + 1; x", {"select 1 /* ; ' */ + 1", "x"});
    check("select 5--1; x", {"select 5--1", "x"});
    check("select 5-- 1;\n; x", {"select 5-- 1;", "x"});
    check("--\nselect 1;", {"select 1"});
    check("-- only a comment", {});
    check("/* only a comment */", {});
    check("/* open comment ; select 1;", {});
    check("/* a */;/* b */ ; x", {"x"});
    check("/***/ select 1;", {"select 1"});
    check("select 1 / 2 * 3; x", {"select 1 / 2 * 3", "x"});
    check("select /*+ hint; */ 1; x", {"select /*+ hint; */ 1", "x"});
}

TEST_CASE("executable comments are statements") {
    check("/*!40101 SET NAMES utf8 */;\n/*M!100100 SET a=';' */; x",
          {"/*!40101 SET NAMES utf8 */", "/*M!100100 SET a=';' */", "x"});
    check("/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER t BEGIN a; b; END */; x",
          {"/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 TRIGGER t BEGIN a; b; END */", "x"});
    check("/*! a /* ; */ ; */; x", {"/*! a /* ; */ ; */", "x"});
    check("select /*! '*/' */ 1; x", {"select /*! '*/' */ 1", "x"});
    check("/*M!999999\\- enable the sandbox mode */ \n-- dump\nSET a=1;\nx",
          {"/*M!999999\\- enable the sandbox mode */ \n-- dump\nSET a=1", "x"});
}

TEST_CASE("DELIMITER") {
    check("DELIMITER //\ncreate procedure p() begin select 1; end//\ndelimiter ;\nselect 2; select 3",
          {"create procedure p() begin select 1; end", "select 2", "select 3"});
    check("DELIMITER ;;\r\nselect 1;2;;\r\nDELIMITER ;\r\nselect 3;\r\n", {"select 1;2", "select 3"});
    check("delimiter $$\nselect '$$', 1 $ 2$$select 3$$", {"select '$$', 1 $ 2", "select 3"});
    check("delimiter -- \nselect 1--select 2--", {"select 1", "select 2"});
    check("delimiter '|'\nselect 1|x|", {"select 1", "x"});
    check("DELIMITER \nselect 1;", {"<bad>", "select 1"});
    check("DELIMITER a\\b\nselect 1;", {"<bad>", "select 1"});
    check("create table t (\ndelimiter int);", {"create table t (\ndelimiter int)"});
}

TEST_CASE("client words in a script") {
    check("use test\nselect 1;", {"use test", "select 1"});
    check("use test; select 1;", {"use test", "select 1"});
    check("USE `a b`; select 1", {"USE `a b`", "select 1"});
    check("useful;", {"useful"});
    check("source a b.sql ;\nselect 1;", {"<source a b.sql>", "select 1"});
    check("\\. /x/y.sql\nselect 1;", {"<source /x/y.sql>", "select 1"});
    check("quit\nselect 1;", {"<quit>", "select 1"});
    check("exit;", {"<quit>"});
    check("exit handler for x;", {"exit handler for x"});
}

TEST_CASE("a statement beyond the limit is refused once and skipped to its end") {
    StatementSplitter splitter(100);
    const std::string large = "insert into t values ('" + std::string(1000, 'x') + ";')";
    splitter.feed("select 1;\n" + large.substr(0, 500));
    auto item = splitter.next();
    REQUIRE(item);
    CHECK(item->text == "select 1");
    item = splitter.next();
    REQUIRE(item);
    CHECK(item->kind == Kind::too_long);
    CHECK(item->line == 2);
    CHECK(!splitter.next());
    splitter.feed(large.substr(500) + "; select 2;");
    item = splitter.next();
    REQUIRE(item);
    CHECK(item->kind == Kind::statement);
    CHECK(item->text == "select 2");

    // In one piece as well.
    StatementSplitter whole(100);
    whole.feed(large + ";select 3;");
    item = whole.next();
    REQUIRE(item);
    CHECK(item->kind == Kind::too_long);
    item = whole.next();
    REQUIRE(item);
    CHECK(item->text == "select 3");
}

TEST_CASE("lines are counted where statements start") {
    StatementSplitter splitter;
    splitter.feed("\n-- c\nselect\n1;\n\n  select 2;");
    auto first = splitter.next();
    auto second = splitter.next();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->line == 3);
    CHECK(second->line == 6);
}

TEST_CASE("the prompt knows what is missing") {
    StatementSplitter splitter;
    const auto after = [&](std::string_view text) {
        splitter.clear();
        splitter.feed(text);
        while (splitter.next()) {
        }
        return splitter.waiting_for();
    };
    CHECK(after("") == 0);
    CHECK(after("select 1;\n") == 0);
    CHECK(after("select 1\n") == '-');
    CHECK(after("select 'a\n") == '\'');
    CHECK(after("select \"a\n") == '"');
    CHECK(after("select `a\n") == '`');
    CHECK(after("select /* a\n") == '*');
}

TEST_CASE("shell commands") {
    using Command = ShellCommand::Kind;
    const auto kind = [](std::string_view line) {
        const auto command = parse_command(line);
        return command ? static_cast<int>(command->kind) : -1;
    };
    CHECK(kind("select 1;") == -1);
    CHECK(kind("\\G") == -1);
    CHECK(kind("\\q\n") == static_cast<int>(Command::quit));
    CHECK(kind(":exit") == static_cast<int>(Command::quit));
    CHECK(kind("exit;") == static_cast<int>(Command::quit));
    CHECK(kind(":info") == static_cast<int>(Command::status));
    CHECK(kind("\\!") == static_cast<int>(Command::refused));
    CHECK(kind("\\! ls") == static_cast<int>(Command::refused));
    CHECK(kind(":whatever") == static_cast<int>(Command::unknown));
    CHECK(kind("help 'contents';") == -1);
    CHECK(kind("help;") == static_cast<int>(Command::help));
    CHECK(parse_command(":node 127.0.0.1:6000")->argument == "127.0.0.1:6000");
    CHECK(parse_command("source  a b.sql;")->argument == "a b.sql");
    CHECK(parse_command("\\T /x/y\n")->argument == "/x/y");
    CHECK(kind("clear all") == -1);
}
