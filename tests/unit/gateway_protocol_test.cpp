// What the protocol asks of a listener beyond the plain way of things: limits, orders that fail, forms that depend on
// what was agreed.
#include "node/gateway/certificate_proof.hpp"
#include "tests/unit/gateway_support.hpp"

using namespace ddb;
using namespace ddb::gateway;

namespace {

// The answer to a preparation, by a server that sees that many parameters.
void describe(Client& client, std::string_view sql, std::optional<std::uint16_t> parameters) {
    client.command("\x16" + std::string(sql));
    auto end = client.end_of_last();
    end.parameters = parameters;
    client.conversation.on_session(end);
}

std::string execute_packet(std::uint32_t id, std::string_view parameters = {}) {
    std::string out = "\x17";
    put_int(out, id, 4);
    put_int(out, 0, 1);
    put_int(out, 1, 4);
    return out + std::string(parameters);
}

std::string long_data_packet(std::uint32_t id, std::uint16_t parameter, std::string_view bytes) {
    std::string out = "\x18";
    put_int(out, id, 4);
    put_int(out, parameter, 2);
    return out + std::string(bytes);
}

std::string hello_of(std::uint8_t charset, std::uint32_t more) {
    std::string out;
    put_int(out, capability::protocol_41 | capability::secure_connection | more, 4);
    put_int(out, 1u << 24, 4);
    put_int(out, charset, 1);
    out.append(23, '\0');
    return out + std::string("user\0\0", 6);
}

void open(Client& client) {
    SessionOpened opened;
    opened.session = client.engine.last<OpenSession>().session;
    opened.accepted = true;
    client.conversation.on_session(opened);
}

}  // namespace

TEST_CASE("a statement is prepared only when the server counts the same parameters") {
    Client client;
    client.log_in();
    describe(client, "SELECT ?, ?", std::uint16_t{2});
    CHECK(client.take_all().front()[0] == '\0');
    describe(client, "SELECT ? /*!99999 + ? */", std::uint16_t{2});
    CHECK(error_code(client.take()) == 1210);
    client.command(execute_packet(2));
    CHECK(error_code(client.take()) == 1243);           // it is not there
    describe(client, "SHOW DDB STATUS", std::nullopt);  // ddb's own: no server counted
    CHECK(client.take()[0] == '\0');
}

TEST_CASE("an execution that was sent along with a failing preparation meets no older statement") {
    Client client;
    client.log_in();
    describe(client, "DELETE FROM t", std::uint16_t{0});
    (void)client.take();
    const std::size_t sent = client.engine.sent.size();
    client.command("\x16 ;");
    CHECK(error_code(client.take()) == 1065);
    client.command(execute_packet(0xFFFFFFFF));
    CHECK(error_code(client.take()) == 1243);
    CHECK(client.engine.sent.size() == sent);
}

TEST_CASE("long data that cannot be kept is an error of the execution, which is all that has an answer") {
    ConversationLimits limits;
    limits.prepared_bytes_max = 1000;
    Client client(limits);
    client.log_in();
    describe(client, "SELECT ?", std::uint16_t{1});
    (void)client.take_all();
    const std::string values("\0\1\xfc\0", 4);  // a BLOB, no NULL
    for (const auto& [parameter, size, code] :
         {std::tuple<std::uint16_t, std::size_t, int>(1, 10, 1210), {0, 2000, 1153}}) {
        client.command(long_data_packet(1, parameter, std::string(size, 'x')));
        CHECK(client.take_all().empty());
        client.command(execute_packet(1, values));
        CHECK(error_code(client.take()) == code);
    }
    client.command(long_data_packet(1, 0, "abc"));
    client.command(execute_packet(1, values));
    CHECK(client.engine.last<Execute>().sql.find("'abc'") != std::string::npos);
}

TEST_CASE("what is kept of a statement's parameters counts as well") {
    ConversationLimits limits;
    limits.prepared_bytes_max = 2000;
    Client client(limits);
    client.log_in();
    std::string sql = "SELECT ?";
    for (int i = 1; i < 150; ++i) sql += ",?";
    describe(client, sql, std::uint16_t{150});
    CHECK(client.take_all().front()[0] == '\0');
    client.command("\x16" + sql);  // texts alone would have room for five of them
    CHECK(error_code(client.take()) == 1461);
    client.command(std::string("\x19\1\0\0\0", 5));
    client.command("\x16" + sql);
    CHECK(client.engine.last<Execute>().describe);
}

