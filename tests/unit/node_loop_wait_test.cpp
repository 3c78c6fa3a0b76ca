#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "node/loop_wait.hpp"

using namespace ddb::node;
using namespace std::chrono_literals;

namespace {

struct Events {
    const int fd = ::eventfd(0, EFD_NONBLOCK);
    std::array<pollfd, 1> polled{pollfd{fd, POLLIN, 0}};
    ~Events() { ::close(fd); }
    void put() const { REQUIRE(::eventfd_write(fd, 1) == 0); }
    void take() const {
        eventfd_t value = 0;
        REQUIRE(::eventfd_read(fd, &value) == 0);
    }
};

}  // namespace

TEST_CASE("waiting tells what is ready, and ends with its time") {
    LoopWait wait;
    Events events;
    for (int round = 0; round < 200; ++round) {  // patient from the second one on
        events.put();
        wait(events.polled, 10'000);
        CHECK(events.polled[0].revents == POLLIN);
        events.take();
        wait(events.polled, 0);
        CHECK(events.polled[0].revents == 0);
    }
    const auto begin = std::chrono::steady_clock::now();
    wait(events.polled, 30);
    CHECK(std::chrono::steady_clock::now() - begin >= 29ms);
    CHECK(events.polled[0].revents == 0);
}

TEST_CASE("an event that comes late is not missed, and ends the patience") {
    LoopWait wait;
    Events events;
    events.put();
    wait(events.polled, 10'000);  // at once: now it looks before it sleeps
    events.take();
    for (int round = 0; round < 10; ++round) {
        std::thread later([&] {
            std::this_thread::sleep_for(2ms);
            events.put();
        });
        wait(events.polled, 10'000);
        CHECK(events.polled[0].revents == POLLIN);
        later.join();
        events.take();
    }
    CHECK(wait.patience() == 0us);
}

TEST_CASE("it looks before it sleeps for as long as that has met events, and no longer than some wake-ups take") {
    LoopWait wait;
    Events events;
    CHECK(wait.patience() == 0us);
    events.put();
    for (int round = 0; round < 10; ++round) wait(events.polled, 10'000);
    CHECK(wait.patience() > 0us);
    CHECK(wait.patience() <= 100us);
}
