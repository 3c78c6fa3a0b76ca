// The pace of a dump.
#include <catch2/catch.hpp>

#include "node/transfer_pace.hpp"

using namespace ddb::node;

TEST_CASE("a dump gives way on a busy host, down to a floor, and recovers") {
    TransferPace pace;
    CHECK(pace.next(std::nullopt, 1000) == TransferPace::unlimited);  // nothing is known
    CHECK(pace.next(0.5, 1000) == TransferPace::unlimited);
    CHECK(pace.next(0.01, 1) == TransferPace::unlimited);  // busy with the dump alone
    CHECK(pace.next(0.01, 1000) == TransferPace::fastest_bytes_per_s / 2);
    for (int i = 0; i < 20; ++i) pace.next(0.01, 1000);
    CHECK(pace.rate() == TransferPace::slowest_bytes_per_s);
    CHECK(pace.next(0.3, 1000) == TransferPace::slowest_bytes_per_s / 4 * 5);
    for (int i = 0; i < 20; ++i) pace.next(0.3, 1000);
    CHECK(pace.rate() == TransferPace::unlimited);
    for (int i = 0; i < 20; ++i) pace.next(0.01, 1000);
    CHECK(pace.next(0.01, 0) == TransferPace::unlimited);  // the others have stopped
}

TEST_CASE("idle time is read from the second call on") {
    IdleMeter meter;
    CHECK_FALSE(meter.read().has_value());
    std::optional<double> idle;
    for (int i = 0; i < 1'000'000 && !idle; ++i) idle = meter.read();  // the kernel counts in hundredths
    REQUIRE(idle.has_value());
    CHECK(*idle >= 0);
    CHECK(*idle <= 1);
}
