#include "node/transfer.hpp"

#include <algorithm>

#include "node/transfer_donor.hpp"
#include "node/transfer_receiver.hpp"

namespace ddb::node {

namespace {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

Transfer::Transfer(TransferHost host)
    : host_(std::move(host)),
      donor_(std::make_unique<TransferDonor>(host_)),
      receiver_(std::make_unique<TransferReceiver>(host_)) {}

Transfer::~Transfer() = default;

void Transfer::on_message(NodeId from, TransferMessage message) {
    std::visit(Overloaded{[&](const TransferOpen& open) { donor_->on_open(from, open); },
                          [&](const TransferPull& pull) { donor_->on_pull(from, pull); },
                          [&](const TransferHeaderRequest& request) { donor_->on_header_request(from, request); },
                          [&](const TransferClose& close) { donor_->on_close(from, close); },
                          [&](const TransferState& state) { receiver_->on_state(from, state); },
                          [&](const TransferChunk& chunk) { receiver_->on_chunk(from, chunk); },
                          [&](TransferHeader& header) { receiver_->on_header(from, std::move(header)); }},
               message);
}

void Transfer::on_link_down(NodeId peer) {
    receiver_->on_link_down(peer);
}

void Transfer::tick(std::uint64_t now_ms) {
    donor_->tick(now_ms);
    receiver_->tick(now_ms);
}

void Transfer::pump() {
    donor_->pump();
    receiver_->pump();
}

void Transfer::on_rebuild_needed(const core::RebuildNeeded& needed) {
    donor_->end_all("this node's own database is being replaced", false);
    receiver_->start(needed.donor, needed.reason);
}

void Transfer::on_rebuild_over() {
    receiver_->on_over();
}

void Transfer::on_office_opened() {
    donor_->end_all("this node became coordinator", true);
}

void Transfer::on_ready(const storage::RebuildReady& ready) {
    receiver_->on_ready(ready);
}

void Transfer::on_loaded_position(storage::LoadedPosition position) {
    receiver_->on_loaded_position(std::move(position));
}

void Transfer::on_loaded(const storage::RebuildLoaded& loaded) {
    receiver_->on_loaded(loaded);
}

void Transfer::on_broken(const storage::RebuildBroken& broken) {
    receiver_->on_broken(broken);
}

void Transfer::on_server_down(const std::string& reason) {
    donor_->end_all("this node's server is down: " + reason, false);
}

bool Transfer::receiving() const {
    return receiver_->active();
}

std::vector<TransferStatus> Transfer::status() const {
    std::vector<TransferStatus> out;
    receiver_->add_status(out);
    donor_->add_status(out);
    return out;
}

}  // namespace ddb::node
