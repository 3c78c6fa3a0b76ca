#include "node/session/read_barrier.hpp"

#include <algorithm>
#include <iterator>

namespace ddb::session {
namespace {

// A question or its answer may be lost with a link; asking again costs one message.
constexpr std::uint64_t answer_ms_max = 200;

}  // namespace

std::uint64_t ReadBarrier::wait(Consistency consistency, LogIndex at_least, Passed passed, bool inside_transaction) {
    if (consistency == Consistency::local) {
        passed(applied_);
        return 0;
    }
    if (consistency == Consistency::session && at_least <= applied_ && (held_ == 0 || inside_transaction)) {
        passed(applied_);
        return 0;
    }
    Waiter waiter{++last_id_, ReadToken{}, at_least, std::move(passed), inside_transaction};
    if (consistency == Consistency::session) {
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

void ReadBarrier::release() {
    DDB_ASSERT(held_ > 0);
    --held_;
    let_pass();
}

void ReadBarrier::let_pass() {
    if (applying_.empty()) return;
    const auto waits = [&](const Waiter& waiter) {
        return waiter.index > applied_ || (held_ > 0 && !waiter.inside_transaction);
    };
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
