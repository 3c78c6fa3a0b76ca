// The server's binary log over the replication protocol, event by event and without a copy: a view is valid until the
// next call. Used by one thread; only interrupt() may be called by another.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "node/storage/binlog_event.hpp"
#include "node/storage/connection.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

struct BinlogPosition {
    std::string file;
    std::uint32_t offset = 4;  // the first event of every file
};

class BinlogStream {
  public:
    enum class End : std::uint8_t {
        wait,  // stands at the end until more is written
        stop,  // ends there
    };
    [[nodiscard]] static Result<std::unique_ptr<BinlogStream>> open(ConnectOptions options, const BinlogPosition& from,
                                                                    End end);

    // nullopt at the end (End::stop). Errors: io (connection lost, or silent for longer than a heartbeat allows), sql,
    // corrupt.
    [[nodiscard]] Result<std::optional<EventView>> next();
    // Any thread: makes next() return an error soon.
    void interrupt();
    [[nodiscard]] std::uint64_t connection_id() const { return connection_->id(); }

  private:
    BinlogStream(std::unique_ptr<Connection> connection, int socket)
        : connection_(std::move(connection)), socket_(socket) {}
    void note_end(EventView& event);

    std::unique_ptr<Connection> connection_;
    int socket_;
    std::uint32_t end_ = 0;  // in its file, of the event before; 0: not known
};

[[nodiscard]] Result<BinlogPosition> binlog_end(Connection& connection);
// The Format_description event of the server's current binary log.
[[nodiscard]] Result<std::string> format_description(const ConnectOptions& options, const BinlogPosition& at);

// Statement entries this server ran itself, as its binary log tells: the truth after a crash. By the first sequence
// number of the statement.
struct RanStatement {
    std::uint64_t last = 0;  // sequence number: an applier runs the n-th query under the first number plus n
    bool with_rows = false;  // so are its rows, if it had any (it was run by a coordinator, not by an applier)
};
using RanStatements = std::map<std::uint64_t, RanStatement>;
// MariaDB: those from sequence number `least` on; some older ones may be among them. Reads from the newest file that
// begins below `least`, so the cost is that of what was written since, however often the server was started meanwhile.
[[nodiscard]] Result<RanStatements> statements_in_binlog(const ConnectOptions& options, std::uint64_t least);

[[nodiscard]] constexpr std::uint64_t first_sequence(std::uint64_t sequence) {
    return sequence & ~std::uint64_t{15};
}

}  // namespace ddb::storage
