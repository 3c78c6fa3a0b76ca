// What a server is given that asks for a file of its client's (LOAD … LOCAL). Implemented by whoever has it; the thread
// that runs the statement calls.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "schemas/result.hpp"

namespace ddb::storage {

class FileForServer {
  public:
    virtual ~FileForServer() = default;
    // Before the first read of a statement; false: it cannot be read (again).
    [[nodiscard]] virtual bool begin() = 0;
    // Waits for some of it; 0: the end, or it failed.
    [[nodiscard]] virtual std::size_t read(std::span<char> out) = 0;
    // Why it is not whole, if so.
    [[nodiscard]] virtual std::optional<Error> failure() const = 0;
};

}  // namespace ddb::storage
