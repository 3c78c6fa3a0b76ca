// How the loop waits for its descriptors. After an event that came within microseconds it looks for the next one a
// short while before it sleeps: to be woken costs more than that wait, and half of what a small statement takes are
// wake-ups. Grows and shrinks as the halt polling of Linux' KVM does (Documentation/virt/kvm/halt-polling.rst). Loop
// thread only.
#pragma once

#include <poll.h>

#include <chrono>
#include <span>

namespace ddb::node {

class LoopWait {
  public:
    // Until a descriptor is ready or the time is over; 0 only looks. `revents` say what poll(2) says.
    void operator()(std::span<pollfd> descriptors, int timeout_ms);
    // How long it looks before it sleeps.
    [[nodiscard]] std::chrono::nanoseconds patience() const { return patience_; }

  private:
    using Clock = std::chrono::steady_clock;
    [[nodiscard]] static bool ready(std::span<pollfd> descriptors, int timeout_ms);
    void learn(Clock::duration waited);

    Clock::duration patience_{};  // before it sleeps
};

}  // namespace ddb::node
