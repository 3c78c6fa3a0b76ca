// ddb-node: command line of the daemon.
#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bus/keys.hpp"
#include "config/settings.hpp"
#include "node/daemon.hpp"
#include "node/storage/failpoint.hpp"

namespace {

int report(const ddb::Error& error, int exit_code) {
    std::fprintf(stderr, "ddb-node: %s\n", error.message.c_str());
    return exit_code;
}

constexpr int exit_usage = 2;
constexpr int exit_failed = 1;

// Entries and results of megabytes come and go: what is freed goes back to the system at once, and threads do not each
// keep a heap of their own.
void set_up_memory() {
    constexpr int mapped_bytes_min = 1 << 20, kept_bytes_max = 8 << 20, heaps_max = 4;
    mallopt(M_MMAP_THRESHOLD, mapped_bytes_min);
    mallopt(M_TRIM_THRESHOLD, kept_bytes_max);
    mallopt(M_ARENA_MAX, heaps_max);
}

// A thread of the node that is woken lets the one that runs go on until it waits or its turn is over: the node then
// finds several messages where it would have been woken for each. What it starts (servers, dump programs) runs as
// usual. Without the right to it, or under another policy of the administrator's, everything stays as it is.
void set_up_scheduling() {
    const sched_param none{};
    if (::sched_getscheduler(0) == SCHED_OTHER) (void)::sched_setscheduler(0, SCHED_BATCH, &none);
}

// A client takes up to four descriptors here, which is more than the usual limit of 1024 has for 500. That one is meant
// for programs that use select(); what the administrator permits is the hard limit, of which database servers, that
// inherit ours, make a table in memory.
void set_up_descriptors() {
    constexpr rlim_t enough = 65'536;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= enough) return;
    limit.rlim_cur = std::min(limit.rlim_max, enough);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
    set_up_memory();
    set_up_scheduling();
    set_up_descriptors();
    CLI::App app{"ddb-node: keeps this host's database server consistent with the cluster", "ddb-node"};
    app.set_version_flag("--version", std::string(ddb::node::version));
    std::string config_file;
    std::uint32_t node_id = 0;
    std::vector<std::string> overrides;
    bool check_only = false;
    app.add_option("--config", config_file, "configuration file (JSON)");
    app.add_option("--node-id", node_id, "same as --set node.id=N");
    app.add_option("--set", overrides, "key=value, applied after the file")->take_all();
    app.add_flag("--check-config", check_only, "print the effective settings as JSON and exit");

    auto* keygen = app.add_subcommand("keygen", "write the cluster's keys");
    std::string key_dir;
    keygen->add_option("--out", key_dir, "directory for cluster.key and client.key")->required();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }

    if (keygen->parsed()) {
        if (auto status = ddb::bus::generate_keys(key_dir); !status) return report(status.error(), exit_failed);
        std::printf("%s/cluster.key  for the nodes (keep secret)\n%s/client.key   for clients\n", key_dir.c_str(),
                    key_dir.c_str());
        return 0;
    }
    if (config_file.empty()) {
        return report(ddb::fail(ddb::ErrorCode::invalid_argument, "--config FILE is missing (see --help)"), exit_usage);
    }
    if (node_id != 0) overrides.push_back("node.id=" + std::to_string(node_id));
    auto settings = ddb::config::load_settings(config_file, overrides);
    if (!settings) return report(settings.error(), exit_usage);
    if (auto armed = ddb::storage::arm_failpoint(settings->debug.failpoint); !armed) {
        return report(armed.error(), exit_usage);
    }
    if (check_only) {
        std::printf("%s\n", ddb::config::effective_json(*settings).c_str());
        return 0;
    }
    auto status = ddb::node::run(*settings);
    if (!status) return report(status.error(), exit_failed);
    return 0;
}
