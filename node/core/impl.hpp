// Inside of the core; included by this folder's sources only. Each .cpp file holds one subject: core (dispatch, roles),
// formation, membership, election, coordinating (log out, votes in), following (log in, votes out), read_index,
// take_over, rebuild, status.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "node/core/core.hpp"
#include "node/core/journal_queue.hpp"
#include "node/core/log.hpp"
#include "node/core/outcomes.hpp"
#include "node/core/planted.hpp"
#include "node/core/random.hpp"

namespace ddb::core {

using Ticks = std::uint64_t;  // of 10 ms since start

// --- limits ----------------------------------------------------------------------------------------------------------

inline constexpr std::size_t window_bytes_max = 16u
                                                << 20;    // sent to one peer, unacknowledged; one message may exceed it
inline constexpr std::size_t entry_overhead_bytes = 256;  // counted for each entry besides its payload
inline constexpr std::size_t undecided_entries_max = 16'384;  // beyond: overloaded
inline constexpr std::size_t undecided_bytes_max = 256u << 20;
inline constexpr std::size_t waiting_outcomes_max = 4096;
inline constexpr std::size_t held_messages_max = 1024;  // waiting for our election state to become durable
inline constexpr std::size_t fresh_nodes_max = 64;
inline constexpr std::size_t peers_max = 256;
inline constexpr std::uint64_t far_behind_entries = 10'000;  // decided and not applied: not fit
inline constexpr std::uint64_t level_slack_entries = 64;     // a hand-over may start within this distance
inline constexpr Ticks probe_window_ticks = 5;               // a majority agreed: how long others may still answer
inline constexpr Ticks election_resend_ticks = 5;
inline constexpr Ticks resend_ticks = 10;  // a lost message is repaired after this at the latest
inline constexpr Ticks read_resend_ticks = 3;
inline constexpr Ticks read_hedge_ticks = 1;
inline constexpr Ticks read_entries_timeout_ticks = 200;
inline constexpr Ticks hello_ticks = 10;
inline constexpr Ticks fresh_expiry_ticks = 100;     // an unformed node not heard for this long is forgotten
inline constexpr Ticks formed_memory_ticks = 1000;   // an answer of a formed cluster stops formation for this long
inline constexpr Ticks formation_settle_ticks = 50;  // how long exactly the expected nodes must have been seen
inline constexpr Ticks formation_alone_ticks = 100;  // for a cluster of one: that others would have been heard by then
inline constexpr Ticks hand_over_ticks = 20;         // new work is held back no longer than this
inline constexpr Ticks hand_over_backoff_ticks = 100;
inline constexpr Ticks hand_over_backoff_ticks_max = 6400;
inline constexpr Ticks decided_flush_ticks = 50;
inline constexpr Ticks flaps_forgotten_ticks = 60'000;
inline constexpr unsigned doublings_max = 6;
inline constexpr unsigned unfit_patience = 3;        // election timeouts before an unfit node stands
inline constexpr unsigned learner_patience = 3;      // election timeouts before a learner forgets its coordinator
inline constexpr Ticks learner_memory_ticks = 6000;  // a learner not heard for longer holds nobody's log
inline constexpr std::size_t members_max = 64;
inline constexpr Ticks newcomer_memory_ticks = 1000;  // a node that is no member can be added so long after its hello
inline constexpr Ticks newcomer_present_ticks = 100;  // and takes the place of its lost journal while it says so
inline constexpr Ticks replace_ticks = 300;    // a member is replaced by one of the same id when silent for so long
inline constexpr Ticks promotion_ticks = 100;  // a learner that was level for so long becomes a voter
inline constexpr Ticks rejoin_ticks = 50;
inline constexpr Ticks greet_ticks = 100;
inline constexpr Ticks snapshot_ask_ticks = 50;
inline constexpr Ticks snapshot_offer_ticks = 100;
inline constexpr Ticks rebuild_backoff_ticks = 100;
inline constexpr Ticks rebuild_backoff_ticks_max = 3000;

// --- roles -----------------------------------------------------------------------------------------------------------

struct FreshNode {
    Voter voter;
    std::uint32_t expect = 0;
    std::string address;
    bool has_user_data = false;
    Ticks heard = 0;
};

struct Unformed {
    std::map<NodeId, FreshNode> fresh;  // heard of and unformed, without ourselves
    std::set<NodeId> signatures;        // of our signed list, durable at their owners
    std::optional<Ticks> complete_since;
    Ticks next_hello = 0;
    std::optional<Ticks> formed_heard;  // another, formed cluster answered
    bool forming = false;               // everybody signed; being journaled
};

// Common to followers and learners: they take the log from a coordinator.
struct Following {
    NodeId coordinator;  // of our epoch; 0 = none known
    LogIndex matched;    // our log equals that coordinator's up to here
    bool vote_due = false;
    ReadRound vote_round;       // highest one to be confirmed by the vote that is due
    LogIndex applied_reported;  // newest the coordinator was told
};
struct Follower : Following {};
struct Learner : Following {};

struct Candidate {
    bool granting = false;  // false: probe round, our epoch is untouched
    Ticks started = 0;
    Ticks deadline = 0;
    Ticks resend_at = 0;
    std::optional<Ticks> majority_since;
    std::set<NodeId> accepted;  // probe replies, or grants; ourselves included once ours is durable
    std::set<NodeId> answered;
    Epoch newest_seen;
    std::string refusal;  // the last one, for the status
};

struct Progress {
    Incarnation incarnation;
    LogIndex next;     // to send
    LogIndex matched;  // durable there and equal to our log
    LogIndex applied;
    LogIndex durable_applied;
    LogIndex decided_told;
    bool fit = false;
    bool probing = false;  // find where its log parts from ours: one message at a time
    Ticks sent = 0;        // last message
    Ticks probed = 0;      // last message with entries while probing
    LogIndex probe_from;   // first entry of that message
    ReadRound round_due;   // to be told with the next message
    Ticks heard = 0;
    std::deque<std::pair<LogIndex, std::size_t>> in_flight;  // last index and bytes of each unacknowledged message
    std::size_t in_flight_bytes = 0;
    std::optional<Ticks> reading_since;  // payloads asked from the journal
    std::optional<Ticks> level_since;    // candidate for a hand-over
    bool reachable = true;
    std::uint64_t bad_checksums = 0;
    Ticks snapshot_offered = 0;       // 0 = not yet
    bool asked_for_snapshot = false;  // in this office: it has no database until it is fit again
};

struct ReadRounds {
    ReadRound round;  // newest started
    ReadRound finished;
    bool in_flight = false;
    bool wanted = false;  // by something else than `waiting`
    bool all_asked = false;
    LogIndex index;
    Ticks sent = 0;
    std::set<NodeId> confirmed;           // when it has ended: who answered first
    std::map<NodeId, ReadToken> asking;   // answered by the round in flight; ourselves under our own id
    std::map<NodeId, ReadToken> waiting;  // for the next round
};

// "Absent" may only be said by a coordinator that is still in office, so it takes a round like a strong read.
struct WaitingOutcome {
    OutcomeQuery query;
    ReadRound confirmed_by;
};

struct HandOverAttempt {
    NodeId successor;
    Ticks started = 0;
    bool quiesced = false;
    Ticks offered = 0;    // 0 = not yet
    bool forced = false;  // operator's command: open transactions do not stop it
    std::optional<std::uint64_t> command;
};

struct Proposal {
    ProposalToken token;
    EntryId id;
    std::size_t bytes = 0;
};

// A change of the membership on its way to its decision.
struct PendingChange {
    LogIndex index;
    std::optional<std::uint64_t> command;
    std::vector<NodeId> gone;  // to be told
};

struct Coordinator {
    Epoch epoch;
    LogIndex noop;
    bool open = false;
    std::map<NodeId, Progress> peers;  // members without ourselves
    std::deque<Proposal> proposals;    // accepted, not yet reported decided
    std::size_t undecided_bytes = 0;
    Ticks decided_progress = 0;  // when the decided index last grew, or the first undecided entry came
    ReadRounds reads;
    std::deque<WaitingOutcome> outcome_queries;
    std::optional<PendingChange> change;
    bool leaves = false;  // no member any more: the office is being handed over
    std::optional<HandOverAttempt> hand_over;
    Ticks hand_over_not_before = 0;
    Ticks hand_over_backoff = hand_over_backoff_ticks;
    std::optional<Ticks> unfit_since;  // our own server or disk failed
    LogIndex keep_from;
};

// --- everything else this node knows about another -------------------------------------------------------------------

// The same id with a journal that is no member.
struct Newcomer {
    Incarnation incarnation;
    Ticks since = 0;
    Ticks heard = 0;
};

// Our database's content is void until a snapshot is in it.
struct Rebuild {
    std::string reason;
    bool marked = false;   // the journal says so, too
    NodeId donor;          // 0 = to be asked for
    bool started = false;  // the transfer, with that donor
    NodeId avoid;          // a donor that failed
    Ticks not_before = 0;  // back-off
    Ticks ask_at = 0;
    Ticks backoff = rebuild_backoff_ticks;
    std::optional<EntryId> loaded;      // what the database holds now; the log may have to come that far
    std::optional<LogIndex> installed;  // its journal write is under way
};

struct Peer {
    Ticks heard = 0;
    bool ever_heard = false;
    bool link_down = false;
    std::string address;
    LogIndex applied;
    bool fit = false;
    std::optional<Newcomer> newcomer;
    Incarnation foreign;  // that belongs to another cluster
    Ticks greet_at = 0;   // not before, if it is none of us
    unsigned flaps = 0;   // lost contact or office; doubles how long it must be stable before it is handed the office
    Ticks flapped = 0;
};

class Core::Impl {
  public:
    Impl(CoreConfig config, RecoveredState recovered);

