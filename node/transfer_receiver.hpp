// Receiver: replaces this node's database by a dump of another node's. Every step has a deadline; whatever goes wrong
// ends the attempt, the core is told, and a later one begins with an empty server. Owner: the loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "node/storage/dump_load.hpp"
#include "node/transfer.hpp"

namespace ddb::node {

class TransferReceiver {
  public:
    explicit TransferReceiver(TransferHost& host) : host_(host) {}

    void start(NodeId donor, const std::string& reason);
    void on_ready(const storage::RebuildReady& ready);
    void on_state(NodeId from, const TransferState& state);
    void on_chunk(NodeId from, const TransferChunk& chunk);
    void on_loaded_position(storage::LoadedPosition position);
    void on_header(NodeId from, TransferHeader header);
    void on_loaded(const storage::RebuildLoaded& loaded);
    void on_broken(const storage::RebuildBroken& broken);
    void on_over();
    void on_link_down(NodeId peer);
    void tick(std::uint64_t now_ms);
    void pump();

    [[nodiscard]] bool active() const { return step_ != Step::idle; }
    void add_status(std::vector<TransferStatus>& out) const;

  private:
    enum class Step : std::uint8_t {
        idle,
        emptying,    // our server
        opening,     // the donor waits for definitions under way
        loading,     // chunks
        measuring,   // which position was loaded
        asking,      // the donor for what belongs to it
        installing,  // position, log, outcomes
        recording,   // the core makes it durable
    };
    [[nodiscard]] static const char* name_of(Step step);
    void enter(Step step);
    void fail(const std::string& reason);
    void send(const TransferMessage& message) { (void)host_.send(donor_, message); }
    void ask();  // what this step asks the donor for, once more
    void pull(bool again);
    [[nodiscard]] bool from_donor(NodeId from, std::uint64_t transfer) const;

    TransferHost& host_;
    Step step_ = Step::idle;
    NodeId donor_;
    std::uint64_t transfer_ = 0;
    std::unique_ptr<storage::DumpLoad> load_;
    storage::LoadedPosition position_;
    DumpPoint point_;

    std::uint64_t now_ms_ = 0;
    std::uint64_t begun_ms_ = 0;
    std::uint64_t step_ms_ = 0;   // since when in this step
    std::uint64_t heard_ms_ = 0;  // of the donor
    std::uint64_t moved_ms_ = 0;  // the load made progress
    std::uint64_t asked_ms_ = 0;
    std::uint64_t link_down_ms_ = 0;
    std::uint64_t told_ms_ = 0;
    std::uint64_t estimate_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t next_ = 0;       // chunk wanted next, as last seen
    std::uint64_t pulled_to_ = 0;  // the donor may send below this one
    std::uint32_t damaged_ = 0;    // in a row
    Retired retired_;
};

}  // namespace ddb::node
