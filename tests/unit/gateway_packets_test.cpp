// Framing, login and answers of the MySQL protocol, byte by byte.
#include <catch2/catch.hpp>
#include <random>

#include "gateway_bytes.hpp"
#include "node/gateway/handshake.hpp"
#include "node/gateway/replies.hpp"

using namespace ddb;
using namespace ddb::gateway;

namespace {

constexpr std::uint32_t offered = capability::protocol_41 | capability::secure_connection |
                                  capability::connect_with_db | capability::plugin_auth | capability::connect_attrs |
                                  capability::plugin_auth_lenenc;

std::string hello_of(std::uint32_t capabilities, const std::string& behind) {
    return le(capabilities, 4) + le(1u << 24, 4) + le(45, 1) + std::string(23, '\0') + behind;
}

}  // namespace

TEST_CASE("payloads come back whole, however the bytes arrive") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, packet_bytes_max - 1, packet_bytes_max,
                                   packet_bytes_max + 1, 2 * packet_bytes_max}) {
        const std::string payload(size, 'x');
        std::string bytes;
        PacketWriter writer;
        writer.append(bytes, payload);
        CHECK(bytes.size() == size + 4 * (size / packet_bytes_max + 1));
        PacketReader reader(3 * packet_bytes_max);
        const std::size_t step = size < 10 ? 1 : bytes.size() / 3;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            const auto early = reader.next();
            REQUIRE(early.ok());
            CHECK_FALSE(*early);
            reader.feed(std::string_view(bytes).substr(at, step));
        }
        const auto whole = reader.next();
        REQUIRE(whole.ok());
        REQUIRE(*whole);
        CHECK(**whole == payload);
        CHECK(reader.next_sequence() == writer.sequence());
        CHECK(reader.buffered() == 0);
    }
}

TEST_CASE("a payload that is too long is refused before it is held, and so is one out of order") {
    PacketReader reader(1000);
    reader.feed(le(1001, 3) + std::string(1, '\0'));
    auto refused = reader.next();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().mysql_code == 1153);
    PacketReader second(1000);
    second.feed(le(1, 3) + std::string("\1x", 2));
    refused = second.next();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().mysql_code == 1156);
}

TEST_CASE("lengths of the protocol come back as they were, and half of one is none") {
    for (const std::uint64_t value :
         {0ull, 250ull, 251ull, 65'535ull, 65'536ull, 16'777'215ull, 16'777'216ull, ~0ull}) {
        std::string bytes;
        put_lenenc(bytes, value);
        FieldReader whole(bytes);
        CHECK(whole.lenenc() == value);
        CHECK(whole.empty());
        FieldReader half(std::string_view(bytes).substr(0, bytes.size() - 1));
        CHECK_FALSE(half.lenenc());
    }
    for (const char first : {'\xfb', '\xff'}) {
        const std::string bytes = first + std::string(9, 'x');
        CHECK_FALSE(FieldReader(bytes).lenenc());
    }
    FieldReader text("\5four");
    CHECK_FALSE(text.lenenc_string());
    CHECK(text.rest() == "\5four");
}

TEST_CASE("the greeting is a server's") {
    ServerGreeting greeting;
    greeting.version = "5.5.5-10.11";
    greeting.connection_id = 258;
    greeting.scramble = "abcdefghijABCDEFGHIJ";
    greeting.capabilities = 0x00810203;
    CHECK(encode_greeting(greeting) == std::string("\x0a") + "5.5.5-10.11" + std::string(1, '\0') + le(258, 4) +
                                           "abcdefgh" + std::string(1, '\0') + le(0x0203, 2) + le(45, 1) + le(2, 2) +
                                           le(0x0081, 2) + le(21, 1) + std::string(10, '\0') + "ijABCDEFGHIJ" +
                                           std::string(1, '\0') + "mysql_native_password" + std::string(1, '\0'));
}

