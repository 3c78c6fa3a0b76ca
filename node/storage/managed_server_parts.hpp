// Inner parts of ManagedServer: which program, which options, first initialisation, what its log says. Private to
// managed_server*.cpp; pure functions of their arguments and the file system.
#pragma once

#include <string>
#include <vector>

#include "node/storage/managed_server.hpp"

namespace ddb::storage {

struct ServerProgram {
    std::string path;
    std::string version;
    bool mariadb = true;
    std::string install_program;  // of MariaDB: mariadb-install-db
    std::string base_dir;         // empty where the program's own default is right
};

// Error: not_found, with the places looked at and the remedy.
[[nodiscard]] Result<ServerProgram> find_server_program(const std::string& configured);

// A client program that belongs to the server (mariadb, mariadb-dump): beside it, then in the usual places. Empty when
// there is none.
[[nodiscard]] std::string find_tool(const std::string& server_program, const std::vector<const char*>& names);

struct ServerPaths {
    std::string dir;  // canonical
    std::string data, unfinished_data, tmp, files, log, init_file, certificate, socket;
};
// Creates the directories (0700). A socket path too long for the system goes to a private directory in /tmp (noted).
[[nodiscard]] Result<ServerPaths> prepare_server_paths(const std::string& dir, std::vector<std::string>& notes);

[[nodiscard]] std::vector<std::string> server_arguments(const ManagedOptions& options, const ServerProgram& program,
                                                        const ServerPaths& paths);

// Makes paths.data appear in one step (rename), so that a crash in between leaves nothing half done.
Status initialise_server(const ManagedOptions& options, const ServerProgram& program, const ServerPaths& paths);

// Statements that make the service account, for --init-file: one to a line.
[[nodiscard]] std::string service_account_sql(const ManagedOptions& options);

// What this run of the server wrote last to its log, with a plain explanation in front where one is known.
[[nodiscard]] std::string explain_log(const std::string& log_file, std::uint64_t from_offset,
                                      const ManagedOptions& options);

}  // namespace ddb::storage
