#include <stdlib.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "client/discovery.hpp"
#include "client/options.hpp"
#include "client/shell_editor.hpp"
#include "tests/unit/temporary_dir.hpp"

using namespace ddb;
using namespace ddb::client;
namespace fs = std::filesystem;

namespace {

Environment with(std::map<std::string, std::string> values) {
    return [values = std::move(values)](const char* name) {
        const auto found = values.find(name);
        return found == values.end() ? std::string() : found->second;
    };
}

Options parse(const std::vector<std::string>& arguments, const Environment& environment = with({})) {
    const auto options = parse_options(arguments, environment);
    INFO((options.ok() ? std::string() : options.error().message));
    REQUIRE(options.ok());
    return *options;
}

bool refused(const std::vector<std::string>& arguments) {
    return !parse_options(arguments, with({})).ok();
}

struct Directory : ddb::test::TemporaryDir {
    std::string write(const std::string& name, const std::string& text, int age_s = 0) const {
        const std::string file = path() + "/" + name;
        fs::create_directories(fs::path(file).parent_path());
        std::ofstream(file) << text;
        fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::seconds(age_s));
        return file;
    }
};

}  // namespace

TEST_CASE("the command line") {
    const Options o = parse({"-h",
                             "db1",
                             "-P",
                             "7000",
                             "--nodes",
                             "a:1, b",
                             "-u",
                             "me",
                             "-D",
                             "shop",
                             "-e",
                             "select 1",
                             "-e",
                             "-- x\nselect 2",
                             "--format",
                             "json",
                             "--consistency",
                             "local",
                             "--read-balance",
                             "least_loaded",
                             "--write-concern",
                             "all",
                             "--timeout",
                             "2.5",
                             "-N"});
    CHECK(o.nodes == std::vector<std::string>{"db1:7000", "a:1", "b:7000"});
    CHECK(o.execute == std::vector<std::string>{"select 1", "-- x\nselect 2"});
    CHECK(o.format == Format::json);
    CHECK(o.consistency == Consistency::local);
    CHECK(o.read_balance == ReadBalance::least_loaded);
    CHECK_FALSE(parse({}).read_balance);
    CHECK(o.write_concern == WriteConcern::all);
    CHECK(o.timeout_ms == 2500);
    CHECK(o.skip_column_names);
    CHECK(o.user == "me");
    CHECK(!parse({}).user.empty());
    CHECK(parse({"-h", "db1:7001"}).nodes == std::vector<std::string>{"db1:7001"});
    CHECK(parse({"-hdb1", "-P7000"}).nodes == std::vector<std::string>{"db1:7000"});
    CHECK(parse({"--help"}).print_and_exit.find("--consistency") != std::string::npos);
}

TEST_CASE("passwords are attached or asked for") {
    CHECK(parse({"-psecret"}).password == "secret");
    CHECK(parse({"--password=x y"}).password == "x y");
    CHECK(parse({}, with({{"DDB_PASSWORD", "env"}})).password == "env");
    CHECK(parse({"-pmine"}, with({{"DDB_PASSWORD", "env"}})).password == "mine");
    const Options o = parse({"-p", "status"});
    CHECK(o.ask_password);
    CHECK(o.verb == "status");
    CHECK(parse({"-e", "-p"}).execute == std::vector<std::string>{"-p"});
}

TEST_CASE("verbs") {
    CHECK(parse({"txn", "TXN-7-12", "--format", "csv"}).verb_arguments == std::vector<std::string>{"TXN-7-12"});
    CHECK(parse({"txn", "REQ-00112233445566778899aabbccddeeff-3"}).verb == "txn");
    CHECK(refused({"txn"}));
    CHECK(refused({"txn", "7"}));
    CHECK(parse({"remove", "7"}).verb_arguments == std::vector<std::string>{"7"});
    CHECK(refused({"remove", "abc"}));
    CHECK(refused({"remove", "0"}));
    CHECK(refused({"status", "x"}));
    CHECK(refused({"reboot"}));
    CHECK(parse({"--watch", "status"}).watch);
    CHECK(parse({"-w", "health"}).watch);
    CHECK(refused({"--watch", "step-down"}));
    CHECK(refused({"--watch"}));
    CHECK(refused({"status", "-e", "select 1"}));
}

