// The language, one command a line:
//   formed N | fresh N [expect E]    N nodes that are members of one cluster / that know nothing; none is started
//   log A 1/1 1/2 2/3 [decided D]    entries in the journal of A (epoch/index), before its start
//   epoch A E                        epoch in the journal of A
//   start A… | crash A | wipe A      crash loses what the journal did not complete; wipe also gives a new incarnation
//   journal A manual|auto            completions by `complete`, or at once
//   complete A [OP EPOCH]            the oldest write of A under way; or exactly that completion, whatever is under way
//   network manual|auto              messages by `deliver`/`drop`, or at once
//   deliver A B | drop A B           everything waiting from A to B
//   cut A B | isolate A | heal       both directions
//   linkdown A B                     A is told that its link to B closed
//   fit A | unfit A                  A's database server is up / down
//   refuse A                         A refuses formation (its server holds ddb_meta), before its start
//   data A                           A's server holds the user's databases, before its start
//   keep N [HARD [BYTES]]            entries and payload bytes kept in the log, before any start
//   blank A                          a node of that id that knows nothing; not started
//   add A ID | remove A ID           command to A; 'add A ID INCARNATION' names the journal
//   rebuild A REASON | lostserver A  A's host wants a rebuild / A's server was wiped: asked for at its next start
//   transferfails A REASON           A's host gives a transfer up
//   install A B [INDEX]              A's database now holds what B's held at INDEX (where it is now)
//   dump A | installdump A           A's header now is kept / goes into another node later
//   forge A B INDEX                  the same with another digest
//   header A INDEX                   what A as a donor says about INDEX
//   copyback A N                     A's journal becomes a copy from when it held N entries, before its start
//   savedisk A | olddisk A           A's journal and server as they are now / are again those, before its start
//   applied A N                      A's database server is a copy from then, before its start
//   stranger A ID INCARNATION [C]    somebody says hello to A under that name, as a member of cluster C (`formed` is 7)
//   pin A INDEX | unpin A
//   tick N                           N ticks of every node
//   fill A N                         N proposals at once
//   part A COUNTER | end A COUNTER   a part of that transaction | what lets it take effect
//   mute COMMAND                     without its output
//   propose A TEXT | read A | quiesced A yes|no | stepdown A | outcome A EPOCH COUNTER
//   status | members                 `members` with the list and the first entry of the journal
// Heartbeats and votes that repeat what was shown before are left out of the output. Databases apply what is decided at
// once, and a path out of office takes until the next tick.
#include "tests/golden/script.hpp"

#include <algorithm>

#include "schemas/digest.hpp"
#include "tests/golden/describe.hpp"

