// Strong types for everything that is counted or named in ddb: a node id can never be passed where an epoch is meant.
// Plain values; no thread or lifetime rules. Include this everywhere a bare integer would be tempting.
#pragma once

#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace ddb {

// An integer with a meaning of its own. Only comparison and explicit access: arithmetic belongs to the few types that
// define it below, so that adding two epochs does not compile.
template <class Tag, class Rep = std::uint64_t>
struct Tagged {
    using rep = Rep;
    Rep value{};

    constexpr Tagged() = default;
    constexpr explicit Tagged(Rep v) : value(v) {}
    friend constexpr auto operator<=>(const Tagged&, const Tagged&) = default;
    constexpr explicit operator bool() const { return value != Rep{}; }
};

using NodeId = Tagged<struct NodeIdTag, std::uint32_t>;  // 1..65535, 0 = none
using Epoch = Tagged<struct EpochTag>;                   // 0 = before the first election
using LogIndex = Tagged<struct LogIndexTag>;             // first entry is 1, 0 = before the log
using Incarnation = Tagged<struct IncarnationTag>;       // identity of a journal; random, never 0
using BootNumber = Tagged<struct BootNumberTag>;         // raised durably at each start of a node
using OpId = Tagged<struct OpIdTag>;                     // one journal write of one core
using RequestNumber = Tagged<struct RequestNumberTag>;   // grows by one with each request of a session; 0 = none
using ReadToken = Tagged<struct ReadTokenTag>;           // names one read-index question of the asker
using ProposalToken = Tagged<struct ProposalTokenTag>;   // names one proposal handed to the local core
using ReadRound = Tagged<struct ReadRoundTag>;           // round in which a coordinator confirms its office
using LamportTime = Tagged<struct LamportTimeTag>;

template <class T>
concept Countable = std::same_as<T, Epoch> || std::same_as<T, LogIndex> || std::same_as<T, BootNumber> ||
    std::same_as<T, OpId> || std::same_as<T, RequestNumber> || std::same_as<T, ReadToken> ||
    std::same_as<T, ProposalToken> || std::same_as<T, ReadRound> || std::same_as<T, LamportTime>;

template <Countable T>
[[nodiscard]] constexpr T next(T t) {
    return T{t.value + 1};
}
template <Countable T>
[[nodiscard]] constexpr T previous(T t) {
    return T{t.value - 1};
}

// 128 random bits chosen by the client; names its session on every node and over reconnects.
struct SessionId {
    std::array<std::uint8_t, 16> bytes{};
    friend constexpr auto operator<=>(const SessionId&, const SessionId&) = default;
    constexpr explicit operator bool() const { return *this != SessionId{}; }
};

struct ClusterUuid {
    std::array<std::uint8_t, 16> bytes{};
    friend constexpr auto operator<=>(const ClusterUuid&, const ClusterUuid&) = default;
    constexpr explicit operator bool() const { return *this != ClusterUuid{}; }
};

// BLAKE2b-256.
struct Digest {
    std::array<std::uint8_t, 32> bytes{};
    friend constexpr auto operator<=>(const Digest&, const Digest&) = default;
};

// Names one transaction for people: grows with the epoch and a counter of the coordinator. Printed
// "TXN-<epoch>-<counter>".
struct TxnId {
    Epoch epoch;
    std::uint64_t counter = 0;
    friend constexpr auto operator<=>(const TxnId&, const TxnId&) = default;
    constexpr explicit operator bool() const { return counter != 0; }
};

// Identity of a voter: a node whose journal was lost or replaced comes back under another incarnation.
struct Voter {
    NodeId id;
    Incarnation incarnation;
    friend constexpr auto operator<=>(const Voter&, const Voter&) = default;
};

[[nodiscard]] std::string to_string(NodeId id);
[[nodiscard]] std::string to_string(Epoch epoch);
[[nodiscard]] std::string to_string(LogIndex index);
[[nodiscard]] std::string to_string(const TxnId& txn);
[[nodiscard]] std::string to_string(const SessionId& session);  // 32 hex digits
[[nodiscard]] std::string to_string(const ClusterUuid& uuid);   // 32 hex digits
[[nodiscard]] std::string to_hex(const Digest& digest);
// Both forms a user may hold: "TXN-<epoch>-<counter>"; returns false and leaves `out` alone on anything else.
[[nodiscard]] bool parse_txn_id(const std::string& text, TxnId& out);
// "REQ-<32 hex digits>-<number>": names a request whose transaction id never reached the client.
[[nodiscard]] std::string request_name(const SessionId& session, RequestNumber request);
[[nodiscard]] bool parse_request_name(const std::string& text, SessionId& session, RequestNumber& request);

}  // namespace ddb

template <class Tag, class Rep>
struct std::hash<ddb::Tagged<Tag, Rep>> {
    std::size_t operator()(const ddb::Tagged<Tag, Rep>& t) const noexcept { return std::hash<Rep>{}(t.value); }
};
template <>
struct std::hash<ddb::SessionId> {
    std::size_t operator()(const ddb::SessionId& s) const noexcept {
        std::uint64_t words[2];
        static_assert(sizeof words == sizeof s.bytes);
        __builtin_memcpy(words, s.bytes.data(), sizeof words);
        return static_cast<std::size_t>(words[0] ^ (words[1] * 0x9e3779b97f4a7c15ULL));
    }
};
