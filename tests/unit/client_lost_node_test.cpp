// Answers that break off, and nodes that are gone.
#include <catch2/catch.hpp>

#include "client_fake_cluster.hpp"

using namespace ddb;
using namespace ddb::client;
using namespace ddb::client::test;

TEST_CASE_METHOD(Fixture, "a read whose node is lost runs again in a fresh session") {
    open();
    lose_at("select 1", [](FakeCluster& c, const Execute& e) {
        c.rows(e, {{"a"}});
        c.answer(e);
    });
    CHECK(!run("select 1"));
    CHECK(listener.rows == 1);
    const auto executed = cluster.all<Execute>();
    REQUIRE(executed.size() == 2);
    CHECK(executed[1].session != executed[0].session);
    CHECK(!executed[1].retry);
}

TEST_CASE_METHOD(Fixture, "a small result that breaks off is fetched again unnoticed") {
    open();
    cluster.on_execute = [n = 0](FakeCluster& c, const Execute& e) mutable {
        c.rows(e, {{"a"}});
        if (++n == 1) {
            c.connected = false;  // what came before is still read
        } else {
            c.answer(e);
        }
    };
    CHECK(!run("select 1"));
    CHECK(listener.rows == 1);
    CHECK(listener.headers == 1);
}

TEST_CASE_METHOD(Fixture, "a large result that breaks off is an error, and credit is given for what was taken") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        c.rows(e, {{std::string(60'000, 'x')},
                   {std::string(60'000, 'x')},
                   {std::string(60'000, 'x')},
                   {std::string(60'000, 'x')},
                   {std::string(60'000, 'x')}});
        c.connected = false;
    };
    auto error = run("select 1");
    REQUIRE(error);
    CHECK(error->mysql_code == 2013);
    CHECK(listener.rows == 5);
    CHECK(listener.ends == 1);
}

TEST_CASE_METHOD(Fixture, "an answer whose rows were lost on the way is no empty result") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        c.rows(e, {{"a"}, {"b"}});
        c.inbox.clear();
        c.answer(e);
    };
    const auto error = run("select 1");
    REQUIRE(error);
    CHECK(error->code == ErrorCode::io);
    CHECK(error->message.find("lost on the way") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "credit goes back as rows are taken") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        for (int i = 0; i < 5; ++i) {
            ResultRows bytes = chunk({{std::string(60'000, 'x')}, {std::string(60'000, 'x')}});
            bytes.session = e.session;
            bytes.request = e.request;
            if (i == 0) c.inbox.push_back(ResultHeader{e.session, e.request, {column("v", 253)}});
            c.inbox.push_back(bytes);
        }
        c.row_count = 10;
        c.answer(e);
    };
    CHECK(!run("select 1"));
    std::uint64_t credit = 0;
    for (const Credit& c : cluster.all<Credit>()) credit += c.bytes;
    CHECK(credit == 5 * 2 * 60'003ULL);
    CHECK(listener.rows == 10);
}

TEST_CASE_METHOD(Fixture, "a write whose node is lost is asked for under its own name") {
    open();
    CHECK(!run("insert into t values (0)"));
    lose_at("insert into t values (1)", [](FakeCluster& c, const Execute& e) {
        c.answer(e, std::nullopt, TxnId{Epoch{2}, 5});
    });
    CHECK(!run("insert into t values (1)"));
    const auto executed = cluster.all<Execute>();
    REQUIRE(executed.size() == 3);
    CHECK(executed[2].session == executed[1].session);
    CHECK(executed[2].request == executed[1].request);
    CHECK(executed[2].seen == executed[1].seen);
    CHECK(executed[2].retry);
    CHECK(listener.last.txn == TxnId{Epoch{2}, 5});
    CHECK(!run("select 1"));
    CHECK(!cluster.all<Execute>().back().retry);
}

TEST_CASE_METHOD(Fixture, "what the next node could not do is no word on what the lost one did") {
    open();
    const auto answered_with = [&](const Error& answer) {
        lose_at("insert into t values (1)", [answer](FakeCluster& c, const Execute& e) { c.answer(e, answer); });
        const auto error = run("insert into t values (1)");
        REQUIRE(error);
        CHECK(cluster.all<Execute>().back().retry);
        CHECK(listener.last.error->code == error->code);
        return error->code;
    };
    for (const auto code : {ErrorCode::no_quorum, ErrorCode::timeout, ErrorCode::overloaded, ErrorCode::refused})
        CHECK(answered_with(fail(code, "nothing was done")) == ErrorCode::unknown_outcome);
    CHECK(answered_with(Error{ErrorCode::sql, "interrupted", 1317, "70100"}) == ErrorCode::unknown_outcome);
    // The coordinator found that it had not run, and ran it.
    CHECK(answered_with(Error{ErrorCode::sql, "duplicate", 1062, "23000"}) == ErrorCode::sql);
}

TEST_CASE_METHOD(Fixture, "a write that finds no node any more is unknown, a read is not") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute&) {
        c.lose();
        c.up = false;
    };
    SECTION("write") {
        const auto error = run("insert into t values (1)");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::unknown_outcome);
        CHECK(error->message.find("ddb-cli txn REQ-") != std::string::npos);
        CHECK(listener.ends == 1);
        CHECK(listener.last.error);
    }
    SECTION("read") {
        const auto error = run("select 1");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::timeout);
    }
}

TEST_CASE_METHOD(Fixture, "silence is told by what the statement could have done") {
    open();
    settings.timeout_ms = 30;
    cluster.on_execute = [](FakeCluster&, const Execute&) {};
    interrupts = 0;
    SECTION("write") {
        const auto error = run("update t set a = 1");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::unknown_outcome);
    }
    SECTION("read") {
        const auto error = run("select 1");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::timeout);
    }
    CHECK(cluster.all<Cancel>().size() == 1);
    CHECK(cluster.all<CloseSession>().size() == 1);
    cluster.on_execute = plain;
    CHECK(!run("select 1"));
    CHECK(cluster.all<OpenSession>().size() == 2);
}

TEST_CASE_METHOD(Fixture, "an open transaction does not survive its node") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) { c.answer(e, std::nullopt, {}, 3); };
    CHECK(!run("begin"));
    CHECK(!run("insert into t values (1)"));
    SECTION("lost while idle") {
        cluster.lose();
        const auto error = run("insert into t values (2)");
        REQUIRE(error);
        CHECK(error->mysql_code == 1213);
        cluster.on_execute = plain;
        CHECK(!run("insert into t values (3)"));  // a new life
        CHECK(!cluster.all<Execute>().back().retry);
    }
    SECTION("lost during a statement") {
        lose_at("insert into t values (2)", plain);
        const auto error = run("insert into t values (2)");
        REQUIRE(error);
        CHECK(error->mysql_code == 1213);
    }
    SECTION("COMMIT never sent") {
        cluster.lose();
        CHECK(run("commit")->mysql_code == 1213);
    }
    SECTION("COMMIT is asked for under its name") {
        lose_at("commit", [](FakeCluster& c, const Execute& e) { c.answer(e, std::nullopt, TxnId{Epoch{2}, 6}); });
        CHECK(!run("commit"));
        CHECK(cluster.all<Execute>().back().retry);
    }
    SECTION("COMMIT repeated on a node that has nothing to commit proves nothing") {
        lose_at("commit", plain);
        const auto error = run("commit");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::unknown_outcome);
    }
    SECTION("ROLLBACK is what the loss did") {
        lose_at("rollback", plain);
        CHECK(!run("rollback"));
    }
    SECTION("DDL may have committed it") {
        lose_at("create table x (a int)", plain);
        CHECK(run("create table x (a int)")->code == ErrorCode::unknown_outcome);
    }
}
