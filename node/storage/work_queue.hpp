// A bounded queue between threads: many writers, one reader that waits with a deadline.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace ddb::storage {

template <class T>
class WorkQueue {
  public:
    explicit WorkQueue(std::size_t items_max) : items_max_(items_max) {}

    // False when full; the item is dropped then.
    [[nodiscard]] bool push(T item) {
        {
            std::lock_guard lock(mutex_);
            if (items_.size() >= items_max_) return false;
            items_.push_back(std::move(item));
        }
        changed_.notify_one();
        return true;
    }

    // The oldest item; nullopt at the deadline or when stopped.
    [[nodiscard]] std::optional<T> pop(const std::stop_token& stop, std::chrono::milliseconds wait) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, stop, wait, [&] { return !items_.empty(); })) return std::nullopt;
        T item = std::move(items_.front());
        items_.pop_front();
        return item;
    }

  private:
    const std::size_t items_max_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<T> items_;
};

}  // namespace ddb::storage
