// Tells a server whose commits stand still from one that has much to write. Owned and used by one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "node/storage/connection.hpp"

namespace ddb::storage {

class CommitWatch {
  public:
    // Where the server's binary log lies; empty where that cannot be seen from here.
    explicit CommitWatch(std::string binlog_dir) : binlog_dir_(std::move(binlog_dir)) {}

    // `threads`: rows of SHOW PROCESSLIST, asked about once a second. A server whose disk is full waits inside its
    // commits, for a minute at a time, and answers everything else. So does one that writes a gigabyte of rows to its
    // binary log in XA PREPARE, but that grows.
    [[nodiscard]] bool stalls(std::span<const Connection::Row> threads);

  private:
    [[nodiscard]] std::uint64_t binlog_bytes() const;

    const std::string binlog_dir_;
    std::uint64_t bytes_ = 0;  // while a commit is late
};

}  // namespace ddb::storage
