// A bounded queue from worker threads into the loop thread, which polls `fd()`. Many writers, one reader.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "schemas/result.hpp"

namespace ddb::bus {

template <class T>
class Mailbox {
  public:
    explicit Mailbox(std::size_t items_max) : items_max_(items_max), fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        DDB_ASSERT(fd_ >= 0);
    }
    ~Mailbox() { ::close(fd_); }
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    // Any thread. False when full: the caller answers "overloaded" or waits; the item is left untouched then.
    [[nodiscard]] bool post(T&& item) { return push(std::move(item), items_max_); }
    // For items whose number is bounded elsewhere and that must not be lost (completions of accepted work).
    void post_always(T&& item) { (void)push(std::move(item), SIZE_MAX); }

    // Reader only: moves everything out. `signalled` false: fd() was not seen readable, so an empty box costs no call
    // of the system.
    [[nodiscard]] std::vector<T> take_all(bool signalled = true) {
        if (!signalled) {
            std::lock_guard lock(mutex_);
            if (items_.empty()) return {};
        }
        std::uint64_t count = 0;
        (void)!::read(fd_, &count, sizeof count);
        std::vector<T> out;
        std::lock_guard lock(mutex_);
        out.swap(items_);
        return out;
    }
    [[nodiscard]] int fd() const { return fd_; }

  private:
    [[nodiscard]] bool push(T&& item, std::size_t limit) {
        bool wake = false;
        {
            std::lock_guard lock(mutex_);
            if (items_.size() >= limit) return false;
            wake = items_.empty();
            items_.push_back(std::move(item));
        }
        if (wake) {
            const std::uint64_t one = 1;
            (void)!::write(fd_, &one, sizeof one);
        }
        return true;
    }

    const std::size_t items_max_;
    const int fd_;
    std::mutex mutex_;
    std::vector<T> items_;
};

}  // namespace ddb::bus
