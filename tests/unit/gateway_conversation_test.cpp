// One MySQL client's conversation, with the session engine played by the test.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#include <random>
#include <regex>

#include "node/gateway/multi_statement.hpp"
#include "tests/unit/gateway_support.hpp"

using namespace ddb;
using namespace ddb::gateway;

TEST_CASE("a client proves its password and the session opens with SHA1 of it") {
    Client client;
    CHECK(client.greeting.find("5.5.5-10.11.1-MariaDB") == 1);
    client.hello(storage::native_token(sha1_of_secret, challenge));
    REQUIRE(client.engine.asked == std::vector<std::string>{"user"});
    CHECK(client.engine.sent.empty());
    client.conversation.on_account(std::vector<std::string>{std::string(20, 'x'), kept_hash});
    const auto& open = client.engine.last<OpenSession>();
    CHECK(open.user == "user");
    CHECK(open.database == "db");
    CHECK(storage::sha1_in_password(open.password) == sha1_of_secret);
    CHECK_FALSE(client.conversation.logged_in());
    SessionOpened opened;
    opened.session = open.session;
    opened.accepted = true;
    client.conversation.on_session(opened);
    CHECK(client.take()[0] == '\0');
    CHECK(client.conversation.logged_in());
}

TEST_CASE("the collation that a client chose at its login goes along to every session of the connection") {
    Client client;
    client.hello("", 0, 46);
    CHECK(client.engine.last<OpenSession>().collation == 46);
    SessionOpened opened;
    opened.session = client.engine.last<OpenSession>().session;
    opened.accepted = true;
    client.conversation.on_session(opened);
    CHECK(client.take()[0] == '\0');
    CHECK(client.conversation.logged_in());
    client.command("\x1f");  // COM_RESET_CONNECTION
    CHECK(client.engine.last<OpenSession>().session != opened.session);
    CHECK(client.engine.last<OpenSession>().collation == 46);
}

TEST_CASE("where a client that came over the network is goes along to its session") {
    for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{40000}}) {
        Client client;
        client.engine.port = port;
        client.hello("");
        CHECK(client.engine.last<OpenSession>().host == (port == 0 ? "" : "192.0.2.1"));
        CHECK(client.engine.last<OpenSession>().port == port);
    }
}

TEST_CASE("a wrong password is asked for again a few times, then refused") {
    Client client;
    client.hello(storage::native_token(std::string(20, 'x'), challenge));
    for (std::uint64_t now = 1000; now <= 2000; now += 100) {
        client.conversation.on_account(std::vector<std::string>{kept_hash});
        client.conversation.tick(now);
    }
    CHECK(client.engine.asked.size() == 3);
    CHECK(error_code(client.take()) == 1045);
    CHECK(client.conversation.closing());
    CHECK(client.engine.sent.empty());
}

