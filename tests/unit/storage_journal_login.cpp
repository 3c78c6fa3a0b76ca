// Logging in with SHA1(password), which is what a client's answer to a challenge gives away.
#include <catch2/catch.hpp>
#include <future>

#include "node/storage/account_reader.hpp"
#include "node/storage/native_password.hpp"
#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

const std::string challenge = "abcdefghijABCDEFGHIJ";
// SHA1 of "secret".
const std::string sha1_of_secret = "\xe5\xe9\xfa\x1b\xa3\x1e\xcd\x1a\xe8\x4f\x75\xca\xaa\x47\x4f\x3a\x66\x3f\x05\xf4";

}  // namespace

TEST_CASE("SHA1 of a password comes out of the right answer only") {
    // SELECT PASSWORD('secret')
    const auto kept = kept_hash_of("*14E65567ABDB5135D0CFD9A70B3032C179A49EE7");
    REQUIRE(kept.has_value());
    const std::string token = native_token(sha1_of_secret, challenge);
    CHECK(recover_sha1(token, challenge, *kept) == sha1_of_secret);
    CHECK_FALSE(recover_sha1(token, "another challenge 12", *kept).has_value());
    CHECK_FALSE(recover_sha1(native_token(std::string(20, 'x'), challenge), challenge, *kept).has_value());
    CHECK_FALSE(recover_sha1("", challenge, *kept).has_value());
    for (const char* text : {"", "*", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE",
                             "14E65567ABDB5135D0CFD9A70B3032C179A49EE7", "*14E65567ABDB5135D0CFD9A70B3032C179A49EEX"}) {
        CHECK_FALSE(kept_hash_of(text).has_value());
    }
    CHECK(sha1_in_password(password_from_sha1(sha1_of_secret)) == sha1_of_secret);
    CHECK_FALSE(sha1_in_password("secret").has_value());
}

TEST_CASE("a server lets in who brings SHA1 of the password, and its accounts' hashes can be read") {
    TemporaryDir dir;
    const ManagedOptions options = small_server(dir.path() + "/mysql");
    auto server = ManagedServer::start(options, nullptr);
    REQUIRE(server.ok());
    const ConnectOptions service = service_account(**server, options);
    auto connection = Connection::open(service);
    REQUIRE(connection.ok());
    for (const char* sql : {"CREATE USER u@localhost IDENTIFIED BY 'other'", "CREATE USER u@'%' IDENTIFIED BY 'secret'",
                            "CREATE USER s@localhost IDENTIFIED BY 'secret'"}) {
        REQUIRE((*connection)->execute(sql).ok());
    }
    std::promise<AccountReader::Hashes> answer;
    {
        AccountReader reader([&](std::uint64_t token, AccountReader::Hashes hashes) {
            CHECK(token == 7);
            answer.set_value(std::move(hashes));
        });
        reader.ask(7, "u", service);
        auto hashes = answer.get_future().get();
        REQUIRE(hashes.ok());
        CHECK(hashes->size() == 2);
    }
    ConnectOptions user = service;
    user.user = "s";
    user.password = password_from_sha1(sha1_of_secret);
    auto as_user = Connection::open(user);
    if (!as_user.ok()) FAIL(as_user.error().message);
    CHECK(*(*as_user)->scalar("SELECT CURRENT_USER()") == "s@localhost");
    user.password = password_from_sha1(std::string(20, 'x'));
    auto refused = Connection::open(user);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().mysql_code == 1045);
    user.password = "secret";
    CHECK(Connection::open(user).ok());
}
