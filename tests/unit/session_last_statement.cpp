// ROW_COUNT() and FOUND_ROWS() of the statement before, put into the text of the next one.
#include <catch2/catch.hpp>

#include "node/session/last_statement.hpp"

using namespace ddb;
using namespace ddb::session;

namespace {

std::string told(const std::string& sql, const LastStatement& last) {
    return with_last_statement(sql, classify(sql).kind, last).value_or("as it is");
}

}  // namespace

TEST_CASE("the count of rows stands in the place of ROW_COUNT(), under its own name") {
    const LastStatement last{5, std::nullopt};
    CHECK(told("SELECT ROW_COUNT()", last) == "SELECT CAST('000000000000000000005' AS SIGNED) AS `ROW_COUNT()`");
    CHECK(told("select row_count ( ) , 1;", last) ==
          "select CAST('000000000000000000005' AS SIGNED) AS `row_count ( )` , 1;");
    CHECK(told("SELECT ROW_COUNT() AS n", last) == "SELECT CAST('000000000000000000005' AS SIGNED) AS n");
    CHECK(told("SELECT ROW_COUNT() + 1", last) ==
          "SELECT CAST('000000000000000000005' AS SIGNED) + 1 AS `ROW_COUNT() + 1`");
    CHECK(told("SELECT ABS(ROW_COUNT())", last) ==
          "SELECT ABS(CAST('000000000000000000005' AS SIGNED)) AS `ABS(ROW_COUNT())`");
    CHECK(told("SELECT 1, hex(concat(row_count())) FROM t", last) ==
          "SELECT 1, hex(concat(CAST('000000000000000000005' AS SIGNED))) AS `hex(concat(row_count()))` FROM t");
    CHECK(told("SELECT ABS(ROW_COUNT()) n, 2", last) == "SELECT ABS(CAST('000000000000000000005' AS SIGNED)) n, 2");
    CHECK(told("SELECT (SELECT ROW_COUNT()), ROW_COUNT() = 5 'five'", last) ==
          "SELECT (SELECT CAST('000000000000000000005' AS SIGNED)) AS `(SELECT ROW_COUNT())`, "
          "CAST('000000000000000000005' AS SIGNED) = 5 'five'");
    CHECK(told("SELECT 1 ORDER BY 1, ROW_COUNT()", last) ==
          "SELECT 1 ORDER BY 1, CAST('000000000000000000005' AS SIGNED)");
    CHECK(told("SELECT ROW_COUNT() INTO @n", last) ==
          "SELECT CAST('000000000000000000005' AS SIGNED) AS `ROW_COUNT()` INTO @n");
    CHECK(told("INSERT INTO log VALUES (1, ROW_COUNT())", last) ==
          "INSERT INTO log VALUES (1, CAST('000000000000000000005' AS SIGNED))");
    CHECK(told("SET @n = ROW_COUNT()", {-1, std::nullopt}) == "SET @n = CAST('-00000000000000000001' AS SIGNED)");
}

TEST_CASE("the rows found by a read on this node are known too, those of the coordinator's are its own affair") {
    CHECK(told("SELECT FOUND_ROWS()", {-1, 2}) == "SELECT CAST('000000000000000000002' AS SIGNED) AS `FOUND_ROWS()`");
    CHECK(told("SELECT ROW_COUNT(), FOUND_ROWS(), LAST_INSERT_ID()", {-1, 7}) ==
          "SELECT CAST('-00000000000000000001' AS SIGNED) AS `ROW_COUNT()`, CAST('000000000000000000007' AS SIGNED) AS "
          "`FOUND_ROWS()`, LAST_INSERT_ID()");
    CHECK(told("SELECT FOUND_ROWS()", {-1, std::nullopt}) == "as it is");
    CHECK(told("SELECT SQL_CALC_FOUND_ROWS 1", {-1, 7}) == "as it is");
}

TEST_CASE("GET DIAGNOSTICS of ROW_COUNT sets the same variables") {
    const LastStatement last{5, std::nullopt};
    CHECK(told("GET DIAGNOSTICS @n = ROW_COUNT", last) == "SET @n = CAST('000000000000000000005' AS SIGNED)");
    CHECK(told("get current diagnostics @a=number, @`b c` = row_count;", last) ==
          "SET @a= CAST(LEAST(@@warning_count, @@max_error_count) AS SIGNED), @`b c` = "
          "CAST('000000000000000000005' AS SIGNED)");
    for (const char* sql : {"GET DIAGNOSTICS @n = NUMBER", "GET DIAGNOSTICS CONDITION 1 @ROW_COUNT = MESSAGE_TEXT",
                            "GET DIAGNOSTICS n = ROW_COUNT", "GET DIAGNOSTICS @n = ROW_COUNT,",
                            "GET DIAGNOSTICS @n = ROW_COUNT @m = NUMBER", "GET DIAGNOSTICS"}) {
        CHECK(told(sql, last) == "as it is");
    }
}

