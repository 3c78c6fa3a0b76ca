// Logins where the server keeps passwords as caching_sha2_password: the client's own side is done by OpenSSL here.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <catch2/catch.hpp>

#include "tests/unit/gateway_support.hpp"

using namespace ddb;
using namespace ddb::gateway;

namespace {

const LoginKey& key() {
    static const LoginKey made = LoginKey::make().value();
    return made;
}

std::string xored(std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i)
        text[i] = static_cast<char>(text[i] ^ challenge[i % challenge.size()]);
    return text;
}

std::string encrypted(const std::string& text, const std::string& pem) {
    const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                     BIO_free);
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> theirs(
        PEM_read_bio_PUBKEY(memory.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    REQUIRE(theirs != nullptr);
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(EVP_PKEY_CTX_new(theirs.get(), nullptr),
                                                                         EVP_PKEY_CTX_free);
    REQUIRE(EVP_PKEY_encrypt_init(context.get()) == 1);
    REQUIRE(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1);
    std::string out(256, '\0');
    std::size_t size = out.size();
    const auto* from = reinterpret_cast<const unsigned char*>(text.data());
    REQUIRE(EVP_PKEY_encrypt(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, from, text.size()) ==
            1);
    out.resize(size);
    return out;
}

// A client that was asked for its password.
struct Asked : Client {
    explicit Asked(TlsOffer tls = TlsOffer::none) : Client({}, tls) {
        engine.key = &key();
        hello(std::string(32, 'x'));
        CHECK(take() == std::string(1, '\xfe') + std::string(sha2_plugin) + '\0' + challenge + '\0');  // it said native
        give(std::string(32, 'y'));
        CHECK(take() == "\x01\x04");
    }
    void want_key() {
        give("\x02");
        const std::string packet = take();
        REQUIRE(packet.starts_with("\x01-----BEGIN PUBLIC KEY-----"));
        pem = packet.substr(1);
    }
    std::string pem;
};

std::string sha256(const std::string& text) {
    std::string out(32, '\0');
    unsigned int size = 0;
    REQUIRE(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_sha256(),
                       nullptr) == 1);
    return out;
}

// What a client of caching_sha2_password answers to the challenge.
std::string answer(const std::string& password) {
    std::string out = sha256(password);
    const std::string mask = sha256(sha256(out) + challenge);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ mask[i]);
    return out;
}

// A client that has been told which plugin it is.
struct Switched : Client {
    Switched() {
        engine.key = &key();
        hello(std::string(32, 'x'));
        take();
    }
    void verdict(bool accepted) {
        SessionOpened opened;
        opened.session = engine.last<OpenSession>().session;
        opened.accepted = accepted;
        if (!accepted) opened.error = Error{ErrorCode::sql, "Access denied", 1045, "28000"};
        conversation.on_session(opened);
    }
};

}  // namespace

TEST_CASE("a password that the server took is not asked for again") {
    Switched client;
    client.give(answer("geheim"));
    CHECK(client.take() == "\x01\x04");
    client.give(std::string("geheim") + '\0');
    CHECK(client.engine.passwords.size() == 0);
    client.verdict(true);
    CHECK(client.engine.passwords.size() == 1);
    CHECK(client.engine.passwords.proven_by("user", answer("geheim"), challenge) == "geheim");
    CHECK_FALSE(client.engine.passwords.proven_by("user", answer("anders"), challenge));
    CHECK_FALSE(client.engine.passwords.proven_by("user", answer("geheim"), std::string(20, 'z')));
    CHECK_FALSE(client.engine.passwords.proven_by("else", answer("geheim"), challenge));
    CHECK_FALSE(client.engine.passwords.proven_by("user", "", challenge));
}

TEST_CASE("who proves a password that is known is told so, behind the server's word") {
    Switched client;
    client.engine.passwords.keep("user", "geheim");
    client.engine.passwords.keep("user", "neu");
    client.give(answer("geheim"));
    CHECK(client.take_all().empty());
    CHECK(client.engine.last<OpenSession>().password == "geheim");
    client.verdict(true);
    const auto all = client.take_all();
    REQUIRE(all.size() == 2);
    CHECK(all[0] == "\x01\x03");
    CHECK(all[1][0] == '\0');
    client.command("\x1f");  // COM_RESET_CONNECTION
    client.verdict(true);
    CHECK(client.take_all().size() == 1);
}

