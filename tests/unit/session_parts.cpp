// Read barrier, executors, streaming with credit.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <latch>

#include "node/session/executor_pool.hpp"
#include "node/session/read_barrier.hpp"
#include "node/session/results.hpp"

using namespace ddb;
using namespace ddb::session;

TEST_CASE("strong reads share a question and wait for the applied index") {
    std::vector<ReadToken> asked;
    ReadBarrier barrier([&](ReadToken token) { asked.push_back(token); });
    int passed = 0;
    const auto pass = [&](LogIndex) { ++passed; };
    barrier.on_applied(LogIndex{5});
    barrier.wait(Consistency::local, LogIndex{99}, pass);
    CHECK(passed == 1);
    barrier.wait(Consistency::session, LogIndex{5}, pass);
    CHECK(passed == 2);
    barrier.wait(Consistency::session, LogIndex{6}, pass);
    barrier.wait(Consistency::strong, LogIndex{}, pass);
    barrier.wait(Consistency::strong, LogIndex{}, pass);
    const auto cancelled = barrier.wait(Consistency::strong, LogIndex{}, pass);
    CHECK(asked.size() == 1);
    barrier.on_read_index({asked[0], true, LogIndex{5}}, 1);
    CHECK(passed == 3);
    REQUIRE(asked.size() == 2);  // the two that came later
    barrier.cancel(cancelled);
    barrier.on_read_index({asked[1], true, LogIndex{7}}, 1);
    CHECK(passed == 3);
    barrier.on_applied(LogIndex{6});
    CHECK(passed == 4);
    barrier.on_applied(LogIndex{7});
    CHECK(passed == 5);
}

TEST_CASE("refused and lost questions are asked again") {
    std::vector<ReadToken> asked;
    ReadBarrier barrier([&](ReadToken token) { asked.push_back(token); });
    int passed = 0;
    barrier.wait(Consistency::strong, LogIndex{}, [&](LogIndex) { ++passed; });
    barrier.on_read_index({asked[0], false, LogIndex{}}, 1);
    barrier.tick(11);
    REQUIRE(asked.size() == 2);
    barrier.tick(100);
    CHECK(asked.size() == 2);
    barrier.tick(500);
    REQUIRE(asked.size() == 3);
    CHECK(asked[1] < asked[2]);
    barrier.on_read_index({asked[1], true, LogIndex{}}, 501);
    CHECK(passed == 1);
}

TEST_CASE("definitions hold reads up, but not those of open transactions") {
    ReadBarrier barrier([](ReadToken) {});
    int passed = 0;
    barrier.hold();
    barrier.wait(Consistency::session, LogIndex{}, [&](LogIndex) { ++passed; });
    CHECK(passed == 0);
    barrier.wait(
        Consistency::session, LogIndex{}, [&](LogIndex) { ++passed; }, true);
    CHECK(passed == 1);
    barrier.release();
    CHECK(passed == 2);
}

TEST_CASE("executors grow while all are busy and are reused afterwards") {
    ExecutorPool pool(8);
    std::latch all_running(5);
    std::atomic<int> done{0};
    for (int i = 0; i < 5; ++i) {
        pool.run(Task([&] {
            all_running.arrive_and_wait();
            ++done;
        }));
    }
    while (done.load() < 5) std::this_thread::yield();
    CHECK(pool.threads() == 5);
    for (int i = 0; i < 1000; ++i) pool.run(Task([&] { ++done; }));
    while (done.load() < 1005) std::this_thread::yield();
    CHECK(pool.threads() <= 8);
}

TEST_CASE("a stream never has more than its credit in flight") {
    std::atomic<std::size_t> delivered{0};
    const auto count = [&](const std::vector<SessionMessage>& messages) {
        for (const auto& message : messages) delivered += size_of_rows(message);
    };
    CreditStream stream(1000, count);
    std::atomic<bool> failed{false};
    std::jthread reader([&] {
        for (int i = 0; i < 100; ++i) {
            ResultRows rows;
            rows.rows.assign(400, 'x');
            if (!stream.take(std::move(rows), 400)) failed = true;
        }
        count(stream.release());
    });
    std::size_t granted = 1000;
    while (delivered < 40'000) {
        const std::size_t now = delivered;
        CHECK(now <= granted);
        if (granted - now < 400) {
            granted += 400;
            stream.add_credit(400);
        }
        std::this_thread::yield();
    }
    reader.join();
    CHECK(!failed);
    stream.cancel();
    CHECK(!stream.take(ResultRows{}, 1));
}

TEST_CASE("a row larger than all credit goes out alone") {
    std::size_t delivered = 0;
    const auto count = [&](const std::vector<SessionMessage>& messages) {
        for (const auto& message : messages) delivered += size_of_rows(message);
    };
    CreditStream stream(1000, count);
    ResultRows rows;
    rows.rows.assign(5000, 'x');
    CHECK(stream.take(std::move(rows), 5000).ok());
    count(stream.release());
    CHECK(delivered == 5000);
}

TEST_CASE("what is small waits for the statement's end, and for nothing else") {
    std::vector<std::vector<SessionMessage>> delivered;
    CreditStream stream(1u << 20,
                        [&](std::vector<SessionMessage> messages) { delivered.push_back(std::move(messages)); });
    CHECK(stream.take(ResultHeader{}, 0).ok());
    CHECK(stream.take(ResultRows{}, 10).ok());
    CHECK(delivered.empty());
    CHECK(stream.take(ResultEnd{}, 0).ok());  // of a result that others follow
    REQUIRE(delivered.size() == 1);
    CHECK(delivered[0].size() == 3);
    CHECK(stream.take(ResultHeader{}, 0).ok());
    CHECK(stream.take(ResultRows{}, result_chunk_bytes).ok());
    REQUIRE(delivered.size() == 2);
    CHECK(delivered[1].size() == 2);
    CHECK(stream.take(ResultRows{}, 10).ok());
    CHECK(delivered.size() == 2);
    CHECK(stream.release().size() == 1);
    CHECK(stream.release().empty());
}
