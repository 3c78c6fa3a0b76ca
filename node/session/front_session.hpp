// A client's session on the node it talks to: one request after the other, read here or sent on to the coordinator,
// with the request's deadline, and sent again to the next coordinator when an office ends. Loop thread only.
//
// As a guest it is part of another node's session: it does reads for it, when that balances its reads, and declines
// everything else. It lives and dies with one connection to the server, on which that session's settings were said.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/session/classifier.hpp"
#include "node/session/engine_parts.hpp"
#include "node/session/last_statement.hpp"
#include "node/session/results.hpp"
#include "node/session/said_again.hpp"
#include "node/session/statement_jobs.hpp"
#include "node/session/temporary_tables.hpp"
#include "node/session/user_locks.hpp"
#include "schemas/row_count.hpp"

namespace ddb::session {

class FrontSession {
  public:
    FrontSession(EngineParts& parts, std::uint64_t serial, Origin client, OpenSession open);
    ~FrontSession();
    FrontSession(const FrontSession&) = delete;
    FrontSession& operator=(const FrontSession&) = delete;

    void open();
    void on_execute(Execute execute);
    void on_cancel(RequestNumber request);
    void on_credit(const Credit& credit);
    void on_file(FileContent file);
    void on_back_message(NodeId from, SessionMessage message);
    void on_reader_message(NodeId from, SessionMessage message);  // of a guest of ours
    void on_guest_execute(Execute execute);                       // of the node whose guest this is
    void on_view();
    void on_peer_gone(NodeId peer);
    void on_session_names();  // they have been looked at
    void on_server_lost();    // the local connection is of no use any more
    void tick();
    void close();  // the client is gone

    [[nodiscard]] const Origin& client() const { return client_; }
    [[nodiscard]] std::uint64_t serial() const { return serial_; }
    [[nodiscard]] bool guest() const { return static_cast<bool>(client_.peer); }
    [[nodiscard]] bool transaction_here() const { return txn_here_; }
    [[nodiscard]] bool refused() const { return closed_ && outbox_.empty(); }  // told so: may be removed
    [[nodiscard]] bool forgotten() const;  // a guest that is not asked for anything any more: is to be removed

  private:
    // Of a request without a limit of its own, to find somebody to run it.
    static constexpr std::uint64_t begin_ms_max = 10'000;
    enum class Step : std::uint8_t { file, barrier, local, afar, waiting, forwarded };
    struct Active {
        Execute execute;
        Classified statement;
        Step step = Step::waiting;
        std::uint64_t deadline_ms = 0;
        std::uint64_t begin_until_ms = 0;  // without a deadline of its own: somebody must run it by then; 0 = none
        std::uint64_t give_up_ms = 0;      // after a cancel: the latest moment for a definite answer; 0 = not cancelled
        std::uint64_t resend_ms = 0;
        std::uint64_t not_before_ms = 0;  // of the next attempt
        std::uint64_t unsure_ms = 0;  // behind the barrier it waits since then for what its names mean; 0 = it does not
        std::uint64_t wait_id = 0;
        bool ever_forwarded = false;
        bool repeated = false;   // an earlier attempt may have run
        bool only_asks = false;  // what became of it: it must not run any more
        bool answer_started = false;
        bool in_transaction = false;  // of this session on the coordinator, when the request began
        bool here = false;            // part of the READ ONLY transaction on this node's server
        bool looks = false;           // the server here is only asked what it says of the statement
        bool local_retried = false;
        bool cancelled_by_client = false;
        bool keeps_counts = false;  // GET DIAGNOSTICS
        Epoch avoid_epoch;          // its coordinator could not tell: only another one can
        std::uint64_t resend_gap_ms = 0;
        std::optional<Error> unknown;  // what a coordinator said before it lost its office
        RowCount rows;                 // relayed, of the current result
        std::size_t columns = 0;       // of the current result
        std::uint64_t hidden_rows = 0;
        bool only_here = false;  // reads what this node has, and no other
        bool late = false;       // asked elsewhere because of what keeps this node from reading
        NodeId reader;           // of step afar: who reads it
        RequestNumber asked;     // and its number there
        ReadSlot slot;           // of a read
        std::shared_ptr<CreditStream> stream;
        std::optional<FileContent> piece;  // the last one that was sent on
        std::uint64_t piece_end = 0;       // of the newest that the client gave
        bool piece_asked = false;          // of the client, behind that
    };
    // The read-only XA on the local connection: reads that follow each other closely share it, or it is that of a
    // READ ONLY transaction.
    struct LocalXa {
        std::string xid;  // empty = none
        std::uint64_t begun_ms = 0;
        bool shared = false;       // of a report: the read found it open
        bool transaction = false;  // lasts until the client ends it
    };
    // A guest of this session, on another node.
    struct Reader {
        NodeId node;
        SessionId id;        // 0 = there is none now
        RequestNumber last;  // that was sent to it
        bool opened = false;
        std::uint64_t open_until_ms = 0;
        std::uint64_t used_ms = 0;
        std::uint64_t not_before_ms = 0;  // it did not want this session
    };
    struct LocalReport {
        ConnectionPtr connection;
        LocalXa xa;
        StatementEnd end;
        bool setting_failed = false;
        bool left_state = false;  // as Connection::left_state()
    };
    struct LocalJob;

