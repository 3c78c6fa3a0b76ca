#include "node/storage/dump_load.hpp"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "node/storage/child_pipes.hpp"
#include "node/storage/child_process.hpp"
#include "node/storage/managed_server_parts.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/zone_columns.hpp"

namespace ddb::storage {
namespace {

// Nothing of it belongs into the binary log; a single statement of a dump is about a megabyte, but a row may be larger.
std::vector<std::string> client_arguments(const ConnectOptions& service, const ServerDialect& dialect) {
    std::vector<std::string> out{"--no-defaults",
                                 "--user=" + service.user,
                                 "--default-character-set=utf8mb4",
                                 "--batch",
                                 "--binary-mode",
                                 "--comments",  // those in routines and triggers belong to their text
                                 "--max-allowed-packet=1G",
                                 "--skip-reconnect",
                                 "--init-command=" + dialect.load_session_sql()};
    if (!service.endpoint.socket.empty()) {
        out.push_back("--socket=" + service.endpoint.socket);
        for (std::string& option : dialect.socket_options()) out.push_back(std::move(option));
    } else {
        out.insert(out.end(), {"--protocol=TCP", "--host=" + service.endpoint.host,
                               "--port=" + std::to_string(service.endpoint.port)});
    }
    return out;
}

}  // namespace

DumpLoad::DumpLoad(Options options, Changed changed)
    : options_(std::move(options)),
      changed_(std::move(changed)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

DumpLoad::~DumpLoad() = default;  // the thread is told to stop and joined

void DumpLoad::run(const std::stop_token& stop) {
    auto as_loaded = load(stop);
    {
        std::lock_guard lock(mutex_);
        if (as_loaded.ok()) {
            progress_.loaded = true;
            progress_.as_loaded = std::move(*as_loaded);
        } else {
            progress_.failed = as_loaded.error();
        }
    }
    if (!stop.stop_requested()) changed_();
}

Result<std::vector<std::string>> DumpLoad::load(const std::stop_token& stop) {
    auto connection = Connection::open(options_.service);
    if (!connection.ok()) return connection.error();
    const ServerDialect& dialect = (*connection)->dialect();
    connection->reset();
    const std::string program = find_tool(options_.server_program, dialect.client_programs());
    if (program.empty()) {
        return fail(ErrorCode::not_found, std::string("the client program ") + dialect.client_programs().front() +
                                              " is neither beside the database server nor in PATH; install it");
    }
    // A client program that ended is an error of write(), not the end of this process.
    sigset_t pipe_signal;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

    Pipe pipe;
    const MemoryFile said;
    if (!pipe.ok() || said.fd() < 0) return fail(ErrorCode::io, std::string("pipe: ") + std::strerror(errno));
    ChildProcess::Options child_options;
    child_options.program = program;
    child_options.nice = transfer_nice;
    child_options.arguments = client_arguments(options_.service, dialect);
    child_options.input_fd = pipe.reader();
    child_options.output_fd = -1;
    child_options.error_fd = said.fd();
    child_options.environment = {"MYSQL_PWD=" + options_.service.password};
    auto child = ChildProcess::spawn(child_options);
    if (!child.ok()) return child.error();
    pipe.close_reader();
    const std::stop_callback end_program(stop, [&] { child->signal(SIGKILL); });
    const Status fed = feed(pipe.writer(), stop);
    pipe.close_writer();
    const auto end = child->wait(-1);  // it still works on what lies in the pipe; the end of this object ends it
    if (stop.stop_requested()) return fail(ErrorCode::shutting_down, "stopped");
    if (!child->succeeded()) {
        return fail(ErrorCode::sql, program + " " + end.value_or("ended") + ": " + said.text().substr(0, 2000));
    }
    if (!fed.ok()) return fed.error();
    return remake_in_own_zone(options_.service, stop);
}

Status DumpLoad::feed(int fd, const std::stop_token& stop) {
    for (;;) {
        TransferChunk chunk;
        {
            std::unique_lock lock(mutex_);
            if (!offered_.wait(lock, stop, [&] { return !chunks_.empty(); })) {
                return fail(ErrorCode::shutting_down, "stopped");
            }
            chunk = std::move(chunks_.front());
            chunks_.pop_front();
        }
        changed_();
        std::string_view rest = chunk.bytes.view();
        while (!rest.empty()) {
            const ssize_t written = ::write(fd, rest.data(), rest.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) return fail(ErrorCode::io, std::string("feeding the dump: ") + std::strerror(errno));
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
        if (chunk.last) return ok();
    }
}

DumpLoad::Offer DumpLoad::offer(const TransferChunk& chunk) {
    {
        std::lock_guard lock(mutex_);
        if (chunk.number != progress_.next || last_taken_ || chunks_.size() >= options_.chunks_waiting_max) {
            return Offer::unwanted;
        }
        if (transfer_chunk_digest(chunk) != chunk.digest) return Offer::damaged;
        chunks_.push_back(chunk);
        progress_.bytes += chunk.bytes.size();
        ++progress_.next;
        last_taken_ = chunk.last;
    }
    offered_.notify_all();
    return Offer::taken;
}

DumpLoad::Progress DumpLoad::progress() const {
    std::lock_guard lock(mutex_);
    Progress out = progress_;
    out.room = last_taken_ ? 0 : static_cast<std::uint32_t>(options_.chunks_waiting_max - chunks_.size());
    return out;
}

}  // namespace ddb::storage
