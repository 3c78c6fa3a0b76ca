#include "tests/fuzz/conversation_fuzz.hpp"

#include <algorithm>
#include <deque>

#include "node/gateway/conversation.hpp"

namespace ddb::fuzz {
namespace {

using namespace gateway;

constexpr std::size_t output_high = 2000;
constexpr std::size_t answer_bytes_max = 60'000;  // of one command here: 4096 parameters are described, and some rows

class Engine final : public ConversationHost {
  public:
    void send(SessionMessage message) override { asked.push_back(std::move(message)); }
    void ask_account(const std::string& /*user*/) override { account_asked = true; }
    [[nodiscard]] SessionId new_session() override {
        SessionId session;
        session.bytes[0] = ++sessions_;
        return session;
    }
    [[nodiscard]] std::string new_challenge() override { return std::string(scramble_bytes, 'c'); }
    [[nodiscard]] const LoginKey* login_key() const override {
        static const LoginKey key = LoginKey::make().value();
        return sha2 ? &key : nullptr;
    }
    [[nodiscard]] const std::string& certificate_digest() const override { return certificate_; }
    [[nodiscard]] KnownPasswords& known_passwords() override { return passwords_; }
    [[nodiscard]] std::string peer_name() const override { return "192.0.2.1"; }
    [[nodiscard]] std::uint16_t peer_port() const override { return 40000; }
    [[nodiscard]] bool peer_is_elsewhere() const override { return true; }
    Status kill(const KillRequest& /*request*/, const std::string& /*by*/) override { return ok(); }

    std::deque<SessionMessage> asked;
    bool account_asked = false;
    bool sha2 = false;

  private:
    KnownPasswords passwords_;
    std::uint8_t sessions_ = 0;
    std::string certificate_ = std::string(32, '\x17');
};

// One answer: with columns and rows, with an error, or plain, as the statement's length has it.
void answer(Conversation& conversation, const Execute& execute) {
    const std::size_t choice = execute.sql.size() % 5;
    ResultEnd end;
    end.session = execute.session;
    end.request = execute.request;
    end.status_flags = choice == 4 ? 0x0200 : 2;  // no backslash escapes
    if (execute.describe && choice != 3) end.parameters = static_cast<std::uint16_t>(execute.sql.size() % 3);
    if (choice == 1) end.error = Error{ErrorCode::sql, "no", 1064, "42000"};
    if (choice >= 2) {
        Column column;
        column.name = "c";
        column.type = static_cast<std::uint8_t>(choice == 2 ? 253 : 3);
        if (choice == 2) column.format_name = "json";
        conversation.on_session(ResultHeader{execute.session, execute.request, {column, column}});
        if (!execute.describe) {
            conversation.on_session(ResultRows{execute.session, execute.request, 2,
                                               std::string("\1"
                                                           "1\xfb\1"
                                                           "2\1"
                                                           "3",
                                                           7)});
        }
    }
    conversation.on_session(end);
}

void work(Engine& engine, Conversation& conversation) {
    if (std::exchange(engine.account_asked, false)) {
        conversation.on_account(std::vector<std::string>{std::string(20, 'h')});
    }
    while (!engine.asked.empty()) {
        const SessionMessage message = std::move(engine.asked.front());
        engine.asked.pop_front();
        if (const auto* open = std::get_if<OpenSession>(&message)) {
            SessionOpened opened;
            opened.session = open->session;
            opened.accepted = open->user != "refused";
            conversation.on_session(opened);
        } else if (const auto* execute = std::get_if<Execute>(&message)) {
            answer(conversation, *execute);
        }
    }
}

std::string packet(std::uint8_t sequence, std::string_view payload) {
    std::string out;
    PacketWriter writer;
    writer.set_sequence(sequence);
    writer.append(out, payload);
    return out;
}

std::string hello() {
    std::string out;
    put_int(out, capability::protocol_41 | capability::secure_connection | capability::multi_statements, 4);
    put_int(out, 1u << 24, 4);
    put_int(out, 45, 1);
    out.append(19, '\0');
    put_int(out, capability::extended_metadata >> 32, 4);
    return packet(1, out + std::string("user\0\0", 6));
}

}  // namespace

void converse(std::uint8_t choice, std::string_view bytes) {
    ConversationLimits limits;
    limits.packet_bytes_max = 4096;
    limits.prepared_bytes_max = 4096;
    limits.output_bytes_high = output_high;
    Engine engine;
    engine.sha2 = choice % 16 >= 8;
    Conversation conversation(engine, limits, 7, {"10.11.1-MariaDB", choice % 8 < 4},
                              choice % 4 == 1 ? TlsOffer::offered : TlsOffer::none);
    std::uint64_t now = 1000;
    conversation.tick(now);
    conversation.output().clear();
    if (choice % 2 == 0) conversation.on_bytes(hello());
    work(engine, conversation);
    const std::size_t cut = 1 + choice / 4u;
    while (!bytes.empty() && !conversation.closing()) {
        const std::string_view part = bytes.substr(0, cut);
        bytes.remove_prefix(part.size());
        conversation.on_bytes(part);
        work(engine, conversation);
        if (conversation.wants_tls()) {
            (void)conversation.take_unread();
            conversation.secured();
        }
        // The client reads nothing until it is not read itself.
        DDB_ASSERT(conversation.output().size() < output_high + answer_bytes_max);
        while (!conversation.closing() && !conversation.wants_input()) {
            const bool full = conversation.output().size() >= output_high;
            DDB_ASSERT(full || !conversation.logged_in());
            if (!full) break;  // a login that waits
            conversation.output().clear();
            conversation.on_output_taken();
            conversation.on_output_drained();
            work(engine, conversation);
        }
    }
    // Whatever it was, a client that stops here is not waited for for ever, but for one between two commands.
    conversation.output().clear();
    conversation.on_output_taken();
    work(engine, conversation);
    conversation.output().clear();
    for (int i = 0; i < 5; ++i) {
        conversation.tick(now += 15'000);
        if (std::exchange(engine.account_asked, false)) conversation.on_account(std::vector<std::string>{});
    }
    DDB_ASSERT(conversation.closing() || conversation.logged_in());
}

std::string conversation_seed() {
    const auto command = [](std::string_view payload) { return packet(0, payload); };
    using namespace std::string_view_literals;
    return command("\3SELECT 1; SELECT 22") + command("\2db") + command("\4t\0"sv) + command("\x09") + command("\x0e") +
           command("\x16SELECT ?, ?"sv) + command("\x18\1\0\0\0\0\0long"sv) +
           command("\x17\1\0\0\0\0\1\0\0\0\0\1\xfc\0\x08\0\1\0\0\0\0\0\0\0"sv) + command("\x1a\1\0\0\0"sv) +
           command("\x1c\1\0\0\0\1\0\0\0"sv) + command("\x19\1\0\0\0"sv) + command("\x1b\0\0"sv) + command("\x1f") +
           command("\x0c\1\0\0\0"sv) + command("\3KILL QUERY 1073741999") +
           command("\x11user\0\0db\0\x1a\0mysql_native_password\0"sv) + command("\1");
}

}  // namespace ddb::fuzz
