#include "node/session/part_feeder.hpp"

#include <utility>

namespace ddb::session {
namespace {

constexpr std::size_t bytes_on_the_way_max = 8u << 20;

}  // namespace

void PartFeeder::add(Group group) {
    waiting_.push_back(std::move(group));
    go_on();
}

void PartFeeder::on_part(storage::CapturedPart part) {
    if (!current_ || !asked_) return;
    asked_ = false;
    all_read_ = part.last;
    if (!part.events.empty()) {
        bytes_ += part.events.size();
        read_.emplace_back(std::move(part.events));
    }
    go_on();
}

void PartFeeder::on_accepted(LogIndex index) {
    if (!proposed_) return;
    proposed_ = false;
    undecided_.emplace_back(index, read_.front().size());
    read_.pop_front();
    if (in_log_.count++ == 0) in_log_.first = index;
    go_on();
}

void PartFeeder::on_decided(LogIndex up_to) {
    for (; !undecided_.empty() && undecided_.front().first <= up_to; undecided_.pop_front())
        bytes_ -= undecided_.front().second;
    go_on();
}

void PartFeeder::hold(bool held) {
    held_ = held;
    go_on();
}

void PartFeeder::close() {
    waiting_.clear();
    current_.reset();
    read_.clear();
    undecided_.clear();
    bytes_ = 0;
    asked_ = all_read_ = proposed_ = false;
}

void PartFeeder::go_on() {
    if (!current_) {
        if (waiting_.empty() || (held_ && waiting_.front().can_be_held)) return;
        current_ = std::move(waiting_.front());
        waiting_.pop_front();
        in_log_ = PartsRange{};
        all_read_ = false;
        host_.read_group(current_->place);
    }
    if (!asked_ && !all_read_ && bytes_ < bytes_on_the_way_max) {
        asked_ = true;
        host_.want_part();
    }
    if (!read_.empty()) return propose_next();
    if (!all_read_) return;
    const Group ended = std::move(*current_);
    current_.reset();
    ended.ended(in_log_);
    go_on();
}

void PartFeeder::propose_next() {
    if (proposed_) return;
    proposed_ = true;
    Entry entry;
    entry.kind = EntryKind::rows_part;
    entry.txn = current_->txn;
    entry.payload = read_.front();
    host_.propose(std::move(entry));
}

}  // namespace ddb::session
