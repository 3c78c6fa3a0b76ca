// The core from outside, where a golden script would be clumsy: limits, batching, foreign messages.
#include "node/core/core.hpp"

#include <catch2/catch.hpp>

#include "schemas/codec.hpp"
#include "schemas/digest.hpp"

using namespace ddb;
using namespace ddb::core;

namespace {

Membership three() {
    Membership membership;
    membership.cluster.bytes[0] = 1;
    for (std::uint32_t id = 1; id <= 3; ++id)
        membership.members.push_back({{NodeId{id}, Incarnation{10 + id}}, false, ""});
    return membership;
}

// One core among peers that the test plays itself. Its journal completes at once unless `hold` is set.
struct Bench {
    explicit Bench(std::uint32_t id) : id_(id) {
        CoreConfig config;
        config.id = NodeId{id};
        config.incarnation = Incarnation{10 + id};
        RecoveredState state;
        state.base_membership = three();
        core = std::make_unique<Core>(config, std::move(state));
        LocalReport report;
        report.server_up = true;
        give(report);
    }
    void give(Input input) {
        core->step(std::move(input));
        take();
    }
    void from(std::uint32_t peer, PeerMessage message) {
        give(MessageReceived{{NodeId{peer}, Incarnation{10 + peer}}, std::move(message)});
    }
    void take() {
        for (bool again = true; again;) {
            Effects effects = core->take_effects();
            again = effects.journal.has_value();
            for (Effect& effect : effects.now) seen.push_back(std::move(effect));
            if (!effects.journal) continue;
            core->step(JournalCompleted{effects.journal->op, effects.journal->epoch});
            writes.push_back(std::move(*effects.journal));
        }
    }
    template <class T>
    std::vector<T> effects() const {
        std::vector<T> out;
        for (const Effect& effect : seen)
            if (const auto* wanted = std::get_if<T>(&effect)) out.push_back(*wanted);
        return out;
    }
    template <class T>
    std::vector<T> messages() const {
        std::vector<T> out;
        for (const Send& send : effects<Send>())
            if (const auto* wanted = std::get_if<T>(&send.message)) out.push_back(*wanted);
        return out;
    }
    void clear() {
        seen.clear();
        writes.clear();
    }
    // To an open office.
    void elect() {
        for (int i = 0; i < 100 && messages<Probe>().empty(); ++i) give(Tick{});
        for (std::uint32_t peer = 1; peer <= 3; ++peer)
            if (peer != id_) from(peer, ProbeReply{Epoch{0}, true, false, ""});
        from(1, GrantReply{Epoch{1}, true, ""});
        vote(1, 1);
        LocalReport report;
        report.server_up = true;
        report.applied = LogIndex{1};
        give(report);
        REQUIRE(core->status().serving);
    }
    void vote(std::uint32_t peer, std::uint64_t up_to) {
        Vote vote;
        vote.epoch = Epoch{1};
        vote.accepted = true;
        vote.up_to = LogIndex{up_to};
        from(peer, vote);
    }

    std::uint32_t id_;
    std::unique_ptr<Core> core;
    std::vector<Effect> seen;
    std::vector<JournalWrite> writes;
};

Propose proposal(std::uint64_t token, std::string payload) {
    Entry entry;
    entry.kind = EntryKind::rows;
    entry.payload = Payload(std::move(payload));
    return {ProposalToken{token}, Epoch{1}, std::move(entry)};
}

Entry chained(const Digest& previous, std::uint64_t epoch, std::uint64_t index) {
    Entry entry;
    entry.id = {Epoch{epoch}, LogIndex{index}};
    entry.kind = EntryKind::rows;
    entry.payload = Payload("payload");
    entry.digest = entry_digest(previous, entry);
    return entry;
}

}  // namespace

TEST_CASE("proposals between two takes share one journal write and one PREPARE for each peer") {
    Bench bench(3);
    bench.elect();
    bench.vote(1, 1);
    bench.vote(2, 1);  // no answer is awaited any more
    bench.clear();
    for (std::uint64_t i = 1; i <= 50; ++i) bench.core->step(proposal(i, "x"));
    bench.take();
    REQUIRE(bench.writes.size() == 1);
    CHECK(bench.writes[0].entries.size() == 50);
    CHECK(bench.messages<Prepare>().size() == 2);
    CHECK(bench.effects<ProposalAccepted>().size() == 50);
    CHECK(bench.core->holders(LogIndex{51}) == 1);
    bench.vote(2, 51);
    CHECK(bench.core->holders(LogIndex{51}) == 2);
    REQUIRE(bench.effects<Decided>().size() == 1);
    CHECK(bench.effects<Decided>()[0].up_to == LogIndex{51});
}

