// One MySQL client's conversation: packets in, session messages out, and back. Knows neither sockets nor how SQL is
// routed: it is a front end of the session engine like the bus is. Owner: the loop thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/gateway/bulk_execution.hpp"
#include "node/gateway/handshake.hpp"
#include "node/gateway/kill_statement.hpp"
#include "node/gateway/known_passwords.hpp"
#include "node/gateway/login_key.hpp"
#include "node/gateway/packets.hpp"
#include "node/gateway/replies.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::gateway {

struct ConversationLimits {
    std::size_t packet_bytes_max = statement_bytes_max + 1;  // of a command
    std::size_t statements_prepared_max = 16'382;            // as max_prepared_stmt_count of a server
    std::size_t prepared_bytes_max = 64u << 20;              // texts, long data and cursors of one client
    std::size_t output_bytes_high = 4u << 20;                // no credit for more rows above
};

// What the node's server says of itself, and so the greeting.
struct ServerIdentity {
    std::string version;             // empty: it is down
    bool extended_metadata = false;  // it tells the names of columns' types and formats (MariaDB 10.5)
};

// Whether the client may, or must, speak TLS behind the greeting.
enum class TlsOffer : std::uint8_t { none, offered, required };

// What a conversation wants from its surroundings.
class ConversationHost {
  public:
    virtual ~ConversationHost() = default;
    virtual void send(SessionMessage message) = 0;          // to the session engine
    virtual void ask_account(const std::string& user) = 0;  // answered by on_account
    [[nodiscard]] virtual SessionId new_session() = 0;      // never used before
    [[nodiscard]] virtual std::string new_challenge() = 0;  // scramble_bytes bytes, none of them 0
    // For clients of a server that keeps passwords as caching_sha2_password; null where mysql_native_password is known.
    [[nodiscard]] virtual const LoginKey* login_key() const = 0;
    [[nodiscard]] virtual KnownPasswords& known_passwords() = 0;              // for these clients
    [[nodiscard]] virtual const std::string& certificate_digest() const = 0;  // of TlsContext
    [[nodiscard]] virtual std::string peer_name() const = 0;                  // address of the client
    [[nodiscard]] virtual std::uint16_t peer_port() const = 0;                // 0: through loopback, or a path
    [[nodiscard]] virtual bool peer_is_elsewhere() const = 0;                 // on another host
    // Ends another client's statement or connection. Errors as a server's: 1094 (no such connection here), 1095 (of
    // another user).
    virtual Status kill(const KillRequest& request, const std::string& by) = 0;
};

struct PreparedStatement;

// What a command that runs is for, as far as its answers differ. `together`, `login`: statements of our own, which only
// together have an answer; one of a login that fails ends the connection. `bulk`: executions for one row each.
enum class CommandAnswer : std::uint8_t { text, binary, bulk, ok_only, field_list, describe, together, login };
// Of a prepared CALL: gives values to variables, runs, reads them (out_parameters.cpp).
enum class CallStage : std::uint8_t { none, setting, calling, reading };
struct RunningCommand {
    CommandAnswer answer = CommandAnswer::text;
    std::deque<std::string> statements;  // of a multi-statement command: those behind the one that runs
    std::vector<Column> columns;         // of the result that comes in
    bool in_result = false;
    bool last = false;            // the connection ends with it
    bool call = false;            // another result always follows one with rows
    std::uint32_t statement = 0;  // prepared: the one described or executed
    CallStage stage = CallStage::none;
    std::string call_sql;
    ResultEnd call_end;
    bool holds_rows = false;  // for a cursor of that statement
    bool answered = false;
    std::optional<BulkExecution> bulk;
    FileContent file;                    // of the client: what has come of the piece that is wanted
    bool file_open = false;              // the client has more of it
    std::uint64_t file_wanted_ms = 0;    // that piece, since
    std::optional<ResultEnd> early_end;  // came while the client still sent the file
};

