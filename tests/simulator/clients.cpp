#include "tests/simulator/clients.hpp"

#include "tests/simulator/world.hpp"

namespace ddb::simulator {

namespace {
constexpr double odd_choice = 0.1;     // a client asks whoever answers, not only who serves
constexpr double same_again = 0.3;     // or the one it asked before
constexpr double gives_up = 0.3;       // after a definite failure
constexpr double asks_the_fate = 0.3;  // instead of sending the request again
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
        if (host.serving && host.awake(world_.now_ms())) start_absent(host);
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
    job.phase = Job::Phase::proposed;
    job.txn = TxnId{host.office, next_txn_++};
    const Client& client = clients_[job.client];
    Entry entry;
    entry.kind = EntryKind::rows;
    entry.txn = job.txn;
    entry.session = client.session;
    entry.request = job.request;
    entry.payload = Payload("write " + std::to_string(job.txn.counter));
    world_.feed(host, core::Propose{ProposalToken{token}, job.epoch, std::move(entry)});
}

void Clients::start_absent(Host& host) {
    std::vector<std::uint64_t> ready;
    for (const auto& [token, job] : host.jobs)
        if (job.phase == Job::Phase::absent) ready.push_back(token);
    for (const std::uint64_t token : ready) {
        const auto job = host.jobs.find(token);
        if (job != host.jobs.end() && host.core) run(host, token);
    }
}

// The client stops waiting. What was not proposed yet is dropped with its session.
void Clients::leave(Client& client) {
    const auto found = client.at->jobs.find(client.token);
    if (found != client.at->jobs.end()) {
        Job& job = found->second;
        job.attached = false;
        if (job.phase == Job::Phase::proposed || job.phase == Job::Phase::accepted) {
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
    Job& job = host.jobs.at(accepted.token.value);
    job.phase = Job::Phase::accepted;
    job.index = accepted.id.index;
}

void Clients::on(Host& host, const core::ProposalRefused& refused) {
    const Job job = host.jobs.at(refused.token.value);
    host.jobs.erase(refused.token.value);
    world_.checker().failed(job.txn);
    Client* client = attached(host, refused.token.value, job);
    if (!client) return;
    if (!client->unknown && world_.dice().chance(gives_up)) {
        world_.checker().failed(client->session, client->request);
        return finish(*client);
    }
    again(*client);
}

void Clients::on(Host& host, const core::ProposalUnknown& unknown) {
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
        if (job.phase == Job::Phase::proposed || job.phase == Job::Phase::accepted) client->unknown = true;
        again(*client);
    }
    host.jobs.clear();
    host.reads.clear();
}

}  // namespace ddb::simulator
