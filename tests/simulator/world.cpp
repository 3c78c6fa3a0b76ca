#include "tests/simulator/world.hpp"

#include <algorithm>

#include "tests/simulator/story.hpp"

namespace ddb::simulator {

namespace {

constexpr std::uint64_t tick_us = 10'000;
constexpr std::uint64_t new_requests_ms = 500;  // of the calm phase

core::CoreConfig config_of(Host& host, std::size_t expect, const Profile& profile, std::uint64_t seed) {
    core::CoreConfig config;
    config.id = host.voter.id;
    config.incarnation = host.voter.incarnation;
    config.expect = static_cast<std::uint32_t>(expect);
    config.address = "node" + std::to_string(config.id.value) + ":6000";
    config.refuse_formation = host.joins;
    config.refuse_reason = "it is to be added to a cluster";
    config.rebuild_at_start = std::exchange(host.server_wiped, false);
    config.heartbeat_ticks = profile.election_ticks / 5;
    config.election_ticks = profile.election_ticks;
    config.stable_ticks = 60;
    config.seed = seed;
    // Small, so that entries are read back and logs are cut.
    config.payload_cache_bytes_max = 600;
    config.kept_entries_max = 60;
    if (profile.short_logs) config.kept_entries_hard_max = 120;
    return config;
}

std::size_t size_of(const Options& options, Dice& dice) {
    const std::size_t sizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5};
    return options.nodes ? options.nodes : sizes[dice.below(std::size(sizes))];
}

}  // namespace

World::World(Options options)
    : options_(std::move(options)),
      dice_(options_.seed),
      members_(size_of(options_, dice_)),
      network_(dice_, members_),
      profile_(dice_),
      faults_(*this, profile_),
      clients_(*this, 1 + dice_.below(8), profile_.eagerness),
      transfers_(*this) {
    steps_ = options_.steps * (profile_.members_change ? 2 : 1);
    for (std::uint32_t i = 0; i < members_; ++i) add_host(NodeId{i + 1});
}

Host& World::add_host(NodeId id) {
    Host& host = hosts_.emplace_back();
    host.place = hosts_.size() - 1;
    host.born = Incarnation{dice_.number() | 1};
    host.voter = {id, host.born};
    host.tick_us = profile_.clocks ? dice_.between(tick_us * 7 / 10, tick_us * 14 / 10) : tick_us;
    host.starts_at_ms = now_ms_ + dice_.between(0, 300);
    network_.grow(hosts_.size());
    return host;
}

bool World::formed() {
    const auto knows = [](const Host& host) { return host.journal.durable().base_membership.has_value(); };
    return formed_ = formed_ || std::all_of(hosts_.begin(), hosts_.end(), knows);
}

bool World::whole(const Host& host) const {
    const JournalImage& journal = host.journal.durable();
    return journal.base_membership && !journal.rebuilding && !host.loading && !host.server_wiped && !host.fenced &&
           !host.retired && !host.copied && host.database.durable() >= journal.base.index;
}

std::size_t World::voters() const {
    const auto& membership = checker_.membership();
    if (!membership) return 0;
    return static_cast<std::size_t>(std::count_if(membership->members.begin(), membership->members.end(),
                                                  [](const Member& member) { return !member.learner; }));
}

bool World::intact_voter(const Host& host) const {
    const auto& membership = checker_.membership();
    return membership && whole(host) &&
           std::any_of(membership->members.begin(), membership->members.end(),
                       [&](const Member& member) { return member.voter == host.voter && !member.learner; });
}

std::size_t World::intact_voters() const {
    return static_cast<std::size_t>(
        std::count_if(hosts_.begin(), hosts_.end(), [this](const Host& host) { return intact_voter(host); }));
}

bool World::membership_settled() const {
    const auto above = [](const JournalImage& journal, LogIndex decided) {
        return std::any_of(journal.entries.upper_bound(decided.value), journal.entries.end(),
                           [](const auto& held) { return held.second.kind == EntryKind::membership; });
    };
    return std::none_of(hosts_.begin(), hosts_.end(),
                        [&](const Host& host) { return above(host.journal.newest(), checker_.newest_decided()); });
}

