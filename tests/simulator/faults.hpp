// What goes wrong, and when. Each seed draws a profile: a few kinds of faults at a strength of their own, because all
// of them at once hide from each other what each alone would show.
#pragma once

#include <cstdint>
#include <optional>

#include "tests/simulator/dice.hpp"
#include "tests/simulator/host.hpp"

namespace ddb::simulator {

class World;

struct Profile {
    explicit Profile(Dice& dice);

    double loss_max = 0;
    double repetition = 0;
    double damage = 0;
    bool delays = false;
    bool partitions = false;
    bool flapping_links = false;
    bool flapping_top = false;  // the highest id comes and goes
    double crashes = 0;         // chance in a millisecond, for each node; higher for a coordinator
    double crashes_in_office = 0;
    double pauses = 0;
    double strandings = 0;  // of a coordinator
    bool slow_disks = false;
    double failed_syncs = 0;
    double servers_down = 0;
    bool bit_flips = false;
    bool wipes = false;
    bool server_wipes = false;
    double fences = 0;            // a database is found to differ from the others'
    bool slow_office = false;     // whoever is coordinator has a slow disk
    bool copies = false;          // old copies of journals are put back
    bool short_logs = false;      // who is away misses entries that nobody keeps
    bool changes = false;         // an operator adds and removes nodes
    bool members_change = false;  // by any of these
    bool doubles = false;         // a second node with the id of another
    bool clocks = false;
    bool ambushes = false;
    // Probes are answered with yes, whatever the voter said: safety must not rest on them.
    bool false_probes = false;
    std::uint64_t restart_ms_max = 1500;
    std::uint32_t election_ticks = 20;
    double eagerness = 0.05;  // of each client
};

class Faults {
  public:
    Faults(World& world, const Profile& profile) : world_(world), profile_(profile) {}

    void step();
    void became_coordinator(Host& host);
    // Called when a process ended; says when it starts again.
    [[nodiscard]] std::uint64_t restart_at_ms();
    // The journal's bytes were damaged while the node was down: it is refused at start.
    [[nodiscard]] bool journal_damaged(const Host& host);
    [[nodiscard]] bool copy_put_back(const Host& host);
    // Everything unhealthy ends now.
    void end();

  private:
    void weather();
    void strike(Host& host);
    void flap_top();
    void spring_ambush();
    void operate();
    void clean_up(Host& host);
    [[nodiscard]] bool survives_without(NodeId id);
    [[nodiscard]] bool may_lose(const Host& host);

    World& world_;
    const Profile& profile_;
    std::uint64_t weather_until_ms_ = 0;
    std::uint64_t top_flaps_at_ms_ = 0;
    std::uint64_t operates_at_ms_ = 0;
    bool top_away_ = false;
    // A fresh coordinator whose entries reach only some, and which dies soon.
    struct Ambush {
        Place place = 0;
        std::uint64_t at_ms = 0;
        bool deadly = true;
    };
    std::optional<Ambush> ambush_;
};

}  // namespace ddb::simulator
