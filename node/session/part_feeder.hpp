// Carries the rows of large groups into the log: one group after another, each part behind the one before it, with a
// bounded number of bytes on the way. What it has begun it finishes as long as the office is open, since parts without
// an end hold every node's log. A part of WritePipeline; loop thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "node/storage/local_database.hpp"
#include "schemas/entry.hpp"

namespace ddb::session {

class PartFeeder {
  public:
    struct Group {
        TxnId txn;
        storage::GroupPlace place;
        bool can_be_held = false;               // back, by hold()
        std::function<void(PartsRange)> ended;  // all parts have their place in the log
    };
    // What it asks of its surroundings.
    struct Host {
        std::function<void(storage::GroupPlace)> read_group;
        std::function<void()> want_part;
        // Answered by on_accepted(), later; what is refused meanwhile is for the host to propose again.
        std::function<void(Entry)> propose;
    };

    explicit PartFeeder(Host host) : host_(std::move(host)) {}

    void add(Group group);
    void on_part(storage::CapturedPart part);
    void on_accepted(LogIndex index);
    void on_decided(LogIndex up_to);
    // While held no new group is begun but those that cannot wait.
    void hold(bool held);
    void close();  // the office ended: everything is void, nobody is told
    [[nodiscard]] bool idle() const { return !current_ && waiting_.empty(); }
    [[nodiscard]] bool between_groups() const { return !current_; }

  private:
    void go_on();
    void propose_next();

    const Host host_;
    std::deque<Group> waiting_;
    std::optional<Group> current_;
    PartsRange in_log_;         // of the current group
    std::deque<Payload> read_;  // not in the log yet; of these only the first is proposed
    std::deque<std::pair<LogIndex, std::size_t>> undecided_;
    std::size_t bytes_ = 0;  // of read_ and undecided_
    bool asked_ = false;     // for a part that is not there yet
    bool all_read_ = false;
    bool proposed_ = false;
    bool held_ = false;
};

}  // namespace ddb::session
