#include "tests/simulator/network.hpp"

#include <vector>

namespace ddb::simulator {

bool Network::passes(std::uint64_t now_ms, const Packet& packet) {
    const Link link{packet.from, packet.to};
    if (cut_.contains(link)) return false;
    if (const auto flaps = flapping_.find(link); flaps != flapping_.end() && now_ms / flaps->second % 2 == 1)
        return false;
    if (const auto blind = blind_.find(link); blind != blind_.end()) {
        const auto* prepare = std::get_if<Prepare>(&packet.message);
        if (prepare && !prepare->entries.empty() &&
            (blind->second == Blindness::all_entries || prepare->entries.back().id.epoch == prepare->epoch))
            return false;
    }
    return !dice_.chance(loss);
}

void Network::send(std::uint64_t now_ms, Packet packet) {
    if (!passes(now_ms, packet)) return;
    if (auto* prepare = std::get_if<Prepare>(&packet.message);
        prepare && !prepare->entries.empty() && dice_.chance(damage))
        prepare->entries.back().payload = Payload("damaged");
    std::uint64_t least_ms = 0;
    if (const auto slow = slow_.find({packet.from, packet.to}); slow != slow_.end()) least_ms = slow->second;
    if (dice_.chance(repetition)) under_way_.emplace(now_ms + least_ms + dice_.between(0, delay_ms_max), packet);
    under_way_.emplace(now_ms + least_ms + dice_.between(0, delay_ms_max), std::move(packet));
}

std::optional<Packet> Network::due(std::uint64_t now_ms) {
    if (under_way_.empty() || under_way_.begin()->first > now_ms) return std::nullopt;
    Packet packet = std::move(under_way_.begin()->second);
    under_way_.erase(under_way_.begin());
    return packet;
}

void Network::hold(Packet packet, std::uint64_t until_ms) {
    under_way_.emplace(until_ms, std::move(packet));
}

void Network::clear_links() {
    cut_.clear();
    flapping_.clear();
    slow_.clear();
}

void Network::calm() {
    clear_links();
    end_blindness();
    loss = repetition = damage = 0;
    delay_ms_max = 2;
}

void Network::split(bool one_way) {
    std::vector<bool> side;
    for (Place place = 0; place < places_; ++place) side.push_back(dice_.chance(0.4));
    for (Place a = 0; a < places_; ++a) {
        for (Place b = 0; b < places_; ++b) {
            if (!side[a] || side[b]) continue;
            cut_.insert({a, b});
            if (!one_way) cut_.insert({b, a});
        }
    }
}

void Network::ring() {
    for (Place a = 0; a < places_; ++a)
        for (Place b = 0; b < places_; ++b)
            if (a != b && (a + 1) % places_ != b && (b + 1) % places_ != a) cut_.insert({a, b});
}

void Network::isolate(Place place, bool one_way, std::optional<Place> companion) {
    for (Place other = 0; other < places_; ++other) {
        for (const Place inside : {place, companion.value_or(place)}) {
            if (other == place || other == companion) continue;
            cut_.insert({inside, other});
            if (!one_way) cut_.insert({other, inside});
        }
    }
}

}  // namespace ddb::simulator
