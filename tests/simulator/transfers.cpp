#include "tests/simulator/transfers.hpp"

#include <vector>

#include "tests/simulator/world.hpp"

namespace ddb::simulator {

void Transfers::begin(Host& to, NodeId donor, bool calm) {
    ++begun_;
    Transfer transfer;
    transfer.donor = donor;
    transfer.next_ms = world_.now_ms() + world_.dice().between(1, calm ? 20 : 200);
    running_[to.place] = transfer;
}

Host* Transfers::find(NodeId donor) {
    for (Host& host : world_.hosts())
        if (host.voter.id == donor && host.awake(world_.now_ms()) && host.journal.durable().base_membership)
            return &host;
    return nullptr;
}

bool Transfers::usable(const Host& donor, const Host& to) const {
    return donor.core && donor.server_up && !donor.loading && !donor.fenced &&
           world_.network().connected(donor.place, to.place);
}

void Transfers::step(bool calm) {
    std::vector<Place> due;
    for (const auto& [place, transfer] : running_)
        if (world_.now_ms() >= transfer.next_ms) due.push_back(place);
    for (const Place place : due) {
        Host& to = world_.hosts()[place];
        const auto found = running_.find(place);
        if (found == running_.end()) continue;  // it died meanwhile
        Transfer& transfer = found->second;
        if (!transfer.from) {
            Host* donor = find(transfer.donor);
            if (!donor || donor == &to || !usable(*donor, to)) {
                fail(to, "the donor does not answer");
                continue;
            }
            transfer.from = donor;
            transfer.from_start = donor->starts;
            transfer.dump = donor->database;
            transfer.dump.flush();
            transfer.next_ms = world_.now_ms() + world_.dice().between(5, calm ? 60 : 500);
            world_.story(to.label() + " loads the database of " + donor->label() + " as of " +
                         std::to_string(transfer.dump.applied().value));
            world_.feed(*donor, core::PinLog{transfer.dump.applied()});
            continue;
        }
        const bool broken = !usable(*transfer.from, to) || transfer.from->starts != transfer.from_start ||
                            (!calm && world_.dice().chance(0.1));
        if (broken) {
            fail(to, "the transfer broke off");
        } else {
            finish(to, Transfer(transfer));
        }
    }
}

void Transfers::fail(Host& to, const std::string& reason) {
    running_.erase(to.place);
    world_.feed(to, core::RebuildFailed{reason});
}

void Transfers::finish(Host& to, const Transfer& transfer) {
    std::optional<DumpPoint> header = transfer.from->core->dump_point(transfer.dump.applied());
    world_.feed(*transfer.from, core::UnpinLog{});
    if (!header) return fail(to, "the donor no longer keeps that position");
    running_.erase(to.place);
    ++finished_;
    to.database = transfer.dump;
    world_.checker().loaded(to.voter, header->applied, to.database.content());
    world_.story(to.label() + " has loaded a database as of " + name(header->applied));
    world_.feed(to, core::SnapshotInstalled{std::move(*header)});
}

}  // namespace ddb::simulator
