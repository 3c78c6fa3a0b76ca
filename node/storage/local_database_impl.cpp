#include "node/storage/local_database_impl.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>

#include "node/storage/server_check.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/system_login.hpp"
#include "node/storage/xa_recovery.hpp"

namespace ddb::storage {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds housekeeping_interval{1000};
constexpr milliseconds unanswered_limit{4000};  // a server that hangs keeps its connections, and says nothing
constexpr milliseconds retry_interval{100};
constexpr milliseconds back_off_first{200};
constexpr milliseconds back_off_max{5000};
constexpr milliseconds half_dead_limit{5000};
constexpr int control_timeout_ms = 60'000;
constexpr std::size_t commands_max = 1024;
constexpr std::size_t samples_max = 600;

ConnectOptions service_options(const DatabaseOptions& options) {
    ConnectOptions out;
    out.endpoint = options.external;
    out.user = options.service_user;
    out.password = options.service_password;
    out.program_name = "ddb";
    return out;
}

ManagedOptions managed_options(const DatabaseOptions& options) {
    ManagedOptions out;
    out.dir = options.data_dir + "/mysql";
    out.program = options.server_program;
    out.node = options.node;
    out.tcp_port = options.tcp_port;
    out.service_user = options.service_user;
    out.service_password = options.service_password;
    out.transaction_bytes_max = options.transaction_bytes_max;
    out.lock_wait_ms = options.lock_wait_ms;
    return out;
}

// The same trouble comes with other times and process ids whenever it is tried again.
std::string without_numbers(std::string text) {
    std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
    return text;
}

}  // namespace

LocalDatabase::Impl::Impl(const DatabaseOptions& options, Journal& journal, Sink sink)
    : options_(options),
      journal_(journal),
      sink_(std::move(sink)),
      commits_(options.managed ? server_files() : ""),
      key_(MarkerKey::random()),
      service_(service_options(options)),
      commands_(commands_max) {}

bool LocalDatabase::Impl::tells_by_binlog() const {
    return ServerDialect::of(initial_.version).tells_by_binlog();
}

LocalDatabase::Impl::~Impl() {
    ending_ = true;
    supervisor_.request_stop();
    if (supervisor_.joinable()) supervisor_.join();
    // Workers in the middle of a statement are freed by the end of their connections.
    stop_office_workers();
    applier_.reset();
    control_.reset();
    if (server_ != nullptr) server_->stop();
}

Status LocalDatabase::Impl::start() {
    auto launched = launch_server();
    if (!launched.ok() && options_.content_void && options_.managed) {
        // Whatever is wrong with it is void anyway.
        if (auto wiped = ManagedServer::wipe(options_.data_dir + "/mysql"); !wiped.ok()) return wiped;
        launched = launch_server();
    }
    if (!launched.ok()) return launched;
    applier_ = std::make_unique<Applier>(
        Applier::Options{service_, options_.committed_log_rows, &definitions_, &own_rows_}, journal_,
        Applier::Hooks{[this](LogIndex index) {
                           report_applied(index);
                           if (index.value >= wanted_index_) send(Look{});
                       },
                       [this](const std::string& reason) { sink_(Fenced{reason}); },
                       [this](LogIndex index) { audit(index); },
                       [this](const std::string& what) { sink_(ForeignWrite{what}); }});
    if (options_.content_void) {
        had_meta_ = true;
        rebuilding_ = true;
        version_ = control_->server_version();
        learn_abilities();
        initial_ = ServerUp{LogIndex{}, Payload{}, version_, pid_, extended_metadata_};
        supervisor_ = std::jthread([this](const std::stop_token& stop) { supervise(stop); });
        return ok();
    }
    auto had_meta = metadata_exists(*control_);
    if (!had_meta.ok()) return had_meta.error();
    had_meta_ = *had_meta;
    auto has_data = user_data_exists(*control_);
    if (!has_data.ok()) return has_data.error();
    has_user_data_ = *has_data;
    if (auto status = prepare_server(); !status.ok()) return status;
    if (auto status = recover(); !status.ok()) return status;
    initial_ = ServerUp{position_.index, Payload(format_description_), version_, pid_, extended_metadata_};
    up_ = true;
    supervisor_ = std::jthread([this](const std::stop_token& stop) { supervise(stop); });
    return ok();
}

