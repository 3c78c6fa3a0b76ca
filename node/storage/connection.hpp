// One connection to the local server, over libmariadb. Used by one thread at a time; may be handed from thread to
// thread while no call is running. Closing it is what the destructor does. Rows are streamed, never buffered here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/storage/file_for_server.hpp"
#include "node/storage/reply_scan.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::storage {

class ServerDialect;

struct Endpoint {
    std::string socket;  // preferred when not empty
    std::string host;
    std::uint16_t port = 0;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// What a client asks for at its login, beside who it is.
struct LoginOptions {
    bool found_rows = false;      // affected rows count those that were found, not those that changed
    std::uint16_t collation = 0;  // MariaDB's number, with its character set; 0, or one that is unknown: utf8mb4
    bool interactive = false;     // interactive_timeout is its wait_timeout
    std::string host;             // IPv4, that the server is to take for its own; empty: as it is
    std::uint16_t port = 0;
    bool tls = false;  // nobody reads along on its way to the node, so that an account may demand TLS
};

struct ConnectOptions {
    Endpoint endpoint;
    std::string user;
    std::string password;  // or password_from_sha1() of native_password.hpp
    std::string database;
    LoginOptions login = {};
    bool tls = false;
    int connect_timeout_ms = 5000;
    int read_timeout_ms = 0;  // 0: none (a statement may wait for a lock)
    std::string program_name = "ddb";
};

// The server's OK packet (or the end of a result set).
struct OkPacket {
    std::uint64_t affected_rows = 0;
    std::uint64_t last_insert_id = 0;
    std::uint16_t warnings = 0;
    std::uint16_t status_flags = 0;
    std::string info;
    std::string gtid;      // session-tracked, when this statement wrote a group; else empty
    std::string database;  // session-tracked schema change, else empty
    bool database_changed = false;
    std::uint16_t parameters = 0;      // of describe(): placeholders in the statement
    std::uint32_t wait_timeout_s = 0;  // session-tracked, when the statement has set it; else 0
};

[[nodiscard]] std::string quoted_name(const std::string& name);  // as an identifier: `…`

class Connection {
  public:
    static constexpr std::size_t peeked_bytes_max = 16u << 10;
    static constexpr std::size_t early_bytes_max = 32u << 10;  // less than an idle socket takes at once

    // Errors: sql (server's own code and state, e.g. 1045), io.
    [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const ConnectOptions& options);
    ~Connection();

    // Runs a statement and discards any rows.
    [[nodiscard]] Result<OkPacket> execute(std::string_view sql);
    // Sends the statements back to back, each in a packet of its own (never as a multi-statement packet), then reads
    // every reply: one round trip. The last OK packet is returned; the first error wins, the later replies are read all
    // the same.
    [[nodiscard]] Result<OkPacket> execute_all(std::span<const std::string> statements);
    // First column of the first row, if any.
    [[nodiscard]] Result<std::optional<std::string>> scalar(std::string_view sql);
    // As bytes, whatever the session's character set; empty: none.
    [[nodiscard]] Result<std::string> current_database();
    // All rows; for small internal queries only. NULL = nullopt.
    using Row = std::vector<std::optional<std::string>>;
    [[nodiscard]] Result<std::vector<Row>> rows(std::string_view sql);

    // Streaming: start() sends the statement and reads the header; columns() is empty when there is no result set (then
    // ok_packet() holds the answer). next_rows() appends rows in the wire form of ResultRows until `bytes` is reached
    // or the set ends (returns row count 0 at the end; ok_packet() then holds the closing packet). next_result() moves
    // on to the next result of a CALL; false when there is none. `before`: sent ahead in the same round trip; when one
    // of them fails, its error is returned and the reply to `sql` is read and dropped. `behind`: sent after it in the
    // same round trip, and run by the server whatever becomes of `sql`; finish_behind() reads the replies.
    [[nodiscard]] Status start(std::string_view sql, std::span<const std::string> before = {},
                               std::span<const std::string> behind = {});
    // Sends what start() with the same arguments would send, without waiting; start() must be the next call then, and
    // reads only. False: nothing was sent, nothing changed.
    [[nodiscard]] bool start_early(std::string_view sql, std::span<const std::string> before = {});
    // What has come of the replies that start_early() asked for; never waits. Beyond peeked_bytes_max, and when the
    // connection has ended: `other`.
    [[nodiscard]] Replies peek_replies();
    // The server has ended it, of one that waits for nothing; never waits.
    [[nodiscard]] bool ended() const;
    [[nodiscard]] int socket() const;
    // A mark for who waits for the replies: the socket is registered with it.
    [[nodiscard]] bool watched() const { return watched_; }
    void set_watched(bool watched) { watched_ = watched; }
    // As start(), for a LOAD … LOCAL: the server is given `file` when it asks for one. At any other time it is given
    // none, whatever it asks for. `before` failed: `sql` was not sent. The file failed, and the server took what came
    // of it for all: the file's error, and the connection is broken.
    [[nodiscard]] Status load(std::string_view sql, FileForServer& file, std::span<const std::string> before = {},
                              std::span<const std::string> behind = {});
    // Does not run `sql`: columns() are those it would have, ok_packet() knows its parameters. Errors as those of
    // PREPARE.
    [[nodiscard]] Status describe(std::string_view sql);
    // Reads the header of the next reply of those to `behind`, whose rows are read as start()'s; what is unread of the
    // reply before is dropped.
    [[nodiscard]] Status next_behind();
    // What `sql` left unread is dropped. As execute_all(): the first error wins, else the last OK packet.
    [[nodiscard]] Result<OkPacket> finish_behind();
    // True when the last start() failed in `before`: `sql` ran all the same, without what should have stood in front of
    // it.
    [[nodiscard]] bool ahead_failed() const;
    // The last start() or load(), or what was said behind it, left something in the session: user variables, temporary
    // tables, prepared statements, settings. Behind rows that may be no more than a new GTID, as of a sequence.
    [[nodiscard]] bool left_state() const;
    // How long the server lets the session be idle, as far as it has told (user_session_sql() makes it do so); else 0.
    [[nodiscard]] std::uint32_t wait_timeout_s() const;
    [[nodiscard]] const std::vector<Column>& columns() const;
    [[nodiscard]] Result<std::uint32_t> next_rows(std::string& out, std::size_t bytes);
    [[nodiscard]] const OkPacket& ok_packet() const;
    [[nodiscard]] Result<bool> next_result();

    [[nodiscard]] std::uint64_t id() const;  // server's connection id
    [[nodiscard]] std::string server_version() const;
    // The server tells the names of columns' types and formats (MARIADB_CLIENT_EXTENDED_METADATA).
    [[nodiscard]] bool extended_metadata() const;
    [[nodiscard]] const ServerDialect& dialect() const;
    [[nodiscard]] bool forgets_warnings() const;  // as ServerDialect has it, like the next
    [[nodiscard]] bool logs_temporary_renames() const;
    [[nodiscard]] bool locks_what_it_fills() const;
    [[nodiscard]] bool leaves_out_defaults() const;
    [[nodiscard]] bool lets_keys_go() const;
    [[nodiscard]] bool calculates_rows() const;  // see calculation_settings.hpp
    [[nodiscard]] bool is_mysql() const;
    [[nodiscard]] std::string escape(std::string_view text) const;
    [[nodiscard]] bool broken() const;  // lost: nothing more can be done with it
    [[nodiscard]] void* native();       // MYSQL*, for the binary-log reader

  private:
    class Impl;
    explicit Connection(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
    bool watched_ = false;
};

}  // namespace ddb::storage
