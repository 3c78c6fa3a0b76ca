// Messages between nodes, and announcements. Fields are only ever appended: WIRE.md, "versions".
#include "schemas/wire_fields.hpp"

namespace ddb {

template <class A>
void fields(A& a, typename A::template Ref<Hello> m) {
    a.record("hello", field("voter", m.voter), field("expect", m.expect), field("formed", m.formed),
             field("cluster", m.cluster), field("address", m.address), field("has_user_data", m.has_user_data),
             field("forms", m.forms));
}
template <class A>
void fields(A& a, typename A::template Ref<FormationSignature> m) {
    a.record("formation_signature", field("list", m.list));
}
template <class A>
void fields(A& a, typename A::template Ref<Probe> m) {
    a.record("probe", field("epoch", m.epoch), field("last", m.last), field("fit", m.fit));
}
template <class A>
void fields(A& a, typename A::template Ref<ProbeReply> m) {
    a.record("probe_reply", field("epoch", m.epoch), field("accepted", m.accepted), field("stands", m.stands),
             text("reason", m.reason));
}
template <class A>
void fields(A& a, typename A::template Ref<GrantRequest> m) {
    a.record("grant_request", field("epoch", m.epoch), field("last", m.last));
}
template <class A>
void fields(A& a, typename A::template Ref<GrantReply> m) {
    a.record("grant_reply", field("epoch", m.epoch), field("granted", m.granted), text("reason", m.reason));
}
template <class A>
void fields(A& a, typename A::template Ref<HandOver> m) {
    a.record("hand_over", field("epoch", m.epoch), field("last", m.last));
}
template <class A>
void fields(A& a, typename A::template Ref<Prepare> m) {
    a.record("prepare", field("epoch", m.epoch), field("previous", m.previous),
             field("previous_digest", m.previous_digest), field("entries", m.entries, prepare_entries_max),
             field("decided", m.decided), field("keep_from", m.keep_from), field("round", m.round),
             field("acknowledged", m.acknowledged));
}
template <class A>
void fields(A& a, typename A::template Ref<Vote> m) {
    a.record("vote", field("epoch", m.epoch), field("accepted", m.accepted), field("reason", m.reason),
             field("up_to", m.up_to), field("round", m.round), field("applied", m.applied),
             field("durable_applied", m.durable_applied), field("fit", m.fit));
}
template <class A>
void fields(A& a, typename A::template Ref<ReadIndexRequest> m) {
    a.record("read_index_request", field("token", m.token), field("epoch", m.epoch));
}
template <class A>
void fields(A& a, typename A::template Ref<ReadIndexReply> m) {
    a.record("read_index_reply", field("token", m.token), field("epoch", m.epoch), field("accepted", m.accepted),
             field("index", m.index));
}
template <class A>
void fields(A& a, typename A::template Ref<MembershipNotice> m) {
    a.record("membership_notice", field("at", m.at), field("list", m.list));
}
template <class A>
void fields(A& a, typename A::template Ref<SnapshotRequest> m) {
    a.record("snapshot_request", text("reason", m.reason), field("avoid", m.avoid));
}
template <class A>
void fields(A& a, typename A::template Ref<SnapshotOffer> m) {
    a.record("snapshot_offer", field("epoch", m.epoch), field("donor", m.donor), field("kept_from", m.kept_from));
}
template <class A>
void fields(A& a, typename A::template Ref<Announcement> m) {
    a.record("announcement", field("node", m.node), field("role", m.role, 64), field("epoch", m.epoch),
             field("coordinator", m.coordinator), field("last", m.last), field("decided", m.decided),
             field("applied", m.applied), field("fit", m.fit), field("sessions", m.sessions),
             field("uptime_s", m.uptime_s), text("event", m.event));
}

namespace {

// Fixed fields of one message and of one entry, generously; payloads come on top.
constexpr std::size_t message_bytes_typical = 128;
constexpr std::size_t entry_bytes_typical = 192;

[[nodiscard]] std::size_t size_hint(const PeerMessage& message) {
    std::size_t bytes = message_bytes_typical;
    if (const auto* prepare = std::get_if<Prepare>(&message)) {
        for (const Entry& entry : prepare->entries) {
            bytes += entry_bytes_typical + entry.payload.size() + entry.outcome.info.size();
        }
    }
    return bytes;
}

}  // namespace

Status encode_into(std::string& out, const PeerMessage& message) {
    out.reserve(out.size() + size_hint(message));
    return wire::encode_as(out, message);
}

std::string encode(const PeerMessage& message) {
    std::string out;
    (void)encode_into(out, message);
    return out;
}

std::string encode(const Announcement& message) {
    std::string out;
    wire::write_to(out, message, nullptr);
    return out;
}

MessageKind kind_of(const PeerMessage& message) {
    struct Kind {
        MessageKind operator()(const Hello&) const { return MessageKind::hello; }
        MessageKind operator()(const FormationSignature&) const { return MessageKind::formation_signature; }
        MessageKind operator()(const Probe&) const { return MessageKind::probe; }
        MessageKind operator()(const ProbeReply&) const { return MessageKind::probe_reply; }
        MessageKind operator()(const GrantRequest&) const { return MessageKind::grant_request; }
        MessageKind operator()(const GrantReply&) const { return MessageKind::grant_reply; }
        MessageKind operator()(const HandOver&) const { return MessageKind::hand_over; }
        MessageKind operator()(const Prepare&) const { return MessageKind::prepare; }
        MessageKind operator()(const Vote&) const { return MessageKind::vote; }
        MessageKind operator()(const ReadIndexRequest&) const { return MessageKind::read_index_request; }
        MessageKind operator()(const ReadIndexReply&) const { return MessageKind::read_index_reply; }
        MessageKind operator()(const MembershipNotice&) const { return MessageKind::membership_notice; }
        MessageKind operator()(const SnapshotRequest&) const { return MessageKind::snapshot_request; }
        MessageKind operator()(const SnapshotOffer&) const { return MessageKind::snapshot_offer; }
    };
    return std::visit(Kind{}, message);
}

namespace wire {

Result<Message> decode_peer(MessageKind kind, std::string_view bytes) {
    switch (kind) {
        case MessageKind::hello:
            return decode_as<PeerMessage, Hello>(bytes);
        case MessageKind::formation_signature:
            return decode_as<PeerMessage, FormationSignature>(bytes);
        case MessageKind::probe:
            return decode_as<PeerMessage, Probe>(bytes);
        case MessageKind::probe_reply:
            return decode_as<PeerMessage, ProbeReply>(bytes);
        case MessageKind::grant_request:
            return decode_as<PeerMessage, GrantRequest>(bytes);
        case MessageKind::grant_reply:
            return decode_as<PeerMessage, GrantReply>(bytes);
        case MessageKind::hand_over:
            return decode_as<PeerMessage, HandOver>(bytes);
        case MessageKind::prepare:
            return decode_as<PeerMessage, Prepare>(bytes);
        case MessageKind::vote:
            return decode_as<PeerMessage, Vote>(bytes);
        case MessageKind::read_index_request:
            return decode_as<PeerMessage, ReadIndexRequest>(bytes);
        case MessageKind::read_index_reply:
            return decode_as<PeerMessage, ReadIndexReply>(bytes);
        case MessageKind::membership_notice:
            return decode_as<PeerMessage, MembershipNotice>(bytes);
        case MessageKind::snapshot_request:
            return decode_as<PeerMessage, SnapshotRequest>(bytes);
        case MessageKind::snapshot_offer:
            return decode_as<PeerMessage, SnapshotOffer>(bytes);
        case MessageKind::announcement:
            return decode_as<Announcement, Announcement>(bytes);
        default:
            return fail(ErrorCode::refused,
                        "unknown message kind " + std::to_string(static_cast<unsigned>(kind)) + " between nodes");
    }
}

}  // namespace wire
}  // namespace ddb
