// Verbs that change the cluster: what is asked of the core, and what a client hears, above all when no answer comes.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "node/verbs.hpp"

using namespace ddb;
using namespace ddb::node;
using nlohmann::json;

namespace {

constexpr std::uint64_t begin_ms = 1000;
const session::Origin client{NodeId{}, "route"};

// One node's verbs, with everything around them written down.
struct Bench {
    core::CoreStatus status;
    std::vector<core::Input> inputs;
    std::vector<VerbReply> replies;      // to clients
    std::vector<VerbRequest> passed_on;  // to peers
    std::set<std::string> dialled;
    std::string second_is_at;
    std::vector<std::uint64_t> audits;  // tokens
    Verbs verbs;

    explicit Bench(core::Role role) : verbs(context()) {
        status.role = role;
        status.coordinator = NodeId{role == core::Role::coordinator ? 1U : 2U};
        status.membership = Membership{};
        status.membership->members = {Member{{NodeId{1}, Incarnation{11}}, false, "127.0.0.1:6000"},
                                      Member{{NodeId{2}, Incarnation{12}}, true, "127.0.0.2:6000"}};
        core::PeerStatus peer;
        peer.id = NodeId{2};
        peer.address = "127.0.0.2:6000";
        peer.reachable = true;
        status.peers = {peer};
    }

    VerbContext context() {
        VerbContext made;
        made.status = [this]() -> const core::CoreStatus& { return status; };
        made.step = [this](core::Input input) { inputs.push_back(std::move(input)); };
        made.send = [this](const session::Origin& to, const SessionMessage& message) -> Status {
            if (const auto* reply = std::get_if<VerbReply>(&message)) replies.push_back(*reply);
            if (const auto* request = std::get_if<VerbRequest>(&message); request && to.peer)
                passed_on.push_back(*request);
            return ok();
        };
        made.dial = [this](const std::string& address) -> Status {
            dialled.insert(address);
            return ok();
        };
        made.dialled_at = [this](NodeId node) { return node == NodeId{2} ? second_is_at : std::string(); };
        made.fenced_reason = [] { return std::string(); };
        made.hang_up = [this](const std::string& address) { dialled.erase(address); };
        made.audit = [this](std::uint64_t token) { audits.push_back(token); };
        made.self = NodeId{1};
        made.address = "127.0.0.1:6000";
        return made;
    }

    void ask(const std::string& verb, std::vector<std::string> arguments) {
        verbs.on_request(client, VerbRequest{7, verb, std::move(arguments), 2000}, begin_ms);
    }
    [[nodiscard]] ErrorCode last_error() const { return replies.back().error->code; }
    [[nodiscard]] const core::ChangeMember& change() const { return std::get<core::ChangeMember>(inputs.back()); }
};

}  // namespace

TEST_CASE("add by id and remove ask the core and say what became of it") {
    Bench bench(core::Role::coordinator);
    bench.ask("add", {"4"});
    REQUIRE(bench.inputs.size() == 1);
    CHECK(bench.change().kind == core::ChangeMember::Kind::add);
    CHECK(bench.change().voter == Voter{NodeId{4}, Incarnation{}});
    CHECK(bench.replies.empty());
    bench.verbs.on_command({bench.change().token, ok(), LogIndex{9}});
    const json document = json::parse(bench.replies.at(0).json);
    CHECK(bench.replies[0].id == 7);
    CHECK(document["index"] == 9);
    CHECK(document["members"][1] == json{{"id", 2}, {"address", "127.0.0.2:6000"}, {"role", "learner"}});

    bench.ask("remove", {"2"});
    CHECK(bench.change().kind == core::ChangeMember::Kind::remove);
    bench.verbs.on_command({bench.change().token, fail(ErrorCode::refused, "why"), {}});
    CHECK(bench.replies.back().error->message == "why");
    bench.ask("remove", {"2"});
    bench.verbs.tick(begin_ms + 2000);  // proposed, and nobody knows
    CHECK(bench.last_error() == ErrorCode::unknown_outcome);
}

TEST_CASE("an audit is asked for once and answered when it is over") {
    Bench bench(core::Role::coordinator);
    bench.ask("audit", {});
    REQUIRE(bench.audits.size() == 1);
    CHECK(bench.replies.empty());
    bench.verbs.on_audit(bench.audits[0], std::string("{\"equal\":true}"));
    CHECK(bench.replies.at(0).json == "{\"equal\":true}");
    bench.ask("audit", {});
    bench.verbs.on_audit(bench.audits[1], fail(ErrorCode::no_quorum, "why"));
    CHECK(bench.replies.back().error->message == "why");
    bench.ask("audit", {});
    bench.verbs.tick(begin_ms + 2000);
    CHECK(bench.last_error() == ErrorCode::timeout);
    bench.verbs.on_audit(bench.audits[2], std::string("{}"));  // too late, and nobody is hurt

    Bench follower(core::Role::follower);
    follower.ask("audit", {});
    CHECK(follower.audits.empty());
    CHECK(follower.passed_on.size() == 1);
}

