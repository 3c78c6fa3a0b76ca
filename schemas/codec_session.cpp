// Messages of a client's conversation. Fields are only ever appended: WIRE.md, "versions".
#include "schemas/wire_fields.hpp"

namespace ddb {

template <class A>
void fields(A& a, typename A::template Ref<OpenSession> m) {
    a.record("open_session", field("session", m.session), field("user", m.user),
             field("password", m.password, wire::password_bytes_max), field("database", m.database),
             field("client", m.client), field("found_rows", m.found_rows), field("collation", m.collation),
             field("reads_only", m.reads_only), field("read_balance", m.read_balance),
             field("interactive", m.interactive), field("host", m.host, wire::host_bytes_max), field("port", m.port),
             field("tls", m.tls));
}
template <class A>
void fields(A& a, typename A::template Ref<SessionOpened> m) {
    a.record("session_opened", field("session", m.session), field("accepted", m.accepted), field("error", m.error),
             field("node", m.node), field("coordinator", m.coordinator),
             field("coordinator_address", m.coordinator_address), field("server_version", m.server_version),
             field("connection_id", m.connection_id), field("index", m.index),
             field("wait_timeout_s", m.wait_timeout_s));
}
template <class A>
void fields(A& a, typename A::template Ref<Execute> m) {
    a.record("execute", field("session", m.session), field("request", m.request),
             field("sql", m.sql, statement_bytes_max), field("consistency", m.consistency),
             field("write_concern", m.write_concern), field("timeout_ms", m.timeout_ms), field("seen", m.seen),
             field("retry", m.retry), field("credit_bytes", m.credit_bytes), field("describe", m.describe),
             field("file", m.file, statement_bytes_max), field("begin", m.begin), field("pieces", m.pieces),
             field("file_begin", m.file_begin, statement_bytes_max));
}
template <class A>
void fields(A& a, typename A::template Ref<FileWanted> m) {
    a.record("file_wanted", field("session", m.session), field("request", m.request), field("name", m.name),
             field("offset", m.offset), field("in_pieces", m.in_pieces));
}
template <class A>
void fields(A& a, typename A::template Ref<FileContent> m) {
    a.record("file_content", field("session", m.session), field("request", m.request), field("error", m.error),
             field("content", m.content, statement_bytes_max), field("offset", m.offset), field("more", m.more));
}
template <class A>
void fields(A& a, typename A::template Ref<Column> m) {
    a.record("column", field("name", m.name), field("table", m.table), field("database", m.database),
             field("type", m.type), field("charset", m.charset), field("flags", m.flags), field("length", m.length),
             field("decimals", m.decimals), field("original_name", m.original_name),
             field("original_table", m.original_table), field("type_name", m.type_name, type_name_bytes_max),
             field("format_name", m.format_name, type_name_bytes_max));
}
template <class A>
void fields(A& a, typename A::template Ref<ResultHeader> m) {
    a.record("result_header", field("session", m.session), field("request", m.request),
             field("columns", m.columns, wire::columns_max));
}
template <class A>
void fields(A& a, typename A::template Ref<ResultRows> m) {
    a.record("result_rows", field("session", m.session), field("request", m.request), field("row_count", m.row_count),
             field("rows", m.rows, result_row_bytes_max + result_chunk_bytes));
}
template <class A>
void fields(A& a, typename A::template Ref<ResultEnd> m) {
    a.record("result_end", field("session", m.session), field("request", m.request), field("more", m.more),
             field("error", m.error), field("outcome", m.outcome), field("status_flags", m.status_flags),
             field("node", m.node), field("coordinator", m.coordinator), field("txn", m.txn), field("index", m.index),
             field("replicated_on", m.replicated_on), field("members", m.members), field("database", m.database),
             field("redirected", m.redirected), field("rows", m.rows), field("parameters", m.parameters),
             field("generated_id", m.generated_id), field("found_rows", m.found_rows),
             field("wait_timeout_s", m.wait_timeout_s));
}
template <class A>
void fields(A& a, typename A::template Ref<Credit> m) {
    a.record("credit", field("session", m.session), field("request", m.request), field("bytes", m.bytes));
}
template <class A>
void fields(A& a, typename A::template Ref<Cancel> m) {
    a.record("cancel", field("session", m.session), field("request", m.request));
}
template <class A>
void fields(A& a, typename A::template Ref<CloseSession> m) {
    a.record("close_session", field("session", m.session));
}
template <class A>
void fields(A& a, typename A::template Ref<Ping>) {
    a.record("ping");
}
template <class A>
void fields(A& a, typename A::template Ref<LoadAsk>) {
    a.record("load_ask");
}
template <class A>
void fields(A& a, typename A::template Ref<LoadNotice> m) {
    a.record("load_notice", field("serves", m.serves), field("reads", m.reads));
}
template <class A>
void fields(A& a, typename A::template Ref<VerbRequest> m) {
    a.record("verb_request", field("id", m.id), field("verb", m.verb),
             field("arguments", m.arguments, wire::arguments_max), field("timeout_ms", m.timeout_ms));
}
template <class A>
void fields(A& a, typename A::template Ref<VerbReply> m) {
    a.record("verb_reply", field("id", m.id), field("error", m.error), field("json", m.json, wire::json_bytes_max));
}

namespace {

constexpr std::size_t message_bytes_typical = 192;

[[nodiscard]] std::size_t size_hint(const SessionMessage& message) {
    if (const auto* rows = std::get_if<ResultRows>(&message)) return message_bytes_typical + rows->rows.size();
    if (const auto* execute = std::get_if<Execute>(&message))
        return message_bytes_typical + execute->sql.size() + (execute->file ? execute->file->size() : 0);
    if (const auto* file = std::get_if<FileContent>(&message)) return message_bytes_typical + file->content.size();
    return message_bytes_typical;
}

}  // namespace

Status encode_into(std::string& out, const SessionMessage& message) {
    out.reserve(out.size() + size_hint(message));
    return wire::encode_as(out, message);
}

std::string encode(const SessionMessage& message) {
    std::string out;
    (void)encode_into(out, message);
    return out;
}

MessageKind kind_of(const SessionMessage& message) {
    struct Kind {
        MessageKind operator()(const OpenSession&) const { return MessageKind::open_session; }
        MessageKind operator()(const SessionOpened&) const { return MessageKind::session_opened; }
        MessageKind operator()(const Execute&) const { return MessageKind::execute; }
        MessageKind operator()(const ResultHeader&) const { return MessageKind::result_header; }
        MessageKind operator()(const ResultRows&) const { return MessageKind::result_rows; }
        MessageKind operator()(const ResultEnd&) const { return MessageKind::result_end; }
        MessageKind operator()(const Credit&) const { return MessageKind::credit; }
        MessageKind operator()(const Cancel&) const { return MessageKind::cancel; }
        MessageKind operator()(const CloseSession&) const { return MessageKind::close_session; }
        MessageKind operator()(const Ping&) const { return MessageKind::ping; }
        MessageKind operator()(const VerbRequest&) const { return MessageKind::verb_request; }
        MessageKind operator()(const VerbReply&) const { return MessageKind::verb_reply; }
        MessageKind operator()(const FileWanted&) const { return MessageKind::file_wanted; }
        MessageKind operator()(const FileContent&) const { return MessageKind::file_content; }
        MessageKind operator()(const LoadAsk&) const { return MessageKind::load_ask; }
        MessageKind operator()(const LoadNotice&) const { return MessageKind::load_notice; }
    };
    return std::visit(Kind{}, message);
}

namespace wire {

Result<Message> decode_session(MessageKind kind, std::string_view bytes) {
    switch (kind) {
        case MessageKind::open_session:
            return decode_as<SessionMessage, OpenSession>(bytes);
        case MessageKind::session_opened:
            return decode_as<SessionMessage, SessionOpened>(bytes);
        case MessageKind::execute:
            return decode_as<SessionMessage, Execute>(bytes);
        case MessageKind::result_header:
            return decode_as<SessionMessage, ResultHeader>(bytes);
        case MessageKind::result_rows:
            return decode_as<SessionMessage, ResultRows>(bytes);
        case MessageKind::result_end:
            return decode_as<SessionMessage, ResultEnd>(bytes);
        case MessageKind::credit:
            return decode_as<SessionMessage, Credit>(bytes);
        case MessageKind::cancel:
            return decode_as<SessionMessage, Cancel>(bytes);
        case MessageKind::close_session:
            return decode_as<SessionMessage, CloseSession>(bytes);
        case MessageKind::ping:
            return decode_as<SessionMessage, Ping>(bytes);
        case MessageKind::verb_request:
            return decode_as<SessionMessage, VerbRequest>(bytes);
        case MessageKind::verb_reply:
            return decode_as<SessionMessage, VerbReply>(bytes);
        case MessageKind::file_wanted:
            return decode_as<SessionMessage, FileWanted>(bytes);
        case MessageKind::file_content:
            return decode_as<SessionMessage, FileContent>(bytes);
        case MessageKind::load_ask:
            return decode_as<SessionMessage, LoadAsk>(bytes);
        case MessageKind::load_notice:
            return decode_as<SessionMessage, LoadNotice>(bytes);
        default:
            return fail(ErrorCode::refused,
                        "unknown message kind " + std::to_string(static_cast<unsigned>(kind)) + " of a client");
    }
}

}  // namespace wire
}  // namespace ddb
