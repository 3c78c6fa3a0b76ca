// Field lists of what several messages and the journal share. Private to the codec files of this folder.
#pragma once

#include "schemas/codec.hpp"
#include "schemas/wire_format.hpp"

namespace ddb::wire {

template <>
struct EnumRange<EntryKind> {
    static constexpr std::uint64_t min = 1, max = 8;
};
template <>
struct EnumRange<TransferPhase> {
    static constexpr std::uint64_t min = 0, max = 2;
};
template <>
struct EnumRange<AuditPhase> {
    static constexpr std::uint64_t min = 0, max = 3;
};
template <>
struct EnumRange<VoteReason> {
    static constexpr std::uint64_t min = 0, max = 5;
};
template <>
struct EnumRange<ErrorCode> {
    static constexpr std::uint64_t min = 1, max = 14;
};
template <>
struct EnumRange<Consistency> {
    static constexpr std::uint64_t min = 0, max = 2;
};
template <>
struct EnumRange<ReadBalance> {
    static constexpr std::uint64_t min = 0, max = 2;
};
template <>
struct EnumRange<WriteConcern> {
    static constexpr std::uint64_t min = 0, max = 1;
};
template <>
struct EnumRange<Begin> {
    static constexpr std::uint64_t min = 0, max = 2;
};
template <>
struct EnumRange<FilePieces> {
    static constexpr std::uint64_t min = 0, max = 2;
};

}  // namespace ddb::wire

// In namespace ddb so that the archives find them by the type of their argument.
namespace ddb {

using wire::field;
using wire::text;

template <class A>
void fields(A& a, typename A::template Ref<EntryId> m) {
    a.record("entry id", field("epoch", m.epoch), field("index", m.index));
}
template <class A>
void fields(A& a, typename A::template Ref<TxnId> m) {
    a.record("txn", field("epoch", m.epoch), field("counter", m.counter));
}
template <class A>
void fields(A& a, typename A::template Ref<Voter> m) {
    a.record("voter", field("id", m.id), field("incarnation", m.incarnation));
}
template <class A>
void fields(A& a, typename A::template Ref<Error> m) {
    a.record("error", field("code", m.code), text("message", m.message), field("mysql_code", m.mysql_code),
             field("sqlstate", m.sqlstate, 5));
}
template <class A>
void fields(A& a, typename A::template Ref<Outcome> m) {
    a.record("outcome", field("affected_rows", m.affected_rows), field("last_insert_id", m.last_insert_id),
             field("warnings", m.warnings), field("error_code", m.error_code),
             field("info", m.info, wire::info_bytes_max));
}
template <class A>
void fields(A& a, typename A::template Ref<Entry> m) {
    a.record("entry", field("id", m.id), field("kind", m.kind), field("txn", m.txn), field("session", m.session),
             field("request", m.request), field("statement_count", m.statement_count), field("row_count", m.row_count),
             field("created_at_us", m.created_at_us), field("outcome", m.outcome),
             field("payload", m.payload, entry_payload_bytes_max), field("digest", m.digest));
}
template <class A>
void fields(A& a, typename A::template Ref<Member> m) {
    a.record("member", field("voter", m.voter), field("learner", m.learner), field("address", m.address));
}
template <class A>
void fields(A& a, typename A::template Ref<Membership> m) {
    a.record("membership", field("cluster", m.cluster), field("members", m.members, wire::members_max));
}
template <class A>
void fields(A& a, typename A::template Ref<PartsRange> m) {
    a.record("parts", field("first", m.first), field("count", m.count));
}
template <class A>
void fields(A& a, typename A::template Ref<StatementPayload> m) {
    a.record("statement", field("events", m.events, entry_payload_bytes_max),
             field("sql", m.sql, entry_payload_bytes_max), field("database", m.database),
             field("expected_error", m.expected_error), field("secret", m.secret), field("parts", m.parts));
}
template <class A>
void fields(A& a, typename A::template Ref<OutcomeRecord> m) {
    a.record("outcome record", field("id", m.id), field("txn", m.txn), field("session", m.session),
             field("request", m.request), field("outcome", m.outcome));
}
template <class A>
void fields(A& a, typename A::template Ref<Snapshot> m) {
    a.record("snapshot", field("last", m.last), field("digest", m.digest), field("membership", m.membership),
             field("outcomes_floor", m.outcomes_floor), field("forgotten", m.forgotten),
             field("outcomes", m.outcomes, outcomes_max));
}

namespace wire {

[[nodiscard]] Result<Message> decode_peer(MessageKind kind, std::string_view bytes);
[[nodiscard]] Result<Message> decode_session(MessageKind kind, std::string_view bytes);
[[nodiscard]] bool is_audit(MessageKind kind);
[[nodiscard]] Result<Message> decode_audit(MessageKind kind, std::string_view bytes);
[[nodiscard]] bool is_transfer(MessageKind kind);
[[nodiscard]] Result<Message> decode_transfer(MessageKind kind, std::string_view bytes);

// Encodes whichever alternative it is. Error: as encode_into().
template <class Variant>
[[nodiscard]] Status encode_as(std::string& out, const Variant& message) {
    std::string too_long;
    std::visit([&](const auto& m) { write_to(out, m, &too_long); }, message);
    if (!too_long.empty()) return fail(ErrorCode::invalid_argument, too_long + " is longer than a message allows");
    return ok();
}

// Decodes one alternative of `Variant` and wraps it up.
template <class Variant, class M>
[[nodiscard]] Result<Message> decode_as(std::string_view bytes) {
    auto message = read_all<M>(bytes);
    if (!message) return message.error();
    return Message(Variant(std::move(message).value()));
}

}  // namespace wire
}  // namespace ddb
