#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/failover.hpp"
#include "client/local_file.hpp"
#include "client/session_client.hpp"
#include "client/session_nodes.hpp"
#include "client_support.hpp"

using namespace ddb;
using namespace ddb::client;
using namespace ddb::client::test;

namespace {

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

void plain(FakeCluster& c, const Execute& e) {
    c.answer(e);
}

}  // namespace

TEST_CASE("statements are classified with care") {
    using enum StatementClass;
    CHECK(classify("select 1") == read);
    CHECK(classify("/* c */ -- x\n SELECT count(*), max(a) from t where a in (1,2) and (b = 'f(x)')") == read);
    CHECK(classify("(select 1) union (select 2)") == read);
    CHECK(classify("with a as (select 1) select * from a") == read);
    CHECK(classify("select my_function(1)") == dml);
    CHECK(classify("select `count`(1)") == dml);
    CHECK(classify("select db.f (1)") == dml);
    CHECK(classify("select a into outfile 'x' from t") == dml);
    CHECK(classify("select @a := 1") == dml);
    CHECK(classify("select next value for s") == dml);
    CHECK(classify("select /*! f( */ 1") == dml);
    CHECK(classify("select get_lock('a', 1)") == dml);
    CHECK(classify("show tables") == read);
    CHECK(classify("explain select 1") == read);
    CHECK(classify("set names utf8") == setting);
    CHECK(classify("/*!40101 SET NAMES utf8 */") == setting);
    CHECK(classify("set global x = 1") == other);
    CHECK(classify("use d") == setting);
    CHECK(classify("begin") == begin);
    CHECK(classify("begin not atomic select 1; end") == other);
    CHECK(classify("start transaction read only") == begin);
    CHECK(classify("start slave") == other);
    CHECK(classify("commit work") == commit);
    CHECK(classify("rollback") == rollback);
    CHECK(classify("rollback to savepoint a") == dml);
    CHECK(classify("insert into t values (1)") == dml);
    CHECK(classify("create table t (a int)") == other);
    CHECK(classify("") == other);
}

TEST_CASE_METHOD(Fixture, "a session opens, runs, and keeps what it learns") {
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        c.rows(e, {{"a"}, {"b"}});
        c.answer(e);
        c.inbox.push_back(
            VerbReply{1, std::nullopt, R"({"nodes":[{"address":"n2","port":6000},{"address":"n3","port":6000}]})"});
    };
    open();
    CHECK(!run("select v from t"));
    CHECK(listener.rows == 2);
    CHECK(listener.ends == 1);
    session->idle();
    CHECK(cluster.nodes == std::vector<std::string>{"fake:1", "n2:6000", "n3:6000"});
    CHECK(!run("select v from t"));
    const auto executed = cluster.all<Execute>();
    CHECK(executed[0].seen == LogIndex{90});  // as of the opening
    CHECK(executed[1].seen == LogIndex{101});
    CHECK(executed[1].request == next(executed[0].request));
}

TEST_CASE_METHOD(Fixture, "opening fails as it should") {
    SECTION("nobody there") {
        cluster.up = false;
        CHECK(session->open(1000).error().code == ErrorCode::timeout);
        CHECK(cluster.connects == 1);
    }
    SECTION("wrong password") {
        cluster.on_open = [](const OpenSession& open) {
            SessionOpened opened;
            opened.session = open.session;
            opened.error = Error{ErrorCode::sql, "denied", 1045, "28000"};
            return opened;
        };
        CHECK(session->open(1000).error().mysql_code == 1045);
    }
    SECTION("a node that shuts down sends the client on") {
        cluster.on_open = [n = 0](const OpenSession& open) mutable {
            SessionOpened opened;
            opened.session = open.session;
            opened.accepted = ++n > 1;
            opened.error = fail(ErrorCode::shutting_down, "bye");
            return opened;
        };
        CHECK(session->open(1000).ok());
        CHECK(cluster.left == 1);
    }
}

TEST_CASE_METHOD(Fixture, "a read whose node is lost runs again in a fresh session") {
    open();
    lose_at("select 1", [](FakeCluster& c, const Execute& e) {
        c.rows(e, {{"a"}});
        c.answer(e);
    });
    CHECK(!run("select 1"));
    CHECK(listener.rows == 1);
    const auto executed = cluster.all<Execute>();
    REQUIRE(executed.size() == 2);
    CHECK(executed[1].session != executed[0].session);
    CHECK(!executed[1].retry);
}

