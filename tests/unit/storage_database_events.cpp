// The parsers of binary-log events: captured bytes, and bytes that are wrong.
#include <catch2/catch.hpp>
#include <random>

#include "node/storage/binlog_event.hpp"
#include "node/storage/binlog_statement.hpp"
#include "node/storage/sequence_rows.hpp"
#include "node/storage/statement_runner.hpp"

using namespace ddb;
using namespace ddb::storage;

namespace {

std::string number(std::uint64_t n, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(n >> (8 * i) & 0xff));
    return out;
}

std::string event(EventType type, const std::string& body) {
    return number(1'700'000'000, 4) + number(static_cast<unsigned>(type), 1) + number(7, 4) +
           number(event_header_bytes + body.size(), 4) + number(0, 4) + number(0, 2) + body;
}

std::string table_map(std::uint64_t id) {
    return event(EventType::table_map, number(id, 6) + number(1, 2) +
                                           "\x01"
                                           "d" +
                                           std::string(1, '\0') +
                                           "\x01"
                                           "t" +
                                           std::string(1, '\0') + "\x02\x03\x0f" + "\x02" + number(300, 2) + "\x03");
}

// Two rows of (INT, VARCHAR(300)), the second with a NULL.
std::string write_rows(std::uint64_t id, bool end, std::size_t bytes = 2) {
    const std::string first = std::string(1, '\0') + number(1, 4) + number(bytes, 2) + std::string(bytes, 'a');
    const std::string second = std::string(1, '\2') + number(2, 4);
    return event(EventType::write_rows_v1, number(id, 6) + number(end ? 1 : 0, 2) + "\x02\x03" + first + second);
}

}  // namespace

TEST_CASE("rows are counted", "[events]") {
    const std::string map_bytes = table_map(9);
    const std::string rows_bytes = write_rows(9, true);
    const auto map = parse_table_map(*parse_event(map_bytes));
    const auto rows = parse_rows(*parse_event(rows_bytes));
    REQUIRE(map);
    REQUIRE(rows);
    CHECK(map->database == "d");
    CHECK(rows->statement_end);
    CHECK(count_rows(*map, *rows) == 2);
}