TEST_CASE("while a vote is awaited only full messages go") {
    Bench bench(3);
    bench.elect();
    bench.vote(1, 1);
    bench.vote(2, 1);
    bench.clear();
    for (std::uint64_t i = 1; i <= 10; ++i) bench.give(proposal(i, "x"));
    CHECK(bench.messages<Prepare>().size() == 2);  // the first entry, to each of the two
    bench.clear();
    bench.vote(2, 2);
    REQUIRE(bench.messages<Prepare>().size() == 1);
    CHECK(bench.messages<Prepare>()[0].entries.size() == 9);
    for (std::uint64_t i = 11; i <= 10 + prepare_entries_max; ++i) bench.give(proposal(i, "x"));
    REQUIRE(bench.messages<Prepare>().size() == 3);  // a full one to each
    CHECK(bench.messages<Prepare>()[1].entries.size() == prepare_entries_max);
}

TEST_CASE("a peer that does not acknowledge is sent no more than the window") {
    Bench bench(3);
    bench.elect();
    bench.clear();
    for (std::uint64_t i = 1; i <= 40; ++i) bench.give(proposal(i, std::string(1 << 20, 'x')));
    std::size_t bytes = 0;
    for (const Send& send : bench.effects<Send>())
        if (const auto* prepare = std::get_if<Prepare>(&send.message); prepare && send.to == NodeId{1})
            for (const Entry& entry : prepare->entries) bytes += entry.payload.size();
    CHECK(bytes <= (17u << 20));
    CHECK(bytes >= (15u << 20));
}

