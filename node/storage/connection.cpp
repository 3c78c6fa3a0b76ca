#include "node/storage/connection.hpp"

#include <arpa/inet.h>
#include <mysql.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "node/storage/connection_impl.hpp"
#include "node/storage/native_password.hpp"

namespace ddb::storage {
namespace {

constexpr unsigned long client_packet_bytes_max = 1ul << 30;
constexpr std::uint16_t error_unknown_charset = 1115;
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

// The PROXY protocol, version 1: https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt. Nothing for what is no
// address.
[[nodiscard]] std::string proxy_header(const LoginOptions& login) {
    in_addr address{};
    if (login.host.empty() || ::inet_pton(AF_INET, login.host.c_str(), &address) != 1) return {};
    return "PROXY TCP4 " + login.host + " 127.0.0.1 " + std::to_string(login.port) + " 3306\r\n";
}

// For what the server sees, not for what the network does: whose certificate it is, is of no account. The library
// speaks it unasked from 3.4 on.
void set_tls(MYSQL* mysql, bool wanted) {
    const my_bool demanded = wanted ? 1 : 0;
    const my_bool verified = 0;
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &demanded);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
}

}  // namespace

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

    const std::string from = proxy_header(options.login);
    if (!from.empty()) mysql_optionsv(mysql, MARIADB_OPT_PROXY_HEADER, from.data(), from.size());

    set_tls(mysql, options.tls);

    const bool local = !options.endpoint.socket.empty();
    const unsigned protocol = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    const char* const host = local ? "localhost" : options.endpoint.host.c_str();
    const char* const database = options.database.empty() ? nullptr : options.database.c_str();
    const unsigned long flags = CLIENT_MULTI_RESULTS | (options.login.found_rows ? CLIENT_FOUND_ROWS : 0ul) |
                                (options.login.interactive ? CLIENT_INTERACTIVE : 0ul);
    if (mysql_real_connect(mysql, host, options.user.c_str(), options.password.c_str(), database,
                           local ? 0u : options.endpoint.port, local ? options.endpoint.socket.c_str() : nullptr,
                           flags) == nullptr) {
        return impl->fail_now();
    }
    auto connection = std::unique_ptr<Connection>(new Connection(std::move(impl)));
    // The library logs in with a character set's default collation alone, and takes some for others by their names.
    const auto* const chosen =
        options.login.collation == 0 ? nullptr : mariadb_get_charset_by_nr(options.login.collation);
    if (chosen == nullptr || chosen->nr == mysql->charset->nr) return connection;
    const std::string names = "SET NAMES " + std::string(chosen->csname) +
                              ", collation_connection = " + std::to_string(options.login.collation);
    const auto set = connection->execute(names);
    // The library knows character sets of both servers. MySQL's clients ask for what MariaDB has not, and are let in.
    if (!set && set.error().mysql_code != error_unknown_collation && set.error().mysql_code != error_unknown_charset)
        return set.error();
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

Result<std::string> Connection::current_database() {
    const auto found = scalar("SELECT CAST(DATABASE() AS BINARY) LIMIT 1");
    if (!found.ok()) return found.error();
    return found->value_or("");
}

Result<std::vector<Connection::Row>> Connection::rows(std::string_view sql) {
    const bool left_state = impl_->left_state_;  // by the statement before, of whose session this is a question
    if (auto status = start(sql); !status.ok()) return status.error();
    impl_->left_state_ = left_state;
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
    impl_->left_state_ = false;
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

bool Connection::ended() const {
    pollfd item{socket(), POLLIN | POLLRDHUP, 0};  // some servers say why before they close
    return broken() || ::poll(&item, 1, 0) > 0;
}

int Connection::socket() const {
    return static_cast<int>(mysql_get_socket(impl_->mysql_));
}

// The server asks for the file in the middle of the statement, so that nothing may follow in the same round trip.
Status Connection::load(std::string_view sql, FileForServer& file, std::span<const std::string> before,
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

bool Connection::left_state() const {
    return impl_->left_state_;
}

std::uint32_t Connection::wait_timeout_s() const {
    return impl_->wait_timeout_s_;
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
