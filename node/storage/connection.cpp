#include "node/storage/connection.hpp"

#include <mysql.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>

#include "node/storage/binlog_bytes.hpp"
#include "node/storage/client_errors.hpp"
#include "node/storage/column_description.hpp"
#include "node/storage/native_password.hpp"
#include "node/storage/offered_file.hpp"
#include "node/storage/query_packets.hpp"
#include "node/storage/session_track.hpp"

namespace ddb::storage {
namespace {

constexpr unsigned long client_packet_bytes_max = 1ul << 30;
constexpr std::uint16_t error_unknown_collation = 1273;

unsigned seconds_of(int ms) {
    return static_cast<unsigned>((std::max(ms, 1) + 999) / 1000);
}

void append_length(std::string& out, std::uint64_t n) {
    const auto little_endian = [&](int bytes) {
        for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(n >> (8 * i) & 0xff));
    };
    if (n < 251) {
        out.push_back(static_cast<char>(n));
    } else if (n < (1u << 16)) {
        out.push_back('\xfc');
        little_endian(2);
    } else if (n < (1u << 24)) {
        out.push_back('\xfd');
        little_endian(3);
    } else {
        out.push_back('\xfe');
        little_endian(8);
    }
}

}  // namespace

class Connection::Impl {
  public:
    explicit Impl(MYSQL* mysql) : mysql_(mysql) {}
    ~Impl() {
        // Freeing an unfinished result would read it to its end first; the connection goes away, so do not.
        if (result_ != nullptr) {
            result_->handle = nullptr;
            mysql_free_result(result_);
        }
        mysql_close(mysql_);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Error fail_now() {
        Error error = error_of(mysql_);
        if (error.code == ErrorCode::io || ends_connection(error.mysql_code)) broken_ = true;
        return error;
    }

    // Sends `count` statements and reads the replies of all but the last `keep`, whose replies are left to the caller.
    // While the socket takes nothing more, replies are read, so neither side can block the other for good.
    template <class StatementAt>
    std::optional<Error> pipeline(std::size_t count, std::size_t keep, const StatementAt& statement_at) {
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

    // The replies to so many statements; the first error wins.
    std::optional<Error> read_ahead(std::size_t count) {
        std::optional<Error> first_error;
        for (; count > 0 && !broken_; --count) {
            if (auto status = read_reply_and_discard(); !status.ok() && !first_error) first_error = status.error();
        }
        return first_error;
    }

    // Asks for the replies ahead of start(); all in one piece, or nothing at all.
    bool send_early(std::string_view sql, std::span<const std::string> before) {
        const unsigned long flags = mysql_->client_flag;
        const bool plain = (flags & (CLIENT_SSL | CLIENT_COMPRESS)) == 0;
        const bool ready = !broken_ && behind_ == 0 && result_ == nullptr && !mysql_more_results(mysql_);
        if (!plain || !ready) return false;
        QueryPackets packets;
        for (const std::string& statement : before) packets.add(statement);
        packets.add(sql);
        if (packets.bytes() > early_bytes_max) return false;
        bool would_block = false;
        if (!packets.send_some(mysql_get_socket(mysql_), would_block) || would_block) {
            if (packets.untouched()) return false;
            broken_ = true;  // half a packet: the next call says so
        }
        early_ = before.size() + 1;
        return true;
    }

    // Reads the header of one reply: either an OK packet (into ok_) or the columns of a result set.
    Status read_header() {
        // The library clears these when it sends; here it did not send. `info` would point at an older packet.
        mysql_->net.last_errno = 0;
        mysql_->net.last_error[0] = '\0';
        mysql_->info = nullptr;
        if (mysql_read_query_result(mysql_) != 0) return fail_now();
        return take_header();
    }

    Status take_header() {
        columns_.clear();
        ok_ = OkPacket{};
        if (mysql_field_count(mysql_) == 0) {
            take_ok_packet();
            return ok();
        }
        result_ = mysql_use_result(mysql_);
        if (result_ == nullptr) return fail_now();
        take_columns(result_);
        return ok();
    }

    Status load(std::string_view sql, std::string_view file) {
        const auto offer = file_.offer(file);
        mysql_->info = nullptr;
        if (mysql_real_query(mysql_, sql.data(), sql.size()) != 0) return fail_now();
        return take_header();
    }

    void take_columns(MYSQL_RES* result) {
        const unsigned count = mysql_num_fields(result);
        const MYSQL_FIELD* fields = mysql_fetch_fields(result);
        columns_.reserve(count);
        for (unsigned i = 0; i < count; ++i) columns_.push_back(column_of(fields[i]));
    }

    // What the server tells about a statement without running it.
    Status describe(std::string_view sql) {
        columns_.clear();
        ok_ = OkPacket{};
        const std::unique_ptr<MYSQL_STMT, my_bool (*)(MYSQL_STMT*)> statement(mysql_stmt_init(mysql_),
                                                                              mysql_stmt_close);
        if (statement == nullptr) return fail(ErrorCode::io, "database client library: out of memory");
        if (mysql_stmt_prepare(statement.get(), sql.data(), sql.size()) != 0) return fail_now();
        const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> fields(mysql_stmt_result_metadata(statement.get()),
                                                                      mysql_free_result);
        if (fields != nullptr) take_columns(fields.get());
        ok_.parameters = static_cast<std::uint16_t>(mysql_stmt_param_count(statement.get()));
        ok_.status_flags = static_cast<std::uint16_t>(mysql_->server_status);
        ok_.warnings = static_cast<std::uint16_t>(mysql_stmt_warning_count(statement.get()));
        return ok();
    }

    // Next row, nullptr at the end; then ok_ holds the closing packet.
    Result<MYSQL_ROW> fetch() {
        MYSQL_ROW row = mysql_fetch_row(result_);
        if (row != nullptr) return row;
        const bool failed = mysql_errno(mysql_) != 0;
        std::optional<Error> error;
        if (failed) error = fail_now();
        mysql_free_result(result_);
        result_ = nullptr;
        if (error) return *error;
        ok_ = OkPacket{};
        ok_.warnings = static_cast<std::uint16_t>(mysql_warning_count(mysql_));
        ok_.status_flags = static_cast<std::uint16_t>(mysql_->server_status);
        return row;
    }

    // Moves on to the next result of the same statement.
    Result<bool> next_header() {
        if (!mysql_more_results(mysql_)) return false;
        mysql_->info = nullptr;
        const int rc = mysql_next_result(mysql_);
        if (rc > 0) return fail_now();
        if (rc < 0) return false;
        if (auto status = take_header(); !status.ok()) return status.error();
        return true;
    }

    Status discard() {
        for (;;) {
            while (result_ != nullptr) {
                auto row = fetch();
                if (!row.ok()) return row.error();
                if (*row == nullptr) break;
            }
            auto more = next_header();
            if (!more.ok()) return more.error();
            if (!*more) return ok();
        }
    }

    Status read_reply_and_discard() {
        if (auto status = read_header(); !status.ok()) return status;
        return discard();
    }

    Status read_behind() {
        --behind_;
        return read_reply_and_discard();
    }

    // Whatever the caller left of a reply.
    void drop_unread() {
        if (!broken_ && (result_ != nullptr || mysql_more_results(mysql_))) (void)discard();
    }

    // Before a new statement.
    Status make_ready() {
        DDB_ASSERT(early_ == 0);
        drop_unread();
        while (!broken_ && behind_ > 0) (void)read_behind();
        if (broken_) return fail(ErrorCode::io, "database server: connection is lost");
        return ok();
    }

    MYSQL* mysql_;
    OfferedFile file_;
    int send_timeout_ms_ = -1;     // -1: none
    MYSQL_RES* result_ = nullptr;  // open result set
    std::vector<Column> columns_;
    OkPacket ok_;
    std::size_t early_ = 0;   // statements that start_early() has sent
    std::size_t behind_ = 0;  // replies still to come to what was sent behind a statement
    bool ahead_failed_ = false;
    bool broken_ = false;

  private:
    // The packet still lies in the library's buffer. Its info text is taken from there because the library's own
    // pointer runs into the session-tracking bytes behind it. Returns the cursor behind the text.
    [[nodiscard]] ByteCursor read_info(std::string& info) const {
        const unsigned char* const begin = mysql_->net.read_pos + 1;
        ByteCursor in({reinterpret_cast<const char*>(begin), static_cast<std::size_t>(mysql_->net.buff_end - begin)});
        (void)in.packed();                             // affected rows
        (void)in.packed();                             // insert id
        in.take(4);                                    // status, warnings
        constexpr std::uint64_t info_bytes_max = 512;  // the server's own limit on the message
        const std::uint64_t n = in.packed();
        const std::string_view text = in.take(static_cast<std::size_t>(n));
        if (n <= info_bytes_max) info = text;
        return in;
    }

    void take_ok_packet() {
        ok_.affected_rows = mysql_affected_rows(mysql_);
        ok_.last_insert_id = mysql_insert_id(mysql_);
        ok_.warnings = static_cast<std::uint16_t>(mysql_warning_count(mysql_));
        ok_.status_flags = static_cast<std::uint16_t>(mysql_->server_status);
        std::string info;
        const ByteCursor behind_info = read_info(info);
        if (mysql_info(mysql_) != nullptr) ok_.info = std::move(info);
        // The library keeps the state of an older packet when this one carries none: the flag tells.
        if ((mysql_->server_status & SERVER_SESSION_STATE_CHANGED) == 0) return;
        const TrackedState tracked = tracked_state(behind_info.rest());
        if (tracked.gtid) ok_.gtid = *tracked.gtid;
        if (tracked.database) {
            ok_.database = *tracked.database;
            ok_.database_changed = true;
        }
        const char* data = nullptr;
        std::size_t length = 0;
        // MySQL's; MariaDB tells it as a variable.
        if (mysql_session_track_get_first(mysql_, SESSION_TRACK_GTIDS, &data, &length) == 0)
            ok_.gtid.assign(data, length);
    }
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

std::string quoted_name(const std::string& name) {
    std::string out = "`";
    for (const char c : name) {
        if (c == '`') out += '`';
        out += c;
    }
    return out + "`";
}

Result<std::unique_ptr<Connection>> Connection::open(const ConnectOptions& options) {
    install_sha1_login();
    MYSQL* mysql = mysql_init(nullptr);
    if (mysql == nullptr) return fail(ErrorCode::io, "database client library: out of memory");
    auto impl = std::make_unique<Impl>(mysql);
    const unsigned connect_timeout_s = seconds_of(options.connect_timeout_ms);
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_timeout_s);
    if (options.read_timeout_ms > 0) {
        const unsigned read_timeout_s = seconds_of(options.read_timeout_ms);
        mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read_timeout_s);
        impl->send_timeout_ms_ = options.read_timeout_ms;
    }
    const unsigned local_infile = 1;
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &local_infile);
    impl->file_.attach(mysql);
    const std::size_t packet_max = client_packet_bytes_max;
    mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", options.program_name.c_str());

