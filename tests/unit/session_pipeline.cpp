// Joining of captured groups with prepared transactions: order, empty groups, sequences, statements, ends of an office.
#include <catch2/catch.hpp>

#include "node/session/write_pipeline.hpp"
#include "schemas/codec.hpp"

using namespace ddb;
using namespace ddb::session;

namespace {

struct Host final : PipelineHost {
    void propose(const core::Propose& proposal) override { proposals.push_back(proposal); }
    void register_prepared(LogIndex index, TxnId, std::string xid, std::unique_ptr<storage::Connection>) override {
        prepared.emplace_back(index, std::move(xid));
    }
    void register_done(LogIndex index, bool /*part*/) override { done.push_back(index); }
    void read_group(Epoch, storage::GroupPlace place) override { read.push_back(place.file); }
    void want_part() override { ++parts_wanted; }
    void roll_back(std::unique_ptr<storage::Connection>, std::string xid,
                   std::function<void(std::unique_ptr<storage::Connection>)> then) override {
        finished.push_back(std::move(xid));
        then(nullptr);
    }
    [[nodiscard]] bool owns_connection(std::uint64_t thread_id) const override { return thread_id < 100; }
    void foreign_write(const std::string& text) override { foreign.push_back(text); }
    [[nodiscard]] bool definition_concerns(std::string_view table) const override { return table != "far"; }
    void fence(const std::string& reason) override { fences.push_back(reason); }
    [[nodiscard]] TxnId next_txn() override { return TxnId{Epoch{3}, ++counter}; }
    [[nodiscard]] std::uint64_t wall_clock_us() const override { return 1; }

    std::vector<core::Propose> proposals;
    std::vector<std::string> fences;
    std::vector<std::pair<LogIndex, std::string>> prepared;
    std::vector<LogIndex> done;
    std::vector<std::string> read;
    int parts_wanted = 0;
    std::vector<std::string> finished;
    std::vector<std::string> foreign;
    std::uint64_t counter = 1000;
};

struct Fixture {
    Fixture() { pipeline.open(Epoch{3}); }
    void expect_all() {
        for (const char* name : {"ddb-a", "ddb-b", "ddb-c"}) pipeline.expect(name);
    }
    void report(const std::string& xid, std::uint64_t counter = 1) {
        PreparedWrite write;
        write.xid = xid;
        write.txn = TxnId{Epoch{3}, counter};
        write.done = [this, xid](WriteResult result) { results.emplace_back(xid, result.kind); };
        pipeline.prepared(std::move(write));
    }
    void capture(const std::string& xid, std::string events = "rows", std::uint64_t thread = 1) {
        storage::Captured group;
        group.epoch = Epoch{3};
        group.kind = storage::Captured::Kind::xa;
        group.xid = xid;
        group.events = std::move(events);
        group.thread_id = thread;
        pipeline.on_captured(std::move(group));
    }
    void capture_large(const std::string& xid, const std::string& file, std::size_t largest_event_bytes = 1000) {
        storage::Captured group;
        group.epoch = Epoch{3};
        group.kind = storage::Captured::Kind::xa;
        group.xid = xid;
        group.rows = 5;
        group.place.emplace();
        group.place->file = file;
        group.place->largest_event_bytes = largest_event_bytes;
        pipeline.on_captured(std::move(group));
    }
    void part(std::string events, bool last = false) { pipeline.on_captured_part({Epoch{3}, std::move(events), last}); }
    void capture_other(std::uint64_t thread, bool server_tables = false) {
        storage::Captured group;
        group.server_tables = server_tables;
        group.epoch = Epoch{3};
        group.events = "sequence";
        group.thread_id = thread;
        pipeline.on_captured(std::move(group));
    }
    void accept(std::size_t i, std::uint64_t index) {
        pipeline.on_accepted({host.proposals.at(i).token, EntryId{Epoch{3}, LogIndex{index}}});
    }
    Host host;
    WritePipeline pipeline{host};
    std::vector<std::pair<std::string, WriteResult::Kind>> results;
};

using Kind = WriteResult::Kind;

// A Table_map event of a table of one column.
std::string rows_of(std::string_view table) {
    const auto number = [](std::uint64_t value, int bytes) {
        std::string out;
        for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
        return out;
    };
    std::string body = number(7, 6) + number(0, 2);
    for (const std::string_view name : {std::string_view("d"), table})
        body += static_cast<char>(name.size()) + std::string(name) + '\0';
    body += number(1, 1) + number(3, 1) + number(0, 1) + number(0, 1);
    return number(0, 4) + number(19, 1) + number(1, 4) + number(19 + body.size(), 4) + number(0, 6) + body;
}

storage::Captured large_definition() {
    storage::Captured group;
    group.epoch = Epoch{3};
    group.kind = storage::Captured::Kind::statement;
    group.sequence = 16;
    group.gtid = "7777-1-16";
    group.statement.sql = "CREATE TABLE t AS SELECT 1";
    group.place.emplace();
    group.place->file = "binlog.2";
    return group;
}

}  // namespace

