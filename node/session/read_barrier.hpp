// Waits that a read makes before it may run: read index of the coordinator, this server's applied index, and on the
// coordinator the end of definitions that took effect but are not decided. All waiting happens here, on the loop
// thread, never on an executor. Many reads share one question: while one is under way, later ones gather for the next.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "node/core/io.hpp"
#include "schemas/ids.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

class ReadBarrier {
  public:
    using Passed = std::function<void(LogIndex)>;  // the index the read sees at least
    using Ask = std::function<void(ReadToken)>;

    // `wanted`: somebody waits until this index is applied here.
    explicit ReadBarrier(Ask ask, Passed wanted = {}) : ask_(std::move(ask)), wanted_(std::move(wanted)) {}

    // `passed` may be called before this returns. Returns a number for cancel(); 0 when already passed.
    // `inside_transaction`: not held up by definitions, which may themselves wait for that transaction's locks.
    std::uint64_t wait(Consistency consistency, LogIndex at_least, Passed passed, bool inside_transaction = false);
    void cancel(std::uint64_t id);

    void on_applied(LogIndex applied);
    void on_read_index(const core::ReadIndexAnswer& answer, std::uint64_t now_ms);
    void tick(std::uint64_t now_ms);  // asks again what was refused or lost

    // A definition runs or is undecided: nothing but `local` reads passes.
    void hold() { ++held_; }
    void release();

    [[nodiscard]] LogIndex applied() const { return applied_; }

  private:
    struct Waiter {
        std::uint64_t id = 0;
        ReadToken token;  // 0: index known
        LogIndex index;
        Passed passed;
        bool inside_transaction = false;
    };
    void ask_for_gathered();
    void let_pass();
    void tell_wanted();

    const Ask ask_;
    const Passed wanted_;
    LogIndex wanted_told_;
    LogIndex applied_;
    std::uint32_t held_ = 0;
    std::uint64_t last_id_ = 0;
    ReadToken last_token_;
    ReadToken asked_;             // in flight; 0 = none
    std::uint64_t asked_ms_ = 0;  // by the latest tick's clock
    std::uint64_t now_ms_ = 0;
    bool ask_again_ = false;
    std::vector<Waiter> gathering_;  // not asked for yet
    std::vector<Waiter> asking_;
    std::vector<Waiter> applying_;  // index known
};

}  // namespace ddb::session