namespace ddb::golden {

namespace {
constexpr std::uint64_t incarnation_base = 100;
}

Script::Script() = default;
Script::~Script() = default;

std::vector<std::string> Script::run(const std::string& command) {
    output_.clear();
    Words words(command);
    std::string verb;
    words >> verb;
    const bool mute = verb == "mute";
    if (mute) words >> verb;
    if (!configure(verb, words) && !faults(verb, words) && !inputs(verb, words) && !membership(verb, words) &&
        !transfer(verb, words))
        output_.push_back("unknown command");
    settle();
    if (mute) output_.clear();
    return output_;
}

Script::Node& Script::node_of(Words& words) {
    std::uint32_t id = 0;
    words >> id;
    const auto it = nodes_.find(NodeId{id});
    if (it == nodes_.end()) throw std::runtime_error("no such node");
    return it->second;
}

// --- commands --------------------------------------------------------------------------------------------------------

bool Script::configure(const std::string& verb, Words& words) {
    if (verb == "formed" || verb == "fresh") {
        setup(verb, words);
    } else if (verb == "log") {
        set_log(node_of(words), words);
    } else if (verb == "epoch") {
        Node& node = node_of(words);
        words >> node.journal.hard.epoch.value;
    } else if (verb == "refuse") {
        node_of(words).refuse_formation = true;
    } else if (verb == "data") {
        node_of(words).has_user_data = true;
    } else if (verb == "journal") {
        Node& node = node_of(words);
        std::string mode;
        words >> mode;
        node.manual_journal = mode == "manual";
    } else if (verb == "network") {
        std::string mode;
        words >> mode;
        manual_network_ = mode == "manual";
    } else if (verb == "keep") {
        words >> kept_entries_max_;
        if (!(words >> kept_entries_hard_max_)) kept_entries_hard_max_ = 1'000'000;
        if (!(words >> kept_bytes_hard_max_)) kept_bytes_hard_max_ = 1u << 30;
    } else if (verb == "blank") {
        std::uint32_t id = 0;
        words >> id;
        Node& node = nodes_[NodeId{id}];
        node.id = NodeId{id};
        node.incarnation = Incarnation{incarnation_base + id};
        node.local.server_up = true;
    } else if (verb == "lostserver") {
        Node& node = node_of(words);
        node.local.applied = LogIndex{};
        node.rebuild_at_start = true;
    } else if (verb == "applied") {
        Node& node = node_of(words);
        words >> node.local.applied.value;
    } else if (verb == "savedisk") {
        Node& node = node_of(words);
        node.saved_incarnation = node.incarnation;
        node.saved_journal = node.journal;
        node.saved_applied = node.local.applied;
    } else if (verb == "olddisk") {
        Node& node = node_of(words);
        node.incarnation = node.saved_incarnation;
        node.journal = node.saved_journal;
        node.local.applied = node.saved_applied;
    } else if (verb == "copyback") {
        Node& node = node_of(words);
        std::uint64_t entries = 0;
        words >> entries;
        node.journal.entries.erase(node.journal.entries.upper_bound(entries), node.journal.entries.end());
        node.journal.decided = std::min(node.journal.decided, LogIndex{entries});
    } else if (verb == "start") {
        for (std::uint32_t id = 0; words >> id;) start(nodes_.at(NodeId{id}));
    } else {
        return false;
    }
    return true;
}

void Script::setup(const std::string& verb, Words& words) {
    std::uint32_t count = 0;
    std::string word;
    words >> count;
    expect_ = count;
    if (words >> word && word == "expect") words >> expect_;
    Membership membership;
    membership.cluster.bytes[0] = 7;
    for (std::uint32_t i = 1; i <= count; ++i)
        membership.members.push_back({{NodeId{i}, Incarnation{incarnation_base + i}}, false, "n" + std::to_string(i)});
    for (const Member& member : membership.members) {
        Node& node = nodes_[member.voter.id];
        node.id = member.voter.id;
        node.incarnation = member.voter.incarnation;
        node.local.server_up = true;
        if (verb == "formed") node.journal.base_membership = membership;
    }
}

void Script::set_log(Node& node, Words& words) {
    Digest digest;
    node.journal.entries.clear();
    for (std::string word; words >> word;) {
        if (word == "decided") {
            words >> node.journal.decided.value;
            node.local.applied = node.journal.decided;
            continue;
        }
        Entry entry;
        char slash = 0;
        Words id(word);
        id >> entry.id.epoch.value >> slash >> entry.id.index.value;
        entry.kind = EntryKind::rows;
        entry.payload = Payload("old " + word);
        entry.digest = digest = entry_digest(digest, entry);
        node.journal.hard.epoch = std::max(node.journal.hard.epoch, entry.id.epoch);
        node.journal.entries[entry.id.index.value] = entry;
    }
}

void Script::start(Node& node) {
    core::RecoveredState state = recover(node.journal);
    state.applied = node.local.applied;
    core::CoreConfig config;
    config.id = node.id;
    config.incarnation = node.incarnation;
    config.expect = expect_;
    config.refuse_formation = node.refuse_formation;
    config.has_user_data = node.has_user_data;
    config.refuse_reason = "the database server already holds ddb_meta";
    config.seed = node.id.value + 10 * node.boots++;
    config.kept_entries_max = kept_entries_max_;
    config.kept_entries_hard_max = kept_entries_hard_max_;
    config.kept_bytes_hard_max = kept_bytes_hard_max_;
    config.rebuild_at_start = std::exchange(node.rebuild_at_start, false);
    node.core = std::make_unique<core::Core>(config, std::move(state));
    report(node);
    for (auto& [id, other] : nodes_) {
        if (id == node.id || !other.core) continue;
        node.core->step(core::LinkUp{id});
        other.core->step(core::LinkUp{node.id});
    }
}

void Script::propose(Node& node, const std::string& text) {
    Entry entry;
    entry.kind = EntryKind::rows;
    entry.payload = Payload(text);
    entry.txn = TxnId{node.core->status().epoch, node.next_token};
    propose(node, std::move(entry));
}

void Script::propose(Node& node, Entry entry) {
    const ProposalToken token{node.next_token++};
    node.core->step(core::Propose{token, entry.txn.epoch, std::move(entry)});
}

core::RecoveredState Script::recover(const simulator::JournalImage& journal) {
    core::RecoveredState state;
    state.hard = journal.hard;
    state.signed_list = journal.signed_list;
    state.base_membership = journal.base_membership;
    state.base = journal.base;
    state.base_digest = journal.base_digest;
    for (const auto& [index, entry] : journal.entries) state.entries.push_back(entry);
    state.decided = journal.decided;
    state.rebuilding = journal.rebuilding;
    state.outcomes_floor = journal.outcomes_at_base.outcomes_floor;
    state.forgotten = journal.outcomes_at_base.forgotten;
    state.outcomes = journal.outcomes_at_base.outcomes;
    return state;
}

bool Script::faults(const std::string& verb, Words& words) {
    if (verb == "crash" || verb == "wipe") {
        Node& node = node_of(words);
        node.core.reset();
        node.writes.clear();
        node.last_vote.clear();
        node.decided_shown.clear();
        node.local.leaving_office = false;
        std::erase_if(network_, [&](const Packet& packet) { return packet.to == node.id; });
        if (verb == "crash") return true;
        node.journal = {};
        node.refuse_formation = false;
        node.local.applied = LogIndex{};
        node.incarnation = Incarnation{node.incarnation.value + 1000};
    } else if (verb == "cut") {
        const NodeId a = node_of(words).id, b = node_of(words).id;
        cut_.insert({a, b});
        cut_.insert({b, a});
    } else if (verb == "isolate") {
        const NodeId a = node_of(words).id;
        for (const auto& [b, node] : nodes_) {
            cut_.insert({a, b});
            cut_.insert({b, a});
        }
    } else if (verb == "heal") {
        cut_.clear();
    } else if (verb == "linkdown") {
        Node& node = node_of(words);
        node.core->step(core::LinkDown{node_of(words).id});
    } else if (verb == "deliver" || verb == "drop") {
        deliver(words, verb == "deliver");
    } else if (verb == "complete") {
        complete(node_of(words), words);
    } else {
        return false;
    }
    return true;
}

bool Script::inputs(const std::string& verb, Words& words) {
    std::string text;
    if (verb == "tick") {
        std::uint64_t count = 1;
        words >> count;
        tick(count);
    } else if (verb == "fit" || verb == "unfit") {
        Node& node = node_of(words);
        node.local.server_up = verb == "fit";
        if (node.core) report(node);
    } else if (verb == "propose") {
        Node& node = node_of(words);
        std::getline(words >> std::ws, text);
        propose(node, text);
    } else if (verb == "fill") {
        Node& node = node_of(words);
        std::uint64_t count = 0;
        words >> count;
        while (count-- > 0) propose(node, "fill");
    } else if (verb == "part" || verb == "end") {
        Node& node = node_of(words);
        Entry entry;
        entry.kind = verb == "part" ? EntryKind::rows_part : EntryKind::rows_end;
        entry.txn.epoch = node.core->status().epoch;
        words >> entry.txn.counter;
        propose(node, std::move(entry));
    } else if (verb == "read") {
        Node& node = node_of(words);
        node.core->step(core::ReadIndexQuery{ReadToken{node.next_token++}});
    } else if (verb == "quiesced") {
        Node& node = node_of(words);
        words >> text;
        node.core->step(core::Quiesced{text == "yes"});
    } else if (verb == "stepdown") {
        Node& node = node_of(words);
        node.core->step(core::StepDown{node.next_token++});
    } else if (verb == "outcome") {
        Node& node = node_of(words);
        core::OutcomeQuery query;
        query.token = node.next_token++;
        words >> query.txn.epoch.value >> query.txn.counter;
        node.core->step(query);
    } else if (verb == "status") {
        settle();
        verbose_status_ = false;
        status();
    } else if (verb == "members") {
        settle();
        verbose_status_ = true;
        status();
    } else {
        return false;
    }
    return true;
}

bool Script::membership(const std::string& verb, Words& words) {
    if (verb != "add" && verb != "remove" && verb != "stranger") return false;
    Node& node = node_of(words);
    if (verb == "stranger") {
        Hello hello;
        words >> hello.voter.id.value >> hello.voter.incarnation.value;
        std::uint32_t cluster = 0;
        hello.formed = static_cast<bool>(words >> cluster);
        hello.cluster.bytes[0] = static_cast<std::uint8_t>(cluster);
        node.core->step(core::MessageReceived{hello.voter, hello});
        return true;
    }
    core::ChangeMember change;
    change.token = node.next_token++;
    change.kind = verb == "add" ? core::ChangeMember::Kind::add : core::ChangeMember::Kind::remove;
    words >> change.voter.id.value;
    if (!(words >> change.voter.incarnation.value)) change.voter.incarnation = Incarnation{};
    node.core->step(std::move(change));
    return true;
}

bool Script::transfer(const std::string& verb, Words& words) {
    std::string text;
    if (verb == "rebuild" || verb == "transferfails") {
        Node& node = node_of(words);
        std::getline(words >> std::ws, text);
        if (verb == "rebuild") {
            node.core->step(core::RebuildWanted{text});
        } else {
            node.core->step(core::RebuildFailed{text});
        }
    } else if (verb == "install" || verb == "forge") {
        Node& node = node_of(words);
        Node& donor = node_of(words);
        LogIndex at = donor.local.applied;
        if (words >> text) at = LogIndex{std::stoull(text)};
        std::optional<DumpPoint> point = donor.core->dump_point(at);
        if (!point) throw std::runtime_error("the donor does not keep that entry");
        if (verb == "forge") point->log.digest = {};
        node.local.applied = at;
        node.core->step(core::SnapshotInstalled{std::move(*point)});
        node.report_due = true;
    } else if (verb == "dump") {
        const Node& node = node_of(words);
        dump_ = node.core->dump_point(node.local.applied);
    } else if (verb == "installdump") {
        Node& node = node_of(words);
        node.local.applied = dump_->applied.index;
        node.core->step(core::SnapshotInstalled{*dump_});
        node.report_due = true;
    } else if (verb == "header") {
        const Node& node = node_of(words);
        LogIndex at;
        words >> at.value;
        const std::optional<DumpPoint> point = node.core->dump_point(at);
        output_.push_back(point ? describe(*point) : "not kept");
    } else if (verb == "pin") {
        Node& node = node_of(words);
        LogIndex applied;
        words >> applied.value;
        node.core->step(core::PinLog{applied});
    } else if (verb == "unpin") {
        node_of(words).core->step(core::UnpinLog{});
    } else {
        return false;
    }
    return true;
}

void Script::tick(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        ++tick_;
        for (auto& [id, node] : nodes_) {
            if (!node.core) continue;
            if (node.local.leaving_office) {
                node.local.leaving_office = false;
                node.report_due = true;
            }
            node.core->step(core::Tick{});
            settle();
        }
    }
}

