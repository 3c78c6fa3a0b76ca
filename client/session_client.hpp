// One SQL session that outlives its node: opens at any node, executes statements, moves to another node when the
// connection is lost, and says honestly what became of the statement that was under way. Used by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/failover.hpp"
#include "client/link.hpp"
#include "client/local_file.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"
#include "schemas/row_count.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::client {

struct Login {
    std::string user;
    std::string password;
    std::string database;
    std::string client = "ddb-cli";
    std::optional<ReadBalance> read_balance = {};  // none: as the node is configured
};

struct StatementSettings {
    Consistency consistency = Consistency::strong;
    WriteConcern write_concern = WriteConcern::majority;
    std::uint32_t timeout_ms = 10'000;
};

// Receives what a statement returns. Each result ends with on_end; the last one has `more` unset. An error met by the
// client itself (lost connection, deadline) arrives as the last on_end as well.
class ResultListener {
  public:
    virtual ~ResultListener() = default;
    virtual void on_header(const std::vector<Column>& columns) = 0;
    virtual Status on_rows(const ResultRows& rows) = 0;  // an error ends the statement
    virtual void on_end(const ResultEnd& end) = 0;
};

struct ClientHooks {
    std::function<int()> interrupts;                      // how often the user asked to stop since the statement began
    std::function<void(const std::string&)> notice;       // for people: reconnected, waiting
    std::function<void(const std::string&)> learnt_node;  // address of a node that was heard of
};

class SessionClient {
  public:
    SessionClient(std::unique_ptr<Link> link, Login login, ClientHooks hooks);
    ~SessionClient();  // closes the session at its node

    // Connects and opens the session. Errors: timeout, refused, io = no node could be reached; sql = the server's own.
    Status open(int timeout_ms);
    // Runs one statement; nullopt when it succeeded, else the error that the listener was told as well.
    std::optional<Error> execute(const std::string& sql, const StatementSettings& settings, ResultListener& listener);

    // Takes what arrived while nothing runs, so that nothing piles up; notices a lost connection.
    void idle();

    struct Info {
        std::string address;
        std::string server_version;
        std::string database;
        std::uint64_t connection_id = 0;
        NodeId node;
        NodeId coordinator;
        LogIndex seen;
        std::uint16_t status_flags = 0;
        bool connected = false;
        bool in_transaction = false;
    };
    [[nodiscard]] Info info() const;
    [[nodiscard]] const std::vector<std::string>& nodes() const { return nodes_; }

  private:
    using Clock = std::chrono::steady_clock;
    enum class Ended : std::uint8_t { going_on, done, lost, expired, again };

    // The statement under way.
    struct Pending {
        const std::string* sql = nullptr;
        StatementSettings settings;
        StatementClass kind = StatementClass::other;
        RequestNumber request;
        LogIndex seen;  // when it was first sent: what a look-up of its outcome starts from
        Clock::time_point deadline;
        bool sent = false;       // may have reached a node
        bool delivered = false;  // the listener has seen a part of the result
        bool retry = false;
        bool was_open_transaction = false;
        bool transaction_wrote = false;
        bool cancel_sent = false;
        bool quiet = false;                // a repeated setting: no listener, no notices
        std::vector<SessionMessage> held;  // the start of the result, kept so that it can be thrown away
        std::size_t held_bytes = 0;
        LocalFile file;
        RowCount rows;
        ResultEnd end;
    };

    [[nodiscard]] Ended attempt(Pending& pending, ResultListener& listener);
    [[nodiscard]] Ended take(Pending& pending, SessionMessage&& message, ResultListener& listener);
    [[nodiscard]] Status deliver(Pending& pending, ResultListener& listener, bool give_credit);
    [[nodiscard]] Status hand_over(const SessionMessage& message, ResultListener& listener, bool give_credit);
    [[nodiscard]] Status send_statement(Pending& pending);
    [[nodiscard]] std::optional<Ended> look_at_interrupts(Pending& pending, Clock::time_point& limit);
    // After a loss: prepares another attempt, or returns what to tell the user.
    [[nodiscard]] std::optional<Error> recover(Pending& pending);
    [[nodiscard]] std::optional<Error> decide_after_loss(const Pending& pending, bool& keep_session);
    [[nodiscard]] std::optional<Error> decide_in_transaction(const Pending& pending, bool& keep_session) const;
    [[nodiscard]] Error expired_error(Pending& pending);
    [[nodiscard]] Error unknown_error(const Pending& pending, const std::string& why) const;
    [[nodiscard]] Error lost_transaction_error() const;
    void finish(Pending& pending);

    [[nodiscard]] Status reopen(Clock::time_point deadline, bool keep_session);
    [[nodiscard]] Result<SessionOpened> open_session(Clock::time_point deadline);
    [[nodiscard]] Status repeat_settings(bool keep_session, Clock::time_point deadline);
    void handle_aside(const SessionMessage& message);
    void forget_transaction();
    void new_session_id();
    void abandon();
    void learn(const std::string& address);
    void accept(const SessionOpened& opened);
    [[nodiscard]] int interrupts() const { return hooks_.interrupts ? hooks_.interrupts() : 0; }
    void notice(const std::string& text) const;
    [[nodiscard]] bool in_transaction() const;

    std::unique_ptr<Link> link_;
    Login login_;
    ClientHooks hooks_;
    SessionMemory memory_;
    SessionId session_;
    RequestNumber last_request_;
    SessionOpened opened_;
    bool open_ = false;
    bool opened_before_ = false;
    bool leave_node_ = false;  // the connected node is going away
    std::string database_;
    std::uint16_t status_flags_ = 2;  // autocommit
    bool transaction_wrote_ = false;
    LogIndex seen_;
    NodeId node_;
    NodeId coordinator_;
    std::vector<std::string> nodes_;
};

// SERVER_STATUS_* bits of ResultEnd::status_flags that the client looks at.
inline constexpr std::uint16_t status_in_transaction = 1;
inline constexpr std::uint16_t status_autocommit = 2;
inline constexpr std::uint16_t status_no_backslash_escapes = 512;

}  // namespace ddb::client
