#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/formats.hpp"
#include "client/text_tools.hpp"
#include "client/verbs.hpp"
#include "client_support.hpp"

using namespace ddb;
using namespace ddb::client;
using namespace ddb::client::test;
using nlohmann::json;

namespace {

ResultReport report() {
    ResultReport r;
    r.node = NodeId{2};
    r.coordinator = NodeId{3};
    r.index = LogIndex{41};
    r.elapsed_ms = 3.2;
    return r;
}

ResultReport write_report() {
    ResultReport r = report();
    r.node = NodeId{3};
    r.outcome.affected_rows = 1;
    r.txn = TxnId{Epoch{7}, 12};
    r.replicated_on = 3;
    r.members = 3;
    return r;
}

void feed(Formatter& formatter, const std::vector<Column>& columns, const std::vector<Cells>& rows) {
    formatter.header(columns);
    const ResultRows bytes = chunk(rows);
    RowReader reader(bytes, columns.size());
    Row row;
    for (;;) {
        const auto more = reader.next(row);
        REQUIRE(more.ok());
        if (!*more) return;
        formatter.row(row);
    }
}

std::string render(FormatSettings settings, const std::vector<Column>& columns, const std::vector<Cells>& rows) {
    StringSink sink;
    const auto formatter = make_formatter(settings, sink);
    feed(*formatter, columns, rows);
    formatter->end(report());
    return sink.text;
}

const std::vector<Column> two = {column("id", 3, 63), column("name", 253)};

}  // namespace

TEST_CASE("table") {
    FormatSettings settings;
    settings.footer = true;
    CHECK(render(settings, two, {{"1", "a"}, {"20", std::nullopt}}) ==
          "+----+------+\n| id | name |\n+----+------+\n|  1 | a    |\n| 20 | NULL |\n+----+------+\n"
          "2 rows in set (0.003 sec), node 2, coordinator 3\n\n");
    CHECK(render(settings, two, {}) == "Empty set (0.003 sec), node 2, coordinator 3\n\n");
    StringSink sink;
    const auto formatter = make_formatter(settings, sink);
    formatter->end(write_report());
    CHECK(sink.text ==
          "Query OK, 1 row affected (0.003 sec), node 3, coordinator 3, TXN-7-12, replicated on 3 of 3 nodes\n\n");
}

TEST_CASE("table cells are measured in columns of the screen and cannot steer it") {
    FormatSettings settings;
    CHECK(render(settings, {column("t", 253)}, {{"日本"}, {"e\xCC\x81"}}) ==
          "+------+\n| t    |\n+------+\n| 日本 |\n| e\xCC\x81    |\n+------+\n");
    CHECK(render(settings, {column("t", 253)}, {{"\x1b[2J\n"}, {"\xff"}}) ==
          "+-----------+\n| t         |\n+-----------+\n| \\x1B[2J\\n |\n| \xEF\xBF\xBD         "
          "|\n+-----------+\n");
    CHECK(render(settings, {column("b", 252, 63)}, {{std::string("\0\xff", 2)}}) ==
          "+--------+\n| b      |\n+--------+\n| 0x00FF |\n+--------+\n");
}

TEST_CASE("a large table streams with the widths of its start") {
    StringSink sink;
    const auto formatter = make_formatter({}, sink);
    std::vector<Cells> rows(1000, Cells{"1"});
    feed(*formatter, {column("n", 3, 63)}, rows);
    CHECK(!sink.text.empty());
    Row row{std::string_view("12345")};
    formatter->row(row);
    CHECK(sink.text.ends_with("| 12345 |\n"));
}

TEST_CASE("tsv is what the model's batch mode prints") {
    FormatSettings settings;
    settings.format = Format::tsv;
    CHECK(render(settings, two, {{"1", "a\tb\nc\\d"}, {"2", std::nullopt}, {"3", std::string("x\0y", 3)}, {"4", ""}}) ==
          "id\tname\n1\ta\\tb\\nc\\\\d\n2\tNULL\n3\tx\\0y\n4\t\n");
    CHECK(render(settings, two, {}).empty());
    settings.column_names = false;
    CHECK(render(settings, two, {{"1", "\xff"}}) == "1\t\xff\n");
}