TEST_CASE("bad usage is refused in words") {
    CHECK(refused({"--format", "xml"}));
    CHECK(refused({"--consistency", "weak"}));
    CHECK(refused({"--write-concern", "none"}));
    CHECK(refused({"--read-balance", "fair"}));
    CHECK(refused({"--read-balance"}));
    CHECK(refused({"--timeout", "0"}));
    CHECK(refused({"--timeout", "-1"}));
    CHECK(refused({"--timeout", "soon"}));
    CHECK(refused({"--timeout", "nan"}));
    CHECK(refused({"-P", "0"}));
    CHECK(refused({"-P", "70000"}));
    CHECK(refused({"-h", "a:b"}));
    CHECK(refused({"--nodes", "a:0"}));
    CHECK(refused({"--what"}));
    CHECK(refused({"-h"}));
    CHECK(!parse_options({}, with({{"DDB_DISCOVERY_PORT", "x"}})).ok());
}

TEST_CASE("exit statuses") {
    CHECK(exit_status(fail(ErrorCode::sql, "")) == Exit::sql_error);
    CHECK(exit_status(fail(ErrorCode::no_quorum, "")) == Exit::nothing_happened);
    CHECK(exit_status(fail(ErrorCode::timeout, "")) == Exit::nothing_happened);
    CHECK(exit_status(fail(ErrorCode::unknown_outcome, "")) == Exit::unknown);
    CHECK(exit_status(fail(ErrorCode::too_old, "")) == Exit::unknown);
}

TEST_CASE("known clusters") {
    const Directory dir;
    const std::string key = dir.write("keys/client.key", "{}");
    const Environment environment = with({{"XDG_CONFIG_HOME", dir.path()}});
    const auto cluster = [&](const std::string& name, const std::string& node, int age_s, const std::string& key_file) {
        dir.write("ddb/clusters/" + name + ".json",
                  R"({"name":")" + name + R"(","client_key":")" + key_file + R"(","nodes":[")" + node +
                      R"("],"discovery_port":6200})",
                  age_s);
    };
    cluster("old", "127.0.0.1:6000", 100, key);
    cluster("new", "127.0.0.1:6000", 10, key);
    cluster("elsewhere", "127.0.0.9:6000", 1, key);
    cluster("gone", "127.0.0.1:6000", 1, dir.path() + "/no.key");
    dir.write("ddb/clusters/broken.json", "{");
    const auto known = known_clusters(environment);
    REQUIRE(known.size() == 3);
    CHECK(known[0].name == "elsewhere");

    auto candidates = find_candidates(parse({"-h", "127.0.0.1"}), environment);
    REQUIRE(candidates.ok());
    REQUIRE(candidates->size() == 2);
    CHECK((*candidates)[0].cluster == "new");
    CHECK((*candidates)[0].nodes == std::vector<std::string>{"127.0.0.1:6000"});
    CHECK((*candidates)[0].discovery_port == 6200);

    candidates = find_candidates(parse({}), environment);
    REQUIRE(candidates.ok());
    CHECK(candidates->size() == 3);

    candidates = find_candidates(parse({"--cluster", "old"}), environment);
    REQUIRE(candidates.ok());
    CHECK(candidates->size() == 1);

    candidates = find_candidates(parse({"-h", "x", "--key", key, "--discovery-port", "6300"}), environment);
    REQUIRE(candidates.ok());
    CHECK((*candidates)[0].key_file == key);
    CHECK((*candidates)[0].nodes == std::vector<std::string>{"x:6000"});
    CHECK((*candidates)[0].discovery_port == 6300);

    candidates = find_candidates(parse({}), with({{"DDB_KEY_DIR", "/k"}}));
    REQUIRE(candidates.ok());
    CHECK((*candidates)[0].key_file == "/k/client.key");
    CHECK(find_candidates(parse({"--insecure"}), environment)->at(0).key_file.empty());
    CHECK(!parse_known_cluster("[]"));
    CHECK(!parse_known_cluster(R"({"nodes":[]})"));
}

TEST_CASE("a missing or damaged key is an error that names the file") {
    const Directory dir;
    const auto target = find_target(parse({"-h", "x", "--key", dir.path() + "/none.key"}), with({}));
    REQUIRE(!target.ok());
    CHECK(target.error().message.find("none.key") != std::string::npos);
}

TEST_CASE("credentials stay out of the history") {
    CHECK(may_be_remembered("select 1"));
    CHECK(!may_be_remembered("CREATE USER u IDENTIFIED BY 'x'"));
    CHECK(!may_be_remembered("set password = 'x'"));
}
