// Databases that are loaded from another node's: a dump of the donor at one position, some time on the way, and the
// header that belongs to it. A donor that dies, is cut off or no longer keeps that position makes the transfer fail.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "tests/simulator/host.hpp"

namespace ddb::simulator {

class World;

class Transfers {
  public:
    explicit Transfers(World& world) : world_(world) {}

    // In place of one that may still run.
    void begin(Host& to, NodeId donor, bool calm);
    void forget(const Host& to) { running_.erase(to.place); }
    void step(bool calm);
    [[nodiscard]] std::uint64_t begun() const { return begun_; }
    [[nodiscard]] std::uint64_t finished() const { return finished_; }

  private:
    struct Transfer {
        NodeId donor;
        std::uint64_t next_ms = 0;
        Host* from = nullptr;  // once the dump began
        std::uint64_t from_start = 0;
        SimDatabase dump;
    };
    [[nodiscard]] Host* find(NodeId donor);
    [[nodiscard]] bool usable(const Host& donor, const Host& to) const;
    void fail(Host& to, const std::string& reason);
    void finish(Host& to, const Transfer& transfer);

    World& world_;
    std::map<Place, Transfer> running_;  // by receiver
    std::uint64_t begun_ = 0;
    std::uint64_t finished_ = 0;
};

}  // namespace ddb::simulator
