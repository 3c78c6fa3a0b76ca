#include "node/transfer_donor.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "node/storage/dump_position.hpp"

namespace ddb::node {

namespace {

constexpr std::size_t transfers_max = 2;
constexpr std::uint64_t idle_ms_max = 30'000;     // a receiver speaks twice a second
constexpr std::uint64_t holding_ms_max = 60'000;  // for a definition that is under way

}  // namespace

TransferDonor::~TransferDonor() {
    end_all("the node stops", false);
}

TransferDonor::Serving* TransferDonor::find(NodeId peer, std::uint64_t transfer) {
    const auto found = serving_.find(transfer);
    return found == serving_.end() || found->second.peer != peer ? nullptr : &found->second;
}

void TransferDonor::refuse(NodeId peer, std::uint64_t transfer, const std::string& reason) {
    (void)host_.send(peer, TransferState{transfer, TransferPhase::unknown, reason, 0});
}

void TransferDonor::send_state(const Serving& serving) {
    const bool running = serving.source != nullptr;
    (void)host_.send(serving.peer,
                     TransferState{serving.transfer, running ? TransferPhase::running : TransferPhase::preparing, "",
                                   running ? serving.source->progress().estimate_bytes : 0});
}

void TransferDonor::on_open(NodeId from, const TransferOpen& open) {
    if (const Serving* known = find(from, open.transfer)) return send_state(*known);
    // A receiver has one transfer at a time: an older one of it is over, whether or not we heard of its end.
    for (auto it = serving_.begin(); it != serving_.end();) {
        if (it->second.peer != from) {
            ++it;
            continue;
        }
        release(it->second);
        it = serving_.erase(it);
    }
    update_holds();
    if (const std::string reason = host_.why_no_donor(); !reason.empty()) return refuse(from, open.transfer, reason);
    if (serving_.size() >= transfers_max || serving_.contains(open.transfer)) {
        return refuse(from, open.transfer, "this node already serves " + std::to_string(serving_.size()) + " others");
    }
    Serving& serving = serving_[open.transfer];
    serving.peer = from;
    serving.transfer = open.transfer;
    serving.with_root = open.with_root;
    serving.begun_ms = serving.heard_ms = now_ms_;
    serving.pinned = host_.applied();
    spdlog::info("node {} asks for a dump of this node's database", from.value);
    update_holds();
    send_state(serving);
}

void TransferDonor::on_pull(NodeId from, const TransferPull& pull) {
    Serving* serving = find(from, pull.transfer);
    if (serving == nullptr) return refuse(from, pull.transfer, "no such transfer is under way here");
    serving->heard_ms = now_ms_;
    if (serving->source == nullptr) return send_state(*serving);
    serving->source->acknowledge(pull.next);
    serving->sent = pull.again ? pull.next : std::max(serving->sent, pull.next);
    serving->allowed = pull.next + std::min(pull.window, transfer_window_max);
    const std::uint64_t before = serving->sent;
    if (!advance(*serving)) {
        serving_.erase(pull.transfer);
        update_holds();
        return;
    }
    if (serving->sent == before) send_state(*serving);  // the receiver sees that we are there
}

bool TransferDonor::send_chunks(Serving& serving) {
    while (serving.sent < serving.allowed) {
        auto chunk = serving.source->chunk(serving.sent);
        if (!chunk) return false;
        const std::size_t size = chunk->bytes.size();
        if (!host_.send(serving.peer, std::move(*chunk))) return false;  // asked for again by the receiver
        serving.bytes_sent += size;
        ++serving.sent;
    }
    return true;
}

bool TransferDonor::advance(Serving& serving) {
    if (serving.source == nullptr) {
        if (!host_.database.statements_held() || !host_.definitions_held()) return true;
        storage::DumpSource::Options options;
        options.service = host_.database.service();
        options.server_program = host_.database.server_program();
        options.transfer = serving.transfer;
        options.with_root = serving.with_root;
        serving.source = std::make_unique<storage::DumpSource>(std::move(options), host_.wake);
        serving.source->set_rate(pace_.rate());
        return true;
    }
    const auto progress = serving.source->progress();
    for (; serving.notes_told < progress.notes.size(); ++serving.notes_told) {
        spdlog::warn("dump for node {}: {}", serving.peer.value, progress.notes[serving.notes_told]);
    }
    if (progress.failed) {
        spdlog::error("the dump for node {} failed: {}", serving.peer.value, progress.failed->message);
        refuse(serving.peer, serving.transfer, progress.failed->message);
        release(serving);
        return false;
    }
    if (progress.complete && serving.held) {
        serving.held = false;
        update_holds();
    }
    (void)send_chunks(serving);
    return true;
}

void TransferDonor::on_header_request(NodeId from, const TransferHeaderRequest& request) {
    Serving* serving = find(from, request.transfer);
    if (serving == nullptr) return refuse(from, request.transfer, "no such transfer is under way here");
    serving->heard_ms = now_ms_;
    TransferHeader header;
    header.transfer = request.transfer;
    auto entries = storage::entries_of_dump(host_.journal, request.position, request.markers);
    if (entries) {
        const LogIndex last = entries->empty() ? request.position : entries->back().id.index;
        auto point = host_.dump_point(last);
        if (point) {
            header.point = std::move(*point);
            header.entries = std::move(*entries);
        } else {
            header.error = fail(ErrorCode::not_found, "entry " + to_string(last) + " is not kept in the donor's log");
        }
    } else {
        header.error = entries.error();
    }
    if (auto sent = host_.send(from, header); !sent && sent.error().code == ErrorCode::invalid_argument) {
        (void)host_.send(from, TransferHeader{request.transfer, sent.error(), {}, {}});
    }
}

void TransferDonor::on_close(NodeId from, const TransferClose& close) {
    Serving* serving = find(from, close.transfer);
    if (serving == nullptr) return;
    if (close.reason.empty()) {
        spdlog::info("node {} has loaded the dump of this node's database: {} bytes in {} s", from.value,
                     serving->bytes_sent, (now_ms_ - serving->begun_ms) / 1000);
    } else {
        spdlog::warn("node {} breaks the transfer off: {}", from.value, close.reason);
    }
    release(*serving);
    serving_.erase(close.transfer);
    update_holds();
}

void TransferDonor::tick(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    set_pace();
    for (auto it = serving_.begin(); it != serving_.end();) {
        Serving& serving = it->second;
        std::string reason;
        if (now_ms > serving.heard_ms + idle_ms_max) {
            reason = "the receiver is silent";
        } else if (serving.source == nullptr && now_ms > serving.begun_ms + holding_ms_max) {
            reason = "a definition that is under way here does not end";
        }
        if (!reason.empty()) {
            spdlog::warn("the dump for node {} ends: {}", serving.peer.value, reason);
            refuse(serving.peer, serving.transfer, reason);
            release(serving);
        }
        it = !reason.empty() || !advance(serving) ? serving_.erase(it) : std::next(it);
    }
    update_holds();
}

// All dumps together cost no more than the pace allows.
void TransferDonor::set_pace() {
    if (serving_.empty() || now_ms_ < paced_ms_ + TransferPace::interval_ms) return;
    const double seconds = static_cast<double>(now_ms_ - paced_ms_) / 1000;
    const std::uint64_t work = host_.work_done();
    const std::uint64_t before = pace_.rate();
    const std::uint64_t rate =
        pace_.next(idle_.read(), static_cast<double>(work - std::min(work, work_then_)) / seconds);
    paced_ms_ = now_ms_;
    work_then_ = work;
    if (rate == before) return;
    for (auto& [id, serving] : serving_) {
        if (serving.source != nullptr) serving.source->set_rate(rate / serving_.size());
    }
}

void TransferDonor::pump() {
    for (auto it = serving_.begin(); it != serving_.end();) {
        it = advance(it->second) ? std::next(it) : serving_.erase(it);
    }
    update_holds();
}

void TransferDonor::end_all(const std::string& reason, bool unfinished_only) {
    for (auto it = serving_.begin(); it != serving_.end();) {
        Serving& serving = it->second;
        if (unfinished_only && !serving.held) {
            ++it;
            continue;
        }
        spdlog::warn("the dump for node {} ends: {}", serving.peer.value, reason);
        refuse(serving.peer, serving.transfer, reason);
        release(serving);
        it = serving_.erase(it);
    }
    update_holds();
}

void TransferDonor::release(Serving& serving) {
    serving.held = false;
    retired_.add(std::move(serving.source));
}

// Definitions are held as long as any dump needs it, and our log keeps what the receivers will ask for.
void TransferDonor::update_holds() {
    bool hold = false;
    LogIndex pin;
    for (const auto& [id, serving] : serving_) {
        hold = hold || serving.held;
        if (!pin.value || serving.pinned < pin) pin = serving.pinned;
    }
    if (hold != holding_) {
        holding_ = hold;
        host_.database.hold_statements(hold);
        host_.hold_definitions(hold);
    }
    if (pin == pinned_) return;
    pinned_ = pin;
    if (pin.value != 0) {
        host_.step(core::PinLog{pin});
    } else {
        host_.step(core::UnpinLog{});
    }
}

void TransferDonor::add_status(std::vector<TransferStatus>& out) const {
    for (const auto& [id, serving] : serving_) {
        TransferStatus status;
        status.donor = true;
        status.peer = serving.peer;
        status.state = serving.source == nullptr ? "preparing" : serving.held ? "dumping" : "dumped";
        status.bytes = serving.bytes_sent;
        if (serving.source != nullptr) status.estimate_bytes = serving.source->progress().estimate_bytes;
        const std::uint64_t elapsed_ms = std::max<std::uint64_t>(1, now_ms_ - serving.begun_ms);
        status.rate_bytes_per_s = serving.bytes_sent * 1000 / elapsed_ms;
        out.push_back(std::move(status));
    }
}

}  // namespace ddb::node
