#define CATCH_CONFIG_MAIN
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "bus/keys.hpp"
#include "tests/unit/temporary_dir.hpp"

using namespace ddb;
using namespace ddb::bus;

namespace {

void write(const std::string& file, const std::string& text, mode_t mode = 0600) {
    std::ofstream(file) << text;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("generated keys load on both sides and agree") {
    const ddb::test::TemporaryDir dir;
    const std::string keys_dir = dir.path() + "/keys";
    REQUIRE(generate_keys(keys_dir).ok());
    struct stat info {};
    REQUIRE(::stat((keys_dir + "/cluster.key").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600U);
    REQUIRE(::stat((keys_dir + "/client.key").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600U);
    const auto cluster = load_cluster_keys(keys_dir);
    REQUIRE(cluster.ok());
    const auto client = load_client_keys(keys_dir + "/client.key");
    REQUIRE(client.ok());
    CHECK(client->server_public == cluster->server().public_key);
    CHECK(client->client.public_key == cluster->client().public_key);
    CHECK(client->client.secret_key == cluster->client().secret_key);
    CHECK(client->envelope == cluster->client_envelope());
    CHECK(client->beacon == cluster->beacon());
    CHECK(cluster->service_password().size() == 48);

    const auto again = generate_keys(keys_dir);
    REQUIRE_FALSE(again.ok());
    CHECK(again.error().message.find("is there already") != std::string::npos);
}

TEST_CASE("every purpose and every node has a key of its own") {
    Key secret{};
    const ClusterKeys keys(secret);
    std::set<Key> all = {keys.server().secret_key, keys.client().secret_key, keys.peer_envelope(),
                         keys.client_envelope(), keys.beacon()};
    for (std::uint32_t id = 1; id <= 300; ++id) all.insert(keys.node(NodeId{id}).secret_key);
    CHECK(all.size() == 305);
    CHECK(keys.node(NodeId{7}).public_key == ClusterKeys(secret).node(NodeId{7}).public_key);
    secret[0] = 1;
    CHECK(keys.node(NodeId{7}).public_key != ClusterKeys(secret).node(NodeId{7}).public_key);
}

TEST_CASE("bad key files say what is wrong and what to do") {
    const ddb::test::TemporaryDir dir;
    const auto error_of = [](const auto& result) {
        REQUIRE_FALSE(result.ok());
        return result.error().message;
    };
    const std::string cluster = dir.path() + "/cluster.key";
    const std::string missing = error_of(load_cluster_keys(dir.path()));
    CHECK(missing.find(cluster) == 0);
    CHECK(missing.find("No such file") != std::string::npos);
    CHECK(missing.find("ddb-node keygen") != std::string::npos);

    write(cluster, std::string(64, 'a') + "\n");
    CHECK(load_cluster_keys(dir.path()).ok());
    write(cluster, std::string(64, 'a'), 0640);
    CHECK(error_of(load_cluster_keys(dir.path())).find("0600") != std::string::npos);
    write(cluster, std::string(63, 'a'));
    CHECK(error_of(load_cluster_keys(dir.path())).find("found 63 characters, expected 64") != std::string::npos);
    write(cluster, std::string(64, 'x'));
    CHECK_FALSE(load_cluster_keys(dir.path()).ok());
    write(cluster, std::string(100'000, 'a'));
    CHECK_FALSE(load_cluster_keys(dir.path()).ok());

    const std::string client = dir.path() + "/client.key";
    write(client, "{}");
    CHECK(error_of(load_client_keys(client)).find("\"server_public\" is missing") != std::string::npos);
    write(client, "no json");
    CHECK(error_of(load_client_keys(client)).find("not the JSON") != std::string::npos);
    CHECK(error_of(load_client_keys(dir.path())).find("not a regular file") != std::string::npos);
}
