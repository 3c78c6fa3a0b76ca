// The inside of LocalDatabase: a supervisor thread that owns the server and walks through its life (start, office,
// loss), and the workers it starts. Private to this folder.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "node/storage/applier.hpp"
#include "node/storage/binlog_stream.hpp"
#include "node/storage/capture.hpp"
#include "node/storage/commit_watch.hpp"
#include "node/storage/committer.hpp"
#include "node/storage/digester.hpp"
#include "node/storage/group_reader.hpp"
#include "node/storage/local_database.hpp"
#include "node/storage/managed_server.hpp"
#include "node/storage/metadata.hpp"
#include "node/storage/own_rows.hpp"
#include "node/storage/work_queue.hpp"

namespace ddb::storage {

class LocalDatabase::Impl {
  public:
    Impl(const DatabaseOptions& options, Journal& journal, Sink sink);
    ~Impl();

    Status start();  // once, before anything else

    void decided(LogIndex up_to);
    void hurry(LogIndex index) { applier_->hurry(index); }
    void open_office(Epoch epoch, LogIndex noop_index);
    void close_office(Epoch epoch);
    void register_prepared(LogIndex index, TxnId txn, std::string xid, std::unique_ptr<Connection> connection);
    void register_done(LogIndex index, bool part);
    void on_capture_end(const Error& error, bool fatal);
    void read_group(Epoch epoch, GroupPlace place);
    void want_part();
    void fence(std::string reason) { sink_(Fenced{std::move(reason)}); }
    void register_audit(LogIndex index);
    void set_other_copies(OtherCopies copies) { applier_->set_other_copies(copies); }
    void end_audit();
    Status record_cluster(const std::string& uuid);
    void hold_statements(bool hold) {
        applier_->hold_statements(hold);
        if (committer_ != nullptr) committer_->hold_statements(hold);
    }
    [[nodiscard]] bool statements_held() const {
        return applier_->statements_held() && (committer_ == nullptr || committer_->statements_told());
    }
    void begin_rebuild(std::uint64_t attempt);
    void read_loaded_position();
    void install_snapshot(EntryId last, std::vector<Entry> entries);
    void end_rebuild();
    [[nodiscard]] bool knows_hosts() const { return knows_hosts_; }
    [[nodiscard]] Result<bool> demands_tls(const std::string& user) const;  // some account of that name does
    [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const std::string& user, const std::string& password,
                                                              const std::string& database,
                                                              const LoginOptions& login) const;
    [[nodiscard]] Result<bool> admit_roles(Connection& user) const;
    Status kill(std::uint64_t connection_id, bool query_only);

    // Fixed after start().
    [[nodiscard]] const ServerUp& initial() const { return initial_; }
    [[nodiscard]] bool had_meta() const { return had_meta_; }
    [[nodiscard]] bool has_user_data() const { return has_user_data_; }
    [[nodiscard]] const MarkerKey& key() const { return key_; }
    [[nodiscard]] const Endpoint& endpoint() const { return service_.endpoint; }
    [[nodiscard]] const ConnectOptions& service() const { return service_; }
    [[nodiscard]] bool managed() const { return options_.managed; }
    [[nodiscard]] std::string server_files() const { return options_.data_dir + "/mysql/data"; }  // of a managed one
    [[nodiscard]] bool tells_by_binlog() const;
    [[nodiscard]] bool demands_keys() const { return options_.demand_keys; }
    [[nodiscard]] DefinitionClock& definitions() { return definitions_; }
    [[nodiscard]] const OwnRows& own_rows() const { return own_rows_; }
    [[nodiscard]] const std::string& server_program() const { return options_.server_program; }
    [[nodiscard]] std::uint64_t pid() const { return pid_; }
    [[nodiscard]] bool stalled() const;
    [[nodiscard]] std::string cluster() const;

