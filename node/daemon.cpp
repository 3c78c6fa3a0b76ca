#include "node/daemon.hpp"

#include <arpa/inet.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "bus/beacon.hpp"
#include "node/driver.hpp"
#include "node/log_file.hpp"
#include "node/loop_poller.hpp"
#include "node/own_address.hpp"
#include "node/session/versioned_comments.hpp"

namespace ddb::node {

namespace {

constexpr std::uint64_t tick_ms = 10;
constexpr std::uint64_t ticks_late_max = 3;     // after a pause the past is not replayed: peers' messages come first
constexpr std::size_t loop_events_max = 65536;  // mailbox; work behind them is bounded by sessions and windows
constexpr int receive_burst_max = 512;          // messages taken in one round before effects go out

std::uint64_t monotonic_ms() {
    using namespace std::chrono;
    return static_cast<std::uint64_t>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}

struct ZmqContextDeleter {
    void operator()(void* context) const { zmq_ctx_term(context); }
};
using ZmqContext = std::unique_ptr<void, ZmqContextDeleter>;

Status start_logging(const config::Settings& settings) {
    try {
        auto logger = settings.log.file.empty()
                          ? spdlog::stderr_logger_mt("ddb")
                          : std::make_shared<spdlog::logger>("ddb", std::make_shared<LogFile>(settings.log.file));
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %L node " + std::to_string(settings.node.id.value) + " %v");
        logger->set_level(spdlog::level::from_str(settings.log.level == "warn" ? "warning" : settings.log.level));
        logger->flush_on(spdlog::level::info);
        spdlog::set_default_logger(logger);
    } catch (const spdlog::spdlog_ex& error) {
        return fail(ErrorCode::io, std::string("log.file: ") + error.what() + "; choose a writable file");
    }
    return ok();
}

// What rotates logs has renamed it, and says so by SIGHUP.
void open_log_again() {
    for (const auto& sink : spdlog::default_logger()->sinks()) {
        auto* file = dynamic_cast<LogFile*>(sink.get());
        if (file == nullptr) continue;
        if (auto opened = file->open_again(); !opened) {
            std::fprintf(stderr, "ddb-node: %s\n", opened.error().message.c_str());
        } else {
            spdlog::info("the log goes on here");
        }
    }
}

Status prepare_data_dir(const std::string& dir) {
    std::error_code error;
    std::filesystem::create_directories(dir, error);
    if (error || ::access(dir.c_str(), R_OK | W_OK | X_OK) != 0) {
        return fail(ErrorCode::io, "node.data_dir: " + dir + " cannot be written (" +
                                       (error ? error.message() : "permission denied") +
                                       "); create it or choose another");
    }
    if (::chmod(dir.c_str(), 0700) != 0) return fail(ErrorCode::io, "node.data_dir: cannot set mode 0700 on " + dir);
    return ok();
}

// Signals are taken by the loop as a file descriptor; every thread started later inherits the mask.
class Signals {
  public:
    Signals() {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &set, nullptr);
        ::signal(SIGPIPE, SIG_IGN);
        fd_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        DDB_ASSERT(fd_ >= 0);
    }
    ~Signals() { ::close(fd_); }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    [[nodiscard]] int fd() const { return fd_; }
    // True: one that ends the node.
    [[nodiscard]] bool take() const {
        bool stop = false;
        for (signalfd_siginfo info{}; ::read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info);) {
            stop |= info.ssi_signo != SIGHUP;
            if (info.ssi_signo == SIGHUP) open_log_again();
        }
        return stop;
    }

  private:
    int fd_ = -1;
};

storage::DatabaseOptions database_options(const config::Settings& settings, const std::string& derived_password) {
    storage::DatabaseOptions options;
    options.managed = settings.mysql.managed;
    options.server_program = settings.mysql.server;
    options.data_dir = settings.node.data_dir;
    options.tcp_port = settings.mysql.managed ? settings.mysql.port : std::uint16_t{0};
    options.external = storage::Endpoint{settings.mysql.socket, settings.mysql.host, settings.mysql.port};
    options.service_user = settings.mysql.user;
    options.service_password = settings.mysql.password.empty() ? derived_password : settings.mysql.password;
    options.node = settings.node.id;
    options.lock_wait_ms = static_cast<int>(settings.timing.lock_wait_ms);
    options.demand_keys = settings.debug.demand_keys;
    options.transaction_bytes_max = std::uint64_t{settings.limits.transaction_mb} << 20;
    return options;
}

