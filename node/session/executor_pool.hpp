// Threads that run blocking statements. Grown on demand, idle ones reused last-in first-out so that few stay warm. Work
// is never queued behind a statement that waits for a lock: as long as the limit is not reached, a COMMIT finds a
// thread.
//
// Owner: the loop thread calls run(); the destructor joins, so callers first make sure that running statements end.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace ddb::session {

// A callable that may own what cannot be copied (connections).
class Task {
  public:
    Task() = default;
    template <class F>
    requires(!std::is_same_v<std::decay_t<F>, Task>) Task(F&& callable)
        : body_(std::make_unique<Body<std::decay_t<F>>>(std::forward<F>(callable))) {}
    void operator()() { body_->run(); }
    explicit operator bool() const { return body_ != nullptr; }

  private:
    struct Base {
        virtual ~Base() = default;
        virtual void run() = 0;
    };
    template <class F>
    struct Body final : Base {
        explicit Body(F&& f) : callable(std::move(f)) {}
        explicit Body(const F& f) : callable(f) {}
        void run() override { callable(); }
        F callable;
    };
    std::unique_ptr<Base> body_;
};

class ExecutorPool {
  public:
    explicit ExecutorPool(std::size_t threads_max) : threads_max_(threads_max) {}
    ~ExecutorPool();
    ExecutorPool(const ExecutorPool&) = delete;
    ExecutorPool& operator=(const ExecutorPool&) = delete;

    // Starts at once on an idle or a new thread; beyond the limit it waits for one (callers bound how much they
    // submit).
    void run(Task task);
    [[nodiscard]] std::uint32_t threads() const;

  private:
    struct Worker {
        std::condition_variable ready;
        Task task;
        bool woken = false;
    };
    void work(Worker& worker);
    [[nodiscard]] bool next_task(Worker& worker, Task& out);

    const std::size_t threads_max_;
    mutable std::mutex mutex_;
    bool stopping_ = false;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<Worker*> idle_;
    std::deque<Task> waiting_;
    std::vector<std::jthread> threads_;
};

}  // namespace ddb::session
