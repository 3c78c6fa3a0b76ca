// Functions, procedures and views that ask their session for something: their names, and where they are read.
#include "node/session/session_names.hpp"

#include <catch2/catch.hpp>

#include "session_support.hpp"

namespace ddb::session::test {
namespace {

using storage::NamedText;
using storage::StoredTexts;

// A client of the other node, which reads there.
Client reader() {
    return {bench(), *bench().follower, "root", "d"};
}

std::uint64_t reads_there() {
    return bench().follower->engine->counters().local_reads;
}

}  // namespace

TEST_CASE("what a text asks its session for") {
    for (const char* body :
         {"SELECT 5 INTO @v", "RETURN @@server_id", "RETURN GET_LOCK('a', 1)", "RETURN `is_free_lock` ('a')",
          "DO release_lock(n)", "RETURN LASTVAL(s)", "SELECT PREVIOUS VALUE FOR s INTO n", "RETURN last_insert_id()",
          "RETURN connection_id()", "SELECT COUNT(*) INTO n FROM information_schema.PROCESSLIST",
          "RETURN 'it\\'s' || '@'", "RETURN \"@\" || \"GET_LOCK\" || @a"}) {
        INFO(body);
        CHECK(asks_session(body));
    }
    for (const char* body : {"SELECT v INTO n FROM t", "RETURN 'a@b' || 'GET_LOCK(1)'", "SET my_lock = 1",
                             "SELECT v_lock, previous_one FROM t", "RETURN 1 -- @a", "RETURN market_share"}) {
        INFO(body);
        CHECK_FALSE(asks_session(body));
    }
}

TEST_CASE("who names what asks a session asks it, too") {
    const StoredTexts texts{{{"plain", "RETURN 1"},
                             {"Locks", "RETURN GET_LOCK(n, 1)"},
                             {"calls", "BEGIN CALL d.sets(1); RETURN 1; END"},
                             {"seen", "select `d`.`locks`('a') AS `l`"},
                             {"above", "select * from `d`.`SEEN`"}},
                            {{"sets", "SET @a = n"}, {"other", "SELECT 1"}}};
    const SessionNames names = SessionNames::of(texts);
    for (const char* sql : {"SELECT locks('a')", "SELECT D.CALLS()", "SELECT l FROM seen", "SELECT * FROM `above` a"}) {
        INFO(sql);
        CHECK(names.concern(sql, false));
    }
    CHECK_FALSE(names.concern("SELECT plain(), unlocks FROM other", false));
    CHECK_FALSE(names.concern("SELECT * FROM sets", false));
    CHECK(names.concern("CALL sets(1)", true));
    CHECK_FALSE(names.concern("CALL other()", true));
    CHECK_FALSE(SessionNames{}.concern("SELECT locks('a')", true));
    CHECK(SessionNames::any().concern("SELECT 1", false));
    // A name that is no plain word cannot be looked for.
    CHECK(SessionNames::of({{{"l\xc3\xb6"
                              "ck",
                              "RETURN @a"}},
                            {}})
              .concern("SELECT 1", false));
    CHECK_FALSE(SessionNames::of({{{"gr\xc3\xb6\xc3\x9f"
                                    "e",
                                    "RETURN 1"}},
                                  {}})
                    .concern("SELECT 1", false));
}

TEST_CASE("names are not sure from before a definition until they were looked at behind it") {
    storage::DefinitionClock clock;
    KnownSessionNames known(clock);
    CHECK_FALSE(known.sure());
    CHECK(known.begin_look(1));
    CHECK_FALSE(known.begin_look(1));
    known.looked(SessionNames{});
    CHECK(known.sure());
    CHECK_FALSE(known.begin_look(2));
    {
        const storage::DefinitionClock::Running running(&clock);
        CHECK_FALSE(known.sure());
        CHECK_FALSE(known.begin_look(3));
    }
    CHECK_FALSE(known.sure());
    CHECK(known.begin_look(4));
    { const storage::DefinitionClock::Running running(&clock); }
    known.looked(SessionNames{});  // which may have seen it or not
    CHECK_FALSE(known.sure());
    CHECK(known.begin_look(5));
    CHECK(known.looked(std::nullopt));
    CHECK_FALSE(known.begin_look(6));
    CHECK(known.begin_look(5 + KnownSessionNames::again_ms));
    known.forget();
    known.looked(SessionNames{});  // of what was there before
    CHECK_FALSE(known.sure());
    CHECK(known.begin_look(2000));
    known.looked(SessionNames{});
    CHECK(known.sure());
    CHECK(storage::may_make_routine("create or replace View v as select 1"));
    CHECK(storage::may_make_routine("ALTER TABLE v RENAME w"));
    CHECK_FALSE(storage::may_make_routine("CREATE TABLE t (id INT PRIMARY KEY)"));
}

TEST_CASE("variables that functions set without telling are the session's") {
    Client c = fresh("sn0");
    c.good("INSERT INTO sn0 VALUES (1, 7)");
    c.good("CREATE FUNCTION sn0_into() RETURNS INT BEGIN SELECT 5 INTO @sn0; RETURN 1; END");
    c.good("CREATE FUNCTION sn0_if() RETURNS INT BEGIN IF (@sn0 := 3) THEN RETURN 1; END IF; RETURN 0; END");
    c.good("CREATE FUNCTION sn0_where(a INT) RETURNS INT RETURN (SELECT COUNT(*) FROM sn0 WHERE (@sn0 := a))");
    c.good("CREATE PROCEDURE sn0_out(OUT a INT) SET a = 9");
    c.good("CREATE FUNCTION sn0_call() RETURNS INT BEGIN CALL sn0_out(@sn0); RETURN 1; END");
    c.good(
        "CREATE FUNCTION sn0_get() RETURNS INT BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION GET DIAGNOSTICS "
        "CONDITION 1 @sn0 = MYSQL_ERRNO; SIGNAL SQLSTATE '45000'; RETURN 1; END");
    c.good("CREATE FUNCTION sn0_calls() RETURNS INT RETURN d.SN0_into() + 1");
    c.good("CREATE VIEW sn0_view AS SELECT sn0_into() AS n");
    c.good("CREATE VIEW sn0_above AS SELECT n FROM sn0_view");
    const auto check = [&](const char* sql, const char* value) {
        INFO(sql);
        Client f = reader();
        const auto before = reads_there();
        f.good(sql);
        CHECK(f.good("SELECT @sn0").cell() == value);
        CHECK(reads_there() == before);
    };
    check("SELECT sn0_into()", "5");
    check("SELECT d.SN0_IF()", "3");
    check("SELECT `sn0_where`(4)", "4");
    check("SELECT sn0_call()", "9");
    check("SELECT sn0_get()", "1644");
    check("SELECT sn0_calls()", "5");
    check("SELECT * FROM sn0_view", "5");
    check("SELECT n FROM sn0_above", "5");
}

TEST_CASE("a lock that a function takes is the session's, and there for everybody") {
    Client c = fresh("sn1");
    c.good("CREATE FUNCTION sn1_takes() RETURNS INT RETURN GET_LOCK('sn1', 0)");
    c.good("CREATE FUNCTION sn1_gives() RETURNS INT RETURN RELEASE_LOCK('sn1')");
    c.good("CREATE FUNCTION sn1_plain() RETURNS INT RETURN 4");
    c.good("CREATE VIEW sn1_view AS SELECT sn1_takes() AS l FROM sn1");
    Client f = reader();
    CHECK(f.good("SELECT sn1_takes()").cell() == "1");
    CHECK(f.good("SELECT IS_USED_LOCK('sn1') = CONNECTION_ID()").cell() == "1");
    CHECK(c.good("SELECT sn1_takes()").cell() == "0");
    CHECK(f.good("SELECT sn1_gives()").cell() == "1");
    CHECK(c.good("SELECT GET_LOCK('sn1', 0)").cell() == "1");
    CHECK(f.good("SELECT sn1_takes()").cell() == "0");
    CHECK(c.good("SELECT RELEASE_LOCK('sn1')").cell() == "1");
    c.good("INSERT INTO sn1 VALUES (1, 1)");
    CHECK(f.good("SELECT l FROM sn1_view").cell() == "1");
    CHECK(f.good("SELECT RELEASE_LOCK('sn1')").cell() == "1");
    // Sessions without a lock.
    const auto before = reads_there();
    CHECK(reader().good("SELECT sn1_plain(), v FROM sn1").cell() == "4");
    CHECK(reads_there() == before + 1);
    Client other = reader();
    other.good("START TRANSACTION READ ONLY");
    CHECK(other.good("SELECT v FROM sn1").cell() == "1");
    CHECK(other.run("SELECT sn1_takes()").code() == 1235);
    other.good("COMMIT");
    other.good("START TRANSACTION READ ONLY");
    CHECK(other.good("SELECT sn1_takes()").cell() == "1");
    other.good("COMMIT");
    CHECK(other.good("SELECT sn1_gives()").cell() == "1");
}

TEST_CASE("of a function that is another one now its latest text counts, at once") {
    Client c = fresh("sn2");
    c.good("CREATE FUNCTION sn2_f() RETURNS INT RETURN 1");
    Client f = reader();
    for (int i = 0; i < 20; ++i) {
        INFO(i);
        c.good("CREATE OR REPLACE FUNCTION sn2_f() RETURNS INT BEGIN SELECT " + std::to_string(i) +
               " INTO @sn2; RETURN 2; END");
        CHECK(f.good("SELECT sn2_f()").cell() == "2");
        CHECK(f.good("SELECT @sn2").cell() == std::to_string(i));
        c.good("CREATE OR REPLACE FUNCTION sn2_f() RETURNS INT RETURN 1");
        f.good("START TRANSACTION READ ONLY");
        CHECK(f.good("SELECT COUNT(*) FROM sn2").cell() == "0");
        CHECK(f.good("SELECT sn2_f()").cell() == "1");
        f.good("COMMIT");
    }
    c.good("DROP FUNCTION sn2_f");
}

}  // namespace ddb::session::test
