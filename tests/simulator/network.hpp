// The simulated network between places (a place is one machine: its node may change, two places may claim one node id).
// Delays, loses, repeats and reorders; links may be cut in one direction or both, slow, flapping, or blind to entries.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "schemas/peer_messages.hpp"
#include "tests/simulator/dice.hpp"

namespace ddb::simulator {

using Place = std::size_t;
using Link = std::pair<Place, Place>;  // from, to

struct Packet {
    Voter sender;
    Place from = 0;
    Place to = 0;
    PeerMessage message;
};

// Which log entries a link swallows; everything else gets through.
enum class Blindness { all_entries, new_entries };  // new: of the sender's own epoch

class Network {
  public:
    Network(Dice& dice, std::size_t places) : dice_(dice), places_(places) {}

    void send(std::uint64_t now_ms, Packet packet);
    [[nodiscard]] std::optional<Packet> due(std::uint64_t now_ms);
    // The receiver does not read its sockets before `until_ms`.
    void hold(Packet packet, std::uint64_t until_ms);

    // --- weather ---
    double loss = 0;
    double repetition = 0;
    double damage = 0;  // of the payload of an entry under way
    std::uint64_t delay_ms_max = 3;

    void clear_links();
    void calm();
    // Two groups that do not hear each other, or one that is not heard by the other.
    void split(bool one_way);
    // Everybody reaches only its two neighbours in a ring.
    void ring();
    void isolate(Place place, bool one_way, std::optional<Place> companion = {});
    void flap(Link link, std::uint64_t period_ms) { flapping_[link] = period_ms; }
    void slow(Link link, std::uint64_t ms) { slow_[link] = ms; }
    // The log of a fresh coordinator spreads to some only.
    void blind(Link link, Blindness how) { blind_[link] = how; }
    void end_blindness() { blind_.clear(); }
    void grow(std::size_t places) { places_ = places; }
    // Both directions work at this moment.
    [[nodiscard]] bool connected(Place a, Place b) const { return !cut_.contains({a, b}) && !cut_.contains({b, a}); }
    [[nodiscard]] std::size_t cut_links() const { return cut_.size(); }

  private:
    [[nodiscard]] bool passes(std::uint64_t now_ms, const Packet& packet);

    Dice& dice_;
    std::size_t places_;
    std::multimap<std::uint64_t, Packet> under_way_;  // by time of delivery
    std::set<Link> cut_;
    std::map<Link, Blindness> blind_;
    std::map<Link, std::uint64_t> flapping_;
    std::map<Link, std::uint64_t> slow_;
};

}  // namespace ddb::simulator