Holders World::holders() const {
    Holders all;
    for (const Host& host : hosts_) all.push_back({host.voter, &host.journal.durable()});
    // A vote given before the loss still counts: who gave it never votes again.
    for (const auto& [voter, journal] : lost_journals_) all.push_back({voter, &journal});
    return all;
}

Summary World::run() {
    for (; now_ms_ < steps_; ++now_ms_) {
        faults_.step();
        step(true);
    }
    heal();
    const std::uint64_t calm_since_ms = now_ms_;
    for (; !converged(); ++now_ms_) {
        const std::uint64_t ticks = (now_ms_ - calm_since_ms) * 1000 / tick_us;
        if (ticks > (rebuilt() ? calm_ticks_max_rebuilding : calm_ticks_max))
            throw Violation("not at rest " + std::to_string(ticks) + " ticks after the last fault: " + unrest());
        if ((now_ms_ - calm_since_ms) % 1000 == 500) settle_doubles();
        step(now_ms_ - calm_since_ms < new_requests_ms);
    }
    checker_.finish();
    (rebuilt() ? summary_.calm_ticks_rebuilding : summary_.calm_ticks) = (now_ms_ - calm_since_ms) * 1000 / tick_us;
    summary_.acknowledged = checker_.acknowledged_count();
    summary_.decided = checker_.newest_decided().value;
    summary_.tenures = checker_.coordinators();
    summary_.retries_decided = clients_.retries_decided();
    summary_.told_absent = clients_.told_absent();
    summary_.changes = checker_.changes();
    summary_.rebuilds = transfers_.finished();
    for (const Host& host : hosts_)
        if (host.journal.durable().base.index.value > 0) ++summary_.logs_cut;
    return summary_;
}

void World::step(bool clients_open) {
    clients_.step(clients_open);
    for (Host& host : hosts_) readers(host);
    deliver();
    for (Host& host : hosts_) step_host(host);
    transfers_.step(calm_);
}

// --- nodes -----------------------------------------------------------------------------------------------------------

void World::start(Host& host) {
    if (!calm_ && faults_.journal_damaged(host)) {
        story(host.label() + " finds damaged bytes in its journal and refuses to start; it is wiped");
        wipe(host);
        host.starts_at_ms = faults_.restart_at_ms();
        return;
    }
    if (!calm_ && faults_.copy_put_back(host)) put_back_copy(host);
    ++host.starts;
    host.voter.incarnation = host.journal.durable().incarnation.value_or(host.born);
    host.loading = host.journal.durable().rebuilding;
    if (host.loading) host.database.wipe();  // half of a dump
    checker_.database_is_at(host.voter, host.database.applied());
    // Any part of the payloads may be left in the journal at start.
    const std::uint64_t past_last = host.journal.durable().last().value + 1;
    core::RecoveredState state = host.journal.recover(LogIndex{dice_.chance(0.5) ? past_last : dice_.below(past_last)});
    state.applied = host.database.applied();
    host.target = host.database.applied();
    story(host.label() + " starts, log up to " + name(host.journal.durable().id_at(host.journal.durable().last())) +
          ", applied " + std::to_string(host.target.value));
    host.core = std::make_unique<core::Core>(config_of(host, members_, profile_, dice_.number()), std::move(state));
    host.role = core::Role::unformed;
    host.report_due = true;
    host.next_tick_us = now_ms_ * 1000 + dice_.between(0, host.tick_us);
    for (Host& other : hosts_) {
        if (other.place == host.place) continue;
        feed(host, core::LinkUp{other.voter.id});
        feed(other, core::LinkUp{host.voter.id});
    }
}

