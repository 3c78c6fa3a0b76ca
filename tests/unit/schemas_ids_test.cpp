#include <catch2/catch.hpp>

#include "schemas/ids.hpp"
#include "tests/unit/schemas_samples.hpp"

using namespace ddb;

TEST_CASE("transaction ids are written and read") {
    const TxnId txn{Epoch{7}, 123};
    CHECK(to_string(txn) == "TXN-7-123");
    TxnId parsed;
    REQUIRE(parse_txn_id("TXN-7-123", parsed));
    CHECK(parsed == txn);
    for (const char* bad : {"", "TXN-", "TXN-7", "TXN-7-", "TXN--7", "txn-7-1", "TXN-7-1x", "TXN-7-+1", " TXN-7-1",
                            "TXN-7-18446744073709551616", "TXN-7-1-1"}) {
        INFO(bad);
        CHECK_FALSE(parse_txn_id(bad, parsed));
        CHECK(parsed == txn);
    }
}

TEST_CASE("request names are written and read") {
    const std::string name = request_name(samples::session(), RequestNumber{42});
    CHECK(name == "REQ-f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff-42");
    SessionId session;
    RequestNumber request;
    REQUIRE(parse_request_name(name, session, request));
    CHECK(session == samples::session());
    CHECK(request == RequestNumber{42});
    for (const char* bad : {"", "REQ-", "REQ-f0-1", "REQ-f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff-",
                            "REQ-f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff42", "REQ-g0f1f2f3f4f5f6f7f8f9fafbfcfdfeff-1"}) {
        INFO(bad);
        CHECK_FALSE(parse_request_name(bad, session, request));
    }
}
