// Stored functions that do more than read, in statements that only seem to.
#include <catch2/catch.hpp>

#include "session_support.hpp"

namespace ddb::session::test {

TEST_CASE("a function may make and drop temporary tables, wherever the SELECT that calls it is tried first") {
    Client c = fresh("fn1");
    c.good("INSERT INTO fn1 VALUES (1,1),(2,2)");
    c.good(
        "CREATE FUNCTION fn1_made() RETURNS INT BEGIN CREATE TEMPORARY TABLE fn1_t (id INT PRIMARY KEY); "
        "INSERT INTO fn1_t VALUES (7); DROP TEMPORARY TABLE fn1_t; RETURN 5; END");
    Client f(bench(), *bench().follower, "root", "d");
    for (Client* client : {&c, &f}) {
        CHECK(client->good("SELECT fn1_made()").cell() == "5");
        CHECK(client->good("SELECT fn1_made(), id FROM fn1").rows.size() == 2);
        client->good("BEGIN");
        CHECK(client->good("SELECT fn1_made() FROM fn1").rows.size() == 2);
        client->good("COMMIT");
    }
    // A session that has tables of its own runs on the coordinator.
    c.good("CREATE TEMPORARY TABLE fn1_own (id INT PRIMARY KEY)");
    c.good("INSERT INTO fn1_own VALUES (1)");
    c.good("CREATE FUNCTION fn1_drops() RETURNS INT BEGIN DROP TEMPORARY TABLE fn1_own; RETURN 1; END");
    CHECK(c.run("SELECT fn1_drops() FROM fn1_own").code() == 1137);
    CHECK(c.good("SELECT * FROM fn1_own").rows.size() == 1);
    CHECK(c.good("SELECT fn1_made(), id FROM fn1").rows.size() == 2);
    c.good("DROP FUNCTION fn1_made");
    c.good("DROP FUNCTION fn1_drops");
}

// Servers that may have to repeat statements elsewhere ask for SUPER, and that functions say what they do.
TEST_CASE("who may create functions and triggers needs no further right") {
    Client c = fresh("fn2");
    c.good("CREATE USER fn2u IDENTIFIED BY 'pw'");
    c.good("GRANT SELECT, INSERT, UPDATE, TRIGGER, CREATE ROUTINE, EXECUTE, ALTER ROUTINE ON d.* TO fn2u");
    Client u(bench(), *bench().node, "fn2u", "d");
    u.good("CREATE FUNCTION fn2_f() RETURNS INT BEGIN INSERT INTO fn2 VALUES (3,3); RETURN 4; END");
    u.good("CREATE TRIGGER fn2_t BEFORE INSERT ON fn2 FOR EACH ROW SET NEW.v = NEW.v + 1");
    CHECK(u.good("SELECT fn2_f()").cell() == "4");
    CHECK(u.good("SELECT v FROM fn2").cell() == "4");
    c.good("DROP FUNCTION fn2_f");
    CHECK(c.good("SET GLOBAL log_bin_trust_function_creators = 0").end.outcome.warnings == 1);
    CHECK(c.good("SELECT @@GLOBAL.log_bin_trust_function_creators").cell() == "1");
    CHECK(u.run("SET GLOBAL log_bin_trust_function_creators = 0").code() == 1227);
    c.good("DROP USER fn2u");
}

}  // namespace ddb::session::test
