// A connection's inside: the client library's handle, and what is known of replies that were sent for and not read.
// Owner and threads as Connection.
#pragma once

#include <mysql.h>
#include <poll.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/storage/binlog_bytes.hpp"
#include "node/storage/client_errors.hpp"
#include "node/storage/connection.hpp"
#include "node/storage/offered_file.hpp"
#include "node/storage/query_packets.hpp"

namespace ddb::storage {

class Connection::Impl {
  public:
    explicit Impl(MYSQL* mysql) : mysql_(mysql) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Error fail_now();

    // Sends `count` statements and reads the replies of all but the last `keep`, whose replies are left to the caller.
    // While the socket takes nothing more, replies are read, so neither side can block the other for good.
    template <class StatementAt>
    std::optional<Error> pipeline(std::size_t count, std::size_t keep, const StatementAt& statement_at) {
        if (encrypted()) return pipeline_by_library(count, keep, statement_at);
        QueryPackets packets;
        for (std::size_t i = 0; i < count; ++i) packets.add(statement_at(i));
        const std::size_t to_read = count - keep;
        std::size_t replies = 0;
        std::optional<Error> first_error;
        const auto read_one = [&] {
            ++replies;
            if (auto status = read_reply_and_discard(); !status.ok() && !first_error) first_error = status.error();
        };
        const auto lost = [&](const char* what) {
            broken_ = true;
            return fail(ErrorCode::io, std::string("database server: connection lost while sending: ") + what);
        };
        while (!packets.empty() && !broken_) {
            bool would_block = false;
            if (!packets.send_some(mysql_get_socket(mysql_), would_block)) {
                const Error error = lost(std::strerror(errno));
                // What the server said before it closed (packet too large, killed) tells more than EPIPE.
                if (replies < count) read_one();
                return first_error && first_error->code == ErrorCode::sql ? *first_error : error;
            }
            if (!would_block) continue;
            pollfd item{mysql_get_socket(mysql_), POLLOUT, 0};
            if (replies < to_read) item.events |= POLLIN;
            const int ready = ::poll(&item, 1, send_timeout_ms_);
            if (ready == 0) return lost("timed out");
            if (ready < 0 && errno != EINTR) return lost(std::strerror(errno));
            if (ready > 0 && replies < to_read && (item.revents & POLLIN) != 0) read_one();
        }
        while (replies < to_read && !broken_) read_one();
        return first_error;
    }

    // The same through TLS, which is the library's: a reply is read before the next statement is sent, but for those to
    // keep, which are small behind the first.
    template <class StatementAt>
    std::optional<Error> pipeline_by_library(std::size_t count, std::size_t keep, const StatementAt& statement_at) {
        std::optional<Error> first_error;
        for (std::size_t i = 0; i < count && !broken_; ++i) {
            const std::string_view sql = statement_at(i);
            if (mysql_send_query(mysql_, sql.data(), sql.size()) != 0) {
                const Error error = fail_now();
                return first_error ? *first_error : error;
            }
            if (i >= count - keep) continue;
            if (auto status = read_reply_and_discard(); !status.ok() && !first_error) first_error = status.error();
        }
        return first_error;
    }

    // The replies to so many statements; the first error wins.
    std::optional<Error> read_ahead(std::size_t count);

    // Asks for the replies ahead of start(); all in one piece, or nothing at all.
    bool send_early(std::string_view sql, std::span<const std::string> before);

    // Reads the header of one reply: either an OK packet (into ok_) or the columns of a result set.
    Status read_header();
    Status take_header();

    Status load(std::string_view sql, FileForServer& file);
    void take_columns(MYSQL_RES* result);

    // What the server tells about a statement without running it.
    Status describe(std::string_view sql);

    // Next row, nullptr at the end; then ok_ holds the closing packet.
    Result<MYSQL_ROW> fetch();

    // Moves on to the next result of the same statement.
    Result<bool> next_header();
    Status discard();

    Status read_reply_and_discard();
    Status read_behind();

    // Whatever the caller left of a reply.
    void drop_unread();

    // Before a new statement.
    Status make_ready();

    [[nodiscard]] bool encrypted() const { return (mysql_->client_flag & CLIENT_SSL) != 0; }

    MYSQL* mysql_;
    OfferedFile file_;
    int send_timeout_ms_ = -1;     // -1: none
    MYSQL_RES* result_ = nullptr;  // open result set
    std::vector<Column> columns_;
    OkPacket ok_;
    std::size_t early_ = 0;   // statements that start_early() has sent
    std::size_t behind_ = 0;  // replies still to come to what was sent behind a statement
    bool ahead_failed_ = false;
    bool left_state_ = false;
    std::uint32_t wait_timeout_s_ = 0;
    bool broken_ = false;

  private:
    // The packet still lies in the library's buffer. Its info text is taken from there because the library's own
    // pointer runs into the session-tracking bytes behind it. Returns the cursor behind the text.
    [[nodiscard]] ByteCursor read_info(std::string& info) const;
    void take_ok_packet();
};

}  // namespace ddb::storage
