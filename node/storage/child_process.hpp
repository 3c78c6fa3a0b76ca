// A child process started with posix_spawn and an argument vector: no shell, minimal environment, no inherited file
// descriptors, a process group of its own (a terminal's interrupt reaches the node only, which then stops the child).
// Owner: one object per process; wait() from one thread, signal() from any.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "schemas/result.hpp"

namespace ddb::storage {

// Of programs that move a whole database: whoever serves comes first.
inline constexpr int transfer_nice = 10;

class ChildProcess {
  public:
    struct Options {
        std::string program;                 // path
        std::vector<std::string> arguments;  // without the program's own name
        int output_fd = -1;                  // standard output; -1: /dev/null
        int error_fd = -1;                   // standard error; -1: where the output goes
        int input_fd = -1;                   // standard input; -1: /dev/null
        // NAME=value, on top of the minimal environment: readable by this user's processes only, unlike arguments.
        std::vector<std::string> environment = {};
        int nice = 0;  // of the child, added to ours
    };
    [[nodiscard]] static Result<ChildProcess> spawn(const Options& options);

    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&& other) noexcept;
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess();  // kills and reaps what still runs

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;  // no effect once it ended
    // Reaps; nullopt at the deadline. -1 waits without one. In words: "exited with status 1", "killed by signal 9
    // (Killed)".
    [[nodiscard]] std::optional<std::string> wait(int timeout_ms);
    [[nodiscard]] bool succeeded() const { return reaped_ && status_ == 0; }
    // The processors' time it has used up, without its own children's; 0 once it ended.
    [[nodiscard]] std::chrono::milliseconds cpu_time() const;

  private:
    ChildProcess(pid_t pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}
    pid_t pid_ = -1;
    int pidfd_ = -1;  // names the process even after its number was given to another one
    bool reaped_ = false;
    int status_ = 0;
};

// The first 64 KiB of a file that may change or vanish meanwhile; empty when there is none.
[[nodiscard]] std::string read_all(const std::string& path);

// Runs a program to its end; output and error text together. Errors: io (cannot start, status not 0), timeout (killed).
[[nodiscard]] Result<std::string> run_program(const std::string& program, const std::vector<std::string>& arguments,
                                              int timeout_ms);

// Ends every process of this user that has `argument` among its command-line arguments, by SIGKILL, and waits until
// they are gone. Returns how many. Error: timeout.
[[nodiscard]] Result<int> kill_processes_with_argument(const std::string& argument, int timeout_ms);

}  // namespace ddb::storage
