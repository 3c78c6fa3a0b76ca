// A session's life on the coordinator: its read-write connection, its transaction, and one request after the other
// through executor, pipeline and decision. Exists during one office only; the front node opens another where the next
// one is.
//
// Loop thread only. While a job runs on an executor, or a write waits for its decision, the connection is away; a
// closed session stays until it came back, because its end decides what a retry of the same request is told.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "node/session/classifier.hpp"
#include "node/session/engine_parts.hpp"
#include "node/session/hidden_texts.hpp"
#include "node/session/open_handlers.hpp"
#include "node/session/statement_jobs.hpp"
#include "node/session/temporary_tables.hpp"
#include "node/session/user_locks.hpp"

namespace ddb::session {

class BackSession {
  public:
    BackSession(EngineParts& parts, std::uint64_t serial, NodeId peer, OpenSession open);
    ~BackSession();
    BackSession(const BackSession&) = delete;
    BackSession& operator=(const BackSession&) = delete;

    void open();
    void on_execute(Execute execute);
    void on_cancel(RequestNumber request);
    void on_credit(const Credit& credit);
    void on_file(FileContent piece);
    void on_outcome(const core::OutcomeAnswer& answer);
    void on_gate_entered();
    void on_tables_free();     // it waited for another session's LOCK TABLES
    void on_other_finished();  // the same request, on another back session
    void resume() { advance(); }
    void tick();
    // No more requests; `reason` is the answer to those that wait or run. Ends what can be ended.
    void close(const Error& reason);

    [[nodiscard]] bool over() const { return closed_ && !busy_ && !deciding_; }
    [[nodiscard]] bool running() const { return busy_; }  // something on the server
    [[nodiscard]] bool transaction_open() const { return txn_.open && !closed_; }
    // Nothing a hand-over would disturb.
    [[nodiscard]] bool quiet() const;
    [[nodiscard]] std::uint64_t serial() const { return serial_; }

  private:
    struct Transaction {
        bool open = false;    // BEGIN, or a statement under autocommit=0
        bool begun = false;   // the former
        bool active = false;  // XA START was sent
        bool read_only = false;
        bool read_write = false;  // asked for, and not what the session's transactions are
        bool barrier_passed = false;
        bool behind_definition = false;  // it may have read what a definition did that is not decided
        bool wrote = false;              // perhaps
        bool under_read_lock = false;    // began under the session's own: only reads
        std::string xid;
        TxnId txn;
        std::uint32_t statements = 0;
    };
    static constexpr std::uint64_t barrier_ms_max = 10'000;
    enum class Phase : std::uint8_t {
        looking_up,
        joining,
        barrier,
        gate,
        locked,  // by another session's LOCK TABLES
        running,
        deciding,
        applying_everywhere,
        sending
    };
    struct Active {
        Execute execute;
        Classified statement;
        Phase phase = Phase::running;
        bool registered = false;    // in RequestRegistry
        bool absent = false;        // looked up: it has not happened
        std::uint64_t wait_id = 0;  // of the barrier
        std::uint64_t barrier_until_ms = 0;
        std::uint64_t outcome_token = 0;
        std::uint64_t deadline_ms = 0;
        std::uint64_t locks_until_ms = 0;  // of a wait for tables; 0: none so far
        bool locking = false;              // LOCK TABLES and its kin have begun to
        bool asks_read_lock = false;       // and did not hold it before
        bool writes = false;               // a query, as was found out
        bool only_read = false;            // so that it is found out
        bool left_state = false;           // see note_left_state()
        bool understood = false;           // of LOCK TABLES
        bool locks_asked = false;          // the session's own, about this statement
        bool row_key = false;              // its text was given one
        bool own_engine = false;           // likewise InnoDB
        bool columns = false;              // likewise the names of columns, or should have been
        std::shared_ptr<CreditStream> stream;
        std::shared_ptr<FileSource> file;
        std::int64_t credit = 0;  // for kept results
        std::deque<SessionMessage> kept;
        std::optional<ResultEnd> end;
        StatementEnd statement_end;
        std::function<void()> after_commit;
    };
    using Work = std::function<JobReport(ConnectionPtr, const StatementJob&)>;
    using Done = void (BackSession::*)(JobReport);

    // back_session.cpp: queue, replies, life
    void advance();
    void begin_request(Execute execute);
    void look_up();
    [[nodiscard]] bool closed_while_idle() const;
    void mend_routine();
    void open_file();
    void leave_file();
    [[nodiscard]] bool answered_before(const Execute& execute);
    void send(SessionMessage message);
    void send_all(std::vector<SessionMessage> messages);  // nothing once closed
    void flush();
    void finish(ResultEnd end);
    void finish_ok(std::string info = {});
    void finish_error(Error error);
    void finish_report(const JobReport& report);
    void send_kept();
    [[nodiscard]] ResultEnd make_end() const;
    void drop_connection();
    void connected(JobReport report, const std::optional<Error>& error);
    void end_life(const Error& reason);

    // back_dispatch.cpp: what a statement needs
    void dispatch();
    void dispatch_kind();
    void dispatch_set();
    void dispatch_set_that_reads();
    void keep_setting();
    void autocommit_asked(JobReport report);
    void dispatch_set_transaction();
    void dispatch_temporary_table();
    [[nodiscard]] bool take_next_read_only();
    void dispatch_begin();
    void dispatch_end_of_transaction();
    void end_unstarted(std::function<void()> after);
    void dispatch_data();
    void dispatch_definition();
    void dispatch_diagnostics();
    void start_transaction();
    void with_barrier(std::function<void()> go);
    [[nodiscard]] bool needs_barrier() const;
    void open_transaction(bool read_only);
    void roll_back_then(std::function<void()> after);

