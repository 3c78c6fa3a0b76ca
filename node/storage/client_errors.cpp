#include "node/storage/client_errors.hpp"

#include <optional>
#include <string>

namespace ddb::storage {
namespace {

bool is_client_error(unsigned code) {
    return (code >= 2000 && code < 3000) || (code >= 5000 && code < 6000);
}

// A statement may raise one of the client library's own errors by SIGNAL. The library takes that for a malformed
// packet, but leaves it in its buffer, NUL-terminated, and the socket open.
std::optional<Error> raised_by_signal(MYSQL* mysql) {
    constexpr std::size_t state_size = 5;
    const unsigned char* packet = mysql->net.read_pos;
    if (mysql->net.pvio == nullptr || packet == nullptr || packet[0] != 0xff) return std::nullopt;
    const unsigned code = packet[1] | static_cast<unsigned>(packet[2]) << 8;
    const std::string text(reinterpret_cast<const char*>(packet) + 3);
    if (!is_client_error(code) || !text.starts_with('#') || text.size() <= state_size) return std::nullopt;
    return Error{ErrorCode::sql, text.substr(1 + state_size), static_cast<std::uint16_t>(code),
                 text.substr(1, state_size)};
}

}  // namespace

// Errors after which the server closes the connection although it still answered: shutdown, packet too large,
// connection killed, idle for too long.
bool ends_connection(unsigned code) {
    return code == 1053 || code == 1153 || code == 1927 || code == 4031;
}

Error error_of(MYSQL* mysql) {
    const unsigned code = mysql_errno(mysql);
    if (is_client_error(code)) {
        if (auto raised = raised_by_signal(mysql)) return *std::move(raised);
    }
    Error error;
    error.message = mysql_error(mysql);
    if (code == 0 || is_client_error(code)) {
        error.code = ErrorCode::io;
        error.message = "database server: " + (error.message.empty() ? std::string("connection lost") : error.message);
        return error;
    }
    error.code = ErrorCode::sql;
    error.mysql_code = static_cast<std::uint16_t>(code);
    error.sqlstate = mysql_sqlstate(mysql);
    return error;
}

}  // namespace ddb::storage
