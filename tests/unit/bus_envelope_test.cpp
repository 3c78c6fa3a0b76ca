#include <catch2/catch.hpp>

#include "bus/envelope.hpp"

using namespace ddb;
using namespace ddb::bus;

namespace {

Envelope sample(std::string_view payload) {
    Envelope e;
    e.cluster = "north";
    e.kind = MessageKind::prepare;
    e.sender = {NodeId{3}, Incarnation{UINT64_MAX}};
    e.boot = BootNumber{4};
    e.boot_nonce = 5;
    e.epoch = Epoch{6};
    e.lamport = LamportTime{7};
    e.sequence = 8;
    e.payload = payload;
    return e;
}
const Key key = {1, 2, 3};

}  // namespace

TEST_CASE("an envelope comes back as it was sealed") {
    for (const auto checksum : {ChecksumKind::blake2b, ChecksumKind::sha256}) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{300}, std::size_t{70'000}}) {
            const std::string payload(size, 'p');
            const std::string sealed = seal(sample(payload), checksum, key);
            const auto opened = open_sealed(sealed, "north", key);
            REQUIRE(opened.ok());
            CHECK(opened->cluster == "north");
            CHECK(opened->kind == MessageKind::prepare);
            CHECK(opened->sender == Voter{NodeId{3}, Incarnation{UINT64_MAX}});
            CHECK(opened->boot == BootNumber{4});
            CHECK(opened->boot_nonce == 5);
            CHECK(opened->epoch == Epoch{6});
            CHECK(opened->lamport == LamportTime{7});
            CHECK(opened->sequence == 8);
            CHECK(opened->payload == payload);
            // A view into the sealed bytes, not a copy.
            CHECK(opened->payload.data() > sealed.data());
            CHECK(opened->payload.data() < sealed.data() + sealed.size());
        }
    }
}

TEST_CASE("every damaged or missing byte is noticed") {
    const std::string sealed = seal(sample("payload"), ChecksumKind::blake2b, key);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        for (const unsigned bit : {0U, 3U, 7U}) {
            std::string damaged = sealed;
            damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ (1U << bit));
            REQUIRE_FALSE(open_sealed(damaged, "north", key).ok());
        }
        REQUIRE_FALSE(open_sealed(std::string_view(sealed).substr(0, i), "north", key).ok());
    }
    CHECK_FALSE(open_sealed(sealed + "x", "north", key).ok());
    Key other = key;
    other[31] = 1;
    CHECK(open_sealed(sealed, "north", other).error().message == "envelope has a wrong checksum");
}

TEST_CASE("newer versions are refused politely, also when the rest is unreadable") {
    Envelope newer = sample("x");
    newer.version = wire_version + 1;
    const auto opened = open_sealed(seal(newer, ChecksumKind::blake2b, key), "north", key);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == ErrorCode::refused);
    CHECK(opened.error().message == "message of version 2, this program speaks up to version 1");
    CHECK(open_sealed("\x91\x09" + std::string(64, 'z'), "north", key).error().code == ErrorCode::refused);
}

TEST_CASE("other clusters are refused, unnamed ones only where allowed") {
    const std::string sealed = seal(sample("x"), ChecksumKind::blake2b, key);
    const auto other = open_sealed(sealed, "south", key);
    REQUIRE_FALSE(other.ok());
    CHECK(other.error().code == ErrorCode::refused);
    CHECK(other.error().message == "message of cluster \"north\", this is \"south\"");
    CHECK(open_sealed(sealed, "", key).ok());
    Envelope unnamed = sample("x");
    unnamed.cluster.clear();
    const std::string nameless = seal(unnamed, ChecksumKind::blake2b, key);
    CHECK_FALSE(open_sealed(nameless, "south", key).ok());
    CHECK(open_sealed(nameless, "south", key, true).ok());
}
