// Prepared statements on top of the text protocol. What is expected of values was compared with MariaDB 10.11.
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "node/gateway/field_types.hpp"
#include "node/gateway/packets.hpp"
#include "node/gateway/statements.hpp"
#include "tests/unit/gateway_bytes.hpp"

using namespace ddb;
using namespace ddb::gateway;
using Offsets = std::vector<std::size_t>;
using Parameters = std::vector<Parameter>;

namespace {

std::string moment(unsigned year, unsigned month, unsigned day) {
    return le(year, 2) + le(month, 1) + le(day, 1);
}
std::string clock(unsigned hour, unsigned minute, unsigned second) {
    return le(hour, 1) + le(minute, 1) + le(second, 1);
}
std::string span(bool negative, std::uint64_t days, const std::string& time) {
    return le(negative ? 1 : 0, 1) + le(days, 4) + time;
}

Parameter value(std::uint8_t type, std::string bytes, bool is_unsigned = false) {
    return {type, is_unsigned, false, false, std::move(bytes)};
}
Parameter text(std::string bytes) {
    return value(field_type::var_string, std::move(bytes));
}
Parameter null_value() {
    return {field_type::long_, false, true, false, {}};
}

// The statement as bound, or the error's number.
std::string bound(std::string_view sql, const Parameters& parameters, bool no_backslash = false) {
    const auto offsets = find_placeholders(sql, no_backslash);
    REQUIRE(offsets.ok());
    const auto out = gateway::bind(sql, *offsets, parameters, no_backslash);
    return out ? *out : "error " + std::to_string(out.error().mysql_code);
}
// The literal that one parameter becomes.
std::string literal(const Parameter& parameter, bool no_backslash = false) {
    const std::string out = bound("?", {parameter}, no_backslash);
    if (out.starts_with("error")) return out;
    REQUIRE(out.size() >= 2);
    CHECK(out.front() == ' ');
    CHECK(out.back() == ' ');
    return out.substr(1, out.size() - 2);
}

// What a server reads from literals side by side, in a character set whose characters may have a second byte of 0x40
// and above (gbk), or in one of single bytes. Nothing unless the whole text is literals.
std::optional<std::string> read_literals(std::string_view sql, bool double_bytes, bool no_backslash) {
    std::string out;
    std::size_t i = 0;
    const auto at = [&sql](std::size_t n) { return n < sql.size() ? static_cast<unsigned char>(sql[n]) : 0U; };
    while (i < sql.size()) {
        while (at(i) == ' ') ++i;
        if (at(i++) != '\'') return std::nullopt;
        for (;; ++i) {
            if (i >= sql.size()) return std::nullopt;
            if (double_bytes && at(i) > 0x80 && at(i) != 0xFF && at(i + 1) >= 0x40 && at(i + 1) != 0x7F) {
                out += sql[i++];
            } else if (at(i) == '\\' && !no_backslash) {
                ++i;
                if (std::string_view("0nrbtZ%_").find(sql[i]) != std::string_view::npos) return std::nullopt;
            } else if (at(i) == '\'') {
                if (at(i + 1) != '\'') break;
                ++i;
            }
            out += sql[i];
        }
        ++i;
    }
    return out;
}

}  // namespace

