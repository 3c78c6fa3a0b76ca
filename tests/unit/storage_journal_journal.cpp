// The journal as its users see it: what was completed is there after the next open.
#include <poll.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "node/storage/journal_records.hpp"
#include "storage_journal_log.hpp"
#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

Membership members(std::initializer_list<std::uint32_t> ids) {
    Membership out;
    out.cluster.bytes[0] = 9;
    for (const std::uint32_t id : ids) out.members.push_back({{NodeId{id}, Incarnation{id + 100}}, false, "h:1"});
    return out;
}

}  // namespace

TEST_CASE("a journal remembers everything it completed, and raises its boot number") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    Chain chain;
    Journal::Identity first;
    {
        OpenJournal journal(options);
        first = journal->identity();
        CHECK(first.incarnation.value != 0);
        CHECK(first.boot.value == 1);
        const auto empty = journal->take_recovered();
        CHECK(empty.entries.empty());
        CHECK(empty.base == EntryId{});
        CHECK_FALSE(empty.signed_list.has_value());
        core::JournalWrite write;
        write.hard = core::HardState{Epoch{3}, NodeId{2}};
        write.signed_list = members({1, 2, 3});
        write.base_membership = members({1, 2});
        write.entries = {chain.next("one"), chain.next("two", 3)};
        write.decided = LogIndex{1};
        journal.write(write);
        journal.append({chain.next(std::string(1000, '\0'), 3)});
        core::JournalWrite decided;
        decided.sync = false;
        decided.decided = LogIndex{3};
        journal.write(decided);
        journal.wait_all();
        CHECK(journal.completed() == std::vector<std::uint64_t>{1, 2, 3});
    }
    OpenJournal journal(options);
    CHECK(journal->notes().empty());
    CHECK(journal->identity().incarnation == first.incarnation);
    CHECK(journal->identity().boot.value == 2);
    CHECK(journal->identity().boot_nonce != first.boot_nonce);
    const auto recovered = journal->take_recovered();
    CHECK(recovered.hard == core::HardState{Epoch{3}, NodeId{2}});
    CHECK(recovered.signed_list == members({1, 2, 3}));
    CHECK(recovered.base_membership == members({1, 2}));
    CHECK(recovered.decided == LogIndex{3});
    CHECK(recovered.payloads_from == LogIndex{1});
    REQUIRE(recovered.entries.size() == 3);
    CHECK(recovered.entries[0].payload.view() == "one");
    CHECK(recovered.entries[2].id == EntryId{Epoch{3}, LogIndex{3}});
    CHECK(recovered.entries[2].payload.size() == 1000);

    struct stat info {};
    REQUIRE(::stat(options.dir.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    for (const auto& file : std::filesystem::directory_iterator(options.dir + "/db")) {
        REQUIRE(::stat(file.path().c_str(), &info) == 0);
        CHECK((info.st_mode & 0077) == 0);
    }
}

TEST_CASE("truncation, appending over it, and dropping") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    Chain chain;
    std::vector<Entry> entries;
    for (int i = 1; i <= 10; ++i) {
        entries.push_back(i == 4 ? chain.next(encode_membership(members({1, 2, 3})), 1, EntryKind::membership)
                                 : chain.next("e" + std::to_string(i)));
    }
    Entry replaced;
    {
        OpenJournal journal(options);
        core::JournalWrite first;
        first.entries = entries;
        first.base_membership = members({1});
        journal.write(first);
        core::JournalWrite conflict;
        conflict.truncate_after = LogIndex{7};
        chain.go_back_to(entries[6]);
        replaced = chain.next("new", 2);
        conflict.entries = {replaced};
        journal.write(conflict);
        journal.wait_all();
        auto read = journal->read(LogIndex{5}, LogIndex{20}, 1 << 20);
        REQUIRE(read.ok());
        REQUIRE(read->size() == 4);
        CHECK(read->back().payload.view() == "new");
        CHECK(journal->read(LogIndex{9}, LogIndex{20}, 1 << 20).error().code == ErrorCode::not_found);
    }
    {
        OpenJournal journal(options);
        const auto recovered = journal->take_recovered();
        REQUIRE(recovered.entries.size() == 8);
        CHECK(recovered.entries.back().digest == replaced.digest);
        CHECK(recovered.base_membership == members({1}));
        core::JournalWrite drop;
        drop.sync = false;
        drop.drop_before = LogIndex{3};
        journal.write(drop);
        drop.sync = true;
        drop.drop_before = LogIndex{6};
        drop.entries = {chain.next("nine", 2)};
        journal.write(drop);
        journal.wait_all();
        CHECK(journal->read(LogIndex{5}, LogIndex{9}, 1000).error().code == ErrorCode::not_found);
        CHECK(journal->read(LogIndex{6}, LogIndex{9}, 1)->size() == 1);
        CHECK(journal->read(LogIndex{6}, LogIndex{9}, 100'000)->size() == 4);
    }
    {
        OpenJournal journal(options);
        const auto recovered = journal->take_recovered();
        CHECK(recovered.base == entries[4].id);
        CHECK(recovered.base_digest == entries[4].digest);
        CHECK(recovered.base_membership == members({1, 2, 3}));  // the entry that was dropped with it
        REQUIRE(recovered.entries.size() == 4);
        CHECK(recovered.entries.front().id.index == LogIndex{6});
        // Down to nothing, also through an entry of the same write.
        core::JournalWrite drop;
        drop.entries = {chain.next("ten", 2)};
        drop.drop_before = LogIndex{11};
        journal.write(drop);
        core::JournalWrite more;
        more.truncate_after = LogIndex{10};
        more.entries = {chain.next("eleven", 3)};
        journal.write(more);
        journal.wait_all();
    }
    OpenJournal journal(options);
    const auto recovered = journal->take_recovered();
    CHECK(recovered.base.index == LogIndex{10});
    REQUIRE(recovered.entries.size() == 1);
    CHECK(recovered.entries[0].payload.view() == "eleven");
}

TEST_CASE("only the newest payloads are loaded, and files below a drop are given back") {
    TemporaryDir dir;
    JournalOptions options = journal_in(dir.path());
    options.cache_entries_bytes_max = 5u << 20;
    Chain chain;
    std::string noise(1u << 20, '\0');
    for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>((i * 2654435761u) >> 13);
    {
        OpenJournal journal(options);
        for (int i = 0; i < 9; ++i) journal.append({chain.next(noise)});
        journal.append({chain.next(encode_membership(members({1, 2, 3})), 1, EntryKind::membership)});
        for (int i = 0; i < 90; ++i) journal.append({chain.next(noise)});
        journal.wait_all();
    }
    const auto bytes_on_disk = [&] {
        std::uintmax_t bytes = 0;
        for (const auto& file : std::filesystem::directory_iterator(options.dir + "/db")) {
            if (file.path().extension() == ".sst") bytes += file.file_size();
        }
        return bytes;
    };
    {
        OpenJournal journal(options);
        const auto recovered = journal->take_recovered();
        REQUIRE(recovered.entries.size() == 100);
        CHECK(recovered.payloads_from == LogIndex{96});
        CHECK(recovered.entries[94].payload.size() == 0);
        CHECK(recovered.entries[9].payload.view() == encode_membership(members({1, 2, 3})));
        CHECK(recovered.entries[95].payload.size() == noise.size());
        CHECK(journal->read(LogIndex{1}, LogIndex{100}, 3u << 20)->size() == 2);
        CHECK(bytes_on_disk() > 90u << 20);
        core::JournalWrite drop;
        drop.drop_before = LogIndex{96};
        journal.write(drop);
        journal.wait_all();
    }
    OpenJournal journal(options);
    CHECK(journal->take_recovered().entries.size() == 5);
    // Files that a compaction held at the moment of the drop go with a later write.
    journal.append({chain.next("one more")});
    journal.wait_all();
    for (int i = 0; i < 3000 && bytes_on_disk() >= 40u << 20; ++i) ::poll(nullptr, 0, 10);
    CHECK(bytes_on_disk() < 40u << 20);
}

TEST_CASE("what waits shares one sync, in order") {
    TemporaryDir dir;
    OpenJournal journal(journal_in(dir.path()));
    Chain chain;
    constexpr int count = 20'000;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) journal.append({chain.next(std::string(300, 'x'))});
    journal.wait_all();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    WARN(count << " writes in " << seconds << " s");
    const auto completed = journal.completed();
    CHECK(std::is_sorted(completed.begin(), completed.end()));
    CHECK_FALSE(journal->stalled(std::chrono::seconds(1)));
}

TEST_CASE("latency of a single synced write") {
    TemporaryDir dir;
    OpenJournal journal(journal_in(dir.path()));
    Chain chain;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 2000; ++i) {
        journal.append({chain.next(std::string(300, 'x'))});
        journal.wait_all();
    }
    WARN(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / 2000 * 1e6 << " us a write");
}

TEST_CASE("statement intents survive") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    const StatementIntent one{{Epoch{2}, 5}, 17, 0}, two{{Epoch{2}, 6}, 18, 77}, three{{Epoch{2}, 7}, 19, 0};
    {
        OpenJournal journal(options);
        CHECK(journal->intents().empty());
        REQUIRE(journal->record_intent(one).ok());
        REQUIRE(journal->record_intent(two).ok());
        REQUIRE(journal->record_intent(three).ok());
        REQUIRE(journal->clear_intent(one).ok());
    }
    OpenJournal journal(options);
    const auto intents = journal->intents();
    REQUIRE(intents.size() == 2);
    CHECK(intents[0].txn == two.txn);
    CHECK(intents[0].sequence == 18);
    CHECK(intents[0].traces_of_run == 77);
    CHECK(intents[1].txn == three.txn);
    CHECK(intents[1].traces_of_run == 0);
}