    // front_session.cpp
    void connected(ConnectionPtr connection, const std::optional<Error>& error, bool last_try);
    [[nodiscard]] SessionOpened opened_here() const;
    void refuse_opening(const Error& error);
    void watch_opening();
    [[nodiscard]] static bool is_servers_own(std::string_view database);
    [[nodiscard]] bool answer_without_work();
    void connect(bool last_try);
    void advance();
    void begin(Execute execute);
    void finish(ResultEnd end);
    void finish_error(Error error);
    void send(SessionMessage message);
    void fit_to_client(SessionMessage& message);
    void flush();
    void at_deadline();
    [[nodiscard]] ResultEnd make_end() const;
    [[nodiscard]] Error no_quorum() const;
    [[nodiscard]] Error unknown_outcome() const;
    [[nodiscard]] bool only_reads() const;

    // front_local.cpp
    [[nodiscard]] bool replayable() const {
        return not_replayable_.empty() && !temporary_tables_.any() && !user_locks_.any();
    }
    [[nodiscard]] bool settings_known() const { return replayable() && reads_anywhere_; }
    [[nodiscard]] bool holds_locks() const { return table_locks_ || read_lock_; }
    [[nodiscard]] bool may_read_here() const;
    void read_locally();
    void run_if_local();
    [[nodiscard]] bool wait_for_names();
    [[nodiscard]] bool names_session() const;
    [[nodiscard]] bool tell_kept_warnings();
    void run_locally();
    [[nodiscard]] bool local_closed_while_idle() const;
    void start_local(LocalJob job, bool early);
    static void open_xa(LocalJob& job);
    [[nodiscard]] static LocalReport read_on_executor(LocalJob& job, const storage::LocalDatabase& database);
    [[nodiscard]] static bool writes(std::uint16_t error);
    [[nodiscard]] static bool is_denial(std::uint16_t error);
    static void say_settings(LocalJob& job, LocalReport& report);
    static void look_for_state(const LocalJob& job, LocalReport& report);
    static void open_transaction(LocalJob& job, LocalReport& report);
    [[nodiscard]] std::vector<std::string> settings_of_connection() const;
    void local_done(LocalReport report);
    void local_back(ConnectionPtr connection, LocalXa xa);
    void run_wanted();
    void close_idle_xa();
    void close_local_xa(bool ask);
    void end_local(const StatementEnd& end);
    void cancel_local();
    [[nodiscard]] CreditStream::Deliver deliver() const;
    void send_rows(RequestNumber request, std::vector<SessionMessage> messages);

    // front_begin.cpp
    void hold(Begin begin);
    [[nodiscard]] bool hold_begin();
    [[nodiscard]] bool end_held();
    [[nodiscard]] bool begin_is_answered(const ResultEnd& end) const;

    // front_read_only.cpp
    [[nodiscard]] bool may_begin_here() const;
    [[nodiscard]] bool run_read_only_here();
    [[nodiscard]] bool not_in_here();
    void end_here();
    void leave_here();
    void lose_here();
    void done_here(LocalReport report);
    void looked_here(LocalReport report);

    // front_balance.cpp
    [[nodiscard]] ReadBalance balance() const;
    [[nodiscard]] bool may_ask_reader() const;
    [[nodiscard]] bool read_elsewhere();
    [[nodiscard]] bool ask_some_reader(ReadBalance how, bool or_here);
    void ask_where_it_is_known();
    void ask_reader(NodeId node);
    void ask_again_elsewhere();
    [[nodiscard]] Reader* reader_on(NodeId node);
    [[nodiscard]] bool open_reader(Reader& reader);
    [[nodiscard]] bool say_to(Reader& reader, const std::string& sql);
    void tell_readers(const std::string& sql);
    void drop_reader(Reader& reader);
    void drop_readers();
    void use_elsewhere(const std::string& database);
    void reader_end(ResultEnd end);
    void reader_declined(const Error& error);
    void reader_lost(NodeId node);
    void watch_readers();
    [[nodiscard]] Error timed_out() const;

