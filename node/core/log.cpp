#include "node/core/log.hpp"

#include <algorithm>

#include "schemas/codec.hpp"
#include "schemas/result.hpp"

namespace ddb::core {

Log::Log(EntryId base, Digest base_digest, std::optional<Membership> base_membership)
    : base_(base),
      base_digest_(base_digest),
      base_membership_(std::move(base_membership)),
      payloads_from_(next(base.index)) {}

bool Log::restore(std::vector<Entry> entries, LogIndex payloads_from, std::uint64_t bytes_left_out) {
    const std::uint64_t without = std::min<std::uint64_t>(
        entries.size(), payloads_from > next(base_.index) ? payloads_from.value - next(base_.index).value : 0);
    for (Entry& entry : entries) {
        // A membership entry is small; the journal always gives its payload.
        if (!readable(entry)) return false;
        const std::uint64_t size = entry.payload.size();
        const bool left_out = entry.id.index < payloads_from && size == 0;
        append(std::move(entry));
        // One by one they are not known; the sum is.
        if (left_out) kept_bytes_ += sizes_.back() = bytes_left_out / without;
    }
    payloads_from_ = std::min(std::max(payloads_from, next(base_.index)), next(last().index));
    return true;
}

void Log::reset(EntryId last, const Digest& digest, Membership membership) {
    *this = Log(last, digest, std::move(membership));
}

EntryId Log::last() const {
    return entries_.empty() ? base_ : entries_.back().id;
}

bool Log::holds(LogIndex index) const {
    return index > base_.index && index <= last().index;
}

const Entry& Log::at(LogIndex index) const {
    DDB_ASSERT(holds(index));
    return entries_[index.value - base_.index.value - 1];
}

EntryId Log::id_at(LogIndex index) const {
    return index == base_.index ? base_ : at(index).id;
}

const Digest& Log::digest_at(LogIndex index) const {
    return index == base_.index ? base_digest_ : at(index).digest;
}

LogIndex Log::before_epoch_at(LogIndex index) const {
    const Epoch epoch = id_at(index).epoch;
    // Epochs never fall along the log, so the border is found by halving.
    const auto first = std::partition_point(entries_.begin(), entries_.end(),
                                            [epoch](const Entry& entry) { return entry.id.epoch < epoch; });
    return LogIndex{base_.index.value + static_cast<std::uint64_t>(first - entries_.begin())};
}

bool Log::readable(const Entry& entry) {
    return entry.kind != EntryKind::membership || decode_membership(entry.payload.view()).ok();
}

void Log::append(Entry entry) {
    DDB_ASSERT(entry.id.index == next(last().index));
    DDB_ASSERT(entry.id.epoch >= last().epoch);
    if (entry.kind == EntryKind::membership) {
        Result<Membership> membership = decode_membership(entry.payload.view());
        DDB_ASSERT(membership.ok());
        memberships_.emplace_back(entry.id.index, std::move(*membership));
    }
    note_parts(entry);
    payload_bytes_ += entry.payload.size();
    kept_bytes_ += entry.payload.size();
    sizes_.push_back(entry.payload.size());
    entries_.push_back(std::move(entry));
}

// Before the entry is appended.
void Log::note_parts(const Entry& entry) {
    const auto end = [&](const Parts& parts) { ended_parts_.push_back({parts.txn, parts.first, entry.id.index}); };
    if (entry.id.epoch > last().epoch) {
        for (const Parts& parts : open_parts_) end(parts);
        open_parts_.clear();
    }
    if (entry.kind != EntryKind::rows_part && entry.kind != EntryKind::rows_end && entry.kind != EntryKind::statement)
        return;
    const auto open = std::find_if(open_parts_.begin(), open_parts_.end(),
                                   [&](const Parts& parts) { return parts.txn == entry.txn; });
    if (entry.kind == EntryKind::rows_part) {
        if (open == open_parts_.end()) open_parts_.push_back({entry.txn, entry.id.index, {}});
    } else if (open != open_parts_.end()) {
        end(*open);
        open_parts_.erase(open);
    }
}

LogIndex Log::needed_after(LogIndex applied) const {
    LogIndex needed = next(applied);
    for (const Parts& parts : open_parts_) needed = std::min(needed, parts.first);
    for (auto it = ended_parts_.rbegin(); it != ended_parts_.rend() && it->end > applied; ++it)
        needed = std::min(needed, it->first);
    return needed;
}

void Log::truncate_after(LogIndex index) {
    DDB_ASSERT(index >= base_.index);
    while (last().index > index) {
        payload_bytes_ -= entries_.back().payload.size();
        kept_bytes_ -= sizes_.back();
        sizes_.pop_back();
        entries_.pop_back();
    }
    while (!memberships_.empty() && memberships_.back().first > index) memberships_.pop_back();
    for (; !ended_parts_.empty() && ended_parts_.back().end > index; ended_parts_.pop_back())
        open_parts_.push_back({ended_parts_.back().txn, ended_parts_.back().first, {}});
    std::erase_if(open_parts_, [&](const Parts& parts) { return parts.first > index; });
    payloads_from_ = std::min(payloads_from_, next(last().index));
}

void Log::drop_before(LogIndex index) {
    DDB_ASSERT(index <= next(last().index));
    while (!entries_.empty() && entries_.front().id.index < index) {
        payload_bytes_ -= entries_.front().payload.size();
        kept_bytes_ -= sizes_.front();
        sizes_.pop_front();
        base_ = entries_.front().id;
        base_digest_ = entries_.front().digest;
        entries_.pop_front();
    }
    const auto kept = std::find_if(memberships_.begin(), memberships_.end(),
                                   [this](const auto& known) { return known.first > base_.index; });
    if (kept != memberships_.begin()) base_membership_ = std::prev(kept)->second;
    while (!ended_parts_.empty() && ended_parts_.front().end < index) ended_parts_.pop_front();
    memberships_.erase(memberships_.begin(), kept);
    payloads_from_ = std::max(payloads_from_, next(base_.index));
}

void Log::evict_payloads(LogIndex durable, std::size_t bytes_max) {
    while (payload_bytes_ > bytes_max && payloads_from_ <= durable && holds(payloads_from_)) {
        Entry& entry = entries_[payloads_from_.value - base_.index.value - 1];
        payload_bytes_ -= entry.payload.size();
        entry.payload = Payload();
        payloads_from_ = next(payloads_from_);
    }
}

LogIndex Log::newest_within(std::size_t entries_max, std::uint64_t bytes_max) const {
    std::uint64_t bytes = kept_bytes_;
    std::size_t dropped = 0;
    while (dropped < entries_.size() && (entries_.size() - dropped > entries_max || bytes > bytes_max))
        bytes -= sizes_[dropped++];
    return LogIndex{next(base_.index).value + dropped};
}

const Membership* Log::membership() const {
    return membership_at(last().index);
}

const Membership* Log::membership_at(LogIndex index) const {
    for (auto it = memberships_.rbegin(); it != memberships_.rend(); ++it)
        if (it->first <= index) return &it->second;
    return base_membership_ ? &*base_membership_ : nullptr;
}

LogIndex Log::membership_index() const {
    return memberships_.empty() ? base_.index : memberships_.back().first;
}

}  // namespace ddb::core
