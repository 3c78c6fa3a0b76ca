#include "node/storage/managed_server.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "node/storage/child_process.hpp"
#include "node/storage/managed_server_parts.hpp"
#include "node/storage/server_certificate.hpp"

namespace ddb::storage {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int orphan_timeout_ms = 30'000;
constexpr int kill_timeout_ms = 30'000;
constexpr auto ready_probe_interval = std::chrono::milliseconds(20);
constexpr int work_share = 200;  // of its time a server has used a processor for, at least, if it is not just waiting
constexpr std::uint64_t log_bytes_max = 16u << 20;  // then it moves to mysqld.log.old at the next start

std::uint64_t file_size(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

// One that cannot be looked at is not one that is not there.
Result<bool> exists(const std::string& path) {
    std::error_code error;
    const bool there = fs::exists(path, error);
    if (error) return fail(ErrorCode::io, "cannot read " + path + ": " + error.message());
    return there;
}

Status write_private_file(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail(ErrorCode::io, "cannot write " + path + ": " + std::strerror(errno));
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    ::close(fd);
    if (!written) return fail(ErrorCode::io, "cannot write " + path + ": " + std::strerror(error));
    return ok();
}

}  // namespace

std::vector<std::string> server_arguments(const ManagedOptions& options, const ServerProgram& program,
                                          const ServerPaths& paths) {
    const auto number = [](auto n) { return std::to_string(n); };
    const int lock_wait_s = std::max(1, options.lock_wait_ms / 1000);
    std::vector<std::string> out{
        "--no-defaults",
        "--datadir=" + paths.data,
        "--tmpdir=" + paths.tmp,
        "--secure-file-priv=" + paths.files,
        "--socket=" + paths.socket,
        "--pid-file=" + paths.dir + "/mysqld.pid",
        "--log-error=" + paths.log,
        "--init-file=" + paths.init_file,
        "--ssl-cert=" + paths.certificate,
        "--ssl-key=" + paths.certificate,
        // What capture and apply rely on.
        "--server-id=" + number(options.node.value),
        "--log-bin=binlog",
        "--binlog-format=ROW",
        // A REPLACE is logged as an update where it can be; with MINIMAL, and NOBLOB, without the columns it does not
        // name, which are back at their defaults here and as they were on the others.
        "--binlog-row-image=FULL",
        "--binlog-checksum=NONE",
        "--max-binlog-size=64M",
        "--binlog-expire-logs-seconds=3600",
        "--max-binlog-cache-size=" + number(options.transaction_bytes_max / 4096 * 4096),
        "--max-allowed-packet=1G",
        "--event-scheduler=OFF",
        // Without it functions and triggers need SUPER, for the sake of statements that are repeated elsewhere.
        "--log-bin-trust-function-creators=ON",
        "--character-set-server=utf8mb4",
        "--default-storage-engine=InnoDB",
        "--local-infile=ON",  // the file comes from the node's client
        // The log is the truth: a flush per commit would buy nothing.
        "--sync-binlog=0",
        "--innodb-flush-log-at-trx-commit=2",
        "--innodb-lock-wait-timeout=" + number(lock_wait_s),
        "--lock-wait-timeout=" + number(lock_wait_s),
        // Small.
        "--performance-schema=OFF",
        "--innodb-buffer-pool-size=" + number(options.buffer_pool_bytes),
        "--key-buffer-size=1M",
        "--max-connections=" + number(options.connections_max),
    };
    if (program.mariadb) {
        out.insert(out.end(),
                   {"--innodb-snapshot-isolation=ON", "--innodb-force-primary-key=ON", "--log-bin-compress=OFF",
                    "--binlog-alter-two-phase=OFF", "--gtid-strict-mode=OFF",
                    // ON by default since 10.11.9: CREATE TABLE … SELECT fills an index in bulk although another
                    // session, checking a foreign key, has kept the first rows from it. These are lost then.
                    "--loose-innodb-alter-copy-bulk=OFF",
                    "--session-track-system-variables=autocommit,character_set_client,"
                    "character_set_connection,character_set_results,time_zone,last_gtid",
                    "--innodb-log-file-size=" + number(options.redo_log_bytes), "--aria-pagecache-buffer-size=8M",
                    "--loose-feedback=OFF", "--skip-slave-start", "--log-warnings=1",
                    // The node tells it where each client comes from.
                    "--proxy-protocol-networks=localhost"});
    } else {
        out.insert(out.end(),
                   {"--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--session-track-gtids=OWN_GTID",
                    "--binlog-transaction-compression=OFF", "--binlog-row-value-options=", "--xa-detach-on-prepare=OFF",
                    // Cascades are the storage engine's, on every node alike. Above it, as MySQL 9.6 and later do
                    // them otherwise, they came out differently where the parent's rows are replayed.
                    "--loose-innodb-native-foreign-keys=ON",
                    // Tables that do not roll back would differ; by these the server refuses them itself.
                    "--disabled-storage-engines=MyISAM,MRG_MYISAM,MEMORY,CSV,ARCHIVE,BLACKHOLE,FEDERATED",
                    "--sql-require-primary-key=ON", "--information-schema-stats-expiry=0", "--mysqlx=OFF",
                    "--skip-replica-start", "--innodb-redo-log-capacity=" + number(options.redo_log_bytes)});
    }
    if (options.tcp_port == 0) {
        out.emplace_back("--skip-networking");
    } else {
        out.push_back("--port=" + number(options.tcp_port));
        out.push_back("--bind-address=" + options.bind_address);
    }
    if (!program.base_dir.empty()) out.push_back("--basedir=" + program.base_dir);
    // Both servers refuse to run as root unless told so; the node decides under which user it runs, not its child.
    if (::geteuid() == 0) out.emplace_back("--user=root");
    return out;
}

class ManagedServer::Impl {
  public:
    Impl(const ManagedOptions& options, OnExit on_exit) : options_(options), on_exit_(std::move(on_exit)) {}
    ~Impl() { end(SIGTERM, options_.stop_timeout_ms); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Status prepare() {
        auto program = find_server_program(options_.program);
        if (!program.ok()) return program.error();
        program_ = *program;
        auto paths = prepare_server_paths(options_.dir, notes_);
        if (!paths.ok()) return paths.error();
        paths_ = *paths;
        endpoint_.socket = paths_.socket;
        endpoint_.host = options_.bind_address;
        endpoint_.port = options_.tcp_port;
        // A node that was killed leaves its server (or the initialisation) running. SIGKILL: the server recovers in
        // less time than an orderly stop takes, and loses nothing that the log does not have.
        for (const auto& data : {paths_.data, paths_.unfinished_data}) {
            auto killed = kill_processes_with_argument("--datadir=" + data, orphan_timeout_ms);
            if (!killed.ok()) return killed.error();
            if (*killed > 0)
                notes_.push_back("ended a database server that an earlier run of this node had left behind");
        }
        const auto there = exists(paths_.data);
        if (!there.ok()) return there.error();
        if (*there) {
            const auto holds_database = exists(paths_.data + "/mysql");
            if (!holds_database.ok()) return holds_database.error();
            if (*holds_database) return ok();
            return fail(ErrorCode::corrupt, paths_.data +
                                                " holds no database (mysql/ is missing). Move the directory " +
                                                "away; the node then gets its data from the other nodes");
        }
        if (!options_.may_initialise) {
            return fail(ErrorCode::io, paths_.data +
                                           " is gone. Put it back; or start the node anew, which then gets its data "
                                           "from the other nodes");
        }
        fresh_ = true;
        return initialise_server(options_, program_, paths_);
    }

    Status launch() {
        if (file_size(paths_.log) > log_bytes_max) (void)::rename(paths_.log.c_str(), (paths_.log + ".old").c_str());
        log_offset_ = file_size(paths_.log);
        if (auto status = write_private_file(paths_.init_file, service_account_sql(options_)); !status.ok())
            return status;
        auto certificate = make_server_certificate("ddb");
        if (!certificate.ok()) return certificate.error();
        if (auto status = write_private_file(paths_.certificate, *certificate); !status.ok()) return status;
        // No server of ours is left. MySQL takes a process id in its lock file for a server's even where that process
        // is a corpse nobody has buried yet, or another program's by now, and does not start.
        (void)::unlink(paths_.socket.c_str());
        (void)::unlink((paths_.socket + ".lock").c_str());
        const int log = ::open(paths_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0) return fail(ErrorCode::io, "cannot write " + paths_.log + ": " + std::strerror(errno));
        auto child = ChildProcess::spawn({program_.path, server_arguments(options_, program_, paths_), log});
        ::close(log);
        if (!child.ok()) return child.error();
        child_.emplace(std::move(child).value());
        supervisor_ = std::jthread([this] { supervise(); });
        const Status ready = wait_until_ready();
        (void)::unlink(paths_.init_file.c_str());  // holds the password
        if (!ready.ok()) end(SIGKILL, 0);
        return ready;
    }

    void end(int signal, int timeout_ms) {
        {
            std::unique_lock lock(mutex_);
            stopping_ = true;
            if (child_ && !exited_) {
                child_->signal(signal);
                if (!ended_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return exited_; })) {
                    child_->signal(SIGKILL);
                    (void)ended_.wait_for(lock, std::chrono::milliseconds(kill_timeout_ms), [this] { return exited_; });
                }
            }
        }
        if (supervisor_.joinable()) supervisor_.join();
    }