    void step(Input input);
    Effects take_effects();
    CoreStatus status() const;
    const Entry* entry(LogIndex index) const { return log_.has_payload(index) ? &log_.at(index) : nullptr; }
    std::optional<DumpPoint> dump_point(LogIndex at) const;
    std::uint16_t holders(LogIndex index) const;

  private:
    // core.cpp
    void on(const Tick&);
    void on(MessageReceived& input);
    void on(const LinkUp& input);
    void on(const LinkDown& input);
    void on(const JournalCompleted& input);
    void on(LocalReport& input);
    void check_server(LogIndex applied);
    bool may_be_heard(const PeerMessage& message, bool same_node) const;
    void dispatch(const Voter& from, PeerMessage& message);
    void become_follower(NodeId coordinator, const std::string& reason);  // or learner, by the membership
    void become_candidate(bool granting, const std::string& reason);
    void become_coordinator();
    void leave_role(const std::string& reason);
    void announce_role(const std::string& reason);
    void adopt_epoch(Epoch epoch, const std::string& reason);
    void set_hard(const HardState& hard);
    void send(NodeId to, PeerMessage message);
    void emit(Effect effect) { effects_.now.push_back(std::move(effect)); }
    void trace(std::string text) { emit(Trace{std::move(text)}); }
    void complain(const std::string& about, std::string text);
    void append_entry(Entry entry);
    void advance_decided(LogIndex to);
    void report_decided();
    LogIndex needed_here() const;
    void truncate_log();