class Conversation {
  public:
    Conversation(ConversationHost& host, ConversationLimits limits, std::uint32_t connection_id,
                 const ServerIdentity& server, TlsOffer tls = TlsOffer::none);
    ~Conversation();
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    void on_bytes(std::string_view bytes);
    // Kept hashes of every account with that name; an error when they cannot be read now.
    void on_account(const Result<std::vector<std::string>>& hashes);
    void on_session(SessionMessage message);
    void on_output_taken();    // there may be room again for the answers to commands that were held back
    void on_output_drained();  // everything given so far left: more rows may come
    void tick(std::uint64_t now_ms);
    void shut_down(const Error& error);  // says so to the client, then ends
    void killed(bool query_only);        // by another client

    // What is to be sent; the owner takes it.
    [[nodiscard]] std::string& output() { return output_; }
    // The client asked for TLS: what comes now is its handshake, which begins with take_unread(). The owner leads it
    // and calls secured() when it is done; on_bytes() is then given what was inside.
    [[nodiscard]] bool wants_tls() const { return state_ == State::securing; }
    [[nodiscard]] std::string take_unread() { return reader_.take_unread(); }
    void secured();
    // Ends once the output is sent.
    [[nodiscard]] bool closing() const { return state_ == State::closing; }
    [[nodiscard]] bool logged_in() const {
        return state_ == State::idle || state_ == State::running || state_ == State::sending_file;
    }
    // Behind the answer to its login, which no command comes before.
    [[nodiscard]] bool compresses() const { return compresses_; }
    // While a command runs, what the client sends ahead would only wait here: the owner stops reading. So it does while
    // the client does not read its answers: those to a flood of pings would pile up.
    [[nodiscard]] bool wants_input() const {
        if (state_ == State::securing) return true;
        if (listens()) return !output_full();
        return state_ != State::closing && reader_.buffered() == 0;
    }
    [[nodiscard]] const SessionId& session() const { return session_; }
    [[nodiscard]] const std::string& user() const { return credentials_.user; }

  private:
    enum class State : std::uint8_t {
        greeting,
        securing,
        switching,
        asking,  // for the password itself
        checking,
        opening,
        idle,
        running,
        sending_file,  // the client does
        closing
    };
    using Answer = CommandAnswer;
    using Running = RunningCommand;
    struct Credentials {
        std::string user;
        std::string password;  // as OpenSession wants it
        std::string database;
        std::string program;
        std::uint16_t collation = 0;
    };
    [[nodiscard]] bool listens() const {
        return state_ == State::greeting || state_ == State::switching || state_ == State::idle ||
               state_ == State::sending_file || state_ == State::asking;
    }
    [[nodiscard]] bool output_full() const { return output_.size() >= limits_.output_bytes_high; }

    // conversation.cpp
    void next_payloads();
    void on_payload(std::string payload);
    void on_hello(std::string_view payload);
    void on_switched(std::string_view payload);
    void on_password(std::string_view payload);
    void prove_identity(std::string token, const std::string& plugin, bool anew);
    void check_account();
    void deny();
    void refuse_login(const Error& error);
    [[nodiscard]] std::string_view own_plugin() const;
    void log_in(std::string password);
    void open_session();
    void on_opened(const SessionOpened& opened);
    void note_password(const SessionOpened& opened);
    void logged_in_now();
    void refuse(const Error& error);
    void put(std::string_view payload);
    void put_ok(std::string info = {});
    [[nodiscard]] std::string proof_of_certificate() const;
    void put_error(const Error& error);
    void put_eof();
    void put_end_of_columns(bool more, std::uint16_t also = 0);
    void finish();
    void check_deadlines();
    void leave_idle();