    const bool local = !options.endpoint.socket.empty();
    const unsigned protocol = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    const char* const host = local ? "localhost" : options.endpoint.host.c_str();
    const char* const database = options.database.empty() ? nullptr : options.database.c_str();
    if (mysql_real_connect(mysql, host, options.user.c_str(), options.password.c_str(), database,
                           local ? 0u : options.endpoint.port, local ? options.endpoint.socket.c_str() : nullptr,
                           CLIENT_MULTI_RESULTS | (options.login.found_rows ? CLIENT_FOUND_ROWS : 0ul)) == nullptr) {
        return impl->fail_now();
    }
    auto connection = std::unique_ptr<Connection>(new Connection(std::move(impl)));
    // The library logs in with a character set's default collation alone.
    const auto* const chosen =
        options.login.collation == 0 ? nullptr : mariadb_get_charset_by_nr(options.login.collation);
    if (chosen == nullptr || chosen->nr == mysql->charset->nr) return connection;
    const std::string names = "SET NAMES " + std::string(chosen->csname) + " COLLATE " + chosen->name;
    const auto set = connection->execute(names);
    // The library knows collations of both servers. MySQL's clients ask for one that MariaDB has not, and are let in.
    if (!set && set.error().mysql_code != error_unknown_collation) return set.error();
    return connection;
}

