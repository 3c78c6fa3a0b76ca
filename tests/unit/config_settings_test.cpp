#define CATCH_CONFIG_MAIN
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/settings.hpp"
#include "tests/unit/temporary_dir.hpp"

using namespace ddb;
using config::load_settings;
using config::parse_settings;
using config::Settings;

namespace {

const std::string minimal = R"({"node": {"id": 1}})";

Result<Settings> parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return parse_settings(text, "/base", overrides);
}
Result<Settings> with(const std::string& override) {
    return parse(minimal, {override});
}

std::string error_of(const Result<Settings>& settings) {
    REQUIRE_FALSE(settings.ok());
    CHECK(settings.error().code == ErrorCode::invalid_argument);
    return settings.error().message;
}

struct Directory : ddb::test::TemporaryDir {
    [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path() + "/" + name) << text;
        return path() + "/" + name;
    }
};

}  // namespace

TEST_CASE("defaults are as documented") {
    const auto settings = parse(minimal);
    REQUIRE(settings.ok());
    CHECK(settings->cluster.name == "ddb");
    CHECK(settings->cluster.expect == 3);
    CHECK(settings->cluster.key_dir == "/base/keys");
    CHECK(settings->node.id == NodeId{1});
    CHECK(settings->node.address == "auto");
    CHECK(settings->node.port == 6000);
    CHECK(settings->node.data_dir == "/base/data/node-1");
    CHECK(settings->discovery.beacon);
    CHECK(settings->discovery.port == 6100);
    CHECK(settings->mysql.managed);
    CHECK(settings->timing.heartbeat_ms == 100);
    CHECK(settings->timing.election_ms == 600);
    CHECK(settings->timing.transaction_ms == 30'000);
    CHECK(settings->timing.lock_wait_ms == 30'000);
    CHECK_FALSE(settings->security.insecure);
    CHECK(settings->gateway_port == 6002);
    CHECK(settings->http_port == 6003);
    CHECK(parse(minimal, {"node.port=7000"})->gateway_port == 7002);
    CHECK(parse(minimal, {"gateway.port=0", "http.port=0"})->http_port == 0);
    CHECK(parse(minimal, {"mysql.mode=external"})->mysql.port == 3306);
    CHECK(parse(minimal, {"mysql.mode=external", "mysql.socket=/run/m.sock"})->mysql.port == 0);
}

TEST_CASE("comments are allowed and files are found beside the configuration") {
    const Directory dir;
    (void)dir.write("secret", "pass word\n");
    const std::string file = dir.write("config.json", R"(// a node
{"node": {"id": 2 /* of three */, "data_dir": "d"}, "mysql": {"password_file": "secret"}, "log": {"file": "../x.log"}})");
    const auto settings = load_settings(file, {"node.id=7"});
    REQUIRE(settings.ok());
    CHECK(settings->node.id == NodeId{7});
    CHECK(settings->node.data_dir == dir.path() + "/d");
    CHECK(settings->mysql.password == "pass word");
    CHECK(settings->log.file == "/tmp/x.log");
    CHECK(config::effective_json(*settings).find("pass word") == std::string::npos);
}

TEST_CASE("certificate and key of the gateway are files that can be read") {
    const Directory dir;
    (void)dir.write("cert.pem", "x");
    const std::string file =
        dir.write("config.json", R"({"node": {"id": 1}, "gateway": {"tls_cert": "cert.pem", "tls_key": "key.pem"}})");
    const std::string error = error_of(load_settings(file, {}));
    CHECK(error.find("gateway.tls_key: found " + dir.path() + "/key.pem: No such file") != std::string::npos);
    CHECK(error.find("expected a readable PEM file") != std::string::npos);
    (void)dir.write("key.pem", "y");
    const auto settings = load_settings(file, {"gateway.tls_required=true"});
    REQUIRE(settings.ok());
    CHECK(settings->gateway_tls.cert == dir.path() + "/cert.pem");
    CHECK(settings->gateway_tls.key == dir.path() + "/key.pem");
    CHECK(settings->gateway_tls.required);
}

TEST_CASE("environment variables are substituted in texts") {
    ::setenv("DDB_TEST_NAME", "north", 1);
    ::unsetenv("DDB_TEST_MISSING");
    CHECK(with("cluster.name=${DDB_TEST_NAME}-1")->cluster.name == "north-1");
    CHECK(with("node.data_dir=/x/$${A}")->node.data_dir == "/x/${A}");
    CHECK(with("discovery.peers=[\"${DDB_TEST_NAME}:1\"]")->discovery.peers.front() == "north:1");
    CHECK(error_of(with("cluster.name=${DDB_TEST_MISSING}")) ==
          "cluster.name: the environment variable DDB_TEST_MISSING is not set");
    CHECK(error_of(with("cluster.name=${oops")).find("expected ${NAME}") != std::string::npos);
}

TEST_CASE("unknown keys are refused with the nearest one") {
    CHECK(error_of(with("node.prot=1")) == "node.prot: unknown key (did you mean node.port?); found 1");
    CHECK(error_of(parse(R"({"nod": {"id": 1}})")).find("did you mean node?") != std::string::npos);
    CHECK(error_of(parse(R"({"port": 1})")).find("did you mean node.port?") != std::string::npos);
    CHECK(error_of(parse(R"({"node": {"id": 1, "zzzzzzzz": 1}})")) == "node.zzzzzzzz: unknown key; found 1");
    CHECK(error_of(with("node=1")).find("section") != std::string::npos);
    CHECK(error_of(with("nonsense")).find("expected key=value") != std::string::npos);
}

TEST_CASE("wrong types and impossible values name path, found and expected") {
    struct Case {
        const char* override;
        const char* expected;
    };
    for (const Case& one : {
             Case{"node.id=0", "node.id: found 0, expected a whole number from 1 to 65535"},
             Case{"node.id=65536", "found 65536, expected a whole number from 1 to 65535"},
             Case{"node.id=1.5", "found 1.5"},
             Case{"node.id=abc", "found the string \"abc\""},
             Case{"node.port=-1", "node.port: found -1"},
             Case{"node.address=0.0.0.0", "node.address: found the string \"0.0.0.0\", expected \"auto\" or"},
             Case{"node.address=example", "node.address"},
             Case{"cluster.name=a b", "cluster.name"},
             Case{"cluster.name=", "cluster.name"},
             Case{"cluster.expect=0", "cluster.expect"},
             Case{"discovery.beacon=1", "found 1, expected true or false"},
             Case{"discovery.multicast=10.0.0.1", "multicast group"},
             Case{"discovery.peers=[\"a\"]", "discovery.peers: found the list [\"a\"], expected"},
             Case{"discovery.peers=[\"a b:1\"]", "discovery.peers"},
             Case{"discovery.peers=[[[\"x:1\"]]]", "discovery.peers"},
             Case{"mysql.mode=both", "expected one of \"managed\", \"external\""},
             Case{"security.checksum=md5", "expected one of \"blake2b\", \"sha256\""},
             Case{"reads.balance=fair", "expected one of \"off\", \"round_robin\", \"least_loaded\""},
             Case{"security.insecure=yes", "expected true or false"},
             Case{"log.level=loud", "log.level"},
             Case{"timing.heartbeat_ms=300", "timing.heartbeat_ms: found 300, expected less than half"},
             Case{"gateway.port=6000", "gateway.port: found 6000, expected a port other than that of node.port"},
             Case{"http.port=6001", "http.port: found 6001"},
             Case{"gateway.port=6003", "http.port: found 6003"},
             Case{"mysql.password_file=/nonexistent", "mysql.password_file: /nonexistent: No such file"},
             Case{"mysql.password_file=/dev/zero", "not a regular file"},
             Case{"gateway.tls_required=1", "gateway.tls_required: found 1, expected true or false"},
             Case{"gateway.tls_cert=/dev/null", "gateway.tls_key: missing, expected the path of a PEM file"},
             Case{"gateway.tls_key=/dev/null", "gateway.tls_cert: missing, expected the path of a PEM file"},
             Case{"discovery.beacon=false", "discovery.peers: empty"},
         }) {
        INFO(one.override);
        const std::string error = error_of(with(one.override));
        INFO(error);
        CHECK(error.find(one.expected) != std::string::npos);
    }
    CHECK(error_of(parse("{}")).find("node.id: missing") == 0);
}

TEST_CASE("reads are balanced as told") {
    CHECK(with("node.id=1")->reads.balance == ReadBalance::off);
    const auto settings = with("reads.balance=least_loaded");
    CHECK(settings->reads.balance == ReadBalance::least_loaded);
    CHECK(config::effective_json(*settings).find("least_loaded") != std::string::npos);
}

TEST_CASE("broken files are refused") {
    CHECK(error_of(parse("")).find("not valid JSON") == 0);
    CHECK(error_of(parse("{\"node\": {\"id\": 1}")).find("line 1") != std::string::npos);
    CHECK(error_of(parse("[]")).find("expected an object") != std::string::npos);
    CHECK(error_of(parse(R"({"node": 5})")) == "node: found 5, expected an object");
    CHECK(error_of(parse(R"({"node": {"id": 1, "id": 2}})")).find("found twice") != std::string::npos);
    CHECK(error_of(parse(R"({"node": {"id": {"id": 2}}})")).find("found an object") != std::string::npos);
    CHECK_FALSE(load_settings("/nonexistent/config.json", {}).ok());
    CHECK_FALSE(load_settings("/tmp", {}).ok());
    CHECK_FALSE(load_settings("/dev/zero", {}).ok());
}

TEST_CASE("the samples are valid and the effective settings can be loaded again") {
    for (const char* name : {"config.json", "loopback.json", "three-hosts.json"}) {
        INFO(name);
        const auto settings = load_settings(std::string(DDB_CONFIG_SAMPLES) + "/" + name, {});
        REQUIRE(settings.ok());
        const std::string effective = config::effective_json(*settings);
        const auto again = parse(effective);
        REQUIRE(again.ok());
        CHECK(config::effective_json(*again) == effective);
    }
    const auto sample = load_settings(std::string(DDB_CONFIG_SAMPLES) + "/config.json", {});
    auto plain = parse_settings(minimal, DDB_CONFIG_SAMPLES, {});
    REQUIRE(plain.ok());
    CHECK(config::effective_json(*sample) == config::effective_json(*plain));
}
