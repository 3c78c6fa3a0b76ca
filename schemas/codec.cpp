#include "schemas/codec.hpp"

#include "schemas/wire_fields.hpp"

namespace ddb {

Result<Message> decode(MessageKind kind, std::string_view bytes) {
    if (wire::is_transfer(kind)) return wire::decode_transfer(kind, bytes);
    if (wire::is_audit(kind)) return wire::decode_audit(kind, bytes);
    return for_clients(kind) ? wire::decode_session(kind, bytes) : wire::decode_peer(kind, bytes);
}

const char* to_string(MessageKind kind) {
    switch (kind) {
        case MessageKind::hello:
            return "hello";
        case MessageKind::formation_signature:
            return "formation_signature";
        case MessageKind::probe:
            return "probe";
        case MessageKind::probe_reply:
            return "probe_reply";
        case MessageKind::grant_request:
            return "grant_request";
        case MessageKind::grant_reply:
            return "grant_reply";
        case MessageKind::hand_over:
            return "hand_over";
        case MessageKind::prepare:
            return "prepare";
        case MessageKind::vote:
            return "vote";
        case MessageKind::read_index_request:
            return "read_index_request";
        case MessageKind::read_index_reply:
            return "read_index_reply";
        case MessageKind::membership_notice:
            return "membership_notice";
        case MessageKind::snapshot_request:
            return "snapshot_request";
        case MessageKind::snapshot_offer:
            return "snapshot_offer";
        case MessageKind::announcement:
            return "announcement";
        case MessageKind::transfer_open:
            return "transfer_open";
        case MessageKind::transfer_pull:
            return "transfer_pull";
        case MessageKind::transfer_state:
            return "transfer_state";
        case MessageKind::transfer_chunk:
            return "transfer_chunk";
        case MessageKind::transfer_header_request:
            return "transfer_header_request";
        case MessageKind::transfer_header:
            return "transfer_header";
        case MessageKind::transfer_close:
            return "transfer_close";
        case MessageKind::audit_ask:
            return "audit_ask";
        case MessageKind::audit_found:
            return "audit_found";
        case MessageKind::audit_verdict:
            return "audit_verdict";
        case MessageKind::audit_wish:
            return "audit_wish";
        case MessageKind::open_session:
            return "open_session";
        case MessageKind::session_opened:
            return "session_opened";
        case MessageKind::execute:
            return "execute";
        case MessageKind::result_header:
            return "result_header";
        case MessageKind::result_rows:
            return "result_rows";
        case MessageKind::result_end:
            return "result_end";
        case MessageKind::credit:
            return "credit";
        case MessageKind::cancel:
            return "cancel";
        case MessageKind::close_session:
            return "close_session";
        case MessageKind::ping:
            return "ping";
        case MessageKind::file_wanted:
            return "file_wanted";
        case MessageKind::file_content:
            return "file_content";
        case MessageKind::load_ask:
            return "load_ask";
        case MessageKind::load_notice:
            return "load_notice";
        case MessageKind::verb_request:
            return "verb_request";
        case MessageKind::verb_reply:
            return "verb_reply";
    }
    return "unknown";
}

}  // namespace ddb