    // back_locks.cpp: LOCK TABLES
    [[nodiscard]] std::optional<TableLocks::Statement> for_locks() const;
    [[nodiscard]] bool waits_for_locks();
    [[nodiscard]] bool asks_own_locks();
    void own_locks_asked(JobReport report);
    void wait_for_locks();
    void lock_wait_known(JobReport report);
    void set_lock_deadline(std::uint64_t wait_ms);
    void take_locks();
    void end_locks();
    void unlock_tables();
    void give_up_locking();
    void meet_users();
    void users_met(JobReport report);
    void locks_too_late();
    [[nodiscard]] bool locks_lost();

    // back_read_lock.cpp: FLUSH TABLES WITH READ LOCK
    [[nodiscard]] ReadLock::Use use_of_read_lock() const;
    [[nodiscard]] bool fills_by_writing() const;
    [[nodiscard]] bool waits_for_read_lock();
    [[nodiscard]] bool forbidden_by_read_lock();
    [[nodiscard]] bool definition_conflicts();
    void ask_read_lock();
    void read_lock_allowed(JobReport report);
    [[nodiscard]] bool may_write_now() const;
    void wait_for_use(ReadLock::Use use);
    void meet_writers();
    void note_transactions_writes();
    [[nodiscard]] bool turned_out_to_write(JobReport& report);
    void tell_of_read_lock(JobReport& report);
    void stop_waiting(Error error);

    // back_handlers.cpp: HANDLER
    [[nodiscard]] bool handler_forbidden();
    void note_handlers();
    void forget_unknown_handler(const ResultEnd& end);
    void let_handlers_go();
    void handlers_let_go(JobReport report);

    // back_definition.cpp
    void run_as_definition();
    void definition_parsed(JobReport report);
    void definition_done(JobReport report);
    void propose_definition(const JobReport& report);
    void definition_decided(WriteResult result);

    // back_transaction.cpp: jobs and their ends
    [[nodiscard]] StatementJob make_job();
    void start_job(Work work, StatementJob job, Done done);
    void start_inside(StatementJob job);
    [[nodiscard]] Task make_task(Work work, StatementJob job, Done done);
    void note_definition();
    [[nodiscard]] std::string_view reader_text() const;
    void job_over(JobReport& report);
    void new_xid();
    void run_alone(bool try_read_only, bool read_only = false);
    void run_inside();
    void run_outside();
    void alone_done(JobReport report);
    void inside_done(JobReport report);
    void outside_done(JobReport report);
    void described(JobReport report);
    void commit_then(std::function<void()> after, bool clients_request);
    void commit_prepared(JobReport report);
    void commit_decided(WriteResult result);
    void rollback_done(JobReport report);
    void propose_prepared(JobReport& report, bool clients_request, void (BackSession::*decided)(WriteResult));
    void alone_decided(WriteResult result);
    void write_decided(const WriteResult& result, std::uint16_t error_code);
    void transaction_gone();
    void note_success();
    void note_dropped();
    void note_left_state(const JobReport& report);
    void note_hidden_autocommit(const JobReport& report);
    void kill_running();
    [[nodiscard]] bool runs_again_otherwise(const JobReport& report);
    [[nodiscard]] bool runs_as_revealed(const JobReport& report);
    void note_prepared(const JobReport& report);
    [[nodiscard]] bool asks_for_columns();
    void columns_named(JobReport report);
    [[nodiscard]] bool inside_error_ends_here(const JobReport& report);

    EngineParts& parts_;
    const std::uint64_t serial_;
    const NodeId peer_;
    const OpenSession open_;
    std::string database_;
    ConnectionPtr connection_;
    std::uint64_t connection_id_ = 0;
    bool connected_ = false;
    bool closed_ = false;
    bool busy_ = false;      // a job has the connection
    bool killable_ = false;  // and runs the user's statement
    bool deciding_ = false;  // the pipeline has it
    bool killing_ = false;   // a KILL is on its way: nothing new may run on the connection
    bool in_gate_ = false;
    bool letting_go_ = false;  // let_handlers_go() has the connection
    bool autocommit_ = true;
    bool read_only_default_ = false;
    std::optional<bool> next_read_only_;  // by SET TRANSACTION, for one only
    bool next_is_set_ = false;            // the server has some SET TRANSACTION for the next that begins
    bool reads_anew_ = false;
    bool no_backslash_escapes_ = false;  // of the server's last answer
    TemporaryTables temporary_tables_;
    UserLocks user_locks_;
    PreparedTexts prepared_texts_;
    bool unsure_ = false;  // the server may be in a state in which XA START fails (hidden LOCK TABLES, SET autocommit)
    bool switch_autocommit_on_ = false;  // in the server, once no XA is under way
    bool computed_variables_ = false;    // user variables that the next coordinator cannot be given
    bool clients_commit_ = false;
    Transaction txn_;
    KeptWarnings warnings_;  // of the session's last statement, where its server has forgotten them
    OpenHandlers handlers_;
    std::string lock_sql_;  // the session's LOCK TABLES
    std::string lock_database_;
    std::string lost_reason_;  // the transaction was rolled back without a request of the client
    LogIndex last_index_;      // of the session's newest write
    std::uint64_t last_used_ms_ = 0;
    std::deque<Execute> queue_;
    std::optional<Active> active_;
    std::optional<ResultEnd> last_end_;
    std::deque<SessionMessage> outbox_;
};

}  // namespace ddb::session