void Script::complete(Node& node, Words& words) {
    core::JournalCompleted completed;
    if (words >> completed.op.value >> completed.epoch.value) {
        node.core->step(completed);
        return;
    }
    if (node.writes.empty()) return output_.push_back("nothing is under way");
    node.journal.apply(node.writes.front());
    node.core->step(core::JournalCompleted{node.writes.front().op, node.writes.front().epoch});
    node.writes.pop_front();
}

void Script::deliver(Words& words, bool keep) {
    const NodeId from = node_of(words).id, to = node_of(words).id;
    std::deque<Packet> waiting;
    waiting.swap(network_);
    for (Packet& packet : waiting) {
        if (packet.from.id != from || packet.to != to) {
            network_.push_back(std::move(packet));
        } else if (Node& target = nodes_.at(to); keep && target.core) {
            target.core->step(core::MessageReceived{packet.from, std::move(packet.message)});
            take(target);
        }
    }
}

// --- what the cores want done ----------------------------------------------------------------------------------------

void Script::settle() {
    for (bool busy = true; busy;) {
        busy = false;
        for (auto& [id, node] : nodes_) {
            if (!node.core) continue;
            take(node);
            if (node.report_due) {
                report(node);
                busy = true;
            }
            while (!node.manual_journal && !node.writes.empty()) {
                node.journal.apply(node.writes.front());
                const core::JournalCompleted completed{node.writes.front().op, node.writes.front().epoch};
                const bool sync = node.writes.front().sync;
                node.writes.pop_front();
                if (sync) node.core->step(completed);
                busy = true;
            }
        }
        while (!manual_network_ && !network_.empty()) {
            Packet packet = std::move(network_.front());
            network_.pop_front();
            Node& target = nodes_.at(packet.to);
            if (!target.core) continue;
            target.core->step(core::MessageReceived{packet.from, std::move(packet.message)});
            busy = true;
            break;
        }
    }
}