TEST_CASE("intents of earlier versions are read") {
    std::string bytes = encode_intent({{Epoch{2}, 5}, 17, 77});
    bytes.resize(bytes.size() - 8);
    StatementIntent intent;
    REQUIRE(decode_intent(bytes, intent));
    CHECK(intent.sequence == 17);
    CHECK(intent.traces_of_run == 0);
    bytes.pop_back();
    CHECK_FALSE(decode_intent(bytes, intent));
}

TEST_CASE("a journal of somebody else is refused") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    OpenJournal journal(options);
    auto twice = Journal::open(options, [](const auto&) {});
    REQUIRE_FALSE(twice.ok());
    CHECK(twice.error().code == ErrorCode::refused);
    CHECK(twice.error().message.find("used by another process") != std::string::npos);

    TemporaryDir other_dir;
    JournalOptions other = journal_in(other_dir.path());
    { OpenJournal made(other); }
    other.node = NodeId{8};
    auto node = Journal::open(other, [](const auto&) {});
    REQUIRE_FALSE(node.ok());
    CHECK(node.error().code == ErrorCode::refused);
    CHECK(node.error().message.find("belongs to node 7") != std::string::npos);
    other.node = NodeId{7};
    other.cluster = "elsewhere";
    auto cluster = Journal::open(other, [](const auto&) {});
    REQUIRE_FALSE(cluster.ok());
    CHECK(cluster.error().code == ErrorCode::refused);
}

