// From "prepared on our server" to "decided": joins the groups the capture reads from the binary log with the XA
// transactions and statements the sessions ran, proposes them in the order of the binary log, and tells each owner how
// it ended. Lives as long as the engine, works during one office at a time; loop thread only.
//
// The binary log's order is kept because a later group may depend on an earlier one (a row on a new table, FACTS 14): a
// group whose session has not reported yet holds back those behind it. That wait is short: the group was written by the
// very statement whose report is on its way.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "node/core/io.hpp"
#include "node/session/part_feeder.hpp"
#include "node/session/write_result.hpp"
#include "node/storage/local_database.hpp"

namespace ddb::session {

// An XA transaction whose PREPARE returned.
struct PreparedWrite {
    std::string xid;
    TxnId txn;
    SessionId session;
    RequestNumber request;
    std::uint32_t statement_count = 1;
    Outcome outcome;
    // Temporary tables or those of schema mysql took part: an empty entry is decided, so that it may commit. (A marker
    // without an entry in the log would say that this database diverged.)
    bool keep_when_empty = false;
    bool behind_definition = false;  // what it read may be of a definition that is not decided
    std::unique_ptr<storage::Connection> connection;
    WriteDone done;
};

// A definition or account statement that has run.
struct FinishedStatement {
    std::uint64_t sequence = 0;
    TxnId txn;
    SessionId session;
    RequestNumber request;
    Outcome outcome;  // error_code: what the client is told, expected everywhere
    bool secret = false;
    std::string last_gtid;       // of its last group
    std::string settings_event;  // stands before those of its groups; may be empty
    WriteDone done;
};

// What the pipeline asks of its surroundings; all on the loop thread.
class PipelineHost {
  public:
    virtual ~PipelineHost() = default;
    virtual void propose(const core::Propose& proposal) = 0;
    virtual void register_prepared(LogIndex index, TxnId txn, std::string xid,
                                   std::unique_ptr<storage::Connection> connection) = 0;
    virtual void register_done(LogIndex index, bool part) = 0;  // `part`: of a large group
    virtual void read_group(Epoch epoch, storage::GroupPlace place) = 0;
    virtual void want_part() = 0;
    // XA ROLLBACK, then done() with the connection.
    virtual void roll_back(std::unique_ptr<storage::Connection> connection, std::string xid,
                           std::function<void(std::unique_ptr<storage::Connection>)> done) = 0;
    [[nodiscard]] virtual bool owns_connection(std::uint64_t thread_id) const = 0;
    // Of the one under way: may rows of that table depend on it?
    [[nodiscard]] virtual bool definition_concerns(std::string_view table) const = 0;
    virtual void foreign_write(const std::string& text) = 0;
    // The own server has what the log will not tell it, or tells it again.
    virtual void fence(const std::string& reason) = 0;
    [[nodiscard]] virtual TxnId next_txn() = 0;
    [[nodiscard]] virtual std::uint64_t wall_clock_us() const = 0;
};

class WritePipeline {
  public:
    explicit WritePipeline(PipelineHost& host);

    void open(Epoch epoch);
    // Everything undecided: proposed → unknown, the rest → failed (not_coordinator), connections dropped.
    void close(const std::string& reason);
    [[nodiscard]] bool empty() const { return writes_.empty() && statements_.empty() && proposals_.empty(); }
    // A transaction in parts is neither wholly in front of this moment nor wholly behind it.
    [[nodiscard]] bool between_large_groups() const {
        return feeder_.between_groups() && xa_ends_ == 0 && statement_ends_ == 0;
    }
    void hold_large_groups(bool held) { feeder_.hold(held); }
    void tick();  // now and then