TEST_CASE("vertical and csv") {
    FormatSettings settings;
    settings.format = Format::vertical;
    const std::string stars(27, '*');
    CHECK(render(settings, two, {{"1", "a\nb"}}) == stars + " 1. row " + stars + "\n  id: 1\nname: a\nb\n");
    settings.format = Format::csv;
    CHECK(render(settings, two,
                 {{"1", "a,b"}, {"2", "say \"x\""}, {"3", ""}, {std::nullopt, std::nullopt}, {"4", "l\n"}}) ==
          "id,name\n1,\"a,b\"\n2,\"say \"\"x\"\"\"\n3,\"\"\n,\n4,\"l\n\"\n");
}

TEST_CASE("json has the promised keys in one line") {
    FormatSettings settings;
    settings.format = Format::json;
    const std::vector<Column> columns = {column("i", 8, 63),  column("f", 5, 63),        column("d", 246, 63),
                                         column("s", 253),    column("b", 252, 63),      column("bit", 16, 63),
                                         column("z", 3, 63),  column("e", 254, 45, 256), column("dt", 12, 63),
                                         column("j", 245, 63)};
    const std::string text = render(settings, columns,
                                    {{"18446744073709551615", "1e20", "1.10", "a\"\n\xff", std::string("\0\xff", 2),
                                      std::string("\x01\x00", 2), "0042", "x", "2026-01-01 00:00:00", "{\"a\":1}"},
                                     Cells(columns.size(), std::nullopt)});
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    const json document = json::parse(text);
    std::vector<std::string> keys;
    const auto ordered = nlohmann::ordered_json::parse(text);
    for (const auto& [key, value] : ordered.items()) keys.push_back(key);
    CHECK(keys == std::vector<std::string>{"columns", "types", "rows", "affected_rows", "last_insert_id", "warnings",
                                           "node", "coordinator", "txn", "index", "elapsed_ms", "error"});
    CHECK(document["types"] ==
          json({"bigint", "double", "decimal", "varchar", "binary", "bit", "int", "enum", "datetime", "json"}));
    const json row = document["rows"][0];
    CHECK(row[0].get<std::uint64_t>() == 18446744073709551615ULL);
    CHECK(row[1].get<double>() == 1e20);
    CHECK(row[2] == "1.10");
    CHECK(row[3] == "a\"\n\xEF\xBF\xBD");
    CHECK(row[4] == "AP8=");
    CHECK(row[5] == 256);
    CHECK(row[6] == 42);
    CHECK(document["rows"][1] == json(std::vector<json>(columns.size())));
    CHECK(document["txn"].is_null());
    CHECK(document["node"] == 2);
    CHECK(document["index"] == 41);
    CHECK(document["error"].is_null());
}

TEST_CASE("json of writes, errors and calls") {
    FormatSettings settings;
    settings.format = Format::json;
    StringSink sink;
    const auto formatter = make_formatter(settings, sink);
    formatter->end(write_report());
    json document = json::parse(sink.text);
    CHECK(document["txn"] == "TXN-7-12");
    CHECK(document["affected_rows"] == 1);
    CHECK(document["rows"].empty());

    sink.text.clear();
    ResultReport failed = report();
    failed.error = Error{ErrorCode::sql, "no \xff", 1064, "42000"};
    formatter->end(failed);
    document = json::parse(sink.text);
    CHECK(document["error"]["code"] == 1064);
    CHECK(document["error"]["sqlstate"] == "42000");

    sink.text.clear();  // an error in the middle of rows leaves valid JSON
    feed(*formatter, two, {{"1", "a"}});
    formatter->end(failed);
    CHECK(json::parse(sink.text)["rows"].size() == 1);

    sink.text.clear();
    ResultReport more = report();
    more.more = true;
    feed(*formatter, two, {{"1", "a"}});
    formatter->end(more);
    feed(*formatter, {column("x", 3, 63)}, {{"5"}, {"6"}});
    formatter->end(more);
    formatter->end(write_report());
    document = json::parse(sink.text);
    CHECK(document["rows"].size() == 1);
    CHECK(document["more_results"][0]["rows"] == json::parse("[[5],[6]]"));
    CHECK(std::count(sink.text.begin(), sink.text.end(), '\n') == 1);
}

