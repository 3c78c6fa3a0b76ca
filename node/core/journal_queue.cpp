#include "node/core/journal_queue.hpp"

#include <algorithm>
#include <utility>

namespace ddb::core {

void JournalQueue::put_hard(const HardState& hard) {
    if (!gathering_.hard) ++hard_pending_;
    gathering_.hard = hard;
    gathering_sync_ = true;
}

void JournalQueue::put_signed_list(const Membership& list) {
    gathering_.signed_list = list;
    gathering_sync_ = true;
}

void JournalQueue::put_formed(const Membership& membership) {
    gathering_.base_membership = membership;
    gathering_formed_ = true;
    gathering_sync_ = true;
}

void JournalQueue::append(const Entry& entry) {
    gathering_.entries.push_back(entry);
    gathering_sync_ = true;
}

void JournalQueue::truncate_after(LogIndex index) {
    while (!gathering_.entries.empty() && gathering_.entries.back().id.index > index) gathering_.entries.pop_back();
    if (written_ > index) {
        gathering_.truncate_after = std::min(gathering_.truncate_after.value_or(index), index);
        gathering_sync_ = true;
        written_ = index;
    }
    // Whatever is reported durable later, these entries are gone: an acknowledgement must not name their indexes.
    durable_ = std::min(durable_, index);
    for (Operation& operation : operations_) operation.durable_to = std::min(operation.durable_to, index);
}

void JournalQueue::put_rebuilding(bool rebuilding) {
    gathering_.rebuilding = rebuilding;
    gathering_sync_ = true;
}

void JournalQueue::put_incarnation(Incarnation incarnation) {
    gathering_.incarnation = incarnation;
    gathering_sync_ = true;
}

void JournalQueue::reset(const Snapshot& snapshot) {
    gathering_.reset = snapshot;
    gathering_.entries.clear();
    gathering_.truncate_after.reset();
    gathering_.drop_before.reset();
    gathering_.base_membership.reset();
    gathering_sync_ = true;
    written_ = snapshot.last.index;
    durable_ = LogIndex{};
    for (Operation& operation : operations_) operation.durable_to = LogIndex{};
}

void JournalQueue::drop_before(LogIndex index, const std::optional<Membership>& base_membership) {
    gathering_.drop_before = index;
    if (base_membership) gathering_.base_membership = base_membership;
    gathering_any_ = true;
}

std::optional<JournalWrite> JournalQueue::take(Epoch epoch) {
    const bool lazy_only = !gathering_sync_ && !gathering_any_;
    if (lazy_only && !(flush_lazily_ && decided_)) return std::nullopt;
    flush_lazily_ = false;
    JournalWrite write = std::exchange(gathering_, JournalWrite{});
    write.op = last_op_ = next(last_op_);
    write.epoch = epoch;
    write.decided = std::exchange(decided_, std::nullopt);
    write.sync = std::exchange(gathering_sync_, false);
    gathering_any_ = false;
    const bool formed = std::exchange(gathering_formed_, false);
    if (!write.entries.empty()) written_ = write.entries.back().id.index;
    // Nothing ever waits for an unsynced write, so its completion need not be known.
    if (write.sync) {
        Completed covers{.known = true};
        covers.hard = write.hard.has_value();
        covers.signed_list = write.signed_list.has_value();
        covers.formed = formed;
        covers.entries = !write.entries.empty();
        covers.reset = write.reset.has_value();
        covers.rebuilding = write.rebuilding.has_value();
        covers.incarnation = write.incarnation.has_value();
        operations_.push_back({write.op, epoch, covers, covers.entries || covers.reset ? written_ : LogIndex{}});
    }
    return write;
}

JournalQueue::Completed JournalQueue::complete(OpId op, Epoch epoch) {
    const auto named = std::find_if(operations_.begin(), operations_.end(),
                                    [&](const Operation& known) { return known.op == op && known.epoch == epoch; });
    if (named == operations_.end()) return {};
    Completed all{.known = true};
    for (auto it = operations_.begin(); it != std::next(named); ++it) {
        if (it->covers.hard) --hard_pending_;
        all.hard = all.hard || it->covers.hard;
        all.signed_list = all.signed_list || it->covers.signed_list;
        all.formed = all.formed || it->covers.formed;
        all.reset = all.reset || it->covers.reset;
        all.rebuilding = all.rebuilding || it->covers.rebuilding;
        all.incarnation = all.incarnation || it->covers.incarnation;
        all.entries = all.entries || it->covers.entries;
        if (it->covers.entries || it->covers.reset) durable_ = std::max(durable_, it->durable_to);
    }
    all.hard = all.hard && !hard_pending();
    operations_.erase(operations_.begin(), std::next(named));
    return all;
}

}  // namespace ddb::core