TEST_CASE("the same words elsewhere mean something else") {
    const LastStatement last{5, 5};
    CHECK(told("SELECT 'ROW_COUNT()'", last) == "as it is");
    CHECK(told("SELECT `ROW_COUNT`, row_count FROM t", last) == "as it is");
    CHECK(told("SELECT ROW_COUNT(1)", last) == "as it is");
    CHECK(told("SELECT shop.ROW_COUNT()", last) == "as it is");
    CHECK(told("SELECT '\\' , 'ROW_COUNT()'", last) == "as it is");
    CHECK(told("CREATE PROCEDURE p() SELECT ROW_COUNT()", last) == "as it is");
    CHECK(told("BEGIN NOT ATOMIC UPDATE t SET a = 1; SELECT ROW_COUNT(); END", last) == "as it is");
    CHECK(told("SELECT 1", last) == "as it is");
}

TEST_CASE("an answer's count of rows") {
    ResultEnd end;
    end.outcome.affected_rows = 3;
    CHECK(row_count_of(end) == 3);
    end.rows = 0;
    CHECK(row_count_of(end) == -1);
    end.rows.reset();
    end.error = Error{ErrorCode::sql, "no", 1064, "42000"};
    CHECK(row_count_of(end) == -1);
}

TEST_CASE("what a server finds no rows for keeps the count of the statement before") {
    const LastStatement before{-1, 7};
    ResultEnd rows;
    rows.rows = 2;
    CHECK(found_rows_of("SELECT a FROM t", rows, true, before) == 2);
    CHECK(found_rows_of("SELECT a FROM t LIMIT 2 OFFSET 3", rows, true, before) == 5);
    CHECK(found_rows_of("select a from t order by b limit 40,2;", rows, true, before) == 42);
    CHECK(found_rows_of("SELECT a FROM t LIMIT 2", rows, true, before) == 2);
    CHECK(found_rows_of("SELECT a FROM (SELECT a FROM t LIMIT 5, 4) AS u", rows, true, before) == 2);
    CHECK(found_rows_of("SELECT a FROM t UNION SELECT 1 LIMIT 2 OFFSET 3", rows, true, before) == 2);
    CHECK(found_rows_of("SELECT a FROM t WHERE b = 'LIMIT 3, 2'", rows, true, before) == 2);
    CHECK(found_rows_of("SHOW COLUMNS FROM t", rows, true, before) == 2);
    CHECK(found_rows_of("SHOW FULL TABLES", rows, true, before) == 2);
    CHECK(found_rows_of("SHOW CREATE TABLE t", rows, true, before) == 7);
    CHECK(found_rows_of("show full processlist", rows, true, before) == 7);
    CHECK(found_rows_of("SHOW GRANTS", rows, false, before) == 7);
    CHECK_FALSE(found_rows_of("SELECT a FROM t", rows, false, before));  // the coordinator's connection knows
    ResultEnd none;
    CHECK(found_rows_of("INSERT INTO t VALUES (1)", none, false, before) == 7);
    CHECK(found_rows_of("CREATE TABLE t (a INT)", none, false, before) == 7);
    CHECK(found_rows_of("CREATE TABLE t AS SELECT 1", none, false, before) == 0);
    none.error = Error{ErrorCode::sql, "", 1050, "42S01"};
    CHECK(found_rows_of("CREATE TABLE t AS SELECT 1", none, false, before) == 7);
}

TEST_CASE("autocommit is off where a session asks, though no server was told") {
    const auto off = [](const std::string& sql) {
        return with_last_statement(sql, classify(sql).kind, {}, {.autocommit = false}).value_or("as it is");
    };
    const std::string zero = "CAST('000000000000000000000' AS SIGNED)";
    CHECK(off("SELECT @@autocommit") == "SELECT " + zero + " AS `@@autocommit`");
    CHECK(off("select @@session.autocommit, @@local.Autocommit + 1;") ==
          "select " + zero + " AS `@@session.autocommit`, " + zero + " + 1 AS `@@local.Autocommit + 1`;");
    CHECK(off("SELECT 1, @@autocommit AS a FROM t") == "SELECT 1, " + zero + " AS a FROM t");
    CHECK(off("SET @old = @@autocommit, sql_mode = ''") == "SET @old = " + zero + ", sql_mode = ''");
    CHECK(off("SET @@autocommit = 0") == "as it is");
    CHECK(off("SELECT @@global.autocommit, autocommit, '@@autocommit', @autocommit") == "as it is");
    CHECK(told("SELECT @@autocommit", {}) == "as it is");
}

TEST_CASE("@@in_transaction is 0 outside of transactions, whatever the server's own is") {
    const auto outside = [](std::string_view sql) {
        return with_last_statement(sql, classify(sql).kind, {}, {.in_transaction = false}).value_or("as it is");
    };
    const std::string zero = "CAST('000000000000000000000' AS SIGNED)";
    CHECK(outside("SELECT @@in_transaction") == "SELECT " + zero + " AS `@@in_transaction`");
    CHECK(outside("SELECT @@SESSION.in_transaction AS a") == "SELECT " + zero + " AS a");
    CHECK(outside("SET @t = @@in_transaction") == "SET @t = " + zero);
    CHECK(outside("SELECT in_transaction, '@@in_transaction', @@autocommit") == "as it is");
    CHECK(told("SELECT @@in_transaction", {}) == "as it is");
}