namespace {

std::string cursor_packet(std::uint32_t id) {
    std::string out = execute_packet(id);
    out[5] = 1;  // CURSOR_TYPE_READ_ONLY
    return out;
}

std::string fetch_packet(std::uint32_t id, std::uint32_t rows) {
    std::string out = "\x1c";
    put_int(out, id, 4);
    put_int(out, rows, 4);
    return out;
}

Column text_column(const std::string& name) {
    Column column;
    column.name = name;
    column.type = 253;
    return column;
}

// The engine's answer to the execution: rows of one column each.
void give_rows(Client& client, const std::vector<std::string>& rows) {
    const auto execute = client.engine.last<Execute>();
    client.conversation.on_session(ResultHeader{execute.session, execute.request, {text_column("7 ")}});
    std::string bytes;
    for (const auto& row : rows) put_lenenc_string(bytes, row);
    client.conversation.on_session(
        ResultRows{execute.session, execute.request, static_cast<std::uint32_t>(rows.size()), bytes});
    ResultEnd end;
    end.session = execute.session;
    end.request = execute.request;
    end.status_flags = 2;
    end.database = "db";
    client.conversation.on_session(end);
}

int status_of_eof(const std::string& payload) {
    REQUIRE(payload.size() == 5);
    REQUIRE(payload[0] == '\xfe');
    return static_cast<unsigned char>(payload[3]);
}

}  // namespace

TEST_CASE("rows of a cursor come as they are fetched, and other commands in between") {
    Client client;
    client.log_in();
    describe(client, "SELECT 'a' FROM t", std::uint16_t{0});
    (void)client.take_all();
    client.command(cursor_packet(1));
    give_rows(client, {"one", "two", "three"});
    auto answers = client.take_all();
    REQUIRE(answers.size() == 3);  // count, column, end
    CHECK(status_of_eof(answers[2]) == (status_autocommit | status_cursor_exists));
    client.command(fetch_packet(1, 2));
    answers = client.take_all();
    REQUIRE(answers.size() == 3);
    CHECK(answers[1].ends_with("two"));
    CHECK(status_of_eof(answers[2]) == (status_autocommit | status_cursor_exists));
    client.command("\x0e");
    CHECK(client.take()[0] == '\0');
    client.command(fetch_packet(1, 2));
    answers = client.take_all();
    REQUIRE(answers.size() == 2);
    CHECK(answers[0].ends_with("three"));
    CHECK(status_of_eof(answers[1]) == (status_autocommit | status_last_row_sent));
    client.command(fetch_packet(1, 1));
    CHECK(error_code(client.take()) == 1421);
    client.command(fetch_packet(9, 1));
    CHECK(error_code(client.take()) == 1243);
    client.command(cursor_packet(1));
    give_rows(client, {"one"});
    CHECK(client.take_all().size() == 3);
    client.command(std::string("\x1a\1\0\0\0", 5));  // COM_STMT_RESET
    CHECK(client.take()[0] == '\0');
    client.command(fetch_packet(1, 1));
    CHECK(error_code(client.take()) == 1421);
}

TEST_CASE("a cursor is declined when its rows would not fit, and gives back what it took") {
    ConversationLimits limits;
    limits.prepared_bytes_max = 2000;
    Client client(limits);
    client.log_in();
    describe(client, "SELECT 'a' FROM t", std::uint16_t{0});
    (void)client.take_all();
    for (int i = 0; i < 3; ++i) {
        client.command(cursor_packet(1));
        give_rows(client, {std::string(200, 'x'), std::string(200, 'y')});
        CHECK(client.take_all().size() == 3);
        client.command(cursor_packet(1));
        give_rows(client, std::vector<std::string>(20, std::string(200, 'x')));
        const auto answers = client.take_all();
        REQUIRE(answers.size() == 24);
        CHECK(status_of_eof(answers[2]) == status_autocommit);
        CHECK(status_of_eof(answers[23]) == status_autocommit);
        client.command(fetch_packet(1, 1));
        CHECK(error_code(client.take()) == 1421);
    }
    client.command(cursor_packet(1));
    auto end = client.end_of_last();
    end.error = Error{ErrorCode::sql, "no", 1146, "42S02"};
    client.conversation.on_session(end);
    CHECK(error_code(client.take()) == 1146);
}

