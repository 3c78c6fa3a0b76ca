#include "node/transfer_receiver.hpp"

#include <sodium.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace ddb::node {

namespace {

constexpr std::uint64_t ask_again_ms = 500;
constexpr std::uint64_t silent_ms_max = 15'000;  // the donor answers every question
constexpr std::uint64_t link_down_ms_max = 5'000;
constexpr std::uint64_t tell_every_ms = 10'000;
constexpr std::uint32_t damaged_max = 5;
// Emptying, measuring and installing are work of our own server.
constexpr std::uint64_t own_step_ms_max = 180'000;
constexpr std::uint64_t opening_ms_max = 120'000;
constexpr std::uint64_t standstill_ms_max = 300'000;  // one statement of the dump, or the client program's end

}  // namespace

const char* TransferReceiver::name_of(Step step) {
    switch (step) {
        case Step::idle:
            return "idle";
        case Step::emptying:
            return "emptying";
        case Step::opening:
            return "opening";
        case Step::loading:
            return "loading";
        case Step::measuring:
            return "measuring";
        case Step::asking:
            return "asking";
        case Step::installing:
            return "installing";
        case Step::recording:
            return "recording";
    }
    return "?";
}

void TransferReceiver::enter(Step step) {
    step_ = step;
    step_ms_ = heard_ms_ = moved_ms_ = now_ms_;
    asked_ms_ = 0;
}

void TransferReceiver::start(NodeId donor, const std::string& reason) {
    if (load_ != nullptr) send(TransferClose{transfer_, "another attempt begins"});
    retired_.add(std::move(load_));
    donor_ = donor;
    randombytes_buf(&transfer_, sizeof transfer_);
    begun_ms_ = told_ms_ = now_ms_;
    link_down_ms_ = 0;
    estimate_bytes_ = bytes_ = next_ = pulled_to_ = 0;
    damaged_ = 0;
    point_ = {};
    spdlog::warn("this node's database is replaced by a dump of node {}'s: {}", donor.value, reason);
    enter(Step::emptying);
    host_.database.begin_rebuild(transfer_);
}

void TransferReceiver::fail(const std::string& reason) {
    if (step_ == Step::idle) return;
    spdlog::error("loading from node {} broke off while {}: {}", donor_.value, name_of(step_), reason);
    send(TransferClose{transfer_, reason});
    retired_.add(std::move(load_));
    enter(Step::idle);
    host_.step(core::RebuildFailed{reason});
}

bool TransferReceiver::from_donor(NodeId from, std::uint64_t transfer) const {
    return step_ != Step::idle && from == donor_ && transfer == transfer_;
}

void TransferReceiver::on_ready(const storage::RebuildReady& ready) {
    if (step_ != Step::emptying || ready.attempt != transfer_) return;
    storage::DumpLoad::Options options;
    options.service = host_.database.service();
    options.server_program = host_.database.server_program();
    load_ = std::make_unique<storage::DumpLoad>(std::move(options), host_.wake);
    enter(Step::opening);
    ask();
}

void TransferReceiver::ask() {
    asked_ms_ = now_ms_;
    if (step_ == Step::opening) {
        send(TransferOpen{transfer_, host_.managed});
    } else if (step_ == Step::loading) {
        pull(true);
    } else if (step_ == Step::asking) {
        send(TransferHeaderRequest{transfer_, position_.index, position_.markers});
    } else if (step_ != Step::emptying && step_ != Step::recording) {
        send(TransferPull{transfer_, next_, 0, false});  // keeps the donor waiting for us
    }
}

void TransferReceiver::pull(bool again) {
    const auto progress = load_->progress();
    next_ = progress.next;
    pulled_to_ = progress.next + progress.room;
    send(TransferPull{transfer_, progress.next, progress.room, again});
}

void TransferReceiver::on_state(NodeId from, const TransferState& state) {
    if (!from_donor(from, state.transfer)) return;
    heard_ms_ = now_ms_;
    if (state.phase == TransferPhase::unknown) {
        // Once the header is here the donor has done its part.
        if (step_ != Step::installing && step_ != Step::recording)
            fail("node " + to_string(from) + ": " + state.reason);
        return;
    }
    if (state.estimate_bytes > 0) estimate_bytes_ = state.estimate_bytes;
    if (step_ == Step::opening && state.phase == TransferPhase::running) {
        enter(Step::loading);
        asked_ms_ = now_ms_;
        pull(false);
    }
}

void TransferReceiver::on_chunk(NodeId from, const TransferChunk& chunk) {
    if (!from_donor(from, chunk.transfer) || step_ != Step::loading) return;
    heard_ms_ = now_ms_;
    switch (load_->offer(chunk)) {
        case storage::DumpLoad::Offer::taken:
            damaged_ = 0;
            moved_ms_ = now_ms_;
            next_ = chunk.number + 1;
            bytes_ += chunk.bytes.size();
            asked_ms_ = now_ms_;
            break;
        case storage::DumpLoad::Offer::damaged:
            if (++damaged_ >= damaged_max)
                return fail("chunk " + std::to_string(chunk.number) + " is damaged again and again");
            spdlog::warn("chunk {} of node {}'s dump arrived damaged and is asked for again", chunk.number, from.value);
            return pull(true);
        case storage::DumpLoad::Offer::unwanted:
            break;
    }
    pump();
}