TEST_CASE("a snapshot replaces the log, with what belongs to it") {
    TemporaryDir dir;
    const JournalOptions options = journal_in(dir.path());
    Chain chain;
    Snapshot snapshot;
    snapshot.membership = members({1, 7});
    snapshot.outcomes_floor = LogIndex{90};
    snapshot.forgotten = TxnId{Epoch{4}, 6};
    snapshot.outcomes = {{{Epoch{5}, LogIndex{99}}, {Epoch{5}, 8}, {}, RequestNumber{3}, {1, 2, 3, 0, "info"}}};
    Chain ahead;
    for (int i = 0; i < 99; ++i) (void)ahead.next("");
    const Entry last = ahead.next("last of the snapshot", 5);
    snapshot.last = last.id;
    snapshot.digest = last.digest;
    {
        OpenJournal journal(options);
        core::JournalWrite write;
        write.base_membership = members({1});
        write.entries = {chain.next("one"), chain.next("two"), chain.next("three")};
        write.rebuilding = true;
        journal.write(write);
        journal.wait_all();
    }
    {
        OpenJournal journal(options);
        CHECK(journal->take_recovered().rebuilding);
        core::JournalWrite write;
        write.reset = snapshot;
        write.rebuilding = false;
        write.incarnation = Incarnation{77};
        write.entries = {ahead.next("behind", 5)};
        journal.write(write);
        journal.wait_all();
        CHECK(journal->read(LogIndex{1}, LogIndex{3}, 1000).error().code == ErrorCode::not_found);
        CHECK(journal->read(LogIndex{101}, LogIndex{200}, 1000)->size() == 1);
    }
    {
        OpenJournal journal(options);
        CHECK(journal->identity().incarnation == Incarnation{77});
        const auto recovered = journal->take_recovered();
        CHECK_FALSE(recovered.rebuilding);
        CHECK(recovered.base == snapshot.last);
        CHECK(recovered.base_digest == snapshot.digest);
        CHECK(recovered.base_membership == snapshot.membership);
        CHECK(recovered.decided == LogIndex{100});
        CHECK(recovered.entries.size() == 1);
        CHECK(recovered.outcomes_floor == LogIndex{90});
        CHECK(recovered.forgotten == snapshot.forgotten);
        REQUIRE(recovered.outcomes.size() == 1);
        CHECK(recovered.outcomes[0].outcome == snapshot.outcomes[0].outcome);
        // Entries that are dropped take the outcomes below them along: a gap would look like "never happened".
        journal.append({ahead.next("102", 5), ahead.next("103", 5)});
        core::JournalWrite drop;
        drop.drop_before = LogIndex{103};
        journal.write(drop);
        journal.wait_all();
    }
    OpenJournal journal(options);
    const auto recovered = journal->take_recovered();
    CHECK(recovered.base.index == LogIndex{102});
    CHECK(recovered.outcomes.empty());
    CHECK(recovered.outcomes_floor == LogIndex{102});
}
