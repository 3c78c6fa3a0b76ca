// The parts of the core that know nothing of roles: journal queue, log, outcomes.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include "node/core/journal_queue.hpp"
#include "node/core/log.hpp"
#include "node/core/outcomes.hpp"
#include "schemas/codec.hpp"

using namespace ddb;
using namespace ddb::core;

namespace {

Entry make(std::uint64_t epoch, std::uint64_t index, std::string payload = "x") {
    Entry entry;
    entry.id = {Epoch{epoch}, LogIndex{index}};
    entry.kind = EntryKind::rows;
    entry.txn = TxnId{Epoch{epoch}, index};
    entry.session.bytes[0] = 9;
    entry.request = RequestNumber{index};
    entry.payload = Payload(std::move(payload));
    return entry;
}

Membership members(std::uint32_t count) {
    Membership membership;
    for (std::uint32_t id = 1; id <= count; ++id)
        membership.members.push_back({{NodeId{id}, Incarnation{id}}, false, ""});
    return membership;
}

}  // namespace

TEST_CASE("journal queue: one write for everything gathered, durable only on completion") {
    JournalQueue queue(LogIndex{0});
    queue.append(make(1, 1));
    queue.append(make(1, 2));
    const auto write = queue.take(Epoch{1});
    REQUIRE(write);
    CHECK(write->entries.size() == 2);
    CHECK(queue.durable() == LogIndex{0});
    CHECK_FALSE(queue.complete(OpId{99}, Epoch{1}).known);
    CHECK_FALSE(queue.complete(write->op, Epoch{2}).known);
    CHECK(queue.complete(write->op, Epoch{1}).entries);
    CHECK(queue.durable() == LogIndex{2});
    CHECK_FALSE(queue.complete(write->op, Epoch{1}).known);
    CHECK_FALSE(queue.take(Epoch{1}));
}

TEST_CASE("journal queue: entries dropped before their completion are not vouched for") {
    JournalQueue queue(LogIndex{3});
    queue.append(make(1, 4));
    queue.append(make(1, 5));
    const auto old = queue.take(Epoch{1});
    queue.truncate_after(LogIndex{3});
    queue.append(make(2, 4));
    const auto fresh = queue.take(Epoch{2});
    REQUIRE(fresh->truncate_after == LogIndex{3});
    (void)queue.complete(old->op, Epoch{1});
    CHECK(queue.durable() == LogIndex{3});
    (void)queue.complete(fresh->op, Epoch{2});
    CHECK(queue.durable() == LogIndex{4});
}

TEST_CASE("journal queue: dropping what was only gathered leaves nothing to drop in the journal") {
    JournalQueue queue(LogIndex{3});
    queue.append(make(1, 4));
    queue.append(make(1, 5));
    queue.truncate_after(LogIndex{4});
    const auto write = queue.take(Epoch{1});
    CHECK_FALSE(write->truncate_after);
    REQUIRE(write->entries.size() == 1);
}

TEST_CASE("journal queue: election state is pending until its newest write completes") {
    JournalQueue queue(LogIndex{0});
    queue.put_hard({Epoch{1}, NodeId{}});
    const auto first = queue.take(Epoch{1});
    queue.put_hard({Epoch{2}, NodeId{3}});
    CHECK(queue.hard_pending());
    CHECK_FALSE(queue.complete(first->op, Epoch{1}).hard);
    CHECK(queue.hard_pending());
    const auto second = queue.take(Epoch{2});
    CHECK(queue.complete(second->op, Epoch{2}).hard);
    CHECK_FALSE(queue.hard_pending());
}

TEST_CASE("journal queue: the decided index rides along or goes unsynced") {
    JournalQueue queue(LogIndex{0});
    queue.put_decided(LogIndex{7});
    CHECK_FALSE(queue.take(Epoch{1}));
    queue.flush_lazily();
    const auto write = queue.take(Epoch{1});
    REQUIRE(write);
    CHECK_FALSE(write->sync);
    CHECK(write->decided == LogIndex{7});
}

