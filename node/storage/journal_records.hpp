// Keys and small records of the journal. Private to journal*.cpp; pure functions.
//
// Two key spaces: entries (8-byte big-endian index → encode_entry) and meta:
//   "identity"   who this journal belongs to
//   "state"      StateRecord, written with every batch
//   "signed"     the formation list that was signed
//   "membership" the membership at the base of the log
//   "snapshot"   what the base came with when it is that of a loaded snapshot
//   "intent" + 8-byte big-endian sequence
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "node/core/io.hpp"
#include "node/storage/journal.hpp"
#include "schemas/entry.hpp"

namespace ddb::storage {

inline constexpr std::string_view identity_key = "identity";
inline constexpr std::string_view state_key = "state";
inline constexpr std::string_view signed_key = "signed";
inline constexpr std::string_view membership_key = "membership";
inline constexpr std::string_view snapshot_key = "snapshot";
inline constexpr std::string_view intent_prefix = "intent";

[[nodiscard]] std::string big_endian(std::uint64_t value);
[[nodiscard]] bool parse_big_endian(std::string_view bytes, std::uint64_t& value);
[[nodiscard]] inline std::string entry_key(LogIndex index) {
    return big_endian(index.value);
}
[[nodiscard]] std::string intent_key(const StatementIntent& intent);

struct IdentityRecord {
    NodeId node;
    std::string cluster;
    Journal::Identity identity;
};
[[nodiscard]] std::string encode_identity(const IdentityRecord& record);
[[nodiscard]] bool decode_identity(std::string_view bytes, IdentityRecord& out);

// Everything small that must not be lost unnoticed, whole in every batch. Whatever a damaged write-ahead log might lose
// in its middle, the next batch brings again, or names: the last entry and the digests of the two lists tell if one of
// those is missing. What is lost at the end is told by the write number (see TailMark).
struct StateRecord {
    std::uint64_t write_number = 0;
    core::HardState hard;
    LogIndex decided;
    EntryId base;
    Digest base_digest;
    EntryId last;
    Digest last_digest;
    Digest signed_digest;      // of the record "signed"; zero: none
    Digest membership_digest;  // of the record "membership"
    // Records of earlier versions end here.
    Digest snapshot_digest;  // of the record "snapshot"
    bool rebuilding = false;
};
[[nodiscard]] std::string encode_state(const StateRecord& state);
[[nodiscard]] bool decode_state(std::string_view bytes, StateRecord& out);

[[nodiscard]] std::string encode_intent(const StatementIntent& intent);
[[nodiscard]] bool decode_intent(std::string_view bytes, StatementIntent& out);

// The number of the newest synced batch, in a file of its own beside the database: overwritten after each sync and
// before anybody hears of it, itself never synced. It can only be behind the database. Where it is ahead, synced writes
// are gone.
class TailMark {
  public:
    TailMark() = default;
    ~TailMark();
    TailMark(const TailMark&) = delete;
    TailMark& operator=(const TailMark&) = delete;

    [[nodiscard]] Status open(const std::string& path);
    [[nodiscard]] std::uint64_t stored() const { return stored_; }  // 0: nothing readable
    [[nodiscard]] bool damaged() const { return damaged_; }
    [[nodiscard]] bool write(std::uint64_t write_number);

  private:
    int fd_ = -1;
    std::uint64_t stored_ = 0;
    bool damaged_ = false;
};

// Bytes at the end of a write-ahead log file that belong to a record which was not written to its end; 0: none.
// Only for the note in the log; the database itself decides what to keep.
[[nodiscard]] std::uint64_t torn_bytes_of_wal(const std::string& file);

}  // namespace ddb::storage