    // commands.cpp
    void on_command(std::string_view payload);
    void on_query(std::string_view sql);
    void on_refresh(std::string_view payload);
    [[nodiscard]] bool answer_kill(std::string_view sql);
    void on_kill(const KillRequest& request);
    void on_field_list(std::string_view payload);
    void on_change_user(std::string_view payload);
    void on_reset_connection();
    void on_set_option(std::string_view payload);
    void on_prepare(std::string_view sql);
    void on_execute(std::string_view payload);
    void on_long_data(std::string_view payload);
    void on_close_statement(std::string_view payload);
    void on_reset_statement(std::string_view payload);
    [[nodiscard]] PreparedStatement* find_statement(std::optional<std::uint64_t> id, std::string_view command);
    void execute(Answer answer, std::string sql);
    void execute_now(std::string sql);

    // bulk_execution.cpp
    void on_bulk_execute(std::string_view payload);
    void end_bulk(const ResultEnd& end);

    // client_file.cpp
    void on_file_wanted(const FileWanted& wanted);
    void on_file_packet(std::string_view payload);
    void pass_piece_on();
    void pass_slow_piece_on();

    // cursors.cpp
    void on_fetch(std::string_view payload);
    void close_cursor(PreparedStatement& statement);
    void hold_row(std::string row);
    void decline_cursor();
    void open_cursor(std::uint16_t warnings);

    // out_parameters.cpp
    void run_call(PreparedStatement& statement);
    bool learn_out_parameter(const Error& error);
    bool go_on_with_call(const ResultEnd& end);

    // results.cpp
    void name_columns();
    void put_columns();
    void put_end_of_rows(std::uint16_t status_flags, std::uint16_t warnings);
    void on_result_header(ResultHeader header);
    void on_result_rows(const ResultRows& rows);
    void on_result_end(ResultEnd end);
    void end_together(const ResultEnd& end);
    void answer_describe(const ResultEnd& end);
    void drop_described();
    void end_field_list(const ResultEnd& end);
    void break_result(const Error& error);

    ConversationHost& host_;
    const ConversationLimits limits_;
    const std::uint32_t connection_id_;
    PacketReader reader_;
    PacketWriter writer_;
    std::string output_;
    State state_ = State::greeting;
    std::uint64_t offered_ = 0;
    std::uint64_t capabilities_ = 0;
    bool compresses_ = false;
    std::string challenge_;
    std::string token_;  // the client's answer to it
    Credentials credentials_;
    std::optional<Credentials> user_before_;  // while another logs in on this connection
    std::uint32_t changes_failed_ = 0;
    bool returning_ = false;  // to the user before: who waits for no answer
    const TlsOffer tls_;
    bool secured_ = false;
    bool account_asked_ = false;
    bool key_sent_ = false;
    bool password_known_ = false;  // the one that the client logs in with: it was not asked for it
    std::uint32_t account_asks_ = 0;
    std::uint64_t account_again_ms_ = 0;  // 0: no further question waits
    std::uint64_t now_ms_ = 0;
    std::uint64_t begun_ms_ = 0;
    std::uint64_t login_ms_ = 0;        // when the login that goes on began
    std::uint64_t heard_ms_ = 0;        // the client's last bytes, or the end of what it waited for
    std::uint32_t wait_timeout_s_ = 0;  // as the session has it; 0: not known, and no limit

    SessionId session_;
    RequestNumber request_;
    LogIndex seen_;
    std::string database_;
    bool multi_statements_ = false;
    std::uint16_t status_flags_ = status_autocommit;
    std::optional<Running> running_;
    std::uint32_t credit_owed_ = 0;  // rows' bytes taken and not yet acknowledged

    std::map<std::uint32_t, std::unique_ptr<PreparedStatement>> prepared_;
    std::uint32_t next_statement_ = 1;
    std::size_t prepared_bytes_ = 0;
    std::uint32_t last_prepared_ = 0;  // what -1 names (MariaDB)
};

// The MySQL error that a client is shown for what ddb says in its own terms.
[[nodiscard]] Error mysql_error_of(Error error);

}  // namespace ddb::gateway