TEST_CASE("placeholders are found where the server sees them") {
    const auto offsets = [](std::string_view sql) { return *find_placeholders(sql); };
    CHECK(offsets("").empty());
    CHECK(offsets("select 1").empty());
    CHECK(offsets("?") == Offsets{0});
    CHECK(offsets("select ?,?") == Offsets{7, 9});
    CHECK(offsets("limit?") == Offsets{5});
    CHECK(offsets("1?") == Offsets{1});
    CHECK(offsets("select '?', \"?\", `?`, ?") == Offsets{22});
    CHECK(offsets(R"(select 'a''?', 'b\'?', "c\"?", ?)") == Offsets{31});
    CHECK(offsets(R"(select 'a\\', ?)") == Offsets{14});
    CHECK(offsets(R"(select `a\`, ?)") == Offsets{13});
    CHECK(offsets("select `a``?`, ?") == Offsets{15});
    CHECK(offsets("-- ?\n?") == Offsets{5});
    CHECK(offsets("--?") == Offsets{2});
    CHECK(offsets("# ?\n?") == Offsets{4});
    CHECK(offsets("/* ? */ ?") == Offsets{8});
    CHECK(offsets("/*! ? */ ?") == Offsets{4, 9});
    CHECK(offsets("/*!50000 ? */ ?") == Offsets{9, 14});
    CHECK(offsets("/*!999999 ? */ ?") == Offsets{15});
    CHECK(offsets("/*M! ? */ ?") == Offsets{5, 10});
    CHECK(offsets("select 'open ?").empty());
    CHECK(offsets("select /* open ?").empty());
    CHECK(offsets(std::string_view("select '\0', ?\xff", 14)) == Offsets{12});
}

TEST_CASE("NO_BACKSLASH_ESCAPES moves the ends of strings") {
    constexpr std::string_view sql = R"(select '\', ?, '\')";
    CHECK(find_placeholders(sql)->empty());
    CHECK(*find_placeholders(sql, true) == Offsets{12});
    CHECK(bound(sql, {text("a\\")}, true) == R"(select '\',  'a\' , '\')");
    // The mode changed in between: a value would land inside of a string.
    const auto mixed = gateway::bind(sql, {12}, {text("x")}, false);
    REQUIRE_FALSE(mixed.ok());
    CHECK(mixed.error().mysql_code == 1210);
}

TEST_CASE("no more placeholders than the protocol can count") {
    const std::string most(parameters_max, '?');
    CHECK(find_placeholders(most)->size() == parameters_max);
    const auto more = find_placeholders(most + "?");
    REQUIRE_FALSE(more.ok());
    CHECK(more.error().code == ErrorCode::overloaded);
    CHECK(more.error().mysql_code == 1390);
}

TEST_CASE("parameters of every type are decoded") {
    using namespace field_type;
    struct Case {
        std::uint8_t type;
        std::string bytes;  // as sent
        std::string value;
    };
    std::vector<Case> cases = {{tiny, "\x80", "\x80"}, {null, "", ""}};
    for (const std::uint8_t type : {short_, year}) cases.push_back({type, le(0x8001, 2), le(0x8001, 2)});
    for (const std::uint8_t type : {long_, int24}) cases.push_back({type, le(0x80000001, 4), le(0x80000001, 4)});
    cases.push_back({long_long, le(~0ULL, 8), le(~0ULL, 8)});
    cases.push_back({float_, le(1.5F), le(1.5F)});
    cases.push_back({double_, le(-0.1), le(-0.1)});
    const std::string day = moment(2024, 2, 29);
    for (const std::uint8_t type : {date, date_time, timestamp}) {
        for (const std::string& bytes : {std::string(), day, day + clock(1, 2, 3), day + clock(1, 2, 3) + le(4, 4)}) {
            cases.push_back({type, with_length(bytes), bytes});
        }
    }
    for (const std::string& bytes :
         {std::string(), span(true, 1, clock(2, 3, 4)), span(false, 0, clock(0, 0, 0)) + le(9, 4)}) {
        cases.push_back({time_, with_length(bytes), bytes});
    }
    for (const std::uint8_t type : {decimal, varchar, bit, json, new_decimal, enum_, set, tiny_blob, medium_blob,
                                    long_blob, blob, var_string, string, geometry}) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{251}, std::size_t{70'000}}) {
            cases.push_back({type, with_length(std::string(size, 'x')), std::string(size, 'x')});
        }
    }
    std::string types;
    std::string values;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        types += le(cases[i].type, 1) + le(i % 2 == 0 ? 0x80 : 0, 1);
        values += cases[i].bytes;
    }
    const std::string payload = std::string((cases.size() + 7) / 8, '\0') + "\1" + types + values;
    std::vector<std::uint16_t> kept;
    const auto decoded = decode_parameters(payload, cases.size(), kept, {});
    REQUIRE(decoded.ok());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        INFO("parameter " << i);
        const Parameter& parameter = (*decoded)[i];
        CHECK(parameter.type == cases[i].type);
        CHECK(parameter.is_unsigned == (i % 2 == 0));
        CHECK(parameter.null == (cases[i].type == null));
        CHECK_FALSE(parameter.long_data);
        CHECK(parameter.value == cases[i].value);
    }
    // Without types: those of before. And nothing may be missing.
    const std::string again = std::string((cases.size() + 7) / 8, '\0') + std::string(1, '\0') + values;
    CHECK(decode_parameters(again, cases.size(), kept, {}).ok());
    for (std::size_t size = 0; size < payload.size(); size += size < 2000 ? 1 : 9973) {
        const auto cut = decode_parameters(std::string_view(payload).substr(0, size), cases.size(), kept, {});
        REQUIRE_FALSE(cut.ok());
        REQUIRE(cut.error().mysql_code == 1210);
    }
}

