#include "client/signals.hpp"

#include <atomic>
#include <csignal>

namespace ddb::client {
namespace {

std::atomic<int> interrupts{0};
static_assert(std::atomic<int>::is_always_lock_free);

void on_interrupt(int) {
    interrupts.fetch_add(1);
}

}  // namespace

void count_interrupts() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    (void)::sigaction(SIGINT, &action, nullptr);
}

int interrupts_seen() {
    return interrupts.load();
}
void forget_interrupts() {
    interrupts.store(0);
}

}  // namespace ddb::client