TEST_CASE("a known password that the server takes no more is forgotten") {
    Switched client;
    client.engine.passwords.keep("user", "geheim");
    client.give(answer("geheim"));
    client.verdict(false);
    CHECK(error_code(client.take()) == 1045);
    CHECK(client.engine.passwords.size() == 0);
    Switched other;
    other.engine.passwords.keep("user", "geheim");
    other.give(answer("anders"));
    CHECK(other.take() == "\x01\x04");
}

TEST_CASE("passwords that were not used for long are forgotten") {
    KnownPasswords passwords;
    for (std::size_t i = 0; i <= KnownPasswords::passwords_max; ++i) {
        passwords.keep("u" + std::to_string(i), "geheim");
        if (i > 0) CHECK(passwords.proven_by("u0", answer("geheim"), challenge));
    }
    passwords.keep("u0", "geheim");
    CHECK(passwords.size() == KnownPasswords::passwords_max);
    CHECK_FALSE(passwords.proven_by("u1", answer("geheim"), challenge));
    CHECK(passwords.proven_by("u2", answer("geheim"), challenge));
}

TEST_CASE("a password encrypted for our key is the session's") {
    Asked client;
    client.want_key();
    client.give(encrypted(xored(std::string("geheim") + '\0'), client.pem));
    CHECK(client.engine.asked.empty());
    CHECK(client.engine.last<OpenSession>().password == "geheim");
    SessionOpened refused;
    refused.session = client.engine.last<OpenSession>().session;
    refused.error = Error{ErrorCode::sql, "Access denied", 1045, "28000"};
    client.conversation.on_session(refused);
    CHECK(error_code(client.take()) == 1045);
}

TEST_CASE("a password that cannot be read is denied") {
    const auto denied = [](const std::string& packet) {
        Asked client;
        client.want_key();
        client.give(packet);
        CHECK(error_code(client.take()) == 1045);
        CHECK(client.engine.sent.empty());
        CHECK(client.conversation.closing());
    };
    denied("");
    denied("\x02");  // once is enough
    denied(std::string("geheim") + '\0');
    denied(std::string(256, 'x'));
    denied(std::string(100'000, 'x'));
    denied(encrypted(xored("no zero"), key().public_pem()));
    denied(encrypted(xored(std::string("a\0b\0", 4)), key().public_pem()));
    denied(encrypted("", key().public_pem()));
}

TEST_CASE("a password that comes as it is, is taken: the client decided so") {
    Asked client;
    client.give(std::string("geheim") + '\0');
    CHECK(client.engine.last<OpenSession>().password == "geheim");
    Asked wrong;
    wrong.give("geheim");
    CHECK(error_code(wrong.take()) == 1045);
}

TEST_CASE("a reset goes back to the collation that MySQL begins with, not to the one of the login") {
    Asked client;
    client.give(std::string("geheim") + '\0');
    SessionOpened opened;
    opened.session = client.engine.last<OpenSession>().session;
    opened.accepted = true;
    CHECK(client.engine.last<OpenSession>().collation == 45);
    client.conversation.on_session(opened);
    CHECK(client.take()[0] == '\0');
    client.command("\x1f");  // COM_RESET_CONNECTION
    CHECK(client.engine.last<OpenSession>().session != opened.session);
    CHECK(client.engine.last<OpenSession>().password == "geheim");
    CHECK(client.engine.last<OpenSession>().collation == 255);
}

TEST_CASE("no password is for the server to judge, and who never answers is refused") {
    Client client;
    client.engine.key = &key();
    client.hello("");
    client.take();  // asks for its own plugin: the client said another
    client.give(std::string(1, '\0'));
    CHECK(client.engine.last<OpenSession>().password.empty());
    Asked slow;
    slow.conversation.tick(1000);
    slow.conversation.tick(12'000);
    CHECK(error_code(slow.take()) == 1159);
}

TEST_CASE("keys differ, and only theirs opens what was encrypted for it") {
    const auto other = LoginKey::make();
    REQUIRE(other);
    CHECK(other->public_pem() != key().public_pem());
    const std::string packet = encrypted(xored(std::string("pw") + '\0'), key().public_pem());
    CHECK(key().password_in(packet, challenge) == "pw");
    CHECK_FALSE(other->password_in(packet, challenge));
    CHECK_FALSE(key().password_in(packet, std::string(20, 'z')) == "pw");
    CHECK(password_of(std::string("pw") + '\0') == "pw");
    CHECK_FALSE(password_of("pw"));
    CHECK_FALSE(password_of(""));
}
