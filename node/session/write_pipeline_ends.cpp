// How what was proposed ended, and who is told.
#include <utility>
#include <vector>

#include "node/session/write_pipeline.hpp"

namespace ddb::session {

WriteDone WritePipeline::take_write(const std::string& xid, std::unique_ptr<storage::Connection>& connection) {
    const auto it = writes_.find(xid);
    if (it == writes_.end()) return nullptr;
    WriteDone done = std::move(it->second.write.done);
    connection = std::move(it->second.write.connection);
    writes_.erase(it);
    return done;
}

void WritePipeline::finish_empty(std::string xid) {
    const auto it = writes_.find(xid);
    if (it == writes_.end()) return;
    std::unique_ptr<storage::Connection> connection;
    WriteDone done = take_write(xid, connection);
    host_.roll_back(std::move(connection), std::move(xid), [done = std::move(done)](auto returned) {
        WriteResult result = ended(WriteResult::Kind::nothing);
        result.connection = std::move(returned);
        done(std::move(result));
    });
}

void WritePipeline::settled(ProposalToken token) {
    std::erase_if(last_other_, [token](const auto& other) { return other.second == token; });
    std::vector<std::string> waiting;
    for (const auto& [xid, slot] : writes_) {
        if (slot.waits_for == token) waiting.push_back(xid);
    }
    for (const auto& xid : waiting) finish_empty(xid);
}

void WritePipeline::end_statement(std::uint64_t sequence, WriteResult result) {
    const auto it = statements_.find(sequence);
    if (it == statements_.end()) return;
    WriteDone done = std::move(it->second.finished.done);
    statements_.erase(it);
    done(std::move(result));
}

void WritePipeline::on_accepted(const core::ProposalAccepted& accepted) {
    const auto it = proposals_.find(accepted.token);
    if (it == proposals_.end()) return;
    it->second.index = accepted.id.index;
    const bool part = it->second.kind == Proposal::Kind::part;
    const bool ended_parts = it->second.of_parts && !part;
    it->second.of_parts.reset();
    if (ended_parts) --(it->second.kind == Proposal::Kind::xa ? xa_ends_ : statement_ends_);
    by_index_[accepted.id.index] = accepted.token;
    if (it->second.kind != Proposal::Kind::xa) {
        host_.register_done(accepted.id.index, part);
        if (part) feeder_.on_accepted(accepted.id.index);
        if (ended_parts) drain();
        return;
    }
    const auto write = writes_.find(it->second.xid);
    if (write == writes_.end()) return;
    host_.register_prepared(accepted.id.index, write->second.write.txn, it->second.xid,
                            std::move(write->second.write.connection));
    if (ended_parts) drain();
}

void WritePipeline::on_refused(const core::ProposalRefused& refused) {
    const auto it = proposals_.find(refused.token);
    if (it == proposals_.end()) return;
    if (it->second.of_parts) {
        again_.push_back(refused.token);
        return;
    }
    const Proposal proposal = std::move(it->second);
    proposals_.erase(it);
    if (proposal.kind == Proposal::Kind::xa) {
        fail_write(proposal.xid, refused.error);
    } else if (proposal.kind == Proposal::Kind::statement) {
        // The statement has taken effect here and did not reach the log: this server is rebuilt by the path of its
        // intent.
        const auto statement = statements_.find(proposal.sequence);
        const TxnId txn = statement == statements_.end() ? TxnId{} : statement->second.finished.txn;
        end_statement(proposal.sequence, ended(WriteResult::Kind::unknown, unknown_error(txn, refused.error.message)));
    } else {
        host_.foreign_write("a group outside of transactions was refused by the log: " + refused.error.message);
        fence_if_kept(proposal);
        settled(refused.token);
    }
}

// Never given to the journal: a definite failure, once it is rolled back.
void WritePipeline::fail_write(std::string xid, const Error& error) {
    std::unique_ptr<storage::Connection> connection;
    WriteDone done = take_write(xid, connection);
    if (!done) return;
    host_.roll_back(std::move(connection), std::move(xid), [done = std::move(done), error](auto returned) {
        WriteResult result = ended(WriteResult::Kind::failed, error);
        result.connection = std::move(returned);
        done(std::move(result));
    });
}

void WritePipeline::on_unknown(const core::ProposalUnknown& unknown) {
    const auto it = proposals_.find(unknown.token);
    if (it == proposals_.end()) return;
    const Proposal proposal = std::move(it->second);
    proposals_.erase(it);
    by_index_.erase(unknown.id.index);
    constexpr const char* reason = "the coordinator's office ended before it was decided";
    if (proposal.kind == Proposal::Kind::xa) {
        const auto write = writes_.find(proposal.xid);
        if (write == writes_.end()) return;
        const TxnId txn = write->second.write.txn;
        std::unique_ptr<storage::Connection> connection;
        take_write(proposal.xid, connection)(ended(WriteResult::Kind::unknown, unknown_error(txn, reason)));
    } else if (proposal.kind == Proposal::Kind::statement) {
        const auto statement = statements_.find(proposal.sequence);
        if (statement == statements_.end()) return;
        const TxnId txn = statement->second.finished.txn;
        end_statement(proposal.sequence, ended(WriteResult::Kind::unknown, unknown_error(txn, reason)));
    } else {
        fence_if_kept(proposal);
    }
}

void WritePipeline::on_committed(storage::Committed committed) {
    const auto it = by_index_.find(committed.index);
    if (it == by_index_.end()) return;
    const auto proposal = proposals_.find(it->second);
    if (proposal == proposals_.end() || proposal->second.kind != Proposal::Kind::xa)
        return;  // on_decided answers these
    const std::string xid = std::move(proposal->second.xid);
    proposals_.erase(proposal);
    by_index_.erase(it);
    std::unique_ptr<storage::Connection> unused;
    WriteDone done = take_write(xid, unused);
    if (!done) return;
    WriteResult result = ended(WriteResult::Kind::decided);
    result.index = committed.index;
    result.connection = std::move(committed.connection);
    done(std::move(result));
}

void WritePipeline::on_decided(LogIndex up_to) {
    feeder_.on_decided(up_to);
    std::vector<std::pair<ProposalToken, Proposal>> over;
    for (auto it = by_index_.begin(); it != by_index_.end() && it->first <= up_to;) {
        const auto proposal = proposals_.find(it->second);
        if (proposal != proposals_.end() && proposal->second.kind == Proposal::Kind::xa) {
            ++it;  // answered when its XA COMMIT returned
            continue;
        }
        if (proposal != proposals_.end()) {
            over.emplace_back(proposal->first, std::move(proposal->second));
            proposals_.erase(proposal);
        }
        it = by_index_.erase(it);
    }
    for (auto& [token, proposal] : over) {
        if (proposal.kind == Proposal::Kind::statement) {
            WriteResult result = ended(WriteResult::Kind::decided);
            result.index = proposal.index;
            end_statement(proposal.sequence, std::move(result));
        } else if (proposal.kind == Proposal::Kind::other) {
            settled(token);
        }
    }
}

}  // namespace ddb::session