TEST_CASE("NULL bitmap, long data, types of before") {
    std::vector<std::uint16_t> types;
    CHECK(decode_parameters("", 0, types, {})->empty());
    CHECK_FALSE(decode_parameters(std::string_view("\0\0", 2), 1, types, {}).ok());  // types never said
    std::string payload = le(0x0101, 2) + "\1";
    for (int i = 0; i < 9; ++i) payload += le(field_type::tiny, 2);
    payload += "1234567";
    const auto nulls = decode_parameters(payload, 9, types, {});
    REQUIRE(nulls.ok());
    CHECK((*nulls)[0].null);
    CHECK((*nulls)[1].value == "1");
    CHECK((*nulls)[7].value == "7");
    CHECK((*nulls)[8].null);
    CHECK(types == std::vector<std::uint16_t>(9, field_type::tiny));
    CHECK_FALSE(decode_parameters(le(0, 2), 8, types, {}).ok());  // types of another number of parameters

    // Long data carries no bytes, comes before the NULL bit, and beyond the count it is nothing.
    const std::map<std::uint16_t, std::string> sent{{1, "long"}, {7, "beyond"}};
    const std::string three = "\x02\1" + le(field_type::tiny, 2) + le(field_type::blob, 2) + le(field_type::string, 2);
    const auto mixed = decode_parameters(three + "A" + with_length("B"), 3, types, sent);
    REQUIRE(mixed.ok());
    CHECK((*mixed)[0].value == "A");
    CHECK((*mixed)[1].long_data);
    CHECK_FALSE((*mixed)[1].null);
    CHECK((*mixed)[1].value == "long");
    CHECK((*mixed)[2].value == "B");
    for (const std::uint8_t type :
         {field_type::date, field_type::date_time, field_type::timestamp, field_type::time_}) {
        for (std::size_t size = 0; size < 14; ++size) {
            const std::string one = std::string("\0\1", 2) + le(type, 2) + with_length(std::string(size, '\0'));
            const bool fits = type == field_type::time_ ? size == 0 || size == 8 || size == 12
                                                        : size == 0 || size == 4 || size == 7 || size == 11;
            CHECK(decode_parameters(one, 1, types, {}).ok() == fits);
        }
    }
}

