// The only chance in a simulated run: everything that may happen one way or another asks here, so that a seed repeats
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace ddb::simulator {

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}

    // The standard distributions may differ between libraries, and with them what a seed means.
    [[nodiscard]] double share() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
    [[nodiscard]] bool chance(double probability) { return share() < probability; }
    [[nodiscard]] std::uint64_t between(std::uint64_t low, std::uint64_t high) {
        return low + engine_() % (high - low + 1);
    }
    [[nodiscard]] std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }
    [[nodiscard]] std::uint64_t number() { return engine_(); }

  private:
    std::mt19937_64 engine_;
};

}  // namespace ddb::simulator