TEST_CASE("proposals follow the binary log, not the reports") {
    Fixture f;
    f.expect_all();
    f.report("ddb-c", 3);
    f.report("ddb-b", 2);
    f.capture("ddb-a");
    f.capture("ddb-b");
    f.capture("ddb-c");
    CHECK(f.host.proposals.empty());
    f.report("ddb-a", 1);
    REQUIRE(f.host.proposals.size() == 3);
    CHECK(f.host.proposals[0].entry.txn.counter == 1);
    CHECK(f.host.proposals[1].entry.txn.counter == 2);
    CHECK(f.host.proposals[2].entry.txn.counter == 3);
    for (std::uint64_t i = 0; i < 3; ++i) f.accept(i, 10 + i);
    REQUIRE(f.host.prepared.size() == 3);
    CHECK(f.host.prepared[0].second == "ddb-a");
    CHECK(f.results.empty());
    f.pipeline.on_decided(LogIndex{12});
    CHECK(f.results.empty());  // answered when XA COMMIT returned
    f.pipeline.on_committed({LogIndex{10}, nullptr});
    f.pipeline.on_committed({LogIndex{11}, nullptr});
    f.pipeline.on_committed({LogIndex{12}, nullptr});
    REQUIRE(f.results.size() == 3);
    CHECK(f.results[0] == std::pair<std::string, Kind>("ddb-a", Kind::decided));
    CHECK(f.pipeline.empty());
}

TEST_CASE("a forgotten transaction does not hold up the others") {
    Fixture f;
    f.expect_all();
    f.capture("ddb-a");
    f.capture("ddb-b");
    f.report("ddb-b");
    CHECK(f.host.proposals.empty());
    f.pipeline.forget("ddb-a");
    CHECK(f.host.proposals.size() == 1);
    CHECK(f.host.foreign.empty());
    f.capture("somebody");
    CHECK(f.host.foreign.size() == 1);
}

TEST_CASE("empty groups are rolled back and answered") {
    Fixture f;
    f.expect_all();
    f.report("ddb-a");
    f.capture("ddb-a", "");
    CHECK(f.host.proposals.empty());
    REQUIRE(f.host.finished.size() == 1);
    REQUIRE(f.results.size() == 1);
    CHECK(f.results[0].second == Kind::nothing);
}

TEST_CASE("a group that is empty but for statistics of tables takes effect") {
    Fixture f;
    f.expect_all();
    f.report("ddb-a");
    storage::Captured group;
    group.epoch = Epoch{3};
    group.kind = storage::Captured::Kind::xa;
    group.xid = "ddb-a";
    group.changes_statistics = true;
    f.pipeline.on_captured(std::move(group));
    REQUIRE(f.host.proposals.size() == 1);
    CHECK(f.host.finished.empty());
}

TEST_CASE("a sequence's group is an entry of its own, decided before its reader is answered") {
    Fixture f;
    f.expect_all();
    f.report("ddb-a");
    f.capture_other(7);
    f.capture("ddb-a", "", 7);
    REQUIRE(f.host.proposals.size() == 1);
    CHECK(f.host.proposals[0].entry.kind == EntryKind::rows);
    CHECK(f.results.empty());
    f.accept(0, 5);
    CHECK(f.host.done.size() == 1);
    CHECK(f.results.empty());
    f.pipeline.on_decided(LogIndex{5});
    CHECK(f.results.size() == 1);
    f.capture_other(200);
    CHECK(f.host.foreign.size() == 1);
    CHECK(f.host.proposals.size() == 1);
}

