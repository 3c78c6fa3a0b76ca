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
    void register_done(LogIndex index) override { done.push_back(index); }
    void roll_back(std::unique_ptr<storage::Connection>, std::string xid,
                   std::function<void(std::unique_ptr<storage::Connection>)> then) override {
        finished.push_back(std::move(xid));
        then(nullptr);
    }
    [[nodiscard]] bool owns_connection(std::uint64_t thread_id) const override { return thread_id < 100; }
    void foreign_write(const std::string& text) override { foreign.push_back(text); }
    [[nodiscard]] TxnId next_txn() override { return TxnId{Epoch{3}, ++counter}; }
    [[nodiscard]] std::uint64_t wall_clock_us() const override { return 1; }

    std::vector<core::Propose> proposals;
    std::vector<std::pair<LogIndex, std::string>> prepared;
    std::vector<LogIndex> done;
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
    void capture_other(std::uint64_t thread) {
        storage::Captured group;
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