TEST_CASE_METHOD(Fixture, "a small result that breaks off is fetched again unnoticed") {
    open();
    cluster.on_execute = [n = 0](FakeCluster& c, const Execute& e) mutable {
        c.rows(e, {{"a"}});
        if (++n == 1) {
            c.connected = false;  // what came before is still read
        } else {
            c.answer(e);
        }
    };
    CHECK(!run("select 1"));
    CHECK(listener.rows == 1);
    CHECK(listener.headers == 1);
}

TEST_CASE_METHOD(Fixture, "a large result that breaks off is an error, and credit is given for what was taken") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        c.rows(e, {{std::string(60'000, 'x')},
                   {std::string(60'000, 'x')},
                   {std::string(60'000, 'x')},
                   {std::string(60'000, 'x')},
                   {std::string(60'000, 'x')}});
        c.connected = false;
    };
    auto error = run("select 1");
    REQUIRE(error);
    CHECK(error->mysql_code == 2013);
    CHECK(listener.rows == 5);
    CHECK(listener.ends == 1);
}

TEST_CASE_METHOD(Fixture, "an answer whose rows were lost on the way is no empty result") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        c.rows(e, {{"a"}, {"b"}});
        c.inbox.clear();
        c.answer(e);
    };
    const auto error = run("select 1");
    REQUIRE(error);
    CHECK(error->code == ErrorCode::io);
    CHECK(error->message.find("lost on the way") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "credit goes back as rows are taken") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        for (int i = 0; i < 5; ++i) {
            ResultRows bytes = chunk({{std::string(60'000, 'x')}, {std::string(60'000, 'x')}});
            bytes.session = e.session;
            bytes.request = e.request;
            if (i == 0) c.inbox.push_back(ResultHeader{e.session, e.request, {column("v", 253)}});
            c.inbox.push_back(bytes);
        }
        c.row_count = 10;
        c.answer(e);
    };
    CHECK(!run("select 1"));
    std::uint64_t credit = 0;
    for (const Credit& c : cluster.all<Credit>()) credit += c.bytes;
    CHECK(credit == 5 * 2 * 60'003ULL);
    CHECK(listener.rows == 10);
}

TEST_CASE_METHOD(Fixture, "a write whose node is lost is asked for under its own name") {
    open();
    CHECK(!run("insert into t values (0)"));
    lose_at("insert into t values (1)", [](FakeCluster& c, const Execute& e) {
        c.answer(e, std::nullopt, TxnId{Epoch{2}, 5});
    });
    CHECK(!run("insert into t values (1)"));
    const auto executed = cluster.all<Execute>();
    REQUIRE(executed.size() == 3);
    CHECK(executed[2].session == executed[1].session);
    CHECK(executed[2].request == executed[1].request);
    CHECK(executed[2].seen == executed[1].seen);
    CHECK(executed[2].retry);
    CHECK(listener.last.txn == TxnId{Epoch{2}, 5});
    CHECK(!run("select 1"));
    CHECK(!cluster.all<Execute>().back().retry);
}

TEST_CASE_METHOD(Fixture, "what the next node could not do is no word on what the lost one did") {
    open();
    const auto answered_with = [&](const Error& answer) {
        lose_at("insert into t values (1)", [answer](FakeCluster& c, const Execute& e) { c.answer(e, answer); });
        const auto error = run("insert into t values (1)");
        REQUIRE(error);
        CHECK(cluster.all<Execute>().back().retry);
        CHECK(listener.last.error->code == error->code);
        return error->code;
    };
    for (const auto code : {ErrorCode::no_quorum, ErrorCode::timeout, ErrorCode::overloaded, ErrorCode::refused})
        CHECK(answered_with(fail(code, "nothing was done")) == ErrorCode::unknown_outcome);
    CHECK(answered_with(Error{ErrorCode::sql, "interrupted", 1317, "70100"}) == ErrorCode::unknown_outcome);
    // The coordinator found that it had not run, and ran it.
    CHECK(answered_with(Error{ErrorCode::sql, "duplicate", 1062, "23000"}) == ErrorCode::sql);
}

TEST_CASE_METHOD(Fixture, "a write that finds no node any more is unknown, a read is not") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute&) {
        c.lose();
        c.up = false;
    };
    SECTION("write") {
        const auto error = run("insert into t values (1)");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::unknown_outcome);
        CHECK(error->message.find("ddb-cli txn REQ-") != std::string::npos);
        CHECK(listener.ends == 1);
        CHECK(listener.last.error);
    }
    SECTION("read") {
        const auto error = run("select 1");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::timeout);
    }
}

TEST_CASE_METHOD(Fixture, "silence is told by what the statement could have done") {
    open();
    settings.timeout_ms = 30;
    cluster.on_execute = [](FakeCluster&, const Execute&) {};
    interrupts = 0;
    SECTION("write") {
        const auto error = run("update t set a = 1");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::unknown_outcome);
    }
    SECTION("read") {
        const auto error = run("select 1");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::timeout);
    }
    CHECK(cluster.all<Cancel>().size() == 1);
    CHECK(cluster.all<CloseSession>().size() == 1);
    cluster.on_execute = plain;
    CHECK(!run("select 1"));
    CHECK(cluster.all<OpenSession>().size() == 2);
}

TEST_CASE_METHOD(Fixture, "an open transaction does not survive its node") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) { c.answer(e, std::nullopt, {}, 3); };
    CHECK(!run("begin"));
    CHECK(!run("insert into t values (1)"));
    SECTION("lost while idle") {
        cluster.lose();
        const auto error = run("insert into t values (2)");
        REQUIRE(error);
        CHECK(error->mysql_code == 1213);
        cluster.on_execute = plain;
        CHECK(!run("insert into t values (3)"));  // a new life
        CHECK(!cluster.all<Execute>().back().retry);
    }
    SECTION("lost during a statement") {
        lose_at("insert into t values (2)", plain);
        const auto error = run("insert into t values (2)");
        REQUIRE(error);
        CHECK(error->mysql_code == 1213);
    }
    SECTION("COMMIT never sent") {
        cluster.lose();
        CHECK(run("commit")->mysql_code == 1213);
    }
    SECTION("COMMIT is asked for under its name") {
        lose_at("commit", [](FakeCluster& c, const Execute& e) { c.answer(e, std::nullopt, TxnId{Epoch{2}, 6}); });
        CHECK(!run("commit"));
        CHECK(cluster.all<Execute>().back().retry);
    }
    SECTION("COMMIT repeated on a node that has nothing to commit proves nothing") {
        lose_at("commit", plain);
        const auto error = run("commit");
        REQUIRE(error);
        CHECK(error->code == ErrorCode::unknown_outcome);
    }
    SECTION("ROLLBACK is what the loss did") {
        lose_at("rollback", plain);
        CHECK(!run("rollback"));
    }
    SECTION("DDL may have committed it") {
        lose_at("create table x (a int)", plain);
        CHECK(run("create table x (a int)")->code == ErrorCode::unknown_outcome);
    }
}