void World::crash(Host& host, const std::string& why) {
    if (!host.core) return;
    story(host.label() + " dies: " + why);
    ++summary_.crashes;
    host.core.reset();
    host.journal.crash(dice_.between(0, host.journal.under_way()));
    clients_.on_crash(host);
    transfers_.forget(host);
    host.role = core::Role::unformed;
    host.serving = host.leaving = host.stall_reported = host.fenced = false;
    host.asks_for_another_at_ms.reset();
    host.quiesce_answer_at_ms.reset();
    host.dies_after_effects.reset();
    if (dice_.chance(0.5)) host.database.crash();
    host.starts_at_ms = faults_.restart_at_ms();
    for (Host& other : hosts_)
        if (dice_.chance(0.7)) feed(other, core::LinkDown{host.voter.id});
}

void World::wipe(Host& host) {
    ++summary_.wipes;
    lost_journals_.emplace_back(host.voter, host.journal.durable());
    host.journal.wipe();
    host.database.wipe();
    host.born = Incarnation{dice_.number() | 1};
    host.voter.incarnation = host.born;
    host.copy.reset();
    host.copied = false;
    host.loading = host.server_wiped = false;
    // Enough of them at once would form a cluster of their own, as told.
    host.joins = true;
}

void World::put_back_copy(Host& host) {
    story(host.label() + "'s journal is replaced by an old copy that ends at " +
          name(host.copy->id_at(host.copy->last())));
    ++summary_.wipes;
    lost_journals_.emplace_back(host.voter, host.journal.durable());
    host.journal.restore(*host.copy);
    host.copy.reset();
    host.copied = true;
    // A server that lost what betrays the copy would leave it to the boot numbers of the bus, which are not here.
    host.database.flush();
}

void World::step_host(Host& host) {
    if (!host.core) {
        if (now_ms_ >= host.starts_at_ms && !host.retired) start(host);
        return;
    }
    if (now_ms_ < host.paused_until_ms) return;
    for (const core::JournalCompleted& completed : host.journal.advance(now_ms_)) feed(host, completed);
    move_database(host);
    if (host.asks_for_another_at_ms && now_ms_ >= *host.asks_for_another_at_ms) {
        host.asks_for_another_at_ms.reset();
        feed(host, core::RebuildWanted{"it differs from the others'"});
    }
    if (host.quiesce_answer_at_ms && now_ms_ >= *host.quiesce_answer_at_ms) {
        host.quiesce_answer_at_ms.reset();
        feed(host, core::Quiesced{dice_.chance(0.7)});
    }
    // After a pause the missed ticks come at once, or never.
    if (now_ms_ * 1000 > host.next_tick_us + 5 * host.tick_us && dice_.chance(0.5)) host.next_tick_us = now_ms_ * 1000;
    if (now_ms_ < host.clock_stops_until_ms) host.next_tick_us = host.clock_stops_until_ms * 1000;
    for (; host.core && now_ms_ * 1000 >= host.next_tick_us; host.next_tick_us += host.tick_us) {
        report(host);
        feed(host, core::Tick{});
    }
    drain(host);
}

void World::feed(Host& host, core::Input input) {
    if (!host.core) return;
    host.core->step(std::move(input));
    // Sometimes inputs gather before the effects are taken.
    if (dice_.chance(0.7)) drain(host);
}

void World::drain(Host& host) {
    if (!host.core) return;
    core::Effects effects = host.core->take_effects();
    if (effects.journal) checker_.journaled(host.voter, host.journal.newest(), *effects.journal);
    // The journal write is handed over at any moment between the other effects.
    const std::size_t count = effects.now.size(), write_at = dice_.below(count + 1);
    for (std::size_t i = 0;; ++i) {
        if (i == write_at && effects.journal) write_journal(host, std::move(*effects.journal));
        if (i == count) return;
        if (host.dies_after_effects && (*host.dies_after_effects)-- == 0) return crash(host, "between two effects");
        perform(host, effects.now[i]);
    }
}

void World::write_journal(Host& host, core::JournalWrite write) {
    const bool slow = dice_.chance(profile_.slow_disks ? 0.15 : 0.02);
    const bool slowest = profile_.slow_office && host.role == core::Role::coordinator;
    const std::uint64_t delay_ms = calm_     ? dice_.between(0, 3)
                                   : slowest ? dice_.between(50, 400)
                                   : slow    ? dice_.between(10, 120)
                                             : dice_.between(0, 3);
    host.journal.write(std::move(write), now_ms_ + delay_ms);
}