core::CoreConfig core_config(const config::Settings& settings, const storage::Journal::Identity& identity,
                             const storage::LocalDatabase& database, bool formed, const std::string& address) {
    core::CoreConfig config;
    config.id = settings.node.id;
    config.incarnation = identity.incarnation;
    config.expect = settings.cluster.expect;
    config.address = address;
    config.has_user_data = database.has_user_data();
    config.heartbeat_ticks = std::max(1U, settings.timing.heartbeat_ms / static_cast<std::uint32_t>(tick_ms));
    config.election_ticks = std::max(2U, settings.timing.election_ms / static_cast<std::uint32_t>(tick_ms));
    config.take_over = settings.election.take_over;
    config.stable_ticks = std::max(1U, settings.election.stable_ms / static_cast<std::uint32_t>(tick_ms));
    config.seed = identity.boot_nonce;
    if (!formed && !database.metadata_cluster().empty()) {
        config.refuse_formation = true;
        config.refuse_reason =
            "this server already belongs to cluster " + database.metadata_cluster() +
            " (schema ddb_meta) but the journal is new; start the other nodes, and it is loaded from them; where they "
            "are "
            "lost for good, README (\"Three hosts\") says how a new cluster begins with this database";
    }
    config.kept_entries_max = settings.journal.kept_entries;
    config.kept_entries_hard_max = settings.journal.kept_entries_hard;
    return config;
}

// The running node: parts in the order they are built, but for the database.
class Daemon {
  public:
    explicit Daemon(const config::Settings& settings) : settings_(settings), mailbox_(loop_events_max) {}

    Status start() {
        if (auto status = prepare_data_dir(settings_.node.data_dir); !status) return status;
        if (auto status = load_keys(); !status) return status;
        if (auto status = open_journal(); !status) return status;
        if (auto status = open_bus(); !status) return status;
        return start_database();
    }

    void run() {
        std::uint64_t next_tick_ms = monotonic_ms();
        while (!stop_requested_ || !driver_->may_stop()) {
            const std::uint32_t readable = poll_once(next_tick_ms);
            const auto is = [readable](LoopPoller::What what) { return (readable & what) != 0; };
            const bool tick_due = monotonic_ms() >= next_tick_ms;
            if (is(LoopPoller::messages) || tick_due) links_->look();
            if (is(LoopPoller::housekeeping) || tick_due) {
                for (const auto& event : links_->housekeeping()) driver_->on_link(event);
            }
            if (is(LoopPoller::beacon)) dialler_->on_beacon_readable();
            if (is(LoopPoller::answers)) driver_->on_answers_readable();
            if (is(LoopPoller::gateway)) driver_->on_gateway_readable();
            for (int i = 0; i < receive_burst_max; ++i) {
                auto received = links_->receive();
                if (!received) break;
                driver_->on_received(std::move(*received));
            }
            for (LoopEvent& event : mailbox_.take_all(is(LoopPoller::mailbox))) driver_->on_event(std::move(event));
            const std::uint64_t now_ms = monotonic_ms();
            if (now_ms > next_tick_ms + tick_ms * ticks_late_max) next_tick_ms = now_ms - tick_ms * ticks_late_max;
            for (; next_tick_ms <= now_ms; next_tick_ms += tick_ms) driver_->tick(now_ms);
            driver_->flush();
            if (links_->duplicate_of_us()) {
                spdlog::critical("another live node uses node.id {}; give this one an id of its own",
                                 settings_.node.id.value);
                failed_ = true;
                break;
            }
        }
        spdlog::info("stopping");
    }

    [[nodiscard]] bool failed() const { return failed_; }

