// Text rows as binary ones: the bytes are those that MariaDB 10.11 sends for the same values.
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "node/gateway/field_types.hpp"
#include "node/gateway/statements.hpp"
#include "tests/unit/gateway_bytes.hpp"

using namespace ddb;
using namespace ddb::gateway;

namespace {

constexpr std::uint16_t is_unsigned = 32;

std::string row_of(const std::vector<std::optional<std::string>>& values) {
    std::string out;
    for (const auto& each : values) out += each ? with_length(*each) : std::string("\xFB");
    return out;
}
Column column(std::uint8_t type, std::uint16_t flags = 0) {
    Column out;
    out.name = "c";
    out.type = type;
    out.flags = flags;
    return out;
}
// The bytes of one value behind header and bitmap; "corrupt" for that.
std::string binary(const std::string& text, std::uint8_t type, std::uint16_t flags = 0) {
    const auto row = binary_row(with_length(text), {column(type, flags)});
    if (!row) return row.error().code == ErrorCode::corrupt ? "corrupt" : "another error";
    REQUIRE(row->starts_with(std::string_view("\0\0", 2)));
    return hex(row->substr(2));
}

}  // namespace

TEST_CASE("integers take the bytes of their column") {
    using namespace field_type;
    CHECK(binary("-1", tiny) == "ff");
    CHECK(binary("-128", tiny) == "80");
    CHECK(binary("127", tiny) == "7f");
    CHECK(binary("255", tiny, is_unsigned) == "ff");
    CHECK(binary("-32768", short_) == "0080");
    CHECK(binary("65535", short_, is_unsigned | 128) == "ffff");
    CHECK(binary("2024", year, is_unsigned) == "e807");
    CHECK(binary("0000", year, is_unsigned) == "0000");
    CHECK(binary("-2", long_) == "feffffff");
    CHECK(binary("4294967295", long_, is_unsigned) == "ffffffff");
    CHECK(binary("-8388608", int24) == "000080ff");
    CHECK(binary("16777215", int24, is_unsigned) == "ffffff00");
    CHECK(binary("-9223372036854775808", long_long) == "0000000000000080");
    CHECK(binary("18446744073709551615", long_long, is_unsigned) == "ffffffffffffffff");
    CHECK(binary("0000000042", long_, is_unsigned) == "2a000000");  // ZEROFILL
    // What does not fit is cut off, as servers do.
    CHECK(binary("128", tiny) == "80");
    CHECK(binary("256", tiny, is_unsigned) == "00");
    CHECK(binary("-1", tiny, is_unsigned) == "ff");
    CHECK(binary("49407114624505928", long_) == "4818924c");
    CHECK(binary("9223372036854775808", long_long) == "0000000000000080");
    for (const std::string& text :
         {std::string(), std::string("x"), std::string("1x"), std::string("1.0"), std::string(" 1"), std::string("+1"),
          std::string("-"), std::string("99999999999999999999"), std::string("1\0", 2)}) {
        INFO(text);
        CHECK(binary(text, tiny) == "corrupt");
    }
    CHECK(binary("18446744073709551616", long_long, is_unsigned) == "corrupt");
}

TEST_CASE("floating numbers") {
    using namespace field_type;
    CHECK(binary("1.5", float_) == "0000c03f");
    CHECK(binary("1.1", float_) == hex(le(1.1F)));
    CHECK(binary("-3.40282e38", float_) == hex(le(-3.40282e38F)));
    CHECK(binary("1e20", float_) == hex(le(1e20F)));
    CHECK(binary("1.1", double_) == hex(le(1.1)));
    CHECK(binary("-0", double_) == "0000000000000080");
    CHECK(binary("1.7976931348623157e308", double_) == hex(le(1.7976931348623157e308)));
    CHECK(binary("5e-324", double_) == "0100000000000000");
    CHECK(binary("000000000000000000001.5", double_) == hex(le(1.5)));  // ZEROFILL
    for (const std::string text : {"", "x", "1.5x", "inf", "nan", "-inf", "1e999", "0x1p3", " 1", "1e"}) {
        INFO(text);
        CHECK(binary(text, double_) == "corrupt");
        CHECK(binary(text, float_) == "corrupt");
    }
    CHECK(binary("1e39", float_) == "corrupt");
}

TEST_CASE("dates leave out the zeros at their end") {
    using namespace field_type;
    CHECK(binary("2024-02-29", date) == "04e807021d");
    CHECK(binary("0000-00-00", date) == "00");
    CHECK(binary("2024-00-00", date) == "04e8070000");
    CHECK(binary("9999-12-31", date) == "040f270c1f");
    for (const std::uint8_t type : {date_time, timestamp}) {
        CHECK(binary("2024-02-29 00:00:00", type) == "04e807021d");
        CHECK(binary("2024-02-29 00:00:00.000000", type) == "04e807021d");
        CHECK(binary("0000-00-00 00:00:00", type) == "00");
        CHECK(binary("0000-00-00 00:00:00.000", type) == "00");
        CHECK(binary("0000-00-00 00:00:01", type) == "0700000000000001");
        CHECK(binary("2024-02-29 12:34:56", type) == "07e807021d0c2238");
        CHECK(binary("2024-02-29 12:34:56.000", type) == "07e807021d0c2238");
        CHECK(binary("2024-02-29 00:00:00.000001", type) == "0be807021d00000001000000");
        CHECK(binary("2024-02-29 12:34:56.5", type) == "0be807021d0c223820a10700");
        CHECK(binary("2024-02-29 12:34:56.789012", type) == "0be807021d0c2238140a0c00");
        CHECK(binary("2024-02-29", type) == "04e807021d");
    }
    for (const std::string text : {"",
                                   "2024",
                                   "2024-02",
                                   "2024-02-",
                                   "2024-2-29",
                                   "24-02-29",
                                   "2024/02/29",
                                   "2024-13-01",
                                   "2024-12-32",
                                   "2024-02-29x",
                                   "2024-02-29 ",
                                   "2024-02-29 12",
                                   "2024-02-29 12:34",
                                   "2024-02-29 12:34:56.",
                                   "2024-02-29 12:34:56.1234567",
                                   "2024-02-29 24:00:00",
                                   "2024-02-29 12:60:00",
                                   "2024-02-29 12:00:60",
                                   "2024-02-29T12:34:56",
                                   "2024-02-29 12:34:56.x",
                                   "2024-02-29 12:34:56 ",
                                   "-024-02-29"}) {
        INFO(text);
        CHECK(binary(text, date_time) == "corrupt");
        CHECK(binary(text, date) == "corrupt");
    }
    CHECK(binary("2024-02-29 12:34:56", date) == "corrupt");
}

