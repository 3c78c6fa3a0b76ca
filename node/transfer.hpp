// State transfer as the rest of the node sees it (DESIGN §3.5): this node's part as a donor of dumps and as the
// receiver of one. Carries messages, chunks and database events; what is to be transferred, and from whom, the core
// decides. Owner: the loop thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/core/io.hpp"
#include "node/storage/journal.hpp"
#include "node/storage/local_database.hpp"
#include "schemas/transfer_messages.hpp"

namespace ddb::node {

// What a transfer may ask of the node; the driver fills it. All on the loop thread, but wake().
struct TransferHost {
    std::function<Status(NodeId, const TransferMessage&)> send;
    std::function<void(core::Input)> step;
    std::function<std::optional<DumpPoint>(LogIndex)> dump_point;  // of our log
    std::function<std::string()> why_no_donor;                     // in words; empty: our database may be dumped
    std::function<LogIndex()> applied;
    std::function<std::uint64_t()> work_done;  // entries and statements so far
    std::function<void(bool)> hold_definitions;
    std::function<bool()> definitions_held;
    std::function<void()> wake;  // any thread: let the loop call pump() soon
    storage::LocalDatabase& database;
    storage::Journal& journal;
    bool managed = true;  // our server is ddb's own
};

// What people see of a transfer.
struct TransferStatus {
    bool donor = false;
    NodeId peer;
    std::string state;
    std::uint64_t bytes = 0;
    std::uint64_t estimate_bytes = 0;  // 0: not known
    std::uint64_t rate_bytes_per_s = 0;
    // Below 100 until the end: the size is an estimate.
    [[nodiscard]] std::uint32_t percent() const {
        if (estimate_bytes == 0) return 0;
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(99, bytes * 100 / estimate_bytes));
    }
};

// Ends what has threads and child processes away from the loop; waits for them at its own end.
class Retired {
  public:
    template <class T>
    void add(std::unique_ptr<T> part) {
        if (part == nullptr) return;
        std::erase_if(endings_, [](const std::future<void>& ending) {
            return ending.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
        });
        endings_.push_back(
            std::async(std::launch::async, [part = std::shared_ptr<T>(std::move(part))]() mutable { part.reset(); }));
    }

  private:
    std::vector<std::future<void>> endings_;
};

class TransferDonor;
class TransferReceiver;

class Transfer {
  public:
    explicit Transfer(TransferHost host);
    ~Transfer();

    void on_message(NodeId from, TransferMessage message);
    void on_link_down(NodeId peer);
    void tick(std::uint64_t now_ms);
    void pump();  // chunks became ready or were taken

    // Core.
    void on_rebuild_needed(const core::RebuildNeeded& needed);
    void on_rebuild_over();
    void on_office_opened();  // our applier must not be held back any more

    // Local database.
    void on_ready(const storage::RebuildReady& ready);
    void on_loaded_position(storage::LoadedPosition position);
    void on_loaded(const storage::RebuildLoaded& loaded);
    void on_broken(const storage::RebuildBroken& broken);
    void on_server_down(const std::string& reason);

    [[nodiscard]] bool receiving() const;
    [[nodiscard]] std::vector<TransferStatus> status() const;

  private:
    TransferHost host_;
    std::unique_ptr<TransferDonor> donor_;
    std::unique_ptr<TransferReceiver> receiver_;
};

// A database that was found to differ is loaded again by itself, but not for ever: something that breaks it every time
// is for people to look at. Plain value.
class RebuildLimit {
  public:
    static constexpr std::size_t attempts_max = 5;
    static constexpr std::uint64_t window_ms = 3'600'000;

    // When the next rebuild may begin; nothing when the limit is reached.
    [[nodiscard]] std::optional<std::uint64_t> next(std::uint64_t now_ms) {
        std::erase_if(begun_ms_, [&](std::uint64_t at) { return at + window_ms <= now_ms; });
        if (begun_ms_.size() >= attempts_max) return std::nullopt;
        constexpr std::uint64_t pause_ms = 5'000;
        const std::uint64_t wait_ms = begun_ms_.empty() ? 0 : pause_ms << (begun_ms_.size() - 1);
        const std::uint64_t at = now_ms + wait_ms;
        begun_ms_.push_back(at);
        return at;
    }

  private:
    std::vector<std::uint64_t> begun_ms_;
};

}  // namespace ddb::node