  private:
    Status load_keys() {
        if (settings_.security.insecure) {
            spdlog::warn(
                "security.insecure=true: NO AUTHENTICATION and NO ENCRYPTION; anybody who reaches the ports can "
                "read and change everything");
            return ok();
        }
        auto keys = bus::load_cluster_keys(settings_.cluster.key_dir);
        if (!keys) return keys.error();
        keys_.emplace(std::move(*keys));
        return ok();
    }

    Status open_journal() {
        storage::JournalOptions options;
        options.dir = settings_.node.data_dir + "/journal";
        options.node = settings_.node.id;
        options.cluster = settings_.cluster.name;
        auto journal = storage::Journal::open(
            options, [this](const core::JournalCompleted& completed) { mailbox_.post_always(LoopEvent{completed}); });
        if (!journal) return journal.error();
        journal_ = std::move(*journal);
        for (const std::string& note : journal_->notes()) spdlog::warn("journal: {}", note);
        return ok();
    }

    Status open_bus() {
        context_.reset(zmq_ctx_new());
        DDB_ASSERT(context_ != nullptr);
        zmq_ctx_set(context_.get(), ZMQ_BLOCKY, 0);
        const bool automatic = settings_.node.address == "auto";
        host_ = automatic ? own_address(settings_.discovery.peers) : settings_.node.address;
        const auto& identity = journal_->identity();
        bus::LinkOptions options;
        options.cluster = settings_.cluster.name;
        options.self = Voter{settings_.node.id, identity.incarnation};
        options.boot = identity.boot;
        options.boot_nonce = identity.boot_nonce;
        options.bind_address = automatic ? "0.0.0.0" : host_;
        options.port = settings_.node.port;
        options.insecure = settings_.security.insecure;
        options.settling_ms = 2500;  // twice a handshake's time limit, and more
        options.checksum =
            settings_.security.checksum == "sha256" ? bus::ChecksumKind::sha256 : bus::ChecksumKind::blake2b;
        const auto complain = [](const std::string& text) { spdlog::warn("{}", text); };
        const bus::ClusterKeys* keys = keys_ ? &*keys_ : nullptr;
        auto links = bus::PeerLinks::open(context_.get(), options, keys, complain);
        if (!links) return links.error();
        links_ = std::move(*links);
        auto publisher = bus::Publisher::open(context_.get(), options, keys);
        if (!publisher) return publisher.error();
        publisher_ = std::move(*publisher);

        std::unique_ptr<bus::BeaconSocket> beacon;
        if (settings_.discovery.beacon) {
            bus::BeaconOptions beacon_options;
            beacon_options.port = settings_.discovery.port;
            beacon_options.bind_address = options.bind_address;
            beacon_options.multicast_group = settings_.discovery.multicast;
            beacon_options.cluster = settings_.cluster.name;
            if (keys != nullptr) beacon_options.key = keys->beacon();
            auto socket = bus::BeaconSocket::open(beacon_options, complain);
            if (!socket) return socket.error();
            beacon = std::move(*socket);
        }
        bus::Beacon own;
        own.cluster = options.cluster;
        own.voter = options.self;
        own.boot = options.boot;
        own.boot_nonce = options.boot_nonce;
        own.address = host_;
        own.port = settings_.node.port;
        dialler_ = std::make_unique<Dialler>(settings_, *links_, std::move(beacon), own);
        return ok();
    }

