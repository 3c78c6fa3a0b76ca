// The driver's side of state transfer and audit: what they may ask for, and what becomes of a database that differs.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "node/driver.hpp"

namespace ddb::node {

TransferHost Driver::transfer_host() {
    return TransferHost{[this](NodeId to, const TransferMessage& message) { return parts_.links.send(to, message); },
                        [this](core::Input input) { core_.step(std::move(input)); },
                        [this](LogIndex at) { return core_.dump_point(at); },
                        [this] { return why_no_donor(); },
                        [this] { return report_.applied; },
                        [this] { return report_.applied.value + sessions_.counters().statements; },
                        [this](bool hold) {
                            held_by_transfer_ = hold;
                            hold_definitions();
                            sessions_.hold_large_groups(hold);
                        },
                        [this] { return sessions_.definitions_held() && sessions_.large_groups_held(); },
                        [this] {
                            if (!transfer_posted_.exchange(true)) {
                                parts_.mailbox.post_always(LoopEvent{TransferWaiting{}});
                            }
                        },
                        parts_.database,
                        parts_.journal,
                        parts_.settings.mysql.managed};
}

AuditHost Driver::audit_host() {
    return AuditHost{[this](NodeId to, const AuditMessage& message) { return parts_.links.send(to, message); },
                     [this](core::Input input) { core_.step(std::move(input)); },
                     [this]() -> const core::CoreStatus& { return status_; },
                     [this] { return why_no_donor(); },
                     [this](bool hold) {
                         held_by_audit_ = hold;
                         hold_definitions();
                     },
                     [this] { return sessions_.definitions_held(); },
                     [this](LogIndex index) { parts_.database.register_audit(index); },
                     [this] { parts_.database.end_audit(); },
                     [this](const std::string& reason) { on_fenced(reason); },
                     [this](std::uint64_t token, Result<std::string> result) { verbs_.on_audit(token, result); },
                     config_.id,
                     std::uint64_t{parts_.settings.audit.interval_s} * 1000};
}

// A transfer and an audit may both want them held.
void Driver::hold_definitions() {
    sessions_.hold_definitions(held_by_transfer_ || held_by_audit_);
}

void Driver::watch_foreign_writes() {
    const std::uint64_t seen = foreign_writes();
    if (seen == foreign_writes_wished_) return;
    foreign_writes_wished_ = seen;
    audit_.wish("something that was written past ddb");
}

// A coordinator that has no database hands its office to a voter that does, if one is heard: one that keeps it has one.
storage::OtherCopies Driver::other_copies() const {
    constexpr std::uint64_t hand_over_ms_max = 2000;
    using storage::OtherCopies;
    if (status_.role != core::Role::coordinator) {
        const bool led = status_.coordinator != NodeId{} && now_ms_ >= led_since_ms_ + hand_over_ms_max;
        return led ? OtherCopies::some : OtherCopies::unknown;
    }
    bool every_one_void = true;  // also where this node is the only voter
    for (const core::PeerStatus& peer : status_.peers) {
        if (peer.learner) continue;
        if (peer.reachable && peer.fit) return OtherCopies::some;
        every_one_void &= !peer.has_database;
    }
    return every_one_void ? OtherCopies::none : OtherCopies::unknown;
}

void Driver::note_copies() {
    if (status_.coordinator != led_by_ || status_.epoch != led_in_) {
        led_by_ = status_.coordinator;
        led_in_ = status_.epoch;
        led_since_ms_ = now_ms_;
    }
    parts_.database.set_other_copies(other_copies());
}

std::string Driver::why_no_donor() const {
    if (transfer_.receiving() || status_.rebuilding) return "this node's own database is being replaced";
    if (!report_.server_up) return "this node's server is down";
    if (report_.fenced) return "this node's database differs from the others'";
    if (report_.leaving_office) return "this node is leaving the office";
    // What it did here may stay, or go with the whole database: until that is settled nobody is to have it.
    const auto intents = parts_.journal.intents();
    const bool unsettled = std::any_of(intents.begin(), intents.end(),
                                       [this](const auto& intent) { return intent.txn.epoch < status_.epoch; });
    if (unsettled) return "a statement of an earlier office of this node is not settled";
    return {};
}

void Driver::on_fenced(const std::string& reason) {
    spdlog::critical("fenced, nothing more is applied or read here: {}", reason);
    const bool first = !report_.fenced;
    fenced_reason_ = reason;
    report_.fenced = true;
    report_dirty_ = true;
    sessions_.on_fenced(reason);
    transfer_.on_server_down(reason);
    if (!first) return;
    rebuild_wanted_ms_ = rebuild_limit_.next(now_ms_);
    if (!rebuild_wanted_ms_) {
        spdlog::critical(
            "this database was replaced {} times within an hour and differs again: it is left as it is "
            "for people to look at; a restart of the node has it replaced once more",
            RebuildLimit::attempts_max);
    }
}

void Driver::advance_rebuild_wish() {
    if (!rebuild_wanted_ms_ || now_ms_ < *rebuild_wanted_ms_) return;
    rebuild_wanted_ms_.reset();
    core_.step(core::RebuildWanted{fenced_reason_});
}

void Driver::on_rebuild_needed(const core::RebuildNeeded& needed) {
    database_void_ = true;
    report_.server_up = false;
    report_.applied = report_.durable_applied = LogIndex{};
    report_dirty_ = true;
    sessions_.on_server_down();
    transfer_.on_rebuild_needed(needed);
}

void Driver::on_rebuild_over() {
    database_void_ = false;
    report_.fenced = false;
    fenced_reason_.clear();
    rebuild_wanted_ms_.reset();
    report_dirty_ = true;
    sessions_.on_rebuilt();
    transfer_.on_rebuild_over();
}

}  // namespace ddb::node