TEST_CASE("capabilities of MariaDB's own stand where the others leave zeros") {
    ServerGreeting greeting;
    greeting.version = "5.5.5-10.11";
    greeting.scramble = "abcdefghijABCDEFGHIJ";
    greeting.capabilities = capability::extended_metadata | capability::protocol_41;
    const std::string bytes = encode_greeting(greeting);
    const std::size_t behind_version = 1 + greeting.version.size() + 1;
    CHECK(hex(bytes.substr(behind_version + 13, 18)) ==
          "00022d0200000015000000000000"
          "08000000");
    const std::string rest = "app" + std::string(1, '\0') + le(2, 1) + "ab";
    const auto hello = [&](std::uint64_t flags) {
        return decode_hello(le(flags, 4) + le(0, 4) + le(45, 1) + std::string(19, '\0') + le(flags >> 32, 4) + rest,
                            ~0ull);
    };
    constexpr std::uint64_t plain = capability::protocol_41 | capability::secure_connection;
    REQUIRE(hello(plain | capability::extended_metadata).ok());
    CHECK(hello(plain | capability::extended_metadata)->capabilities == (plain | capability::extended_metadata));
    CHECK(hello(plain | capability::extended_metadata)->user == "app");
    // Another client's bytes there mean nothing.
    CHECK(hello(plain | capability::extended_metadata | capability::long_password)->capabilities ==
          (plain | capability::long_password));
}

TEST_CASE("a login is read with what both sides agreed on") {
    const std::string zero(1, '\0');
    const std::string attributes = with_length(with_length("program_name") + with_length("x"));
    const auto all = decode_hello(hello_of(offered, "app" + zero + with_length(std::string("a\0b", 3)) + "shop" + zero +
                                                        "mysql_native_password" + zero + attributes),
                                  offered);
    REQUIRE(all.ok());
    CHECK(all->user == "app");
    CHECK(all->auth == std::string("a\0b", 3));
    CHECK(all->database == "shop");
    CHECK(all->plugin == "mysql_native_password");
    CHECK(all->attributes.at("program_name") == "x");
    CHECK(all->charset == 45);
    // What was not offered is not there, whatever the client's flags say.
    const auto plain = decode_hello(hello_of(~0u, "app" + zero + le(2, 1) + "ab"),
                                    capability::protocol_41 | capability::secure_connection);
    REQUIRE(plain.ok());
    CHECK(plain->auth == "ab");
    CHECK(plain->database.empty());
    const auto secret = decode_hello(hello_of(capability::protocol_41 | capability::ssl, ""), offered);
    REQUIRE(secret.ok());
    CHECK(secret->ssl_request);
    CHECK(decode_hello(hello_of(offered & ~capability::protocol_41, "app" + zero), offered).error().mysql_code == 1043);
    CHECK_FALSE(decode_hello(hello_of(offered, "app"), offered).ok());
    CHECK_FALSE(decode_hello(hello_of(offered, "app" + zero + "\x20short"), offered).ok());
    CHECK_FALSE(decode_hello("", offered).ok());
}

TEST_CASE("a change of user is read") {
    const std::string zero(1, '\0');
    const auto change = decode_change_user(
        "app" + zero + le(2, 1) + "ab" + "shop" + zero + le(45, 2) + "mysql_native_password" + zero + with_length(""),
        offered);
    REQUIRE(change.ok());
    CHECK(change->user == "app");
    CHECK(change->auth == "ab");
    CHECK(change->database == "shop");
    CHECK(change->charset == 45);
    CHECK(change->plugin == "mysql_native_password");
    CHECK_FALSE(decode_change_user("app" + zero + le(9, 1) + "ab", offered).ok());
}

