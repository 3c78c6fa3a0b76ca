#include "client/shell.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "client/client_commands.hpp"
#include "client/pager.hpp"
#include "client/signals.hpp"
#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

std::string history_file() {
    const char* home = std::getenv("HOME");
    return home != nullptr && *home != '\0' ? std::string(home) + "/.ddb_history" : std::string();
}

}  // namespace

Shell::Shell(const Options& options, const Target& target, const FormatSettings& format, const Voice& voice,
             Opener opener, std::unique_ptr<SessionClient> session)
    : options_(options),
      target_(target),
      voice_(voice),
      opener_(std::move(opener)),
      screen_(STDOUT_FILENO),
      output_(screen_),
      printer_(format, output_, [this](const std::string& text) { voice_.notice(text); }) {
    use_session(std::move(session));
    EditorHooks hooks;
    hooks.idle = [this] { session_->idle(); };
    hooks.words = [this](const std::string& prefix) { return complete(prefix); };
    editor_ = std::make_unique<ShellEditor>(history_file(), std::move(hooks));
}

Shell::~Shell() {
    output_.flush();
    output_.copy_to(nullptr);
    tee_.reset();
    if (tee_fd_ >= 0) ::close(tee_fd_);
}

void Shell::use_session(std::unique_ptr<SessionClient> session) {
    StatementSettings settings;
    settings.consistency = options_.consistency;
    settings.write_concern = options_.write_concern;
    settings.timeout_ms = options_.timeout_ms;
    session_ = std::move(session);
    // A line typed by hand may hold several statements; after an error the rest of it is dropped unless --force.
    runner_ = std::make_unique<StatementRunner>(*session_, printer_, voice_, settings, options_.force);
}

void Shell::greet() {
    const SessionClient::Info info = session_->info();
    output_.write("Connected to node " + to_string(info.node) + " at " + info.address + ", coordinator " +
                  (info.coordinator ? to_string(info.coordinator) : "none") + ", server " +
                  printable(info.server_version, false) + "\nType \\h for help, :exit to leave.\n\n");
    output_.flush();
}

Exit Shell::run() {
    (void)std::signal(SIGPIPE, SIG_IGN);  // a pager that is left early
    greet();
    while (read_line()) {
    }
    output_.write("Bye\n");
    return Exit::done;
}

std::string Shell::prompt() const {
    const char waiting = splitter_.waiting_for();
    const SessionClient::Info info = session_->info();
    if (waiting == 0) {
        const std::string database = info.database.empty() ? "(none)" : printable(info.database, false);
        return "ddb [" + database + "]" + (info.in_transaction ? "*" : "") + "> ";
    }
    return std::string("    ") + waiting + "> ";
}

bool Shell::read_line() {
    std::string line;
    forget_interrupts();
    const ShellEditor::Read read = editor_->read(prompt(), line);
    if (read == ShellEditor::Read::end) return false;
    if (read == ShellEditor::Read::interrupted) {
        splitter_.clear();
        typed_.clear();
        return true;
    }
    if (splitter_.waiting_for() == 0) {
        if (const auto command = parse_command(line)) {
            editor_->remember(std::string(trim(line)));
            return obey(line);
        }
    } else if (trim(line).ends_with("\\c") && splitter_.waiting_for() == '-') {
        splitter_.clear();
        typed_.clear();
        return true;
    }
    if (!line.ends_with('\n')) line += '\n';
    typed_ += line;
    splitter_.feed(line);
    run_statements();
    return !runner_->quit_asked();
}

void Shell::run_statements() {
    Pager pager;
    runner_->start_over();
    // A line that completes no statement shows nothing.
    const bool paged = !pager_.empty() && typed_.find(splitter_.delimiter()) != std::string::npos;
    if (paged) {
        const Result<int> fd = pager.start(pager_);
        if (fd) {
            screen_.redirect(*fd);
        } else {
            voice_.error(fd.error().message);
        }
    }
    if (!runner_->run_complete(splitter_, false)) splitter_.clear();
    output_.flush();
    if (paged) {
        screen_.redirect(STDOUT_FILENO);
        pager.finish();
    }
    if (splitter_.waiting_for() != 0) return;
    editor_->remember(std::string(trim(typed_)));
    typed_.clear();
}

}  // namespace ddb::client
