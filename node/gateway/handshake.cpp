#include "node/gateway/handshake.hpp"

#include "node/gateway/packets.hpp"

namespace ddb::gateway {
namespace {

constexpr std::size_t attributes_max = 128;
constexpr std::size_t attribute_bytes_max = 64u << 10;
constexpr std::size_t first_part_bytes = 8;
constexpr std::size_t ssl_request_bytes = 32;

Error bad_handshake() {
    return Error{ErrorCode::invalid_argument, "Bad handshake", 1043, "08S01"};
}

bool decode_attributes(FieldReader& fields, std::map<std::string, std::string>& out) {
    const auto all = fields.lenenc_string();
    if (!all || all->size() > attribute_bytes_max) return false;
    FieldReader rest(*all);
    while (!rest.empty()) {
        const auto name = rest.lenenc_string();
        const auto value = rest.lenenc_string();
        if (!name || !value) return false;
        if (out.size() < attributes_max) out.emplace(*name, *value);
    }
    return true;
}

// The last text of a packet may lack its zero.
std::string text_of(FieldReader& fields) {
    if (const auto text = fields.zero_terminated()) return std::string(*text);
    return std::string(fields.bytes(fields.rest().size()).value_or(""));
}

std::optional<std::string_view> auth_of(FieldReader& fields, std::uint64_t capabilities) {
    if ((capabilities & capability::plugin_auth_lenenc) != 0) return fields.lenenc_string();
    if ((capabilities & capability::secure_connection) == 0) return fields.zero_terminated();
    const auto length = fields.integer(1);
    if (!length) return std::nullopt;
    return fields.bytes(static_cast<std::size_t>(*length));
}

}  // namespace

std::string encode_greeting(const ServerGreeting& greeting) {
    DDB_ASSERT(greeting.scramble.size() == scramble_bytes);
    std::string out(1, 10);
    out += greeting.version;
    out.push_back('\0');
    put_int(out, greeting.connection_id, 4);
    out += greeting.scramble.substr(0, first_part_bytes);
    out.push_back('\0');
    put_int(out, greeting.capabilities & 0xffff, 2);
    put_int(out, greeting.charset, 1);
    put_int(out, greeting.status_flags, 2);
    put_int(out, greeting.capabilities >> 16, 2);
    put_int(out, scramble_bytes + 1, 1);
    out.append(6, '\0');
    put_int(out, greeting.capabilities >> 32, 4);
    out += greeting.scramble.substr(first_part_bytes);
    out.push_back('\0');
    out += greeting.plugin;
    out.push_back('\0');
    return out;
}

Result<ClientHello> decode_hello(std::string_view payload, std::uint64_t offered) {
    ClientHello hello;
    FieldReader fields(payload);
    const auto capabilities = fields.integer(4);
    const auto packet_max = fields.integer(4);
    const auto charset = fields.integer(1);
    constexpr std::size_t filler_bytes = 19;
    const auto filler = fields.bytes(filler_bytes);
    const auto of_mariadb = fields.integer(4);
    if (!capabilities || !packet_max || !charset || !filler || !of_mariadb) return bad_handshake();
    hello.capabilities = *capabilities;
    if ((hello.capabilities & capability::long_password) == 0) hello.capabilities |= *of_mariadb << 32;
    hello.packet_bytes_max = static_cast<std::uint32_t>(*packet_max);
    hello.charset = static_cast<std::uint8_t>(*charset);
    if ((hello.capabilities & capability::protocol_41) == 0) return bad_handshake();
    if ((hello.capabilities & capability::ssl) != 0 && payload.size() == ssl_request_bytes) {
        hello.ssl_request = true;
        return hello;
    }
    const std::uint64_t agreed = hello.capabilities & offered;
    const auto user = fields.zero_terminated();
    const auto auth = user ? auth_of(fields, agreed) : std::nullopt;
    if (!auth) return bad_handshake();
    hello.user = *user;
    hello.auth = *auth;
    if ((agreed & capability::connect_with_db) != 0 && !fields.empty()) hello.database = text_of(fields);
    if ((agreed & capability::plugin_auth) != 0 && !fields.empty()) hello.plugin = text_of(fields);
    if ((agreed & capability::connect_attrs) != 0 && !fields.empty() && !decode_attributes(fields, hello.attributes)) {
        return bad_handshake();
    }
    return hello;
}

std::string encode_auth_switch(std::string_view plugin, std::string_view scramble) {
    std::string out(1, '\xfe');
    out += plugin;
    out.push_back('\0');
    out += scramble;
    out.push_back('\0');
    return out;
}

Result<ChangeUser> decode_change_user(std::string_view payload, std::uint64_t capabilities) {
    ChangeUser change;
    FieldReader fields(payload);
    const auto user = fields.zero_terminated();
    // Its length is one byte here in any case.
    const auto auth = user ? auth_of(fields, capabilities & ~std::uint64_t{capability::plugin_auth_lenenc})
                           : std::optional<std::string_view>();
    const auto database = auth ? fields.zero_terminated() : std::optional<std::string_view>();
    if (!database) return bad_handshake();
    change.user = *user;
    change.auth = *auth;
    change.database = *database;
    if (const auto charset = fields.integer(2)) change.charset = static_cast<std::uint16_t>(*charset);
    if ((capabilities & capability::plugin_auth) != 0 && !fields.empty()) change.plugin = text_of(fields);
    if ((capabilities & capability::connect_attrs) != 0 && !fields.empty() &&
        !decode_attributes(fields, change.attributes)) {
        return bad_handshake();
    }
    return change;
}

}  // namespace ddb::gateway
