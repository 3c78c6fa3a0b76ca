// What routines, triggers and hidden texts leave in a session: user variables and temporary tables that no text tells
// of.
#include <catch2/catch.hpp>

#include "schemas/status_flags.hpp"
#include "session_support.hpp"

namespace ddb::session::test {
namespace {

bool left_state(const Answer& answer) {
    return (answer.end.status_flags & status_session_state_changed) != 0;
}

// A client of each node, one after the other, with routines named after the table.
void on_each_node(const std::string& name, void (*check)(Client&, const std::string& name)) {
    Client c = fresh(name.c_str());
    c.good("CREATE FUNCTION " + name + "_sets(a INT) RETURNS INT DETERMINISTIC BEGIN SET @" + name +
           " = a; RETURN a; END");
    c.good("CREATE PROCEDURE " + name + "_makes() BEGIN CREATE TEMPORARY TABLE " + name +
           "_t (id INT PRIMARY KEY); INSERT INTO " + name + "_t VALUES (1); END");
    c.good("CREATE PROCEDURE " + name + "_asks() SELECT 1");
    c.good("CREATE SEQUENCE " + name + "_s");
    for (TestNode* const node : {bench().node.get(), bench().follower.get()}) {
        INFO("node " << node->id.value);
        Client f(bench(), *node, "root", "d");
        check(f, name);
    }
}

}  // namespace

TEST_CASE("a variable that a function sets is the session's, though the query was read on the client's node") {
    on_each_node("lst0", [](Client& c, const std::string&) {
        CHECK(c.good("SELECT lst0_sets(5)").cell() == "5");
        CHECK(c.good("SELECT @lst0").cell() == "5");
        CHECK(c.good("SELECT lst0_sets(6)").cell() == "6");
        c.good("BEGIN");
        CHECK(left_state(c.good("SELECT lst0_sets(7)")));
        c.good("COMMIT");
        CHECK(c.good("SELECT @lst0").cell() == "7");
        CHECK(left_state(c.good("EXECUTE IMMEDIATE 'SET @lst0 = 8'")));
        CHECK(c.good("SELECT @lst0").cell() == "8");
    });
}

TEST_CASE("a temporary table that a procedure makes is known to the session, and keeps its rows") {
    on_each_node("lst1", [](Client& c, const std::string&) {
        CHECK(left_state(c.good("CALL lst1_makes()")));
        CHECK(c.good("SELECT COUNT(*) FROM lst1_t").cell() == "1");
        CHECK(c.good("INSERT INTO lst1_t VALUES (2)").end.outcome.affected_rows == 1);
        CHECK(c.good("SELECT COUNT(*) FROM lst1_t").cell() == "2");
        c.good("BEGIN");
        c.good("INSERT INTO lst1_t VALUES (3)");
        c.good("COMMIT");
        CHECK(c.good("SELECT COUNT(*) FROM lst1_t").cell() == "3");
    });
}

TEST_CASE("a function that fills a temporary table may leave another one, though the table could not be made") {
    on_each_node("lst6", [](Client& c, const std::string&) {
        c.good(
            "CREATE OR REPLACE FUNCTION lst6_leaves() RETURNS INT BEGIN CREATE TEMPORARY TABLE lst6_left (id INT "
            "PRIMARY KEY); INSERT INTO lst6_left VALUES (1), (2); RETURN 1; END");
        CHECK(c.run("CREATE TEMPORARY TABLE lst6_left AS SELECT lst6_leaves()").code() == 1050);
        CHECK(c.run("SELECT COUNT(*) FROM lst6_left").code() == 0);
        CHECK(c.good("CREATE TEMPORARY TABLE lst6_other (id INT PRIMARY KEY)").end.outcome.affected_rows == 0);
    });
}

TEST_CASE("what leaves nothing in the session is not taken for it") {
    on_each_node("lst2", [](Client& c, const std::string& name) {
        for (const std::string& sql :
             {"SELECT COUNT(*) FROM " + name, "REPLACE INTO " + name + " VALUES (1, 1)", "CALL " + name + "_asks()",
              "SELECT NEXTVAL(" + name + "_s)", "SET STATEMENT max_statement_time=9 FOR SELECT COUNT(*) FROM " + name,
              "SET STATEMENT max_statement_time=9 FOR REPLACE INTO " + name + " VALUES (1, 2)",
              "SELECT 1 FROM " + name + " FOR UPDATE", std::string("USE d"), "EXPLAIN SELECT * FROM " + name}) {
            INFO(sql);
            CHECK_FALSE(left_state(c.good(sql)));
        }
        bench().close_office();
        bench().open_office();
        c.good("REPLACE INTO " + name + " VALUES (1, 2)");
    });
}

TEST_CASE("what a routine left is told as lost with its coordinator") {
    Client c = fresh("lst3");
    c.good("CREATE TRIGGER lst3_sums BEFORE INSERT ON lst3 FOR EACH ROW SET @lst3 = IFNULL(@lst3, 0) + NEW.v");
    c.good("CREATE PROCEDURE lst3_fails() BEGIN SET @lst3 = 9; SIGNAL SQLSTATE '45000'; END");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("INSERT INTO lst3 VALUES (1, 10), (2, 20)");
    CHECK(f.good("SELECT @lst3 + 0").cell() == "30");
    CHECK_FALSE(bench().node->engine->idle());
    bench().close_office();
    bench().open_office();
    const Answer lost = f.run("SELECT @lst3");
    CHECK(lost.code() == 1927);
    CHECK(lost.end.error->message.find("what a routine left") != std::string::npos);
    CHECK(f.run("CALL lst3_fails()").code() == 1644);
    CHECK(f.good("SELECT @lst3").cell() == "9");
}

TEST_CASE("settings outlast the state that is lost with a coordinator, and autocommit stays off") {
    Client c = fresh("lst5");
    Client f(bench(), *bench().follower, "root", "d");
    Client many(bench(), *bench().follower, "root", "d");
    for (int i = 0; i < 300; ++i) many.good("SET @lst5_" + std::to_string(i) + " = 1");  // more than are kept
    for (Client* const each : {&f, &many}) {
        each->good("SET autocommit=0, sql_mode='ANSI_QUOTES'");
        each->good("SELECT GET_LOCK(CONCAT('lst5', CONNECTION_ID()), 1)");
        each->good("COMMIT");
    }
    bench().close_office();
    bench().open_office();
    for (Client* const each : {&f, &many}) {
        CHECK(each->run("INSERT INTO lst5 VALUES (1,1)").code() == 1927);
        each->good("INSERT INTO lst5 VALUES (1,1)");
        each->good("ROLLBACK");
        CHECK(each->good("SELECT COUNT(*) FROM lst5").cell() == "0");
    }
    CHECK(f.good("SELECT @@sql_mode").cell() == "ANSI_QUOTES");
}

TEST_CASE("a session whose connection was idle for too long goes on, or is told what went with it") {
    Client c = fresh("lst8");
    Client f(bench(), *bench().follower, "root", "d");
    Client tied(bench(), *bench().follower, "root", "d");
    f.good("SET wait_timeout = 1, @a = 5");
    tied.good("SET wait_timeout = 1");
    tied.good("CREATE TEMPORARY TABLE lst8_t (id INT PRIMARY KEY)");
    bench().run_for(2500);
    f.good("INSERT INTO lst8 VALUES (1, 1)");
    CHECK(f.good("SELECT @a").cell() == "5");
    CHECK(tied.run("INSERT INTO lst8 VALUES (2, 2)").code() == 1927);
    tied.good("INSERT INTO lst8 VALUES (2, 2)");
    CHECK(c.good("SELECT COUNT(*) FROM lst8").cell() == "2");
}

TEST_CASE("an account of localhost without a password is for clients of this host") {
    Client c = fresh("lst11");
    c.good("CREATE USER lst11@'%'");
    for (TestNode* const node : {bench().node.get(), bench().follower.get()}) {
        Client root(bench(), *node, "root", "", false);
        root.from_other_host = true;
        root.open();
        CHECK_FALSE(root.opened.accepted);
        CHECK(root.opened.error.mysql_code == 1045);
        Client others(bench(), *node, "lst11", "", false);
        others.from_other_host = true;
        others.open();
        CHECK(others.opened.accepted);
    }
    c.good("DROP USER lst11@'%'");
}

TEST_CASE("a global setting is not said again for a session that made it") {
    Client c = fresh("lst7");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET GLOBAL long_query_time = 7");
    c.good("SET GLOBAL long_query_time = 8");
    bench().close_office();
    bench().open_office();
    CHECK(f.good("SELECT @@GLOBAL.long_query_time").cell().substr(0, 1) == "8");
    f.good("SET GLOBAL long_query_time = DEFAULT");
}

TEST_CASE("a session that has released its user locks goes on at the next coordinator") {
    Client c = fresh("lst10");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SELECT GET_LOCK('lst10', 1)");
    CHECK_FALSE(bench().node->engine->idle());
    f.good("SELECT RELEASE_LOCK('lst10')");
    CHECK(bench().node->engine->idle());
    bench().close_office();
    bench().open_office();
    f.good("INSERT INTO lst10 VALUES (1, 1)");
}

TEST_CASE("a write that was under way when the session's state was lost is told as what became of it") {
    Client c = fresh("lst4");
    Client locks(bench(), *bench().follower, "root", "d");
    Client tables(bench(), *bench().follower, "root", "d");
    Client slow(bench(), *bench().follower, "root", "d");
    Client unheard(bench(), *bench().follower, "root", "d");
    locks.good("SELECT GET_LOCK('lst4', 1)");
    slow.good("SET @lst4 = (SELECT COUNT(*) FROM lst4)");
    slow.good("SET @lst4 = @lst4 + 1");
    for (Client* const each : {&tables, &unheard}) {
        each->good("CREATE TEMPORARY TABLE lst4_t (id INT PRIMARY KEY)");
        each->good("BEGIN");
    }
    tables.good("INSERT INTO lst4 VALUES (2, 2)");
    unheard.good("INSERT INTO lst4 VALUES (4, 4)");
    const auto sleeps = slow.start("INSERT INTO lst4 SELECT 3, SLEEP(20)");
    bench().hold_decisions(true);
    const auto insert = locks.start("INSERT INTO lst4 VALUES (1, 1)");
    const auto commit = tables.start("COMMIT");
    bench().run_for(300);
    bench().deliver_to_peers = false;
    const auto lost = unheard.start("COMMIT");
    bench().run_for(50);
    bench().deliver_to_peers = true;
    bench().close_office();
    bench().open_office();
    CHECK(!locks.finish(insert).end.error);
    CHECK(!tables.finish(commit).end.error);
    CHECK(slow.finish(sleeps).code() == 1927);
    CHECK(unheard.finish(lost).code() == 1213);
    CHECK(c.good("SELECT GROUP_CONCAT(id ORDER BY id) FROM lst4").cell() == "1,2");
    for (Client* const each : {&locks, &tables, &unheard})
        CHECK(each->run("INSERT INTO lst4 VALUES (9, 9)").code() == 1927);
    for (Client* const each : {&locks, &tables, &unheard, &slow})
        CHECK(each->good("SELECT COUNT(*) FROM lst4").cell() == "2");
}

TEST_CASE("a session without temporary tables any more is as one that never had some") {
    on_each_node("lst9", [](Client& c, const std::string& name) {
        c.good("CREATE TEMPORARY TABLE lst9_u (id INT PRIMARY KEY)");
        c.good("CREATE TEMPORARY TABLE lst9_v (id INT PRIMARY KEY)");
        c.good("DROP TABLE lst9_u");
        bench().close_office();
        bench().open_office();
        CHECK(c.run("SELECT COUNT(*) FROM lst9_v").code() == 1927);
        c.good("SELECT COUNT(*) FROM " + name);  // on a connection that goes on
        c.good("CREATE TEMPORARY TABLE lst9_v (id INT PRIMARY KEY)");
        c.good("SET lc_time_names = 'de_DE'");  // while nothing is read here
        c.good("DROP TEMPORARY TABLE lst9_v");
        for (int i = 0; i < 3; ++i) CHECK(c.good("SELECT DATE_FORMAT('2001-05-01', '%M')").cell() == "Mai");
        bench().close_office();
        bench().open_office();
        c.good("REPLACE INTO " + name + " VALUES (1, 1)");
        CHECK(c.good("SELECT DATE_FORMAT('2001-05-01', '%M')").cell() == "Mai");
    });
}

TEST_CASE("autocommit is put back to what a variable holds, as dumps do") {
    Client c = fresh("lst12");
    Client f(bench(), *bench().follower, "root", "d");
    f.good("SET @old=@@AUTOCOMMIT, @@AUTOCOMMIT=0");
    f.good("INSERT INTO lst12 VALUES (1, 1)");
    CHECK(c.good("SELECT COUNT(*) FROM lst12").cell() == "0");
    CHECK((f.good("SET AUTOCOMMIT=@old").end.status_flags & 2) != 0);  // commits
    CHECK(c.good("SELECT COUNT(*) FROM lst12").cell() == "1");
    f.good("INSERT INTO lst12 VALUES (2, 2)");
    bench().close_office();
    bench().open_office();
    f.good("INSERT INTO lst12 VALUES (3, 3)");
    CHECK((f.good("SELECT @@autocommit").end.status_flags & 2) != 0);
    CHECK(c.good("SELECT COUNT(*) FROM lst12").cell() == "3");
    f.good("SET @off = 0, @wrong = 'x y'");
    CHECK((f.good("SET @@session.autocommit = @off").end.status_flags & 2) == 0);
    f.good("ROLLBACK");
    CHECK(f.run("SET autocommit = @wrong").code() == 1235);
    f.good("SET autocommit = @@global.autocommit");
    CHECK(f.good("SELECT @@autocommit").cell() == "1");
}

}  // namespace ddb::session::test