TEST_CASE("a marker stands behind what changed the server's own tables, which know no transactions") {
    Fixture f;
    f.expect_all();
    f.report("ddb-a");
    f.capture_other(7, true);
    f.capture("ddb-a", "", 7);
    REQUIRE(f.host.proposals.size() == 2);
    CHECK(f.host.proposals[1].entry.payload.size() == 0);
    f.accept(0, 5);
    f.accept(1, 6);
    f.pipeline.on_decided(LogIndex{6});
    f.pipeline.on_committed({LogIndex{6}, nullptr});
    CHECK(f.results == std::vector<std::pair<std::string, Kind>>{{"ddb-a", Kind::decided}});
    f.report("ddb-b");  // the same connection's next: nothing to be proved any more
    f.capture("ddb-b", "", 7);
    CHECK(f.host.proposals.size() == 2);
    f.capture_other(7);
    f.accept(2, 7);
    f.pipeline.close("over");
    CHECK(f.host.fences.empty());
}

TEST_CASE("a node is fenced whose server kept what was not decided") {
    for (const bool refused : {false, true}) {
        Fixture f;
        f.capture_other(7, true);
        CHECK(f.host.fences.empty());
        if (refused) {
            f.pipeline.on_refused({f.host.proposals[0].token, fail(ErrorCode::overloaded, "full")});
        } else {
            f.accept(0, 5);
            f.pipeline.close("over");
        }
        CHECK(f.host.fences.size() == 1);
    }
    Fixture f;
    f.capture_other(7, true);
    f.accept(0, 5);
    f.pipeline.on_unknown({f.host.proposals[0].token, EntryId{Epoch{3}, LogIndex{5}}});
    f.pipeline.close("over");
    CHECK(f.host.fences.size() == 1);
}

TEST_CASE("refused and unknown proposals") {
    Fixture f;
    f.expect_all();
    f.report("ddb-a");
    f.report("ddb-b");
    f.capture("ddb-a");
    f.capture("ddb-b");
    REQUIRE(f.host.proposals.size() == 2);
    f.accept(0, 5);
    f.pipeline.on_refused({f.host.proposals[1].token, fail(ErrorCode::overloaded, "full")});
    CHECK(f.host.finished.size() == 1);
    REQUIRE(f.results.size() == 1);
    CHECK(f.results[0] == std::pair<std::string, Kind>("ddb-b", Kind::failed));
    f.pipeline.on_unknown({f.host.proposals[0].token, EntryId{Epoch{3}, LogIndex{5}}});
    REQUIRE(f.results.size() == 2);
    CHECK(f.results[1] == std::pair<std::string, Kind>("ddb-a", Kind::unknown));
}

TEST_CASE("the end of an office gives three kinds of answers") {
    Fixture f;
    f.expect_all();
    f.report("ddb-a");
    f.capture("ddb-a");
    f.report("ddb-b");
    f.pipeline.close("over");
    REQUIRE(f.results.size() == 2);
    CHECK(f.results[0] == std::pair<std::string, Kind>("ddb-a", Kind::unknown));
    CHECK(f.results[1] == std::pair<std::string, Kind>("ddb-b", Kind::failed));
    f.report("ddb-c");  // its PREPARE returned too late
    REQUIRE(f.results.size() == 3);
    CHECK(f.results[2].second == Kind::failed);
    CHECK(f.pipeline.empty());
    f.capture("ddb-c");  // of the old office
    CHECK(f.host.proposals.size() == 1);
    f.pipeline.open(Epoch{4});
    f.capture("ddb-c");
    CHECK(f.host.proposals.size() == 1);
}

