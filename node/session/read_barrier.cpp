#include "node/session/read_barrier.hpp"

#include <algorithm>
#include <iterator>

namespace ddb::session {
namespace {

// A question or its answer may be lost with a link; asking again costs one message.
constexpr std::uint64_t answer_ms_max = 200;

}  // namespace

std::uint64_t ReadBarrier::wait(const Read& read, Passed passed) {
    if (read.consistency == Consistency::local) {
        passed(applied_);
        return 0;
    }
    Waiter waiter{++last_id_, ReadToken{}, read.at_least, std::move(passed), read.inside_transaction};
    if (read.sql.size() <= kept_sql_bytes_max) waiter.sql = read.sql;
    waiter.held = holds(waiter);
    waiter.since_ms = now_ms_;
    if (read.consistency == Consistency::session && read.at_least <= applied_ && !waiter.held) {
        waiter.passed(applied_);
        return 0;
    }
    if (read.consistency == Consistency::session) {
        applying_.push_back(std::move(waiter));
        tell_wanted();
        return last_id_;
    }
    gathering_.push_back(std::move(waiter));
    if (!asked_) ask_for_gathered();
    return last_id_;
}

void ReadBarrier::cancel(std::uint64_t id) {
    const auto same = [id](const Waiter& waiter) { return waiter.id == id; };
    for (auto* list : {&gathering_, &asking_, &applying_}) std::erase_if(*list, same);
}

bool ReadBarrier::late(std::uint64_t id) {
    const auto found = std::find_if(applying_.begin(), applying_.end(), [id](const Waiter& w) { return w.id == id; });
    if (found == applying_.end()) return false;
    if (found->held && now_ms_ >= held_ms_ + late_ms) return true;
    if (found->index <= applied_) return false;
    if (now_ms_ >= found->since_ms + late_ms) late_ = std::max(late_, found->index);
    return late_ > applied_;
}

bool ReadBarrier::late() const {
    return late_ > applied_ || (held_ && !reach_ && now_ms_ >= held_ms_ + late_ms);
}

void ReadBarrier::ask_for_gathered() {
    if (gathering_.empty() && asking_.empty()) return;
    last_token_ = next(last_token_);
    asked_ = last_token_;
    asked_ms_ = now_ms_;
    ask_again_ = false;
    for (auto& waiter : gathering_) waiter.token = last_token_;
    asking_.insert(asking_.end(), std::make_move_iterator(gathering_.begin()),
                   std::make_move_iterator(gathering_.end()));
    gathering_.clear();
    ask_(last_token_);
}

void ReadBarrier::on_read_index(const core::ReadIndexAnswer& answer, std::uint64_t now_ms) {
    now_ms_ = now_ms;
    if (!answer.accepted) {
        // No coordinator serves now: the next tick asks again, until the requests' own deadlines.
        if (answer.token >= asked_) ask_again_ = true;
        return;
    }
    const auto open = std::stable_partition(asking_.begin(), asking_.end(),
                                            [&](const Waiter& waiter) { return waiter.token > answer.token; });
    for (auto it = open; it != asking_.end(); ++it) {
        it->index = std::max(it->index, answer.index);
        applying_.push_back(std::move(*it));
    }
    asking_.erase(open, asking_.end());
    if (answer.token >= asked_) asked_ = ReadToken{};
    if (!asked_ && !gathering_.empty()) ask_for_gathered();
    let_pass();
}

void ReadBarrier::on_applied(LogIndex applied) {
    applied_ = applied;
    let_pass();
}

bool ReadBarrier::concerns(std::string_view sql) const {
    return held_ && (!reach_ || sql.empty() || reach_->concerns(sql));
}

bool ReadBarrier::holds(const Waiter& waiter) const {
    return (took_effect_ || !waiter.inside_transaction) && concerns(waiter.sql);
}

void ReadBarrier::hold_anew() {
    for (auto* list : {&gathering_, &asking_, &applying_}) {
        for (Waiter& waiter : *list) waiter.held = holds(waiter);
    }
    let_pass();
}

void ReadBarrier::hold() {
    DDB_ASSERT(!held_);
    held_ = true;
    held_ms_ = now_ms_;
    hold_anew();
}

void ReadBarrier::narrow(DefinitionReach reach) {
    DDB_ASSERT(held_);
    reach_ = std::move(reach);
    hold_anew();
}

void ReadBarrier::took_effect() {
    DDB_ASSERT(held_);
    took_effect_ = true;
    hold_anew();
}

void ReadBarrier::release() {
    DDB_ASSERT(held_);
    held_ = took_effect_ = false;
    reach_.reset();
    hold_anew();
}

void ReadBarrier::let_pass() {
    if (applying_.empty()) return;
    const auto waits = [&](const Waiter& waiter) { return waiter.index > applied_ || waiter.held; };
    const auto ready = std::stable_partition(applying_.begin(), applying_.end(), waits);
    std::vector<Waiter> passing(std::make_move_iterator(ready), std::make_move_iterator(applying_.end()));
    applying_.erase(ready, applying_.end());
    tell_wanted();
    for (auto& waiter : passing) waiter.passed(applied_);
}

void ReadBarrier::tell_wanted() {
    LogIndex wanted = wanted_told_;
    for (const Waiter& waiter : applying_) wanted = std::max(wanted, waiter.index);
    if (wanted == wanted_told_) return;
    wanted_told_ = wanted;
    if (wanted_ && wanted > applied_) wanted_(wanted);
}

void ReadBarrier::tick(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    const bool lost = asked_ && now_ms >= asked_ms_ + answer_ms_max;
    if (ask_again_ || lost) {
        asked_ = ReadToken{};
        ask_again_ = false;
        ask_for_gathered();
    }
}

}  // namespace ddb::session