Status LocalDatabase::Impl::launch_server(bool may_initialise) {
    if (options_.managed && (server_ == nullptr || !server_->running())) {
        server_.reset();
        ManagedOptions managed = managed_options(options_);
        managed.may_initialise = may_initialise;
        managed.given_up = [this] { return ending_.load(); };
        auto started = ManagedServer::start(managed, [this](const std::string& reason) {
            if (!ending_) send(ServerLost{"the database server ended: " + reason, true});
        });
        if (!started.ok()) return started.error();
        server_ = std::move(*started);
        // Executors read it: written before there are any, and the same again at each restart.
        if (service_.endpoint != server_->endpoint()) service_.endpoint = server_->endpoint();
        pid_ = server_->pid();
    }
    control_.reset();
    return ensure_control();
}

Status LocalDatabase::Impl::ensure_control() {
    if (control_ != nullptr && !control_->broken()) return ok();
    ConnectOptions options = service_;
    options.read_timeout_ms = control_timeout_ms;
    options.program_name = "ddb control";
    auto connection = open_service(options);
    if (!connection.ok()) return connection.error();
    control_ = std::move(*connection);
    return ok();
}

void LocalDatabase::Impl::learn_abilities() {
    extended_metadata_ = control_->extended_metadata();
    // Whether it takes from the node what others send along; MySQL's have no such setting.
    const std::string from_us = service_.endpoint.socket.empty() ? "." : "(^|,) *(localhost|[*]) *(,|$)";
    const auto takes = control_->scalar("SELECT @@GLOBAL.proxy_protocol_networks REGEXP '" + from_us + "'");
    knows_hosts_ = takes.ok() && takes->value_or("0") == "1";
}

Status LocalDatabase::Impl::prepare_server() {
    version_ = control_->server_version();
    learn_abilities();
    const ServerDialect& dialect = control_->dialect();
    if (!dialect.speaks(version_)) {
        return fail(ErrorCode::invalid_argument, "the database server is " + version_ +
                                                     ": this version of ddb needs MariaDB, or MySQL 8.4 or newer");
    }
    if (!options_.managed) {
        ServerRequirements requirements;
        requirements.transaction_bytes_max = options_.transaction_bytes_max;
        requirements.lock_wait_ms = options_.lock_wait_ms;
        const auto report = check_server(*control_, requirements);
        if (!report.ok()) return report.error();
        if (!report->fit()) return fail(ErrorCode::invalid_argument, report->fatal_text());
        if (auto status = apply_settings(*control_, *report); !status.ok()) return status;
    }
    if (auto status = create_metadata(*control_, key_); !status.ok()) return status;
    if (auto status = own_rows_.learn(*control_); !status.ok()) return status;
    std::vector<std::string> settings = dialect.server_settings_sql();
    // A reader may stand still for long: the dump of a state transfer.
    settings.insert(settings.end(), {"SET GLOBAL net_write_timeout=3600", "SET GLOBAL binlog_checksum=NONE"});
    for (const std::string& sql : settings) {
        if (auto done = control_->execute(sql); !done.ok()) return done.error();
    }
    auto end = binlog_end(*control_);
    if (!end.ok()) return end.error();
    auto format = format_description(service_, *end);
    if (!format.ok()) return format.error();
    format_description_ = std::move(*format);
    return ok();
}

Status LocalDatabase::Impl::bring_up() {
    // An empty one in its place, when its files are gone under way, would be taken for what the log began with.
    if (auto status = launch_server(false); !status.ok()) return status;
    if (auto status = prepare_server(); !status.ok()) return status;
    return recover();
}

void LocalDatabase::Impl::send(Command command) {
    // Commands are few; one that finds the queue full would be repeated by the housekeeping.
    (void)commands_.push(std::move(command));
}

void LocalDatabase::Impl::supervise(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "database");
    auto next_housekeeping = Clock::now() + housekeeping_interval;
    while (!stop.stop_requested()) {
        if (const auto command = commands_.pop(stop, up_ ? housekeeping_interval : retry_interval)) handle(*command);
        if (stop.stop_requested()) return;
        if (rebuilding_) continue;
        if (!up_) {
            try_again();
        } else if (Clock::now() >= next_housekeeping) {
            asked_ = Clock::now();
            sample_durability();
            watch_commits();
            watch_binlog();
            watch_routines();
            asked_ = Clock::time_point{};
            try_open();
            next_housekeeping = Clock::now() + housekeeping_interval;
        }
    }
}

