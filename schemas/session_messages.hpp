// One client's conversation with a node, and the same conversation forwarded by that node to the coordinator. Plain
// values; bytes in WIRE.md.
//
// A request is answered by: for each result set ResultHeader, then any number of ResultRows, then ResultEnd (`more` set
// when another result follows). A request without a result set is answered by ResultEnd alone. The receiver of rows
// grants credit in bytes; the sender never has more than the granted bytes in flight.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb {

// One row that is larger than this ends its result with an error; a chunk holds at least one row.
inline constexpr std::size_t result_row_bytes_max = 64u << 20;
inline constexpr std::size_t result_chunk_bytes = 128u << 10;  // a chunk is closed when it reaches this
inline constexpr std::uint32_t result_credit_bytes_default = 1u << 20;
inline constexpr std::size_t statement_bytes_max = 64u << 20;  // SQL text of one statement
inline constexpr std::size_t file_piece_bytes = 8u << 20;      // of a client's file: as much as is sent unasked

enum class Consistency : std::uint8_t { strong = 0, session = 1, local = 2 };
enum class WriteConcern : std::uint8_t { majority = 0, all = 1 };
enum class Begin : std::uint8_t { none = 0, read_write = 1, read_only = 2 };
// Of the client's file that a statement names: more is asked for (FileWanted), or is on its way to who ran it before.
enum class FilePieces : std::uint8_t { none = 0, follow = 1, gone = 2 };
// On whose server a session's reads run: that of the node it talks to, or all members' in turn or by load.
enum class ReadBalance : std::uint8_t { off = 0, round_robin = 1, least_loaded = 2 };

[[nodiscard]] constexpr const char* to_string(ReadBalance balance) {
    constexpr std::array<const char*, 3> words{"off", "round_robin", "least_loaded"};
    return words[static_cast<std::size_t>(balance)];
}
[[nodiscard]] constexpr std::optional<ReadBalance> read_balance_of(std::string_view word) {
    for (const auto balance : {ReadBalance::off, ReadBalance::round_robin, ReadBalance::least_loaded}) {
        if (word == to_string(balance)) return balance;
    }
    return std::nullopt;
}

struct OpenSession {
    SessionId session;
    std::string user;
    std::string password;  // only ever on CURVE-encrypted sockets; never logged
    std::string database;
    std::string client;           // program name and version, for the log
    bool found_rows = false;      // affected rows count those that were found, not those that changed
    std::uint16_t collation = 0;  // MariaDB's number of the one to start with; 0: utf8mb4
    bool reads_only = false;      // between nodes: a front has some of its reads run there (FrontSession's guest)
    std::optional<ReadBalance> read_balance;  // none: as the node is configured
    // Of a MySQL client that came over the network: its address (IPv4) and port, for the rules of accounts. None: a
    // client of the node's own host, or of ddb's own.
    std::string host;
    std::uint16_t port = 0;
    bool may_be_local = false;  // it came from an address of the node's own host; not sent to others
    bool interactive = false;   // a person's, who may be idle for the server's interactive_timeout
    bool tls = false;           // nobody reads along between the client and its node
};
struct SessionOpened {
    SessionId session;
    bool accepted = false;
    Error error;  // when not accepted
    NodeId node;
    NodeId coordinator;  // 0 = none known now
    std::string coordinator_address;
    std::string server_version;
    std::uint64_t connection_id = 0;
    LogIndex index;                    // what its node has applied: the session's own entries come later
    std::uint32_t wait_timeout_s = 0;  // how long it may be idle; 0: not known
};

struct Execute {
    SessionId session;
    RequestNumber request;
    std::string sql;  // one statement, any bytes
    Consistency consistency = Consistency::strong;
    WriteConcern write_concern = WriteConcern::majority;
    std::uint32_t timeout_ms = 10'000;  // 0: it may run as long as it wants, and wait the node's own limit to begin
    LogIndex seen;       // newest index this client knows: what `session` reads wait for, and the floor of a retry
    bool retry = false;  // the request may have been executed before: look for its outcome first
    std::uint32_t credit_bytes = result_credit_bytes_default;
    bool describe = false;            // do not run it: answer with the columns it would have
    std::optional<std::string> file;  // content of the client's file that LOAD … LOCAL names; with `sql` at most
                                      // statement_bytes_max. A client sends it when it is asked (FileWanted).
    Begin begin = Begin::none;  // between nodes: a transaction begins with this statement, as BEGIN ahead of it would
    // Between nodes, instead of `file`: the first of several pieces; none any more where they are gone, so that the
    // statement can only be looked up.
    FilePieces pieces = FilePieces::none;
    std::string file_begin = {};
};

