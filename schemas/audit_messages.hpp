// The audit (DESIGN §3.5): every node digests its tables as they were at one index of the log; the coordinator asks for
// what was found and says what follows from it. The others only answer, so whatever is lost is asked for again. Plain
// values. An audit is named by the index of its log entry.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "schemas/entry.hpp"
#include "schemas/ids.hpp"

namespace ddb {

inline constexpr std::size_t audit_tables_max = 10'000;
inline constexpr std::size_t audit_chunks_max = 10'000;  // of one table; the last holds whatever is behind them
inline constexpr std::size_t audit_message_chunks_max = 50'000;

struct AuditedTable {
    std::string name;       // `database`.`table`
    std::string left_out;   // why it was not digested; empty: it was
    bool unsteady = false;  // definitions changed on this server between the cut and the end of this table
    Digest definition;      // of SHOW CREATE TABLE, without the next number of AUTO_INCREMENT
    std::uint64_t rows = 0;
    std::vector<std::uint64_t> chunks;  // first 8 bytes of each digest, in key order
    friend bool operator==(const AuditedTable&, const AuditedTable&) = default;
};

// What did you find, from this table on?
struct AuditAsk {
    LogIndex audit;
    std::uint32_t from = 0;
};
enum class AuditPhase : std::uint8_t {
    unknown = 0,  // no such audit here (any more, or yet)
    running = 1,
    finished = 2,
    failed = 3,
};
struct AuditFound {
    LogIndex audit;
    AuditPhase phase = AuditPhase::unknown;
    std::string reason;      // of failed
    std::uint32_t from = 0;  // of finished: `tables` begins with this one
    bool last = false;
    std::vector<AuditedTable> tables;
};
// The audit is over. Answered by AuditFound of phase unknown.
struct AuditVerdict {
    LogIndex audit;
    std::string differs;  // the receiver's database differs from a majority that agrees; empty: it does not
};
// A follower saw something that wants an audit.
struct AuditWish {
    std::string reason;
};

using AuditMessage = std::variant<AuditAsk, AuditFound, AuditVerdict, AuditWish>;

}  // namespace ddb
