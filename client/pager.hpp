// A program that shows results page by page, started for one statement. Used by one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "schemas/result.hpp"

namespace ddb::client {

class Pager {
  public:
    Pager() = default;
    ~Pager() { finish(); }
    Pager(const Pager&) = delete;
    Pager& operator=(const Pager&) = delete;

    // Started directly, without a command interpreter. Returns the descriptor to write to.
    [[nodiscard]] Result<int> start(const std::vector<std::string>& command);
    void finish();  // closes the descriptor and waits until the user has left the pager

  private:
    int fd_ = -1;
    pid_t pid_ = -1;
};

}  // namespace ddb::client
