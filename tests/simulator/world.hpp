// One simulated cluster: real cores, and everything around them made of one seeded generator. First a phase with
// faults, then a calm one in which the cluster has to come to rest. One step is one millisecond.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulator/checker.hpp"
#include "tests/simulator/clients.hpp"
#include "tests/simulator/dice.hpp"
#include "tests/simulator/faults.hpp"
#include "tests/simulator/host.hpp"
#include "tests/simulator/network.hpp"
#include "tests/simulator/transfers.hpp"

namespace ddb::simulator {

// Within this time after the last fault a majority of healthy nodes has elected, decided everything, answered every
// client and applied everything on every healthy node (DESIGN §4.9).
inline constexpr std::uint64_t calm_ticks_max = 1000;  // of 10 ms
// The same where a lost node has to take its place again or a database to be loaded: failed transfers are repeated
// after up to 30 s.
inline constexpr std::uint64_t calm_ticks_max_rebuilding = 6000;

struct Options {
    std::uint64_t seed = 1;
    std::uint64_t steps = 6000;  // with faults, twice that when members change; the calm phase comes on top
    std::uint32_t nodes = 0;     // 0 = chosen by the seed
    std::function<void(std::uint64_t now_ms, const std::string& what)> story;
};

struct Summary {
    std::uint64_t acknowledged = 0;
    std::uint64_t decided = 0;
    std::uint64_t tenures = 0;
    std::uint64_t reads = 0;
    std::uint64_t crashes = 0;
    std::uint64_t wipes = 0;
    std::uint64_t rebuilds = 0;
    std::uint64_t changes = 0;
    std::uint64_t retries_decided = 0;
    std::uint64_t told_absent = 0;
    std::uint64_t logs_cut = 0;
    std::uint64_t read_back = 0;
    std::uint64_t calm_ticks = 0;             // without a rebuild or a change of the membership
    std::uint64_t calm_ticks_rebuilding = 0;  // with one
};

class World {
  public:
    explicit World(Options options);
    // Throws Violation.
    Summary run();

    // --- for the clients and the faults ---
    Dice& dice() { return dice_; }
    Checker& checker() { return checker_; }
    Network& network() { return network_; }
    std::deque<Host>& hosts() { return hosts_; }  // never moved
    [[nodiscard]] std::uint64_t now_ms() const { return now_ms_; }
    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    [[nodiscard]] std::size_t members() const { return members_; }
    [[nodiscard]] bool formed();
    void story(const std::string& what) const {
        if (options_.story) options_.story(now_ms_, what);
    }
    // May end the host's process: look at Host::core afterwards.
    void feed(Host& host, core::Input input);
    void crash(Host& host, const std::string& why);
    // The journal is gone, and the database with it: comes back under another incarnation.
    void wipe(Host& host);
    // An old copy of the journal is put back; the database stays.
    void put_back_copy(Host& host);
    Host& add_host(NodeId id);
    // Holds what it should, journal and database; up or down.
    [[nodiscard]] bool whole(const Host& host) const;
    [[nodiscard]] std::size_t voters() const;
    [[nodiscard]] bool intact_voter(const Host& host) const;
    [[nodiscard]] std::size_t intact_voters() const;
    // No change of the membership is under way in any journal.
    [[nodiscard]] bool membership_settled() const;
    void check_decided(Host& host, EntryId id) { checker_.one_decided(host.voter, id, holders()); }
    [[nodiscard]] Holders holders() const;

  private:
    void step(bool clients_open);
    void start(Host& host);
    void step_host(Host& host);
    void drain(Host& host);
    void write_journal(Host& host, core::JournalWrite write);
    void deliver();
    void move_database(Host& host);
    void report(Host& host);
    void readers(Host& host);
    void heal();
    // Of two nodes with one id an operator keeps the one that is a member.
    void settle_doubles();
    [[nodiscard]] bool converged();
    [[nodiscard]] std::string unrest();
    [[nodiscard]] bool rebuilt() const {
        return transfers_.begun() > 0 || checker_.changes() > 0 || summary_.wipes > 0;
    }

    void perform(Host& host, core::Effect& effect);
    void on(Host& host, core::Send& effect);
    void on(Host& host, core::RoleChanged& effect);
    void on(Host& host, core::OfficeOpened& effect);
    void on(Host& host, core::OfficeClosed& effect);
    void on(Host& host, core::Decided& effect);
    void on(Host& host, core::ReadIndexAnswer& effect);
    void on(Host& host, core::ReadEntries& effect);
    void on(Host& host, core::RebuildNeeded& effect);
    void on(Host& host, core::RebuildOver& effect);
    void on(Host& host, core::IdentityTaken& effect);
    void on(Host& host, core::Complaint& effect);

    Options options_;
    Dice dice_;
    std::size_t members_;
    std::uint64_t now_ms_ = 0;
    std::uint64_t steps_;
    bool calm_ = false;
    bool formed_ = false;
    std::deque<Host> hosts_;
    std::deque<std::pair<Voter, JournalImage>> lost_journals_;  // what they held when they were lost
    Network network_;
    Checker checker_;
    Profile profile_;
    Faults faults_;
    Clients clients_;
    Transfers transfers_;
    Summary summary_;
};

}  // namespace ddb::simulator
