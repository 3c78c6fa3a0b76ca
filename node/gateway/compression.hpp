// MySQL's compressed protocol, behind the login of a client that asked for it: its packets travel in frames, each with
// the length of what it holds, a number, and the length of that before it was compressed, or 0 where it is not. Owner:
// the loop thread.
//
// Source: https://mariadb.com/kb/en/0-packet/#compressed-packet
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "schemas/result.hpp"

namespace ddb::gateway {

class CompressedFrames {
  public:
    // Takes bytes as they come and gives what was in the frames that are whole: none, where bytes are missing. Bytes
    // from the network: an error means that the connection cannot go on.
    [[nodiscard]] Result<std::string> expand(std::string_view bytes);
    // In frames, as it is: a thread that has other things to do has no time to compress results. Clients may be told so
    // frame by frame.
    [[nodiscard]] std::string framed(std::string_view bytes);

  private:
    std::string buffer_;       // of a frame that is not whole
    std::uint8_t number_ = 0;  // of the next frame, whoever sends it; the client begins each command with 0
};

}  // namespace ddb::gateway