TEST_CASE("another login method is asked to change, TLS and nonsense are refused") {
    {
        Client client;
        client.hello(std::string(32, 'x'));
        CHECK(client.take().find("mysql_native_password") == 1);
        client.give(storage::native_token(sha1_of_secret, challenge));
        client.conversation.on_account(std::vector<std::string>{kept_hash});
        CHECK(std::holds_alternative<OpenSession>(client.engine.sent.back()));
    }
    {
        Client client;
        client.give("nonsense");
        CHECK(error_code(client.take()) == 1043);
        CHECK(client.conversation.closing());
    }
    {
        Client client;
        client.conversation.tick(20'000);
        CHECK(error_code(client.take()) == 1159);
        CHECK(client.conversation.closing());
    }
}

TEST_CASE("a change of user that fails leaves the client who it was, three times") {
    Client client;
    client.log_in();
    const std::string to_other = std::string("\x11other") + '\0' + '\x14' + std::string(20, 'x') + "elsewhere" + '\0';
    const auto opened = [&](bool accepted) {
        SessionOpened answer;
        answer.session = client.engine.last<OpenSession>().session;
        answer.accepted = accepted;
        answer.error = Error{ErrorCode::sql, "Access denied", 1045, "28000"};
        client.conversation.on_session(answer);
    };
    std::uint64_t now_ms = 1000;
    for (int i = 0; i < 3; ++i) {
        client.command(to_other);
        CHECK(client.engine.asked.back() == "other");
        for (int asked = 0; asked < 3; ++asked) {
            client.conversation.on_account(std::vector<std::string>{kept_hash});
            client.conversation.tick(now_ms += 1000);
        }
        CHECK(error_code(client.take()) == 1045);
        CHECK(client.engine.last<OpenSession>().user == "user");
        CHECK(client.engine.last<OpenSession>().database == "db");
        opened(true);
        CHECK(client.take_all().empty());  // it has its answer
        client.command("\x0e");            // COM_PING
        CHECK(client.take()[0] == '\0');
    }
    const auto asked = client.engine.asked.size();
    client.command(to_other);
    CHECK(error_code(client.take()) == 1047);
    CHECK(client.engine.asked.size() == asked);
    opened(false);
    CHECK(client.take_all().empty());
    CHECK(client.conversation.closing());
}

TEST_CASE("a query is answered with what the engine says, rows only as far as they are taken") {
    ConversationLimits limits;
    limits.output_bytes_high = 10;
    Client client(limits);
    client.log_in();
    client.command("\x03SELECT 1");
    const auto execute = client.engine.last<Execute>();
    CHECK(execute.sql == "SELECT 1");
    CHECK(execute.timeout_ms == 0);
    Column column;
    column.name = "1";
    client.conversation.on_session(ResultHeader{execute.session, execute.request, {column}});
    client.conversation.on_session(ResultRows{execute.session, execute.request, 2, std::string("\x01") + "1\xfb"});
    CHECK(std::holds_alternative<Execute>(client.engine.sent.back()));  // too much waits: no credit yet
    auto answer = client.take_all();
    REQUIRE(answer.size() == 5);  // count, column, end of columns, two rows
    CHECK(answer[3] ==
          "\x01"
          "1");
    CHECK(answer[4] == "\xfb");
    client.conversation.on_output_drained();
    CHECK(client.engine.last<Credit>().bytes == 3);
    ResultEnd last;
    last.session = execute.session;
    last.request = execute.request;
    last.status_flags = 2;
    client.conversation.on_session(last);
    CHECK(client.take()[0] == '\xfe');
    // An answer to something older changes nothing.
    client.conversation.on_session(last);
    CHECK(client.take_all().empty());
}

TEST_CASE("several statements run one after the other, and stop at the first error") {
    Client client;
    client.log_in(capability::multi_statements);
    client.command(
        "\x03"
        "DO 1; DO ';' ;; DO 3");
    CHECK(client.engine.last<Execute>().sql == "DO 1");
    client.conversation.on_session(client.end_of_last());
    CHECK(client.engine.last<Execute>().sql == " DO ';' ");
    auto failed = client.end_of_last();
    failed.error = Error{ErrorCode::no_quorum, "no quorum", 0, ""};
    client.conversation.on_session(failed);
    const auto answers = client.take_all();
    REQUIRE(answers.size() == 2);
    CHECK((static_cast<unsigned char>(answers[0][3]) & status_more_results) != 0);
    CHECK(error_code(answers[1]) == 1047);
    client.command("\x0e");
    CHECK(client.take()[0] == '\0');
}

TEST_CASE("COMMIT RELEASE is answered, and ends the connection") {
    Client client;
    client.log_in(capability::multi_statements);
    client.command(
        "\x03"
        "COMMIT NO RELEASE");
    client.conversation.on_session(client.end_of_last());
    CHECK(client.take()[0] == '\0');
    client.command(
        "\x03"
        "COMMIT RELEASE");
    auto failed = client.end_of_last();
    failed.error = Error{ErrorCode::no_quorum, "no quorum", 0, ""};
    client.conversation.on_session(failed);
    CHECK(error_code(client.take()) == 1047);
    CHECK_FALSE(client.conversation.closing());
    client.command(
        "\x03"
        "ROLLBACK RELEASE");
    client.conversation.on_session(client.end_of_last());
    CHECK(client.take()[0] == '\0');
    CHECK(client.conversation.closing());
}

TEST_CASE("a write of which nobody knows any more is told as unknown, not as failed") {
    Client client;
    client.log_in();
    for (const auto code : {ErrorCode::unknown_outcome, ErrorCode::too_old}) {
        client.command(
            "\x03"
            "DO 1");
        ResultEnd end = client.end_of_last();
        end.error = fail(code, "who knows");
        client.conversation.on_session(end);
        CHECK(error_code(client.take()) == 1180);
    }
}

TEST_CASE("what a server tells the node of a session's state is not the client's") {
    Client client;
    client.log_in();
    client.command(
        "\x03"
        "SET @@sql_mode = ''");
    ResultEnd end = client.end_of_last();
    end.status_flags |= status_session_state_changed;
    client.conversation.on_session(end);
    CHECK((static_cast<unsigned char>(client.take()[4]) & (status_session_state_changed >> 8U)) == 0);
}

TEST_CASE("a client hears of the database that was dropped under it, and no later session asks for it") {
    Client client;
    client.log_in();
    client.command(
        "\x03"
        "CALL p()");
    ResultEnd part;  // says nothing of a database
    part.session = client.engine.last<Execute>().session;
    part.request = client.engine.last<Execute>().request;
    part.more = true;
    client.conversation.on_session(part);
    ResultEnd failed = client.end_of_last();
    failed.error = Error{ErrorCode::no_quorum, "no quorum", 0, ""};
    failed.database.clear();
    client.conversation.on_session(failed);
    const auto answers = client.take_all();
    REQUIRE(answers.size() == 2);
    CHECK((static_cast<unsigned char>(answers[0][4]) & (status_session_state_changed >> 8U)) == 0);
    client.command("\x1f");  // COM_RESET_CONNECTION
    CHECK(client.engine.last<OpenSession>().database == "db");
    SessionOpened opened;
    opened.session = client.engine.last<OpenSession>().session;
    opened.accepted = true;
    client.conversation.on_session(opened);
    REQUIRE(client.take()[0] == '\0');
    client.command(
        "\x03"
        "DROP DATABASE db");
    ResultEnd dropped = client.end_of_last();
    dropped.database.clear();
    client.conversation.on_session(dropped);
    const std::string answer = client.take();
    CHECK((static_cast<unsigned char>(answer[4]) & (status_session_state_changed >> 8U)) != 0);
    CHECK(answer.ends_with(std::string("\x03\x01\x01\0", 4)));  // the tracker of a schema, with an empty name
    client.command("\x1f");
    CHECK(client.engine.last<OpenSession>().database.empty());
}

TEST_CASE("connections are ended by the number in their greeting") {
    CHECK(parse_kill("kill 5", 9)->connection_id == 5);
    CHECK(parse_kill(" /* x */ KILL SOFT QUERY 1073741825 ;", 9)->query_only);
    CHECK_FALSE(parse_kill("KILL HARD CONNECTION 7", 9)->query_only);
    CHECK(parse_kill("KILL QUERY connection_id ( );", 9)->connection_id == 9);
    CHECK(parse_kill("KILL CONNECTION CONNECTION_ID()", 9)->connection_id == 9);
    for (const char* sql : {"", "KILL", "KILL x", "KILL QUERY ID 5", "KILL 5 6", "KILL 99999999999999999999",
                            "SELECT 5", "KILL CONNECTION_ID", "KILL CONNECTION_ID() + 1", "KILL CONNECTION_ID("}) {
        INFO(sql);
        CHECK_FALSE(parse_kill(sql, 9));
    }
    Client client;
    client.log_in();
    client.command("\3KILL QUERY 1073741999");
    CHECK(error_code(client.take()) == 1095);
    REQUIRE(client.engine.kills.size() == 1);
    CHECK(client.engine.kills[0] == std::tuple<std::uint64_t, bool, std::string>(1073741999, true, "user"));
    client.command("\3KILL QUERY CONNECTION_ID()");
    CHECK(error_code(client.take()) == 1317);
    client.command("\3KILL 1234");  // a server's: goes where statements go
    CHECK(client.engine.last<Execute>().sql == "KILL 1234");
    client.conversation.on_session(client.end_of_last());
    CHECK(client.take()[0] == '\0');
    // Its statement is cancelled; then the connection ends.
    client.command("\3SELECT SLEEP(9)");
    client.conversation.killed(true);
    CHECK(client.engine.last<Cancel>().request == std::get<Execute>(client.engine.sent.end()[-2]).request);
    CHECK_FALSE(client.conversation.closing());
    client.conversation.killed(false);
    CHECK(error_code(client.take()) == 1927);
    CHECK(client.conversation.closing());
    // One without a command under way hears nothing that it did not ask for.
    Client idle;
    idle.log_in();
    idle.conversation.killed(false);
    CHECK(idle.take_all().empty());
    CHECK(idle.conversation.closing());
    Client left;
    left.log_in();
    left.conversation.shut_down(Error{ErrorCode::shutting_down, "", 1053, "08S01"});
    CHECK(left.take_all().empty());
    CHECK(left.conversation.closing());
}

TEST_CASE("commands that are not known, not there or too early") {
    Client client;
    client.log_in();
    client.command("\x1d");
    CHECK(error_code(client.take()) == 1047);
    client.command("\x03 ;");
    CHECK(error_code(client.take()) == 1065);
    client.command(std::string("\x17\x05\0\0\0\0\1\0\0\0", 10));
    CHECK(error_code(client.take()) == 1243);
    // What is sent ahead waits for the answer before it.
    client.command(
        "\x03"
        "DO 1");
    client.command(
        "\x03"
        "DO 2");
    CHECK(client.engine.last<Execute>().sql == "DO 1");
    CHECK_FALSE(client.conversation.wants_input());
    client.conversation.on_session(client.end_of_last());
    CHECK(client.engine.last<Execute>().sql == "DO 2");
}

TEST_CASE("what mysqladmin refresh asks for is flushed, and answered once") {
    Client client;
    client.log_in();
    for (const bool fails : {false, true}) {
        client.command("\x07\x26");  // threads, tables, logs
        CHECK(client.engine.last<Execute>().sql == "FLUSH LOGS");
        client.conversation.on_session(client.end_of_last());
        CHECK(client.take_all().empty());
        CHECK(client.engine.last<Execute>().sql == "FLUSH TABLES");
        auto end = client.end_of_last();
        if (fails) end.error = Error{ErrorCode::sql, "no", 1227, "42000"};
        client.conversation.on_session(end);
        CHECK(client.take()[0] == (fails ? '\xff' : '\0'));
    }
    client.command("\x07\x20");
    CHECK(client.take()[0] == '\0');
    client.command("\x07");
    CHECK(error_code(client.take()) == 1835);
    client.command("\x12\4");  // COM_BINLOG_DUMP
    CHECK(error_code(client.take()) == 1235);
}

TEST_CASE("whatever bytes arrive, a conversation answers or ends") {
    std::mt19937_64 random(7);
    for (int round = 0; round < 3000; ++round) {
        Client client;
        if (round % 2 == 0) client.log_in();
        for (int i = 0; i < 20 && !client.conversation.closing(); ++i) {
            std::string payload(random() % 40, '\0');
            for (char& c : payload) c = static_cast<char>(random());
            constexpr std::string_view commands("\x02\x03\x04\x07\x0e\x11\x16\x17\x18\x19\x1a\x1b\x1c\x1f", 14);
            if (!payload.empty() && random() % 4 != 0) payload[0] = commands[random() % commands.size()];
            client.command(payload);
            if (!client.engine.sent.empty() && std::holds_alternative<Execute>(client.engine.sent.back())) {
                client.conversation.on_session(client.end_of_last());
            }
            client.conversation.output().clear();
        }
    }
}

TEST_CASE("statements in one text") {
    const auto split = [](std::string_view sql) {
        const auto parts = split_statements(sql);
        return std::vector<std::string>(parts.begin(), parts.end());
    };
    CHECK(split("SELECT 1") == std::vector<std::string>{"SELECT 1"});
    CHECK(split("SELECT ';'; -- ; \n SELECT `;`;") == std::vector<std::string>{"SELECT ';'", " -- ; \n SELECT `;`"});
    CHECK(split("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END").size() == 1);
    CHECK(split("DO 1; CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a=1; END").size() == 2);
    CHECK(split("SET STATEMENT sql_mode='' FOR CREATE PROCEDURE p() BEGIN DO 1; DO 2; END").size() == 1);
    CHECK(split("SET STATEMENT max_statement_time=1; CREATE PROCEDURE p() BEGIN DO 1; DO 2; END").size() == 2);
    CHECK(split("SET STATEMENT max_statement_time=1 FOR DO 1; DO 2").size() == 2);
    CHECK(split("BEGIN; DO 1; COMMIT").size() == 3);
    CHECK(split("BEGIN WORK; DO 1; COMMIT").size() == 3);
    CHECK(split("BEGIN INSERT INTO t VALUES (1); DO 1; END").size() == 1);
    CHECK(split("DECLARE a INT; BEGIN DO 1; END").size() == 1);
    CHECK(split("CREATE TABLE `PROCEDURE` (a INT); DO 1").size() == 2);
    const std::string body =
        "CREATE PROCEDURE IF NOT EXISTS p() l: BEGIN DECLARE EXIT HANDLER FOR 1062 BEGIN END; IF a THEN BEGIN SELECT "
        "1; "
        "END; END IF; CASE a WHEN 1 THEN SELECT begin, t.end FROM t; END CASE; SET a = CASE WHEN 1 THEN 2 END; WHILE a "
        "DO "
        "SET a = 0; END WHILE; END";
    CHECK(split(body + " l; CALL p()").size() == 1);  // a column may be named BEGIN: in doubt it is all of the text
    const std::string clear = std::regex_replace(body, std::regex("begin, t"), "t");
    CHECK(split("DROP PROCEDURE p; " + clear + " l; CREATE PROCEDURE q() BEGIN END; CALL p(); ") ==
          std::vector<std::string>{"DROP PROCEDURE p", " " + clear + " l", " CREATE PROCEDURE q() BEGIN END",
                                   " CALL p()"});
    CHECK(split("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a=1; END; INSERT INTO a VALUES (1)")
              .size() == 2);
    CHECK(split("BEGIN NOT ATOMIC SELECT 1; END; SELECT 2").size() == 2);
    CHECK(split("CREATE PROCEDURE p() SELECT 1; CALL p()").size() == 2);
    CHECK(split("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 1; INSERT INTO a VALUES (1)").size() ==
          2);
    for (const char* whole :
         {"CREATE PROCEDURE p() IF a THEN BEGIN END; SELECT 1; END IF",
          "CREATE PROCEDURE p() LOOP BEGIN END; SELECT 1; END LOOP", "CREATE PROCEDURE p() BEGIN END; -- x",
          "IF 1 THEN BEGIN NOT ATOMIC SELECT 1; END; SELECT 2; END IF",
          "CREATE PROCEDURE p AS a INT; b INT; BEGIN SELECT 1; END; SELECT 2", "DECLARE a INT; BEGIN SELECT 1; END",
          "CREATE FUNCTION f() RETURNS INT CASE 1 WHEN 1 THEN RETURN 1; SELECT 1; END CASE",
          "CREATE PACKAGE BODY p AS PROCEDURE q AS BEGIN NULL; END; CREATE END"}) {
        INFO(whole);
        CHECK(split(whole).size() == 1);
    }
    CHECK(is_empty_statement(" ; \n"));
    CHECK(is_empty_statement("/* no end"));
    for (const char* comment : {" /* x */ ; # y", "/* ping */", "-- x", "# y\n;", "/*! */", "/*!99999999 x */"})
        CHECK_FALSE(is_empty_statement(comment));
    CHECK(split("DO 1; /* x */ ; DO 2; -- y").size() == 2);
    CHECK(is_call("/* x */ call p()"));
}

TEST_CASE("the client's file is asked for, taken in packets and given to the engine") {
    Client client;
    client.log_in(capability::local_files);
    const auto packet = [&](const std::string& bytes) {
        client.give(bytes);
        ++client.sequence;
    };
    const auto begin = [&] {
        client.command("\x03LOAD DATA LOCAL INFILE 'a' INTO TABLE t");
        const auto execute = client.engine.last<Execute>();
        client.conversation.on_session(FileWanted{execute.session, execute.request, "a", 0, true});
        CHECK(client.take() ==
              "\xfb"
              "a");
        return execute;
    };
    {
        const auto execute = begin();
        packet("1\t2\n");
        packet("3");
        packet("");
        const auto& file = client.engine.last<FileContent>();
        CHECK_FALSE(file.error);
        CHECK(file.request == execute.request);
        CHECK(file.content == "1\t2\n3");
        client.engine.sent.emplace_back(execute);
        client.conversation.on_session(client.end_of_last());
        CHECK(client.take()[0] == '\0');
    }
    {  // ended meanwhile: the answer waits for the end of the file
        begin();
        ResultEnd end = client.end_of_last();
        end.error = Error{ErrorCode::sql, "interrupted", 1317, "70100"};
        client.conversation.on_session(end);
        CHECK(client.take_all().empty());
        packet("1");
        packet("");
        CHECK(error_code(client.take()) == 1317);
        CHECK(std::holds_alternative<Execute>(client.engine.sent.back()));
    }
    const std::string part(3u << 20, 'x');
    {  // a large one in pieces; until the next is wanted, the client is not listened to
        const auto execute = begin();
        for (int i = 0; i < 5; ++i) packet(part);
        CHECK_FALSE(client.conversation.wants_input());
        const auto first = client.engine.last<FileContent>();
        CHECK((first.offset == 0 && first.content.size() == 3 * part.size() && first.more && !first.error));
        const FileWanted next{execute.session, execute.request, "", first.content.size(), true};
        client.conversation.on_session(FileWanted{execute.session, execute.request, "", 1, true});  // none of it
        client.conversation.on_session(next);
        CHECK(client.conversation.wants_input());
        client.conversation.on_session(next);  // once is enough
        client.conversation.tick(1000);
        packet("slow");
        client.conversation.tick(3000);
        CHECK(client.conversation.wants_input());
        client.conversation.tick(6000);  // the server waits
        const auto slow = client.engine.last<FileContent>();
        CHECK((slow.offset == next.offset && slow.content == part + part + "slow" && slow.more));
        client.conversation.tick(60'000);  // for the server, not for the client
        client.conversation.on_session(
            FileWanted{execute.session, execute.request, "", slow.offset + slow.content.size(), true});
        packet("end");
        packet("");
        const auto& last = client.engine.last<FileContent>();
        CHECK((last.offset == slow.offset + slow.content.size() && last.content == "end" && !last.more && !last.error));
        client.engine.sent.emplace_back(execute);
        client.conversation.on_session(client.end_of_last());
        CHECK(client.take()[0] == '\0');
    }
    for (const bool wanted : {false, true}) {  // ended in its middle: it is read to its end, and not kept
        const auto execute = begin();
        for (int i = 0; i < 3; ++i) packet(part);
        const std::size_t asked = client.engine.sent.size();
        if (wanted) client.conversation.on_session(FileWanted{execute.session, execute.request, "", 9u << 20, true});
        client.engine.sent.emplace_back(execute);
        ResultEnd end = client.end_of_last();
        end.error = Error{ErrorCode::sql, "interrupted", 1317, "70100"};
        client.conversation.on_session(end);
        CHECK(client.take_all().empty());
        for (int i = 0; i < 30; ++i) packet(part);
        packet("");
        CHECK(error_code(client.take()) == 1317);
        CHECK(client.engine.sent.size() == asked + 1);
    }
    begin();
    client.conversation.tick(100'000);
    CHECK(error_code(client.take()) == 1159);
    CHECK(client.conversation.closing());
    Client without;
    without.log_in();
    without.command("\x03LOAD DATA LOCAL INFILE 'a' INTO TABLE t");
    const auto execute = without.engine.last<Execute>();
    without.conversation.on_session(FileWanted{execute.session, execute.request, "a", 0, true});
    CHECK(without.engine.last<FileContent>().error->mysql_code == 4166);
}

TEST_CASE("changes of user are answered by the greeting's challenge, also behind one without a password") {
    Client client;
    client.log_in();
    const auto change_user = [&](const std::string& token) {
        client.command(std::string("\x11other") + '\0' + static_cast<char>(token.size()) + token + '\0' + "\x2d" +
                       std::string(1, '\0') + std::string(native_plugin) + '\0');
    };
    change_user("");
    CHECK(client.take() == std::string(1, '\xfe') + std::string(native_plugin) + '\0' + challenge + '\0');
    client.give("");
    SessionOpened opened;
    opened.session = client.engine.last<OpenSession>().session;
    opened.accepted = true;
    client.conversation.on_session(opened);
    CHECK(client.take()[0] == '\0');
    change_user(storage::native_token(sha1_of_secret, challenge));
    client.conversation.on_account(std::vector<std::string>{kept_hash});
    CHECK(client.engine.last<OpenSession>().password == storage::password_from_sha1(sha1_of_secret));
    CHECK(client.engine.challenges == 1);
}
