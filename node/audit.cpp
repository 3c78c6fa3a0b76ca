#include "node/audit.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace ddb::node {

using nlohmann::json;

namespace {

constexpr std::uint64_t hold_limit_ms = 10'000;
constexpr std::uint64_t cut_limit_ms = 60'000;
constexpr std::uint64_t digest_limit_ms = 3'600'000;
constexpr std::uint64_t silence_limit_ms = 60'000;  // of one node: it does not take part
constexpr std::uint64_t ask_interval_ms = 250;
constexpr std::uint64_t verdict_interval_ms = 500;
constexpr std::uint64_t verdict_limit_ms = 30'000;
constexpr std::uint64_t own_kept_ms = 120'000;  // without being asked
constexpr std::uint64_t wish_interval_ms = 2000;
constexpr std::uint64_t wish_limit_ms = 120'000;
constexpr std::uint64_t wished_pause_ms = 10'000;  // between audits that somebody wished for
constexpr std::uint64_t hand_over_limit_ms = 5000;
constexpr std::size_t listed_max = 100;  // differences in the answer

}  // namespace

bool Audit::coordinator() const {
    return host_.status().role == core::Role::coordinator && host_.status().serving;
}

void Audit::begin(std::uint64_t verb_token) {
    if (round_) {
        round_->tokens.push_back(verb_token);
    } else {
        start({verb_token});
    }
}

void Audit::start(std::vector<std::uint64_t> tokens) {
    std::string refusal = coordinator() ? host_.why_not() : "this node is not coordinator, or does not serve yet";
    if (refusal.empty() && !own_difference_.empty()) refusal = "this node's database differs: " + own_difference_;
    if (!refusal.empty()) {
        for (const std::uint64_t token : tokens)
            host_.answer(token, fail(ErrorCode::no_quorum, "no audit now: " + refusal));
        return;
    }
    begun_ms_ = now_ms_;
    round_.emplace();
    round_->epoch = host_.status().epoch;
    round_->tokens = std::move(tokens);
    round_->deadline_ms = now_ms_ + hold_limit_ms;
    host_.hold_definitions(true);
}

void Audit::give_up(Error error) {
    if (round_->step != Step::collecting) host_.hold_definitions(false);
    spdlog::warn("the audit was given up: {}", error.message);
    for (const std::uint64_t token : round_->tokens) host_.answer(token, error);
    round_.reset();
    forget_own();
}

void Audit::propose() {
    core::Propose proposal;
    proposal.token = ProposalToken{++next_token_};
    proposal.epoch = round_->epoch;
    proposal.entry.kind = EntryKind::audit;
    round_->step = Step::proposed;
    round_->deadline_ms = now_ms_ + cut_limit_ms;
    host_.step(proposal);
}

void Audit::on_accepted(const core::ProposalAccepted& accepted) {
    if (!round_ || round_->step != Step::proposed || accepted.token != ProposalToken{next_token_}) return;
    round_->index = accepted.id.index;
    host_.register_audit(accepted.id.index);
}

void Audit::on_refused(const core::ProposalRefused& refused) {
    if (round_ && round_->step == Step::proposed && refused.token == ProposalToken{next_token_}) give_up(refused.error);
}

// --- every node ------------------------------------------------------------------------------------------------------

void Audit::on_cut(const storage::AuditCut& cut) {
    wish_.clear();
    if (!own_ || own_->index < cut.index) own_ = Own{cut.index, AuditPhase::running, {}, {}, now_ms_};
    if (!cut.failed.empty() && own_->index == cut.index) {
        own_->phase = AuditPhase::failed;
        own_->reason = cut.failed;
    }
    if (!round_ || round_->step != Step::proposed || round_->index != cut.index) return;
    host_.hold_definitions(false);
    round_->step = Step::collecting;
    round_->deadline_ms = now_ms_ + digest_limit_ms;
    for (const Member& member : host_.status().membership->members) {
        Collected& collected = round_->members[member.voter.id];
        collected.report.node = member.voter.id;
        collected.report.voter = !member.learner;
        collected.heard_ms = now_ms_;
    }
    spdlog::info("audit at entry {}: every node digests its tables", cut.index.value);
}

void Audit::on_audited(storage::Audited audited) {
    // A quick one may be done before its cut was told.
    if (!own_ || own_->index < audited.index) own_ = Own{audited.index, AuditPhase::running, {}, {}, now_ms_};
    if (own_->index != audited.index) return;
    own_->phase = audited.failed.empty() ? AuditPhase::finished : AuditPhase::failed;
    own_->reason = audited.failed;
    own_->tables = std::move(audited.tables);
    own_->touched_ms = now_ms_;
}

void Audit::forget_own() {
    if (!own_) return;
    if (own_->phase == AuditPhase::running) host_.end_audit();
    own_.reset();
}