    // Before XA START is sent; afterwards exactly one of prepared() and forget().
    void expect(const std::string& xid);
    void prepared(PreparedWrite write);
    void forget(const std::string& xid);
    // Before a statement runs under `sequence`; afterwards exactly one of the other three.
    void expect_statement(std::uint64_t sequence);
    void statement_logged(FinishedStatement statement);
    void statement_unlogged(FinishedStatement statement,
                            StatementPayload payload);  // proposed without capture (FACTS 17)
    void forget_statement(std::uint64_t sequence);

    void on_captured(storage::Captured group);
    void on_captured_part(storage::CapturedPart part);
    void on_committed(storage::Committed committed);
    void on_accepted(const core::ProposalAccepted& accepted);
    void on_refused(const core::ProposalRefused& refused);
    void on_unknown(const core::ProposalUnknown& unknown);
    void on_decided(LogIndex up_to);

  private:
    struct Write {
        bool ready = false;
        PreparedWrite write;
        ProposalToken waits_for;  // empty group behind a sequence group of the same connection
    };
    struct Statement {
        bool ready = false;
        FinishedStatement finished;
        StatementPayload gathered;  // of its groups so far
        std::uint64_t rows = 0;
    };
    struct Proposal {
        enum class Kind : std::uint8_t { xa, statement, other, part } kind = Kind::other;
        std::string xid;
        std::uint64_t sequence = 0;
        LogIndex index;              // 0: not accepted yet
        bool server_tables = false;  // of other: in effect on this server already, and for good
        // A part, or the end of parts: proposed again when refused, until it has its place.
        std::optional<Entry> of_parts{};
    };

    void drain();
    [[nodiscard]] bool take_xa(storage::Captured& group);
    [[nodiscard]] bool take_statement(storage::Captured& group);
    void take_other(storage::Captured& group);
    void propose_rows(Write& slot, storage::Captured& group);
    [[nodiscard]] static Entry entry_of(const Write& slot, std::uint64_t rows);
    void feed(const Write& slot, storage::Captured& group);
    void feed(const Statement& slot, storage::Captured group);
    void propose_of_parts(Entry entry, Proposal proposal);
    void propose_end(const std::string& xid, std::uint64_t rows, std::uint64_t thread_id, PartsRange parts);
    void take_empty(Write& slot, std::uint64_t thread_id);
    [[nodiscard]] bool must_wait(const storage::Captured& group) const;
    [[nodiscard]] bool depends_on_definition(const storage::Captured& group) const;
    void fail_write(std::string xid, const Error& error);
    void propose_statement(std::uint64_t sequence, Statement& slot);
    ProposalToken propose(Entry entry, Proposal proposal);
    void finish_empty(std::string xid);
    void forget_others();
    void fence_if_kept(const Proposal& proposal);
    void settled(ProposalToken token);  // an `other` proposal ended: whoever waits for it goes on
    [[nodiscard]] WriteDone take_write(const std::string& xid, std::unique_ptr<storage::Connection>& connection);
    void end_statement(std::uint64_t sequence, WriteResult result);

    PipelineHost& host_;
    PartFeeder feeder_;
    std::vector<ProposalToken> again_;  // refused, and to be proposed again
    std::size_t xa_ends_ = 0;           // of parts, that have no place in the log yet
    std::size_t statement_ends_ = 0;
    Epoch epoch_;  // 0: closed
    ProposalToken last_token_;
    std::unordered_map<std::string, Write> writes_;
    std::map<std::uint64_t, Statement> statements_;
    std::deque<storage::Captured> groups_;         // not proposed yet, in the order of the binary log
    std::optional<storage::Captured> definition_;  // taken out of it while its many rows go into the log
    std::map<ProposalToken, Proposal> proposals_;
    std::map<LogIndex, ProposalToken> by_index_;
    std::unordered_map<std::uint64_t, ProposalToken> last_other_;  // by connection
    // Connections that changed tables of schema mysql. The marker of the transaction around it has to stand in the log
    // behind that, or this node would not know later that it has these rows.
    std::unordered_set<std::uint64_t> unproven_;
};

}  // namespace ddb::session
