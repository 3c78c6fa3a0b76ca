#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "node/storage/child_process.hpp"
#include "node/storage/managed_server_parts.hpp"
#include "node/storage/private_dir.hpp"
#include "schemas/digest.hpp"

namespace ddb::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t socket_path_bytes_max = 107;  // sun_path less its terminating NUL
constexpr int version_timeout_ms = 60'000;          // a machine may be busy
constexpr int initialise_timeout_ms = 120'000;

bool executable(const fs::path& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::vector<fs::path> search_directories() {
    std::vector<fs::path> out;
    std::string path = ::getenv("PATH") != nullptr ? ::getenv("PATH") : "";
    path += ":/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/usr/libexec";
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find(':', at), path.size());
        if (end > at && path[at] == '/') out.emplace_back(path.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

std::string find_in_path(const std::vector<const char*>& names) {
    const auto directories = search_directories();
    for (const char* name : names) {
        for (const auto& directory : directories) {
            if (executable(directory / name)) return directory / name;
        }
    }
    return {};
}

// A quoted SQL string of an ordinary session (backslash escapes on).
std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

std::string tail_of(const std::string& file, std::uint64_t from_offset) {
    constexpr std::uint64_t tail_bytes = 4096;
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in) return {};
    const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(in.tellg(), 0));
    if (from_offset > size) from_offset = 0;
    in.seekg(static_cast<std::streamoff>(std::max(from_offset, size > tail_bytes ? size - tail_bytes : 0)));
    std::string out(tail_bytes, '\0');
    in.read(out.data(), static_cast<std::streamsize>(out.size()));  // not the iterator: that throws on a read error
    out.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    return out;
}

std::string error_lines(const std::string& log) {
    std::string out;
    for (std::size_t at = 0; at < log.size();) {
        const std::size_t end = std::min(log.find('\n', at), log.size());
        const std::string line = log.substr(at, end - at);
        if (line.find("[ERROR]") != std::string::npos || line.find("FATAL") != std::string::npos) out += line + "\n";
        at = end + 1;
    }
    return out.empty() ? log : out;
}

// What went wrong according to the server's own words, in plain ones where they are known.
std::string explain(const std::string& log, const std::string& source, const ManagedOptions& options) {
    const std::string no_space = "no space left on the disk of " + options.dir;
    const std::string used = "another database server uses " + options.dir + "/data";
    struct Known {
        const char* text;
        std::string meaning;
    };
    const std::array<Known, 7> known{{
        {"Address already in use", "port " + std::to_string(options.tcp_port) + " is in use by another program"},
        {"No space left on device", no_space},
        {"Errcode: 28", no_space},
        {"failed with error 28", no_space},
        {"Unable to lock ./ib", used},
        {"Can't lock aria control file", used},
        {"Permission denied", "a file below " + options.dir + " cannot be read or written"},
    }};
    for (const auto& item : known) {
        if (log.find(item.text) != std::string::npos) return item.meaning + "; " + source + ": " + error_lines(log);
    }
    return source + ": " + error_lines(log);
}

}  // namespace

Result<ServerProgram> find_server_program(const std::string& configured) {
    ServerProgram program;
    program.path = configured.empty() ? find_in_path({"mariadbd", "mysqld"}) : configured;
    if (program.path.empty()) {
        return fail(ErrorCode::not_found,
                    "no database server found: neither mariadbd nor mysqld is in PATH or /usr/sbin; install "
                    "mariadb-server-core, set mysql.server to the program's path, or use mysql.mode = external");
    }
    if (!executable(program.path)) {
        return fail(ErrorCode::not_found, "mysql.server: " + program.path + " is not an executable file");
    }
    auto version = run_program(program.path, {"--no-defaults", "--version"}, version_timeout_ms);
    if (!version.ok()) return version.error();
    program.version = version->substr(0, version->find('\n'));
    program.mariadb = version->find("MariaDB") != std::string::npos;

    const fs::path prefix = fs::path(program.path).parent_path().parent_path();
    if (prefix != "/usr" && prefix != "/") program.base_dir = prefix;
    if (!program.mariadb) return program;
    for (const char* place : {"bin", "scripts", "sbin"}) {
        for (const char* name : {"mariadb-install-db", "mysql_install_db"}) {
            if (executable(prefix / place / name)) {
                program.install_program = prefix / place / name;
                return program;
            }
        }
    }
    program.install_program = find_in_path({"mariadb-install-db", "mysql_install_db"});
    if (program.install_program.empty()) {
        return fail(ErrorCode::not_found, "mariadb-install-db is missing beside " + program.path +
                                              " and in PATH; install mariadb-server-core");
    }
    return program;
}