TEST_CASE_METHOD(Fixture, "settings are repeated on the next node") {
    open();
    CHECK(!run("set names utf8"));
    CHECK(!run("set sql_mode = ''"));
    CHECK(!run("set names utf8"));
    SECTION("for a read under new numbers") {
        lose_at("select 1", plain);
        CHECK(!run("select 1"));
        const auto executed = cluster.all<Execute>();
        REQUIRE(executed.size() == 7);
        CHECK(executed[4].sql == "set sql_mode = ''");
        CHECK(executed[5].sql == "set names utf8");
        CHECK(executed[6].sql == "select 1");
        for (std::size_t i = 4; i < executed.size(); ++i) CHECK(executed[i].request > executed[i - 1].request);
    }
    SECTION("for a write under their own, below the write's") {
        lose_at("delete from t", plain);
        CHECK(!run("delete from t"));
        const auto executed = cluster.all<Execute>();
        REQUIRE(executed.size() == 7);
        CHECK(executed[4].request == executed[1].request);
        CHECK(executed[5].request == executed[2].request);
        CHECK(executed[6].request == executed[3].request);
    }
}

TEST_CASE_METHOD(Fixture, "what cannot be repeated is told once") {
    open();
    CHECK(!run("create temporary table x (a int)"));
    SECTION("read") {
        lose_at("select 1", plain);
        CHECK(run("select 1")->mysql_code == 2013);
        CHECK(!run("select 1"));
    }
    SECTION("write: its outcome cannot be asked for without running it") {
        lose_at("insert into t values (1)", plain);
        CHECK(run("insert into t values (1)")->code == ErrorCode::unknown_outcome);
    }
}