Result<OkPacket> Connection::execute(std::string_view sql) {
    if (auto status = impl_->make_ready(); !status.ok()) return status.error();
    if (auto error = impl_->pipeline(1, 0, [&](std::size_t) { return sql; })) return *error;
    return impl_->ok_;
}

Result<OkPacket> Connection::execute_all(std::span<const std::string> statements) {
    if (auto status = impl_->make_ready(); !status.ok()) return status.error();
    impl_->ok_ = OkPacket{};
    if (auto error =
            impl_->pipeline(statements.size(), 0, [&](std::size_t i) { return std::string_view(statements[i]); })) {
        return *error;
    }
    return impl_->ok_;
}

Result<std::optional<std::string>> Connection::scalar(std::string_view sql) {
    auto all = rows(sql);
    if (!all.ok()) return all.error();
    if (all->empty() || all->front().empty()) return std::optional<std::string>();
    return std::move(all->front().front());
}

Result<std::vector<Connection::Row>> Connection::rows(std::string_view sql) {
    if (auto status = start(sql); !status.ok()) return status.error();
    std::vector<Row> out;
    while (impl_->result_ != nullptr) {
        auto row = impl_->fetch();
        if (!row.ok()) return row.error();
        if (*row == nullptr) break;
        const unsigned long* lengths = mysql_fetch_lengths(impl_->result_);
        Row& values = out.emplace_back(impl_->columns_.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            if ((*row)[i] != nullptr) values[i].emplace((*row)[i], lengths[i]);
        }
    }
    if (auto status = impl_->discard(); !status.ok()) return status.error();
    return out;
}