TEST_CASE("a prepared KILL of a client's number is the node's, as one that is sent as text") {
    Client client;
    client.log_in();
    describe(client, "KILL QUERY ?", std::uint16_t{1});
    (void)client.take_all();
    const std::size_t sent = client.engine.sent.size();
    client.command(execute_packet(1, std::string("\0\1\3\0\x6F\0\0\x40", 8)));
    CHECK(error_code(client.take()) == 1095);
    REQUIRE(client.engine.kills.size() == 1);
    CHECK(client.engine.kills[0] == std::tuple<std::uint64_t, bool, std::string>(0x4000006F, true, "user"));
    CHECK(client.engine.sent.size() == sent);
    // A server's number goes where statements go.
    client.command(execute_packet(1, std::string("\0\1\3\0\7\0\0\0", 8)));
    CHECK(client.engine.last<Execute>().sql == "KILL QUERY  7 ");
}

TEST_CASE("a CALL gives back values in placeholders, once the server said which") {
    Client client;
    client.log_in(capability::ps_multi_results);
    describe(client, "CALL p(?, f(1, 2), ?)", std::uint16_t{2});
    (void)client.take_all();
    const std::string values("\0\1\3\0\3\0\7\0\0\0\x8\0\0\0", 14);
    const auto done = [&client] { client.conversation.on_session(client.end_of_last()); };
    client.command(execute_packet(1, values));
    CHECK(client.engine.last<Execute>().sql == "CALL p( 7 , f(1, 2),  8 )");
    auto refused = client.end_of_last();
    refused.error = Error{ErrorCode::sql, "OUT or INOUT argument 3 for routine d.p is not a variable", 1414, "42000"};
    client.conversation.on_session(refused);
    for (int i = 0; i < 2; ++i) {
        CHECK(client.engine.last<Execute>().sql == "SET @`ddb parameter 2`= 8 ");
        done();
        CHECK(client.engine.last<Execute>().sql == "CALL p( 7 , f(1, 2),  @`ddb parameter 2` )");
        CHECK(client.take_all().empty());
        done();
        CHECK(client.engine.last<Execute>().sql == "SELECT @`ddb parameter 2`");
        give_rows(client, {"nine"});
        const auto answers = client.take_all();
        REQUIRE(answers.size() == 6);  // count, column, end, row, end, OK of the CALL
        for (const std::size_t end : {2, 4}) {
            CHECK((status_of_eof(answers[end]) & status_more_results) != 0);
            CHECK((static_cast<unsigned char>(answers[end][4]) & status_out_parameters >> 8U) != 0);
        }
        CHECK(answers[5][0] == '\0');
        CHECK((static_cast<unsigned char>(answers[5][3]) & status_more_results) == 0);
        client.command(execute_packet(1, values));
    }
    // What is no placeholder cannot be helped, and neither can what was.
    done();
    for (const char* argument : {"2", "3", "9", ""}) {
        refused = client.end_of_last();
        refused.error = Error{ErrorCode::sql, "argument " + std::string(argument), 1414, "42000"};
        client.conversation.on_session(refused);
        CHECK(error_code(client.take()) == 1414);
        client.command(execute_packet(1, values));
        done();
    }
}

TEST_CASE("columns of an execution are called by the text that was prepared") {
    Client client;
    client.log_in();
    client.command("\x16SELECT ?");
    const auto execute = client.engine.last<Execute>();
    client.conversation.on_session(ResultHeader{execute.session, execute.request, {text_column("?")}});
    auto end = client.end_of_last();
    end.parameters = std::uint16_t{1};
    client.conversation.on_session(end);
    (void)client.take_all();
    client.command(execute_packet(1, std::string("\0\1\3\0\7\0\0\0", 8)));
    CHECK(client.engine.last<Execute>().sql == "SELECT  7 ");
    give_rows(client, {"7"});
    const auto answers = client.take_all();
    REQUIRE(answers.size() == 5);
    CHECK(answers[1].find("\1?") != std::string::npos);
    CHECK(answers[1].find("7 ") == std::string::npos);
}

