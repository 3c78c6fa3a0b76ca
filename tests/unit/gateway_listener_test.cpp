// The listener with real sockets: TLS, goodbyes, clients that do not play along. The session engine is the test's.
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include "gateway_bytes.hpp"
#include "node/gateway/channel.hpp"
#include "node/gateway/gateway.hpp"

using namespace ddb;
using namespace ddb::gateway;

namespace {

class Host final : public GatewayHost {
  public:
    void on_client_message(const std::string& route, SessionMessage message) override {
        if (auto* open = std::get_if<OpenSession>(&message)) opened.emplace_back(route, open->session);
    }
    void on_client_gone(const std::string& route) override { gone.push_back(route); }
    void ask_account(std::uint64_t /*token*/, const std::string& /*user*/) override {}
    [[nodiscard]] ServerIdentity server() const override { return {"10.11.1-MariaDB"}; }
    void remark(const std::string& line) override { remarks.push_back(line); }

    std::vector<std::pair<std::string, SessionId>> opened;
    std::vector<std::string> gone;
    std::vector<std::string> remarks;
};

// A key and its certificate as PEM files of a directory of their own.
class PemFiles {
  public:
    PemFiles() : directory_(std::filesystem::temp_directory_path() / ("ddb-tls-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(directory_);
        const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(::EVP_EC_gen("P-256"), ::EVP_PKEY_free);
        const std::unique_ptr<X509, void (*)(X509*)> made(::X509_new(), ::X509_free);
        REQUIRE(::ASN1_INTEGER_set(::X509_get_serialNumber(made.get()), 1) == 1);
        (void)::X509_gmtime_adj(::X509_getm_notBefore(made.get()), -60);
        (void)::X509_gmtime_adj(::X509_getm_notAfter(made.get()), 3600);
        REQUIRE(::X509_set_pubkey(made.get(), key.get()) == 1);
        REQUIRE(::X509_sign(made.get(), key.get(), ::EVP_sha256()) > 0);
        write(cert(), [&](BIO* out) { return ::PEM_write_bio_X509(out, made.get()); });
        write(this->key(), [&](BIO* out) {
            return ::PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
        const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> another(::EVP_EC_gen("P-256"), ::EVP_PKEY_free);
        write(other_key(), [&](BIO* out) {
            return ::PEM_write_bio_PrivateKey(out, another.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
    }
    ~PemFiles() { std::filesystem::remove_all(directory_); }
    [[nodiscard]] std::string cert() const { return directory_ / "cert.pem"; }
    [[nodiscard]] std::string key() const { return directory_ / "key.pem"; }
    [[nodiscard]] std::string other_key() const { return directory_ / "other.pem"; }

  private:
    static void write(const std::string& path, const std::function<int(BIO*)>& put) {
        const std::unique_ptr<BIO, int (*)(BIO*)> out(::BIO_new_file(path.c_str(), "w"), ::BIO_free);
        REQUIRE(put(out.get()) == 1);
    }
    std::filesystem::path directory_;
};

// A listener on a port that was free a moment ago, moved by the test's thread.
class Listener {
  public:
    explicit Listener(GatewayOptions options = {}) {
        options.node = NodeId{1};
        options.address = "127.0.0.1";
        for (std::uint16_t tries = 0; !gateway && tries < 50; ++tries) {
            port = options.port = static_cast<std::uint16_t>(20'000 + (::getpid() + tries * 97) % 10'000);
            auto made = Gateway::listen(host, options);
            if (made) gateway = std::move(*made);
        }
        REQUIRE(gateway);
        gateway->tick(now);
    }
    // Until `done`; time for the listener stands still.
    bool run_until(const std::function<bool()>& done, int polls = 1000) const {
        for (int i = 0; i < polls && !done(); ++i) {
            pollfd wait{gateway->fd(), POLLIN, 0};
            if (::poll(&wait, 1, 10) > 0) gateway->on_ready();
        }
        return done();
    }
    void pass(std::uint64_t ms) {
        now += ms;
        gateway->tick(now);
    }
    [[nodiscard]] Descriptor connect() const {
        Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        const timeval limit{10, 0};
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        return socket;
    }
    // What the client is sent until its end, or until that many bytes.
    [[nodiscard]] std::string receive(int fd, std::size_t bytes) const {
        std::string out;
        bool ended = false;
        (void)run_until([&] {
            char block[4096];
            const ssize_t got = ::recv(fd, block, sizeof block, MSG_DONTWAIT);
            if (got > 0) out.append(block, static_cast<std::size_t>(got));
            ended = got == 0 || (got < 0 && errno != EAGAIN);
            if (got < 0 && errno == ECONNRESET) out += "<reset>";
            return ended || out.size() >= bytes;
        });
        return out;
    }

    Host host;
    std::unique_ptr<Gateway> gateway;
    std::uint16_t port = 0;
    std::uint64_t now = 1000;
};

std::string packet(std::uint8_t sequence, std::string_view payload) {
    std::string out;
    PacketWriter writer;
    writer.set_sequence(sequence);
    writer.append(out, payload);
    return out;
}

std::string hello(std::uint32_t more, bool ssl_request) {
    std::string out;
    put_int(out, capability::protocol_41 | capability::secure_connection | more, 4);
    put_int(out, 1u << 24, 4);
    put_int(out, 45, 1);
    out.append(23, '\0');
    return ssl_request ? out : out + std::string("user\0\0", 6);
}

void send_all(int fd, std::string_view bytes) {
    REQUIRE(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

GatewayOptions with_tls(const PemFiles& files) {
    GatewayOptions options;
    options.tls_cert = files.cert();
    options.tls_key = files.key();
    return options;
}

void accept_session(Listener& listener) {
    SessionOpened opened;
    opened.session = listener.host.opened.back().second;
    opened.accepted = true;
    REQUIRE(listener.gateway->deliver(listener.host.opened.back().first, opened).ok());
    listener.gateway->flush();
}

// The client's side of TLS in a thread of its own: logs in, asks for `pings` pings, counts the bytes of the answers.
std::size_t tls_client(int fd, int pings, std::string& problem) {
    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free);
    const std::unique_ptr<SSL, void (*)(SSL*)> tls(::SSL_new(context.get()), ::SSL_free);
    ::SSL_set_fd(tls.get(), fd);
    if (::SSL_connect(tls.get()) != 1) {
        problem = "handshake";
        return 0;
    }
    const auto say = [&](const std::string& bytes) {
        if (::SSL_write(tls.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0) problem = "write";
    };
    say(packet(2, hello(capability::ssl, false)));
    std::size_t seen = 0;
    const auto wait_for = [&](std::size_t bytes) {
        char block[4096];
        while (seen < bytes) {
            const int got = ::SSL_read(tls.get(), block, sizeof block);
            if (got <= 0) return;
            seen += static_cast<std::size_t>(got);
        }
    };
    constexpr std::size_t ok_bytes = 11;
    wait_for(ok_bytes);
    for (int i = 0; i < pings; ++i) say(packet(0, "\x0e"));
    wait_for(ok_bytes * static_cast<std::size_t>(1 + pings));
    say(packet(0, "\x01"));
    wait_for(seen + 1);  // the end: nothing more, said by TLS itself
    if (::SSL_get_shutdown(tls.get()) != SSL_RECEIVED_SHUTDOWN) problem = "no goodbye";
    return seen;
}

}  // namespace

TEST_CASE("a client logs in and works under TLS, another one without") {
    const PemFiles files;
    Listener listener(with_tls(files));
    const Descriptor secure = listener.connect();
    const std::string greeting = listener.receive(secure.get(), 80);
    const std::size_t flags = greeting.find('\0') + 1 + 4 + 8 + 1;
    CHECK((static_cast<unsigned char>(greeting[flags + 1]) & 0x08) != 0);  // CLIENT_SSL
    send_all(secure.get(), packet(1, hello(capability::ssl, true)));
    std::string problem;
    std::size_t seen = 0;
    constexpr int pings = 300;
    std::thread client([&] { seen = tls_client(secure.get(), pings, problem); });
    const bool asked = listener.run_until([&] { return !listener.host.opened.empty(); });
    if (asked) accept_session(listener);
    const bool left = listener.run_until([&] { return listener.gateway->connections() == 0; });
    if (!left) (void)::shutdown(secure.get(), SHUT_RDWR);
    client.join();
    CHECK(asked);
    CHECK(problem.empty());
    CHECK(seen == 11 * (1 + pings));
    CHECK(listener.host.gone.size() == 1);

    const Descriptor plain = listener.connect();
    (void)listener.receive(plain.get(), 80);
    send_all(plain.get(), packet(1, hello(0, false)));
    REQUIRE(listener.run_until([&] { return listener.host.opened.size() == 2; }));
    accept_session(listener);
    CHECK(listener.receive(plain.get(), 11).size() == 11);
    CHECK(listener.host.remarks.empty());
}

TEST_CASE("a handshake that fails or stops ends its client, and the log is told, not flooded") {
    const PemFiles files;
    Listener listener(with_tls(files));
    std::vector<Descriptor> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(listener.connect());
        (void)listener.receive(clients.back().get(), 80);
        // The nonsense comes together with the request.
        send_all(clients.back().get(), packet(1, hello(capability::ssl, true)) + "GET / HTTP/1.1\r\n\r\n");
        (void)listener.receive(clients.back().get(), 1000);
    }
    CHECK(listener.gateway->connections() == 0);
    CHECK(listener.host.opened.empty());
    REQUIRE(listener.host.remarks.size() == 1);
    CHECK(listener.host.remarks[0].find("127.0.0.1") != std::string::npos);

    const Descriptor silent = listener.connect();
    (void)listener.receive(silent.get(), 80);
    send_all(silent.get(), packet(1, hello(capability::ssl, true)));
    (void)listener.run_until([] { return false; }, 20);  // nothing happens to it
    CHECK(listener.gateway->connections() == 1);
    listener.pass(11'000);
    CHECK(listener.receive(silent.get(), 1).empty());
    CHECK(listener.gateway->connections() == 0);
    REQUIRE(listener.host.remarks.size() == 2);
    CHECK(listener.host.remarks[1].find("2 such lines") != std::string::npos);
}

TEST_CASE("certificates that are none are refused with the setting's name") {
    const PemFiles files;
    Host host;
    GatewayOptions options = with_tls(files);
    options.address = "127.0.0.1";
    for (const auto& [cert, key, name] :
         {std::tuple<std::string, std::string, std::string>(files.key(), files.key(), "gateway.tls_cert"),
          {files.cert(), files.other_key(), "gateway.tls_key"},
          {files.cert(), files.cert(), "gateway.tls_key"}}) {
        options.tls_cert = cert;
        options.tls_key = key;
        const auto made = Gateway::listen(host, options);
        REQUIRE_FALSE(made.ok());
        CHECK(made.error().message.starts_with(name + ": found "));
        CHECK(made.error().message.find("expected a PEM file") != std::string::npos);
    }
}

TEST_CASE("the last word reaches a client that is still talking, its session ends at once") {
    Listener listener;
    const Descriptor client = listener.connect();
    (void)listener.receive(client.get(), 80);
    send_all(client.get(), std::string("\xff\xff\xff\1", 4) + std::string(200'000, 'x'));
    REQUIRE(listener.run_until([&] { return listener.host.gone.size() == 1; }));
    send_all(client.get(), std::string(100'000, 'x'));
    (void)listener.run_until([] { return false; }, 20);
    const std::string said = listener.receive(client.get(), 1000);
    CHECK(said.find("#08S01Got a packet bigger") != std::string::npos);
    CHECK(said.find("<reset>") == std::string::npos);
    CHECK(listener.gateway->connections() == 1);
    listener.pass(6'000);
    CHECK(listener.gateway->connections() == 0);
    CHECK(listener.host.gone.size() == 1);
}

TEST_CASE("a client that reads nothing for minutes is let go") {
    Listener listener;
    const Descriptor client = listener.connect();
    (void)listener.receive(client.get(), 80);
    send_all(client.get(), packet(1, hello(0, false)));
    REQUIRE(listener.run_until([&] { return !listener.host.opened.empty(); }));
    accept_session(listener);
    std::string pings;
    for (int i = 0; i < 10'000; ++i) pings += packet(0, "\x0e");
    // Until neither side takes more; every packet whole.
    std::size_t sent = 0;
    int refused = 0;
    REQUIRE(listener.run_until(
        [&] {
            const ssize_t now =
                ::send(client.get(), pings.data() + sent, pings.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (now > 0) sent = (sent + static_cast<std::size_t>(now)) % pings.size();
            refused = now > 0 ? 0 : refused + 1;
            return refused >= 50;
        },
        10'000));
    for (int i = 0; i < 29; ++i) {
        listener.pass(10'000);
        (void)listener.run_until([] { return false; }, 2);
    }
    CHECK(listener.gateway->connections() == 1);
    for (int i = 0; i < 3; ++i) listener.pass(10'000);
    CHECK(listener.gateway->connections() == 0);
}

TEST_CASE("without descriptors clients wait, and the loop does not spin") {
    Listener listener;
    const Descriptor first = listener.connect();
    const Descriptor second = listener.connect();
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = ::dup(first.get());
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    listener.gateway->on_ready();
    pollfd wait{listener.gateway->fd(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, 0);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(ready == 0);
    CHECK(listener.gateway->connections() == 0);
    REQUIRE(listener.host.remarks.size() == 1);
    listener.pass(100);
    CHECK(listener.receive(second.get(), 80).size() > 60);
    CHECK(listener.gateway->connections() == 2);
}

TEST_CASE("a listener that ends closes its connections, and says nothing that was not asked for") {
    Listener listener;
    const Descriptor client = listener.connect();
    (void)listener.receive(client.get(), 80);
    send_all(client.get(), packet(1, hello(0, false)));
    REQUIRE(listener.run_until([&] { return !listener.host.opened.empty(); }));
    accept_session(listener);
    CHECK(listener.receive(client.get(), 11).size() == 11);
    listener.gateway.reset();
    char block[200];
    CHECK(::recv(client.get(), block, sizeof block, 0) == 0);
}

TEST_CASE("a client that asked for compression speaks in frames behind its login") {
    Listener listener;
    const Descriptor client = listener.connect();
    (void)listener.receive(client.get(), 80);
    send_all(client.get(), packet(1, hello(capability::compress, false)));
    REQUIRE(listener.run_until([&] { return !listener.host.opened.empty(); }));
    accept_session(listener);
    CHECK(listener.receive(client.get(), 11).size() == 11);  // in no frame
    const auto frame = [](std::uint8_t number, std::string_view content) {
        return le(content.size(), 3) + le(number, 1) + le(0, 3) + std::string(content);
    };
    const std::string ok = packet(1, le(0, 3) + le(2, 2) + le(0, 2));
    send_all(client.get(), frame(0, packet(0, "\x0e")));
    CHECK(listener.receive(client.get(), 18) == frame(1, ok));
    // In two frames, the second one compressed; the number of the packet in it is no concern of ours.
    const std::string ping = packet(7, "\x0e");
    std::string small(100, '\0');
    uLongf size = small.size();
    REQUIRE(::compress(reinterpret_cast<Bytef*>(small.data()), &size, reinterpret_cast<const Bytef*>(ping.data() + 2),
                       ping.size() - 2) == Z_OK);
    small.resize(size);
    send_all(client.get(), frame(0, ping.substr(0, 2)) + le(size, 3) + le(1, 1) + le(ping.size() - 2, 3) + small);
    CHECK(hex(listener.receive(client.get(), 18)).substr(0, 14) ==
          hex(frame(2, packet(8, std::string(7, '\0')))).substr(0, 14));
    // What cannot be expanded ends the connection.
    send_all(client.get(), le(3, 3) + le(0, 1) + le(100, 3) + "abc");
    CHECK(listener.receive(client.get(), 1).empty());
    REQUIRE(listener.run_until([&] { return listener.gateway->connections() == 0; }));
}
