#include "client/statement_runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "client/signals.hpp"
#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

constexpr std::size_t read_bytes = 256u << 10;
constexpr int files_nested_max = 16;
constexpr int idle_poll_ms = 1000;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

void say(const std::string& text) {
    const std::string line = text + "\n";
    for (std::size_t done = 0; done < line.size();) {
        const ssize_t written = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
        if (written < 0 && errno != EINTR) return;  // nobody to tell
        if (written > 0) done += static_cast<std::size_t>(written);
    }
}

}  // namespace

// The text may quote what a server or a stranger wrote: nothing in it may steer a terminal.
void Voice::error(const std::string& text) const {
    const std::string safe = terminal_ ? printable(text, true) : text;
    say(colour_ ? "\x1b[31m" + safe + "\x1b[0m" : safe);
}

void Voice::notice(const std::string& text) const {
    const std::string safe = terminal_ ? printable(text, true) : text;
    say(colour_ ? "\x1b[33m" + safe + "\x1b[0m" : safe);
}

StatementRunner::StatementRunner(SessionClient& session, ResultPrinter& printer, const Voice& voice,
                                 const StatementSettings& settings, bool force)
    : session_(session), printer_(printer), voice_(voice), settings_(settings), force_(force) {}

void StatementRunner::start_over() {
    result_ = Exit::done;
    quit_ = false;
}

Exit StatementRunner::run_text(std::string_view sql) {
    StatementSplitter splitter;
    splitter.feed(sql);
    splitter.finish();
    (void)run_complete(splitter, true);
    return result_;
}

Exit StatementRunner::run_descriptor(int fd) {
    StatementSplitter splitter;
    std::vector<char> buffer(read_bytes);
    for (bool first = true;;) {
        pollfd waiting{fd, POLLIN, 0};
        const int ready = ::poll(&waiting, 1, idle_poll_ms);
        if (interrupts_seen() > 0) return result_ = Exit::interrupted;
        session_.idle();
        if (ready <= 0) continue;
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) {
            voice_.error(std::string("cannot read the input: ") + std::strerror(errno));
            return result_ = Exit::usage;
        }
        std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
        if (first && bytes.starts_with(byte_order_mark)) bytes.remove_prefix(byte_order_mark.size());
        first = false;
        splitter.feed(bytes);
        if (got == 0) splitter.finish();
        if (!run_complete(splitter, true) || got == 0) return result_;
    }
}

Exit StatementRunner::run_file(const std::string& name) {
    if (depth_ >= files_nested_max) {
        voice_.error("'" + name + "' is not read: files include each other more than " +
                     std::to_string(files_nested_max) + " deep");
        return result_ = Exit::usage;
    }
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        voice_.error("cannot open '" + name + "': " + std::strerror(errno));
        return result_ = Exit::usage;
    }
    ++depth_;
    (void)run_descriptor(fd);
    --depth_;
    ::close(fd);
    return result_;
}

bool StatementRunner::run_complete(StatementSplitter& splitter, bool numbered) {
    while (const auto item = splitter.next()) {
        if (!run_item(*item, splitter, numbered)) return false;
    }
    return true;
}

bool StatementRunner::run_item(const SplitItem& item, StatementSplitter& splitter, bool numbered) {
    switch (item.kind) {
        case SplitItem::Kind::statement: {
            const bool go_on = run_statement(item, numbered);
            splitter.set_no_backslash_escapes((session_.info().status_flags & status_no_backslash_escapes) != 0);
            return go_on;
        }
        case SplitItem::Kind::source: {
            // A file that fails ends its reader too, unless errors are passed over; what is quit is only the file.
            const Exit before = result_;
            const Exit inside = run_file(item.text);
            quit_ = false;
            if (inside == Exit::done) result_ = before;
            return inside == Exit::done || (force_ && inside != Exit::interrupted);
        }
        case SplitItem::Kind::quit:
            quit_ = true;
            return false;
        case SplitItem::Kind::too_long:
            return complain(fail(ErrorCode::invalid_argument, "the statement is larger than the limit of " +
                                                                  std::to_string(statement_bytes_max >> 20) + " MiB"),
                            item, numbered);
        case SplitItem::Kind::bad_command:
            return complain(fail(ErrorCode::invalid_argument, item.text), item, numbered);
    }
    return true;
}

bool StatementRunner::run_statement(const SplitItem& item, bool numbered) {
    printer_.begin(item.vertical);
    const std::optional<Error> error = session_.execute(item.text, settings_, printer_);
    const bool interrupted = interrupts_seen() > 0;
    bool go_on = true;
    if (error) go_on = complain(*error, item, numbered);
    if (!interrupted) return go_on;
    // An interrupted write whose end nobody knows is told as such; the exit status tells of the interruption.
    result_ = Exit::interrupted;
    return false;
}

bool StatementRunner::complain(const Error& error, const SplitItem& item, bool numbered) {
    std::string line = error_line(error);
    if (numbered) {
        const std::size_t colon = line.find("): ");
        line.insert(colon + 1, " at line " + std::to_string(item.line));
    }
    voice_.error(line);
    const Exit status = exit_status(error);
    result_ = status;
    return force_ && status == Exit::sql_error;
}

}  // namespace ddb::client
