// The command line of ddb-cli. Pure but for the environment handed in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/formats.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::client {

// Exit statuses of CONTRACT.
enum class Exit : std::uint8_t {
    done = 0,
    sql_error = 1,
    usage = 2,
    cannot_connect = 3,
    nothing_happened = 4,  // no quorum, or timed out before anything happened
    unknown = 5,
    interrupted = 130,
};

// Value of an environment variable; empty when unset.
using Environment = std::function<std::string(const char*)>;
[[nodiscard]] Environment process_environment();

struct Options {
    std::string host;  // empty: discover
    std::uint16_t port = 6000;
    std::vector<std::string> nodes;  // "host:port", -h and --nodes together
    std::string user;
    std::string password;
    bool ask_password = false;
    std::string database;
    std::vector<std::string> execute;
    std::optional<Format> format;
    Consistency consistency = Consistency::strong;
    std::optional<ReadBalance> read_balance;  // none: as the node is configured
    WriteConcern write_concern = WriteConcern::majority;
    std::uint32_t timeout_ms = 10'000;
    bool skip_column_names = false;
    bool force = false;
    bool insecure = false;
    std::string key_file;
    std::string cluster;
    std::uint16_t discovery_port = 0;  // 0: not given
    std::string verb;                  // empty: SQL
    std::vector<std::string> verb_arguments;
    bool watch = false;          // ask again and again, until interrupted
    std::string print_and_exit;  // --help, --version
};

[[nodiscard]] bool is_verb(std::string_view word);
// Errors: invalid_argument, in words for the person at the keyboard.
[[nodiscard]] Result<Options> parse_options(const std::vector<std::string>& arguments, const Environment& environment);
// Exit status for what became of a statement or verb.
[[nodiscard]] Exit exit_status(const Error& error);

}  // namespace ddb::client
