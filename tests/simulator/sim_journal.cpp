#include "tests/simulator/sim_journal.hpp"

#include <utility>

namespace ddb::simulator {

LogIndex JournalImage::last() const {
    return entries.empty() ? base.index : entries.rbegin()->second.id.index;
}

const Entry* JournalImage::find(LogIndex index) const {
    const auto it = entries.find(index.value);
    return it == entries.end() ? nullptr : &it->second;
}

EntryId JournalImage::id_at(LogIndex index) const {
    if (index == base.index) return base;
    const Entry* entry = find(index);
    return entry ? entry->id : EntryId{};
}

void JournalImage::apply(const core::JournalWrite& write) {
    if (write.reset) {
        entries.clear();
        base = write.reset->last;
        base_digest = write.reset->digest;
        base_membership = write.reset->membership;
        decided = base.index;
        outcomes_at_base = *write.reset;
    }
    if (write.rebuilding) rebuilding = *write.rebuilding;
    if (write.incarnation) incarnation = write.incarnation;
    if (write.hard) hard = *write.hard;
    if (write.signed_list) signed_list = write.signed_list;
    if (write.base_membership) base_membership = write.base_membership;
    if (write.truncate_after) entries.erase(entries.upper_bound(write.truncate_after->value), entries.end());
    for (const Entry& entry : write.entries) {
        DDB_ASSERT(entry.id.index == next(last()));
        entries.emplace(entry.id.index.value, entry);
    }
    if (write.decided) decided = *write.decided;
    if (write.drop_before && write.drop_before->value > base.index.value + 1) {
        const Entry* new_base = find(previous(*write.drop_before));
        DDB_ASSERT(new_base != nullptr);
        base = new_base->id;
        base_digest = new_base->digest;
        outcomes_at_base = {};
        entries.erase(entries.begin(), entries.lower_bound(write.drop_before->value));
    }
}

void SimJournal::write(core::JournalWrite write, std::uint64_t durable_at_ms) {
    newest_.apply(write);
    if (!waiting_.empty()) durable_at_ms = std::max(durable_at_ms, waiting_.back().durable_at_ms);
    waiting_.push_back({std::move(write), durable_at_ms});
}

std::deque<core::JournalCompleted> SimJournal::advance(std::uint64_t now_ms) {
    std::deque<core::JournalCompleted> completed;
    if (now_ms < stalled_until_ms_) return completed;
    while (!waiting_.empty() && waiting_.front().durable_at_ms <= now_ms) {
        durable_.apply(waiting_.front().write);
        completed.push_back({waiting_.front().write.op, waiting_.front().write.epoch});
        waiting_.pop_front();
    }
    return completed;
}

void SimJournal::crash(std::uint64_t kept_writes) {
    for (; kept_writes > 0 && !waiting_.empty(); --kept_writes) {
        durable_.apply(waiting_.front().write);
        waiting_.pop_front();
    }
    waiting_.clear();
    newest_ = durable_;
    stalled_until_ms_ = 0;
}

void SimJournal::wipe() {
    durable_ = newest_ = JournalImage{};
    waiting_.clear();
    stalled_until_ms_ = 0;
}

void SimJournal::restore(const JournalImage& copy) {
    durable_ = newest_ = copy;
    waiting_.clear();
}

core::RecoveredState SimJournal::recover(LogIndex payloads_from) const {
    core::RecoveredState state;
    state.hard = durable_.hard;
    state.signed_list = durable_.signed_list;
    state.base_membership = durable_.base_membership;
    state.base = durable_.base;
    state.base_digest = durable_.base_digest;
    state.payloads_from = payloads_from;
    for (const auto& [index, entry] : durable_.entries) {
        state.entries.push_back(entry);
        if (index < payloads_from.value && entry.kind != EntryKind::membership)
            state.entries.back().payload = Payload();
    }
    state.decided = durable_.decided;
    state.rebuilding = durable_.rebuilding;
    state.outcomes_floor = durable_.outcomes_at_base.outcomes_floor;
    state.forgotten = durable_.outcomes_at_base.forgotten;
    state.outcomes = durable_.outcomes_at_base.outcomes;
    return state;
}

}  // namespace ddb::simulator
