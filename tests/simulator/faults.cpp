#include "tests/simulator/faults.hpp"

#include <algorithm>

#include "tests/simulator/world.hpp"

namespace ddb::simulator {

Profile::Profile(Dice& dice) {
    ambushes = dice.chance(0.35);
    // An ambush needs elections that succeed in between.
    const double often = ambushes ? 0.15 : 0.5;
    if (dice.chance(often)) loss_max = 0.3 * dice.share();
    if (dice.chance(often)) repetition = 0.1;
    if (dice.chance(0.3)) damage = 0.002;
    delays = dice.chance(often);
    partitions = dice.chance(ambushes ? 0.1 : 0.6);
    flapping_links = dice.chance(often / 2);
    flapping_top = dice.chance(often / 2);
    crashes = dice.chance(0.2) ? 0 : 0.0006;
    crashes_in_office = dice.chance(0.3) ? 0.008 : 0.002;
    pauses = dice.chance(0.5) ? 0.001 : 0.0002;
    strandings = dice.chance(0.5) ? 0.0025 : 0;
    slow_disks = dice.chance(often);
    failed_syncs = dice.chance(0.3) ? 0.0002 : 0;
    servers_down = dice.chance(0.6) ? 0.0004 : 0;
    bit_flips = dice.chance(0.2);
    wipes = dice.chance(0.2);
    server_wipes = dice.chance(0.2);
    copies = dice.chance(0.15);
    short_logs = dice.chance(0.3);
    changes = dice.chance(0.25);
    members_change = bit_flips || wipes || copies || changes;
    doubles = !members_change && dice.chance(0.2);
    clocks = dice.chance(0.4);
    false_probes = dice.chance(0.3);
    fences = dice.chance(0.15) ? 0.0005 : 0;
    slow_office = dice.chance(0.1);
    if (ambushes) {
        restart_ms_max = 400;
        crashes_in_office = 0.001;
        servers_down = strandings = 0;
        election_ticks = 10;
    }
    eagerness = dice.chance(0.3) ? 0.01 : 0.08;
}

void Faults::step() {
    const std::uint64_t now_ms = world_.now_ms();
    if (now_ms < 1500 && world_.steps() > 3000) return;  // let most runs form and elect
    if (now_ms >= weather_until_ms_) weather();
    flap_top();
    spring_ambush();
    for (Host& host : world_.hosts())
        if (host.core) strike(host);
    if (profile_.changes) operate();
    // A node that expects nobody else would form a cluster of its own, as told.
    if (profile_.doubles && world_.members() > 1 && world_.hosts().size() == world_.members() && world_.formed() &&
        world_.dice().chance(0.001)) {
        Host& twin = world_.add_host(world_.hosts()[world_.dice().below(world_.members())].voter.id);
        twin.impostor = true;
        world_.story("a second node claims id " + std::to_string(twin.voter.id.value));
    }
}

void Faults::weather() {
    Dice& dice = world_.dice();
    Network& network = world_.network();
    weather_until_ms_ = world_.now_ms() + dice.between(200, 700);
    network.clear_links();
    network.loss = dice.chance(0.6) ? profile_.loss_max * dice.share() : 0;
    network.repetition = dice.chance(0.5) ? profile_.repetition : 0;
    network.damage = profile_.damage;
    network.delay_ms_max = profile_.delays && dice.chance(0.5) ? dice.between(5, 60) : dice.between(0, 3);
    const std::size_t places = world_.hosts().size();
    const auto any_link = [&] { return Link{dice.below(places), dice.below(places)}; };
    if (profile_.delays && dice.chance(0.3)) network.slow(any_link(), dice.between(20, 300));
    if (profile_.flapping_links)
        for (std::size_t i = dice.below(places); i > 0; --i) network.flap(any_link(), dice.between(5, 150));
    if (!profile_.partitions || !dice.chance(0.6)) return;
    switch (dice.below(4)) {
        case 0:
            network.ring();
            break;
        case 1:
            network.isolate(dice.below(places), dice.chance(0.5));
            break;
        default:
            network.split(dice.chance(0.3));
    }
    world_.story("the network parts: " + std::to_string(network.cut_links()) + " links are cut");
}

void Faults::strike(Host& host) {
    Dice& dice = world_.dice();
    const std::uint64_t now_ms = world_.now_ms();
    if (dice.chance(host.serving ? profile_.crashes_in_office : profile_.crashes)) {
        host.dies_after_effects = static_cast<unsigned>(dice.below(6));
    } else if (host.serving && dice.chance(profile_.strandings)) {
        // Nobody of the cluster reaches it and its timers are late, but clients do reach it.
        weather_until_ms_ = host.clock_stops_until_ms = now_ms + dice.between(200, 900);
        // With somebody who still follows it, mostly: the two must not take themselves for a majority.
        Host& other = world_.hosts()[dice.below(world_.hosts().size())];
        const bool alone = other.place == host.place || dice.chance(0.3);
        if (!alone) other.clock_stops_until_ms = weather_until_ms_;
        world_.network().isolate(host.place, false, alone ? host.place : other.place);
        world_.story(host.label() + (alone ? "" : " with " + other.label()) + " is stranded until " +
                     std::to_string(weather_until_ms_) + " ms");
    } else if (dice.chance(profile_.pauses)) {
        host.paused_until_ms = now_ms + dice.between(20, 800);
        world_.story(host.label() + " is paused until " + std::to_string(host.paused_until_ms) + " ms");
    } else if (profile_.slow_disks && dice.chance(0.0006)) {
        const std::uint64_t stall_ms = dice.between(50, 900);
        host.journal.stall_until(now_ms + stall_ms);
        host.stalled_since_ms = now_ms;
        world_.story(host.label() + "'s disk stalls for " + std::to_string(stall_ms) + " ms");
    } else if (dice.chance(profile_.failed_syncs)) {
        world_.crash(host, "its journal's sync failed");
    } else if (host.server_up && dice.chance(profile_.servers_down)) {
        host.server_up = false;
        host.server_returns_at_ms = now_ms + dice.between(20, 1000);
        const bool wiped = profile_.server_wipes && !host.loading && dice.chance(0.3) && may_lose(host);
        if (wiped) {
            host.database.wipe();
        } else {
            host.database.crash();
        }
        world_.checker().database_is_at(host.voter, host.database.applied());
        host.report_due = true;
        world_.story(host.label() + "'s database server is down" + (wiped ? " and its data lost" : ""));
    } else if (dice.chance(profile_.fences) && host.server_up && !host.fenced && may_lose(host)) {
        host.fenced = host.report_due = true;
        host.asks_for_another_at_ms = now_ms + dice.between(0, 1500);
        world_.story(host.label() + "'s database is found to differ");
    } else if (profile_.wipes && dice.chance(0.0003) && may_lose(host)) {
        world_.crash(host, "its disk is lost");
        world_.wipe(host);
    } else if (profile_.copies && dice.chance(0.001)) {
        host.copy = host.journal.durable();
    }
}

// An operator at work: removes nodes, wipes what was removed, adds blank nodes.
void Faults::operate() {
    Dice& dice = world_.dice();
    for (Host& host : world_.hosts())
        if (dice.chance(0.002)) clean_up(host);
    if (world_.now_ms() < operates_at_ms_ || !world_.formed()) return;
    operates_at_ms_ = world_.now_ms() + dice.between(200, 1500);
    Host* office = nullptr;
    for (Host& host : world_.hosts())
        if (host.serving && host.awake(world_.now_ms())) office = &host;
    const auto& membership = world_.checker().membership();
    if (!office || !membership) return;
    core::ChangeMember change;
    change.token = office->next_token++;
    if (dice.chance(0.5)) {
        change.kind = core::ChangeMember::Kind::remove;
        change.voter.id = membership->members[dice.below(membership->members.size())].voter.id;
        if (!survives_without(change.voter.id)) return;
    } else {
        if (world_.hosts().size() < world_.members() + 2 && dice.chance(0.5))
            world_.add_host(NodeId{static_cast<std::uint32_t>(world_.hosts().size() + 1)}).joins = true;
        change.voter.id = world_.hosts()[dice.below(world_.hosts().size())].voter.id;
    }
    world_.story("an operator asks " + office->label() + " to " +
                 (change.kind == core::ChangeMember::Kind::add ? "add node " : "remove node ") +
                 std::to_string(change.voter.id.value));
    world_.feed(*office, change);
}

// Whom an operator removes while others are lost for good is his own business; this one counts first.
bool Faults::survives_without(NodeId id) {
    const auto& hosts = world_.hosts();
    const bool counts = std::any_of(hosts.begin(), hosts.end(),
                                    [&](const Host& host) { return host.voter.id == id && world_.intact_voter(host); });
    const std::size_t left = world_.intact_voters() - (counts ? 1 : 0);
    return left >= (world_.voters() - 1) / 2 + 1;
}

void Faults::clean_up(Host& host) {
    const auto& membership = world_.checker().membership();
    if (!membership || !host.journal.durable().base_membership || !world_.membership_settled()) return;
    for (const Member& member : membership->members)
        if (member.voter.id == host.voter.id) return;
    world_.crash(host, "an operator wipes it, it was removed");
    world_.wipe(host);
}

void Faults::flap_top() {
    if (!profile_.flapping_top || world_.now_ms() < top_flaps_at_ms_) return;
    Dice& dice = world_.dice();
    top_flaps_at_ms_ = world_.now_ms() + dice.between(100, 700);
    top_away_ = !top_away_;
    Host& top = world_.hosts()[world_.members() - 1];
    if (!top_away_) return world_.network().clear_links();
    if (dice.chance(0.5) && top.core) return world_.crash(top, "it flaps");
    world_.network().isolate(top.place, dice.chance(0.3));
}

// Most of what can go wrong with decisions needs coordinators that die early, with entries on some nodes only. Chance
// alone rarely brings that about several times in a row.
void Faults::became_coordinator(Host& host) {
    if (!profile_.ambushes || world_.now_ms() < 1000) return;
    Dice& dice = world_.dice();
    world_.network().end_blindness();
    if (dice.chance(0.15)) {
        // This one does some work before it dies.
        ambush_ = Ambush{host.place, world_.now_ms() + dice.between(50, 400), true};
        return;
    }
    // Old entries without the coordinator's own are what must not be decided by counting.
    const Blindness usual = dice.chance(0.25) ? Blindness::all_entries : Blindness::new_entries;
    const double reach = dice.chance(0.5) ? 0 : 0.4;
    for (const Host& other : world_.hosts())
        if (!dice.chance(reach)) world_.network().blind({host.place, other.place}, usual);
    ambush_ = Ambush{host.place, world_.now_ms() + dice.between(2, 60), dice.chance(0.85)};
    world_.story("an ambush: entries of " + host.label() + " reach only some");
}

void Faults::spring_ambush() {
    if (!ambush_ || world_.now_ms() < ambush_->at_ms) return;
    Host& host = world_.hosts()[ambush_->place];
    const bool deadly = ambush_->deadly;
    ambush_.reset();
    world_.network().end_blindness();
    if (deadly && host.core && host.role == core::Role::coordinator) world_.crash(host, "an ambush");
}

std::uint64_t Faults::restart_at_ms() {
    return world_.now_ms() + world_.dice().between(20, world_.dice().chance(0.3) ? 80 : profile_.restart_ms_max);
}

// A majority of the voters keeps its journals and databases.
bool Faults::may_lose(const Host& host) {
    if (!world_.formed() || !world_.membership_settled() || !world_.whole(host)) return false;
    return world_.intact_voters() > world_.voters() / 2 + 1;
}

bool Faults::copy_put_back(const Host& host) {
    return profile_.copies && host.copy && host.copy->base_membership && !host.copy->rebuilding &&
           host.copy->last() < host.database.applied() && world_.dice().chance(0.5) && may_lose(host);
}

bool Faults::journal_damaged(const Host& host) {
    return profile_.bit_flips && may_lose(host) && world_.dice().chance(0.1);
}

void Faults::end() {
    world_.network().calm();
    for (Host& host : world_.hosts()) {
        host.paused_until_ms = host.clock_stops_until_ms = 0;
        host.dies_after_effects.reset();
        host.starts_at_ms = std::min(host.starts_at_ms, world_.now_ms());
        host.server_returns_at_ms = world_.now_ms();
        if (host.fenced) host.asks_for_another_at_ms = world_.now_ms();
        host.journal.stall_until(0);
    }
}

}  // namespace ddb::simulator
