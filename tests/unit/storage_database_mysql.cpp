// MySQL's binary log, in bytes that MySQL 9.7 wrote, and the statements that are said to it.
#include <catch2/catch.hpp>

#include "node/storage/binlog_event.hpp"
#include "node/storage/capture.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/statement_runner.hpp"

using namespace ddb;
using namespace ddb::storage;

namespace {

std::string bytes_of(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    }
    return out;
}

// CREATE TABLE d.t under the tag ddb_c0000010000000010.
const std::string tagged_gtid = bytes_of(
    "528b0a6b2a010000005e0000007a0c00000000029600000202422d0255020502ad030422c5031d02350204f103000000020404062a6464625f"
    "6330"
    "3030303031303030303030303031"
    "30082c0a300c7f327564a451610610bd031283120b");
const std::string create_table = bytes_of(
    "528b0a6b0201000000910000000b0d000000000a000000000000000100002c000000000000012000a04500000000060373746404ff00ff00ff"
    "000c"
    "016400111b0000000000000012ff0013016400435245415445205441424c4520642e742028696420494e54204155544f5f494e4352454d454e"
    "5420"
    "5052494d415259204b45592c207620564152434841522832302929");
const std::string begin = bytes_of(
    "528b0a6b020100000044000000ad0d000008000a000000000000000100001d000000000000012000a04500000000060373746404ff00ff00ff"
    "0012"
    "ff006400424547494e");
const std::string create_select = bytes_of(
    "528b0a6b0201000000900000003d0e000000000a000000000000000100001f000000000000012000a04500000000060373746404ff00ff00ff"
    "0012"
    "ff0013016400435245415445205441424c45206074326020280a202060616020696e74204e4f54204e554c4c2c0a20205052494d415259204b"
    "4559"
    "2028606160290a29205354415254205452414e53414354494f4e");
const std::string map_t2 =
    bytes_of("528b0a6b130100000029000000660e000000006f000000000001000164000274320001030000010100");
const std::string rows_t2 =
    bytes_of("528b0a6b1e01000000290000008f0e000000006f000000000011000200010100010000000002000000");
const std::string xid = bytes_of("528b0a6b10010000001b000000aa0e000000002300000000000000");
const std::string xa_gtid = bytes_of(
    "528b0a6b21010000004b000000f50e0000000000218b9581eb0211f1878d02fc000000010c00000000000000020d000000000000000e000000"
    "0000"
    "0000c78b67a4516106fcde0150620100");
const std::string xa_start = bytes_of(
    "528b0a6b020100000062000000570f000008000a000000000000000800001d000000000000012000a04500000000060373746404ff00ff00ff"
    "0012"
    "ff006464625f6d65746100584120535441525420582736343634363232643331272c5827272c31");
const std::string map_marker = bytes_of(
    "528b0a6b1301000000350000008c0f000000007000000000000100086464625f6d65746100076170706c6965640001080000010180");
const std::string rows_marker =
    bytes_of("528b0a6b1e0100000028000000b40f000000007000000000001100020001ff000500000000000000");
const std::string map_t =
    bytes_of("528b0a6b130100000030000000e40f00000000710000000000010001640001740002030f025000020101000203fcff00");
const std::string rows_t = bytes_of("528b0a6b1e01000000260000000a100000000071000000000011000200020300010000000161");
const std::string xa_end = bytes_of(
    "528b0a6b0201000000590000006310000008000a000000000000000100001d000000000000012000a04500000000060373746404ff00ff00ff"
    "0012"
    "ff006400584120454e4420582736343634363232643331272c5827272c31");
const std::string xa_prepare = bytes_of("528b0a6b260100000025000000881000000000000100000005000000000000006464622d31");
const std::string xa_commit = bytes_of(
    "528b0a6b02010000005c0000002d11000008000a000000000000000100001d000000000000012000a04500000000060373746404ff00ff00ff"
    "0012"
    "ff006400584120434f4d4d495420582736343634363232643331272c5827272c31");

const ServerDialect& mysql() {
    return ServerDialect::of("9.7.4-2");
}

