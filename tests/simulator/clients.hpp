// The clients and the sessions that serve them: each client sends one request after another, and one whose answer does
// not come it sends again under the same number, to whoever claims to be coordinator. A session looks up the fate of a
// request that is sent again before it runs it, and a request that still runs is joined (node/session does the same).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/simulator/checker.hpp"
#include "tests/simulator/host.hpp"

namespace ddb::simulator {

class World;

class Clients {
  public:
    Clients(World& world, std::size_t count, double eagerness);

    // `open`: new requests may begin; those under way are always finished.
    void step(bool open);
    [[nodiscard]] bool idle() const;

    void on(Host& host, const core::ProposalAccepted& accepted);
    void on(Host& host, const core::ProposalRefused& refused);
    void on(Host& host, const core::ProposalUnknown& unknown);
    void on(Host& host, const core::OutcomeAnswer& answer);
    void on_decided(Host& host, LogIndex up_to);
    // Everything that ran there is lost.
    void on_crash(Host& host);

    [[nodiscard]] std::uint64_t retries_decided() const { return retries_decided_; }
    [[nodiscard]] std::uint64_t told_absent() const { return told_absent_; }

  private:
    struct Client {
        SessionId session;
        RequestNumber request;
        bool busy = false;
        bool unknown = false;  // an attempt may have had an effect
        unsigned attempts = 0;
        Host* at = nullptr;  // where an attempt runs
        std::uint64_t token = 0;
        std::uint64_t deadline_ms = 0;
        std::uint64_t next_ms = 0;
        LogIndex seen;        // newest decided index known
        LogIndex first_seen;  // when the request was first sent
        Host* last = nullptr;
    };

    void attempt(std::size_t number);
    [[nodiscard]] Host* choose(const Client& client);
    void run(Host& host, std::uint64_t token);
    void propose(Host& host, std::uint64_t token);
    void leave(Client& client);
    void again(Client& client);
    void finish(Client& client);
    void acknowledge(Client& client, EntryId id);
    void go_on(Host& host);
    [[nodiscard]] Client* attached(Host& host, std::uint64_t token, const Job& job);

    World& world_;
    std::vector<Client> clients_;
    double eagerness_;  // chance to begin a request in a millisecond
    std::uint64_t next_txn_ = 1;
    std::uint64_t retries_decided_ = 0;
    std::uint64_t told_absent_ = 0;
};

}  // namespace ddb::simulator