Status Connection::start(std::string_view sql, std::span<const std::string> before,
                         std::span<const std::string> behind) {
    const std::size_t early = std::exchange(impl_->early_, 0);
    DDB_ASSERT(early == 0 || (early == before.size() + 1 && behind.empty()));
    if (auto status = impl_->make_ready(); !status.ok()) return status;
    impl_->columns_.clear();
    impl_->ahead_failed_ = false;
    const std::size_t count = before.size() + 1 + behind.size();
    auto error = early != 0 ? impl_->read_ahead(before.size())
                            : impl_->pipeline(count, 1 + behind.size(), [&](std::size_t i) -> std::string_view {
                                  if (i == before.size()) return sql;
                                  return i < before.size() ? before[i] : behind[i - before.size() - 1];
                              });
    impl_->behind_ = behind.size();
    if (error) {
        if (!impl_->broken_) (void)impl_->read_reply_and_discard();
        impl_->columns_.clear();
        impl_->ahead_failed_ = true;
        return *error;
    }
    if (impl_->broken_) return fail(ErrorCode::io, "database server: connection is lost");
    return impl_->read_header();
}

bool Connection::start_early(std::string_view sql, std::span<const std::string> before) {
    return impl_->send_early(sql, before);
}

Replies Connection::peek_replies() {
    std::array<char, peeked_bytes_max> bytes;
    const ssize_t got = ::recv(socket(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Replies::incomplete;
    if (got <= 0) return Replies::other;
    const auto size = static_cast<std::size_t>(got);
    const Replies found = scan_replies({bytes.data(), size}, impl_->early_);
    if (found != Replies::incomplete) return found;
    // Killed behind the first replies: the rest will never come, and neither will another event.
    pollfd item{socket(), POLLRDHUP, 0};
    const bool ended = ::poll(&item, 1, 0) > 0;
    return ended || size == bytes.size() ? Replies::other : found;
}

int Connection::socket() const {
    return static_cast<int>(mysql_get_socket(impl_->mysql_));
}

// The server asks for the file in the middle of the statement, so that nothing may follow in the same round trip.
Status Connection::load(std::string_view sql, std::string_view file, std::span<const std::string> before,
                        std::span<const std::string> behind) {
    impl_->ahead_failed_ = false;
    if (auto begun = execute_all(before); !begun) {
        impl_->ahead_failed_ = true;
        return begun.error();
    }
    const Status loaded = impl_->load(sql, file);
    if (!impl_->broken_) {
        const auto statement_at = [&](std::size_t i) { return std::string_view(behind[i]); };
        if (auto error = impl_->pipeline(behind.size(), behind.size(), statement_at)) return *error;
        impl_->behind_ = behind.size();
    }
    return loaded;
}

Status Connection::describe(std::string_view sql) {
    if (auto status = impl_->make_ready(); !status.ok()) return status;
    return impl_->describe(sql);
}

Status Connection::next_behind() {
    impl_->drop_unread();
    if (impl_->broken_) return fail(ErrorCode::io, "database server: connection is lost");
    if (impl_->behind_ == 0) return fail(ErrorCode::invalid_argument, "nothing was sent behind the statement");
    --impl_->behind_;
    return impl_->read_header();
}

Result<OkPacket> Connection::finish_behind() {
    std::optional<Error> first_error;
    impl_->drop_unread();
    while (!impl_->broken_ && impl_->behind_ > 0) {
        if (auto status = impl_->read_behind(); !status.ok() && !first_error) first_error = status.error();
    }
    if (first_error) return *first_error;
    if (impl_->broken_) return fail(ErrorCode::io, "database server: connection is lost");
    return impl_->ok_;
}

bool Connection::ahead_failed() const {
    return impl_->ahead_failed_;
}

const std::vector<Column>& Connection::columns() const {
    return impl_->columns_;
}

Result<std::uint32_t> Connection::next_rows(std::string& out, std::size_t bytes) {
    std::uint32_t count = 0;
    const std::size_t end = out.size() + bytes;
    while (impl_->result_ != nullptr && (count == 0 || out.size() < end)) {
        auto row = impl_->fetch();
        if (!row.ok()) return row.error();
        if (*row == nullptr) break;
        const unsigned long* lengths = mysql_fetch_lengths(impl_->result_);
        std::size_t total = 0;
        for (std::size_t i = 0; i < impl_->columns_.size(); ++i) total += lengths[i] + 9;
        if (total > result_row_bytes_max) {
            return fail(ErrorCode::overloaded, "a row of " + std::to_string(total) + " bytes exceeds the limit of " +
                                                   std::to_string(result_row_bytes_max) + " bytes");
        }
        for (std::size_t i = 0; i < impl_->columns_.size(); ++i) {
            if ((*row)[i] == nullptr) {
                out.push_back('\xfb');
            } else {
                append_length(out, lengths[i]);
                out.append((*row)[i], lengths[i]);
            }
        }
        ++count;
    }
    return count;
}

const OkPacket& Connection::ok_packet() const {
    return impl_->ok_;
}

Result<bool> Connection::next_result() {
    if (impl_->broken_) return fail(ErrorCode::io, "database server: connection is lost");
    while (impl_->result_ != nullptr) {  // rows the caller does not want
        auto row = impl_->fetch();
        if (!row.ok()) return row.error();
        if (*row == nullptr) break;
    }
    return impl_->next_header();
}

std::uint64_t Connection::id() const {
    return mysql_thread_id(impl_->mysql_);
}

std::string Connection::server_version() const {
    const char* const text = mysql_get_server_info(impl_->mysql_);
    return text != nullptr ? text : "";
}

bool Connection::extended_metadata() const {
    unsigned long offered = 0;  // from bit 32 on
    const int failed =
        mariadb_get_infov(impl_->mysql_, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, static_cast<void*>(&offered));
    return failed == 0 && (offered & (MARIADB_CLIENT_EXTENDED_METADATA >> 32)) != 0;
}

std::string Connection::escape(std::string_view text) const {
    std::string out(text.size() * 2 + 1, '\0');
    out.resize(mysql_real_escape_string(impl_->mysql_, out.data(), text.data(), text.size()));
    return out;
}

bool Connection::broken() const {
    return impl_->broken_;
}
void* Connection::native() {
    return impl_->mysql_;
}

}  // namespace ddb::storage