TEST_CASE("numbers become literals of their type") {
    using namespace field_type;
    CHECK(literal(null_value()) == "NULL");
    CHECK(literal(value(tiny, "\x80")) == "-128");
    CHECK(literal(value(tiny, "\x80", true)) == "128");
    CHECK(literal(value(short_, le(0xFFFF, 2))) == "-1");
    CHECK(literal(value(year, le(2155, 2), true)) == "2155");
    CHECK(literal(value(long_, le(0x80000000, 4))) == "-2147483648");
    CHECK(literal(value(int24, le(0xFFFFFFFF, 4), true)) == "4294967295");
    CHECK(literal(value(long_long, le(1ULL << 63, 8))) == "-9223372036854775808");
    CHECK(literal(value(long_long, le(~0ULL, 8), true)) == "18446744073709551615");
    CHECK(literal(value(long_, "abc")) == "error 1210");

    CHECK(literal(value(double_, le(0.1))) == "1e-01");
    CHECK(literal(value(double_, le(2.0))) == "2e+00");
    CHECK(literal(value(double_, le(-1.7976931348623157e308))) == "-1.7976931348623157e+308");
    CHECK(literal(value(double_, le(5e-324))) == "5e-324");
    CHECK(literal(value(double_, le(0x1p64 + 4096))) == "1.8446744073709556e+19");
    CHECK(literal(value(float_, le(1.5F))) == "1.5e+00");
    CHECK(literal(value(float_, le(1.1F))) == "1.100000023841858e+00");  // what a FLOAT column compares as
    CHECK(literal(value(double_, le(0x7FF0000000000000, 8))) == "error 1210");
    CHECK(literal(value(double_, le(0x7FF8000000000000, 8))) == "error 1210");
    CHECK(literal(value(float_, le(0xFF800000, 4))) == "error 1210");

    const std::vector<std::pair<std::string, std::string>> decimals = {
        {"0", "0."},
        {"12", "12."},
        {"-12.50", "-12.50"},
        {"+7", "7."},
        {".5", "0.5"},
        {"-.5", "-0.5"},
        {"5.", "5."},
        {" 1.5 ", "1.5"},
        {"1E+3", "1000."},
        {"1.25e-5", "0.0000125"},
        {"123e-2", "1.23"},
        {"1.25e1", "12.5"},
        // What begins with no number is 0, what follows one is not looked at.
        {"", "0."},
        {".", "0."},
        {"-", "-0."},
        {"1a", "1."},
        {"0x1", "0."},
        {"1 2", "1."},
        {"--1", "-0."},
        {"1e", "1."},
        {"1;2", "1."},
        {"-.5e1z", "-5."},
        {"\t7", "7."},
        {"inf", "0."},
        {std::string("5.61\0xyz", 8), "5.61"},
        {"1e101", "1" + std::string(100, '0') + "."},
        {"1e99999999999", "1" + std::string(100, '0') + "."},
        {"1e-2147483648", "0." + std::string(99, '0') + "1"},
        {"1e-99999999999", "0." + std::string(99, '0') + "1"}};
    for (const auto& [sent, expected] : decimals) {
        CHECK(literal(value(new_decimal, sent)) == expected);
        CHECK(literal(value(decimal, sent)) == expected);
    }
    CHECK(literal(value(decimal, std::string(65, '9'))) == std::string(65, '9') + ".");
}

