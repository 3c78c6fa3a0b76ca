#include "node/storage/query_packets.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace ddb::storage {
namespace {

constexpr std::size_t packet_bytes_max = (1u << 24) - 1;  // of the MySQL protocol; longer statements are split
constexpr std::size_t send_parts_max = 64;                // iovecs of one sendmsg

}  // namespace

void QueryPackets::add(std::string_view sql) {
    std::uint8_t sequence = 0;
    std::size_t first = 1;  // the command byte counts as payload of the first packet
    do {
        const std::size_t body = std::min(sql.size(), packet_bytes_max - first);
        add_header(body + first, sequence++, first != 0);
        if (body > 0) parts_.push_back({const_cast<char*>(sql.data()), body});
        bytes_ += headers_.back().size() + body;
        sql.remove_prefix(body);
        last_full_ = body + first == packet_bytes_max;
        first = 0;
    } while (!sql.empty() || last_full_);  // a full last packet is followed by an empty one
}

bool QueryPackets::send_some(int fd, bool& would_block) {
    would_block = false;
    while (!empty()) {
        msghdr message{};
        message.msg_iov = &parts_[next_];
        message.msg_iovlen = std::min(parts_.size() - next_, send_parts_max);
        const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EINTR) continue;
            would_block = errno == EAGAIN || errno == EWOULDBLOCK;
            return would_block;
        }
        consume(static_cast<std::size_t>(sent));
    }
    return true;
}

void QueryPackets::add_header(std::size_t payload, std::uint8_t sequence, bool with_command) {
    constexpr char com_query = 3;
    headers_.push_back({static_cast<char>(payload & 0xff), static_cast<char>(payload >> 8 & 0xff),
                        static_cast<char>(payload >> 16 & 0xff), static_cast<char>(sequence), com_query});
    parts_.push_back({headers_.back().data(), with_command ? std::size_t{5} : std::size_t{4}});
}

void QueryPackets::consume(std::size_t bytes) {
    sent_ += bytes;
    while (bytes > 0) {
        iovec& part = parts_[next_];
        const std::size_t n = std::min(bytes, part.iov_len);
        part.iov_base = static_cast<char*>(part.iov_base) + n;
        part.iov_len -= n;
        bytes -= n;
        if (part.iov_len == 0) ++next_;
    }
}

}  // namespace ddb::storage