void LocalDatabase::Impl::handle(const Command& command) {
    if (const auto* open = std::get_if<OpenOffice>(&command)) {
        opening_ = *open;
        wanted_index_ = open->noop.value;
        applier_->set_ceiling(open->noop);
        try_open();
    } else if (const auto* closing = std::get_if<CloseOffice>(&command)) {
        close(closing->epoch);
    } else if (const auto* lost = std::get_if<ServerLost>(&command)) {
        // Word of an older process may come after a newer one was started.
        if (!lost->process_ended || server_ == nullptr || !server_->running()) lose_server(lost->reason);
    } else if (const auto* rebuild = std::get_if<BeginRebuild>(&command)) {
        attempt_ = rebuild->attempt;
        empty_database();
    } else if (std::holds_alternative<ReadLoaded>(command)) {
        report_loaded();
    } else if (const auto* snapshot = std::get_if<Install>(&command)) {
        const Status status = install(*snapshot);
        sink_(status.ok() ? DatabaseEvent(RebuildLoaded{attempt_})
                          : DatabaseEvent(RebuildBroken{attempt_, status.error().message}));
    } else if (std::holds_alternative<EndRebuild>(command)) {
        leave_rebuild();
    } else {
        try_open();
    }
}

bool LocalDatabase::Impl::stalled() const {
    const Clock::time_point asked = asked_;
    return stalled_ || applier_->waits_for_room() ||
           (asked != Clock::time_point{} && Clock::now() - asked >= unanswered_limit);
}

void LocalDatabase::Impl::lose_server(const std::string& reason) {
    if (!up_) return;
    up_ = false;
    stalled_ = false;
    sink_(ServerDown{reason});
    stop_office_workers();
    applier_->pause();
    control_.reset();
    samples_.clear();
    back_off_ = back_off_first;
    down_since_ = next_attempt_ = Clock::now();
}

void LocalDatabase::Impl::try_again() {
    if (Clock::now() < next_attempt_) return;
    const Status status = bring_up();
    if (!status.ok()) {
        const std::string trouble = without_numbers(status.error().message);
        if (trouble != trouble_) sink_(ServerDown{status.error().message});
        trouble_ = trouble;
        const bool half_dead = Clock::now() - down_since_ >= half_dead_limit;
        next_attempt_ = Clock::now() + back_off_;
        back_off_ = std::min(back_off_ * 2, back_off_max);
        // Half-dead is worse than dead: whatever keeps it from being settled does not survive a restart. One that is
        // just dying is soon seen to be gone.
        if (half_dead && server_ != nullptr && server_->running()) {
            server_->kill();
            down_since_ = Clock::now();
        }
        return;
    }
    trouble_.clear();
    up_ = true;
    sink_(ServerUp{position_.index, Payload(format_description_), version_, pid_, extended_metadata_});
    if (leaving_) {
        sink_(OfficeLeft{*leaving_});
        leaving_.reset();
    }
    try_open();
}

// What was applied when the log sequence number was L is on disk once everything up to L is flushed.
void LocalDatabase::Impl::sample_durability() {
    LogIndex applied;
    {
        std::lock_guard lock(report_mutex_);
        applied = applied_;
    }
    if (auto status = ensure_control(); !status.ok()) {
        lose_server("the database server does not answer: " + status.error().message);
        return;
    }
    const auto counters = control_->dialect().redo_log_counters();
    auto rows = control_->rows(std::string("SHOW GLOBAL STATUS WHERE Variable_name IN ('") + counters.written + "','" +
                               counters.flushed + "')");
    if (!rows.ok()) {
        // The next attempt tells whether it was the connection or the server.
        control_.reset();
        return;
    }
    Sample now;
    now.applied = applied;
    std::uint64_t flushed = 0;
    for (const auto& row : *rows) {
        const std::uint64_t value = std::strtoull(row.at(1).value_or("0").c_str(), nullptr, 10);
        (row.at(0).value_or("") == counters.written ? now.lsn : flushed) = value;
    }
    if (samples_.size() < samples_max) samples_.push_back(now);
    LogIndex durable;
    while (!samples_.empty() && samples_.front().lsn <= flushed) {
        durable = samples_.front().applied;
        samples_.pop_front();
    }
    std::lock_guard lock(report_mutex_);
    if (durable <= durable_) return;
    durable_ = durable;
    sink_(Applied{applied_, durable_});
}