TEST_CASE("too much undecided work is refused, definitely") {
    Bench bench(3);
    bench.elect();
    for (std::uint64_t i = 1; i <= 16'390; ++i) bench.core->step(proposal(i, "x"));
    bench.take();
    const auto refused = bench.effects<ProposalRefused>();
    REQUIRE(refused.size() == 6);
    CHECK(refused[0].error.code == ErrorCode::overloaded);
}

TEST_CASE("a voter with another journal is not counted") {
    Bench bench(3);
    bench.elect();
    bench.clear();
    bench.give(proposal(1, "x"));
    Vote vote;
    vote.epoch = Epoch{1};
    vote.accepted = true;
    vote.up_to = LogIndex{2};
    bench.give(MessageReceived{{NodeId{1}, Incarnation{999}}, vote});
    CHECK(bench.effects<Decided>().empty());
    CHECK(bench.effects<Complaint>().size() == 1);
    bench.vote(1, 2);
    CHECK(bench.effects<Decided>().size() == 1);
}

TEST_CASE("a vote beyond our log counts for no more than we have") {
    Bench bench(3);
    bench.elect();
    bench.clear();
    bench.vote(1, 5000);
    CHECK(bench.core->status().decided == LogIndex{1});
    bench.give(proposal(1, "x"));
    CHECK(bench.effects<Decided>().empty());
}

TEST_CASE("entries damaged on the way are refused and not journaled") {
    Bench bench(1);
    const Digest zero;
    Prepare prepare;
    prepare.epoch = Epoch{1};
    prepare.entries = {chained(zero, 1, 1)};
    prepare.entries.push_back(chained(prepare.entries[0].digest, 1, 2));
    prepare.entries[1].payload = Payload("damaged");
    bench.from(3, prepare);
    bool refused = false;
    for (const Vote& vote : bench.messages<Vote>())
        if (vote.reason == VoteReason::bad_checksum) {
            refused = true;
            CHECK(vote.up_to == LogIndex{1});
        }
    CHECK(refused);
    CHECK(bench.core->status().last.index == LogIndex{1});
}

TEST_CASE("entries out of order, of a later epoch, or with an unreadable membership are refused") {
    const Digest zero;
    const auto last_after = [](Entry entry) {
        Bench bench(1);
        Prepare prepare;
        prepare.epoch = Epoch{1};
        prepare.entries = {std::move(entry)};
        bench.from(3, prepare);
        return bench.core->status().last.index;
    };
    CHECK(last_after(chained(zero, 1, 1)) == LogIndex{1});
    CHECK(last_after(chained(zero, 1, 2)) == LogIndex{0});
    CHECK(last_after(chained(zero, 2, 1)) == LogIndex{0});
    Entry unreadable = chained(zero, 1, 1);
    unreadable.kind = EntryKind::membership;
    unreadable.digest = entry_digest(zero, unreadable);
    CHECK(last_after(unreadable) == LogIndex{0});
}

TEST_CASE("membership changes by one voter at a time") {
    Bench bench(3);
    bench.elect();
    bench.clear();
    const auto propose = [&](std::uint64_t token, const Membership& membership) {
        Propose change = proposal(token, encode_membership(membership));
        change.entry.kind = EntryKind::membership;
        bench.give(std::move(change));
    };
    Membership two_gone = three();
    two_gone.members.pop_back();
    two_gone.members.pop_back();
    propose(1, two_gone);
    CHECK(bench.effects<ProposalRefused>().size() == 1);
    Membership grown = three();
    grown.members.push_back({{NodeId{4}, Incarnation{14}}, true, ""});
    propose(2, grown);
    CHECK(bench.effects<ProposalAccepted>().size() == 1);
    CHECK(bench.core->status().membership->members.size() == 4);
    propose(3, three());  // while the first is undecided
    CHECK(bench.effects<ProposalRefused>().size() == 2);
    bench.vote(1, 2);
    propose(4, three());
    CHECK(bench.effects<ProposalAccepted>().size() == 2);
}

TEST_CASE("a learner does not stand, but grants: the list of who asks may be newer and name it a voter") {
    CoreConfig config;
    config.id = NodeId{4};
    config.incarnation = Incarnation{14};
    RecoveredState state;
    state.base_membership = three();
    state.base_membership->members.push_back({{NodeId{4}, Incarnation{14}}, true, ""});
    Core core(config, state);
    for (int i = 0; i < 400; ++i) core.step(Tick{});
    CHECK(core.status().role == Role::learner);
    core.step(MessageReceived{{NodeId{1}, Incarnation{11}}, GrantRequest{Epoch{5}, {}}});
    const Effects before = core.take_effects();
    for (const Effect& effect : before.now) CHECK_FALSE(std::holds_alternative<Send>(effect));
    REQUIRE(before.journal);
    CHECK(before.journal->hard == HardState{Epoch{5}, NodeId{1}});
    core.step(JournalCompleted{before.journal->op, before.journal->epoch});
    bool granted = false;
    for (const Effect& effect : core.take_effects().now) {
        const auto* send = std::get_if<Send>(&effect);
        const auto* reply = send ? std::get_if<GrantReply>(&send->message) : nullptr;
        granted |= reply && reply->granted && reply->epoch == Epoch{5};
    }
    CHECK(granted);
}

TEST_CASE("a journal behind its server neither votes nor stands, and says so") {
    CoreConfig config;
    config.id = NodeId{1};
    config.incarnation = Incarnation{11};
    RecoveredState state;
    state.base_membership = three();
    state.applied = LogIndex{7};
    Core core(config, state);
    for (int i = 0; i < 400; ++i) core.step(Tick{});
    CHECK(core.status().role == Role::learner);
    bool complained = false;
    for (const Effect& effect : core.take_effects().now) complained |= std::holds_alternative<Complaint>(effect);
    CHECK(complained);
}

TEST_CASE("a node whose journal cannot be read does nothing, and stays who it is") {
    CoreConfig config;
    config.id = NodeId{1};
    config.incarnation = Incarnation{11};
    RecoveredState state;
    state.base_membership = three();
    Entry unreadable = chained(Digest{}, 1, 1);
    unreadable.kind = EntryKind::membership;
    unreadable.digest = entry_digest(Digest{}, unreadable);
    state.entries = {unreadable};
    state.applied = LogIndex{1};
    Core core(config, state);
    for (int i = 0; i < 400; ++i) core.step(Tick{});
    CHECK(core.status().role == Role::learner);
    CHECK(core.status().waiting_for == "the journal cannot be read");
    const Effects effects = core.take_effects();
    CHECK((!effects.journal || !effects.journal->incarnation));
}
