#include "node/storage/child_process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace ddb::storage {
namespace {

// By number: the C library's header declares these without C linkage.
int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}
long send_signal(int pidfd, int number) {
    return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0);
}

std::string describe(int status) {
    if (WIFEXITED(status)) return "exited with status " + std::to_string(WEXITSTATUS(status));
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        return "killed by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
    }
    return "ended";
}

// Only what a database server and its tools need; nothing of the node's own environment (which may hold secrets).
std::vector<std::string> minimal_environment() {
    std::vector<std::string> out{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                 "UMASK=0600", "UMASK_DIR=0700",
                                 // A database server looks up the names of its clients' hosts while they log in.
                                 "RES_OPTIONS=timeout:1 attempts:1"};
    for (const char* name : {"TZ", "LD_LIBRARY_PATH"}) {
        if (const char* value = ::getenv(name)) out.push_back(std::string(name) + "=" + value);
    }
    return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

struct SpawnSettings {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    explicit SpawnSettings(const ChildProcess::Options& options) {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
        if (options.input_fd >= 0) {
            ::posix_spawn_file_actions_adddup2(&actions, options.input_fd, 0);
        } else {
            ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        }
        if (options.output_fd >= 0) {
            ::posix_spawn_file_actions_adddup2(&actions, options.output_fd, 1);
        } else {
            ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        }
        ::posix_spawn_file_actions_adddup2(&actions, options.error_fd >= 0 ? options.error_fd : 1, 2);
        ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setpgroup(&attributes, 0);
        int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
        if (::sched_getscheduler(0) == SCHED_BATCH) {  // the node's own threads' (see main.cpp)
            const sched_param none{};
            ::posix_spawnattr_setschedpolicy(&attributes, SCHED_OTHER);
            ::posix_spawnattr_setschedparam(&attributes, &none);
            flags |= POSIX_SPAWN_SETSCHEDULER;
        }
        ::posix_spawnattr_setflags(&attributes, static_cast<short>(flags));
    }
    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
};

bool wait_readable(int fd, int timeout_ms) {
    pollfd item{fd, POLLIN, 0};
    int rc = 0;
    do {
        rc = ::poll(&item, 1, timeout_ms);
    } while (rc < 0 && errno == EINTR);
    return rc > 0;
}

bool has_argument(const std::string& cmdline, const std::string& argument) {
    std::size_t at = 0;
    while (at < cmdline.size()) {
        const std::size_t end = std::min(cmdline.find('\0', at), cmdline.size());
        if (std::string_view(cmdline).substr(at, end - at) == argument) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace

// By hand: a process that ends while it is read makes a stream throw.
std::string read_all(const std::string& path) {
    constexpr std::size_t bytes_max = 64u << 10;
    std::string out;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return out;
    char buffer[4096];
    for (ssize_t got = 0; out.size() < bytes_max && (got = ::read(fd, buffer, sizeof buffer)) > 0;)
        out.append(buffer, static_cast<std::size_t>(got));
    ::close(fd);
    return out;
}

Result<ChildProcess> ChildProcess::spawn(const Options& options) {
    std::vector<std::string> arguments{options.program};
    arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
    std::vector<std::string> environment = minimal_environment();
    environment.insert(environment.end(), options.environment.begin(), options.environment.end());
    const SpawnSettings settings(options);
    pid_t pid = -1;
    const int rc = ::posix_spawn(&pid, options.program.c_str(), &settings.actions, &settings.attributes,
                                 pointers(arguments).data(), pointers(environment).data());
    if (rc != 0) return fail(ErrorCode::io, "cannot start " + options.program + ": " + std::strerror(rc));
    if (options.nice > 0) (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), options.nice);
    // Not reaped yet, so the number still names our child even if it has ended already.
    const int pidfd = open_pidfd(pid);
    if (pidfd < 0) {
        const int error = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return fail(ErrorCode::io, "pidfd_open: " + std::string(std::strerror(error)));
    }
    return ChildProcess(pid, pidfd);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept {
    *this = std::move(other);
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    std::swap(reaped_, other.reaped_);
    std::swap(status_, other.status_);
    return *this;
}

ChildProcess::~ChildProcess() {
    if (pidfd_ < 0) return;
    if (!reaped_) {
        signal(SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(pidfd_);
}

void ChildProcess::signal(int number) const {
    (void)send_signal(pidfd_, number);
}

std::optional<std::string> ChildProcess::wait(int timeout_ms) {
    if (!reaped_) {
        if (!wait_readable(pidfd_, timeout_ms)) return std::nullopt;
        if (::waitpid(pid_, &status_, 0) < 0) status_ = -1;
        reaped_ = true;
    }
    return describe(status_);
}

std::chrono::milliseconds ChildProcess::cpu_time() const {
    const std::string stat = read_all("/proc/" + std::to_string(pid_) + "/stat");
    const auto name_end = stat.rfind(')');  // the name may hold anything
    if (name_end == std::string::npos) return {};
    std::istringstream fields(stat.substr(name_end + 1));
    constexpr int fields_before = 11;
    std::string skipped;
    for (int i = 0; i < fields_before; ++i) fields >> skipped;
    long user_ticks = 0, system_ticks = 0;
    fields >> user_ticks >> system_ticks;
    return std::chrono::milliseconds((user_ticks + system_ticks) * 1000 / ::sysconf(_SC_CLK_TCK));
}

Result<std::string> run_program(const std::string& program, const std::vector<std::string>& arguments, int timeout_ms) {
    const int output = ::memfd_create("output", MFD_CLOEXEC);
    if (output < 0) return fail(ErrorCode::io, std::string("memfd_create: ") + std::strerror(errno));
    auto child = ChildProcess::spawn({program, arguments, output});
    std::optional<std::string> end;
    if (child.ok()) end = child->wait(timeout_ms);
    std::string text = read_all("/proc/self/fd/" + std::to_string(output));
    ::close(output);
    if (!child.ok()) return child.error();
    if (!end) {
        return fail(ErrorCode::timeout, program + " did not end within " + std::to_string(timeout_ms) + " ms: " + text);
    }
    if (!child->succeeded()) return fail(ErrorCode::io, program + " " + *end + ": " + text);
    return text;
}

Result<int> kill_processes_with_argument(const std::string& argument, int timeout_ms) {
    int killed = 0;
    std::error_code ignored;
    std::filesystem::directory_iterator it("/proc", ignored);
    for (; it != std::filesystem::directory_iterator(); it.increment(ignored)) {
        const auto& item = *it;
        const std::string name = item.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        const pid_t pid = static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10));
        struct stat info {};
        if (pid == ::getpid() || ::stat(item.path().c_str(), &info) != 0 || info.st_uid != ::getuid()) continue;
        if (!has_argument(read_all(item.path() / "cmdline"), argument)) continue;
        const int pidfd = open_pidfd(pid);
        if (pidfd < 0) continue;  // ended meanwhile
        // Looked at again behind the pidfd: the number may have been given to another process in between.
        bool gone = true;
        if (has_argument(read_all(item.path() / "cmdline"), argument)) {
            (void)send_signal(pidfd, SIGKILL);
            gone = wait_readable(pidfd, timeout_ms);
            ++killed;
        }
        ::close(pidfd);
        if (!gone) {
            return fail(ErrorCode::timeout, "process " + name + " (" + argument + ") does not end after SIGKILL");
        }
    }
    return killed;
}

}  // namespace ddb::storage
