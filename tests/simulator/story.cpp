#include "tests/simulator/story.hpp"

#include "tests/simulator/checker.hpp"

namespace ddb::simulator {

namespace {

std::string words(const Prepare& m) {
    if (m.entries.empty()) return {};
    const std::string range = m.entries.size() == 1
                                  ? "entry " + name(m.entries.front().id)
                                  : "entries " + name(m.entries.front().id) + " to " + name(m.entries.back().id);
    return "take " + range + " after " + name(m.previous) + " (epoch " + std::to_string(m.epoch.value) + ", decided " +
           std::to_string(m.decided.value) + ")";
}
std::string words(const Vote& m) {
    if (m.accepted) return "I hold everything durably up to " + std::to_string(m.up_to.value);
    if (m.reason == VoteReason::stale_epoch) return "your epoch is over, this is " + std::to_string(m.epoch.value);
    return "these do not join on, send what follows " + std::to_string(m.up_to.value);
}
std::string words(const Probe& m) {
    return "would you grant me an epoch? My log ends at " + name(m.last);
}
std::string words(const ProbeReply& m) {
    if (m.stands) return "no need, I stand myself";
    return m.accepted ? "I would" : "I would not: it " + m.reason;
}
std::string words(const GrantRequest& m) {
    return "grant me epoch " + std::to_string(m.epoch.value) + "; my log ends at " + name(m.last);
}
std::string words(const GrantReply& m) {
    return m.granted ? "epoch " + std::to_string(m.epoch.value) + " is granted" : "no grant: it " + m.reason;
}
std::string words(const HandOver& m) {
    return "take over my office of epoch " + std::to_string(m.epoch.value);
}
std::string words(const FormationSignature& m) {
    return "I signed a list of " + std::to_string(m.list.members.size()) + " nodes";
}
std::string words(const MembershipNotice& m) {
    return "the cluster has " + std::to_string(m.list.members.size()) + " members since " + name(m.at);
}
std::string words(const SnapshotRequest& m) {
    return "I have to load my database: " + m.reason;
}
std::string words(const SnapshotOffer& m) {
    return "load your database from node " + std::to_string(m.donor.value);
}
template <class M>
std::string words(const M&) {
    return {};
}

}  // namespace

std::string in_words(const PeerMessage& message) {
    return std::visit([](const auto& m) { return words(m); }, message);
}

}  // namespace ddb::simulator