// Lets the donor go on as soon as half of the room is free again.
void TransferReceiver::pump() {
    if (load_ == nullptr || step_ != Step::loading) return;
    const auto progress = load_->progress();
    if (progress.failed) return fail("loading: " + progress.failed->message);
    if (progress.loaded) {
        if (!progress.as_loaded.empty()) {
            spdlog::warn(
                "{} tables keep what they calculate in a time zone as UTC has it: the server does not make it "
                "anew, as of {}; mend it and load this node once more",
                progress.as_loaded.size(), progress.as_loaded.front());
        }
        retired_.add(std::move(load_));
        enter(Step::measuring);
        host_.database.read_loaded_position();
        return;
    }
    const std::uint64_t could = progress.next + progress.room;
    if (could >= pulled_to_ + transfer_window_max / 4 || (could > pulled_to_ && pulled_to_ == progress.next)) {
        moved_ms_ = now_ms_;
        pull(false);
    }
}

void TransferReceiver::on_loaded_position(storage::LoadedPosition position) {
    if (step_ != Step::measuring || position.attempt != transfer_) return;
    position_ = std::move(position);
    if (position_.markers.size() > transfer_markers_max) return fail("the dump holds too many unfolded transactions");
    enter(Step::asking);
    ask();
}

void TransferReceiver::on_header(NodeId from, TransferHeader header) {
    if (!from_donor(from, header.transfer) || step_ != Step::asking) return;
    if (header.error) return fail("node " + to_string(from) + ": " + header.error->message);
    const EntryId last = header.point.applied;
    if (last.index < position_.index || header.point.log.last.index > last.index ||
        (!header.entries.empty() && header.entries.back().id != last) ||
        last.index.value - position_.index.value != header.entries.size()) {
        return fail("node " + to_string(from) + " sends a header that does not fit its dump");
    }
    point_ = std::move(header.point);
    enter(Step::installing);
    host_.database.install_snapshot(last, std::move(header.entries));
}

void TransferReceiver::on_loaded(const storage::RebuildLoaded& loaded) {
    if (step_ != Step::installing || loaded.attempt != transfer_) return;
    send(TransferClose{transfer_, ""});
    enter(Step::recording);
    host_.step(core::SnapshotInstalled{point_});
}

void TransferReceiver::on_broken(const storage::RebuildBroken& broken) {
    if (broken.attempt == transfer_ && step_ != Step::recording) fail(broken.reason);
}

void TransferReceiver::on_over() {
    const std::uint64_t elapsed_ms = std::max<std::uint64_t>(1, now_ms_ - begun_ms_);
    spdlog::info("this node's database is that of node {} at entry {}: {} bytes in {}.{} s", donor_.value,
                 point_.applied.index.value, bytes_, elapsed_ms / 1000, elapsed_ms % 1000 / 100);
    retired_.add(std::move(load_));
    enter(Step::idle);
    host_.database.end_rebuild();
}

void TransferReceiver::on_link_down(NodeId peer) {
    if (step_ != Step::idle && peer == donor_ && link_down_ms_ == 0) link_down_ms_ = now_ms_;
}

void TransferReceiver::tick(std::uint64_t now_ms) {
    now_ms_ = now_ms;
    if (step_ == Step::idle || step_ == Step::recording) return;
    pump();
    const bool own_work = step_ == Step::emptying || step_ == Step::measuring || step_ == Step::installing;
    if (own_work) {
        if (now_ms > step_ms_ + own_step_ms_max) return fail("this node's own server does not get on");
    } else if (now_ms > heard_ms_ + silent_ms_max) {
        return fail("node " + to_string(donor_) + " does not answer");
    } else if (link_down_ms_ != 0 && heard_ms_ > link_down_ms_) {
        link_down_ms_ = 0;
    } else if (link_down_ms_ != 0 && now_ms > link_down_ms_ + link_down_ms_max) {
        return fail("node " + to_string(donor_) + " is gone");
    }
    if (step_ == Step::opening && now_ms > step_ms_ + opening_ms_max) return fail("the donor does not begin");
    if (step_ == Step::loading && now_ms > moved_ms_ + standstill_ms_max) return fail("the load does not get on");
    if (step_ == Step::idle) return;
    if (now_ms >= asked_ms_ + ask_again_ms) ask();
    if (now_ms >= told_ms_ + tell_every_ms) {
        told_ms_ = now_ms;
        spdlog::info("loading from node {}: {}, {} of about {} bytes", donor_.value, name_of(step_), bytes_,
                     estimate_bytes_);
    }
}

void TransferReceiver::add_status(std::vector<TransferStatus>& out) const {
    if (step_ == Step::idle) return;
    TransferStatus status;
    status.peer = donor_;
    status.state = name_of(step_);
    status.bytes = bytes_;
    status.estimate_bytes = estimate_bytes_;
    status.rate_bytes_per_s = bytes_ * 1000 / std::max<std::uint64_t>(1, now_ms_ - begun_ms_);
    out.push_back(std::move(status));
}

}  // namespace ddb::node