// LOAD … LOCAL: the node asks its client for the file that the statement names, and the coordinator the node for the
// pieces behind the first one. The client answers with what comes at `offset`: a piece, if `in_pieces`, or all of it.
struct FileWanted {
    SessionId session;
    RequestNumber request;
    std::string name;  // of the first piece only
    std::uint64_t offset = 0;
    bool in_pieces = false;
};
struct FileContent {
    SessionId session;
    RequestNumber request;
    std::optional<Error> error;  // why there is none
    std::string content;         // at most statement_bytes_max; of a piece usually file_piece_bytes
    std::uint64_t offset = 0;
    bool more = false;  // the file goes on behind it
};
[[nodiscard]] inline Error client_file_too_large() {
    return Error{ErrorCode::invalid_argument,
                 "LOAD … LOCAL: the client sends more than " + std::to_string(statement_bytes_max >> 20) +
                     " MB of its file, with the statement, in one piece",
                 1153, "08S01"};
}

inline constexpr std::size_t type_name_bytes_max = 127;  // MariaDB's client library reads no longer ones

struct Column {
    std::string name;
    std::string table;
    std::string database;
    std::uint8_t type = 0;  // enum_field_types
    std::uint16_t charset = 0;
    std::uint16_t flags = 0;
    std::uint32_t length = 0;
    std::uint8_t decimals = 0;
    std::string original_name;  // without aliases; empty: an expression
    std::string original_table;
    // MariaDB's extended metadata; empty for most columns.
    std::string type_name;    // what `type` cannot say: inet6, uuid, point
    std::string format_name;  // of the values: json
};

struct ResultHeader {
    SessionId session;
    RequestNumber request;
    std::vector<Column> columns;
};

// `rows`: each row is its values one after another, each a length-encoded string of the MySQL text protocol (NULL =
// 0xFB).
struct ResultRows {
    SessionId session;
    RequestNumber request;
    std::uint32_t row_count = 0;
    std::string rows;
};

struct ResultEnd {
    SessionId session;
    RequestNumber request;
    bool more = false;  // another result of the same request follows
    std::optional<Error> error;
    Outcome outcome;
    std::uint16_t status_flags = 0;  // SERVER_STATUS_* as on a single server
    NodeId node;                     // executor
    NodeId coordinator;
    TxnId txn;                        // 0 for reads
    LogIndex index;                   // log index written, or seen by the read
    std::uint16_t replicated_on = 0;  // members that hold the write durably when the answer was made
    std::uint16_t members = 0;
    std::string database;     // default database after the statement
    bool redirected = false;  // executed on the coordinator for a client of another node
    // Of the result with columns that ends here, so that its reader can tell whether it has seen all; none: no columns.
    std::optional<std::uint64_t> rows;
    std::optional<std::uint16_t> parameters;  // of a statement that was described: how many placeholders its server saw
    // What LAST_INSERT_ID() is now, where the statement may have set it without telling its client (RETURNING, CALL).
    std::uint64_t generated_id = 0;
    std::optional<std::uint64_t> found_rows;  // what FOUND_ROWS() was then, which the question for the id changes
    std::uint32_t wait_timeout_s = 0;         // as SessionOpened's, where the statement has set it
};

// What the session must be given again elsewhere for LAST_INSERT_ID() to stay what it is; 0: nothing new.
[[nodiscard]] inline std::uint64_t generated_id_of(const ResultEnd& end) {
    return end.generated_id != 0 ? end.generated_id : end.outcome.last_insert_id;
}

struct Credit {
    SessionId session;
    RequestNumber request;
    std::uint32_t bytes = 0;
};
struct Cancel {
    SessionId session;
    RequestNumber request;
};
struct CloseSession {
    SessionId session;
};

// Asks whether the session's client is still there; carries nothing. A client ignores it.
struct Ping {};

// Between nodes: how busy are you, and may I have reads run with you? Asked by a node whose sessions balance their
// reads, answered at once; an answer also tells that the other one is in reach.
struct LoadAsk {};
struct LoadNotice {
    bool serves = false;      // reads, and with no more than the usual lag
    std::uint32_t reads = 0;  // statements under way on its server, without those that the asking node sent there
};

// Cluster verbs of ddb-cli ("status", "nodes", "health", "txn", "step-down", …); the reply is one JSON document.
struct VerbRequest {
    std::uint64_t id = 0;
    std::string verb;
    std::vector<std::string> arguments;
    std::uint32_t timeout_ms = 10'000;
};
struct VerbReply {
    std::uint64_t id = 0;
    std::optional<Error> error;
    std::string json;
};

using SessionMessage =
    std::variant<OpenSession, SessionOpened, Execute, ResultHeader, ResultRows, ResultEnd, Credit, Cancel, CloseSession,
                 Ping, VerbRequest, VerbReply, FileWanted, FileContent, LoadAsk, LoadNotice>;

}  // namespace ddb
