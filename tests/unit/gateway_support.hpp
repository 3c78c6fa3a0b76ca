// One MySQL client's conversation, with the session engine and the client played by the test.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "node/gateway/conversation.hpp"
#include "node/storage/native_password.hpp"

namespace ddb::gateway {

inline const std::string challenge = "abcdefghijABCDEFGHIJ";
inline const std::string sha1_of_secret =
    "\xe5\xe9\xfa\x1b\xa3\x1e\xcd\x1a\xe8\x4f\x75\xca\xaa\x47\x4f\x3a\x66\x3f\x05\xf4";
inline const std::string kept_hash = *storage::kept_hash_of("*14E65567ABDB5135D0CFD9A70B3032C179A49EE7");

class Engine final : public ConversationHost {
  public:
    void send(SessionMessage message) override { sent.push_back(std::move(message)); }
    void ask_account(const std::string& user) override { asked.push_back(user); }
    [[nodiscard]] SessionId new_session() override {
        SessionId session;
        session.bytes[0] = ++sessions;
        return session;
    }
    [[nodiscard]] std::string new_challenge() override {
        return challenges++ == 0 ? challenge : std::string(challenge.size(), 'z');
    }
    [[nodiscard]] const LoginKey* login_key() const override { return key; }
    [[nodiscard]] const std::string& certificate_digest() const override { return certificate; }
    [[nodiscard]] KnownPasswords& known_passwords() override { return passwords; }
    [[nodiscard]] std::string peer_name() const override { return "192.0.2.1"; }
    [[nodiscard]] std::uint16_t peer_port() const override { return port; }
    [[nodiscard]] bool peer_is_elsewhere() const override { return port != 0; }
    Status kill(const KillRequest& request, const std::string& by) override {
        kills.emplace_back(request.connection_id, request.query_only, by);
        if (by == "app") return ok();
        return Error{ErrorCode::sql, "no", 1095, "HY000"};
    }

    template <class T>
    [[nodiscard]] const T& last() const {
        REQUIRE_FALSE(sent.empty());
        REQUIRE(std::holds_alternative<T>(sent.back()));
        return std::get<T>(sent.back());
    }

    std::vector<SessionMessage> sent;
    std::vector<std::string> asked;
    std::vector<std::tuple<std::uint64_t, bool, std::string>> kills;
    std::uint8_t sessions = 0;
    int challenges = 0;
    const LoginKey* key = nullptr;
    std::string certificate = std::string(32, '\x17');
    KnownPasswords passwords;
    std::uint16_t port = 0;
};

class Client {
  public:
    explicit Client(ConversationLimits limits = {}, TlsOffer tls = TlsOffer::none, bool extended_metadata = false)
        : conversation(engine, limits, first_connection_id + 7, {"10.11.1-MariaDB", extended_metadata}, tls) {
        conversation.tick(1000);
        greeting = take();
    }
    // Everything sent since the last call, as payloads.
    std::vector<std::string> take_all() {
        PacketReader reader(1u << 26);
        std::string& out = conversation.output();
        std::vector<std::string> payloads;
        if (out.empty()) return payloads;
        reader.expect(static_cast<std::uint8_t>(out[3]));
        reader.feed(out);
        out.clear();
        for (auto payload = reader.next(); payload.ok() && *payload; payload = reader.next()) {
            payloads.push_back(**payload);
            sequence = reader.next_sequence();
        }
        return payloads;
    }
    std::string take() {
        auto all = take_all();
        REQUIRE(all.size() == 1);
        return all.front();
    }
    void give(std::string_view payload) {
        std::string out;
        PacketWriter writer;
        writer.set_sequence(sequence);
        writer.append(out, payload);
        conversation.on_bytes(out);
    }
    void command(std::string_view payload) {
        sequence = 0;
        give(payload);
    }
    void hello(const std::string& token, std::uint64_t more = 0, std::uint8_t collation = 45) {
        std::string out;
        put_int(out,
                capability::protocol_41 | capability::secure_connection | capability::plugin_auth |
                    capability::connect_with_db | capability::session_track | more,
                4);
        put_int(out, 1u << 24, 4);
        put_int(out, collation, 1);
        out.append(19, '\0');
        put_int(out, more >> 32, 4);
        out += std::string("user") + '\0';
        out.push_back(static_cast<char>(token.size()));
        out += token + "db" + '\0' + std::string(native_plugin) + '\0';
        give(out);
    }
    void log_in(std::uint64_t more = 0) {
        hello("", more);
        SessionOpened opened;
        opened.session = engine.last<OpenSession>().session;
        opened.accepted = true;
        conversation.on_session(opened);
        REQUIRE(take()[0] == '\0');
    }
    [[nodiscard]] ResultEnd end_of_last() {
        const auto& execute = engine.last<Execute>();
        ResultEnd end;
        end.session = execute.session;
        end.request = execute.request;
        end.status_flags = 2;
        end.database = "db";
        return end;
    }

    Engine engine;
    Conversation conversation;
    std::string greeting;
    std::uint8_t sequence = 0;
};

inline std::uint16_t error_code(const std::string& payload) {
    REQUIRE(payload.size() > 3);
    REQUIRE(payload[0] == '\xff');
    return static_cast<std::uint16_t>(static_cast<unsigned char>(payload[1]) | static_cast<unsigned char>(payload[2])
                                                                                   << 8);
}

}  // namespace ddb::gateway