    Status start_database() {
        const std::string password = keys_ ? keys_->service_password() : std::string("insecure");
        core::RecoveredState recovered = journal_->take_recovered();
        storage::DatabaseOptions options = database_options(settings_, password);
        options.content_void = recovered.rebuilding;
        auto database = storage::LocalDatabase::start(options, *journal_, [this](storage::DatabaseEvent event) {
            mailbox_.post_always(LoopEvent{std::move(event)});
        });
        if (!database) return database.error();
        database_ = std::move(*database);
        session::set_server_version(database_->initial().version);
        recovered.applied = database_->initial().applied;
        const bool formed = recovered.base_membership.has_value();
        const std::string address = host_ + ":" + std::to_string(settings_.node.port);
        core::CoreConfig config = core_config(settings_, journal_->identity(), *database_, formed, address);
        // A database from before the kept log, or none at all, cannot be brought up to date from the log.
        config.rebuild_at_start =
            formed && !recovered.rebuilding && (!database_->had_meta() || recovered.applied < recovered.base.index);
        driver_ = std::make_unique<Driver>(
            Driver::Parts{settings_, *links_, *publisher_, *journal_, *database_, mailbox_, *dialler_},
            std::move(config), std::move(recovered), address);
        if (settings_.gateway_port != 0 || !settings_.gateway_socket.empty()) {
            const std::string bind_address = settings_.node.address == "auto" ? "0.0.0.0" : host_;
            if (auto status = driver_->open_gateway(bind_address); !status) return status;
        }
        if (auto status = open_poller(); !status) return status;
        spdlog::info("node {} listens on {} (boot {}), database server {} pid {}", settings_.node.id.value, address,
                     journal_->identity().boot.value, database_->initial().version, database_->server_pid());
        return ok();
    }

    Status open_poller() {
        using Watched = std::pair<int, LoopPoller::What>;
        if (auto status = poller_.open(); !status) return status;
        for (const auto& [fd, what] :
             {Watched{signals_.fd(), LoopPoller::stop}, Watched{mailbox_.fd(), LoopPoller::mailbox},
              Watched{dialler_->fd(), LoopPoller::beacon}, Watched{driver_->gateway_fd(), LoopPoller::gateway},
              Watched{driver_->answers_fd(), LoopPoller::answers}}) {
            if (auto status = poller_.add(fd, what); !status) return status;
        }
        return ok();
    }

    // Bits of LoopPoller::What. Not zmq_poll: it asks every socket twice, with several calls of the system each, and
    // this loop turns for almost every message.
    std::uint32_t poll_once(std::uint64_t next_tick_ms) {
        if (links_->poll_fds_version() != links_watched_) {
            links_watched_ = links_->poll_fds_version();
            std::vector<pollfd> fds;
            links_->add_poll_fds(fds);
            poller_.set_links(fds);
        }
        const std::uint64_t now_ms = monotonic_ms();
        const bool wait = next_tick_ms > now_ms && !links_->waiting();
        const std::uint32_t readable = poller_.wait(wait ? static_cast<int>(next_tick_ms - now_ms) : 0);
        if ((readable & LoopPoller::stop) != 0 && signals_.take()) {
            stop_requested_ = true;
            driver_->begin_stop();
        }
        return readable;
    }

    const config::Settings& settings_;
    Signals signals_;
    LoopMailbox mailbox_;
    std::optional<bus::ClusterKeys> keys_;
    ZmqContext context_;
    std::string host_;
    std::unique_ptr<storage::Journal> journal_;
    // Ends after what leads to others, though it begins last: its server may take minutes, and who still waits for an
    // answer of this node learns by the closed connection that it must ask another one.
    std::unique_ptr<storage::LocalDatabase> database_;
    std::unique_ptr<bus::PeerLinks> links_;
    std::unique_ptr<bus::Publisher> publisher_;
    std::unique_ptr<Dialler> dialler_;
    std::unique_ptr<Driver> driver_;
    LoopPoller poller_;
    std::uint64_t links_watched_ = 0;
    bool stop_requested_ = false;
    bool failed_ = false;
};

}  // namespace

Status run(const config::Settings& settings) {
    ::umask(0077);
    if (auto status = start_logging(settings); !status) return status;
    if (!settings.debug.failpoint.empty()) {
        spdlog::warn("debug.failpoint={}: THIS NODE WILL KILL ITSELF when it gets there", settings.debug.failpoint);
    }
    if (!settings.debug.demand_keys) {
        spdlog::warn(
            "debug.demand_keys=false: TABLES WITHOUT A KEY ARE LET THROUGH, rows of them may differ between nodes");
    }
    Daemon daemon(settings);
    if (auto status = daemon.start(); !status) {
        spdlog::critical("{}", status.error().message);
        return status;
    }
    daemon.run();
    if (daemon.failed()) return fail(ErrorCode::refused, "stopped, see the log above");
    return ok();
}

}  // namespace ddb::node
