// Which beacon of each node was heard last, so that a recorded one has no effect when it is sent again. Private to
// bus/. Value; one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>

#include "schemas/ids.hpp"

namespace ddb::bus {

class BeaconMemory {
  public:
    enum class Answer : std::uint8_t { fresh, repeated, replayed, other_identity };

    [[nodiscard]] Answer check(const Voter& voter, BootNumber boot, std::uint64_t nonce, std::uint64_t counter) {
        const auto now = Clock::now();
        auto found = heard_.find(voter.id);
        if (found == heard_.end()) {
            if (heard_.size() >= nodes_max) forget_oldest();
            heard_.emplace(voter.id, Heard{voter, boot, nonce, counter, now});
            return Answer::fresh;
        }
        Heard& last = found->second;
        if (voter != last.voter || (boot == last.boot && nonce != last.nonce)) {
            // A node that was rebuilt has a new identity; a recording of its old one must not get in while it lives.
            if (now - last.at < silence) return Answer::other_identity;
        } else if (boot < last.boot) {
            return Answer::replayed;
        } else if (boot == last.boot && counter <= last.counter) {
            return last.counter - counter <= reordered_max ? Answer::repeated : Answer::replayed;
        }
        last = Heard{voter, boot, nonce, counter, now};
        return Answer::fresh;
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t nodes_max = 1024;
    static constexpr std::uint64_t reordered_max = 2;  // interfaces overtake each other by no more
    static constexpr std::chrono::seconds silence{3};

    struct Heard {
        Voter voter;
        BootNumber boot;
        std::uint64_t nonce = 0;
        std::uint64_t counter = 0;
        Clock::time_point at;
    };
    void forget_oldest() {
        heard_.erase(std::min_element(heard_.begin(), heard_.end(),
                                      [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
    }
    std::map<NodeId, Heard> heard_;
};

}  // namespace ddb::bus
