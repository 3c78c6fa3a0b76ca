// Many seeds, or one. A violated invariant ends the run with the seed and the command that repeats it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>

#include "tests/simulator/world.hpp"

namespace {

using ddb::simulator::Options;
using ddb::simulator::Summary;

void add(Summary& total, const Summary& one) {
    total.acknowledged += one.acknowledged;
    total.decided += one.decided;
    total.tenures += one.tenures;
    total.reads += one.reads;
    total.crashes += one.crashes;
    total.wipes += one.wipes;
    total.rebuilds += one.rebuilds;
    total.changes += one.changes;
    total.retries_decided += one.retries_decided;
    total.told_absent += one.told_absent;
    total.logs_cut += one.logs_cut;
    total.read_back += one.read_back;
    total.calm_ticks = std::max(total.calm_ticks, one.calm_ticks);
    total.calm_ticks_rebuilding = std::max(total.calm_ticks_rebuilding, one.calm_ticks_rebuilding);
}

void print(std::uint64_t seeds, const Summary& total) {
    const auto line = [](const char* what, std::uint64_t count) {
        std::printf("  %-34s %llu\n", what, static_cast<unsigned long long>(count));
    };
    std::printf("%llu seeds, no invariant violated\n", static_cast<unsigned long long>(seeds));
    line("entries decided", total.decided);
    line("requests acknowledged", total.acknowledged);
    line("  after the request was sent again", total.retries_decided);
    line("requests told absent", total.told_absent);
    line("strong reads", total.reads);
    line("tenures", total.tenures);
    line("crashes", total.crashes);
    line("journals lost", total.wipes);
    line("databases loaded from another node", total.rebuilds);
    line("members changed", total.changes);
    line("logs cut", total.logs_cut);
    line("times entries were read back", total.read_back);
    const auto rest = [](const char* what, std::uint64_t ticks, std::uint64_t allowed) {
        std::printf("  %-34s %llu of %llu ticks allowed\n", what, static_cast<unsigned long long>(ticks),
                    static_cast<unsigned long long>(allowed));
    };
    rest("slowest way to rest", total.calm_ticks, ddb::simulator::calm_ticks_max);
    rest("  with a node to be rebuilt", total.calm_ticks_rebuilding, ddb::simulator::calm_ticks_max_rebuilding);
}

std::string command(const char* program, const Options& options) {
    std::string text =
        std::string(program) + " --seed " + std::to_string(options.seed) + " --steps " + std::to_string(options.steps);
    if (options.nodes) text += " --nodes " + std::to_string(options.nodes);
    return text + " --trace";
}

// An assertion of the core ends the process; the seed must not be lost with it.
std::string on_abort;
void tell_seed(int) {
    if (write(STDOUT_FILENO, on_abort.data(), on_abort.size()) < 0) _exit(2);
}

// A run in which nothing happens proves nothing.
bool idle(const Summary& total) {
    return !total.acknowledged || !total.reads || !total.logs_cut || !total.read_back || !total.retries_decided ||
           !total.told_absent || !total.crashes || !total.wipes || !total.rebuilds || !total.changes;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    std::uint64_t seed = 0, first = 1, seeds = 500;
    bool trace = false;
    CLI::App app("Runs the protocol's core in a simulated cluster with faults and checks its invariants.");
    auto* one = app.add_option("--seed", seed, "run this seed only");
    app.add_option("--seeds", seeds, "how many seeds")->capture_default_str()->excludes(one);
    app.add_option("--first", first, "the first of them")->capture_default_str()->excludes(one);
    app.add_option("--steps", options.steps, "milliseconds with faults in each")->capture_default_str();
    app.add_option("--nodes", options.nodes, "nodes, 0 = chosen by the seed")->capture_default_str();
    app.add_flag("--trace", trace, "tell what happens");
    CLI11_PARSE(app, argc, argv);
    if (one->count() > 0) {
        first = seed;
        seeds = 1;
    }
    if (trace)
        options.story = [](std::uint64_t now_ms, const std::string& what) {
            std::printf("%6llu ms  %s\n", static_cast<unsigned long long>(now_ms), what.c_str());
        };
    Summary total;
    std::signal(SIGABRT, tell_seed);
    for (options.seed = first; options.seed < first + seeds; ++options.seed) {
        const std::string repeat = "repeat with: " + command(argv[0], options) + "\n";
        on_abort = "seed " + std::to_string(options.seed) + ": an assertion failed\n" + repeat;
        try {
            add(total, ddb::simulator::World(options).run());
        } catch (const std::exception& violation) {
            std::printf("seed %llu: %s\n%s", static_cast<unsigned long long>(options.seed), violation.what(),
                        repeat.c_str());
            return 1;
        }
    }
    print(seeds, total);
    if (seeds < 100 || !idle(total)) return 0;
    std::printf("but too little happened in them\n");
    return 1;
}