TEST_CASE_METHOD(Fixture, "a busy node is asked again, a leaving one is left") {
    open();
    SECTION("overloaded") {
        cluster.on_execute = [n = 0](FakeCluster& c, const Execute& e) mutable {
            c.answer(e, ++n == 1 ? std::optional(fail(ErrorCode::overloaded, "busy")) : std::nullopt);
        };
        CHECK(!run("insert into t values (1)"));
        const auto executed = cluster.all<Execute>();
        CHECK(executed[1].request > executed[0].request);
        CHECK(!executed[1].retry);
    }
    SECTION("overloaded for good") {
        cluster.on_execute = [](FakeCluster& c, const Execute& e) { c.answer(e, fail(ErrorCode::overloaded, "busy")); };
        CHECK(run("insert into t values (1)")->code == ErrorCode::overloaded);
        CHECK(listener.ends == 1);
    }
    SECTION("shutting down") {
        cluster.on_execute = [n = 0](FakeCluster& c, const Execute& e) mutable {
            c.answer(e, ++n == 1 ? std::optional(fail(ErrorCode::shutting_down, "bye")) : std::nullopt);
        };
        CHECK(!run("insert into t values (1)"));
        CHECK(cluster.left == 1);
        CHECK(cluster.all<Execute>().back().retry);
    }
}

TEST_CASE_METHOD(Fixture, "an interrupt cancels, a second one gives up") {
    open();
    settings.timeout_ms = 5000;
    SECTION("the node obeys") {
        cluster.on_execute = [&](FakeCluster& c, const Execute& e) {
            interrupts = 1;
            ResultEnd end;
            end.session = e.session;
            end.request = e.request;
            end.error = Error{ErrorCode::sql, "interrupted", 1317, "70100"};
            c.inbox.push_back(end);
        };
        CHECK(run("update t set a = sleep(5)")->mysql_code == 1317);
        CHECK(cluster.all<Cancel>().size() == 1);
    }
    SECTION("silence") {
        cluster.on_execute = [this](FakeCluster&, const Execute&) { interrupts = 2; };
        CHECK(run("update t set a = 1")->code == ErrorCode::unknown_outcome);
    }
}

TEST_CASE_METHOD(Fixture, "answers to other requests and sessions are not taken for ours") {
    open();
    cluster.on_execute = [](FakeCluster& c, const Execute& e) {
        Execute stale = e;
        stale.request = RequestNumber{99};
        c.answer(stale, Error{ErrorCode::sql, "stale", 1, "00000"});
        Execute foreign = e;
        foreign.session.bytes[0] ^= 1;
        c.answer(foreign, Error{ErrorCode::sql, "foreign", 1, "00000"});
        c.answer(e);
    };
    CHECK(!run("select 1"));
}

TEST_CASE("addresses in the nodes document") {
    CHECK(addresses_in("").empty());
    CHECK(addresses_in("[1]").empty());
    CHECK(
        addresses_in(
            R"({"nodes":[{"address":"a","port":1},{"address":"","port":1},{"address":"b","port":99999},{"port":2},3]})") ==
        std::vector<std::string>{"a:1"});
}

TEST_CASE("a file leaves this host only as the statement names it, whole or not at all") {
    const auto file = [](const std::string& name, const std::string& sql) {
        FileContent answer = file_for(FileWanted{SessionId{}, RequestNumber{1}, name}, sql);
        if (answer.error) CHECK(answer.content.empty());
        return answer;
    };
    CHECK_FALSE(file("/dev/null", "LOAD DATA LOCAL INFILE '/dev/null' INTO TABLE t").error);
    CHECK(file("/etc/passwd", "LOAD DATA LOCAL INFILE '/dev/null' INTO TABLE t").error);
    CHECK(file("/nowhere", "LOAD DATA LOCAL INFILE '/nowhere'").error->message.find("No such file") !=
          std::string::npos);
    CHECK(file("/dev", "LOAD DATA LOCAL INFILE '/dev'").error->message.find("Is a directory") != std::string::npos);
    CHECK(file("/dev/zero", "LOAD DATA LOCAL INFILE '/dev/zero'").error->mysql_code == 1153);
}
