#include <catch2/catch.hpp>

#include "client/local_file.hpp"
#include "client/session_nodes.hpp"
#include "client_fake_cluster.hpp"

using namespace ddb;
using namespace ddb::client;
using namespace ddb::client::test;

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
        FileContent answer = LocalFile().answer(FileWanted{SessionId{}, RequestNumber{1}, name, 0, false}, sql);
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

TEST_CASE("a file goes in pieces to a node that takes them, and only forwards") {
    const std::string sql = "LOAD DATA LOCAL INFILE '/dev/zero' INTO TABLE t";
    LocalFile zeros;
    FileWanted wanted{SessionId{}, RequestNumber{1}, "/dev/zero", 0, true};
    for (int i = 0; i < 20; ++i) {  // more than fit into one
        const FileContent piece = zeros.answer(wanted, sql);
        CHECK((!piece.error && piece.more && piece.content.size() == file_piece_bytes));
        CHECK(piece.offset == wanted.offset);
        wanted.offset += piece.content.size();
        wanted.name.clear();
    }
    wanted.offset -= file_piece_bytes;
    CHECK(zeros.answer(wanted, sql).error);
    wanted = FileWanted{SessionId{}, RequestNumber{1}, "/dev/zero", 0, true};
    CHECK(zeros.answer(wanted, sql).more);  // asked anew: another node's

    const std::string path = "/proc/self/status";
    LocalFile small;
    const FileContent whole = small.answer(FileWanted{SessionId{}, RequestNumber{1}, path, 0, true}, path);
    CHECK((!whole.error && !whole.more && !whole.content.empty()));
}