// --- effects ---------------------------------------------------------------------------------------------------------

void World::perform(Host& host, core::Effect& effect) {
    if (auto* send = std::get_if<core::Send>(&effect)) return on(host, *send);
    if (auto* changed = std::get_if<core::RoleChanged>(&effect)) return on(host, *changed);
    if (auto* opened = std::get_if<core::OfficeOpened>(&effect)) return on(host, *opened);
    if (auto* closed = std::get_if<core::OfficeClosed>(&effect)) return on(host, *closed);
    if (auto* decided = std::get_if<core::Decided>(&effect)) return on(host, *decided);
    if (auto* accepted = std::get_if<core::ProposalAccepted>(&effect)) return clients_.on(host, *accepted);
    if (auto* refused = std::get_if<core::ProposalRefused>(&effect)) return clients_.on(host, *refused);
    if (auto* unknown = std::get_if<core::ProposalUnknown>(&effect)) return clients_.on(host, *unknown);
    if (auto* answer = std::get_if<core::OutcomeAnswer>(&effect)) return clients_.on(host, *answer);
    if (auto* answer = std::get_if<core::ReadIndexAnswer>(&effect)) return on(host, *answer);
    if (auto* read = std::get_if<core::ReadEntries>(&effect)) return on(host, *read);
    if (auto* needed = std::get_if<core::RebuildNeeded>(&effect)) return on(host, *needed);
    if (auto* over = std::get_if<core::RebuildOver>(&effect)) return on(host, *over);
    if (auto* taken = std::get_if<core::IdentityTaken>(&effect)) return on(host, *taken);
    if (auto* complaint = std::get_if<core::Complaint>(&effect)) return on(host, *complaint);
    if (std::holds_alternative<core::Quiesce>(effect)) {
        host.quiesce_answer_at_ms = now_ms_ + dice_.between(0, 250);
    } else if (std::holds_alternative<core::QuiesceEnd>(effect)) {
        host.quiesce_answer_at_ms.reset();
    } else if (auto* text = std::get_if<core::Trace>(&effect)) {
        story(host.label() + " " + text->text);
    }
}

void World::on(Host& host, core::Send& send) {
    if (host.core->status().incarnation != host.voter.incarnation)
        throw Violation(host.label() + " speaks under the name of a voter that it no longer is");
    checker_.sent(host.voter, send.to, host.journal.durable(), send.message);
    if (auto* reply = std::get_if<ProbeReply>(&send.message);
        reply && profile_.false_probes && !calm_ && dice_.chance(0.8)) {
        reply->accepted = true;
        reply->stands = false;
    }
    if (options_.story)
        if (const std::string said = in_words(send.message); !said.empty())
            story(host.label() + " to node " + std::to_string(send.to.value) + ": " + said);
    for (const Host& to : hosts_)
        if (to.voter.id == send.to && to.place != host.place)
            network_.send(now_ms_, {host.voter, host.place, to.place, send.message});
}

void World::on(Host& host, core::RoleChanged& changed) {
    story(host.label() + " is " + core::to_string(changed.role) + " in epoch " + std::to_string(changed.epoch.value) +
          ": " + changed.reason);
    host.role = changed.role;
    if (changed.role != core::Role::coordinator) return;
    checker_.became_coordinator(host.voter, changed.epoch, host.journal.newest(), holders());
    if (!calm_) faults_.became_coordinator(host);
}

void World::on(Host& host, core::OfficeOpened& opened) {
    story(host.label() + " serves in epoch " + std::to_string(opened.epoch.value));
    if (host.database.applied() < opened.noop_index || host.leaving || !host.server_up)
        throw Violation(host.label() + " opened its office too early");
    host.serving = true;
    host.office = opened.epoch;
}

void World::on(Host& host, core::OfficeClosed& closed) {
    story(host.label() + " closes its office: " + closed.reason);
    host.serving = false;
    host.leaving = true;
    host.leaves_at_ms = now_ms_ + dice_.between(1, 100);
}