void Script::report(Node& node) {
    node.report_due = false;
    node.local.durable_applied = node.local.applied;
    node.core->step(core::LocalReport(node.local));
}

void Script::take(Node& node) {
    core::Effects effects = node.core->take_effects();
    if (effects.journal) {
        if (effects.journal->sync) print(node, describe(*effects.journal));
        node.writes.push_back(std::move(*effects.journal));
    }
    for (core::Effect& effect : effects.now) perform(node, effect);
}

void Script::perform(Node& node, core::Effect& effect) {
    if (auto* send = std::get_if<core::Send>(&effect)) return transmit(node, *send);
    print(node, describe(effect));
    if (const auto* decided = std::get_if<core::Decided>(&effect)) {
        if (!node.local.server_up) return;
        node.local.applied = decided->up_to;
        node.report_due = true;
    } else if (std::holds_alternative<core::OfficeClosed>(effect)) {
        node.local.leaving_office = true;
    } else if (const auto* identity = std::get_if<core::IdentityTaken>(&effect)) {
        node.incarnation = identity->incarnation;
    }
}

bool Script::hidden(Node& node, const core::Send& send) {
    if (std::holds_alternative<Hello>(send.message)) return true;
    if (const auto* prepare = std::get_if<Prepare>(&send.message)) {
        std::uint64_t& shown = node.decided_shown[send.to];
        const bool news = !prepare->entries.empty() || prepare->round || prepare->decided.value > shown;
        shown = std::max(shown, prepare->decided.value);
        return !news;
    }
    if (const auto* vote = std::get_if<Vote>(&send.message); vote && vote->accepted && !vote->round) {
        std::string text = describe(send.message);
        return std::exchange(node.last_vote[send.to], text) == text;
    }
    return false;
}