TEST_CASE("add by address dials until a fresh node says hello from there") {
    Bench bench(core::Role::coordinator);
    bench.ask("add", {"db4:6000", "127.0.0.4:6000"});
    CHECK(bench.dialled == std::set<std::string>{"127.0.0.4:6000"});
    bench.status.newcomers = {{Voter{NodeId{5}, Incarnation{55}}, "127.0.0.5:6000"}};
    bench.verbs.tick(begin_ms + 10);
    CHECK(bench.inputs.empty());
    bench.status.newcomers.push_back({Voter{NodeId{4}, Incarnation{44}}, "127.0.0.4:6000"});
    bench.verbs.tick(begin_ms + 20);
    REQUIRE(bench.inputs.size() == 1);
    CHECK(bench.change().voter == Voter{NodeId{4}, Incarnation{44}});
    CHECK(bench.dialled.empty());
    bench.verbs.tick(begin_ms + 30);
    CHECK(bench.inputs.size() == 1);
    bench.verbs.tick(begin_ms + 2000);
    CHECK(bench.last_error() == ErrorCode::unknown_outcome);
}

TEST_CASE("while a node has not said hello nothing has happened") {
    Bench bench(core::Role::coordinator);
    bench.ask("add", {"127.0.0.4:6000"});
    bench.verbs.tick(begin_ms + 2000);
    CHECK(bench.last_error() == ErrorCode::timeout);
    CHECK(bench.dialled.empty());
    bench.ask("add", {"127.0.0.4:6000"});
    bench.status.role = core::Role::follower;
    bench.verbs.tick(begin_ms + 10);
    CHECK(bench.last_error() == ErrorCode::not_coordinator);
    CHECK(bench.dialled.empty());
    CHECK(bench.inputs.empty());
}

TEST_CASE("what cannot be meant is refused at once") {
    Bench bench(core::Role::coordinator);
    for (const char* member : {"127.0.0.1:6000", "127.0.0.2:6000"}) {
        bench.ask("add", {member});
        CHECK(bench.last_error() == ErrorCode::refused);
    }
    for (const char* word :
         {"", "0", "65536", "host", ":6000", "host:", "host:0", "host:70000", "ho st:1", "host:6000x"}) {
        bench.ask("add", {word});
        CHECK(bench.last_error() == ErrorCode::invalid_argument);
        bench.ask("remove", {word});
        CHECK(bench.last_error() == ErrorCode::invalid_argument);
    }
    CHECK(bench.inputs.empty());
    CHECK(bench.dialled.empty());
    // A silent member's address may be a fresh node's by now.
    bench.status.peers[0].reachable = false;
    bench.ask("add", {"127.0.0.2:6000"});
    CHECK(bench.dialled.size() == 1);
}

TEST_CASE("a change that was passed on and not answered may have happened") {
    Bench bench(core::Role::follower);
    for (const char* verb : {"add", "remove", "step-down"}) {
        bench.ask(verb, {"4"});
        REQUIRE_FALSE(bench.passed_on.empty());
        CHECK(bench.passed_on.back().timeout_ms < 2000);  // the coordinator's answer must be here in time
        bench.verbs.tick(begin_ms + bench.passed_on.back().timeout_ms);
        CHECK(bench.last_error() == ErrorCode::unknown_outcome);
    }
    // The one who is asked by a peer and is not coordinator passes nothing on: no circles.
    bench.verbs.on_request(session::Origin{NodeId{2}, {}}, VerbRequest{8, "add", {"4"}, 2000}, begin_ms);
    CHECK(bench.last_error() == ErrorCode::no_quorum);
    CHECK(bench.passed_on.size() == 3);
    CHECK(bench.inputs.empty());
}

TEST_CASE("nodes shows where a member is now, not where it was when it was added") {
    Bench bench(core::Role::coordinator);
    const auto second = [&] {
        bench.ask("nodes", {});
        const json node = json::parse(bench.replies.back().json)["nodes"][1];
        return node["address"].get<std::string>() + ":" + std::to_string(node["port"].get<int>());
    };
    CHECK(second() == "127.0.0.2:6000");
    bench.second_is_at = "127.0.0.9:6500";
    CHECK(second() == "127.0.0.9:6500");
}