    // membership.cpp
    const Member* member(NodeId id) const;
    bool is_voter(NodeId id) const;
    bool is_self_voter() const;
    bool may_stand() const;  // also voters that only an undecided list leaves out
    std::size_t voters() const;
    std::size_t majority() const { return voters() / 2 + 1; }
    std::size_t rank_from_top(NodeId id) const;    // 0 = highest voter id
    bool known_impostor(const Voter& from) const;  // a member's id under another incarnation
    void meet(const Voter& from, const Hello& hello);
    void greet_stranger(const Voter& from, const PeerMessage& message);
    void tell_membership(NodeId to);
    void tell_if_removed(const Voter& from);
    void on(const Voter& from, const MembershipNotice& notice);
    void join(const Voter& from, const MembershipNotice& notice);
    bool removed() const { return removed_at_ && *removed_at_ > log_.id_at(log_.membership_index()); }
    void on(const ChangeMember& command);
    Status change_member(const ChangeMember& command);
    Status add_member(const ChangeMember& command);
    Status replace_member(const Member& old, Incarnation incarnation, std::optional<std::uint64_t> command);
    Status remove_member(const ChangeMember& command);
    Ticks silence_ticks() const { return std::max(replace_ticks, 2 * Ticks{config_.election_ticks}); }
    std::optional<Error> change_error() const;
    std::optional<Error> loses_majority(NodeId without) const;
    void propose_membership(Membership list, std::optional<std::uint64_t> command);
    void finish_change();
    void membership_tick();
    void replace_tick();
    void promote_tick();
    void leave_when_removed();
    void take_identity(const std::string& reason);
    void identity_journaled();
    void rejoin_tick();