    // front_guest.cpp
    [[nodiscard]] static bool is_for_coordinator(std::uint16_t error);
    void begin_guest();
    void guest_done(LocalReport report);
    void decline(ErrorCode code, std::string why);

    // front_file.cpp
    [[nodiscard]] bool ask_for_file();
    void on_piece_wanted(std::uint64_t offset);
    void on_piece(FileContent piece);

    // front_ddb.cpp
    [[nodiscard]] bool answer_of_ddb();
    void answer_table(const NodeTable& table);

    // front_forward.cpp
    void forward();
    [[nodiscard]] Execute to_send() const;
    void say_again(std::string sql);
    void say_last_insert_id();
    void tell_state_lost();
    [[nodiscard]] bool open_back();
    void back_lost();
    void end_lost_transaction(std::string_view why);
    void retry_later(std::uint64_t after_ms);
    void on_back_opened(const SessionOpened& opened);
    void on_back_end(ResultEnd end);
    void fate_told(ResultEnd end);
    void relay(SessionMessage message);
    void learn_state(const ResultEnd& end);
    void note_ties();
    void remember_set();

    EngineParts& parts_;
    const std::uint64_t serial_;
    const Origin client_;
    OpenSession open_;
    bool accepted_ = false;
    bool closed_ = false;
    std::string database_;
    LogIndex seen_;
    std::optional<Consistency> read_consistency_;  // by SET; what the client says with a request otherwise
    std::optional<WriteConcern> write_concern_;
    std::deque<Execute> queue_;
    std::optional<Active> active_;
    RequestNumber last_request_;
    std::optional<ResultEnd> last_end_;
    LastStatement last_;
    std::deque<SessionMessage> outbox_;

    // local reads
    ConnectionPtr local_;
    bool local_busy_ = false;
    bool local_wanted_ = false;    // a read waits for the connection
    bool local_poisoned_ = false;  // a KILL of it is under way
    std::uint64_t local_id_ = 0;
    LocalXa local_xa_;
    std::uint64_t local_used_ms_ = 0;
    std::string local_database_;
    SaidAgain local_unsaid_;  // settings that the local connection has not been told yet
    bool last_was_local_ = false;
    std::uint64_t opening_wait_id_ = 0;
    std::uint64_t opening_until_ms_ = 0;
    LogIndex opening_index_;              // what this server had applied before it was asked
    Error opening_refusal_;               // that this server may take back when it has applied more
    std::optional<bool> connects_later_;  // the argument of connect()

    // reads of other nodes
    std::optional<ReadBalance> read_balance_;  // by SET
    std::vector<Reader> readers_;              // one for each node that was asked
    NodeId last_reader_;                       // of the last statement, when last_was_local_; 0 = this session itself
    bool reads_anywhere_ = true;               // all of said_ means the same on any server

    // as a guest
    bool guest_lost_ = false;  // its connection, or a setting: nothing more is read here
    RequestNumber guest_last_;
    std::uint64_t guest_used_ms_ = 0;

    // the back session
    NodeId back_node_;  // 0 = none open
    Epoch back_epoch_;
    bool had_back_ = false;
    std::uint64_t last_insert_id_ = 0;  // goes along to the next coordinator
    bool in_transaction_ = false;
    bool reads_only_ = false;       // the transaction does
    std::string transaction_lost_;  // why, until the client is told
    // BEGIN was answered here and goes to the coordinator with the transaction's first statement. None once an answer
    // says that it is open there.
    Begin held_begin_ = Begin::none;
    bool held_begin_sent_ = false;           // to this coordinator: what it did with it is not known
    std::optional<bool> read_only_default_;  // by SET; else what the server has
    bool serializable_ = false;              // by SET
    // A READ ONLY transaction runs on this node's server.
    bool txn_here_ = false;
    bool here_open_ = false;          // something was read in it: its XA is open
    bool here_asked_ = false;         // something of it ran on the coordinator
    Begin here_begun_ = Begin::none;  // the BEGIN that it came from; none: with autocommit off
    bool back_autocommit_ = true;
    bool no_backslash_escapes_ = false;  // as the last server said that answered
    bool next_on_back_ = false;          // SET TRANSACTION concerns the next statement
    KeptWarnings warnings_;              // of the last local read, where its server has forgotten them
    bool table_locks_ = false;           // by LOCK TABLES
    bool read_lock_ = false;             // by FLUSH TABLES WITH READ LOCK
    SaidAgain said_;
    std::string not_replayable_;  // in words: state that a new coordinator cannot be given, beside temporary tables
    TemporaryTables temporary_tables_;
    UserLocks user_locks_;
};

}  // namespace ddb::session