TEST_CASE("ndjson") {
    FormatSettings settings;
    settings.format = Format::ndjson;
    CHECK(render(settings, {column("a", 3, 63), column("a", 253)}, {{"1", "x"}, {std::nullopt, "y"}}) ==
          "{\"a\":1,\"a_2\":\"x\"}\n{\"a\":null,\"a_2\":\"y\"}\n");
    CHECK(render(settings, two, {}).empty());
    StringSink sink;
    make_formatter(settings, sink)->end(write_report());
    CHECK(json::parse(sink.text)["affected_rows"] == 1);
}

TEST_CASE("rows that are no rows are refused") {
    ResultRows bytes;
    Row row;
    bytes.row_count = 1;
    bytes.rows =
        "\x05"
        "ab";
    CHECK(!RowReader(bytes, 1).next(row).ok());
    bytes.rows = "\xFE\xff\xff\xff\xff\xff\xff\xff\xff";
    CHECK(!RowReader(bytes, 1).next(row).ok());
    bytes.rows = "\xFF";
    CHECK(!RowReader(bytes, 1).next(row).ok());
    bytes.rows =
        "\x01"
        "a\x01"
        "b";
    RowReader trailing(bytes, 1);
    CHECK(trailing.next(row).ok());
    CHECK(!trailing.next(row).ok());
    ResultRows large = chunk({{std::string(300, 'x'), std::string(70'000, 'y')}});
    RowReader reader(large, 2);
    REQUIRE(reader.next(row).ok());
    CHECK(row[0]->size() == 300);
    CHECK(row[1]->size() == 70'000);
}

TEST_CASE("text tools") {
    CHECK(is_json_number("-1.5e+3"));
    for (const char* bad : {"", "-", "01", "1.", ".5", "1e", "nan", "0x1", "1 "}) CHECK(!is_json_number(bad));
    CHECK(with_port("h", 6000) == "h:6000");
    CHECK(with_port("h:1", 6000) == "h:1");
    CHECK(with_port("::1", 6000) == "[::1]:6000");
    CHECK(with_port("[::1]:5", 6000) == "[::1]:5");
    for (const char* bad : {"", ":5", "h:", "h:0", "h:70000", "h:x"}) CHECK(with_port(bad, 6000).empty());
    CHECK(base64("") == "");
    CHECK(base64("a") == "YQ==");
    CHECK(base64("abc") == "YWJj");
    CHECK(json_string("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST_CASE("verb documents in every format") {
    const std::string nodes =
        R"({"nodes":[{"address":"h","id":1,"lag":null},{"address":"k","id":2,"lag":3}],"seen_by":1})";
    const auto shown = [](const std::string& text, Format format) {
        StringSink sink;
        FormatSettings settings;
        settings.format = format;
        REQUIRE(render_document(text, settings, sink).ok());
        return sink.text;
    };
    CHECK(shown(nodes, Format::tsv) == "id\taddress\tlag\n1\th\tNULL\n2\tk\t3\n");
    CHECK(shown(nodes, Format::csv) == "id,address,lag\n1,h,\n2,k,3\n");
    CHECK(shown(nodes, Format::json) == nodes + "\n");
    CHECK(shown(nodes, Format::ndjson) ==
          "{\"address\":\"h\",\"id\":1,\"lag\":null}\n{\"address\":\"k\",\"id\":2,\"lag\":3}\n");
    CHECK(shown(R"({"fate":"absent","txn":"TXN-1-2"})", Format::tsv) == "name\tvalue\ntxn\tTXN-1-2\nfate\tabsent\n");
    CHECK(shown(R"({"healthy":true,"nodes":[{"id":1}]})", Format::tsv) == "name\tvalue\nhealthy\ttrue\nid\n1\n");
    CHECK(shown(R"({"a":1})", Format::vertical).find("a: 1\n") != std::string::npos);
    const std::string done = R"({"done":true,"index":9,"members":[{"id":1}]})";
    CHECK(shown(done, Format::ndjson) == done + "\n");  // the list is not all there is
    StringSink sink;
    CHECK(!render_document("{", {}, sink).ok());
}