TEST_CASE("times carry their sign and days") {
    using namespace field_type;
    CHECK(binary("00:00:00", time_) == "00");
    CHECK(binary("-00:00:00", time_) == "00");
    CHECK(binary("00:00:00.000000", time_) == "00");
    CHECK(binary("12:34:56", time_) == "0800000000000c2238");
    CHECK(binary("-01:02:03", time_) == "080100000000010203");
    CHECK(binary("24:00:00", time_) == "080001000000000000");
    CHECK(binary("-838:59:59.999999", time_) == "0c0122000000163b3b3f420f00");
    CHECK(binary("100:00:00.50", time_) == "0c000400000004000020a10700");
    CHECK(binary("-00:00:00.000001", time_) == "0c010000000000000001000000");
    for (const std::string text : {"", "-", "1:02:03", "839:00:00", "1000:00:00", "00:60:00", "00:00:60", "00:00",
                                   "00:00:00.", "--00:00:01", "00:00:00x", "00:00:00.1234567", "2024-02-29"}) {
        INFO(text);
        CHECK(binary(text, time_) == "corrupt");
    }
}

TEST_CASE("everything else is a string as it is") {
    using namespace field_type;
    for (const std::uint8_t type :
         {decimal, varchar, bit, json, new_decimal, enum_, set, tiny_blob, medium_blob, long_blob, blob, var_string,
          string, geometry, null, std::uint8_t{14}, std::uint8_t{200}}) {
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, std::size_t{250}, std::size_t{251}, std::size_t{65'536}}) {
            const std::string text(size, '\xfb');
            CHECK(binary(text, type) == hex(with_length(text)));
        }
    }
}

TEST_CASE("the NULL bitmap begins at its third bit") {
    using namespace field_type;
    for (std::size_t count = 0; count < 40; ++count) {
        const std::vector<Column> columns(count, column(tiny));
        const auto none = binary_row(row_of(std::vector<std::optional<std::string>>(count, "1")), columns);
        REQUIRE(none.ok());
        const std::string empty(1 + (count + 9) / 8, '\0');
        CHECK(*none == empty + std::string(count, '\1'));
        for (std::size_t i = 0; i < count; ++i) {
            std::vector<std::optional<std::string>> values(count, "1");
            values[i].reset();
            std::string expected = empty;
            expected[1 + (i + 2) / 8] = static_cast<char>(1U << (i + 2) % 8);
            CHECK(*binary_row(row_of(values), columns) == expected + std::string(count - 1, '\1'));
        }
        const auto all = binary_row(std::string(count, '\xFB'), columns);
        REQUIRE(all.ok());
        CHECK(all->size() == empty.size());
    }
    CHECK(hex(*binary_row(row_of({"7", std::nullopt, "x", "2024-01-01"}),
                          {column(long_), column(var_string), column(blob), column(date)})) ==
          "000807000000017804e8070101");
}

TEST_CASE("rows that do not fit their columns are corrupt") {
    using namespace field_type;
    const std::vector<Column> columns = {column(var_string), column(long_)};
    const std::string row = row_of({std::string(300, 'x'), "12"});
    REQUIRE(binary_row(row, columns).ok());
    for (std::size_t size = 0; size < row.size(); ++size) {
        const auto cut = binary_row(std::string_view(row).substr(0, size), columns);
        REQUIRE_FALSE(cut.ok());
        CHECK(cut.error().code == ErrorCode::corrupt);
    }
    CHECK_FALSE(binary_row(row + "x", columns).ok());
    CHECK_FALSE(binary_row("x", {}).ok());
    CHECK_FALSE(binary_row("\xFF", {column(long_)}).ok());
    CHECK_FALSE(binary_row(std::string_view("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9), {column(blob)}).ok());
}

TEST_CASE("garbage in rows") {
    std::mt19937_64 random(5);
    for (int i = 0; i < 50'000; ++i) {
        std::vector<Column> columns;
        for (std::size_t n = random() % 5; n > 0; --n) {
            columns.push_back(column(static_cast<std::uint8_t>(random() % 20), static_cast<std::uint16_t>(random())));
        }
        std::string row = random_bytes(random, 40, i % 2 == 0 ? "" : "\1\2\10\12\23\xfb\xfc-:. 0129e");
        if (i % 3 == 0) {
            std::vector<std::optional<std::string>> values;
            for (std::size_t n = 0; n < columns.size(); ++n)
                values.emplace_back(random_bytes(random, 20, "-:. 01239e"));
            row = row_of(values);
        }
        const auto out = binary_row(row, columns);
        if (!out) REQUIRE(out.error().code == ErrorCode::corrupt);
    }
}
