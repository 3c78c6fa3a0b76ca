// The address a node gives itself, against a host with the interfaces that it has.
#include <arpa/inet.h>

#include <catch2/catch.hpp>

#include "node/own_address.hpp"

using ddb::node::own_address;

TEST_CASE("the own address is one of this host's, whatever the peers are") {
    const std::string alone = own_address({});
    in_addr parsed{};
    REQUIRE(::inet_pton(AF_INET, alone.c_str(), &parsed) == 1);
    // Itself, by whatever address, is no other host; nor is what has no address.
    CHECK(own_address({"127.0.0.1:6000", alone + ":6000", "localhost:6000", "host.invalid:6000", ""}) == alone);
    // A network that only the default route leads to.
    CHECK(own_address({"203.0.113.9:6000"}) == alone);
}