TEST_CASE("who does not read its answers is not read either") {
    ConversationLimits limits;
    limits.output_bytes_high = 1000;
    Client client(limits);
    client.log_in();
    std::string pings;
    for (int i = 0; i < 1000; ++i) pings += std::string("\1\0\0\0\x0e", 5);
    client.conversation.on_bytes(pings);
    CHECK(client.conversation.output().size() < 1100);
    CHECK_FALSE(client.conversation.wants_input());
    std::size_t answers = 0;
    for (int i = 0; i < 1000 && answers < 1000; ++i) {
        answers += client.conversation.output().size() / 11;
        client.conversation.output().clear();
        client.conversation.on_output_taken();
    }
    CHECK(answers == 1000);
    CHECK(client.conversation.wants_input());
}

TEST_CASE("an idle client is left at the wait_timeout that its session has") {
    Client client;
    client.hello("", capability::interactive);
    CHECK(client.engine.last<OpenSession>().interactive);
    SessionOpened opened;
    opened.session = client.engine.last<OpenSession>().session;
    opened.accepted = true;
    opened.wait_timeout_s = 100;
    client.conversation.on_session(opened);
    REQUIRE(client.take()[0] == '\0');
    client.conversation.tick(100'000);
    CHECK_FALSE(client.conversation.closing());
    client.command("\3SET wait_timeout = 10");
    client.conversation.tick(300'000);  // it waits for the server, which is not to be idle
    CHECK_FALSE(client.conversation.closing());
    ResultEnd end = client.end_of_last();
    end.wait_timeout_s = 10;
    client.conversation.on_session(end);
    client.conversation.tick(309'000);
    CHECK_FALSE(client.conversation.closing());
    client.command("\3DO 1");
    client.conversation.on_session(client.end_of_last());
    client.conversation.tick(318'000);
    CHECK_FALSE(client.conversation.closing());
    client.conversation.output().clear();
    client.conversation.tick(320'000);
    CHECK(client.conversation.closing());
    CHECK(client.take_all().empty());
}

TEST_CASE("half a command is not waited for, a slow one is") {
    Client client;
    client.log_in();
    client.conversation.tick(100'000);
    CHECK_FALSE(client.conversation.closing());
    client.conversation.on_bytes(std::string("\x05\0\0\0\3DO", 7));
    client.conversation.tick(125'000);
    client.conversation.on_bytes(" ");
    client.conversation.tick(150'000);
    CHECK_FALSE(client.conversation.closing());
    client.conversation.on_bytes("1");
    CHECK(client.engine.last<Execute>().sql == "DO 1");
    client.conversation.on_bytes(std::string("\x05\0", 2));  // the beginning of the next, while this one runs
    client.conversation.tick(300'000);
    client.conversation.on_session(client.end_of_last());
    client.conversation.tick(301'000);
    CHECK_FALSE(client.conversation.closing());
    client.conversation.output().clear();
    client.conversation.tick(332'000);
    CHECK(client.conversation.closing());
    CHECK(error_code(client.take()) == 1159);
}

TEST_CASE("another user comes with another collation") {
    Client client;
    client.give(hello_of(26, 0));
    open(client);
    CHECK(client.engine.last<OpenSession>().collation == 26);
    CHECK(client.take()[0] == '\0');
    client.command(std::string("\x11other\0\0db\0\x08\0", 13));
    open(client);
    CHECK(client.engine.last<OpenSession>().collation == 8);
}

TEST_CASE("a login whose settings the server refuses has failed") {
    Client client;
    client.give(hello_of(45, capability::ignore_space));
    open(client);
    auto end = client.end_of_last();
    end.error = Error{ErrorCode::sql, "Variable 'sql_mode' can't be set", 1231, "42000"};
    client.conversation.on_session(end);
    CHECK(error_code(client.take()) == 1231);
    CHECK(client.conversation.closing());
}

TEST_CASE("a client that writes spaces before parentheses gets the mode for it") {
    Client client;
    client.give(hello_of(8, capability::ignore_space | capability::compress));
    open(client);
    CHECK(client.take_all().empty());
    CHECK_FALSE(client.conversation.compresses());  // the login is not answered yet
    CHECK(client.engine.last<Execute>().sql.find("IGNORE_SPACE") != std::string::npos);
    client.conversation.on_session(client.end_of_last());
    CHECK(client.take()[0] == '\0');
    CHECK(client.conversation.compresses());
}

TEST_CASE("ends have the form that was agreed") {
    for (const bool deprecated : {false, true}) {
        Client client;
        client.log_in(deprecated ? capability::deprecate_eof : 0u);
        const std::string end = deprecated ? std::string("\xfe\0\0\2\0\0\0", 7) : std::string("\xfe\0\0\2\0", 5);
        client.command(std::string("\x1b\1\0", 3));
        CHECK(client.take() == end);
        client.command(std::string("\4t\0", 3));
        const auto request = client.engine.last<Execute>();
        client.conversation.on_session(ResultHeader{request.session, request.request, {Column{}}});
        client.conversation.on_session(client.end_of_last());
        const auto answers = client.take_all();
        REQUIRE(answers.size() == 2);
        CHECK(answers.back() == end);
    }
}

TEST_CASE("commands that need no state of ours") {
    Client client;
    client.log_in();
    client.command(std::string("\x1c\1\0\0\0\1\0\0\0", 9));
    CHECK(error_code(client.take()) == 1243);
    client.command("\x0a");
    CHECK(client.engine.last<Execute>().sql == "SHOW PROCESSLIST");
}

TEST_CASE("TLS begins where the client asks for it") {
    const std::string request = hello_of(45, capability::ssl).substr(0, 32);
    {
        Client client;  // none is offered
        client.give(request);
        CHECK(error_code(client.take()) == 1043);
        CHECK(client.conversation.closing());
    }
    {
        Client client({}, TlsOffer::offered);
        std::string bytes;
        PacketWriter writer;
        writer.set_sequence(1);
        writer.append(bytes, request);
        client.conversation.on_bytes(bytes + "\x16\x03\x01");
        REQUIRE(client.conversation.wants_tls());
        CHECK(client.conversation.take_unread() == "\x16\x03\x01");
        client.conversation.secured();
        client.sequence = 2;
        client.give(hello_of(45, capability::ssl));
        CHECK(client.engine.last<OpenSession>().user == "user");
        CHECK(client.engine.last<OpenSession>().tls);
    }
    {
        Client client({}, TlsOffer::offered);
        client.give(hello_of(45, 0));
        CHECK(!client.engine.last<OpenSession>().tls);
    }
    {
        Client client({}, TlsOffer::offered);
        client.give(request);
        client.conversation.tick(12'000);  // and then says nothing
        CHECK(client.conversation.closing());
    }
    {
        Client client({}, TlsOffer::required);
        client.give(hello_of(45, 0));
        CHECK(error_code(client.take()) == 3159);
        CHECK(client.conversation.closing());
        CHECK(client.engine.sent.empty());
    }
}

TEST_CASE("a certificate is proven as a server does it") {
    // What a MariaDB 11.8 said to a login with the password "secret".
    const std::string digest(
        "\x5a\x2b\xc7\xb6\xc9\x33\xad\xcf\x4a\x63\xf4\x67\x92\xe6\xef\x57"
        "\x4c\x65\x2c\xab\x29\xee\x27\x2e\x94\xf4\xd7\x1e\xcd\x7b\xa6\x84",
        32);
    CHECK(certificate_proof(kept_hash, "GZpDB^4%\\$921?(IxC%+", digest) ==
          "\x01"
          "D248F8C119F3851133F01566FAC9D56A8C474CFCD1B2E9AB39BBFB06D7D6D18E");
}

TEST_CASE("the proof of its certificate is for who speaks TLS and has a password") {
    const auto info_of_login = [](TlsOffer tls, bool secured, const std::string& token) {
        Client client({}, tls);
        if (secured) {
            client.give(hello_of(45, capability::ssl).substr(0, 32));
            client.conversation.secured();
            client.sequence = 2;
        }
        client.hello(token, secured ? capability::ssl : 0);
        if (!token.empty()) client.conversation.on_account(std::vector<std::string>{kept_hash});
        SessionOpened opened;
        opened.session = client.engine.last<OpenSession>().session;
        opened.accepted = true;
        client.conversation.on_session(opened);
        const std::string packet = client.take();
        REQUIRE(packet.size() >= 7);
        return packet.substr(7);
    };
    const std::string token = storage::native_token(sha1_of_secret, challenge);
    const std::string proof = certificate_proof(kept_hash, challenge, Engine().certificate);
    CHECK(info_of_login(TlsOffer::offered, true, token) == "A" + proof);
    CHECK(info_of_login(TlsOffer::offered, true, "").empty());
    CHECK(info_of_login(TlsOffer::offered, false, token).empty());
}
