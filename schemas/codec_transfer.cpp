// Messages of state transfer. Fields are only ever appended: WIRE.md, "versions".
#include "schemas/digest.hpp"
#include "schemas/wire_fields.hpp"

namespace ddb {

template <class A>
void fields(A& a, typename A::template Ref<TransferOpen> m) {
    a.record("transfer_open", field("transfer", m.transfer), field("with_root", m.with_root));
}
template <class A>
void fields(A& a, typename A::template Ref<TransferPull> m) {
    a.record("transfer_pull", field("transfer", m.transfer), field("next", m.next), field("window", m.window),
             field("again", m.again));
}
template <class A>
void fields(A& a, typename A::template Ref<TransferState> m) {
    a.record("transfer_state", field("transfer", m.transfer), field("phase", m.phase), text("reason", m.reason),
             field("estimate_bytes", m.estimate_bytes));
}
template <class A>
void fields(A& a, typename A::template Ref<TransferChunk> m) {
    a.record("transfer_chunk", field("transfer", m.transfer), field("number", m.number), field("last", m.last),
             field("digest", m.digest), field("bytes", m.bytes, transfer_chunk_bytes_max));
}
template <class A>
void fields(A& a, typename A::template Ref<TransferHeaderRequest> m) {
    a.record("transfer_header_request", field("transfer", m.transfer), field("position", m.position),
             field("markers", m.markers, transfer_markers_max));
}
template <class A>
void fields(A& a, typename A::template Ref<TransferHeader> m) {
    a.record("transfer_header", field("transfer", m.transfer), field("error", m.error),
             field("applied", m.point.applied), field("snapshot", m.point.log),
             field("entries", m.entries, transfer_entries_max));
}
template <class A>
void fields(A& a, typename A::template Ref<TransferClose> m) {
    a.record("transfer_close", field("transfer", m.transfer), text("reason", m.reason));
}

Status encode_into(std::string& out, const TransferMessage& message) {
    if (const auto* chunk = std::get_if<TransferChunk>(&message)) out.reserve(out.size() + chunk->bytes.size() + 128);
    return wire::encode_as(out, message);
}

std::string encode(const TransferMessage& message) {
    std::string out;
    (void)encode_into(out, message);
    return out;
}

MessageKind kind_of(const TransferMessage& message) {
    struct Kind {
        MessageKind operator()(const TransferOpen&) const { return MessageKind::transfer_open; }
        MessageKind operator()(const TransferPull&) const { return MessageKind::transfer_pull; }
        MessageKind operator()(const TransferState&) const { return MessageKind::transfer_state; }
        MessageKind operator()(const TransferChunk&) const { return MessageKind::transfer_chunk; }
        MessageKind operator()(const TransferHeaderRequest&) const { return MessageKind::transfer_header_request; }
        MessageKind operator()(const TransferHeader&) const { return MessageKind::transfer_header; }
        MessageKind operator()(const TransferClose&) const { return MessageKind::transfer_close; }
    };
    return std::visit(Kind{}, message);
}

// Over number and place as well: a good chunk of another transfer or another place is a bad one here.
Digest transfer_chunk_digest(const TransferChunk& chunk) {
    std::string bytes = std::to_string(chunk.transfer) + "/" + std::to_string(chunk.number) + (chunk.last ? "." : "/");
    bytes += chunk.bytes.view();
    return blake2b(bytes);
}

namespace wire {

bool is_transfer(MessageKind kind) {
    return kind >= MessageKind::transfer_open && kind <= MessageKind::transfer_close;
}

Result<Message> decode_transfer(MessageKind kind, std::string_view bytes) {
    switch (kind) {
        case MessageKind::transfer_open:
            return decode_as<TransferMessage, TransferOpen>(bytes);
        case MessageKind::transfer_pull:
            return decode_as<TransferMessage, TransferPull>(bytes);
        case MessageKind::transfer_state:
            return decode_as<TransferMessage, TransferState>(bytes);
        case MessageKind::transfer_chunk:
            return decode_as<TransferMessage, TransferChunk>(bytes);
        case MessageKind::transfer_header_request:
            return decode_as<TransferMessage, TransferHeaderRequest>(bytes);
        case MessageKind::transfer_header:
            return decode_as<TransferMessage, TransferHeader>(bytes);
        default:
            return decode_as<TransferMessage, TransferClose>(bytes);
    }
}

}  // namespace wire
}  // namespace ddb