void LocalDatabase::Impl::watch_commits() {
    if (!up_ || control_ == nullptr || capture_ == nullptr) return;
    // Not from information_schema: that table is built on the disk that may be full.
    const auto threads = control_->rows("SHOW PROCESSLIST");
    if (!threads.ok()) return;
    stalled_ = commits_.stalls(*threads);
}

// Out of office nothing of ours goes into the binary log but statement entries, in a domain of their own: whatever else
// appears there was written behind our back. In office the capture sees everything.
void LocalDatabase::Impl::watch_binlog() {
    if (!up_ || control_ == nullptr || capture_ != nullptr) return;
    const auto state = control_->dialect().foreign_gtids(*control_);
    if (!state.ok() || *state == foreign_gtids_) return;
    sink_(ForeignWrite{"the binary log went from GTID " + (foreign_gtids_.empty() ? "(none)" : foreign_gtids_) +
                       " to " + *state + ", and not by this node: its tables may differ from the others'"});
    foreign_gtids_ = *state;
}

// What fails, as behind somebody's lock, is tried again with the next look.
void LocalDatabase::Impl::watch_routines() {
    if (up_ && control_ != nullptr && !control_->broken()) (void)own_rows_.mend(*control_);
}

void LocalDatabase::Impl::report_applied(LogIndex index) {
    std::lock_guard lock(report_mutex_);
    if (index <= applied_) return;
    applied_ = index;
    sink_(Applied{applied_, durable_});
}

void LocalDatabase::Impl::decided(LogIndex up_to) {
    applier_->decided(up_to);
    std::lock_guard lock(office_mutex_);
    decided_ = std::max(decided_, up_to);
    if (committer_ != nullptr) committer_->decided(up_to);
}

void LocalDatabase::Impl::open_office(Epoch epoch, LogIndex noop_index) {
    send(OpenOffice{epoch, noop_index});
}

void LocalDatabase::Impl::register_prepared(LogIndex index, TxnId txn, std::string xid,
                                            std::unique_ptr<Connection> connection) {
    std::lock_guard lock(office_mutex_);
    if (committer_ != nullptr) committer_->register_prepared(index, txn, std::move(xid), std::move(connection));
}

void LocalDatabase::Impl::register_done(LogIndex index, bool part) {
    std::lock_guard lock(office_mutex_);
    if (committer_ != nullptr) committer_->register_done(index, part);
}

// Its thread.
void LocalDatabase::Impl::on_capture_end(const Error& error, bool fatal) {
    if (fatal) {
        sink_(Fenced{"capture: " + error.message});
    } else if (!ending_) {
        send(ServerLost{"capture: " + error.message, false});
    }
}

void LocalDatabase::Impl::read_group(Epoch epoch, GroupPlace place) {
    std::unique_ptr<GroupReader> ended;  // joined without the lock
    std::lock_guard lock(office_mutex_);
    if (committer_ == nullptr) return;  // the office is gone
    ended = std::move(group_reader_);
    group_reader_ = std::make_unique<GroupReader>(
        service_, epoch, std::move(place), [this](CapturedPart part) { sink_(std::move(part)); },
        [this](const Error& error) { on_capture_end(error, error.code == ErrorCode::corrupt); });
}

void LocalDatabase::Impl::want_part() {
    std::lock_guard lock(office_mutex_);
    if (group_reader_ != nullptr) group_reader_->want();
}

void LocalDatabase::Impl::register_audit(LogIndex index) {
    std::lock_guard lock(office_mutex_);
    if (committer_ != nullptr) committer_->register_audit(index);
}

// Commit or apply thread: nothing is committed while this runs.
void LocalDatabase::Impl::audit(LogIndex index) {
    std::lock_guard lock(audit_mutex_);
    if (digester_ != nullptr && digester_->running()) {
        sink_(AuditCut{index, "an earlier audit still runs on this node"});
        return;
    }
    auto begun = Digester::begin(service_, [this, index](Result<std::vector<AuditedTable>> tables) {
        if (tables.ok()) {
            sink_(Audited{index, {}, std::move(*tables)});
        } else {
            sink_(Audited{index, tables.error().message, {}});
        }
    });
    sink_(AuditCut{index, begun.ok() ? std::string() : begun.error().message});
    if (begun.ok()) digester_ = std::move(*begun);
}

void LocalDatabase::Impl::end_audit() {
    // One that is just beginning is not waited for: it ends by itself, unheard.
    std::unique_lock lock(audit_mutex_, std::try_to_lock);
    if (lock && digester_ != nullptr) digester_->stop();
}

