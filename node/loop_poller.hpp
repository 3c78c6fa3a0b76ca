// What the node's loop waits for, on one epoll descriptor: to tell the system of ten descriptors with each wait, as
// poll() does, costs as much as a small message.
//
// Owner: loop thread.
#pragma once

#include <poll.h>

#include <cstdint>
#include <vector>

#include "schemas/result.hpp"

namespace ddb::node {

class LoopPoller {
  public:
    enum What : std::uint32_t {
        stop = 1,
        mailbox = 2,
        beacon = 4,
        gateway = 8,
        answers = 16,
        messages = 32,
        housekeeping = 64,
    };

    LoopPoller() = default;
    ~LoopPoller();
    LoopPoller(const LoopPoller&) = delete;
    LoopPoller& operator=(const LoopPoller&) = delete;

    // Errors: io, the system has no room for it.
    [[nodiscard]] Status open();
    // For the loop's whole life. A negative descriptor is none.
    [[nodiscard]] Status add(int fd, What what);
    // The bus's, in the place of those before; as PeerLinks::add_poll_fds() gives them. One for which there is no room
    // is left to the ticks.
    void set_links(const std::vector<pollfd>& fds);
    // Bits of What is readable by then.
    [[nodiscard]] std::uint32_t wait(int timeout_ms);

  private:
    [[nodiscard]] bool watch(int fd, What what) const;

    int epoll_ = -1;
    std::vector<int> links_;
};

}  // namespace ddb::node
