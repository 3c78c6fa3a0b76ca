// Waits that a read makes before it may run: read index of the coordinator, this server's applied index, and on the
// coordinator the end of definitions that took effect but are not decided. All waiting happens here, on the loop
// thread, never on an executor. Many reads share one question: while one is under way, later ones gather for the next.
//
// A definition may keep a server busy for minutes, when it runs and when it is applied. So a read that it cannot
// concern is not held by it for long, and one that waits is told that it is late, and may ask another node.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/core/io.hpp"
#include "node/session/definition_reach.hpp"
#include "schemas/ids.hpp"
#include "schemas/session_messages.hpp"

namespace ddb::session {

struct Read {
    Consistency consistency = Consistency::strong;
    LogIndex at_least;
    // Not held up by definitions that run: they may themselves wait for that transaction's locks.
    bool inside_transaction = false;
    std::string_view sql = {};  // copied; empty: what it reads is not known
};

class ReadBarrier {
  public:
    using Passed = std::function<void(LogIndex)>;  // the index the read sees at least
    using Ask = std::function<void(ReadToken)>;
    static constexpr std::uint64_t late_ms = 300;
    static constexpr std::size_t kept_sql_bytes_max = 64u << 10;  // a longer text counts as not known

    // `wanted`: somebody waits until this index is applied here.
    explicit ReadBarrier(Ask ask, Passed wanted = {}) : ask_(std::move(ask)), wanted_(std::move(wanted)) {}

    // `passed` may be called before this returns. Returns a number for cancel(); 0 when already passed.
    std::uint64_t wait(const Read& read, Passed passed);
    void cancel(std::uint64_t id);
    // It waits here for something that keeps this node from reading for longer than late_ms already; with each tick.
    [[nodiscard]] bool late(std::uint64_t id);
    [[nodiscard]] bool late() const;  // so would the next one, whatever it reads

    void on_applied(LogIndex applied);
    void on_read_index(const core::ReadIndexAnswer& answer, std::uint64_t now_ms);
    void tick(std::uint64_t now_ms);  // asks again what was refused or lost

    // A definition runs or is undecided: nothing but `local` reads passes. One at a time.
    void hold();
    void narrow(DefinitionReach reach);  // this is all that it can concern: other reads pass
    // It has run, and waits for nobody's locks: what it concerns waits inside of transactions, too.
    void took_effect();
    void release();
    // Such a definition, if one is under way, may be seen by it; empty: what it reads is not known.
    [[nodiscard]] bool concerns(std::string_view sql) const;

    [[nodiscard]] LogIndex applied() const { return applied_; }

  private:
    struct Waiter {
        std::uint64_t id = 0;
        ReadToken token;  // 0: index known
        LogIndex index;
        Passed passed;
        bool inside_transaction = false;
        std::string sql = {};
        bool held = false;
        std::uint64_t since_ms = 0;
    };
    [[nodiscard]] bool holds(const Waiter& waiter) const;
    void hold_anew();
    void ask_for_gathered();
    void let_pass();
    void tell_wanted();

    const Ask ask_;
    const Passed wanted_;
    LogIndex wanted_told_;
    LogIndex applied_;
    LogIndex late_;  // the newest index that somebody was told to be late for
    bool held_ = false;
    bool took_effect_ = false;
    std::uint64_t held_ms_ = 0;             // since then
    std::optional<DefinitionReach> reach_;  // of what holds
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
