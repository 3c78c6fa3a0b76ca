#include "node/driver.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "node/storage/failpoint.hpp"

namespace ddb::node {

namespace {

constexpr std::uint64_t quiesce_ms = 200;
constexpr std::uint64_t same_role_said_ms = 60'000;
constexpr int effect_rounds_max = 16;
// A journal that takes longer for a write is given up for another node's, and later where leaving the office has a
// price.
constexpr std::chrono::milliseconds stalled_ms{1000};
constexpr std::chrono::milliseconds stalled_ms_costly{10'000};

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

session::SessionLimits session_limits(const config::Settings& settings) {
    session::SessionLimits limits;
    limits.transaction_ms = settings.timing.transaction_ms;
    limits.lock_wait_ms = settings.timing.lock_wait_ms;
    limits.read_balance = settings.reads.balance;
    limits.service_user = settings.mysql.user;
    return limits;
}

}  // namespace

Driver::Driver(const Parts& parts, core::CoreConfig config, core::RecoveredState recovered,
               const std::string& own_address)
    : parts_(parts),
      config_(config),
      database_void_(recovered.rebuilding || config.rebuild_at_start),
      own_address_(own_address),
      core_(std::move(config), std::move(recovered)),
      status_(core_.status()),
      sessions_(*this, parts.database, parts.journal, session_limits(parts.settings)),
      transfer_(transfer_host()),
      audit_(audit_host()),
      verbs_(VerbContext{[this]() -> const core::CoreStatus& { return status_; },
                         [this] {
                             auto counters = sessions_.counters();
                             counters.foreign_writes = foreign_writes();
                             return counters;
                         },
                         [this](core::Input input) { core_.step(std::move(input)); },
                         [this](const session::Origin& to, const SessionMessage& message) { return send(to, message); },
                         [this] { return fenced_reason_; }, [this] { return parts_.database.socket(); },
                         [this] { return parts_.database.server_pid(); }, [this] { return uptime_s(); },
                         [this] { return transfer_.status(); },
                         [this](const std::string& address) { return parts_.dialler.dial(address); },
                         [this](const std::string& address) { parts_.dialler.hang_up(address); },
                         [this](NodeId node) {
                             const auto& addresses = parts_.dialler.addresses();
                             const auto found = addresses.find(node);
                             return found == addresses.end() ? std::string() : found->second;
                         },
                         [this](std::uint64_t token) { audit_.begin(token); }, [this] { return audit_.last_json(); },
                         [this](NodeId node) {
                             const auto& reads = sessions_.reads_by_node();
                             const auto found = reads.find(node);
                             return found == reads.end() ? std::uint64_t{0} : found->second;
                         },
                         config_.id, own_address, parts.settings.cluster.name}) {
    const storage::ServerUp initial = parts_.database.initial();
    report_.applied = initial.applied;
    report_.durable_applied = initial.applied;
    report_.server_up = !database_void_;
    report_.format_description = initial.format_description;
    server_ = {initial.version, initial.extended_metadata};
    cluster_recorded_ = !parts_.database.metadata_cluster().empty();
    view_.self = config_.id;
    sessions_.on_applied(initial.applied);
    if (database_void_) sessions_.on_server_down();
    sessions_.on_view(view_);
    note_copies();
}

Driver::~Driver() = default;

Status Driver::open_gateway(const std::string& bind_address) {
    MysqlFront::Parts parts;
    parts.to_sessions = [this](const std::string& route, SessionMessage message) {
        on_session_message(session::Origin{{}, route}, std::move(message));
    };
    parts.client_gone = [this](const std::string& route) { sessions_.on_client_gone(session::Origin{{}, route}); };
    parts.server = [this] { return report_.server_up ? server_ : gateway::ServerIdentity{}; };
    parts.service = [this] { return parts_.database.service(); };
    parts.post = [this](AccountHashes answer) { parts_.mailbox.post_always(LoopEvent{std::move(answer)}); };
    gateway::GatewayOptions options;
    options.node = config_.id;
    options.address = bind_address;
    options.port = parts_.settings.gateway_port;
    options.socket = parts_.settings.gateway_socket;
    options.tls_cert = parts_.settings.gateway_tls.cert;
    options.tls_key = parts_.settings.gateway_tls.key;
    options.tls_required = parts_.settings.gateway_tls.required;
    auto front = MysqlFront::open(std::move(parts), options);
    if (!front) return front.error();
    front_ = std::move(*front);
    return ok();
}

Hello Driver::hello() const {
    Hello hello;
    hello.voter = Voter{config_.id, config_.incarnation};
    hello.expect = config_.expect;
    hello.formed = status_.membership.has_value();
    if (status_.membership) hello.cluster = status_.membership->cluster;
    hello.address = own_address_;
    hello.has_user_data = config_.has_user_data;
    hello.forms = !config_.refuse_formation;
    return hello;
}

// --- inputs ----------------------------------------------------------------------------------------------------------

void Driver::on_received(bus::Received received) {
    if (auto* peer_message = std::get_if<PeerMessage>(&received.message)) {
        if (const auto* hello = std::get_if<Hello>(peer_message)) parts_.dialler.learn(hello->voter, hello->address);
        core_.step(core::MessageReceived{received.from, std::move(*peer_message)});
    } else if (auto* message = std::get_if<SessionMessage>(&received.message)) {
        if (MysqlFront::owns(received.client)) return;  // a client of the bus that gives itself such a name
        // Where a client of the MySQL listener comes from, and how, the node knows; what another one says of itself,
        // nobody does. The bus is encrypted.
        auto* const open = std::get_if<OpenSession>(&*message);
        if (open != nullptr && !received.peer) {
            open->host.clear();
            open->tls = !parts_.settings.security.insecure;
        }
        on_session_message(session::Origin{received.peer, std::move(received.client)}, std::move(*message));
    } else if (auto* transfer = std::get_if<TransferMessage>(&received.message)) {
        transfer_.on_message(received.peer, std::move(*transfer));
    } else if (auto* audit = std::get_if<AuditMessage>(&received.message)) {
        audit_.on_message(received.peer, std::move(*audit));
    }
}

void Driver::on_session_message(const session::Origin& origin, SessionMessage message) {
    if (const auto* request = std::get_if<VerbRequest>(&message)) {
        status_ = core_.status();  // whoever has just been told of a change sees it
        verbs_.on_request(origin, *request, now_ms_);
    } else if (const auto* reply = std::get_if<VerbReply>(&message)) {
        if (origin.peer) verbs_.on_reply(*reply);
    } else {
        sessions_.on_message(origin, std::move(message), now_ms_);
    }
}

void Driver::on_link(bus::PeerLinks::LinkEvent event) {
    parts_.dialler.on_link(event.peer, event.up);
    if (event.up) {
        core_.step(core::LinkUp{event.peer});
    } else {
        core_.step(core::LinkDown{event.peer});
        sessions_.on_peer_gone(event.peer);
        transfer_.on_link_down(event.peer);
    }
}

void Driver::on_event(LoopEvent event) {
    std::visit(
        Overloaded{[&](core::JournalCompleted& completed) {
                       if (entries_under_way_ && completed.op >= *entries_under_way_) {
                           entries_under_way_.reset();
                           storage::pass(status_.serving ? storage::Failpoint::journaled : storage::Failpoint::voting);
                       }
                       core_.step(completed);
                   },
                   [&](storage::DatabaseEvent& database) { on_database(std::move(database)); },
                   [&](SessionsWaiting&) {
                       wake_posted_.store(false);
                       sessions_.pump(now_ms_);
                   },
                   [&](AccountHashes& answer) {
                       if (front_) front_->on_account(answer);
                   },
                   [&](TransferWaiting&) {
                       transfer_posted_.store(false);
                       transfer_.pump();
                   }},
        event);
}

void Driver::on_database(storage::DatabaseEvent event) {
    std::visit(
        Overloaded{[&](storage::ServerUp& up) {
                       if (database_void_) return;
                       server_ = {up.version, up.extended_metadata};
                       spdlog::info("database server {} is up, applied index {}", up.version, up.applied.value);
                       report_.server_up = true;
                       report_.applied = up.applied;
                       report_.durable_applied = std::min(report_.durable_applied, up.applied);
                       report_.format_description = up.format_description;
                       report_dirty_ = true;
                       sessions_.on_applied(up.applied);
                   },
                   [&](storage::ServerDown& down) {
                       spdlog::error("database server is down: {}", down.reason);
                       report_.server_up = false;
                       report_dirty_ = true;
                       sessions_.on_server_down();
                       transfer_.on_server_down(down.reason);
                   },
                   [&](storage::Applied& applied) {
                       if (database_void_) return;  // of what it held before
                       report_.applied = applied.index;
                       report_.durable_applied = applied.durable;
                       report_dirty_ = true;
                       sessions_.on_applied(applied.index);
                   },
                   [&](storage::Captured& group) {
                       const bool statement = group.kind == storage::Captured::Kind::statement;
                       storage::pass(statement ? storage::Failpoint::statement_captured : storage::Failpoint::captured);
                       sessions_.on_captured(std::move(group));
                   },
                   [&](storage::CapturedPart& part) { sessions_.on_captured_part(std::move(part)); },
                   [&](storage::Committed& committed) {
                       storage::pass(storage::Failpoint::committed);
                       sessions_.on_committed(std::move(committed));
                   },
                   [&](storage::OfficeReady& office) {
                       spdlog::info("office of epoch {} is open for writes", office.epoch.value);
                       sessions_.on_office_ready(office.epoch);
                   },
                   [&](storage::OfficeLeft& office) {
                       spdlog::info("office of epoch {} is cleared", office.epoch.value);
                       sessions_.on_office_left();
                       report_.leaving_office = false;
                       report_dirty_ = true;
                   },
                   [&](storage::Fenced& fenced) { on_fenced(fenced.reason); },
                   [&](storage::AuditCut& cut) { audit_.on_cut(cut); },
                   [&](storage::Audited& audited) { audit_.on_audited(std::move(audited)); },
                   [&](storage::RebuildReady& ready) { transfer_.on_ready(ready); },
                   [&](storage::LoadedPosition& position) { transfer_.on_loaded_position(std::move(position)); },
                   [&](storage::RebuildLoaded& loaded) { transfer_.on_loaded(loaded); },
                   [&](storage::RebuildBroken& broken) { transfer_.on_broken(broken); },
                   [&](storage::ForeignWrite& foreign) {
                       ++foreign_writes_;
                       spdlog::error("foreign write on this node's server, not replicated: {}", foreign.description);
                   }},
        event);
}

void Driver::tick(std::uint64_t now_ms) {
    if (started_ms_ == 0) started_ms_ = now_ms;
    now_ms_ = now_ms;
    const bool idle = sessions_.idle();
    const bool journal_stalled = parts_.journal.stalled(sessions_.costly_to_leave() ? stalled_ms_costly : stalled_ms);
    const bool stalled = journal_stalled || parts_.database.stalled();
    if (stalled != report_.disk_stalled) note_stall(stalled, journal_stalled ? "journal" : "database");
    if (idle != report_.idle || stalled != report_.disk_stalled) {
        report_.idle = idle;
        report_.disk_stalled = stalled;
        report_dirty_ = true;
    }
    core_.step(core::Tick{});
    sessions_.tick(now_ms);
    if (front_) front_->tick(now_ms);
    transfer_.tick(now_ms);
    verbs_.tick(now_ms);
    advance_quiesce();
    advance_rebuild_wish();
    status_ = core_.status();
    note_copies();
    watch_foreign_writes();
    audit_.tick(now_ms);
    refresh_view();
    record_formation();
    parts_.dialler.tick(now_ms, status_, hello());
    if (now_ms >= next_publish_ms_) {
        next_publish_ms_ = now_ms + parts_.settings.timing.heartbeat_ms;
        publish({});
    }
}

// A slow disk comes and goes.
void Driver::note_stall(bool stalled, const char* what) {
    constexpr std::uint64_t stall_again_ms = 60'000;
    if (!stalled && std::exchange(stall_said_, false)) spdlog::info("this node's journal and database go on");
    if (!stalled || now_ms_ < stall_again_ms_) return;
    stall_again_ms_ = now_ms_ + stall_again_ms;
    stall_said_ = true;
    spdlog::warn(
        "this node's {} stands still, by a disk that is slow or full, or for want of memory, files or connections: "
        "what is decided waits here until it goes on",
        what);
}

void Driver::report_if_changed() {
    if (!report_dirty_) return;
    report_dirty_ = false;
    core_.step(report_);
}

void Driver::advance_quiesce() {
    if (!quiesce_until_ms_) return;
    if (sessions_.quiesce()) {
        quiesce_until_ms_.reset();
        core_.step(core::Quiesced{true});
    } else if (now_ms_ >= *quiesce_until_ms_) {
        quiesce_until_ms_.reset();
        core_.step(core::Quiesced{false});
    }
}

// What a node's clients hold here ends when it is no member any more: nobody there can go on with it, and its link
// stays.
void Driver::end_sessions_of_removed() {
    std::vector<NodeId> ids;
    if (status_.membership) {
        for (const Member& member : status_.membership->members) ids.push_back(member.voter.id);
    }
    if (ids == member_ids_) return;
    for (const NodeId id : std::exchange(member_ids_, ids)) {
        const bool stays = std::find(ids.begin(), ids.end(), id) != ids.end();
        if (!stays && id != config_.id) sessions_.on_peer_gone(id);
    }
}

void Driver::refresh_view() {
    end_sessions_of_removed();
    session::ClusterView view;
    view.self = config_.id;
    view.coordinator = status_.coordinator;
    view.epoch = status_.epoch;
    view.members = static_cast<std::uint16_t>(status_.membership ? status_.membership->members.size() : 0);
    if (status_.membership) {
        for (const Member& member : status_.membership->members)
            if (!member.learner) view.voters.push_back(member.voter.id);
    }
    view.quorum =
        status_.serving || (status_.coordinator && status_.coordinator != config_.id && status_.waiting_for.empty());
    view.reason = status_.waiting_for;
    if (status_.coordinator == config_.id) {
        view.coordinator_address = own_address_;
    } else if (auto known = parts_.dialler.addresses().find(status_.coordinator);
               known != parts_.dialler.addresses().end()) {
        view.coordinator_address = known->second;
    }
    if (view.coordinator == view_.coordinator && view.epoch == view_.epoch && view.members == view_.members &&
        view.voters == view_.voters && view.quorum == view_.quorum && view.reason == view_.reason &&
        view.coordinator_address == view_.coordinator_address) {
        return;
    }
    view_ = view;
    sessions_.on_view(view_);
}

void Driver::record_formation() {
    if (cluster_recorded_ || !status_.membership || database_void_) return;
    cluster_recorded_ = true;
    const std::string uuid = to_string(status_.membership->cluster);
    spdlog::info("cluster {} is formed with {} members", uuid, status_.membership->members.size());
    if (auto status = parts_.database.record_cluster(uuid); !status) {
        spdlog::error("recording the cluster in ddb_meta failed, next start tries again: {}", status.error().message);
    }
}

void Driver::publish(const std::string& event) {
    Announcement announcement;
    announcement.node = config_.id;
    announcement.role = core::to_string(status_.role);
    announcement.epoch = status_.epoch;
    announcement.coordinator = status_.coordinator;
    announcement.last = status_.last.index;
    announcement.decided = status_.decided;
    announcement.applied = status_.applied;
    announcement.fit = report_.server_up && !report_.fenced && !report_.leaving_office;
    announcement.sessions = sessions_.counters().sessions;
    announcement.uptime_s = uptime_s();
    announcement.event = event;
    parts_.publisher.publish(announcement);
}

// --- effects ---------------------------------------------------------------------------------------------------------

void Driver::flush() {
    // An effect may lead to another input (a read that is answered at once starts no wait), so a few rounds; what is
    // left then is taken in the next round of the loop.
    for (int round = 0; round < effect_rounds_max; ++round) {
        if (front_) front_->flush();
        report_if_changed();
        core::Effects effects = core_.take_effects();
        if (!effects.journal && effects.now.empty()) return;
        if (effects.journal && !effects.journal->entries.empty()) {
            if (status_.serving) storage::pass(storage::Failpoint::proposed);
            if (!entries_under_way_) entries_under_way_ = effects.journal->op;
        }
        if (effects.journal) parts_.journal.write(std::move(*effects.journal));
        for (core::Effect& effect : effects.now) carry_out(std::move(effect));
    }
    wake();
}

// Without a majority a node stands for the office again and again, for days perhaps: not every time in the same words.
void Driver::say_role(const core::RoleChanged& change) {
    std::string text = fmt::format("{} in epoch {}, coordinator {}: {}", core::to_string(change.role),
                                   change.epoch.value, change.coordinator.value, change.reason);
    SaidRole& said = said_roles_[change.role];
    const bool again = text == said.text && now_ms_ < said.at_ms + same_role_said_ms;
    spdlog::log(again ? spdlog::level::debug : spdlog::level::info, "{}", text);
    if (!again) said = {std::move(text), now_ms_};
}

void Driver::on_role_changed(const core::RoleChanged& change) {
    say_role(change);
    parts_.links.set_epoch(change.epoch);
    status_ = core_.status();
    refresh_view();
    publish(std::string(core::to_string(change.role)) + ": " + change.reason);
}

void Driver::carry_out(core::Effect effect) {
    std::visit(Overloaded{// A message that cannot be sent now is sent again by the protocol's own deadlines.
                          [&](core::Send& message) { (void)parts_.links.send(message.to, message.message); },
                          [&](core::RoleChanged& change) { on_role_changed(change); },
                          [&](core::OfficeOpened& office) {
                              status_ = core_.status();
                              refresh_view();
                              transfer_.on_office_opened();
                              parts_.database.open_office(office.epoch, office.noop_index);
                          },
                          [&](core::OfficeClosed& office) {
                              spdlog::warn("leaving the office of epoch {}: {}", office.epoch.value, office.reason);
                              report_.leaving_office = true;
                              report_dirty_ = true;
                              quiesce_until_ms_.reset();
                              sessions_.on_office_closing(office.epoch);
                              parts_.database.close_office(office.epoch);
                          },
                          [&](core::Decided& decided) {
                              if (status_.serving) storage::pass(storage::Failpoint::decided);
                              parts_.database.decided(decided.up_to);
                              sessions_.on_decided(decided.up_to);
                          },
                          [&](core::ProposalAccepted& accepted) {
                              if ((accepted.token.value & Audit::token_bit) != 0) {
                                  audit_.on_accepted(accepted);
                              } else {
                                  sessions_.on_accepted(accepted);
                              }
                          },
                          [&](core::ProposalRefused& refused) {
                              if ((refused.token.value & Audit::token_bit) != 0) {
                                  audit_.on_refused(refused);
                              } else {
                                  sessions_.on_refused(refused);
                              }
                          },
                          // An audit notices by itself that the office is lost.
                          [&](core::ProposalUnknown& unknown) {
                              if ((unknown.token.value & Audit::token_bit) == 0) sessions_.on_unknown(unknown);
                          },
                          [&](core::ReadIndexAnswer& answer) { sessions_.on_read_index(answer); },
                          [&](core::OutcomeAnswer& answer) {
                              if ((answer.token & Verbs::token_bit) != 0) {
                                  verbs_.on_outcome(answer);
                              } else {
                                  sessions_.on_outcome(answer);
                              }
                          },
                          [&](core::Quiesce&) { quiesce_until_ms_ = now_ms_ + quiesce_ms; },
                          [&](core::QuiesceEnd&) {
                              quiesce_until_ms_.reset();
                              sessions_.quiesce_end();
                          },
                          [&](core::ReadEntries& wanted) {
                              auto entries = parts_.journal.read(wanted.from, wanted.to, prepare_bytes_max);
                              if (entries) {
                                  core_.step(core::EntriesRead{wanted.peer, wanted.epoch, std::move(*entries)});
                              } else {
                                  spdlog::error("journal entries {}..{} for node {}: {}", wanted.from.value,
                                                wanted.to.value, wanted.peer.value, entries.error().message);
                                  core_.step(core::EntriesRead{wanted.peer, wanted.epoch, {}});
                              }
                          },
                          [&](core::RebuildNeeded& needed) { on_rebuild_needed(needed); },
                          [&](core::RebuildOver&) { on_rebuild_over(); },
                          [&](core::IdentityTaken& identity) {
                              spdlog::warn("the journal was lost; this node goes on as a new member ({})",
                                           identity.incarnation.value);
                              config_.incarnation = identity.incarnation;
                              parts_.links.set_incarnation(identity.incarnation);
                              parts_.dialler.set_incarnation(identity.incarnation);
                          },
                          [&](core::CommandAnswer& answer) { on_command_answer(answer); },
                          [&](core::Complaint& complaint) { spdlog::warn("{}", complaint.text); },
                          [&](core::Trace& trace) { spdlog::debug("{}", trace.text); }},
               effect);
}

// --- session::SessionHost --------------------------------------------------------------------------------------------

Status Driver::send(const session::Origin& to, const SessionMessage& message) {
    if (to.peer) return parts_.links.send(to.peer, message);
    if (front_ && MysqlFront::owns(to.client)) return front_->deliver(to.client, message);
    return parts_.links.send(to.client, message);
}

void Driver::ask_read_index(ReadToken token) {
    core_.step(core::ReadIndexQuery{token});
}

void Driver::ask_outcome(const core::OutcomeQuery& query) {
    core_.step(query);
}

void Driver::propose(const core::Propose& proposal) {
    core_.step(proposal);
}

std::uint16_t Driver::holders(LogIndex index) {
    return core_.holders(index);
}

bool Driver::applied_everywhere(LogIndex index) {
    return report_.applied >= index &&
           std::all_of(status_.peers.begin(), status_.peers.end(),
                       [&](const core::PeerStatus& peer) { return !peer.reachable || peer.applied >= index; });
}

session::NodeTable Driver::show(session::DdbView view) {
    return verbs_.table(view);
}

void Driver::log(int level, const std::string& text) {
    spdlog::log(static_cast<spdlog::level::level_enum>(level), "{}", text);
}

void Driver::wake() {
    if (!wake_posted_.exchange(true)) parts_.mailbox.post_always(LoopEvent{SessionsWaiting{}});
}

}  // namespace ddb::node
