// ddb-cli: parses the command line, finds the cluster, then runs a verb, a batch or the shell.
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/discovery.hpp"
#include "client/options.hpp"
#include "client/result_printer.hpp"
#include "client/session_client.hpp"
#include "client/shell.hpp"
#include "client/signals.hpp"
#include "client/statement_runner.hpp"
#include "client/verbs.hpp"

namespace ddb::client {
namespace {

constexpr const char* program = "ddb-cli 0.1.0";

// On the terminal itself, so that it works while standard input is a file. Nothing is shown while typing.
std::optional<std::string> ask_password() {
    const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    termios before{};
    const bool terminal = ::tcgetattr(fd, &before) == 0;
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (terminal) (void)::tcsetattr(fd, TCSAFLUSH, &silent);
    constexpr std::string_view question = "Password: ";
    (void)!::write(fd, question.data(), question.size());
    std::string password;
    bool complete = false;
    for (char c = 0; ::read(fd, &c, 1) == 1;) {
        complete = c == '\n';
        if (complete) break;
        password += c;
    }
    if (terminal) (void)::tcsetattr(fd, TCSAFLUSH, &before);
    (void)!::write(fd, "\n", 1);
    ::close(fd);
    return complete ? std::optional(password) : std::nullopt;
}

class Program {
  public:
    Program(Options options, Environment environment)
        : options_(std::move(options)),
          stderr_terminal_(::isatty(STDERR_FILENO) == 1),
          voice_(stderr_terminal_, stderr_terminal_ && environment("NO_COLOR").empty()),
          environment_(std::move(environment)) {}

    Exit run() {
        const bool shell = options_.verb.empty() && options_.execute.empty() && ::isatty(STDIN_FILENO) == 1;
        const bool terminal = ::isatty(STDOUT_FILENO) == 1;
        format_.format = options_.format.value_or(terminal ? Format::table : Format::tsv);
        format_.column_names = !options_.skip_column_names;
        if (options_.ask_password) {
            std::optional<std::string> password = ask_password();
            if (!password) {
                if (interrupts_seen() > 0) return Exit::interrupted;
                return complain("no terminal to ask for the password; use DDB_PASSWORD or -pPASSWORD", Exit::usage);
            }
            options_.password = std::move(*password);
        }
        Result<Target> target = find_target(options_, environment_);
        if (!target) return complain(target.error().message, Exit::cannot_connect);
        if (interrupts_seen() > 0) return Exit::interrupted;
        target_ = std::move(*target);
        if (!options_.verb.empty()) {
            FdSink sink(STDOUT_FILENO);
            const Exit exit =
                run_verb(options_, target_, format_, sink, [this](const std::string& text) { voice_.error(text); });
            return interrupts_seen() > 0 ? Exit::interrupted : exit;
        }
        format_.footer = format_.format == Format::table || (shell && format_.format == Format::vertical);
        auto session = open_session(target_.nodes, options_.database);
        if (!session) return refuse(session.error());
        return shell ? run_shell(std::move(*session)) : run_batch(**session);
    }

  private:
    Exit complain(const std::string& text, Exit exit) {
        voice_.error("ERROR: " + text);
        return exit;
    }

    Exit refuse(const Error& error) {
        if (interrupts_seen() > 0) return Exit::interrupted;
        if (error.code == ErrorCode::sql) {
            voice_.error(error_line(error));
            return Exit::sql_error;
        }
        const bool reached = error.code == ErrorCode::no_quorum || error.code == ErrorCode::overloaded ||
                             error.code == ErrorCode::shutting_down || error.code == ErrorCode::not_coordinator;
        if (reached) return complain(error.message, Exit::nothing_happened);
        return complain(explain_connect_error(error, target_).message, Exit::cannot_connect);
    }

    Result<std::unique_ptr<SessionClient>> open_session(const std::vector<std::string>& nodes,
                                                        const std::string& database) {
        bus::RequestClientOptions options;
        options.cluster = target_.cluster;
        options.nodes = nodes;
        options.keys = target_.keys ? &*target_.keys : nullptr;
        auto link = bus_link(options);
        if (!link) return link.error();
        ClientHooks hooks;
        hooks.interrupts = interrupts_seen;
        if (stderr_terminal_) hooks.notice = [this](const std::string& text) { voice_.notice(text); };
        auto session = std::make_unique<SessionClient>(
            std::move(*link), Login{options_.user, options_.password, database, program, options_.read_balance},
            std::move(hooks));
        // One round over the nodes, then whatever the node needs to open the session.
        const Status opened = session->open(static_cast<int>(options_.timeout_ms));
        if (!opened) return opened.error();
        return session;
    }

    StatementSettings settings() const { return {options_.consistency, options_.write_concern, options_.timeout_ms}; }

    Exit run_batch(SessionClient& session) {
        FdSink sink(STDOUT_FILENO);
        ResultPrinter printer(format_, sink, [this](const std::string& text) { voice_.notice(text); });
        StatementRunner runner(session, printer, voice_, settings(), options_.force);
        if (options_.execute.empty()) return finish(runner.run_descriptor(STDIN_FILENO), sink);
        for (const std::string& sql : options_.execute) {
            const Exit exit = runner.run_text(sql);
            const bool stop = exit != Exit::done && !(options_.force && exit == Exit::sql_error);
            if (stop || runner.quit_asked()) break;
        }
        return finish(runner.result(), sink);
    }

    // Results that could not be written count as an error even if every statement succeeded.
    Exit finish(Exit exit, Sink& sink) {
        sink.flush();
        if (exit == Exit::done && sink.failure() != 0) return complain("cannot write the results", Exit::sql_error);
        return exit;
    }

    Exit run_shell(std::unique_ptr<SessionClient> session) {
        Shell shell(
            options_, target_, format_, voice_,
            [this](const std::vector<std::string>& nodes, const std::string& database) {
                return open_session(nodes, database);
            },
            std::move(session));
        return shell.run();
    }

    Options options_;
    bool stderr_terminal_;
    Voice voice_;
    Environment environment_;
    FormatSettings format_;
    Target target_;
};

}  // namespace
}  // namespace ddb::client

int main(int argc, char** argv) {
    using namespace ddb::client;
    (void)std::setlocale(LC_CTYPE, "");
    const Environment environment = process_environment();
    ddb::Result<Options> options = parse_options(std::vector<std::string>(argv + 1, argv + argc), environment);
    if (!options) {
        (void)std::fprintf(stderr, "ddb-cli: %s\nTry: ddb-cli --help\n", options.error().message.c_str());
        return static_cast<int>(Exit::usage);
    }
    if (!options->print_and_exit.empty()) {
        (void)std::fputs(options->print_and_exit.c_str(), stdout);
        return 0;
    }
    count_interrupts();
    return static_cast<int>(Program(std::move(*options), environment).run());
}
