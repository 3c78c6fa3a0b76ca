// The audit (DESIGN §3.5). On the coordinator: has definitions held, proposes the audit's entry, asks every member what
// it found at that index, compares, and tells those that differ from a majority. On every node: keeps what the own
// database found until the coordinator has said what follows.
// Owner: the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/audit_compare.hpp"
#include "node/core/core.hpp"
#include "node/storage/local_database.hpp"

namespace ddb::node {

struct AuditHost {
    std::function<Status(NodeId, const AuditMessage&)> send;
    std::function<void(core::Input)> step;
    std::function<const core::CoreStatus&()> status;
    std::function<std::string()> why_not;  // this node's database cannot take part now; empty: it can
    std::function<void(bool)> hold_definitions;
    std::function<bool()> definitions_held;
    std::function<void(LogIndex)> register_audit;
    std::function<void()> end_audit;
    std::function<void(const std::string&)> fence;
    std::function<void(std::uint64_t, Result<std::string>)> answer;  // a verb with this token: JSON, or why not
    NodeId self;
    std::uint64_t interval_ms = 0;  // 0: only when somebody asks
};

class Audit {
  public:
    explicit Audit(AuditHost host) : host_(std::move(host)) {}

    // Somebody asks for one; joins the one under way. Answered by host.answer.
    void begin(std::uint64_t verb_token);
    // Something was seen here that wants an audit soon, whichever node the coordinator is.
    void wish(const std::string& reason);
    void on_message(NodeId from, AuditMessage message);
    void on_cut(const storage::AuditCut& cut);
    void on_audited(storage::Audited audited);
    void on_accepted(const core::ProposalAccepted& accepted);
    void on_refused(const core::ProposalRefused& refused);
    void tick(std::uint64_t now_ms);
    [[nodiscard]] std::string last_json() const { return last_json_; }  // this node's latest as coordinator, or "null"

    // Tokens of proposals with this bit are ours, the others the session engine's.
    static constexpr std::uint64_t token_bit = 1ULL << 63;

  private:
    struct Collected {
        AuditReport report;
        bool done = false;
        std::uint64_t heard_ms = 0;
    };
    enum class Step : std::uint8_t { holding, proposed, collecting };
    struct Round {
        Step step = Step::holding;
        Epoch epoch;
        std::vector<std::uint64_t> tokens;
        LogIndex index;
        std::uint64_t deadline_ms = 0;  // of this step
        std::uint64_t next_ask_ms = 0;
        std::map<NodeId, Collected> members;
    };
    struct Own {
        LogIndex index;
        AuditPhase phase = AuditPhase::running;
        std::string reason;
        std::vector<AuditedTable> tables;
        std::uint64_t touched_ms = 0;
    };
    struct Telling {  // a verdict on its way
        AuditVerdict verdict;
        std::uint64_t next_ms = 0;
        std::uint64_t until_ms = 0;
    };

    void start(std::vector<std::uint64_t> tokens);
    void propose();
    void collect();
    void take(NodeId from, AuditFound found);
    void conclude();
    void give_up(Error error);
    void tell_verdicts();
    void fence_self();
    void forget_own();
    void on_verdict(NodeId from, const AuditVerdict& verdict);
    [[nodiscard]] AuditFound found_here(const AuditAsk& ask) const;
    [[nodiscard]] bool coordinator() const;
    [[nodiscard]] static std::string result_json(LogIndex index, const std::vector<AuditReport>& reports,
                                                 const AuditComparison& comparison);

    AuditHost host_;
    std::uint64_t now_ms_ = 0;
    std::optional<Round> round_;
    std::optional<Own> own_;
    std::map<NodeId, Telling> telling_;
    std::string wish_;
    std::uint64_t next_wish_ms_ = 0;
    std::uint64_t wish_until_ms_ = 0;
    std::uint64_t begun_ms_ = 0;  // latest audit here, or the office
    bool was_coordinator_ = false;
    std::string own_difference_;  // this coordinator's database is wrong: it hands over first
    std::uint64_t fence_at_ms_ = 0;
    std::uint64_t next_token_ = token_bit | token_bit >> 1;  // apart from those of the verbs, too
    std::string last_json_ = "null";
};

}  // namespace ddb::node
