// The schema ddb_meta: its tables, the procedures through which users' sessions touch it, and the SQL that keeps it.
// All of it runs with sql_log_bin=0 on the service account; the only write of a user's session is the marker. Free
// functions use the connection they are given; MarkerKey is immutable and may be shared.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "node/storage/connection.hpp"
#include "schemas/entry.hpp"
#include "schemas/ids.hpp"
#include "schemas/result.hpp"

namespace ddb::storage {

inline constexpr std::string_view meta_schema = "ddb_meta";

// Proves to the procedures that a call comes from the node. Sessions run under the users' own accounts, and a user sees
// the calls of his own sessions: so the proof is good for one transaction only.
class MarkerKey {
  public:
    [[nodiscard]] static MarkerKey random();
    [[nodiscard]] std::string proof(std::uint64_t number) const;
    [[nodiscard]] const std::string& secret() const { return secret_; }

  private:
    explicit MarkerKey(std::string secret) : secret_(std::move(secret)) {}
    std::string secret_;  // 64 hex digits
};

// The number under which a transaction stands in ddb_meta.applied.
[[nodiscard]] constexpr std::uint64_t marker_of(TxnId txn) {
    return (txn.epoch.value << 40) | (txn.counter & ((std::uint64_t{1} << 40) - 1));
}

class ServerDialect;

struct Position {
    LogIndex index;
    Epoch epoch;
    std::string format_description;
    std::string cluster;  // hex UUID, empty before formation
};

// A connection of the service account as all of ddb's own work needs it: nothing logged, READ COMMITTED, 1 s lock
// limits.
[[nodiscard]] Result<std::unique_ptr<Connection>> open_service(const ConnectOptions& options);

[[nodiscard]] Result<bool> metadata_exists(Connection& connection);
[[nodiscard]] Result<bool> user_data_exists(Connection& connection);
// Creates what is missing; the procedures are made anew with the key of this start.
Status create_metadata(Connection& connection, const MarkerKey& key);
// MariaDB: all sessions' copies of routines are forgotten when a routine is made or dropped.
Status forget_routines(Connection& connection);

// Waits for a transaction on the row that is still under way (of a lost connection), so what it returns is final.
[[nodiscard]] Result<Position> read_position(Connection& connection);
[[nodiscard]] Result<std::vector<std::uint64_t>> read_markers(Connection& connection);

[[nodiscard]] std::string set_position_sql(LogIndex index, Epoch epoch, const std::string* format_description);
[[nodiscard]] std::string log_rows_sql(std::span<const Entry> entries);
[[nodiscard]] std::string trim_log_sql(LogIndex newest, std::uint32_t kept_rows);
[[nodiscard]] std::string delete_markers_sql(std::span<const std::uint64_t> markers);
[[nodiscard]] std::string set_cluster_sql(const std::string& uuid);

[[nodiscard]] std::string call_mark_sql(const ServerDialect& dialect, const MarkerKey& key, TxnId txn);
// `forced`: until the end the server forces its binary log to the disk.
[[nodiscard]] std::string call_statement_begin_sql(const MarkerKey& key, std::uint64_t sequence, bool forced);
[[nodiscard]] std::string call_statement_end_sql();

[[nodiscard]] std::string to_hex_literal(std::string_view bytes);  // x'…'
// Digits of either case; nothing else, and an even number of them.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view digits);

}  // namespace ddb::storage
