// The simulator must find each mistake planted into the core (node/core/planted.hpp) within the given seeds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "node/core/planted.hpp"
#include "tests/simulator/world.hpp"

namespace ddb::core {
Bug planted_bug = Bug::none;
}  // namespace ddb::core

int main(int argc, char** argv) {
    using ddb::core::Bug;
    const std::map<std::string, Bug> bugs{{"vote_before_sync", Bug::vote_before_sync},
                                          {"grant_twice", Bug::grant_twice},
                                          {"ignore_rank", Bug::ignore_rank},
                                          {"decide_older_epoch", Bug::decide_older_epoch},
                                          {"forget_epoch", Bug::forget_epoch},
                                          {"apply_undecided", Bug::apply_undecided},
                                          {"wiped_node_votes", Bug::wiped_node_votes},
                                          {"execute_twice", Bug::execute_twice},
                                          {"absent_unconfirmed", Bug::absent_unconfirmed},
                                          {"read_unconfirmed", Bug::read_unconfirmed},
                                          {"question_always_confirms", Bug::question_always_confirms}};
    ddb::simulator::Options options;
    std::uint64_t first = 1, seeds = 2000;
    std::string name;
    CLI::App app("Fails unless the simulator finds the planted bug.");
    app.add_option("--bug", name, "which one")->required()->check(CLI::IsMember(bugs));
    app.add_option("--first", first, "first seed")->capture_default_str();
    app.add_option("--seeds", seeds, "how many at most")->capture_default_str();
    app.add_option("--nodes", options.nodes, "nodes, 0 = chosen by the seed")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    ddb::core::planted_bug = bugs.at(name);
    for (options.seed = first; options.seed < first + seeds; ++options.seed) {
        try {
            (void)ddb::simulator::World(options).run();
        } catch (const ddb::simulator::Violation& violation) {
            std::printf("%s: found at the %lluth seed: %s\n", name.c_str(),
                        static_cast<unsigned long long>(options.seed - first + 1), violation.what());
            return 0;
        }
    }
    std::printf("%s: not found in %llu seeds\n", name.c_str(), static_cast<unsigned long long>(seeds));
    return 1;
}