void World::on(Host& host, core::Decided& decided) {
    if (decided.from != host.target || decided.up_to <= decided.from)
        throw Violation(host.label() + ": decided ranges do not join");
    host.target = decided.up_to;
    story(host.label() + " learns that everything up to " + std::to_string(decided.up_to.value) + " is decided");
    checker_.decided(host.voter, host.journal.durable(), decided, holders());
    clients_.on_decided(host, decided.up_to);
}

void World::on(Host& host, core::ReadIndexAnswer& answer) {
    while (!host.reads.empty() && host.reads.begin()->first <= answer.token.value) {
        if (answer.accepted) {
            checker_.read_answered(host.voter, host.reads.begin()->second, answer.index);
            ++summary_.reads;
        }
        host.reads.erase(host.reads.begin());
    }
}

void World::on(Host& host, core::ReadEntries& read) {
    ++summary_.read_back;
    core::EntriesRead answer{read.peer, read.epoch, {}};
    for (LogIndex at = read.from; at <= read.to; at = next(at))
        if (const Entry* entry = host.journal.durable().find(at)) answer.entries.push_back(*entry);
    if (!dice_.chance(0.02)) host.core->step(std::move(answer));
}

void World::on(Host& host, core::RebuildNeeded& needed) {
    story(host.label() + " is to load its database from node " + std::to_string(needed.donor.value) + ": " +
          needed.reason);
    if (!host.journal.durable().rebuilding) throw Violation(host.label() + " rebuilds without a durable marker");
    host.loading = true;
    host.database.wipe();
    transfers_.begin(host, needed.donor, calm_);
}

void World::on(Host& host, core::RebuildOver&) {
    if (host.journal.durable().rebuilding) throw Violation(host.label() + " ends a rebuild before its journal does");
    host.loading = host.fenced = false;
    host.target = host.database.applied();
    host.report_due = true;
    story(host.label() + " is rebuilt");
}

void World::on(Host& host, core::IdentityTaken& taken) {
    if (host.journal.durable().incarnation != taken.incarnation)
        throw Violation(host.label() + " speaks under an identity that is not durable");
    story(host.label() + " goes on as a new node");
    lost_journals_.emplace_back(host.voter, host.journal.durable());
    host.voter.incarnation = taken.incarnation;
    host.copied = false;
    checker_.database_is_at(host.voter, host.database.applied());
}

void World::on(Host& host, core::Complaint& complaint) {
    story(host.label() + " complains: " + complaint.text);
    for (const char* bad : {"both claim", "claims our epoch", "logs differ", "decided", "signed", "cannot be read"})
        if (complaint.text.find(bad) != std::string::npos) throw Violation(host.label() + ": " + complaint.text);
    const bool expected = !lost_journals_.empty() || hosts_.size() > members_;
    for (const char* odd : {"another journal", "was lost or replaced", "two nodes with id"})
        if (!expected && complaint.text.find(odd) != std::string::npos)
            throw Violation(host.label() + ": " + complaint.text);
}

// --- network, database, readers --------------------------------------------------------------------------------------

void World::deliver() {
    while (std::optional<Packet> packet = network_.due(now_ms_)) {
        Host& to = hosts_[packet->to];
        if (!to.core) continue;
        if (now_ms_ < to.paused_until_ms) {
            network_.hold(std::move(*packet), to.paused_until_ms + dice_.below(3));
            continue;
        }
        feed(to, core::MessageReceived{packet->sender, std::move(packet->message)});
    }
}

