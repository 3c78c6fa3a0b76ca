// Messages of the audit. Fields are only ever appended: WIRE.md, "versions".
#include "schemas/wire_fields.hpp"

namespace ddb {

namespace {
constexpr std::size_t table_name_bytes_max = 2048;
}

template <class A>
void fields(A& a, typename A::template Ref<AuditedTable> m) {
    a.record("audited_table", field("name", m.name, table_name_bytes_max), text("left_out", m.left_out),
             field("unsteady", m.unsteady), field("definition", m.definition), field("rows", m.rows),
             field("chunks", m.chunks, audit_chunks_max));
}
template <class A>
void fields(A& a, typename A::template Ref<AuditAsk> m) {
    a.record("audit_ask", field("audit", m.audit), field("from", m.from));
}
template <class A>
void fields(A& a, typename A::template Ref<AuditFound> m) {
    a.record("audit_found", field("audit", m.audit), field("phase", m.phase), text("reason", m.reason),
             field("from", m.from), field("last", m.last), field("tables", m.tables, audit_tables_max));
}
template <class A>
void fields(A& a, typename A::template Ref<AuditVerdict> m) {
    a.record("audit_verdict", field("audit", m.audit), text("differs", m.differs));
}
template <class A>
void fields(A& a, typename A::template Ref<AuditWish> m) {
    a.record("audit_wish", text("reason", m.reason));
}

Status encode_into(std::string& out, const AuditMessage& message) {
    return wire::encode_as(out, message);
}

std::string encode(const AuditMessage& message) {
    std::string out;
    (void)encode_into(out, message);
    return out;
}

MessageKind kind_of(const AuditMessage& message) {
    struct Kind {
        MessageKind operator()(const AuditAsk&) const { return MessageKind::audit_ask; }
        MessageKind operator()(const AuditFound&) const { return MessageKind::audit_found; }
        MessageKind operator()(const AuditVerdict&) const { return MessageKind::audit_verdict; }
        MessageKind operator()(const AuditWish&) const { return MessageKind::audit_wish; }
    };
    return std::visit(Kind{}, message);
}

namespace wire {

bool is_audit(MessageKind kind) {
    return kind >= MessageKind::audit_ask && kind <= MessageKind::audit_wish;
}

Result<Message> decode_audit(MessageKind kind, std::string_view bytes) {
    switch (kind) {
        case MessageKind::audit_ask:
            return decode_as<AuditMessage, AuditAsk>(bytes);
        case MessageKind::audit_found:
            return decode_as<AuditMessage, AuditFound>(bytes);
        case MessageKind::audit_verdict:
            return decode_as<AuditMessage, AuditVerdict>(bytes);
        default:
            return decode_as<AuditMessage, AuditWish>(bytes);
    }
}

}  // namespace wire
}  // namespace ddb
