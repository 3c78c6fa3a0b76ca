// The first packets of a MySQL connection: what the server says, what the client answers. Plain functions on payloads
// (see packets.hpp); bytes from the network end in an error, never in an assertion.
//
// Source: https://mariadb.com/kb/en/connection/
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "schemas/result.hpp"

namespace ddb::gateway {

// Capability flags, the lower 32 bits as MySQL names them; from bit 32 on MariaDB's own.
namespace capability {
inline constexpr std::uint32_t long_password = 1u << 0;  // unset: MariaDB's own flags follow
inline constexpr std::uint32_t found_rows = 1u << 1;
inline constexpr std::uint32_t long_flag = 1u << 2;
inline constexpr std::uint32_t connect_with_db = 1u << 3;
inline constexpr std::uint32_t no_schema = 1u << 4;
inline constexpr std::uint32_t compress = 1u << 5;
inline constexpr std::uint32_t odbc = 1u << 6;
inline constexpr std::uint32_t local_files = 1u << 7;
inline constexpr std::uint32_t ignore_space = 1u << 8;
inline constexpr std::uint32_t protocol_41 = 1u << 9;
inline constexpr std::uint32_t interactive = 1u << 10;
inline constexpr std::uint32_t ssl = 1u << 11;
inline constexpr std::uint32_t ignore_sigpipe = 1u << 12;
inline constexpr std::uint32_t transactions = 1u << 13;
inline constexpr std::uint32_t reserved = 1u << 14;
inline constexpr std::uint32_t secure_connection = 1u << 15;
inline constexpr std::uint32_t multi_statements = 1u << 16;
inline constexpr std::uint32_t multi_results = 1u << 17;
inline constexpr std::uint32_t ps_multi_results = 1u << 18;
inline constexpr std::uint32_t plugin_auth = 1u << 19;
inline constexpr std::uint32_t connect_attrs = 1u << 20;
inline constexpr std::uint32_t plugin_auth_lenenc = 1u << 21;
inline constexpr std::uint32_t expired_passwords = 1u << 22;
inline constexpr std::uint32_t session_track = 1u << 23;
inline constexpr std::uint32_t deprecate_eof = 1u << 24;
inline constexpr std::uint64_t bulk_operations = 1ull << 34;  // COM_STMT_BULK_EXECUTE
// Columns tell a type's or format's name that their type has no number for: JSON, INET6, POINT.
inline constexpr std::uint64_t extended_metadata = 1ull << 35;
}  // namespace capability

inline constexpr std::size_t scramble_bytes = 20;
inline constexpr std::string_view native_plugin = "mysql_native_password";

struct ServerGreeting {
    std::string version;  // as sent; clients of MariaDB take "5.5.5-" off the front
    std::uint32_t connection_id = 0;
    std::string scramble;  // scramble_bytes bytes, none of them 0
    std::uint64_t capabilities = 0;
    std::uint8_t charset = 45;  // utf8mb4_general_ci
    std::uint16_t status_flags = 2;
    std::string plugin{native_plugin};
};
// Protocol::HandshakeV10.
[[nodiscard]] std::string encode_greeting(const ServerGreeting& greeting);

struct ClientHello {
    bool ssl_request = false;  // asks for TLS; nothing behind `charset` is set, the rest comes encrypted
    std::uint64_t capabilities = 0;
    std::uint32_t packet_bytes_max = 0;
    std::uint8_t charset = 0;
    std::string user;
    std::string auth;  // answer to the challenge, any bytes
    std::string database;
    std::string plugin;                             // empty: not said
    std::map<std::string, std::string> attributes;  // program_name, _client_name …; at most 64 kB, 128 of them kept
};
// Protocol::HandshakeResponse41 or SSLRequest, read with the client's own flags within `offered`. Errors:
// invalid_argument (1043 / 08S01 "Bad handshake"), also for clients older than protocol 4.1.
[[nodiscard]] Result<ClientHello> decode_hello(std::string_view payload, std::uint64_t offered);

// AuthSwitchRequest: start again with this plugin and challenge.
[[nodiscard]] std::string encode_auth_switch(std::string_view plugin, std::string_view scramble);

// COM_CHANGE_USER, without the command byte.
struct ChangeUser {
    std::string user;
    std::string auth;
    std::string database;
    std::uint16_t charset = 0;  // 0: not said
    std::string plugin;
    std::map<std::string, std::string> attributes;
};
[[nodiscard]] Result<ChangeUser> decode_change_user(std::string_view payload, std::uint64_t capabilities);

}  // namespace ddb::gateway
