#include "node/loop_wait.hpp"

#include <sched.h>

#include <algorithm>

namespace ddb::node {
namespace {

constexpr std::chrono::microseconds patience_first{10};
constexpr std::chrono::microseconds patience_max{80};  // some two wake-ups: what it can save at most

}  // namespace

void LoopWait::operator()(std::span<pollfd> descriptors, int timeout_ms) {
    if (timeout_ms == 0 || patience_ == Clock::duration{}) {
        const auto begin = Clock::now();
        (void)ready(descriptors, timeout_ms);
        if (timeout_ms != 0) learn(Clock::now() - begin);
        return;
    }
    const auto begin = Clock::now();
    do {
        if (ready(descriptors, 0)) return;
        ::sched_yield();  // whoever else has work goes first
    } while (Clock::now() - begin < patience_);
    (void)ready(descriptors, timeout_ms);
    learn(Clock::now() - begin);
}

bool LoopWait::ready(std::span<pollfd> descriptors, int timeout_ms) {
    return ::poll(descriptors.data(), descriptors.size(), timeout_ms) > 0;
}

void LoopWait::learn(Clock::duration waited) {
    if (waited <= patience_max) {
        patience_ = std::clamp<Clock::duration>(patience_ * 2, patience_first, patience_max);
    } else {
        patience_ /= 2;
        if (patience_ < patience_first) patience_ = Clock::duration{};
    }
}

}  // namespace ddb::node
