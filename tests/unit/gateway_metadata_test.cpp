// What a client is told of its columns beyond their types, when it asked for it at its login.
#include "tests/unit/gateway_support.hpp"

using namespace ddb;
using namespace ddb::gateway;

namespace {

// Where it stands in the column's description: between its names and its numbers.
const std::string told("\1j\0\6\1\4json\x0c", 10);
const std::string told_nothing("\1j\0\0\x0c", 5);
const std::string untold("\1j\0\x0c", 4);

Column json_column(const std::string& format) {
    Column column;
    column.name = "j";
    column.type = 252;
    column.format_name = format;
    return column;
}

// The command's answer, of a result with that column.
std::vector<std::string> answers(Client& client, std::string_view command, const std::string& format,
                                 std::uint16_t parameters = 0) {
    client.command(command);
    const auto request = client.engine.last<Execute>();
    client.conversation.on_session(ResultHeader{request.session, request.request, {json_column(format)}});
    auto end = client.end_of_last();
    if (request.describe) end.parameters = parameters;
    client.conversation.on_session(end);
    return client.take_all();
}

bool any_has(const std::vector<std::string>& payloads, const std::string& bytes) {
    for (const std::string& payload : payloads) {
        if (payload.find(bytes) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("the greeting offers what is MariaDB's own when the server does") {
    const auto flags = [](const std::string& greeting, std::size_t at) {
        FieldReader fields(std::string_view(greeting).substr(greeting.find('\0') + 1 + 13 + at));
        return *fields.integer(4);
    };
    // Lower flags, the character set and the status; behind 8 bytes MariaDB's own flags.
    Client with({}, TlsOffer::none, true);
    CHECK((flags(with.greeting, 0) & capability::long_password) == 0);
    CHECK(flags(with.greeting, 14) == (capability::extended_metadata | capability::bulk_operations) >> 32);
    Client without;
    CHECK((flags(without.greeting, 0) & capability::long_password) != 0);
    CHECK(flags(without.greeting, 14) == 0);
}

TEST_CASE("every description of a column tells what the client asked for, and no other") {
    const std::string prepare = "\x16SELECT j FROM t WHERE j = ?";
    const std::string execute("\x17\1\0\0\0\0\1\0\0\0\1\1", 12);
    const std::string with_cursor("\x17\1\0\0\0\1\1\0\0\0\1\1", 12);
    const std::string parameter("\1?\0\0\x0c", 5);
    for (const bool offered : {false, true}) {
        for (const bool asked : {false, true}) {
            INFO("offered " << offered << ", asked " << asked);
            Client client({}, TlsOffer::none, offered);
            client.log_in(asked ? capability::extended_metadata : 0);
            const bool agreed = offered && asked;
            CHECK(any_has(answers(client, "\3SELECT j FROM t", "json"), agreed ? told : untold));
            CHECK(any_has(answers(client, "\3SELECT j FROM t", ""), agreed ? told_nothing : untold));
            CHECK(any_has(answers(client, std::string("\4t\0", 3), "json"), agreed ? told : untold));
            const auto prepared = answers(client, prepare, "json", 1);
            CHECK(any_has(prepared, agreed ? told : untold));
            CHECK(any_has(prepared, parameter) == agreed);
            CHECK(any_has(answers(client, execute + std::string("\6\0", 2), "json"), agreed ? told : untold));
            CHECK(any_has(answers(client, with_cursor + std::string("\6\0", 2), "json"), agreed ? told : untold));
        }
    }
}

TEST_CASE("a client that says it knows no capabilities of MariaDB's is told nothing of them") {
    Client client({}, TlsOffer::none, true);
    client.log_in(capability::extended_metadata | capability::long_password);
    CHECK(any_has(answers(client, "\3SELECT j FROM t", "json"), untold));
}
