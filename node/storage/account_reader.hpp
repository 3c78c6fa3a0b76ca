// The password hashes that a MariaDB server keeps, for a front end that checks a client's answer to its own challenge
// (MySQL keeps nothing that could be compared with one). One thread
// with a connection of its own, opened when first needed and again after an error.
// Owner: one thread asks; `answer` is called on the reader's thread. The destructor waits for the question under way
// (bounded by its time limit).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

class AccountReader {
  public:
    using Hashes = Result<std::vector<std::string>>;  // 20 bytes each
    using Answer = std::function<void(std::uint64_t token, Hashes hashes)>;
    explicit AccountReader(Answer answer);
    ~AccountReader();

    // Answered once, with the hashes of mysql_native_password of every account with that name, whatever its host.
    // Errors: overloaded (too many questions wait), those of the server.
    void ask(std::uint64_t token, const std::string& user, const ConnectOptions& service);

  private:
    struct Question {
        std::uint64_t token = 0;
        std::string user;
        ConnectOptions service;
    };
    void run(const std::stop_token& stop);
    [[nodiscard]] Hashes look_up(const Question& question);

    const Answer answer_;
    std::mutex mutex_;
    std::condition_variable_any asked_;
    std::deque<Question> questions_;
    std::unique_ptr<Connection> connection_;  // of the reader's thread
    std::string socket_;                      // where it leads
    std::jthread thread_;                     // last: uses everything above
};

}  // namespace ddb::storage
