#include "node/session/write_pipeline.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "schemas/codec.hpp"

namespace ddb::session {
namespace {

// MariaDB does so with tables whose versions go by transaction.
[[nodiscard]] Error logged_as_text() {
    return Error{ErrorCode::invalid_argument,
                 "the transaction was rolled back: the database server logs a statement of it as text, which other "
                 "nodes cannot repeat; let the ROW START and ROW END columns of versioned tables be TIMESTAMP(6)",
                 1235, "42000"};
}

}  // namespace

WritePipeline::WritePipeline(PipelineHost& host)
    : host_(host),
      feeder_({[this](storage::GroupPlace place) { host_.read_group(epoch_, std::move(place)); },
               [this] { host_.want_part(); },
               [this](Entry part) {
                   Proposal proposal;
                   proposal.kind = Proposal::Kind::part;
                   propose_of_parts(std::move(part), std::move(proposal));
               }}) {}

void WritePipeline::open(Epoch epoch) {
    DDB_ASSERT(empty());
    epoch_ = epoch;
    groups_.clear();
    forget_others();
}

void WritePipeline::close(const std::string& reason) {
    epoch_ = Epoch{};
    groups_.clear();
    definition_.reset();
    feeder_.close();
    again_.clear();
    xa_ends_ = statement_ends_ = 0;
    by_index_.clear();
    forget_others();
    auto proposals = std::exchange(proposals_, {});
    auto writes = std::exchange(writes_, {});
    auto statements = std::exchange(statements_, {});
    for (auto& [token, proposal] : proposals) {
        fence_if_kept(proposal);
        if (proposal.kind == Proposal::Kind::xa) {
            const auto it = writes.find(proposal.xid);
            if (it == writes.end()) continue;
            it->second.write.done(ended(WriteResult::Kind::unknown, unknown_error(it->second.write.txn, reason)));
            writes.erase(it);
        }
    }
    for (auto& [xid, slot] : writes) {
        if (slot.ready) slot.write.done(ended(WriteResult::Kind::failed, fail(ErrorCode::not_coordinator, reason)));
    }
    for (auto& [sequence, slot] : statements) {
        // It ran on our server: whether it counts is for the log to say.
        if (slot.ready) {
            slot.finished.done(ended(WriteResult::Kind::unknown, unknown_error(slot.finished.txn, reason)));
        }
    }
}

void WritePipeline::forget_others() {
    last_other_.clear();
    unproven_.clear();
}

// Whether the entry is decided after all, and so would come a second time, is for the next office to say.
void WritePipeline::fence_if_kept(const Proposal& proposal) {
    if (proposal.server_tables)
        host_.fence(
            "tables of schema mysql, which know no transactions, were changed here, and the office ended before "
            "that was decided");
}

void WritePipeline::expect(const std::string& xid) {
    if (epoch_) writes_.try_emplace(xid);
}

void WritePipeline::prepared(PreparedWrite write) {
    const auto it = writes_.find(write.xid);
    if (it == writes_.end()) {  // the office was closed meanwhile
        write.done(
            ended(WriteResult::Kind::failed, fail(ErrorCode::not_coordinator, "this node is no longer coordinator")));
        return;
    }
    it->second.ready = true;
    it->second.write = std::move(write);
    drain();
}

void WritePipeline::forget(const std::string& xid) {
    writes_.erase(xid);
    drain();
}

void WritePipeline::expect_statement(std::uint64_t sequence) {
    if (epoch_) statements_.try_emplace(sequence);
}

void WritePipeline::statement_logged(FinishedStatement statement) {
    const auto it = statements_.find(statement.sequence);
    if (it == statements_.end()) {
        const TxnId txn = statement.txn;
        statement.done(ended(WriteResult::Kind::unknown, unknown_error(txn, "this node is no longer coordinator")));
        return;
    }
    it->second.ready = true;
    it->second.finished = std::move(statement);
    drain();
}

void WritePipeline::statement_unlogged(FinishedStatement statement, StatementPayload payload) {
    const auto it = statements_.find(statement.sequence);
    if (it == statements_.end()) {
        const TxnId txn = statement.txn;
        statement.done(ended(WriteResult::Kind::unknown, unknown_error(txn, "this node is no longer coordinator")));
        return;
    }
    it->second.ready = true;
    it->second.finished = std::move(statement);
    it->second.gathered = std::move(payload);
    propose_statement(it->first, it->second);
}

void WritePipeline::forget_statement(std::uint64_t sequence) {
    statements_.erase(sequence);
    drain();
}

// --- groups of the binary log ----------------------------------------------------------------------------------------

void WritePipeline::on_captured(storage::Captured group) {
    if (!epoch_ || group.epoch != epoch_) return;
    groups_.push_back(std::move(group));
    drain();
}

void WritePipeline::on_captured_part(storage::CapturedPart part) {
    if (epoch_ && part.epoch == epoch_) feeder_.on_part(std::move(part));
}

void WritePipeline::tick() {
    for (const ProposalToken token : std::exchange(again_, {})) {
        const auto it = proposals_.find(token);
        if (it == proposals_.end()) continue;
        Entry entry = *it->second.of_parts;
        entry.created_at_us = host_.wall_clock_us();
        host_.propose(core::Propose{token, epoch_, std::move(entry)});
    }
}

void WritePipeline::drain() {
    while (!groups_.empty()) {
        auto& group = groups_.front();
        if (must_wait(group)) return;
        switch (group.kind) {
            case storage::Captured::Kind::xa:
                if (!take_xa(group)) return;
                break;
            case storage::Captured::Kind::statement:
                if (!take_statement(group)) return;
                break;
            case storage::Captured::Kind::other:
                take_other(group);
                break;
        }
        groups_.pop_front();
    }
}

// False: its session has not reported yet.
bool WritePipeline::take_xa(storage::Captured& group) {
    const auto it = writes_.find(group.xid);
    if (it == writes_.end()) {
        // Its session gave up on it (connection lost during PREPARE) and rolls it back; nothing to replicate.
        if (!group.xid.starts_with(storage::xid_prefix))
            host_.foreign_write("XA transaction '" + group.xid + "', group " + group.gtid);
        unproven_.erase(group.thread_id);
        return true;
    }
    Write& slot = it->second;
    if (!slot.ready) return false;
    if (group.logged_as_text) {
        fail_write(group.xid, logged_as_text());
        return true;
    }
    slot.write.keep_when_empty |= group.changes_statistics;
    slot.write.keep_when_empty |= unproven_.erase(group.thread_id) != 0;
    if (group.place) {
        feed(slot, group);
        return true;
    }
    if (!group.events.empty() || slot.write.keep_when_empty) {
        propose_rows(slot, group);
        return true;
    }
    take_empty(slot, group.thread_id);
    return true;
}

void WritePipeline::take_empty(Write& slot, std::uint64_t thread_id) {
    // A sequence refilled its cache in this statement: the client may see the number only once that entry is decided.
    const auto other = last_other_.find(thread_id);
    if (other != last_other_.end() && proposals_.contains(other->second)) {
        slot.waits_for = other->second;
    } else {
        finish_empty(slot.write.xid);
    }
}

// Most groups may overtake a large XA group: until its XA COMMIT, which follows the log, nothing can depend on it, as
// its locks are still held. But PREPARE gives up those that foreign keys asked for: what was written without these
// checks, and definitions, keep their place. A definition has taken effect: what may depend on it waits.
bool WritePipeline::must_wait(const storage::Captured& group) const {
    if (statement_ends_ > 0 || (definition_ && depends_on_definition(group))) return true;
    const bool keeps_its_place = group.kind == storage::Captured::Kind::statement || group.unchecked_keys;
    return keeps_its_place && (xa_ends_ > 0 || !feeder_.idle());
}

bool WritePipeline::depends_on_definition(const storage::Captured& group) const {
    if (group.place || group.ddl || group.server_tables || group.kind == storage::Captured::Kind::statement)
        return true;
    if (group.kind == storage::Captured::Kind::xa) {
        const auto it = writes_.find(group.xid);
        if (it != writes_.end() && (!it->second.ready || it->second.write.behind_definition)) return true;
    }
    const auto tables = storage::LocalDatabase::changed_tables(group.events);
    return !tables || std::any_of(tables->begin(), tables->end(),
                                  [&](const std::string& table) { return host_.definition_concerns(table); });
}

Entry WritePipeline::entry_of(const Write& slot, std::uint64_t rows) {
    Entry entry;
    entry.kind = EntryKind::rows;
    entry.txn = slot.write.txn;
    entry.session = slot.write.session;
    entry.request = slot.write.request;
    entry.statement_count = slot.write.statement_count;
    entry.row_count = rows;
    entry.outcome = slot.write.outcome;
    return entry;
}

void WritePipeline::feed(const Write& slot, storage::Captured& group) {
    const std::string& xid = slot.write.xid;
    if (group.place->largest_event_bytes > row_event_bytes_max) {
        return fail_write(xid, fail(ErrorCode::invalid_argument, "the change of one row is larger than " +
                                                                     std::to_string(row_event_bytes_max >> 20) +
                                                                     " MiB and was rolled back"));
    }
    feeder_.add({slot.write.txn, std::move(*group.place), true,
                 [this, xid, rows = group.rows, thread_id = group.thread_id](PartsRange parts) {
                     propose_end(xid, rows, thread_id, parts);
                     drain();
                 }});
}

void WritePipeline::propose_end(const std::string& xid, std::uint64_t rows, std::uint64_t thread_id, PartsRange parts) {
    const auto it = writes_.find(xid);
    if (it == writes_.end()) return;
    Entry entry = entry_of(it->second, rows);
    if (parts.count == 0) {  // all of it was undone by ROLLBACK TO SAVEPOINT
        if (!it->second.write.keep_when_empty) return take_empty(it->second, thread_id);
    } else {
        entry.kind = EntryKind::rows_end;
        entry.payload = Payload(encode_parts(parts));
    }
    Proposal proposal;
    proposal.kind = Proposal::Kind::xa;
    proposal.xid = xid;
    ++xa_ends_;
    propose_of_parts(std::move(entry), std::move(proposal));
}

void WritePipeline::propose_rows(Write& slot, storage::Captured& group) {
    Entry entry = entry_of(slot, group.rows);
    entry.payload = Payload(std::move(group.events));
    Proposal proposal;
    proposal.kind = Proposal::Kind::xa;
    proposal.xid = slot.write.xid;
    (void)propose(std::move(entry), std::move(proposal));
}

// All groups of one statement are one entry: every server runs it under the one GTID that its transaction id gives.
bool WritePipeline::take_statement(storage::Captured& group) {
    const auto it = statements_.find(group.sequence);
    if (it == statements_.end()) {
        host_.foreign_write("statement group " + group.gtid + " of no session");
        return true;
    }
    Statement& slot = it->second;
    if (!slot.ready) return false;
    if (group.place && group.place->largest_event_bytes > row_event_bytes_max) {
        // It has taken effect here and cannot reach the log: this server is rebuilt by the path of its intent.
        end_statement(group.sequence, ended(WriteResult::Kind::unknown,
                                            unknown_error(slot.finished.txn, "the change of one row is too large")));
        return true;
    }
    if (slot.rows > 0 && !group.statement.sql.empty()) {
        // Elsewhere its definitions would run before all of its rows. What is known of texts keeps this from happening;
        // an EXECUTE of what hides them does not.
        host_.foreign_write("definition behind rows of the same statement, group " + group.gtid);
        end_statement(group.sequence,
                      ended(WriteResult::Kind::unknown, unknown_error(slot.finished.txn,
                                                                      "a definition follows rows in it: this "
                                                                      "database must be rebuilt")));
        return true;
    }
    if (group.place) {
        feed(slot, std::move(group));
        return true;
    }
    StatementPayload& gathered = slot.gathered;
    gathered.events += group.statement.events;
    if (!gathered.sql.empty() && !group.statement.sql.empty()) gathered.sql += ";\n";
    gathered.sql += group.statement.sql;
    if (gathered.database.empty()) gathered.database = std::move(group.statement.database);
    if (group.statement.expected_error != 0) gathered.expected_error = group.statement.expected_error;
    gathered.secret |= group.statement.secret || slot.finished.secret;
    if (group.statement.parts && gathered.parts) {
        gathered.parts->count += group.statement.parts->count;
    } else if (group.statement.parts) {
        gathered.parts = group.statement.parts;
    }
    slot.rows += group.rows;
    if (group.gtid != slot.finished.last_gtid) return true;
    if (slot.finished.outcome.error_code != 0) gathered.expected_error = slot.finished.outcome.error_code;
    gathered.events.insert(0, slot.finished.settings_event);
    propose_statement(group.sequence, slot);
    return true;
}

void WritePipeline::feed(const Statement& slot, storage::Captured group) {
    const auto ended = [this](PartsRange parts) {
        if (!definition_) return;
        definition_->place.reset();
        if (parts.count > 0) definition_->statement.parts = parts;
        groups_.push_front(std::move(*definition_));
        definition_.reset();
        drain();
    };
    storage::GroupPlace place = *group.place;
    definition_ = std::move(group);
    feeder_.add({slot.finished.txn, std::move(place), false, ended});
}

void WritePipeline::propose_statement(std::uint64_t sequence, Statement& slot) {
    const bool in_parts = slot.gathered.parts.has_value();
    Entry entry;
    entry.kind = EntryKind::statement;
    entry.txn = slot.finished.txn;
    entry.session = slot.finished.session;
    entry.request = slot.finished.request;
    entry.statement_count = 1;
    entry.row_count = slot.rows;
    entry.outcome = slot.finished.outcome;
    entry.payload = Payload(encode_statement(std::exchange(slot.gathered, {})));
    Proposal proposal;
    proposal.kind = Proposal::Kind::statement;
    proposal.sequence = sequence;
    if (!in_parts) {
        (void)propose(std::move(entry), std::move(proposal));
        return;
    }
    ++statement_ends_;
    propose_of_parts(std::move(entry), std::move(proposal));
}

void WritePipeline::take_other(storage::Captured& group) {
    if (group.events.empty() && !group.ddl && !group.place) return;
    if (!host_.owns_connection(group.thread_id) || group.ddl || group.place) {
        host_.foreign_write("group " + group.gtid + " of connection " + std::to_string(group.thread_id));
        return;
    }
    Entry entry;
    entry.kind = EntryKind::rows;
    entry.txn = host_.next_txn();
    entry.row_count = group.rows;
    entry.payload = Payload(std::move(group.events));
    Proposal proposal;
    proposal.server_tables = group.server_tables;
    if (group.server_tables) unproven_.insert(group.thread_id);
    last_other_[group.thread_id] = propose(std::move(entry), std::move(proposal));
}

void WritePipeline::propose_of_parts(Entry entry, Proposal proposal) {
    proposal.of_parts = entry;
    (void)propose(std::move(entry), std::move(proposal));
}

ProposalToken WritePipeline::propose(Entry entry, Proposal proposal) {
    last_token_ = next(last_token_);
    const ProposalToken token = last_token_;
    entry.created_at_us = host_.wall_clock_us();
    proposals_.emplace(token, std::move(proposal));
    host_.propose(core::Propose{token, epoch_, std::move(entry)});
    return token;
}

}  // namespace ddb::session