AuditFound Audit::found_here(const AuditAsk& ask) const {
    AuditFound found;
    found.audit = ask.audit;
    if (!own_ || own_->index != ask.audit) return found;
    found.phase = own_->phase;
    found.reason = own_->reason;
    found.from = ask.from;
    if (own_->phase != AuditPhase::finished) return found;
    std::size_t chunks = 0;
    std::size_t at = ask.from;
    for (; at < own_->tables.size(); ++at) {
        chunks += own_->tables[at].chunks.size() + 10;  // a name is worth some chunks
        if (at > ask.from && chunks > audit_message_chunks_max) break;
        found.tables.push_back(own_->tables[at]);
    }
    found.last = at >= own_->tables.size();
    return found;
}

void Audit::on_message(NodeId from, AuditMessage message) {
    if (const auto* ask = std::get_if<AuditAsk>(&message)) {
        if (own_ && own_->index == ask->audit) own_->touched_ms = now_ms_;
        (void)host_.send(from, found_here(*ask));
    } else if (auto* found = std::get_if<AuditFound>(&message)) {
        take(from, std::move(*found));
    } else if (const auto* verdict = std::get_if<AuditVerdict>(&message)) {
        on_verdict(from, *verdict);
    } else if (const auto* other = std::get_if<AuditWish>(&message)) {
        if (coordinator()) wish("node " + to_string(from) + ": " + other->reason);
    }
}

void Audit::on_verdict(NodeId from, const AuditVerdict& verdict) {
    const bool known = own_ && own_->index == verdict.audit;
    if (known && from == host_.status().coordinator) {
        forget_own();
        if (!verdict.differs.empty()) host_.fence(verdict.differs);
    }
    (void)host_.send(from, AuditFound{verdict.audit, AuditPhase::unknown, {}, 0, false, {}});
}

void Audit::wish(const std::string& reason) {
    if (!wish_.empty()) return;
    wish_ = reason;
    next_wish_ms_ = now_ms_ + wish_interval_ms / 2;
    wish_until_ms_ = now_ms_ + wish_limit_ms;
}

// --- coordinator -----------------------------------------------------------------------------------------------------

void Audit::take(NodeId from, AuditFound found) {
    if (const auto told = telling_.find(from);
        told != telling_.end() && told->second.verdict.audit == found.audit && found.phase == AuditPhase::unknown) {
        telling_.erase(told);
        return;
    }
    if (!round_ || round_->step != Step::collecting || round_->index != found.audit) return;
    const auto member = round_->members.find(from);
    if (member == round_->members.end() || member->second.done) return;
    Collected& collected = member->second;
    if (found.phase != AuditPhase::unknown) collected.heard_ms = now_ms_;
    if (found.phase == AuditPhase::failed) {
        collected.done = true;
        collected.report.failed = found.reason.empty() ? "failed" : found.reason;
    } else if (found.phase == AuditPhase::finished && found.from == collected.report.tables.size()) {
        std::move(found.tables.begin(), found.tables.end(), std::back_inserter(collected.report.tables));
        const bool too_many = collected.report.tables.size() > audit_tables_max;
        if (too_many) collected.report = {from, collected.report.voter, "it tells of too many tables", {}};
        collected.done = found.last || too_many;
        if (!collected.done) round_->next_ask_ms = now_ms_;
    }
}

void Audit::collect() {
    const bool due = now_ms_ >= round_->next_ask_ms;
    if (due) round_->next_ask_ms = now_ms_ + ask_interval_ms;
    bool done = true;
    for (auto& [id, collected] : round_->members) {
        if (collected.done) continue;
        if (now_ms_ - collected.heard_ms >= silence_limit_ms) {
            collected.done = true;
            collected.report.failed = "it does not answer, or has not come to this entry";
            continue;
        }
        done = false;
        if (!due) continue;
        const AuditAsk ask{round_->index, static_cast<std::uint32_t>(collected.report.tables.size())};
        if (id == host_.self) {
            if (own_) own_->touched_ms = now_ms_;
            take(id, found_here(ask));
        } else {
            (void)host_.send(id, ask);
        }
    }
    if (done) return conclude();
    if (now_ms_ >= round_->deadline_ms) give_up(fail(ErrorCode::timeout, "not every node was done within an hour"));
}