    bool running() const {
        std::lock_guard lock(mutex_);
        return child_ && !exited_;
    }

    ManagedOptions options_;
    OnExit on_exit_;
    ServerProgram program_;
    ServerPaths paths_;
    Endpoint endpoint_;
    std::vector<std::string> notes_;
    bool fresh_ = false;
    std::optional<ChildProcess> child_;

  private:
    void supervise() {
        const std::string reason = child_->wait(-1).value_or("ended");
        bool unexpected = false;
        {
            std::lock_guard lock(mutex_);
            exited_ = true;
            reason_ = reason;
            unexpected = ready_ && !stopping_;
        }
        ended_.notify_all();
        if (unexpected && on_exit_) {
            on_exit_("database server (pid " + std::to_string(child_->pid()) + ") " + reason + "; " +
                     explain_log(paths_.log, log_offset_, options_));
        }
    }

    Status wait_until_ready() {
        const auto limit = std::chrono::milliseconds(options_.start_timeout_ms);
        auto deadline = Clock::now() + limit;
        auto worked = std::chrono::milliseconds(0);
        ConnectOptions connect;
        connect.endpoint.socket = paths_.socket;
        connect.user = options_.service_user;
        connect.password = options_.service_password;
        std::string last = "no answer on " + paths_.socket;
        for (;;) {
            auto connection = Connection::open(connect);
            std::unique_lock lock(mutex_);
            if (connection.ok() && !exited_) {
                ready_ = true;
                return ok();
            }
            if (!connection.ok()) last = connection.error().message;
            if (exited_) {
                return fail(ErrorCode::io, "the database server " + reason_ +
                                               " while starting: " + explain_log(paths_.log, log_offset_, options_));
            }
            if (options_.given_up && options_.given_up())
                return fail(ErrorCode::shutting_down, "the node ends while its database server starts");
            if (const auto used = child_->cpu_time(); used - worked >= limit / work_share) {
                worked = used;
                deadline = Clock::now() + limit;
            }
            if (Clock::now() >= deadline) {
                return fail(ErrorCode::timeout,
                            "the database server takes no connections, and has done nothing for it in the last " +
                                std::to_string(options_.start_timeout_ms) + " ms (" + last + "); " +
                                explain_log(paths_.log, log_offset_, options_));
            }
            // The server announces nothing when it listens, so it is asked; its end is noticed at once.
            ended_.wait_for(lock, ready_probe_interval, [this] { return exited_; });
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable ended_;
    bool ready_ = false;
    bool stopping_ = false;
    bool exited_ = false;
    std::string reason_;
    std::uint64_t log_offset_ = 0;
    std::jthread supervisor_;  // last: reads the members above
};

ManagedServer::ManagedServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ManagedServer::~ManagedServer() = default;

Result<std::unique_ptr<ManagedServer>> ManagedServer::start(const ManagedOptions& options, OnExit on_exit) {
    auto impl = std::make_unique<Impl>(options, std::move(on_exit));
    if (auto status = impl->prepare(); !status.ok()) return status.error();
    if (auto status = impl->launch(); !status.ok()) return status.error();
    return std::unique_ptr<ManagedServer>(new ManagedServer(std::move(impl)));
}

void ManagedServer::stop() {
    impl_->end(SIGTERM, impl_->options_.stop_timeout_ms);
}
void ManagedServer::kill() {
    impl_->end(SIGKILL, 0);
}
bool ManagedServer::running() const {
    return impl_->running();
}
const Endpoint& ManagedServer::endpoint() const {
    return impl_->endpoint_;
}
std::uint64_t ManagedServer::pid() const {
    return static_cast<std::uint64_t>(impl_->child_->pid());
}
const std::string& ManagedServer::data_dir() const {
    return impl_->paths_.data;
}
bool ManagedServer::is_mariadb() const {
    return impl_->program_.mariadb;
}
bool ManagedServer::fresh() const {
    return impl_->fresh_;
}
const std::vector<std::string>& ManagedServer::notes() const {
    return impl_->notes_;
}

Status ManagedServer::wipe(const std::string& dir) {
    std::error_code error;
    // Renamed first: a crash in the middle of the removal must not leave half a data directory behind.
    const std::string doomed = dir + "/data.unfinished";
    fs::remove_all(doomed, error);
    const auto there = exists(dir + "/data");
    if (!there.ok()) return there.error();
    if (!*there) return ok();
    fs::rename(dir + "/data", doomed, error);
    if (!error) fs::remove_all(doomed, error);
    if (error) return fail(ErrorCode::io, "cannot remove " + dir + "/data: " + error.message());
    return ok();
}

}  // namespace ddb::storage