    // fitness
    std::string unfit_reason() const;  // empty when fit to serve
    bool fit() const { return unfit_reason().empty() && now_ >= hold_off_until_; }
    void hold_off(Ticks base);

    // formation.cpp
    void formation_tick();
    void formation_hello(NodeId to);
    void form_alone();
    void on(const Voter& from, const Hello& hello);
    void on(const Voter& from, const FormationSignature& signature);
    bool formation_ready(const Unformed& unformed);
    void sign(const Unformed& unformed);
    void broadcast_signature();
    void formation_journaled(const JournalQueue::Completed& done);
    void complete_formation();

    // election.cpp
    Ticks election_timeout();
    Ticks short_timeout();
    void election_tick();
    void candidate_tick();
    void candidate_send();
    void candidate_check();
    void give_up_candidacy(const std::string& reason);
    std::optional<std::string> hears_coordinator() const;
    void on(const Voter& from, const Probe& probe);
    void on(const Voter& from, const ProbeReply& reply);
    void on(const Voter& from, const GrantRequest& request);
    void on(const Voter& from, const GrantReply& reply);
    void on(const Voter& from, const HandOver& offer);

    // coordinating.cpp
    void coordinator_tick();
    void refresh_peers();
    void check_contact();
    void replicate();
    void replicate_to(NodeId id, Progress& peer);
    void send_entries(NodeId id, Progress& peer, std::vector<Entry> entries);
    void send_prepare(NodeId id, Progress& peer, LogIndex previous, std::vector<Entry> entries);
    void heartbeat(NodeId id, Progress& peer);
    void start_probing(Progress& peer, LogIndex next);
    void on(const Voter& from, const Vote& vote);
    void accepted_vote(Progress& peer, const Vote& vote);
    void refused_vote(NodeId id, Progress& peer, const Vote& vote);
    void recount();
    void try_open_office();
    void step_down(const std::string& reason);
    void update_keep_from();
    void on(Propose& input);
    std::optional<Error> proposal_error(const Propose& input) const;
    std::optional<Error> membership_error(const Entry& entry) const;
    void on(EntriesRead& input);
    bool reachable(const Progress& peer) const { return now_ - peer.heard < config_.election_ticks; }
    bool link_down(NodeId id) const {
        const auto peer = peers_.find(id);
        return peer != peers_.end() && peer->second.link_down;
    }

    // following.cpp
    Following* following();
    const Following* following() const;
    void on(const Voter& from, Prepare& prepare);
    std::optional<Vote> misfit(const Prepare& prepare);  // the refusal, when it does not join on to our log
    bool take_entries(Prepare& prepare);                 // true when anything was appended
    Vote vote_now() const;
    void send_vote();
    void following_tick();