TEST_CASE("journal queue: a reset leaves nothing durable until it completes") {
    JournalQueue queue(LogIndex{3});
    queue.append(make(1, 4));
    const auto old = queue.take(Epoch{1});
    queue.append(make(1, 5));
    Snapshot snapshot;
    snapshot.last = {Epoch{2}, LogIndex{40}};
    queue.reset(snapshot);
    queue.put_rebuilding(false);
    queue.append(make(2, 41));
    queue.append(make(2, 42));
    queue.truncate_after(LogIndex{41});
    const auto write = queue.take(Epoch{2});
    REQUIRE(write->reset);
    CHECK(write->rebuilding == false);
    CHECK_FALSE(write->truncate_after);
    REQUIRE(write->entries.size() == 1);
    CHECK(write->entries[0].id.index == LogIndex{41});
    CHECK(queue.durable() == LogIndex{0});
    (void)queue.complete(old->op, Epoch{1});
    CHECK(queue.durable() == LogIndex{0});
    const auto done = queue.complete(write->op, Epoch{2});
    CHECK((done.reset && done.rebuilding && done.entries));
    CHECK(queue.durable() == LogIndex{41});
}

TEST_CASE("log: a reset, and the membership at a position") {
    Log log({}, {}, members(3));
    log.append(make(1, 1));
    Entry change = make(1, 2, encode_membership(members(4)));
    change.kind = EntryKind::membership;
    log.append(change);
    CHECK(log.membership_at(LogIndex{1})->members.size() == 3);
    CHECK(log.membership_at(LogIndex{2})->members.size() == 4);
    log.reset({Epoch{3}, LogIndex{50}}, Digest{}, members(5));
    CHECK(log.last() == EntryId{Epoch{3}, LogIndex{50}});
    CHECK(log.membership()->members.size() == 5);
    CHECK(log.membership_index() == LogIndex{50});
    CHECK(log.kept_bytes() == 0);
    log.append(make(3, 51));
    CHECK(log.id_at(LogIndex{50}).epoch == Epoch{3});
}

TEST_CASE("log: size counts payloads wherever they are") {
    Log log({}, {}, members(1));
    std::vector<Entry> old;
    for (std::uint64_t i = 1; i <= 4; ++i) old.push_back(make(1, i, ""));
    REQUIRE(log.restore(std::move(old), LogIndex{5}, 400));
    for (std::uint64_t i = 5; i <= 10; ++i) log.append(make(1, i, std::string(100, 'p')));
    CHECK(log.kept_bytes() == 1000);
    log.evict_payloads(LogIndex{10}, 300);
    CHECK(log.kept_bytes() == 1000);
    CHECK(log.newest_within(100, 1000) == LogIndex{1});
    CHECK(log.newest_within(100, 650) == LogIndex{5});
    CHECK(log.newest_within(3, 650) == LogIndex{8});
    log.drop_before(LogIndex{3});
    CHECK(log.kept_bytes() == 800);
    log.truncate_after(LogIndex{9});
    CHECK(log.kept_bytes() == 700);
}

TEST_CASE("log: newest membership, reverted when its entry is dropped, kept when the log is cut") {
    Log log({}, {}, members(3));
    log.append(make(1, 1));
    Entry change = make(1, 2, encode_membership(members(4)));
    change.kind = EntryKind::membership;
    log.append(change);
    CHECK(log.membership()->members.size() == 4);
    log.truncate_after(LogIndex{1});
    CHECK(log.membership()->members.size() == 3);
    log.append(change);
    log.append(make(1, 3));
    log.drop_before(LogIndex{3});
    CHECK(log.base().index == LogIndex{2});
    CHECK(log.membership()->members.size() == 4);
    CHECK(log.base_membership()->members.size() == 4);
    CHECK_FALSE(log.holds(LogIndex{2}));
    CHECK(log.id_at(LogIndex{2}) == change.id);
}

TEST_CASE("log: only durable payloads are let go, the oldest first") {
    Log log({}, {}, members(1));
    for (std::uint64_t i = 1; i <= 10; ++i) log.append(make(1, i, std::string(100, 'p')));
    log.evict_payloads(LogIndex{4}, 300);
    CHECK_FALSE(log.has_payload(LogIndex{4}));
    CHECK(log.has_payload(LogIndex{5}));
    log.evict_payloads(LogIndex{10}, 300);
    CHECK_FALSE(log.has_payload(LogIndex{7}));
    CHECK(log.has_payload(LogIndex{8}));
    CHECK(log.at(LogIndex{1}).txn == TxnId{Epoch{1}, 1});
}