TEST_CASE("statements of several groups") {
    Fixture f;
    f.pipeline.expect_statement(32);
    const auto group = [&](const char* gtid) {
        storage::Captured captured;
        captured.epoch = Epoch{3};
        captured.kind = storage::Captured::Kind::statement;
        captured.sequence = 32;
        captured.gtid = gtid;
        captured.statement.events = std::string(gtid) + ";";
        f.pipeline.on_captured(std::move(captured));
    };
    group("7777-1-32");
    f.pipeline.expect("ddb-a");
    f.report("ddb-a");
    f.capture("ddb-a");
    CHECK(f.host.proposals.empty());  // a row on the new table must not overtake its definition
    FinishedStatement finished;
    finished.sequence = 32;
    finished.txn = TxnId{Epoch{3}, 2};
    finished.last_gtid = "7777-1-33";
    finished.outcome.error_code = 1051;
    finished.request = RequestNumber{9};
    finished.done = [&](WriteResult result) { f.results.emplace_back("statement", result.kind); };
    f.pipeline.statement_logged(std::move(finished));
    group("7777-1-33");
    REQUIRE(f.host.proposals.size() == 2);  // one entry, at the place of its last group
    CHECK(f.host.proposals[0].entry.kind == EntryKind::rows);
    CHECK(f.host.proposals[1].entry.request == RequestNumber{9});
    const auto payload = decode_statement(f.host.proposals[1].entry.payload.view());
    REQUIRE(payload.ok());
    CHECK(payload.value().expected_error == 1051);
    CHECK(payload.value().events == "7777-1-32;7777-1-33;");
    f.accept(0, 5);
    f.accept(1, 6);
    CHECK(f.host.done.size() == 1);
    f.pipeline.on_decided(LogIndex{5});
    CHECK(f.results.empty());
    f.pipeline.on_decided(LogIndex{6});
    REQUIRE(f.results.size() == 1);
    CHECK(f.results[0].second == Kind::decided);
}

TEST_CASE("a definition behind rows of one statement never reaches the log") {
    Fixture f;
    f.pipeline.expect_statement(32);
    const auto group = [&](const char* gtid, const char* sql, std::uint64_t rows) {
        storage::Captured captured;
        captured.epoch = Epoch{3};
        captured.kind = storage::Captured::Kind::statement;
        captured.sequence = 32;
        captured.gtid = gtid;
        captured.rows = rows;
        captured.statement.sql = sql;
        captured.statement.events = std::string(gtid) + ";";
        f.pipeline.on_captured(std::move(captured));
    };
    group("7777-1-32", "CREATE TABLE t AS SELECT 1", 1);
    group("7777-1-33", "DROP TABLE t", 0);
    FinishedStatement finished;
    finished.sequence = 32;
    finished.txn = TxnId{Epoch{3}, 2};
    finished.last_gtid = "7777-1-33";
    finished.done = [&](WriteResult result) { f.results.emplace_back("statement", result.kind); };
    f.pipeline.statement_logged(std::move(finished));
    CHECK(f.host.proposals.empty());
    REQUIRE(f.results.size() == 1);
    CHECK(f.results[0].second == Kind::unknown);
    CHECK(f.host.foreign.size() == 1);  // so that the databases are compared
}

