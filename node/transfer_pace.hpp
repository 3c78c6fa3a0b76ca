// How fast this node may dump its database while the cluster works: as fast as it can while the host has idle processor
// time or nobody wants anything; else less and less, down to a floor at which a transfer still ends. Owner: one thread.
#pragma once

#include <cstdint>
#include <optional>

namespace ddb::node {

class TransferPace {
  public:
    static constexpr std::uint64_t interval_ms = 500;
    static constexpr std::uint64_t unlimited = 0;
    static constexpr std::uint64_t fastest_bytes_per_s = 64u << 20;
    static constexpr std::uint64_t slowest_bytes_per_s = 4u << 20;

    // For the time since the last call: the idle part of the host's processors, nothing where it is not known, and how
    // many entries and statements per second this node handled. Returns bytes per second, or `unlimited`.
    std::uint64_t next(std::optional<double> idle, double work_per_s);
    [[nodiscard]] std::uint64_t rate() const { return rate_; }

  private:
    std::uint64_t rate_ = unlimited;
};

// The idle part of the host's processors between two calls, from /proc/stat. Nothing at the first call, or without such
// a file.
class IdleMeter {
  public:
    std::optional<double> read();

  private:
    std::uint64_t idle_ticks_ = 0;
    std::uint64_t all_ticks_ = 0;
};

}  // namespace ddb::node
