// The file that a LOAD … LOCAL names, for the node that asks for it: in pieces, one after another, or whole for a node
// that knows no pieces. Owned by the request; its thread.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "schemas/session_messages.hpp"

namespace ddb::client {

class LocalFile {
  public:
    // Only what the user's own statement names leaves this host: a node could ask for anything.
    [[nodiscard]] FileContent answer(const FileWanted& wanted, const std::string& sql);

  private:
    [[nodiscard]] std::string open(const std::string& name, const std::string& sql);  // empty, or why not
    [[nodiscard]] std::string read(FileContent& answer, std::size_t bytes_max);

    std::string name_;
    std::ifstream file_;
    std::uint64_t at_ = 0;
};

}  // namespace ddb::client