TEST_CASE("a large group goes into the log part by part, and what is behind it does not wait") {
    Fixture f;
    f.expect_all();
    f.capture_large("ddb-a", "binlog.1");
    f.capture("ddb-b");
    f.report("ddb-b", 2);
    CHECK(f.host.proposals.empty());
    CHECK(f.host.read.empty());  // its PREPARE has not returned
    f.report("ddb-a", 1);
    CHECK(f.host.read == std::vector<std::string>{"binlog.1"});
    CHECK(f.host.parts_wanted == 1);
    REQUIRE(f.host.proposals.size() == 1);
    CHECK(f.host.proposals[0].entry.txn.counter == 2);
    f.accept(0, 10);
    f.part("one");
    CHECK_FALSE(f.pipeline.between_large_groups());
    REQUIRE(f.host.proposals.size() == 2);
    CHECK(f.host.proposals[1].entry.kind == EntryKind::rows_part);
    CHECK(f.host.proposals[1].entry.payload.view() == "one");
    CHECK(f.host.proposals[1].entry.txn.counter == 1);
    CHECK(f.host.parts_wanted == 2);
    f.part("two", true);
    CHECK(f.host.proposals.size() == 2);  // behind the first, once that has its place
    // Refused for a passing reason: proposed again, since nothing else may come in its place.
    f.pipeline.on_refused({f.host.proposals[1].token, fail(ErrorCode::overloaded, "full")});
    CHECK(f.host.proposals.size() == 2);
    f.pipeline.tick();
    REQUIRE(f.host.proposals.size() == 3);
    CHECK(f.host.proposals[2].entry.payload.view() == "one");
    f.accept(2, 11);
    REQUIRE(f.host.proposals.size() == 4);
    CHECK(f.host.proposals[3].entry.payload.view() == "two");
    f.accept(3, 13);
    CHECK(f.host.done == std::vector<LogIndex>{LogIndex{11}, LogIndex{13}});
    REQUIRE(f.host.proposals.size() == 5);
    const Entry end = f.host.proposals[4].entry;
    CHECK(end.kind == EntryKind::rows_end);
    CHECK(end.row_count == 5);
    CHECK(decode_parts(end.payload.view()).value() == PartsRange{LogIndex{11}, 2});
    f.pipeline.on_refused({f.host.proposals[4].token, fail(ErrorCode::overloaded, "full")});
    CHECK(f.results.empty());
    f.pipeline.tick();
    REQUIRE(f.host.proposals.size() == 6);
    CHECK(f.host.proposals[5].token == f.host.proposals[4].token);
    f.accept(5, 14);
    f.pipeline.on_decided(LogIndex{14});
    f.pipeline.on_committed({LogIndex{10}, nullptr});
    f.pipeline.on_committed({LogIndex{14}, nullptr});
    REQUIRE(f.results.size() == 2);
    CHECK(f.results[1] == std::pair<std::string, Kind>("ddb-a", Kind::decided));
    f.pipeline.forget("ddb-c");
    CHECK(f.pipeline.empty());
    CHECK(f.pipeline.between_large_groups());
}

TEST_CASE("pieces of a large group are asked for as long as little is on the way") {
    Fixture f;
    f.pipeline.expect("ddb-a");
    f.capture_large("ddb-a", "binlog.1");
    f.report("ddb-a");
    constexpr std::uint64_t parts_on_the_way = 8;
    for (std::uint64_t i = 0; i < parts_on_the_way; ++i) {
        f.part(std::string(1u << 20, 'x'));
        f.accept(i, 10 + i);
    }
    CHECK(f.host.parts_wanted == parts_on_the_way);
    f.pipeline.on_decided(LogIndex{10});
    CHECK(f.host.parts_wanted == parts_on_the_way + 1);
    // The end of the office makes it a definite failure: what would let it take effect was never proposed.
    f.pipeline.close("gone");
    REQUIRE(f.results.size() == 1);
    CHECK(f.results[0].second == Kind::failed);
    CHECK(f.pipeline.between_large_groups());
}

TEST_CASE("a change of one row that is too large is refused before anything is proposed") {
    Fixture f;
    f.pipeline.expect("ddb-a");
    f.capture_large("ddb-a", "binlog.1", row_event_bytes_max + 1);
    f.report("ddb-a");
    CHECK(f.host.proposals.empty());
    CHECK(f.host.finished == std::vector<std::string>{"ddb-a"});
    REQUIRE(f.results.size() == 1);
    CHECK(f.results[0].second == Kind::failed);
}

TEST_CASE("while a dump begins no large group is begun") {
    Fixture f;
    f.expect_all();
    f.pipeline.hold_large_groups(true);
    f.capture_large("ddb-a", "binlog.1");
    f.report("ddb-a");
    f.capture("ddb-b");
    f.report("ddb-b");
    CHECK(f.host.read.empty());
    CHECK(f.pipeline.between_large_groups());
    CHECK(f.host.proposals.size() == 1);
    f.pipeline.hold_large_groups(false);
    CHECK(f.host.read.size() == 1);
}

TEST_CASE("a definition with many rows holds back what may depend on it") {
    Fixture f;
    f.pipeline.expect("ddb-a");
    f.pipeline.expect_statement(16);
    f.pipeline.on_captured(large_definition());
    f.capture("ddb-a");
    f.report("ddb-a", 5);
    FinishedStatement statement;
    statement.sequence = 16;
    statement.txn = TxnId{Epoch{3}, 1};
    statement.last_gtid = "7777-1-16";
    f.pipeline.statement_logged(std::move(statement));
    CHECK(f.host.read == std::vector<std::string>{"binlog.2"});
    f.part("rows", true);
    REQUIRE(f.host.proposals.size() == 1);
    f.accept(0, 20);
    REQUIRE(f.host.proposals.size() == 2);
    CHECK(f.host.proposals[1].entry.kind == EntryKind::statement);
    f.accept(1, 21);
    REQUIRE(f.host.proposals.size() == 3);
    const auto payload = decode_statement(f.host.proposals[1].entry.payload.view());
    REQUIRE(payload.ok());
    CHECK(payload->parts == PartsRange{LogIndex{20}, 1});
    CHECK(f.host.proposals[2].entry.txn.counter == 5);
}