TEST_CASE("log: the end of the epoch before") {
    Log log({}, {}, members(1));
    for (const auto& [epoch, index] : {std::pair{1, 1}, {1, 2}, {3, 3}, {3, 4}, {4, 5}})
        log.append(make(static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(index)));
    CHECK(log.before_epoch_at(LogIndex{5}) == LogIndex{4});
    CHECK(log.before_epoch_at(LogIndex{4}) == LogIndex{2});
    CHECK(log.before_epoch_at(LogIndex{2}) == LogIndex{0});
}

TEST_CASE("outcomes: found by transaction and request, forgotten by index") {
    Outcomes outcomes(LogIndex{0});
    for (std::uint64_t i = 1; i <= outcomes_max + 5; ++i) outcomes.record(make(1, i));
    CHECK(outcomes.by_txn(TxnId{Epoch{1}, 5}) == nullptr);
    REQUIRE(outcomes.by_txn(TxnId{Epoch{1}, 6}));
    SessionId session;
    session.bytes[0] = 9;
    REQUIRE(outcomes.by_request(session, RequestNumber{6}));
    CHECK(outcomes.by_request(session, RequestNumber{6})->id.index == LogIndex{6});
    CHECK(outcomes.by_request(session, RequestNumber{5}) == nullptr);
    CHECK(outcomes.may_be_forgotten(TxnId{Epoch{1}, 5}));
    CHECK_FALSE(outcomes.may_be_forgotten(TxnId{Epoch{2}, 1}));
    CHECK(outcomes.may_be_forgotten(LogIndex{4}));
    CHECK_FALSE(outcomes.may_be_forgotten(LogIndex{5}));
}

TEST_CASE("outcomes: behind a cut log what is near the cut may be forgotten, too") {
    Outcomes outcomes(LogIndex{1000});
    CHECK(outcomes.may_be_forgotten(TxnId{Epoch{1}, 1}));
    outcomes.record(make(1, 1001));
    CHECK(outcomes.may_be_forgotten(TxnId{Epoch{1}, 990}));
    CHECK_FALSE(outcomes.may_be_forgotten(TxnId{Epoch{1}, 5000}));
}

TEST_CASE("outcomes: a snapshot carries what was known at its position, no more") {
    Outcomes donor(LogIndex{0});
    for (std::uint64_t i = 1; i <= outcomes_max + 100; ++i) donor.record(make(1, i));
    Snapshot snapshot;
    snapshot.last = {Epoch{1}, LogIndex{outcomes_max + 50}};
    donor.fill(snapshot);
    CHECK(snapshot.outcomes_floor == LogIndex{100});
    CHECK(snapshot.outcomes.size() == outcomes_max - 50);
    CHECK(snapshot.forgotten == TxnId{Epoch{1}, 100});
    Outcomes receiver(snapshot.outcomes_floor, snapshot.forgotten, snapshot.outcomes);
    SessionId session;
    session.bytes[0] = 9;
    CHECK(receiver.by_txn(TxnId{Epoch{1}, 101}) != nullptr);
    CHECK(receiver.by_request(session, RequestNumber{outcomes_max + 50}) != nullptr);
    CHECK(receiver.by_txn(TxnId{Epoch{1}, outcomes_max + 51}) == nullptr);
    CHECK(receiver.may_be_forgotten(TxnId{Epoch{1}, 100}));
    CHECK_FALSE(receiver.may_be_forgotten(TxnId{Epoch{1}, outcomes_max + 51}));
    CHECK(receiver.may_be_forgotten(LogIndex{99}));
    CHECK_FALSE(receiver.may_be_forgotten(LogIndex{100}));
    // It goes on where the donor was.
    receiver.record(make(1, outcomes_max + 51));
    CHECK(receiver.by_txn(TxnId{Epoch{1}, outcomes_max + 51}) != nullptr);
}

TEST_CASE("outcomes: a donor that started behind a cut log passes its doubt on") {
    Outcomes donor(LogIndex{1000});
    donor.record(make(1, 1001));
    Snapshot snapshot;
    snapshot.last = {Epoch{1}, LogIndex{1001}};
    donor.fill(snapshot);
    Outcomes receiver(snapshot.outcomes_floor, snapshot.forgotten, snapshot.outcomes);
    CHECK(receiver.may_be_forgotten(TxnId{Epoch{1}, 990}));
    receiver.record(make(1, 1500));
    CHECK(receiver.may_be_forgotten(TxnId{Epoch{1}, 1400}));
}