// What comes of the events: the last group that is complete, and whether it was complete with the last event.
std::optional<Captured> group_of(const std::vector<std::string>& events) {
    GroupAssembler assembler(Epoch{1}, {}, "binlog.1");
    for (std::size_t i = 0; i < events.size(); ++i) {
        const auto event = parse_event(events[i]);
        REQUIRE(event);
        auto group = assembler.feed(*event);
        INFO("event " << i);
        REQUIRE(group.ok());
        if (i + 1 == events.size()) return std::move(*group);
        CHECK_FALSE(group->has_value());
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("a tagged GTID names the statement it was given for", "[mysql]") {
    const auto gtid = parse_gtid(*parse_event(tagged_gtid));
    REQUIRE(gtid);
    CHECK(gtid->text == "218b9581-eb02-11f1-878d-02fc00000001:ddb_c0000010000000010:1");
    CHECK(gtid->statement == 0x10000000010u);
    CHECK(statement_tag(coordinator_tag, 0x10000000010u) == "ddb_c0000010000000010");
    CHECK(sequence_of_tag("ddb_a0000010000000011") == 0x10000000011u);
    CHECK_FALSE(sequence_of_tag("ddb_x0000010000000011"));
    CHECK_FALSE(sequence_of_tag("ddb_c000001000000001g"));
    CHECK_FALSE(sequence_of_tag("ddb_c1"));
    for (std::size_t bytes = event_header_bytes; bytes < 70; ++bytes) {
        EventView cut = *parse_event(tagged_gtid);
        cut.body = cut.body.substr(0, bytes - event_header_bytes);
        (void)parse_gtid(cut);
    }
}

TEST_CASE("a prepared transaction is told by its first statement", "[mysql]") {
    const auto group = group_of({xa_gtid, xa_start, map_marker, rows_marker, map_t, rows_t, xa_end, xa_prepare});
    REQUIRE(group);
    CHECK(group->kind == Captured::Kind::xa);
    CHECK(group->xid == "ddb-1");
    CHECK(group->gtid == "218b9581-eb02-11f1-878d-02fc00000001:12");
    CHECK(group->events == map_t + rows_t);
    CHECK(group->rows == 1);
    CHECK_FALSE(group->ddl);
}

TEST_CASE("a commit of one is no group of its own", "[mysql]") {
    CHECK_FALSE(group_of({xa_gtid, xa_commit}));
}

TEST_CASE("a definition ends its group, one with rows does not", "[mysql]") {
    const auto plain = group_of({tagged_gtid, create_table});
    REQUIRE(plain);
    CHECK(plain->kind == Captured::Kind::statement);
    CHECK(plain->sequence == 0x10000000010u);
    CHECK(plain->statement.sql == "CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20))");
    CHECK(plain->statement.database == "d");
    const auto with_rows = group_of({tagged_gtid, begin, create_select, map_t2, rows_t2, xid});
    REQUIRE(with_rows);
    CHECK(with_rows->kind == Captured::Kind::statement);
    CHECK(with_rows->rows == 2);
    CHECK(with_rows->statement.events == create_select + map_t2 + rows_t2);
}

TEST_CASE("the session of a statement on MySQL", "[mysql]") {
    const auto setup = session_of(mysql(), create_select);
    REQUIRE(setup.ok());
    // Its rows come in a transaction of the applier's.
    CHECK(setup->text == "CREATE TABLE `t2` (\n  `a` int NOT NULL,\n  PRIMARY KEY (`a`)\n)");
    const auto& all = setup->settings;
    const auto has = [&](const char* sql) { return std::find(all.begin(), all.end(), sql) != all.end(); };
    CHECK(has("SET SESSION sql_require_primary_key=1"));
    CHECK(has("SET SESSION default_collation_for_utf8mb4=255"));
    CHECK(has("SET SESSION foreign_key_checks=1"));
    CHECK(has("SET SESSION sql_mode=1168113696"));
}

TEST_CASE("which servers are new enough", "[mysql]") {
    CHECK(mysql().speaks("9.7.4-2"));
    CHECK(mysql().speaks("8.4.0"));
    CHECK_FALSE(mysql().speaks("8.0.36"));
    CHECK_FALSE(mysql().speaks("5.7"));
    CHECK_FALSE(mysql().speaks("unknown"));
    const auto& mariadb = ServerDialect::of("10.11.19-MariaDB-0+deb12u1");
    CHECK(&mariadb != &mysql());
    CHECK(mariadb.speaks("10.11.19-MariaDB-0+deb12u1"));
}