Status LocalDatabase::Impl::record_cluster(const std::string& uuid) {
    auto connection = open_service(service_);
    if (!connection.ok()) return connection.error();
    auto done = (*connection)->execute(set_cluster_sql(uuid));
    if (!done.ok()) return done.error();
    std::lock_guard lock(office_mutex_);
    cluster_ = uuid;
    return ok();
}

std::string LocalDatabase::Impl::cluster() const {
    std::lock_guard lock(office_mutex_);
    return cluster_;
}

Result<std::unique_ptr<Connection>> LocalDatabase::Impl::connect(const std::string& user, const std::string& password,
                                                                 const std::string& database,
                                                                 const LoginOptions& login) const {
    if (user == options_.service_user) {
        return Error{ErrorCode::refused, "Access denied: this account belongs to the ddb node", 1045, "28000"};
    }
    // The client library would put the name of the node's own system user in its place.
    if (user.empty()) return Error{ErrorCode::refused, "Access denied for user ''@'localhost'", 1045, "28000"};
    if (rebuilding_) {
        // Not "refused": a client that knows other nodes goes there.
        return fail(ErrorCode::shutting_down,
                    "this node's database is being loaded from another node's: use another node");
    }
    if (!service_.endpoint.socket.empty() && user == system_user()) {
        auto service = open_service(service_);
        if (!service.ok()) return service.error();
        if (const Status allowed = refuse_system_login(**service, user, password); !allowed) return allowed.error();
    }
    ConnectOptions options;
    options.endpoint = service_.endpoint;
    options.user = user;
    options.password = password;
    options.database = database;
    options.login = login;
    if (!knows_hosts_) options.login.host.clear();
    if (login.tls) {
        auto demanded = demands_tls(user);
        if (!demanded.ok()) return demanded.error();
        options.tls = *demanded;
    }
    const auto open = [&]() -> Result<std::unique_ptr<Connection>> {
        auto connection = Connection::open(options);
        if (!connection.ok()) return connection;
        const int wait_s = std::max(1, options_.lock_wait_ms / 1000);
        auto done = (*connection)->execute((*connection)->dialect().user_session_sql(wait_s));
        if (!done.ok()) return done.error();
        return connection;
    };
    auto connection = open();
    if (!connection.ok()) return connection;
    const auto new_rights = admit_roles(**connection);
    if (!new_rights.ok()) return new_rights.error();
    if (!*new_rights) return connection;
    return open();  // a session has the rights that its roles had when they became active
}

// Asked ahead: to try without would count as a wrong password of an account that is locked behind some.
Result<bool> LocalDatabase::Impl::demands_tls(const std::string& user) const {
    std::lock_guard lock(tls_mutex_);
    if (tls_asker_ == nullptr || tls_asker_->ended()) {
        auto service = open_service(service_);
        if (!service.ok()) return service.error();
        tls_asker_ = std::move(*service);
    }
    auto demanding = tls_asker_->scalar("SELECT 1 FROM mysql.user WHERE User IN ('', '" + tls_asker_->escape(user) +
                                        "') AND ssl_type <> '' LIMIT 1");
    if (!demanding.ok()) return demanding.error();
    return demanding->has_value();
}

Result<bool> LocalDatabase::Impl::admit_roles(Connection& user) const {
    auto roles = user.dialect().inactive_rights(user);
    if (!roles.ok()) return roles.error();
    if (roles->empty()) return false;
    auto service = open_service(service_);
    if (!service.ok()) return service.error();
    for (const std::string& sql : (*service)->dialect().role_rights_sql(*roles)) {
        if (auto done = (*service)->execute(sql); !done.ok()) return done.error();
    }
    return true;
}

Status LocalDatabase::Impl::kill(std::uint64_t connection_id, bool query_only) {
    std::lock_guard lock(kill_mutex_);
    if (killer_ == nullptr || killer_->broken()) {
        ConnectOptions options = service_;
        options.read_timeout_ms = control_timeout_ms;
        auto opened = open_service(options);
        if (!opened.ok()) return opened.error();
        killer_ = std::move(*opened);
    }
    auto done = killer_->execute((query_only ? "KILL QUERY " : "KILL CONNECTION ") + std::to_string(connection_id));
    constexpr std::uint16_t no_such_thread = 1094;
    if (!done.ok() && done.error().mysql_code != no_such_thread) return done.error();
    return ok();
}

}  // namespace ddb::storage
