// Statements that are sent from the loop thread, and whose small, error-free answers are read there too: no other
// thread is woken for them. Whatever takes longer to read than to look at, or may need further calls of the server, is
// run on an executor instead, from the same task.
//
// Owner: loop thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "node/session/executor_pool.hpp"
#include "node/storage/connection.hpp"

namespace ddb::session {

class EarlyStatements {
  public:
    explicit EarlyStatements(ExecutorPool& pool);
    ~EarlyStatements();
    EarlyStatements(const EarlyStatements&) = delete;
    EarlyStatements& operator=(const EarlyStatements&) = delete;

    // Sends what start(sql, before) would. False: nothing was sent, an executor has to do it all.
    [[nodiscard]] bool send(storage::Connection& connection, std::string_view sql, std::span<const std::string> before);
    // After send(). A task that owns `connection` and begins with that start(): runs in on_ready() as soon as all of
    // the answer is there, or else on an executor. It must not call the server again unless a statement failed, and
    // takes results of Connection::peeked_bytes_max without blocking.
    void wait(storage::Connection& connection, Task task);

    [[nodiscard]] int fd() const { return epoll_; }  // readable: call on_ready()
    void on_ready();

  private:
    struct Waiting {
        storage::Connection* connection = nullptr;
        Task task;
    };
    [[nodiscard]] bool watch(storage::Connection& connection);
    void look(int socket);

    ExecutorPool& pool_;
    const int epoll_;
    std::unordered_map<int, Waiting> waiting_;  // by the connection's socket
};

}  // namespace ddb::session
