#include "node/storage/dump_source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "node/storage/child_pipes.hpp"
#include "node/storage/child_process.hpp"
#include "node/storage/dump_accounts.hpp"
#include "node/storage/dump_charsets.hpp"
#include "node/storage/dump_columns.hpp"
#include "node/storage/dump_comments.hpp"
#include "node/storage/dump_delimiters.hpp"
#include "node/storage/dump_sequences.hpp"
#include "node/storage/managed_server_parts.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/statement_runner.hpp"

namespace ddb::storage {
namespace {

constexpr int end_timeout_ms = 30'000;    // of the dump program, after its last byte
constexpr int query_timeout_ms = 60'000;  // sizes of many tables take a while
constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t databases_max = 20'000;  // each is an argument of the dump program

constexpr const char* not_ours = "('information_schema','mysql','performance_schema','sys')";

// MySQL's databases that are read only, which a dump does not say: last, behind their tables.
Result<std::string> read_only_databases_sql(Connection& connection) {
    const auto known = connection.scalar(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='information_schema' AND "
        "table_name='SCHEMATA_EXTENSIONS'");
    if (!known.ok()) return known.error();
    if (known->value_or("0") == "0") return std::string();
    const auto names = connection.rows(
        "SELECT schema_name FROM information_schema.schemata_extensions WHERE options LIKE '%READ ONLY=1%' ORDER BY 1");
    if (!names.ok()) return names.error();
    std::string out;
    for (const auto& row : *names) out += "ALTER DATABASE " + quoted_name(row.at(0).value_or("")) + " READ ONLY=1;\n";
    return out;
}

}  // namespace

DumpSource::DumpSource(Options options, Changed changed)
    : options_(std::move(options)),
      changed_(std::move(changed)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

DumpSource::~DumpSource() = default;  // the thread is told to stop and joined

void DumpSource::run(const std::stop_token& stop) {
    const Status status = dump(stop);
    {
        std::lock_guard lock(mutex_);
        if (status.ok()) {
            progress_.complete = true;
        } else {
            progress_.failed = status.error();
        }
    }
    if (!stop.stop_requested()) changed_();
}

Status DumpSource::dump(const std::stop_token& stop) {
    ConnectOptions connect = options_.service;
    connect.program_name = "ddb dump";
    connect.read_timeout_ms = query_timeout_ms;
    auto connection = open_service(connect);
    if (!connection.ok()) return connection.error();
    const auto names = (*connection)->dialect().dump_programs();
    const std::string program = find_tool(options_.server_program, names);
    if (program.empty()) {
        return fail(ErrorCode::not_found, std::string(names.front()) +
                                              " is neither beside the database server nor in PATH; install "
                                              "mariadb-client, or the client of the server that is used");
    }
    auto exact = exact_columns(**connection);
    if (!exact.ok()) return exact.error();
    Endpoint endpoint = options_.service.endpoint;
    std::unique_ptr<DumpRelay> relay;  // ends behind the program
    if (!exact->empty() && !endpoint.socket.empty()) {
        auto opened = DumpRelay::open(endpoint.socket, std::move(*exact));
        if (!opened.ok()) return opened.error();
        relay = std::move(*opened);
        endpoint.socket = relay->socket();
    }
    std::vector<std::string> arguments;
    if (auto status = prepare(**connection, endpoint, arguments); !status.ok()) return status;
    auto accounts = accounts_sql(**connection, options_.service.user, options_.with_root);
    if (!accounts.ok()) return accounts.error();
    auto triggers = broken_triggers(**connection);
    if (!triggers.ok()) return triggers.error();
    triggers_ = std::move(*triggers);
    auto stand_ins = sequence_stand_ins(**connection);
    if (!stand_ins.ok()) return stand_ins.error();
    connection->reset();
    if (!add_bytes(*accounts + stand_ins->before, stop)) return fail(ErrorCode::shutting_down, "stopped");

    Pipe pipe;
    const MemoryFile errors;
    if (!pipe.ok() || errors.fd() < 0) return fail(ErrorCode::io, std::string("pipe: ") + std::strerror(errno));
    ChildProcess::Options child_options;
    child_options.program = program;
    child_options.nice = transfer_nice;
    child_options.arguments = std::move(arguments);
    child_options.output_fd = pipe.writer();
    child_options.error_fd = errors.fd();
    child_options.environment = {"MYSQL_PWD=" + options_.service.password};
    auto child = ChildProcess::spawn(child_options);
    if (!child.ok()) return child.error();
    pipe.close_writer();
    Status copied = ok();
    {
        const std::stop_callback end_program(stop, [&] { child->signal(SIGKILL); });
        copied = copy_output(pipe.reader(), stop);
        if (!copied.ok()) child->signal(SIGKILL);
        pipe.close_reader();
        const auto end = child->wait(end_timeout_ms);
        // A dump whose exit status says that all is well may be wrong all the same, and tells so in words only.
        const std::string said = errors.text();
        if (copied.ok() && (!end || !child->succeeded() || !said.empty())) {
            copied = fail(ErrorCode::io, program + " " + end.value_or("does not end") + ": " + said.substr(0, 2000));
        }
    }
    if (!copied.ok()) return copied;
    auto again = open_service(connect);
    if (!again.ok()) return again.error();
    auto sequences = sequence_rows_sql(**again);
    if (!sequences.ok()) return sequences.error();
    auto read_only = read_only_databases_sql(**again);
    if (!read_only.ok()) return read_only.error();
    if (!add_bytes(*sequences + stand_ins->after + *read_only, stop) || !cut(true, stop))
        return fail(ErrorCode::shutting_down, "stopped");
    return ok();
}

// What the dump program is told. ddb_meta comes first: whoever loads it knows the position from the start.
Status DumpSource::prepare(Connection& connection, const Endpoint& endpoint, std::vector<std::string>& arguments) {
    arguments = {"--no-defaults",
                 "--user=" + options_.service.user,
                 "--default-character-set=utf8mb4",
                 "--max-allowed-packet=1G",
                 "--single-transaction",
                 "--quick",
                 "--routines",
                 "--events",
                 "--triggers",
                 "--hex-blob",
                 "--skip-add-locks",
                 "--skip-comments"};
    for (std::string& option : connection.dialect().dump_options()) arguments.push_back(std::move(option));
    if (!endpoint.socket.empty()) {
        arguments.push_back("--socket=" + endpoint.socket);
        for (std::string& option : connection.dialect().socket_options()) arguments.push_back(std::move(option));
    } else {
        arguments.insert(arguments.end(),
                         {"--protocol=TCP", "--host=" + endpoint.host, "--port=" + std::to_string(endpoint.port)});
    }
    // Of the files: the table statistics may be as old as the last thousand changes.
    auto size = connection.scalar(connection.dialect().data_bytes_sql());
    if (!size.ok()) return size.error();
    if (auto status = find_broken_views(connection, arguments); !status.ok()) return status;
    auto names =
        connection.rows(std::string("SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ") +
                        not_ours + " ORDER BY schema_name <> 'ddb_meta', schema_name");
    if (!names.ok()) return names.error();
    if (names->empty() || names->front().at(0) != "ddb_meta") {
        return fail(ErrorCode::corrupt, "this server has no schema ddb_meta");
    }
    if (names->size() > databases_max) {
        return fail(ErrorCode::overloaded, "more than " + std::to_string(databases_max) + " databases");
    }
    arguments.emplace_back("--databases");
    // A name that begins with a dash would be an option; none of ours is behind this word.
    arguments.emplace_back("--");
    for (const auto& row : *names) arguments.push_back(row.at(0).value_or(""));
    std::lock_guard lock(mutex_);
    progress_.estimate_bytes = std::max<std::uint64_t>(1, std::strtoull(size->value_or("1").c_str(), nullptr, 10));
    return ok();
}

// A view on something that is gone would end the dump, and could not be created anywhere.
Status DumpSource::find_broken_views(Connection& connection, std::vector<std::string>& arguments) {
    auto views = connection.rows(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type='VIEW' AND table_schema NOT "
        "IN ('information_schema','mysql','performance_schema','sys')");
    if (!views.ok()) return views.error();
    for (const auto& row : *views) {
        const auto quoted = [](const std::string& name) {
            std::string out = "`";
            for (const char c : name) out += c == '`' ? std::string("``") : std::string(1, c);
            return out + "`";
        };
        const std::string name = quoted(row.at(0).value_or("")) + "." + quoted(row.at(1).value_or(""));
        const auto fields = connection.rows("SHOW FIELDS FROM " + name);
        if (fields.ok()) continue;
        // There are many reasons: what it reads is gone, so is a function's definer or his right to it, a date in it is
        // none. The dump program would fail for any of them. What passes is no reason to leave it out.
        if (fields.error().code != ErrorCode::sql || is_transient(fields.error())) return fields.error();
        arguments.push_back("--ignore-table=" + row.at(0).value_or("") + "." + row.at(1).value_or(""));
        std::lock_guard lock(mutex_);
        progress_.notes.push_back("the view " + name + " cannot be read (" + fields.error().message +
                                  "); it is left out");
    }
    return ok();
}

// A date that there is not (ALLOW_INVALID_DATES) would become zero where it is loaded, and as a default end the load.
// So would a stored column that subtracts unsigned ones (NO_UNSIGNED_SUBTRACTION). False: where the dump chooses its
// mode is not there yet.
bool DumpSource::permit_odd_tables(std::string& head) {
    constexpr std::string_view mode = "SQL_MODE='NO_AUTO_VALUE_ON_ZERO";
    const auto at = head.find(mode);
    if (at == std::string::npos) return false;
    head.insert(at + mode.size(), ",ALLOW_INVALID_DATES,NO_UNSIGNED_SUBTRACTION");
    return true;
}

Status DumpSource::copy_output(int fd, const std::stop_token& stop) {
    constexpr std::size_t head_bytes_max = 2048;
    std::string block(read_bytes, '\0');
    std::string head;
    bool in_head = true;
    DumpDelimiters delimiters;
    DumpCharsets charsets;
    DumpComments comments;
    DumpTriggers triggers(std::move(triggers_));
    for (;;) {
        const ssize_t got = ::read(fd, block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(ErrorCode::io, std::string("reading the dump: ") + std::strerror(errno));
        if (got == 0) {
            const std::string last = charsets.pass(delimiters.pass(in_head ? head : std::string())) + charsets.rest();
            const std::string end = triggers.pass(comments.pass(last) + comments.rest()) + triggers.rest();
            if (!add_bytes(end, stop)) return fail(ErrorCode::shutting_down, "stopped");
        }
        if (got == 0) return stop.stop_requested() ? Status(fail(ErrorCode::shutting_down, "stopped")) : ok();
        {
            std::lock_guard lock(mutex_);
            progress_.snapshot_taken = true;
        }
        std::string_view bytes = std::string_view(block).substr(0, static_cast<std::size_t>(got));
        if (in_head) {
            head.append(bytes);
            if (!permit_odd_tables(head) && head.size() < head_bytes_max) continue;
            in_head = false;
            bytes = head;
        }
        if (!add_bytes(triggers.pass(comments.pass(charsets.pass(delimiters.pass(bytes)))), stop)) {
            return fail(ErrorCode::shutting_down, "stopped");
        }
        wait_for_pace(static_cast<std::size_t>(got), stop);
    }
}

// In small steps, so that the dump program and its server never run at full speed for long.
void DumpSource::wait_for_pace(std::size_t bytes, const std::stop_token& stop) {
    const std::uint64_t rate = rate_;
    const auto now = Clock::now();
    next_read_ = std::max(next_read_, now);
    if (rate == 0) return;
    next_read_ += std::chrono::microseconds(bytes * 1'000'000 / rate);
    std::unique_lock lock(mutex_);
    (void)taken_.wait_until(lock, stop, next_read_, [] { return false; });
}

bool DumpSource::add_bytes(std::string_view bytes, const std::stop_token& stop) {
    while (!bytes.empty()) {
        const std::size_t count = std::min(bytes.size(), transfer_chunk_bytes_max - buffer_.size());
        buffer_ += bytes.substr(0, count);
        bytes.remove_prefix(count);
        if (buffer_.size() == transfer_chunk_bytes_max && !cut(false, stop)) return false;
    }
    return true;
}

bool DumpSource::cut(bool last, const std::stop_token& stop) {
    TransferChunk chunk;
    chunk.transfer = options_.transfer;
    chunk.number = next_number_++;
    chunk.last = last;
    const std::size_t size = buffer_.size();
    chunk.bytes = Payload(std::move(buffer_));
    buffer_.clear();
    chunk.digest = transfer_chunk_digest(chunk);
    {
        std::unique_lock lock(mutex_);
        if (!taken_.wait(lock, stop, [&] { return chunks_.size() < options_.chunks_kept_max; })) return false;
        chunks_.push_back(std::move(chunk));
        progress_.bytes += size;
    }
    changed_();
    return true;
}

std::optional<TransferChunk> DumpSource::chunk(std::uint64_t number) const {
    std::lock_guard lock(mutex_);
    if (chunks_.empty() || number < chunks_.front().number || number > chunks_.back().number) return std::nullopt;
    return chunks_[number - chunks_.front().number];
}

void DumpSource::acknowledge(std::uint64_t next) {
    {
        std::lock_guard lock(mutex_);
        while (!chunks_.empty() && chunks_.front().number < next) chunks_.pop_front();
    }
    taken_.notify_all();
}

DumpSource::Progress DumpSource::progress() const {
    std::lock_guard lock(mutex_);
    return progress_;
}

}  // namespace ddb::storage
