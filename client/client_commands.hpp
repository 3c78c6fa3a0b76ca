// The shell's own commands: what a line at the start of a statement means when it is no SQL. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ddb::client {

struct ShellCommand {
    enum class Kind : std::uint8_t {
        quit,      // \q exit quit :exit
        clear,     // \c
        status,    // \s :info
        node,      // :node [N|host:port]
        source,    // \. FILE, source FILE
        tee,       // \T FILE
        no_tee,    // \t
        pager,     // \P [COMMAND]
        no_pager,  // \n
        help,      // \h \? help
        use,       // \u DATABASE
        refused,   // \! and what else the mysql client has and this one does not
        unknown,   // begins like a command
    };
    Kind kind = Kind::unknown;
    std::string argument;
};

// nullopt: the line is SQL.
[[nodiscard]] std::optional<ShellCommand> parse_command(std::string_view line);
[[nodiscard]] const char* command_help();

}  // namespace ddb::client