std::string find_tool(const std::string& server_program, const std::vector<const char*>& names) {
    const fs::path prefix = fs::path(server_program).parent_path().parent_path();
    for (const char* name : names) {
        if (!server_program.empty() && executable(prefix / "bin" / name)) return prefix / "bin" / name;
    }
    return find_in_path(names);
}

Result<ServerPaths> prepare_server_paths(const std::string& dir, std::vector<std::string>& notes) {
    if (auto status = make_private_dir(dir); !status.ok()) return status.error();
    std::error_code error;
    ServerPaths paths;
    paths.dir = fs::canonical(dir, error);
    if (error) return fail(ErrorCode::io, "cannot resolve " + dir + ": " + error.message());
    paths.data = paths.dir + "/data";
    paths.unfinished_data = paths.dir + "/data.unfinished";
    paths.tmp = paths.dir + "/tmp";
    paths.files = paths.dir + "/files";
    paths.log = paths.dir + "/mysqld.log";
    paths.init_file = paths.dir + "/init.sql";
    paths.certificate = paths.dir + "/server.pem";
    paths.socket = paths.dir + "/mysqld.sock";
    for (const auto& path : {paths.tmp, paths.files}) {
        if (auto status = make_private_dir(path); !status.ok()) return status.error();
    }
    if (paths.socket.size() > socket_path_bytes_max) {
        // The name is derived, so that every start of this directory finds the same place; make_private_dir refuses a
        // directory or link that somebody else has put there.
        const std::string name =
            "/tmp/ddb-" + std::to_string(::geteuid()) + "-" + to_hex(blake2b(paths.dir)).substr(0, 16);
        if (auto status = make_private_dir(name); !status.ok()) return status.error();
        notes.push_back("the path of the server's socket would exceed " + std::to_string(socket_path_bytes_max) +
                        " bytes; it lies in " + name + " instead");
        paths.socket = name + "/mysqld.sock";
    }
    return paths;
}

Status initialise_server(const ManagedOptions& options, const ServerProgram& program, const ServerPaths& paths) {
    std::error_code error;
    fs::remove_all(paths.unfinished_data, error);
    std::string tool = program.path;
    std::vector<std::string> arguments{"--no-defaults", "--datadir=" + paths.unfinished_data, "--tmpdir=" + paths.tmp};
    if (!program.base_dir.empty()) arguments.push_back("--basedir=" + program.base_dir);
    if (::geteuid() == 0) arguments.push_back("--user=root");
    if (program.mariadb) {
        tool = program.install_program;
        // Accounts that carry the host's name would differ from node to node; anonymous ones let anybody in.
        const std::string cleaning = paths.dir + "/install.sql";
        std::ofstream(cleaning)
            << "DELETE FROM mysql.global_priv WHERE User='' OR (User='root' AND Host<>'localhost');\n"
               "DELETE FROM mysql.proxies_priv WHERE Host<>'localhost';\n";
        // --force: it would refuse on a host whose name cannot be looked up, for the sake of the accounts removed here.
        arguments.insert(arguments.end(), {"--auth-root-authentication-method=normal", "--skip-test-db", "--force",
                                           "--skip-name-resolve", "--extra-file=" + cleaning,
                                           "--innodb-log-file-size=" + std::to_string(options.redo_log_bytes)});
    } else {
        arguments.emplace_back("--initialize-insecure");
    }
    auto output = run_program(tool, arguments, initialise_timeout_ms);
    fs::remove(paths.dir + "/install.sql", error);
    if (!output.ok()) {
        Error failure = output.error();
        failure.message =
            "cannot initialise the database server's data directory: " + explain(failure.message, tool, options);
        fs::remove_all(paths.unfinished_data, error);
        return failure;
    }
    if (::rename(paths.unfinished_data.c_str(), paths.data.c_str()) != 0) {
        return fail(ErrorCode::io, "cannot rename " + paths.unfinished_data + ": " + std::strerror(errno));
    }
    return ok();
}

std::string service_account_sql(const ManagedOptions& options) {
    const std::string account = quoted(options.service_user) + "@'localhost'";
    const std::string password = quoted(options.service_password);
    // Not logged: every node makes its own, and the log must not carry the password. Nobody changes it, so that
    // default_password_lifetime would end the node.
    return "SET SESSION sql_log_bin=0;\n"
           "CREATE USER IF NOT EXISTS " +
           account + " IDENTIFIED BY " + password +
           ";\n"
           "ALTER USER " +
           account + " IDENTIFIED BY " + password +
           " PASSWORD EXPIRE NEVER;\n"
           "GRANT ALL PRIVILEGES ON *.* TO " +
           account + " WITH GRANT OPTION;\n";
}

std::string explain_log(const std::string& log_file, std::uint64_t from_offset, const ManagedOptions& options) {
    return explain(tail_of(log_file, from_offset), "its log (" + log_file + ")", options);
}

}  // namespace ddb::storage
