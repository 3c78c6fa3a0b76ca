// msgpack encoding of every message and of what the journal stores. Pure functions, any thread. Decoders take foreign
// bytes: they never throw, never allocate more than the input justifies, and name the field that is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "schemas/audit_messages.hpp"
#include "schemas/entry.hpp"
#include "schemas/peer_messages.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"
#include "schemas/transfer_messages.hpp"

namespace ddb {

// Numbers are fixed for ever; a retired one is not reused. 1-63 only between nodes, 64-127 also for clients.
enum class MessageKind : std::uint16_t {
    hello = 1,
    formation_signature = 2,
    probe = 3,
    probe_reply = 4,
    grant_request = 5,
    grant_reply = 6,
    hand_over = 7,
    prepare = 8,
    vote = 9,
    read_index_request = 10,
    read_index_reply = 11,
    announcement = 12,  // PUB only
    membership_notice = 13,
    snapshot_request = 14,
    snapshot_offer = 15,
    transfer_open = 32,
    transfer_pull = 33,
    transfer_state = 34,
    transfer_chunk = 35,
    transfer_header_request = 36,
    transfer_header = 37,
    transfer_close = 38,
    audit_ask = 40,
    audit_found = 41,
    audit_verdict = 42,
    audit_wish = 43,
    open_session = 64,
    session_opened = 65,
    execute = 66,
    result_header = 67,
    result_rows = 68,
    result_end = 69,
    credit = 70,
    cancel = 71,
    close_session = 72,
    ping = 73,
    verb_request = 74,
    verb_reply = 75,
    file_wanted = 76,
    file_content = 77,
    load_ask = 78,
    load_notice = 79,
};

[[nodiscard]] constexpr bool for_clients(MessageKind kind) {
    return static_cast<std::uint16_t>(kind) >= 64;
}

using Message = std::variant<PeerMessage, SessionMessage, Announcement, TransferMessage, AuditMessage>;

[[nodiscard]] MessageKind kind_of(const PeerMessage& message);
[[nodiscard]] MessageKind kind_of(const SessionMessage& message);
[[nodiscard]] MessageKind kind_of(const TransferMessage& message);
[[nodiscard]] MessageKind kind_of(const AuditMessage& message);
[[nodiscard]] const char* to_string(MessageKind kind);

[[nodiscard]] std::string encode(const PeerMessage& message);
[[nodiscard]] std::string encode(const SessionMessage& message);
[[nodiscard]] std::string encode(const Announcement& message);
[[nodiscard]] std::string encode(const TransferMessage& message);
[[nodiscard]] std::string encode(const AuditMessage& message);

// Appends to `out`, so that an envelope needs no second copy. Error: invalid_argument naming a field that is longer
// than receivers accept (WIRE.md, "limits"); the plain encode() leaves that to its caller.
[[nodiscard]] Status encode_into(std::string& out, const PeerMessage& message);
[[nodiscard]] Status encode_into(std::string& out, const SessionMessage& message);
[[nodiscard]] Status encode_into(std::string& out, const TransferMessage& message);
[[nodiscard]] Status encode_into(std::string& out, const AuditMessage& message);

// Errors: corrupt (names the field), refused (unknown kind).
[[nodiscard]] Result<Message> decode(MessageKind kind, std::string_view bytes);

// Journal records and log payloads.
[[nodiscard]] std::string encode_entry(const Entry& entry);
[[nodiscard]] Result<Entry> decode_entry(std::string_view bytes);
[[nodiscard]] std::string encode_membership(const Membership& membership);
[[nodiscard]] Result<Membership> decode_membership(std::string_view bytes);
[[nodiscard]] std::string encode_statement(const StatementPayload& statement);
[[nodiscard]] Result<StatementPayload> decode_statement(std::string_view bytes);
[[nodiscard]] std::string encode_parts(const PartsRange& parts);
[[nodiscard]] Result<PartsRange> decode_parts(std::string_view bytes);
// Header of a state transfer, and what the journal keeps of it.
[[nodiscard]] std::string encode_snapshot(const Snapshot& snapshot);
[[nodiscard]] Result<Snapshot> decode_snapshot(std::string_view bytes);

}  // namespace ddb
