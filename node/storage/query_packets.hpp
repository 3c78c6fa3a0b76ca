// COM_QUERY packets that leave with as few system calls as possible. The statements' bytes are not copied and must
// outlive the queue. Part of a Connection, same thread.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

namespace ddb::storage {

class QueryPackets {
  public:
    void add(std::string_view sql);
    [[nodiscard]] bool empty() const { return next_ == parts_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }  // of all that was added
    [[nodiscard]] bool untouched() const { return sent_ == 0; }
    // Sends what the socket takes now. False on a socket error (errno); sets `would_block`.
    [[nodiscard]] bool send_some(int fd, bool& would_block);

  private:
    void add_header(std::size_t payload, std::uint8_t sequence, bool with_command);
    void consume(std::size_t bytes);

    std::deque<std::array<char, 5>> headers_;  // a deque: addresses stay
    std::vector<iovec> parts_;
    std::size_t next_ = 0;
    std::size_t bytes_ = 0;
    std::size_t sent_ = 0;
    bool last_full_ = false;
};

}  // namespace ddb::storage