TEST_CASE("what cannot depend on a definition overtakes its rows") {
    Fixture f;
    f.expect_all();
    f.pipeline.expect("ddb-d");
    f.pipeline.expect_statement(16);
    f.pipeline.on_captured(large_definition());
    FinishedStatement statement;
    statement.sequence = 16;
    statement.txn = TxnId{Epoch{3}, 1};
    statement.last_gtid = "7777-1-16";
    f.pipeline.statement_logged(std::move(statement));
    const auto counters = [&f] {
        std::vector<std::uint64_t> out;
        for (const auto& proposal : f.host.proposals) out.push_back(proposal.entry.txn.counter);
        return out;
    };
    f.capture("ddb-a", rows_of("far") + rows_of("far"));
    CHECK(counters().empty());  // what it has read is not known before its report
    f.report("ddb-a", 5);
    CHECK(counters() == std::vector<std::uint64_t>{5});
    f.capture("ddb-b", rows_of("far") + rows_of("near"));
    f.report("ddb-b", 6);
    f.capture("ddb-c", rows_of("far"));  // may depend on what is in front of it
    f.report("ddb-c", 7);
    CHECK(counters() == std::vector<std::uint64_t>{5});
    f.part("rows", true);
    f.accept(1, 20);
    f.accept(2, 21);
    CHECK(counters() == std::vector<std::uint64_t>{5, 1, 1, 6, 7});
    CHECK(f.host.proposals[2].entry.kind == EntryKind::statement);
}

TEST_CASE("what may have read an undecided definition waits for it") {
    Fixture f;
    f.pipeline.expect("ddb-a");
    f.pipeline.expect_statement(16);
    f.pipeline.on_captured(large_definition());
    FinishedStatement statement;
    statement.sequence = 16;
    statement.last_gtid = "7777-1-16";
    statement.done = [](const WriteResult&) {};
    f.pipeline.statement_logged(std::move(statement));
    PreparedWrite write;
    write.xid = "ddb-a";
    write.behind_definition = true;
    write.done = [](const WriteResult&) {};
    f.pipeline.prepared(std::move(write));
    f.capture("ddb-a", rows_of("far"));
    CHECK(f.host.proposals.empty());
    f.pipeline.close("over");
}

TEST_CASE("what foreign keys did not check keeps its place behind a large group") {
    Fixture f;
    f.expect_all();
    f.capture_large("ddb-a", "binlog.1");
    f.report("ddb-a", 1);
    storage::Captured group;
    group.epoch = Epoch{3};
    group.kind = storage::Captured::Kind::xa;
    group.xid = "ddb-b";
    group.events = "rows";
    group.unchecked_keys = true;
    f.pipeline.on_captured(std::move(group));
    f.report("ddb-b", 2);
    CHECK(f.host.proposals.empty());
    f.part("one", true);
    f.accept(0, 10);
    REQUIRE(f.host.proposals.size() == 2);
    CHECK(f.host.proposals[1].entry.kind == EntryKind::rows_end);
    f.accept(1, 11);
    REQUIRE(f.host.proposals.size() == 3);
    CHECK(f.host.proposals[2].entry.txn.counter == 2);
}

TEST_CASE("a large group of which everything was undone is an empty one") {
    Fixture f;
    f.pipeline.expect("ddb-a");
    f.capture_large("ddb-a", "binlog.1");
    f.report("ddb-a", 1);
    f.part("", true);
    CHECK(f.host.proposals.empty());
    CHECK(f.host.finished == std::vector<std::string>{"ddb-a"});
    REQUIRE(f.results.size() == 1);
    CHECK(f.results[0].second == Kind::nothing);
    CHECK(f.pipeline.empty());
}
