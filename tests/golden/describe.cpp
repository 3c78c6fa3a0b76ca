#include "tests/golden/describe.hpp"

#include "schemas/codec.hpp"

namespace ddb::golden {

namespace {

std::string number(std::uint64_t value) {
    return std::to_string(value);
}

std::string list_of(const Membership& membership) {
    std::string out = "{";
    for (const Member& member : membership.members)
        out += (out.size() > 1 ? " " : "") + number(member.voter.id.value) + "#" +
               number(member.voter.incarnation.value) + (member.learner ? "L" : "");
    return out + "}";
}

const char* name(EntryKind kind) {
    switch (kind) {
        case EntryKind::noop:
            return "noop";
        case EntryKind::rows:
            return "rows";
        case EntryKind::statement:
            return "statement";
        case EntryKind::membership:
            return "membership";
        case EntryKind::marker:
            return "marker";
        case EntryKind::audit:
            return "audit";
        case EntryKind::rows_part:
            return "part";
        case EntryKind::rows_end:
            return "end of parts";
    }
    return "?";
}

std::string entries_of(const std::vector<Entry>& entries) {
    std::string out = "[";
    if (entries.size() > 8) return out + describe(entries.front().id) + " .. " + describe(entries.back().id) + "]";
    for (const Entry& entry : entries) {
        if (out.size() > 1) out += " ";
        out += describe(entry.id) + " " + name(entry.kind);
        if (entry.kind == EntryKind::membership) {
            const auto list = decode_membership(entry.payload.view());
            out += " " + (list.ok() ? list_of(*list) : "?");
        }
        if (entry.kind == EntryKind::rows) out += " \"" + std::string(entry.payload.view()) + "\"";
    }
    return out + "]";
}

std::string text(const Hello& m) {
    return "Hello " + std::string(m.formed ? "formed" : "fresh, expects " + number(m.expect));
}
std::string text(const FormationSignature& m) {
    return "FormationSignature " + list_of(m.list);
}
std::string text(const Probe& m) {
    return "Probe epoch=" + number(m.epoch.value) + " last=" + describe(m.last) + (m.fit ? "" : " unfit");
}
std::string text(const ProbeReply& m) {
    return std::string("ProbeReply ") + (m.accepted ? "yes" : "no") + (m.stands ? ", stands itself" : "") +
           (m.reason.empty() ? "" : ": " + m.reason);
}
std::string text(const GrantRequest& m) {
    return "GrantRequest epoch=" + number(m.epoch.value) + " last=" + describe(m.last);
}
std::string text(const GrantReply& m) {
    return "GrantReply epoch=" + number(m.epoch.value) + (m.granted ? " granted" : " refused: " + m.reason);
}
std::string text(const HandOver& m) {
    return "HandOver epoch=" + number(m.epoch.value) + " last=" + describe(m.last);
}
std::string text(const Prepare& m) {
    return "Prepare epoch=" + number(m.epoch.value) + " after=" + describe(m.previous) + " " + entries_of(m.entries) +
           " decided=" + number(m.decided.value) + (m.round ? " round=" + number(m.round.value) : "");
}
std::string text(const Vote& m) {
    static const char* const reasons[] = {"refused",      "gap",          "stale epoch",
                                          "bad checksum", "journal full", "not member"};
    return "Vote epoch=" + number(m.epoch.value) + " " +
           (m.accepted ? std::string("yes") : std::string("no: ") + reasons[static_cast<std::size_t>(m.reason)]) +
           " up_to=" + number(m.up_to.value) + (m.round ? " round=" + number(m.round.value) : "") +
           (m.fit ? "" : " unfit");
}
std::string text(const ReadIndexRequest& m) {
    return "ReadIndexRequest epoch=" + number(m.epoch.value);
}
std::string text(const ReadIndexReply& m) {
    return "ReadIndexReply " + (m.accepted ? "index=" + number(m.index.value) : std::string("refused"));
}

std::string text(const MembershipNotice& m) {
    return "MembershipNotice at=" + describe(m.at) + " " + list_of(m.list);
}
std::string text(const SnapshotRequest& m) {
    return "SnapshotRequest" + (m.avoid ? " avoid=" + number(m.avoid.value) : std::string()) + ": " + m.reason;
}
std::string text(const SnapshotOffer& m) {
    return "SnapshotOffer epoch=" + number(m.epoch.value) + " donor=" + number(m.donor.value) +
           " kept_from=" + number(m.kept_from.value);
}

std::string text(const core::Send&) {
    return "Send";
}
std::string text(const core::RoleChanged& e) {
    return std::string("is ") + core::to_string(e.role) + " in epoch " + number(e.epoch.value) +
           (e.coordinator ? " under " + number(e.coordinator.value) : "") + ": " + e.reason;
}
std::string text(const core::OfficeOpened& e) {
    return "OFFICE OPENED, epoch " + number(e.epoch.value);
}
std::string text(const core::OfficeClosed& e) {
    return "OFFICE CLOSED, epoch " + number(e.epoch.value) + ": " + e.reason;
}
std::string text(const core::Decided& e) {
    return "decided (" + number(e.from.value) + ", " + number(e.up_to.value) + "]";
}
std::string text(const core::ProposalAccepted& e) {
    return "proposal " + number(e.token.value) + " is entry " + describe(e.id);
}
std::string text(const core::ProposalRefused& e) {
    return "proposal " + number(e.token.value) + " refused: " + e.error.message;
}
std::string text(const core::ProposalUnknown& e) {
    return "proposal " + number(e.token.value) + " UNKNOWN, entry " + describe(e.id);
}
std::string text(const core::ReadIndexAnswer& e) {
    return "read " + number(e.token.value) + (e.accepted ? " at index " + number(e.index.value) : " refused");
}
std::string text(const core::OutcomeAnswer& e) {
    static const char* const fates[] = {"decided", "absent", "too old", "not coordinator"};
    return "outcome " + number(e.token) + ": " + fates[static_cast<std::size_t>(e.fate)] +
           (e.fate == core::Fate::decided ? " " + describe(e.id) : "");
}
std::string text(const core::Quiesce& e) {
    return "quiesce for " + number(e.successor.value);
}
std::string text(const core::QuiesceEnd&) {
    return "quiesce ends";
}
std::string text(const core::ReadEntries& e) {
    return "reads entries " + number(e.from.value) + ".." + number(e.to.value) + " for " + number(e.peer.value);
}
std::string text(const core::RebuildNeeded& e) {
    return "REBUILD NEEDED from " + number(e.donor.value) + ": " + e.reason;
}
std::string text(const core::RebuildOver&) {
    return "REBUILD OVER";
}
std::string text(const core::IdentityTaken& e) {
    return "TAKES IDENTITY " + number(e.incarnation.value);
}
std::string text(const core::CommandAnswer& e) {
    return "command " + number(e.token) + (e.status.ok() ? ": done" : ": " + e.status.error().message);
}
std::string text(const core::Complaint& e) {
    return "complains: " + e.text;
}
std::string text(const core::Trace& e) {
    return "note: " + e.text;
}

}  // namespace

std::string describe(EntryId id) {
    return number(id.epoch.value) + "/" + number(id.index.value);
}

std::string describe(const Membership& membership) {
    return list_of(membership);
}

std::string describe(const Snapshot& snapshot) {
    return "snapshot " + describe(snapshot.last) + " " + list_of(snapshot.membership) +
           " outcomes=" + number(snapshot.outcomes.size()) + " above " + number(snapshot.outcomes_floor.value);
}

std::string describe(const DumpPoint& point) {
    const std::string log = describe(point.log);
    return point.applied == point.log.last ? log : log + ", database as of " + to_string(point.applied.index);
}

std::string describe(const PeerMessage& message) {
    return std::visit([](const auto& m) { return text(m); }, message);
}

std::string describe(const core::Effect& effect) {
    return std::visit([](const auto& e) { return text(e); }, effect);
}

std::string describe(const core::JournalWrite& write) {
    std::string out = "journal " + number(write.op.value) + (write.sync ? ":" : " (lazy):");
    if (write.incarnation) out += " incarnation=" + number(write.incarnation->value);
    if (write.rebuilding) out += *write.rebuilding ? " rebuilding" : " not rebuilding";
    if (write.reset) out += " RESET to " + describe(*write.reset);
    if (write.hard)
        out += " epoch=" + number(write.hard->epoch.value) +
               (write.hard->granted_to ? " granted=" + number(write.hard->granted_to.value) : "");
    if (write.signed_list) out += " signs " + list_of(*write.signed_list);
    if (write.base_membership) out += " formed " + list_of(*write.base_membership);
    if (write.truncate_after) out += " drop after " + number(write.truncate_after->value);
    if (!write.entries.empty()) out += " append " + entries_of(write.entries);
    if (write.decided) out += " decided=" + number(write.decided->value);
    if (write.drop_before) out += " drop before " + number(write.drop_before->value);
    return out;
}

}  // namespace ddb::golden
