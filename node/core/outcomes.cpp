#include "node/core/outcomes.hpp"

#include <algorithm>

namespace ddb::core {

namespace {
// Transaction ids and log positions may disagree by as many transactions as run at once. After a start behind a cut
// log, ids within that distance of the cut count as forgotten.
constexpr std::size_t order_slack = 4096;
}  // namespace

Outcomes::Outcomes(LogIndex floor, TxnId forgotten, std::vector<OutcomeRecord> found)
    : floor_(floor), forgotten_(forgotten), uncertain_(std::min(found.size(), order_slack)) {
    for (OutcomeRecord& record : found) remember(std::move(record));
}

void Outcomes::fill(Snapshot& snapshot) const {
    snapshot.outcomes_floor = std::min(floor_, snapshot.last.index);
    snapshot.forgotten = forgotten_;
    for (const OutcomeRecord& record : found_)
        if (record.id.index <= snapshot.last.index) snapshot.outcomes.push_back(record);
}

void Outcomes::remember(OutcomeRecord record) {
    if (record.txn) by_txn_[record.txn] = record.id.index;
    if (record.session) by_request_[{record.session, record.request}] = record.id.index;
    found_.push_back(std::move(record));
}

void Outcomes::record(const Entry& entry) {
    if ((!entry.txn && !entry.session) || entry.kind == EntryKind::rows_part) return;
    if (floor_.value > 0 && uncertain_ < order_slack) {
        ++uncertain_;
        forgotten_ = std::max(forgotten_, entry.txn);
    }
    remember({entry.id, entry.txn, entry.session, entry.request, entry.outcome});
    if (found_.size() <= outcomes_max) return;
    const OutcomeRecord& oldest = found_.front();
    floor_ = oldest.id.index;
    uncertain_ = order_slack;
    forgotten_ = std::max(forgotten_, oldest.txn);
    // The same request may have a newer entry; then the index no longer points here.
    if (const auto it = by_txn_.find(oldest.txn); it != by_txn_.end() && it->second == oldest.id.index)
        by_txn_.erase(it);
    if (const auto it = by_request_.find({oldest.session, oldest.request});
        it != by_request_.end() && it->second == oldest.id.index)
        by_request_.erase(it);
    found_.pop_front();
}

const OutcomeRecord* Outcomes::at(LogIndex index) const {
    const auto it =
        std::lower_bound(found_.begin(), found_.end(), index,
                         [](const OutcomeRecord& found, LogIndex wanted) { return found.id.index < wanted; });
    return it != found_.end() && it->id.index == index ? &*it : nullptr;
}

const OutcomeRecord* Outcomes::by_txn(const TxnId& txn) const {
    const auto it = by_txn_.find(txn);
    return it == by_txn_.end() ? nullptr : at(it->second);
}

const OutcomeRecord* Outcomes::by_request(const SessionId& session, RequestNumber request) const {
    const auto it = by_request_.find({session, request});
    return it == by_request_.end() ? nullptr : at(it->second);
}

bool Outcomes::may_be_forgotten(const TxnId& txn) const {
    if (floor_.value == 0) return false;
    return uncertain_ == 0 || txn <= forgotten_;
}

}  // namespace ddb::core