TEST_CASE("dates and times become literals of their type where the calendar has them") {
    using namespace field_type;
    const std::string leap = moment(2024, 2, 29);
    CHECK(literal(value(date, leap)) == "DATE'2024-02-29'");
    CHECK(literal(value(date, leap + clock(12, 34, 56))) == "DATE'2024-02-29'");
    CHECK(literal(value(date_time, leap)) == "TIMESTAMP'2024-02-29 00:00:00'");
    CHECK(literal(value(timestamp, leap + clock(12, 34, 56))) == "TIMESTAMP'2024-02-29 12:34:56'");
    CHECK(literal(value(date_time, leap + clock(12, 34, 56) + le(789'012, 4))) ==
          "TIMESTAMP'2024-02-29 12:34:56.789012'");
    CHECK(literal(value(date_time, leap + clock(0, 0, 0) + le(1, 4))) == "TIMESTAMP'2024-02-29 00:00:00.000001'");
    CHECK(literal(value(date, "")) == "'0000-00-00'");
    CHECK(literal(value(date_time, "")) == "'0000-00-00 00:00:00'");
    CHECK(literal(value(date, moment(2023, 2, 29))) == "'2023-02-29'");
    CHECK(literal(value(date, moment(2024, 0, 1))) == "'2024-00-01'");
    CHECK(literal(value(date, moment(0, 2, 29))) == "'0000-02-29'");
    CHECK(literal(value(date, moment(9999, 12, 31))) == "DATE'9999-12-31'");
    for (const std::string& bad :
         {moment(10'000, 1, 1), moment(2024, 13, 1), moment(2024, 1, 32), moment(2024, 1, 1) + clock(24, 0, 0),
          moment(2024, 1, 1) + clock(0, 60, 0), moment(2024, 1, 1) + clock(0, 0, 60),
          moment(2024, 1, 1) + clock(0, 0, 0) + le(1'000'000, 4)}) {
        CHECK(literal(value(date_time, bad)) == "'0000-00-00 00:00:00'");
    }
    CHECK(literal(value(date_time, "abc")) == "error 1210");
    CHECK(literal(value(date, moment(2024, 13, 1))) == "'0000-00-00'");
    CHECK(literal(value(date, leap + clock(24, 60, 60))) == "DATE'2024-02-29'");
    CHECK(literal(value(time_, "")) == "TIME'00:00:00'");
    CHECK(literal(value(time_, span(false, 0, clock(1, 2, 3)))) == "TIME'01:02:03'");
    CHECK(literal(value(time_, span(true, 34, clock(22, 59, 59)) + le(999'999, 4))) == "TIME'-838:59:59.999999'");
    CHECK(literal(value(time_, span(false, 0, clock(100, 0, 0)))) == "TIME'100:00:00'");
    CHECK(literal(value(time_, span(false, 35, clock(0, 0, 0)))) == "TIME'838:59:59'");
    CHECK(literal(value(time_, span(true, 0xFFFFFFFF, clock(0, 60, 0)))) == "TIME'-838:59:59'");
    CHECK(literal(value(time_, span(false, 0, clock(1, 60, 0)))) == "TIME'00:00:00'");
    CHECK(literal(value(time_, span(false, 0, clock(1, 0, 0)) + le(1'000'000, 4))) == "TIME'00:00:00'");
    CHECK(literal(value(time_, "abc")) == "error 1210");
}

TEST_CASE("strings are quoted") {
    CHECK(literal(text("")) == "''");
    CHECK(literal(text("it's")) == "'it''s'");
    CHECK(literal(text("a\"b`c?\n%_")) == "'a\"b`c?\n%_'");
    CHECK(literal(text("a\\b\\")) == R"('a\\b\\')");
    CHECK(literal(text("a\\b\\'"), true) == R"('a\b\''')");
    CHECK(literal(text(std::string("\0\x1a", 2))) == std::string("'\0\x1a'", 4));
    CHECK(literal(text("\xc3\xa9\xc3\xa9 \\")) == "'\xc3\xa9\xc3\xa9 \\\\'");
    // The last byte and the backslash are one character in gbk.
    CHECK(literal(text("x\xc3\xa9\\")) == "'x\xc3\xa9' '\\\\'");
    CHECK(literal(text("x\xc3\xa9\\"), true) == "'x\xc3\xa9\\'");
    CHECK(literal(value(field_type::blob, "x\xc3\xa9\\y'")) == "_binary'x\\\xc3\\\xa9\\\\y'''");
    using namespace field_type;
    for (const std::uint8_t type : {tiny_blob, medium_blob, long_blob, blob, bit, geometry}) {
        CHECK(literal(value(type, "a")) == "_binary'a'");
    }
    for (const std::uint8_t type : {varchar, json, enum_, set, var_string, string, std::uint8_t{200}}) {
        CHECK(literal(value(type, "a")) == "'a'");
    }
    Parameter sent = value(blob, "5");
    sent.long_data = true;
    CHECK(literal(sent) == "_binary'5'");
    sent.type = long_long;
    CHECK(literal(sent) == "'5'");
}

TEST_CASE("quoting round trip in any character set") {
    std::mt19937_64 random(7);
    for (int i = 0; i < 20'000; ++i) {
        const std::string sent = random_bytes(random, 12, i % 2 == 0 ? "" : "\\\\'\"a0\xbf\xe8\xff\x95@|\n");
        const bool no_backslash = random() % 2 == 0;
        const std::string plain = literal(text(sent), no_backslash);
        std::string marked = literal(value(field_type::blob, sent), no_backslash);
        REQUIRE(marked.starts_with("_binary'"));
        marked.erase(0, 7);
        INFO(hex(sent));
        for (const bool double_bytes : {false, true}) {
            REQUIRE(read_literals(plain, double_bytes, no_backslash) == sent);
            REQUIRE(read_literals(marked, double_bytes, no_backslash) == sent);
        }
        // What stands behind is not swallowed; the quotes are where the scanner of the routing sees them too.
        const auto behind = find_placeholders(plain + "?" + marked + "?", no_backslash);
        REQUIRE(*behind == Offsets{plain.size(), plain.size() + 1 + marked.size()});
    }
}

// A server takes time by the square of them, and a picture bound as text has thousands.
TEST_CASE("many literals that would have to be joined are arguments of one function") {
    std::string sent;
    std::string few = "'";
    std::string many = "CONCAT('";
    for (int i = 0; i < 17; ++i) {
        CHECK(literal(text(sent)) == few + "'");
        sent += "\xff\\'";
        few += "\xff' '\\\\''";
        many += "\xff','\\\\''";
    }
    CHECK(literal(text(sent)) == many + "')");
    CHECK(literal(text(sent), true).starts_with("'\xff\\''"));
    CHECK(literal(value(field_type::blob, sent)).starts_with("_binary'"));
}

TEST_CASE("literals stand apart from their neighbours") {
    const Parameter five = value(field_type::tiny, "\5");
    const Parameter minus = value(field_type::tiny, "\xfb");
    CHECK(bound("select 1", {}) == "select 1");
    CHECK(bound("select ?and-?", {five, minus}) == "select  5 and- -5 ");
    CHECK(bound("/*!?*/", {five}) == "/*! 5 */");
    CHECK(bound("f(?,'?',?)", {text("?"), five}) == "f( '?' ,'?', 5 )");
    // Literals side by side would become one.
    CHECK(bound("select ? 'name'", {text("a")}) == "select  ('a')  'name'");
    CHECK(bound("select ?/*c*/\"name\"", {value(field_type::blob, "a")}) == "select  (_binary'a') /*c*/\"name\"");
    CHECK(bound("select ? 'name'", {five}) == "select  5  'name'");
    CHECK(bound("select ? as 'name'", {text("a")}) == "select  'a'  as 'name'");
    CHECK(bound("select ?, ?", {five}) == "error 1210");
    CHECK(bound("select ?", {five, five}) == "error 1210");
    for (const Offsets& wrong : {Offsets{}, Offsets{6}, Offsets{7, 7}, Offsets{99}}) {
        CHECK_FALSE(gateway::bind("select ?", wrong, {five}, false).ok());
    }
}

TEST_CASE("a LIMIT gets integers, whatever the driver binds") {
    using namespace field_type;
    const auto rows = [](const Parameter& parameter) { return bound("select a limit ?", {parameter}).substr(15); };
    CHECK(rows(value(tiny, "\5")) == " 5 ");
    CHECK(rows(value(double_, le(2.0))) == " 2 ");
    CHECK(rows(value(double_, le(2.5))) == " 2 ");
    CHECK(rows(value(double_, le(2.6))) == " 3 ");
    CHECK(rows(value(float_, le(3.0F))) == " 3 ");
    CHECK(rows(text("12")) == " 12 ");
    CHECK(rows(text(" 12x")) == " 12 ");
    CHECK(rows(text("x")) == " 0 ");
    CHECK(rows(text("18446744073709551615")) == " 18446744073709551615 ");
    CHECK(rows(text("99999999999999999999")) == " 18446744073709551615 ");
    CHECK(rows(value(new_decimal, "2.5")) == " 3 ");
    CHECK(rows(value(new_decimal, "2.4")) == " 2 ");
    CHECK(rows(value(blob, "3")) == " 3 ");
    CHECK(rows(null_value()) == " 0 ");
    CHECK(rows(value(tiny, "\xff")) == " 18446744073709551615 ");
    CHECK(bound("limit ?", {value(double_, le(1e300))}) == "error 1210");
    CHECK(bound("limit ?", {value(date, "")}) == "error 1210");

    const Parameter one = text("1");
    CHECK(bound("limit ?,?", {one, one}) == "limit  1 , 1 ");
    CHECK(bound("Limit ? Offset ?", {one, one}) == "Limit  1  Offset  1 ");
    CHECK(bound("limit 5, ?", {one}) == "limit 5,  1 ");
    CHECK(bound("offset ? rows fetch next ? rows only", {one, one}) == "offset  1  rows fetch next  1  rows only");
    CHECK(bound("limit rows examined ?", {one}) == "limit rows examined  1 ");
    CHECK(bound("first ?, next ?", {one, one}) == "first  '1' , next  '1' ");
    CHECK(bound("(select 1 limit ?), ?", {one, one}) == "(select 1 limit  1 ),  '1' ");
    CHECK(bound("`limit` ?, 'limit' ?", {one, one}) == "`limit`  '1' , 'limit'  '1' ");
    CHECK(bound("t.limit = ? and examined = ?", {one, one}) == "t.limit =  '1'  and examined =  '1' ");
}

TEST_CASE("a bound statement is not longer than statements may be") {
    const auto too_long = [](std::string_view sql, const Parameter& parameter) {
        return bound(sql, {parameter}) == "error 1153";  // nothing that a failure would print at length
    };
    const std::string most(statement_bytes_max - 5, 'x');  // with "?" gone, two spaces and two quotes
    CHECK(bound("?;", {text(most)}).size() == statement_bytes_max);
    CHECK(too_long("?;;", text(most)));
    CHECK(too_long("?", text(std::string(statement_bytes_max - 10, 'x') + std::string(7, '\''))));
    CHECK(too_long("/*" + std::string(statement_bytes_max, ' ') + "*/?", null_value()));
}

TEST_CASE("garbage ends in values or errors") {
    std::mt19937_64 random(11);
    constexpr std::string_view sql_bytes = "?'?\"`\\-#/*!M50000 \n,limit\xff";
    for (int i = 0; i < 30'000; ++i) {
        const std::string sql = random_bytes(random, 40, i % 3 == 0 ? "" : sql_bytes);
        const bool no_backslash = random() % 2 == 0;
        const auto offsets = find_placeholders(sql, no_backslash);
        REQUIRE(offsets.ok());
        for (const std::size_t offset : *offsets) REQUIRE(sql[offset] == '?');
        std::vector<std::uint16_t> types;
        if (random() % 2 == 0) {
            for (std::size_t n = 0; n < offsets->size(); ++n) types.push_back(static_cast<std::uint16_t>(random()));
        }
        const std::map<std::uint16_t, std::string> sent{{static_cast<std::uint16_t>(random() % 5), "long\\"}};
        const std::string payload =
            random_bytes(random, 80, i % 2 == 0 ? "" : std::string_view("\0\1\4\7\xb\xc\xfe", 7));
        const auto parameters = decode_parameters(payload, offsets->size(), types, sent);
        if (!parameters) {
            REQUIRE(parameters.error().mysql_code == 1210);
            continue;
        }
        REQUIRE(parameters->size() == offsets->size());
        const auto out = gateway::bind(sql, *offsets, *parameters, no_backslash);
        if (out) {
            REQUIRE(find_placeholders(*out, no_backslash)->empty());
        } else {
            REQUIRE(out.error().mysql_code == 1210);
        }
    }
    // Values that no decoding gives.
    for (int i = 0; i < 30'000; ++i) {
        Parameter parameter = value(static_cast<std::uint8_t>(random()), random_bytes(random, 13), random() % 2 == 0);
        parameter.long_data = random() % 8 == 0;
        for (const std::string_view sql : {"?", "limit ?", "? 'x'"}) {
            const auto offsets = find_placeholders(sql);
            const auto out = gateway::bind(sql, *offsets, {parameter}, false);
            if (out) REQUIRE(find_placeholders(*out)->empty());
        }
    }
}