void Script::transmit(Node& node, core::Send& send) {
    const bool lost = !nodes_.contains(send.to) || cut_.contains({node.id, send.to}) || !nodes_.at(send.to).core;
    if (!hidden(node, send))
        print(node, "-> " + std::to_string(send.to.value) + " " + describe(send.message) + (lost ? " (lost)" : ""));
    if (!lost) network_.push_back({{node.id, node.incarnation}, send.to, std::move(send.message)});
}

void Script::print(const Node& node, const std::string& text) {
    output_.push_back("@" + std::to_string(tick_) + " " + std::to_string(node.id.value) + " " + text);
}

void Script::status() {
    for (const auto& [id, node] : nodes_) {
        if (!node.core) {
            output_.push_back(std::to_string(id.value) + " is down");
            continue;
        }
        const core::CoreStatus status = node.core->status();
        std::string line = std::to_string(id.value) + " " + core::to_string(status.role) +
                           (status.serving ? ", serves" : "") + ", epoch " + std::to_string(status.epoch.value) +
                           ", coordinator " + std::to_string(status.coordinator.value) + ", last " +
                           describe(status.last) + ", decided " + std::to_string(status.decided.value) + ", durable " +
                           std::to_string(status.durable.value);
        if (verbose_status_)
            line += ", log from " + std::to_string(node.journal.base.index.value + 1) + ", members " +
                    (status.membership ? describe(*status.membership) : "none");
        if (!status.waiting_for.empty()) line += ", waits for: " + status.waiting_for;
        output_.push_back(std::move(line));
    }
}

}  // namespace ddb::golden
