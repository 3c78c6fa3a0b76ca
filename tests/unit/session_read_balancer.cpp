// Whom reads go to, by the clock of the test and without any server.
#include <catch2/catch.hpp>

#include "node/session/read_balancer.hpp"

using namespace ddb;
using namespace ddb::session;

namespace {

struct Balanced {
    Balanced() {
        balancer.set_members(NodeId{1}, {NodeId{1}, NodeId{2}, NodeId{3}});
        at(1000);
        balancer.want();
        hear(2);
        hear(3);
    }
    void at(std::uint64_t now_ms) { balancer.tick(now = now_ms); }
    void hear(std::uint32_t node, std::uint32_t reads = 0, bool serves = true) {
        balancer.on_notice(NodeId{node}, LoadNotice{serves, reads});
    }
    std::string picks(int count, ReadBalance how = ReadBalance::round_robin, bool own = true) {
        std::string all;
        for (int i = 0; i < count; ++i) {
            const NodeId node = balancer.pick(how, own, [&](NodeId id) { return id == without; });
            all += std::to_string(node.value);
        }
        return all;
    }

    std::vector<NodeId> asked;
    ReadBalancer balancer{[this](NodeId node) { asked.push_back(node); }};
    std::uint64_t now = 0;
    NodeId without;
};

}  // namespace

TEST_CASE("in turn, among those that are in reach and serve") {
    Balanced b;
    CHECK(b.picks(6) == "123123");
    CHECK(b.picks(4, ReadBalance::round_robin, false) == "2323");
    b.hear(2, 0, false);
    CHECK(b.picks(4) == "1313");
    CHECK_FALSE(b.balancer.serves(NodeId{2}));
    b.hear(2);
    b.without = NodeId{3};
    CHECK(b.picks(4) == "1212");
    b.without = NodeId{};
    b.balancer.gone(NodeId{3});
    CHECK(b.picks(4) == "1212");
    b.at(b.now + ReadBalancer::failed_ms + 1);
    CHECK(b.picks(4) == "1212");  // it has not spoken again
    b.hear(3);
    CHECK(b.picks(3) == "312");
    b.balancer.set_members(NodeId{1}, {NodeId{1}, NodeId{3}});
    CHECK(b.picks(4) == "3131");
    b.hear(2);
    CHECK(b.picks(2) == "31");
}

TEST_CASE("who failed is left alone for a while, who is silent is lost") {
    Balanced b;
    b.balancer.failed(NodeId{2});
    b.at(b.now + ReadBalancer::failed_ms - 1);
    b.hear(2);
    b.hear(3);
    CHECK(b.picks(4) == "1313");
    b.at(b.now + 1);
    CHECK(b.picks(3) == "123");
    for (std::uint32_t i = 0; i < ReadBalancer::unanswered_max; ++i) {
        CHECK_FALSE(b.balancer.silent(NodeId{2}));
        b.at(b.now + ReadBalancer::ask_ms);
        b.hear(3);
    }
    CHECK(b.balancer.silent(NodeId{2}));
    CHECK_FALSE(b.balancer.silent(NodeId{3}));
    CHECK_FALSE(b.balancer.silent(NodeId{1}));
    CHECK(b.picks(4) == "1313");
    CHECK(b.picks(2, ReadBalance::round_robin, false) == "33");
    b.hear(3, 0, false);
    CHECK(b.picks(1, ReadBalance::round_robin, false) == "0");
}

TEST_CASE("nobody is asked unless somebody balances, and old answers are none") {
    Balanced b;
    const auto before = b.asked.size();
    CHECK(before == 2);
    b.at(b.now + ReadBalancer::wanted_ms - 1);
    CHECK(b.asked.size() == before + 2);
    b.at(b.now + 60'000);
    CHECK(b.asked.size() == before + 2);
    b.balancer.want();
    CHECK(b.asked.size() == before + 4);
    CHECK(b.picks(2) == "11");
    b.hear(2);
    CHECK(b.picks(2) == "21");
}

TEST_CASE("the least loaded, by what is known here and what the others say") {
    Balanced b;
    b.hear(2, 5);
    CHECK(b.picks(4, ReadBalance::least_loaded) == "1313");
    auto first = b.balancer.own_read(NodeId{3});
    CHECK(b.picks(2, ReadBalance::least_loaded) == "11");
    auto second = b.balancer.own_read(NodeId{1});
    auto third = b.balancer.own_read(NodeId{1});
    CHECK(b.picks(2, ReadBalance::least_loaded) == "33");
    third.reset();
    CHECK(b.picks(2, ReadBalance::least_loaded) == "13");
    b.balancer.set_back_statements(7);
    first.reset();
    CHECK(b.picks(2, ReadBalance::least_loaded) == "33");
    // What a node asked for itself it counts itself.
    auto guest = b.balancer.guest_read(NodeId{2});
    CHECK(b.balancer.load_without(NodeId{2}) == 8);
    CHECK(b.balancer.load_without(NodeId{3}) == 9);
    guest.reset();
    CHECK(b.balancer.load_without(NodeId{3}) == 8);
    CHECK(b.balancer.reads().at(NodeId{1}) == 2);
}