void World::move_database(Host& host) {
    if (!host.core) return;
    if (!host.server_up) {
        if (now_ms_ < host.server_returns_at_ms) return;
        report(host);  // that it was down is told in any case
        if (!host.core) return;
        host.server_up = host.report_due = true;
        story(host.label() + "'s database server is back, applied " + std::to_string(host.database.applied().value));
    }
    if (host.leaving && now_ms_ >= host.leaves_at_ms) {
        host.leaving = false;
        host.report_due = true;
    }
    if (host.leaving || host.loading || host.fenced || host.database.applied() >= host.target || !dice_.chance(0.5))
        return;
    const bool lost = host.database.applied() < host.journal.durable().base.index;  // the core will notice
    if (lost || host.core->status().rebuilding) return;
    const std::uint64_t up_to = std::min(host.target.value, host.database.applied().value + dice_.between(1, 20));
    while (host.database.applied().value < up_to) {
        const Entry* entry = host.journal.durable().find(next(host.database.applied()));
        if (!entry) throw Violation(host.label() + ": an entry to be applied is not in the journal any more");
        if (!host.database.apply(*entry, host.journal.durable()))
            throw Violation(host.label() + ": parts of " + name(entry->id) + " are not in the journal any more");
        checker_.applied(host.voter, entry->id, host.database.content());
    }
    if (dice_.chance(0.3)) host.database.flush();
    host.report_due = true;
}

void World::report(Host& host) {
    if (calm_ && host.database.durable() < host.database.applied()) {
        host.database.flush();
        host.report_due = true;
    }
    const std::uint64_t stalled_until_ms = host.journal.stalled_until_ms();
    const bool stalled = now_ms_ < stalled_until_ms && now_ms_ - host.stalled_since_ms > 200;
    if (stalled != host.stall_reported) host.report_due = true;
    host.stall_reported = stalled;
    if (!std::exchange(host.report_due, false)) return;
    core::LocalReport report;
    report.applied = host.database.applied();
    report.durable_applied = host.database.durable();
    report.server_up = host.server_up;
    report.leaving_office = host.leaving;
    report.disk_stalled = stalled;
    report.fenced = host.fenced;
    feed(host, std::move(report));
}

void World::readers(Host& host) {
    if (!host.awake(now_ms_)) return;
    if (dice_.chance(0.03)) {
        const std::uint64_t token = host.next_token++;
        host.reads[token] = checker_.read_floor();
        feed(host, core::ReadIndexQuery{ReadToken{token}});
    }
    if (host.serving && dice_.chance(0.0002)) feed(host, core::StepDown{host.next_token++});
}

// --- the calm phase --------------------------------------------------------------------------------------------------

void World::heal() {
    story("calm: the faults are over");
    calm_ = true;
    faults_.end();
    settle_doubles();
}

void World::settle_doubles() {
    const auto& membership = checker_.membership();
    if (!membership) return;
    for (Host& host : hosts_) {
        const auto twin = std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& other) {
            return other.place != host.place && other.voter.id == host.voter.id;
        });
        if (twin == hosts_.end()) continue;
        const bool belongs = std::any_of(membership->members.begin(), membership->members.end(),
                                         [&](const Member& member) { return member.voter == twin->voter; });
        if (belongs) crash(host, "an operator stops it, another node has its id");
        host.retired = belongs;
    }
}

bool World::converged() {
    return unrest().empty();
}

std::string World::unrest() {
    const auto& membership = checker_.membership();
    if (!membership) return "no cluster is formed";
    const Host* office = nullptr;
    for (const Host& host : hosts_)
        if (host.serving && host.core && host.core->status().serving) office = &host;
    if (!office) return "nobody serves";
    if (!clients_.idle() || !office->jobs.empty()) return "a client still waits";
    const core::CoreStatus status = office->core->status();
    if (status.decided != status.last.index) return "an entry is not decided";
    for (const Member& member : membership->members) {
        const std::string who = "node " + std::to_string(member.voter.id.value);
        if (member.learner) return who + " is no voter yet";
        const auto host =
            std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& other) { return other.voter == member.voter; });
        if (host == hosts_.end()) return who + " did not come back under its new incarnation";
        if (!host->core) return who + " is down";
        const core::CoreStatus other = host->core->status();
        if (other.rebuilding || host->fenced) return who + " has not loaded its database";
        if (other.last != status.last || other.decided != status.decided ||
            host->database.applied() != status.decided ||
            host->journal.durable().id_at(status.last.index) != status.last)
            return who + " lacks entries";
    }
    return {};
}

}  // namespace ddb::simulator
