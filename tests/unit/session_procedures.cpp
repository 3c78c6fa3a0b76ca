// What procedures do that no text of a client's shows.
#include <catch2/catch.hpp>

#include "session_support.hpp"

namespace ddb::session::test {

// As on a server. Outside of a transaction it is one, of which nothing stays.
TEST_CASE("what a procedure did before it failed belongs to the transaction around it") {
    Client c = fresh("hw12");
    c.good("CREATE TABLE hw12log (id INT AUTO_INCREMENT PRIMARY KEY, what INT)");
    c.good(
        "CREATE PROCEDURE hw12p(x INT) BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN "
        "INSERT INTO hw12log (what) VALUES (x); RESIGNAL; END; "
        "INSERT INTO hw12 VALUES (x, x); INSERT INTO hw12 VALUES (x, x); END");
    const auto logged = [&] {
        return c.good("SELECT COUNT(*) FROM hw12log").cell() + c.good("SELECT COUNT(*) FROM hw12").cell();
    };
    c.good("BEGIN");
    CHECK(c.run("CALL hw12p(1)").code() == 1062);
    CHECK(logged() == "11");
    c.good("COMMIT");
    CHECK(logged() == "11");
    c.good("SET autocommit = 0");
    CHECK(c.run("EXECUTE IMMEDIATE 'CALL hw12p(2)'").code() == 1062);
    c.good("COMMIT");
    CHECK(logged() == "22");
    CHECK(c.run("BEGIN NOT ATOMIC INSERT INTO hw12log (what) VALUES (3); SIGNAL SQLSTATE '45000'; END").code() == 1644);
    CHECK(logged() == "32");
    c.good("ROLLBACK");
    c.good("CREATE PROCEDURE hw12c() BEGIN INSERT INTO hw12log (what) VALUES (5); COMMIT; END");
    c.good("PREPARE hw12s FROM 'CALL hw12c()'");
    for (const char* const sql : {"CALL hw12c()", "EXECUTE IMMEDIATE 'CALL hw12c()'", "EXECUTE hw12s"}) {
        INFO(sql);
        CHECK(c.run(sql).code() == 1399);  // refused
        c.good("COMMIT");
        CHECK(logged() == "22");
    }
    c.good("SET autocommit = 1");
    CHECK(c.run("CALL hw12p(4)").code() == 1062);
    CHECK(logged() == "22");
}

}  // namespace ddb::session::test
