// Carries events into the core and its effects out: the only place where core, journal, links, database and sessions
// meet. Contains no protocol rule and no SQL.
// Owner: the loop thread; lives as long as the loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "bus/mailbox.hpp"
#include "bus/peer_links.hpp"
#include "bus/publisher.hpp"
#include "config/settings.hpp"
#include "node/audit.hpp"
#include "node/core/core.hpp"
#include "node/dialler.hpp"
#include "node/mysql_front.hpp"
#include "node/session/session_engine.hpp"
#include "node/storage/journal.hpp"
#include "node/storage/local_database.hpp"
#include "node/transfer.hpp"
#include "node/verbs.hpp"

namespace ddb::node {

// Asks the loop to let the session engine take what its executors posted.
struct SessionsWaiting {};
// Chunks of a state transfer were cut or taken.
struct TransferWaiting {};
using LoopEvent =
    std::variant<core::JournalCompleted, storage::DatabaseEvent, SessionsWaiting, TransferWaiting, AccountHashes>;
using LoopMailbox = bus::Mailbox<LoopEvent>;

class Driver final : public session::SessionHost {
  public:
    struct Parts {
        const config::Settings& settings;
        bus::PeerLinks& links;
        bus::Publisher& publisher;
        storage::Journal& journal;
        storage::LocalDatabase& database;
        LoopMailbox& mailbox;
        Dialler& dialler;
    };
    Driver(const Parts& parts, core::CoreConfig config, core::RecoveredState recovered, const std::string& own_address);
    ~Driver() override;

    void on_received(bus::Received received);
    void on_link(bus::PeerLinks::LinkEvent event);
    void on_event(LoopEvent event);
    void tick(std::uint64_t now_ms);  // every 10 ms
    // Lets MySQL clients in. Errors: the port cannot be used.
    Status open_gateway(const std::string& bind_address);
    [[nodiscard]] int gateway_fd() const { return front_ ? front_->fd() : -1; }
    void on_gateway_readable() { front_->on_ready(); }
    [[nodiscard]] int answers_fd() const { return sessions_.answers_fd(); }
    void on_answers_readable() { sessions_.on_answers(now_ms_); }
    // Carries out everything the core wants done; call once per round of the loop.
    void flush();
    // Told to end: a coordinator hands its office over first, to whoever can take it. The loop goes on until
    // may_stop(), which is at once without an office, or when told again, and otherwise within two seconds.
    void begin_stop();
    [[nodiscard]] bool may_stop() const;

    [[nodiscard]] const core::CoreStatus& status() const { return status_; }
    [[nodiscard]] Hello hello() const;

    // session::SessionHost
    Status send(const session::Origin& to, const SessionMessage& message) override;
    void ask_read_index(ReadToken token) override;
    void ask_outcome(const core::OutcomeQuery& query) override;
    void propose(const core::Propose& proposal) override;
    std::uint16_t holders(LogIndex index) override;
    [[nodiscard]] bool applied_everywhere(LogIndex index) override;
    [[nodiscard]] session::NodeTable show(session::DdbView view) override;
    void log(int level, const std::string& text) override;
    void wake() override;

  private:
    void on_session_message(const session::Origin& origin, SessionMessage message);
    void on_database(storage::DatabaseEvent event);
    void on_fenced(const std::string& reason);
    void on_rebuild_needed(const core::RebuildNeeded& needed);
    void on_rebuild_over();
    void advance_rebuild_wish();
    [[nodiscard]] TransferHost transfer_host();
    [[nodiscard]] AuditHost audit_host();
    void hold_definitions();
    void watch_foreign_writes();
    void note_copies();
    [[nodiscard]] storage::OtherCopies other_copies() const;
    [[nodiscard]] std::uint64_t foreign_writes() const { return foreign_writes_ + sessions_.counters().foreign_writes; }
    [[nodiscard]] std::string why_no_donor() const;
    void carry_out(core::Effect effect);
    void on_role_changed(const core::RoleChanged& change);
    void say_role(const core::RoleChanged& change);
    void report_if_changed();
    void end_sessions_of_removed();
    void refresh_view();
    void record_formation();
    void publish(const std::string& event);
    void note_stall(bool stalled, const char* what);
    void advance_quiesce();
    void on_command_answer(const core::CommandAnswer& answer);
    [[nodiscard]] std::uint64_t uptime_s() const { return now_ms_ / 1000 - started_ms_ / 1000; }

    Parts parts_;
    core::CoreConfig config_;
    bool database_void_ = false;  // nothing in the local server may be read or applied to
    std::string own_address_;
    core::Core core_;
    core::CoreStatus status_;
    core::LocalReport report_;
    bool report_dirty_ = true;
    std::atomic<bool> wake_posted_{false};  // before sessions_: its executors wake us to the very end
    std::unique_ptr<MysqlFront> front_;     // and so does what it answers its clients
    gateway::ServerIdentity server_;
    session::SessionEngine sessions_;
    std::atomic<bool> transfer_posted_{false};
    Transfer transfer_;  // behind what it calls
    Audit audit_;
    bool held_by_transfer_ = false;  // definitions
    bool held_by_audit_ = false;
    RebuildLimit rebuild_limit_;
    std::optional<std::uint64_t> rebuild_wanted_ms_;  // when the core is to be told
    Verbs verbs_;
    session::ClusterView view_;
    std::vector<NodeId> member_ids_;
    std::string fenced_reason_;
    NodeId led_by_;  // coordinator and epoch that this node knows of, and since when
    Epoch led_in_;
    std::uint64_t led_since_ms_ = 0;
    std::uint64_t foreign_writes_ = 0;         // seen by the storage; the sessions count theirs
    std::uint64_t foreign_writes_wished_ = 0;  // those an audit was wished for
    bool cluster_recorded_ = false;
    std::optional<std::uint64_t> quiesce_until_ms_;
    std::optional<std::uint64_t> stop_until_ms_;
    std::optional<OpId> entries_under_way_;  // oldest journal write with entries that is not durable
    std::uint64_t now_ms_ = 0;
    struct SaidRole {
        std::string text;
        std::uint64_t at_ms = 0;
    };
    std::map<core::Role, SaidRole> said_roles_;
    std::uint64_t started_ms_ = 0;
    std::uint64_t next_publish_ms_ = 0;
    std::uint64_t stall_again_ms_ = 0;  // when the log may be told of one again
    bool stall_said_ = false;
};

}  // namespace ddb::node