  private:
    struct OpenOffice {
        Epoch epoch;
        LogIndex noop;
    };
    struct CloseOffice {
        Epoch epoch;
    };
    struct ServerLost {
        std::string reason;
        bool process_ended = false;
    };
    struct Look {};  // something changed that the supervisor waits for
    struct BeginRebuild {
        std::uint64_t attempt = 0;
    };
    struct ReadLoaded {};
    struct Install {
        EntryId last;
        std::vector<Entry> entries;
    };
    struct EndRebuild {};
    using Command =
        std::variant<OpenOffice, CloseOffice, ServerLost, Look, BeginRebuild, ReadLoaded, Install, EndRebuild>;

    // local_database_impl.cpp
    void supervise(const std::stop_token& stop);
    void handle(const Command& command);
    Status launch_server(bool may_initialise = true);
    void learn_abilities();   // of the server
    Status prepare_server();  // ddb_meta and settings
    Status bring_up();        // launch, prepare, recover
    void lose_server(const std::string& reason);
    void try_again();
    void sample_durability();
    void watch_commits();
    void watch_binlog();
    void watch_routines();
    Status ensure_control();
    void report_applied(LogIndex index);
    void audit(LogIndex index);
    void send(Command command);

    // office.cpp
    void try_open();
    Status finish_open(const OpenOffice& office);
    void close(Epoch epoch);
    Status recover();
    Status end_users_and_writes();
    void stop_office_workers();

    // rebuild.cpp
    void empty_database();
    [[nodiscard]] bool pristine();
    Status empty_managed(bool keep);
    Status empty_external();
    void report_loaded();
    Status install(const Install& snapshot);
    void leave_rebuild();

    const DatabaseOptions options_;
    Journal& journal_;
    const Sink sink_;
    CommitWatch commits_;
    const MarkerKey key_;
    ConnectOptions service_;
    OwnRows own_rows_;

    // Fixed by start().
    ServerUp initial_;
    bool had_meta_ = false;
    bool has_user_data_ = false;

    WorkQueue<Command> commands_;
    std::atomic<std::uint64_t> pid_{0};
    std::atomic<std::uint64_t> wanted_index_{UINT64_MAX};  // of an office that waits for the applier
    std::atomic<bool> ending_{false};
    std::string foreign_gtids_;  // of the binary log, without ours, when it was last looked at out of office
    std::atomic<bool> stalled_{false};
    std::atomic<std::chrono::steady_clock::time_point>
        asked_{};  // the supervisor, its server; nothing: it was answered
    std::atomic<bool> rebuilding_{false};

    // Of the supervisor (start() runs before its thread).
    std::unique_ptr<ManagedServer> server_;
    std::unique_ptr<Connection> control_;
    std::unique_ptr<Capture> capture_;
    bool up_ = false;
    std::optional<OpenOffice> opening_;
    bool dump_seen_ = false;        // since this object was made, a dump may have been loaded
    std::uint64_t attempt_ = 0;     // of the rebuild under way
    std::optional<Epoch> leaving_;  // OfficeLeft is owed once the server is back
    std::string format_description_;
    std::string version_;
    bool extended_metadata_ = false;
    std::atomic<bool> knows_hosts_ = false;
    Position position_;
    std::chrono::steady_clock::time_point next_attempt_;
    std::chrono::steady_clock::time_point down_since_;
    std::string trouble_;  // last reason why the server could not be brought up
    std::chrono::milliseconds back_off_{0};
    struct Sample {
        std::uint64_t lsn = 0;
        LogIndex applied;
    };
    std::deque<Sample> samples_;

    std::mutex audit_mutex_;
    std::unique_ptr<Digester> digester_;  // before the threads that begin one

    mutable std::mutex office_mutex_;  // the workers of an office as the loop thread sees them
    std::unique_ptr<Committer> committer_;
    std::unique_ptr<GroupReader> group_reader_;
    LogIndex decided_;
    std::string cluster_;

    std::mutex report_mutex_;
    LogIndex applied_;
    LogIndex durable_;

    std::mutex kill_mutex_;
    std::unique_ptr<Connection> killer_;

    mutable std::mutex tls_mutex_;
    mutable std::unique_ptr<Connection> tls_asker_;  // kept: there are as many questions as logins by TLS

    DefinitionClock definitions_;
    std::unique_ptr<Applier> applier_;
    std::jthread supervisor_;
};

}  // namespace ddb::storage
