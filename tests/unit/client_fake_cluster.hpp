// A cluster played by a script, and a session on it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/failover.hpp"
#include "client/session_client.hpp"
#include "client_support.hpp"

namespace ddb::client::test {

// Nodes as a script: each message sent goes to `on_message`, which answers, stays silent, or loses the connection.
struct FakeCluster {
    std::deque<SessionMessage> inbox;
    std::optional<std::uint64_t> row_count;  // of the result that the next answer ends
    std::vector<SessionMessage> sent;
    bool up = true;  // connect() succeeds
    bool connected = false;
    int connects = 0;
    int left = 0;
    std::vector<std::string> nodes;
    std::function<void(FakeCluster&, const Execute&)> on_execute;
    std::function<SessionOpened(const OpenSession&)> on_open = [](const OpenSession& open) {
        SessionOpened opened;
        opened.session = open.session;
        opened.accepted = true;
        opened.node = NodeId{1};
        opened.coordinator = NodeId{3};
        opened.index = LogIndex{90};
        return opened;
    };

    void lose() {
        connected = false;
        inbox.clear();
        row_count.reset();
    }
    void answer(const Execute& to, std::optional<Error> error = std::nullopt, TxnId txn = {}, std::uint16_t flags = 2) {
        ResultEnd end;
        end.session = to.session;
        end.request = to.request;
        end.error = std::move(error);
        end.txn = txn;
        end.status_flags = flags;
        end.node = NodeId{1};
        end.coordinator = NodeId{3};
        end.index = LogIndex{100 + to.request.value};
        end.rows = std::exchange(row_count, std::nullopt);
        inbox.push_back(end);
    }
    void rows(const Execute& to, const std::vector<Cells>& cells) {
        ResultHeader header{to.session, to.request, {column("v", 253)}};
        ResultRows bytes = chunk(cells);
        bytes.session = to.session;
        bytes.request = to.request;
        row_count = cells.size();
        inbox.push_back(header);
        inbox.push_back(bytes);
    }
    template <class M>
    [[nodiscard]] std::vector<M> all() const {
        std::vector<M> out;
        for (const auto& message : sent) {
            if (const auto* m = std::get_if<M>(&message)) out.push_back(*m);
        }
        return out;
    }
};

class FakeLink : public Link {
  public:
    explicit FakeLink(FakeCluster& cluster) : cluster_(cluster) {}
    Status connect(int) override {
        ++cluster_.connects;
        if (!cluster_.up) return fail(ErrorCode::timeout, "nobody there");
        cluster_.connected = true;
        return ok();
    }
    void leave() override {
        ++cluster_.left;
        cluster_.lose();
    }
    bool connected() const override { return cluster_.connected; }
    std::string address() const override { return "fake:1"; }
    void add_node(const std::string& address) override { cluster_.nodes.push_back(address); }
    Status send(const SessionMessage& message) override {
        if (!cluster_.connected) return fail(ErrorCode::io, "not connected");
        cluster_.sent.push_back(message);
        if (const auto* open = std::get_if<OpenSession>(&message)) cluster_.inbox.push_back(cluster_.on_open(*open));
        if (const auto* execute = std::get_if<Execute>(&message)) cluster_.on_execute(cluster_, *execute);
        return ok();
    }
    std::optional<SessionMessage> receive(int timeout_ms) override {
        if (cluster_.inbox.empty()) {
            if (cluster_.connected && timeout_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return std::nullopt;
        }
        SessionMessage message = std::move(cluster_.inbox.front());
        cluster_.inbox.pop_front();
        return message;
    }

  private:
    FakeCluster& cluster_;
};

struct Listener : ResultListener {
    void on_header(const std::vector<Column>&) override { ++headers; }
    Status on_rows(const ResultRows& bytes) override {
        rows += bytes.row_count;
        return ok();
    }
    void on_end(const ResultEnd& end) override {
        ++ends;
        last = end;
    }
    int headers = 0;
    std::uint64_t rows = 0;
    int ends = 0;
    ResultEnd last;
};

struct Fixture {
    FakeCluster cluster;
    int interrupts = 0;
    std::vector<std::string> notices;
    Listener listener;
    StatementSettings settings{.timeout_ms = 400};
    std::unique_ptr<SessionClient> session;

    Fixture() {
        cluster.on_execute = [](FakeCluster& c, const Execute& e) { c.answer(e); };
        ClientHooks hooks;
        hooks.interrupts = [this] { return interrupts; };
        hooks.notice = [this](const std::string& text) { notices.push_back(text); };
        session = std::make_unique<SessionClient>(std::make_unique<FakeLink>(cluster), Login{"u", "p", "d"},
                                                  std::move(hooks));
    }
    void open() { REQUIRE(session->open(1000).ok()); }
    std::optional<Error> run(const std::string& sql) { return session->execute(sql, settings, listener); }
    // Loses the connection at the first Execute of `sql`; later ones are answered by `then`.
    void lose_at(const std::string& sql, std::function<void(FakeCluster&, const Execute&)> then) {
        cluster.on_execute = [this, sql, then, lost = false](FakeCluster& c, const Execute& e) mutable {
            if (e.sql == sql && !lost) {
                lost = true;
                c.lose();
            } else if (e.sql == sql) {
                then(c, e);
            } else {
                c.answer(e);
            }
        };
    }
};

inline void plain(FakeCluster& c, const Execute& e) {
    c.answer(e);
}

}  // namespace ddb::client::test
