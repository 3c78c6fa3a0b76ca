#include "node/session/executor_pool.hpp"

#include <pthread.h>

namespace ddb::session {

ExecutorPool::~ExecutorPool() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        for (const auto& worker : workers_) worker->ready.notify_one();
    }
    threads_.clear();  // joins; what still waits in the queue is run before the last thread ends
}

void ExecutorPool::run(Task task) {
    std::unique_lock lock(mutex_);
    if (!idle_.empty()) {
        Worker* worker = idle_.back();
        idle_.pop_back();
        worker->task = std::move(task);
        worker->woken = true;
        lock.unlock();  // or the thread would wake only to wait for the lock
        worker->ready.notify_one();
        return;
    }
    waiting_.push_back(std::move(task));
    if (workers_.size() < threads_max_) {
        workers_.push_back(std::make_unique<Worker>());
        threads_.emplace_back([this, worker = workers_.back().get()] { work(*worker); });
    }
}

bool ExecutorPool::next_task(Worker& worker, Task& out) {
    std::unique_lock lock(mutex_);
    if (!waiting_.empty()) {
        out = std::move(waiting_.front());
        waiting_.pop_front();
        return true;
    }
    if (stopping_) return false;
    idle_.push_back(&worker);
    worker.ready.wait(lock, [&] { return worker.woken || stopping_; });
    if (!worker.woken) return false;
    worker.woken = false;
    out = std::move(worker.task);
    return true;
}

void ExecutorPool::work(Worker& worker) {
    pthread_setname_np(pthread_self(), "executor");
    Task task;
    while (next_task(worker, task)) {
        task();
        task = Task();  // what it owns ends here, not with the next task
    }
}

std::uint32_t ExecutorPool::threads() const {
    std::lock_guard lock(mutex_);
    return static_cast<std::uint32_t>(workers_.size());
}

}  // namespace ddb::session
