#include "tests/simulator/clients.hpp"

#include "schemas/codec.hpp"
#include "tests/simulator/world.hpp"

namespace ddb::simulator {

namespace {
constexpr double odd_choice = 0.1;                           // a client asks whoever answers, not only who serves
constexpr double same_again = 0.3;                           // or the one it asked before
constexpr double gives_up = 0.3;                             // after a definite failure
constexpr double asks_the_fate = 0.3;                        // instead of sending the request again
constexpr double is_large = 0.1;                             // a transaction that comes in parts
constexpr std::uint64_t part_mark = std::uint64_t{1} << 63;  // in the token of a part
}  // namespace

Clients::Clients(World& world, std::size_t count, double eagerness)
    : world_(world), clients_(count), eagerness_(eagerness) {
    for (Client& client : clients_)
        for (std::uint8_t& byte : client.session.bytes) byte = static_cast<std::uint8_t>(world_.dice().below(255) + 1);
}

bool Clients::idle() const {
    for (const Client& client : clients_)
        if (client.busy) return false;
    return true;
}

void Clients::step(bool open) {
    for (Host& host : world_.hosts())
        if (host.serving && host.awake(world_.now_ms())) go_on(host);
    for (std::size_t number = 0; number < clients_.size(); ++number) {
        Client& client = clients_[number];
        if (client.at) {
            if (world_.now_ms() >= client.deadline_ms) leave(client);
            continue;
        }
        if (world_.now_ms() < client.next_ms) continue;
        if (!client.busy) {
            if (!open || !world_.dice().chance(eagerness_)) continue;
            client.busy = true;
            client.request = next(client.request);
            client.unknown = false;
            client.attempts = 0;
            client.first_seen = client.seen;
        }
        attempt(number);
    }
}

Host* Clients::choose(const Client& client) {
    std::vector<Host*> up, serving;
    for (Host& host : world_.hosts()) {
        if (!host.awake(world_.now_ms()) || host.impostor) continue;
        up.push_back(&host);
        if (host.serving || host.role == core::Role::coordinator) serving.push_back(&host);
    }
    if (up.empty()) return nullptr;
    if (client.last && client.last->awake(world_.now_ms()) && world_.dice().chance(same_again)) return client.last;
    const std::vector<Host*>& from = serving.empty() || world_.dice().chance(odd_choice) ? up : serving;
    return from[world_.dice().below(from.size())];
}

void Clients::attempt(std::size_t number) {
    Client& client = clients_[number];
    Host* host = choose(client);
    // Never forwarded by a node that is not coordinator: this attempt had no effect.
    if (!host || host->role != core::Role::coordinator || (client.attempts == 0 && !host->serving))
        return again(client);
    client.at = client.last = host;
    const bool impatient = world_.dice().chance(0.3);
    client.deadline_ms = world_.now_ms() + (impatient ? world_.dice().between(1, 20) : world_.dice().between(15, 600));
    const bool first = client.attempts++ == 0;
    for (auto& [token, job] : host->jobs) {
        if (job.client != number || job.request != client.request) continue;
        job.attached = true;
        client.token = token;
        return;
    }
    client.token = host->next_token++;
    Job& job = host->jobs[client.token];
    job.client = number;
    job.request = client.request;
    job.epoch = host->office;
    if (first) return run(*host, client.token);
    job.only_ask = world_.dice().chance(asks_the_fate);
    core::OutcomeQuery query;
    query.token = client.token;
    query.session = client.session;
    query.request = client.request;
    query.seen = client.first_seen;
    world_.feed(*host, query);
}

// Only under the office in which the look-up found nothing; under another one it would have to be made again.
void Clients::run(Host& host, std::uint64_t token) {
    Job& job = host.jobs.at(token);
    job.txn = TxnId{host.office, next_txn_++};
    if (world_.dice().chance(is_large)) job.parts_left = static_cast<std::uint32_t>(world_.dice().between(1, 4));
    propose(host, token);
}

// One part after another, each in a step of its own, so that other entries come between them; then what lets them take
// effect.
void Clients::propose(Host& host, std::uint64_t token) {
    Job& job = host.jobs.at(token);
    if (job.parts_left > 0) {
        job.phase = Job::Phase::parts;
        Entry part;
        part.kind = EntryKind::rows_part;
        part.txn = job.txn;
        part.payload = Payload("part " + std::to_string(job.parts_left) + " of " + std::to_string(job.txn.counter));
        return world_.feed(host, core::Propose{ProposalToken{token | part_mark}, job.epoch, std::move(part)});
    }
    job.phase = Job::Phase::proposed;
    const Client& client = clients_[job.client];
    Entry entry;
    entry.kind = job.parts.count > 0 ? EntryKind::rows_end : EntryKind::rows;
    entry.txn = job.txn;
    entry.session = client.session;
    entry.request = job.request;
    entry.payload = Payload(job.parts.count > 0 ? encode_parts(job.parts) : "write " + std::to_string(job.txn.counter));
    world_.feed(host, core::Propose{ProposalToken{token}, job.epoch, std::move(entry)});
}

void Clients::go_on(Host& host) {
    std::vector<std::uint64_t> ready;
    for (const auto& [token, job] : host.jobs)
        if (job.phase == Job::Phase::absent || job.phase == Job::Phase::parts) ready.push_back(token);
    for (const std::uint64_t token : ready) {
        const auto job = host.jobs.find(token);
        if (job == host.jobs.end() || !host.core) continue;
        job->second.phase == Job::Phase::absent ? run(host, token) : propose(host, token);
    }
}

// The client stops waiting. What was not proposed yet is dropped with its session.
void Clients::leave(Client& client) {
    const auto found = client.at->jobs.find(client.token);
    if (found != client.at->jobs.end()) {
        Job& job = found->second;
        job.attached = false;
        if (job.phase != Job::Phase::asking && job.phase != Job::Phase::absent) {
            client.unknown = true;
        } else {
            client.at->jobs.erase(found);
        }
    }
    again(client);
}

void Clients::again(Client& client) {
    client.at = nullptr;
    client.next_ms = world_.now_ms() + world_.dice().between(1, 60);
}

void Clients::finish(Client& client) {
    client.at = nullptr;
    client.busy = false;
    client.next_ms = world_.now_ms();
}

void Clients::acknowledge(Client& client, EntryId id) {
    world_.checker().acknowledged(id, client.session, client.request);
    world_.story("a client is told that " + name(id) + " is done");
    if (client.attempts > 1) ++retries_decided_;
    client.seen = std::max(client.seen, id.index);
    finish(client);
}

Clients::Client* Clients::attached(Host& host, std::uint64_t token, const Job& job) {
    Client& client = clients_[job.client];
    return job.attached && client.at == &host && client.token == token ? &client : nullptr;
}

void Clients::on(Host& host, const core::ProposalAccepted& accepted) {
    if ((accepted.token.value & part_mark) != 0) {
        const auto found = host.jobs.find(accepted.token.value & ~part_mark);
        if (found == host.jobs.end()) return;  // lost in a crash
        Job& job = found->second;
        if (job.parts.count++ == 0) job.parts.first = accepted.id.index;
        --job.parts_left;
        return;
    }
    Job& job = host.jobs.at(accepted.token.value);
    job.phase = Job::Phase::accepted;
    job.index = accepted.id.index;
}

void Clients::on(Host& host, const core::ProposalRefused& refused) {
    const std::uint64_t token = refused.token.value & ~part_mark;
    const auto found = host.jobs.find(token);
    if (found == host.jobs.end()) return;  // lost in a crash
    if (found->second.parts.count > 0 && host.serving && host.office == found->second.epoch) {
        // What has begun is finished within the tenure, or parts without an end would hold every log.
        found->second.phase = Job::Phase::parts;
        return;
    }
    const Job job = found->second;
    host.jobs.erase(found);
    world_.checker().failed(job.txn);
    Client* client = attached(host, token, job);
    if (!client) return;
    if (!client->unknown && world_.dice().chance(gives_up)) {
        world_.checker().failed(client->session, client->request);
        return finish(*client);
    }
    again(*client);
}

void Clients::on(Host& host, const core::ProposalUnknown& unknown) {
    if ((unknown.token.value & part_mark) != 0) return;  // what lets it take effect is told apart
    const Job job = host.jobs.at(unknown.token.value);
    host.jobs.erase(unknown.token.value);
    Client* client = attached(host, unknown.token.value, job);
    if (!client) return;
    client->unknown = true;
    again(*client);
}

void Clients::on(Host& host, const core::OutcomeAnswer& answer) {
    const auto found = host.jobs.find(answer.token);
    if (found == host.jobs.end()) return;  // the client left
    Job& job = found->second;
    Client* client = attached(host, answer.token, job);
    if (answer.fate == core::Fate::absent && !job.only_ask) {
        job.phase = Job::Phase::absent;  // runs at once, or when the office opens
        job.epoch = host.core->status().epoch;
        ++told_absent_;
        return;
    }
    host.jobs.erase(found);
    if (answer.fate == core::Fate::decided) world_.check_decided(host, answer.id);
    if (!client) return;
    switch (answer.fate) {
        case core::Fate::decided:
            return acknowledge(*client, answer.id);
        case core::Fate::absent:
            ++told_absent_;
            world_.story("a client is told that its request failed for certain");
            world_.checker().failed(client->session, client->request);
            return finish(*client);
        case core::Fate::too_old:
            return finish(*client);
        case core::Fate::not_coordinator:
            return again(*client);
    }
}

void Clients::on_decided(Host& host, LogIndex up_to) {
    for (auto it = host.jobs.begin(); it != host.jobs.end();) {
        const Job& job = it->second;
        if (job.phase != Job::Phase::accepted || job.index > up_to) {
            ++it;
            continue;
        }
        if (Client* client = attached(host, it->first, job))
            acknowledge(*client, host.journal.durable().id_at(job.index));
        it = host.jobs.erase(it);
    }
}

void Clients::on_crash(Host& host) {
    for (const auto& [token, job] : host.jobs) {
        Client* client = attached(host, token, job);
        if (!client) continue;
        if (job.phase != Job::Phase::asking && job.phase != Job::Phase::absent) client->unknown = true;
        again(*client);
    }
    host.jobs.clear();
    host.reads.clear();
}

}  // namespace ddb::simulator