TEST_CASE("a split group repeats its table maps", "[events]") {
    std::vector<std::string> statements;
    BinlogPacker packer([&](std::string sql) -> Status {
        statements.push_back(std::move(sql));
        return ok();
    });
    std::string group = table_map(9);
    for (int i = 0; i < 3; ++i) group += write_rows(9, i == 2, 60'000);
    std::string large;
    for (int i = 0; i < 10; ++i) large += group;
    REQUIRE(packer.add(large).ok());
    REQUIRE(packer.flush().ok());
    CHECK(statements.size() == 2);
    const std::string map = base64(table_map(9)).substr(0, 16);
    for (const auto& sql : statements) {
        CHECK(sql.substr(0, 8 + 16) == "BINLOG '" + map);
        CHECK(sql.size() < (binlog_statement_bytes_max + 200'000) / 3 * 4);
    }
    CHECK_FALSE(packer.add(group.substr(0, group.size() - 1)).ok());
    CHECK_FALSE(packer.add(event(EventType::query, "x")).ok());
}

TEST_CASE("pieces of a group are put together, wherever they were cut", "[events]") {
    std::string group = table_map(9);
    for (int i = 0; i < 3; ++i) group += write_rows(9, i == 2, i == 1 ? 1'100'000 : 700);
    const auto packed = [](std::string_view all, std::size_t bytes) -> Result<std::vector<std::string>> {
        std::vector<std::string> statements;
        BinlogPacker packer([&](std::string sql) -> Status {
            statements.push_back(std::move(sql));
            return ok();
        });
        for (std::size_t begin = 0; begin < all.size(); begin += bytes) {
            if (auto status = packer.add_piece(all.substr(begin, bytes)); !status.ok()) return status.error();
        }
        if (auto status = packer.flush(); !status.ok()) return status.error();
        return statements;
    };
    const auto whole = packed(group, group.size());
    REQUIRE(whole.ok());
    REQUIRE(whole->size() == 3);
    for (const std::size_t bytes : {100u, 701u, 4096u, 100'000u, 1'000'000u}) {
        const auto pieces = packed(group, bytes);
        REQUIRE(pieces.ok());
        REQUIRE(*pieces == *whole);
    }
    CHECK_FALSE(packed(std::string_view(group).substr(0, group.size() - 1), 100).ok());
    CHECK_FALSE(packed(std::string(40, '\0'), 7).ok());  // no event is that short
}

TEST_CASE("rows are applied under the settings that stand in front of them, and others as usual", "[events]") {
    std::vector<std::string> said;
    BinlogPacker packer(
        [&](std::string sql) -> Status {
            said.push_back(std::move(sql));
            if (said.back().rfind("BINLOG", 0) == 0) said.back() = "rows";
            return ok();
        },
        "SET usual");
    const std::string rows = table_map(9) + write_rows(9, true);
    const auto add = [&](const std::string& group) {
        packer.begin_group();
        REQUIRE(packer.add(group).ok());
    };
    add(rows + rows);
    add(settings_event("SET east") + rows);
    add(settings_event("SET east") + rows + settings_event("SET west") + rows);
    add(rows);
    add(settings_event("SET usual") + rows + settings_event("SET east"));
    add(rows + settings_event("SET west") + rows);
    REQUIRE(packer.flush().ok());
    CHECK(said == std::vector<std::string>{"rows", "SET east", "rows", "SET west", "rows", "SET usual", "rows",
                                           "SET west", "rows", "SET usual"});
}

TEST_CASE("base64", "[events]") {
    CHECK(base64("") == "");
    CHECK(base64("f") == "Zg==");
    CHECK(base64("fo") == "Zm8=");
    CHECK(base64("foo") == "Zm9v");
    CHECK(base64("foobar\xff") == "Zm9vYmFy/w==");
}

TEST_CASE("a statement's session is set as it was", "[events]") {
    const std::string status = std::string("\x00", 1) + number(0x0c000000, 4) + "\x01" + number(0x20, 8) + "\x04" +
                               number(8, 2) + number(5, 2) + number(8, 2) + "\x05\x06+03:00" + "\x80" +
                               number(123456, 3);
    const std::string body = number(13, 4) + number(0, 4) + "\x01" + number(1051, 2) + number(status.size(), 2) +
                             status + "d" + std::string(1, '\0') + "DROP TABLE x";
    const std::string bytes = event(EventType::query, body);
    const auto setup = session_of(ServerDialect::of("10.11.0-MariaDB"), bytes);
    REQUIRE(setup.ok());
    CHECK(setup->use == "USE `d`");
    CHECK(setup->text == "DROP TABLE x");
    CHECK(setup->error == 1051);
    CHECK(setup->settings.front() == "SET SESSION timestamp=1700000000.123456");
    const auto& all = setup->settings;
    const auto has = [&](const char* sql) { return std::find(all.begin(), all.end(), sql) != all.end(); };
    CHECK(has("SET SESSION foreign_key_checks=0"));
    CHECK(has("SET SESSION unique_checks=0"));
    CHECK(has("SET SESSION sql_mode=32"));
    CHECK(has("SET SESSION collation_connection=5"));
    CHECK(has("SET SESSION time_zone=x'2b30333a3030'"));
}

TEST_CASE("who says an account statement is known behind comments and SET STATEMENT", "[events]") {
    const auto said = [](const std::string& text) {
        const std::string status =
            "\x0b\x03"
            "ann\x01%";
        const std::string body = number(13, 4) + number(0, 4) + std::string(1, '\0') + number(0, 2) +
                                 number(status.size(), 2) + status + std::string(1, '\0') + text;
        const auto setup = session_of(ServerDialect::of("10.11.0-MariaDB"), event(EventType::query, body));
        REQUIRE(setup.ok());
        return std::pair(setup->text, setup->grantor);
    };
    using Said = std::pair<std::string, std::string>;
    const std::string grant = "GRANT SELECT ON d.t TO x";
    for (const std::string front :
         {"", "/* don't */ ", "-- it's\n", "# \"\n /**/ ", "SET STATEMENT sql_mode='FOR', a=(1) FOR "})
        CHECK(said(front + grant) == Said(front + grant, "ann"));
    CHECK(said("/*!50000 " + grant + " */").second == "ann");
    CHECK(said("/* GRANT */ DROP USER x").second.empty());
    CHECK(said("/* a b */ DROP USER CURRENT_USER()").first == "/* a b */ DROP USER `ann`@`%`");
    CHECK(said("DROP USER /* CURRENT_USER, don't */ CURRENT_USER").first ==
          "DROP USER /* CURRENT_USER, don't */ `ann`@`%`");
    CHECK(said("/* x */ CREATE ROLE r # mine").first == "/* x */ CREATE ROLE r # mine\nWITH ADMIN `ann`@`%`");
    const std::string view = "SET STATEMENT a=1 FOR CREATE VIEW v AS SELECT CURRENT_USER()";
    CHECK(said(view).first == view);
    for (const std::string cut : {"SET STATEMENT", "SET STATEMENT a=1", "/* open", "SET", "", "'", "/*!"})
        CHECK(said(cut).first == cut);
}

TEST_CASE("a sequence's row is written as events", "[events]") {
    const std::string header = event(EventType::query, "x");
    const SequenceRow row{-5, 1, 9, 1, 2, 1000, 1, 3};
    const std::string events = sequence_row_events(header, {"d", "s`1"}, row);
    EventReader reader(events);
    const auto first = reader.next();
    REQUIRE(first);
    const auto map = parse_table_map(*first);
    REQUIRE(map);
    CHECK(map->database == "d");
    CHECK(map->table == "s`1");
    CHECK(map->types == std::string("\x08\x08\x08\x08\x08\x08\x01\x08"));
    const auto second = reader.next();
    REQUIRE(second);
    CHECK(second->type == EventType::write_rows_v1);
    CHECK(second->server_id == 7);
    const auto rows = parse_rows(*second);
    REQUIRE(rows);
    CHECK(rows->statement_end);
    CHECK(rows->table_id == map->table_id);
    CHECK(count_rows(*map, *rows) == 1);
    CHECK(events.ends_with(number(1000, 8) + number(1, 1) + number(3, 8)));
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.malformed());
    CHECK(sequence_row_events(header, {"d", "s"}, {1, 2}).empty());
    CHECK(sequence_row_events(header, {"d", std::string(256, 's')}, row).empty());
    CHECK(sequence_row_events("short", {"d", "s"}, row).empty());
}

TEST_CASE("wrong bytes are refused, never read past", "[events]") {
    std::mt19937 random(1);
    const std::string good = table_map(9) + write_rows(9, true) + event(EventType::gtid, std::string(19, '\x42')) +
                             event(EventType::query, std::string(40, '\x01'));
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = good;
        for (int k = 0; k < 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
        bytes.resize(random() % (bytes.size() + 1));
        EventReader reader(bytes);
        std::optional<TableMap> map;
        std::size_t seen = 0;
        while (const auto one = reader.next()) {
            seen += one->raw.size();
            if (auto parsed = parse_table_map(*one)) map = parsed;
            const auto rows = parse_rows(*one);
            if (map && rows) (void)count_rows(*map, *rows);
            (void)parse_gtid(*one);
            if (const auto query = parse_query(*one)) (void)parse_status(query->status);
            (void)session_of(ServerDialect::of("10.11.0-MariaDB"), one->raw);
        }
        CHECK(seen <= bytes.size());
    }
}
