// Events of the server's binary log: the few fields ddb needs, read in place. Pure functions; every view points into
// the bytes that were passed in. The bytes come from a server: malformed ones give nullopt, never a crash.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ddb::storage {

enum class EventType : std::uint8_t {
    query = 2,
    stop = 3,
    rotate = 4,
    integer_variable = 5,
    random_seed = 13,
    user_variable = 14,
    format_description = 15,
    xid = 16,
    table_map = 19,
    write_rows_v1 = 23,
    update_rows_v1 = 24,
    delete_rows_v1 = 25,
    incident = 26,
    heartbeat = 27,
    write_rows = 30,
    update_rows = 31,
    delete_rows = 32,
    mysql_gtid = 33,
    mysql_anonymous_gtid = 34,
    mysql_previous_gtids = 35,
    xa_prepare = 38,
    mysql_tagged_gtid = 42,
    annotate_rows = 160,
    checkpoint = 161,
    gtid = 162,
    gtid_list = 163,
    start_encryption = 164,
};

// Statement entries have GTIDs of their own, by which a server tells after a crash whether they ran. MariaDB: in this
// domain, the sequence number being that of the entry.
inline constexpr std::uint32_t statement_domain = 7777;
// MySQL: under a tag, so that a session of a user keeps `gtid_next` automatic (an assigned one could be taken back by
// privileged accounts only). The tag ends with the sequence number; its letter says who ran the statement.
inline constexpr std::string_view coordinator_tag = "ddb_c";
inline constexpr std::string_view applier_tag = "ddb_a";
inline constexpr std::size_t tag_digits = 16;
[[nodiscard]] std::string statement_tag(std::string_view kind, std::uint64_t sequence);
[[nodiscard]] std::optional<std::uint64_t> sequence_of_tag(std::string_view tag);  // of either kind, else nullopt

inline constexpr std::uint16_t event_flag_ignorable = 0x0080;
inline constexpr std::size_t event_header_bytes = 19;

struct EventView {
    std::uint32_t timestamp = 0;
    EventType type{};
    std::uint32_t server_id = 0;
    std::uint32_t end = 0;  // offset in its file of what follows; only where the event came from a file
    std::uint16_t flags = 0;
    std::string_view body;  // behind the header
    std::string_view raw;   // the whole event

    [[nodiscard]] bool is_rows() const;
    [[nodiscard]] bool is_gtid() const;
};

// One event that fills `raw` exactly. Checksums are switched off on every server of ddb.
[[nodiscard]] std::optional<EventView> parse_event(std::string_view raw);

// How many of the first bytes are whole events, going by the lengths in their headers; all of them when a length makes
// no sense, which EventReader then says.
[[nodiscard]] std::size_t whole_events_bytes(std::string_view events);

// Walks concatenated events (the payload of a log entry).
class EventReader {
  public:
    explicit EventReader(std::string_view events) : rest_(events) {}
    [[nodiscard]] std::optional<EventView> next();
    [[nodiscard]] bool malformed() const { return malformed_; }

  private:
    std::string_view rest_;
    bool malformed_ = false;
};

struct GtidEvent {
    std::string text;                        // as the server shows it
    std::optional<std::uint64_t> statement;  // of a statement entry: its sequence number
    std::uint64_t sequence = 0;
    // MariaDB says here what the group is; MySQL only in its first Query event.
    bool says_kind = true;
    std::uint32_t domain = 0;
    bool standalone = false;  // the group is the one event that follows
    bool ddl = false;
    bool prepared_xa = false;
    bool completed_xa = false;  // XA COMMIT or XA ROLLBACK
    std::string_view xid;       // gtrid and bqual of the latter two
};
// Of either server, whatever its type.
[[nodiscard]] std::optional<GtidEvent> parse_gtid(const EventView& event);

// Name of the file that comes next; empty when malformed.
[[nodiscard]] std::string_view rotated_to(const EventView& event);

// At the head of each file: the last sequence number of every domain and server in the files before it.
struct GtidListItem {
    std::uint32_t domain = 0;
    std::uint32_t server_id = 0;
    std::uint64_t sequence = 0;
};
[[nodiscard]] std::optional<std::vector<GtidListItem>> parse_gtid_list(const EventView& event);

struct QueryEvent {
    std::uint32_t thread_id = 0;
    std::uint16_t error = 0;
    std::string_view database;
    std::string_view status;  // status variables
    std::string_view text;
};
[[nodiscard]] std::optional<QueryEvent> parse_query(const EventView& event);

// The session the statement ran in, as far as it changes the statement's effect.
struct StatementContext {
    std::optional<std::uint32_t> flags2;  // option bits: foreign_key_checks and the like
    std::optional<std::uint64_t> sql_mode;
    std::optional<std::uint16_t> auto_increment_increment;
    std::optional<std::uint16_t> auto_increment_offset;
    std::optional<std::uint16_t> character_set_client;
    std::optional<std::uint16_t> collation_connection;
    std::optional<std::uint16_t> collation_server;
    std::optional<std::uint16_t> collation_database;
    std::optional<std::uint16_t> lc_time_names;
    std::optional<std::string> time_zone;
    // MariaDB 11.2 and newer: the collations that character sets have where a statement names none.
    std::optional<std::vector<std::uint16_t>> character_set_collations;
    // MySQL only; the first is one of the option bits on MariaDB.
    std::optional<std::uint8_t> explicit_timestamp_defaults;
    std::optional<std::uint16_t> default_collation_for_utf8mb4;
    std::optional<std::uint8_t> require_primary_key;
    std::optional<std::uint8_t> default_table_encryption;
    std::uint32_t microseconds = 0;
    std::string invoker_user;  // where the statement means its own user without naming it
    std::string invoker_host;
};
// nullopt: malformed, or a variable this code does not know (its meaning cannot be guessed).
[[nodiscard]] std::optional<StatementContext> parse_status(std::string_view status);

struct TableMap {
    std::uint64_t table_id = 0;
    std::string_view database;
    std::string_view table;
    std::string_view types;     // one byte a column
    std::string_view metadata;  // packed by type
};
[[nodiscard]] std::optional<TableMap> parse_table_map(const EventView& event);
// What the table's rows are to the other servers.
enum class TableOwner : std::uint8_t {
    all,         // replicated
    node,        // ddb_meta: each node writes its own
    statistics,  // of tables' contents: each server counts for itself, and finds other rows than another one
};
[[nodiscard]] TableOwner owner_of(const TableMap& table);

struct RowsEvent {
    std::uint64_t table_id = 0;
    bool statement_end = false;
    bool unchecked_keys = false;  // written under foreign_key_checks=0
    std::uint64_t columns = 0;
    std::string_view present_before;
    std::string_view present_after;  // updates only, else empty
    std::string_view rows;
};
[[nodiscard]] std::optional<RowsEvent> parse_rows(const EventView& event);

// Rows in the event; nullopt for a column type of unknown size.
[[nodiscard]] std::optional<std::uint64_t> count_rows(const TableMap& table, const RowsEvent& rows);

// A Format_description event: 0 = events carry no checksum.
[[nodiscard]] std::optional<std::uint8_t> checksum_algorithm(const EventView& event);
// Whether rows written under `a` can be read under `b`: same server version and event layout.
[[nodiscard]] bool same_format(std::string_view a, std::string_view b);

}  // namespace ddb::storage