void Audit::conclude() {
    std::vector<AuditReport> reports;
    for (auto& [id, collected] : round_->members) reports.push_back(std::move(collected.report));
    const auto voters = static_cast<std::size_t>(
        std::count_if(reports.begin(), reports.end(), [](const AuditReport& report) { return report.voter; }));
    const AuditComparison comparison = compare(reports, voters / 2 + 1);
    const LogIndex index = round_->index;
    last_json_ = result_json(index, reports, comparison);
    std::map<NodeId, std::string> first;  // difference of each node
    for (const AuditDifference& difference : comparison.differences) {
        const std::string text = "audit at entry " + to_string(index) + ": " + describe(difference);
        spdlog::error("{}", text);
        first.emplace(difference.node, text);
    }
    spdlog::info("audit at entry {}: {} tables, {} differences, {} unclear", index.value, comparison.tables,
                 comparison.differences.size(), comparison.unclear.size());
    for (const AuditReport& report : reports) {
        const auto found = first.find(report.node);
        std::string differs = found == first.end() ? std::string() : found->second;
        if (report.node == host_.self) {
            own_difference_ = std::move(differs);
        } else {
            telling_[report.node] = Telling{{index, std::move(differs)}, now_ms_, now_ms_ + verdict_limit_ms};
        }
    }
    for (const std::uint64_t token : round_->tokens) host_.answer(token, last_json_);
    round_.reset();
    forget_own();
    if (own_difference_.empty()) return;
    spdlog::warn("the office is handed over: this node's database is the one that differs");
    fence_at_ms_ = now_ms_ + hand_over_limit_ms;
    host_.step(core::StepDown{++next_token_});
}

std::string Audit::result_json(LogIndex index, const std::vector<AuditReport>& reports,
                               const AuditComparison& comparison) {
    json document{{"index", index.value},
                  {"equal", comparison.differences.empty()},
                  {"tables", comparison.tables},
                  {"rows", comparison.rows}};
    json compared = json::array();
    json missing = json::array();
    for (const AuditReport& report : reports) {
        if (report.failed.empty()) {
            compared.push_back(report.node.value);
        } else {
            missing.push_back({{"node", report.node.value}, {"reason", report.failed}});
        }
    }
    json differences = json::array();
    for (const AuditDifference& difference : comparison.differences) {
        if (differences.size() >= listed_max) break;
        differences.push_back({{"table", difference.table},
                               {"node", difference.node ? json(difference.node.value) : json(nullptr)},
                               {"chunk", difference.chunk != 0 ? json(difference.chunk) : json(nullptr)},
                               {"what", difference.what}});
    }
    json unclear = json::array();
    for (const std::string& text : comparison.unclear)
        if (unclear.size() < listed_max) unclear.push_back(text);
    json rebuilt = json::array();
    for (const NodeId id : comparison.minority) rebuilt.push_back(id.value);
    document["nodes"] = compared;
    document["not_compared"] = missing;
    document["differences"] = differences;
    document["unclear"] = unclear;
    document["rebuilt"] = rebuilt;
    return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

// --- time ------------------------------------------------------------------------------------------------------------

void Audit::tell_verdicts() {
    for (auto it = telling_.begin(); it != telling_.end();) {
        Telling& telling = it->second;
        if (now_ms_ >= telling.until_ms || !coordinator()) {
            it = telling_.erase(it);
            continue;
        }
        if (now_ms_ >= telling.next_ms) {
            telling.next_ms = now_ms_ + verdict_interval_ms;
            (void)host_.send(it->first, telling.verdict);
        }
        ++it;
    }
}

// Who differs hands over while it still serves, so that nobody waits; then it is rebuilt like any other.
void Audit::fence_self() {
    if (own_difference_.empty()) return;
    if (host_.status().role == core::Role::coordinator && now_ms_ < fence_at_ms_) return;
    host_.fence(std::exchange(own_difference_, {}));
}

void Audit::tick(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    const bool office = coordinator();
    if (office && !was_coordinator_) begun_ms_ = now_ms;
    was_coordinator_ = office;
    if (round_ && (!office || host_.status().epoch != round_->epoch))
        give_up(fail(ErrorCode::no_quorum, "the office was lost during the audit; ask for it again"));
    if (round_ && round_->step == Step::holding && host_.definitions_held()) propose();
    if (round_ && round_->step == Step::collecting) {
        collect();
    } else if (round_ && now_ms >= round_->deadline_ms) {
        give_up(fail(ErrorCode::timeout, round_->step == Step::holding
                                             ? "a statement that changes definitions runs for too long; try again"
                                             : "no snapshot was taken in time"));
    }
    tell_verdicts();
    fence_self();
    if (own_ && !round_ && now_ms - own_->touched_ms >= own_kept_ms) forget_own();
    if (!wish_.empty() && now_ms >= wish_until_ms_) wish_.clear();
    if (!wish_.empty() && now_ms >= next_wish_ms_) {
        next_wish_ms_ = now_ms + wish_interval_ms;
        if (!office) {
            if (host_.status().coordinator) (void)host_.send(host_.status().coordinator, AuditWish{wish_});
        } else if (!round_ && now_ms - begun_ms_ >= wished_pause_ms) {
            spdlog::warn("an audit begins because of {}", wish_);
            start({});
        }
    }
    if (office && !round_ && host_.interval_ms > 0 && now_ms - begun_ms_ >= host_.interval_ms) {
        begun_ms_ = now_ms;
        start({});
    }
}

}  // namespace ddb::node