TEST_CASE("answers are those of a server") {
    OkAnswer answer;
    answer.affected_rows = 300;
    answer.last_insert_id = 7;
    answer.status_flags = status_autocommit;
    answer.warnings = 1;
    CHECK(hex(encode_ok(answer, 0)) == "00fc2c010702000100");
    answer.info = "Rows";
    answer.new_database = "d";
    CHECK(hex(encode_ok(answer, 0)) == "00fc2c01070200010004526f7773");
    CHECK(hex(encode_ok(answer, capability::session_track)) == "00fc2c01070240010004526f77730401020164");
    CHECK(hex(encode_eof(2, 1)) == "fe01000200");
    CHECK(encode_error(Error{ErrorCode::sql, "no", 1146, "42S02"}) == "\xff\x7a\x04#42S02no");
    CHECK(encode_error(fail(ErrorCode::io, "no")) == "\xff\x51\x04#HY000no");
    // A server's messages end after 511 bytes; a character is not cut in two.
    const std::string longer = encode_error(fail(ErrorCode::io, std::string(510, 'x') + "\xc3\xa9"));
    CHECK(longer.size() == 9 + 510);
}

TEST_CASE("a column is described as on a server, with the names of its type and format to who asked for them") {
    Column column;
    column.name = "j";
    column.original_name = "o";
    column.table = "v";
    column.original_table = "t";
    column.database = "x";
    column.type = 252;
    column.charset = 45;
    column.length = 0xffffffff;
    column.flags = 144;
    const std::string names =
        "036465660178017601740"
        "16a016f";
    const std::string numbers = "0c2d00fffffffffc9000000000";
    CHECK(hex(encode_column(column, 0)) == names + numbers);
    CHECK(hex(encode_column(column, 0, true)) == names + numbers + "fb");
    CHECK(hex(encode_column(column, capability::extended_metadata)) == names + "00" + numbers);
    column.format_name = "json";
    CHECK(hex(encode_column(column, 0)) == names + numbers);
    CHECK(hex(encode_column(column, capability::extended_metadata)) == names +
                                                                           "06"
                                                                           "01046a736f6e" +
                                                                           numbers);
    column.type_name = "inet6";
    CHECK(hex(encode_column(column, capability::extended_metadata, true)) == names +
                                                                                 "0d"
                                                                                 "0005696e657436"
                                                                                 "01046a736f6e" +
                                                                                 numbers + "fb");
    column.format_name.clear();
    CHECK(hex(encode_column(column, capability::extended_metadata)) == names +
                                                                           "07"
                                                                           "0005696e657436" +
                                                                           numbers);
}

TEST_CASE("rows are cut apart, and damaged ones are noticed") {
    const std::string first = with_length("a") + "\xfb", second = with_length("") + with_length("bcd");
    RowCutter cutter(std::string_view(), 2);
    CHECK_FALSE(*cutter.next());
    const std::string rows = first + second;
    RowCutter two(rows, 2);
    CHECK(**two.next() == first);
    CHECK(**two.next() == second);
    CHECK_FALSE(*two.next());
    RowCutter torn(std::string_view(rows).substr(0, rows.size() - 1), 2);
    CHECK(torn.next().ok());
    CHECK(torn.next().error().code == ErrorCode::corrupt);
    CHECK_FALSE(RowCutter("x", 0).next().ok());
}

TEST_CASE("any bytes are a payload, a login or an error") {
    std::mt19937_64 random(11);
    for (int i = 0; i < 20'000; ++i) {
        const std::string bytes = random_bytes(random, 120);
        PacketReader reader(1u << 12);
        reader.feed(bytes);
        for (auto payload = reader.next(); payload.ok() && *payload; payload = reader.next()) {
            CHECK((*payload)->size() <= bytes.size());
        }
        const auto flags = random();
        (void)decode_hello(bytes, flags);
        (void)decode_hello(hello_of(static_cast<std::uint32_t>(flags) | capability::protocol_41, bytes), ~0ull);
        (void)decode_change_user(bytes, flags);
        RowCutter cutter(bytes, random() % 4);
        for (auto row = cutter.next(); row.ok() && *row; row = cutter.next()) CHECK_FALSE((*row)->empty());
    }
}