    // read_index.cpp
    void on(const ReadIndexQuery& query);
    void on(const Voter& from, const ReadIndexRequest& request);
    [[nodiscard]] bool asker_confirms(NodeId asker, Epoch epoch) const;
    void on(const Voter& from, const ReadIndexReply& reply);
    void on(const OutcomeQuery& query);
    bool answer_outcome(const WaitingOutcome& waiting);
    void retry_outcomes();
    void forward_reads();
    void fail_reads();
    void start_read_round();
    void confirm_read_round(NodeId voter, ReadRound round);
    [[nodiscard]] bool round_confirmed() const;
    [[nodiscard]] bool is_majority(const std::set<NodeId>& ids) const;
    void finish_read_round();
    void answer_read(NodeId asker, ReadToken token, bool accepted, LogIndex index);
    void read_tick();

    // take_over.cpp
    void take_over_tick();
    void watch_levels();
    void note_flap(NodeId id);
    bool level(const Progress& peer, std::uint64_t slack) const;
    std::optional<NodeId> best_successor() const;
    void start_hand_over(NodeId successor, bool forced, std::optional<std::uint64_t> command);
    void hand_over_tick();
    void abandon_hand_over(const std::string& reason);
    void offer_office(NodeId successor);
    void unfit_tick();
    void on(const StepDown& command);
    void on(const Quiesced& quiesced);

    // rebuild.cpp
    void on(const Voter& from, const SnapshotRequest& request);
    void on(const Voter& from, const SnapshotOffer& offer);
    void on(const RebuildWanted& input);
    void on(const RebuildFailed& input);
    void on(const SnapshotInstalled& input);
    void begin_rebuild(const std::string& reason);
    void rebuild_tick();
    void finish_loaded();
    void rebuild_journaled();
    void start_transfer();
    void transfer_failed(const std::string& reason);
    void reset_log(const Snapshot& snapshot);
    void offer_snapshot(NodeId to, Progress& peer, NodeId avoid);
    std::optional<NodeId> choose_donor(NodeId asker, NodeId avoid) const;
    void on(const PinLog& input) { pinned_ = log_.needed_after(input.applied); }
    void on(const UnpinLog&) { pinned_.reset(); }

    // status.cpp
    std::string waiting_for() const;
    bool in_hearing(const Peer& peer) const;
    std::string voters_not_heard() const;

    const CoreConfig config_;
    Incarnation incarnation_;        // of our journal
    bool identity_pending_ = false;  // it is new and not durable yet
    Ticks next_rejoin_ = 0;
    Random random_;
    Ticks now_ = 0;
    Effects effects_;

    HardState hard_;
    Log log_;
    JournalQueue journal_;
    std::vector<Send> held_;  // of our epoch, until our election state is durable
    LogIndex decided_;
    LogIndex decided_reported_;  // to our own node, by Decided
    Ticks decided_flush_at_ = 0;
    LogIndex keep_from_;  // told by the coordinator
    std::optional<LogIndex> pinned_;
    Outcomes outcomes_;
    LocalReport local_;
    bool unreadable_ = false;  // the journal holds what this build cannot read: this node does nothing
    std::optional<Rebuild> rebuild_;

    std::optional<EntryId> removed_at_;  // told by others: a membership without us
    std::optional<Membership> signed_list_;
    std::optional<Membership> joining_;  // the cluster this node was added to; being journaled
    bool signed_durable_ = false;

    using RoleState = std::variant<Unformed, Follower, Candidate, Coordinator, Learner>;
    RoleState role_;
    Ticks election_deadline_ = 0;
    Ticks coordinator_heard_ = 0;
    NodeId last_coordinator_;  // the newest one known, also while there is none
    bool postponed_ = false;   // an ANSWER was heeded since a coordinator was last known
    Ticks hold_off_until_ = 0;
    unsigned hold_offs_ = 0;
    Ticks held_off_ = 0;

    std::map<NodeId, Peer> peers_;
    std::map<std::string, std::string> complaints_;  // last text by subject

    // Reads asked here. On the wire our tokens stand above a random base of this start, so that an answer meant for an
    // earlier start is recognised.
    std::uint64_t token_base_ = 0;
    ReadToken newest_read_;
    ReadToken forwarded_read_;
    ReadToken answered_read_;
    Ticks reads_forwarded_ = 0;
};

}  // namespace ddb::core
