// Where MySQL clients connect to, with real sockets: paths of this host, and the network.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "node/gateway/listener.hpp"
#include "temporary_dir.hpp"

using namespace ddb;
using namespace ddb::gateway;
namespace fs = std::filesystem;

namespace {

Descriptor connect_to(const std::string& path) {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    const bool connected = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    return connected ? std::move(socket) : Descriptor();
}

// As a node that was killed leaves it.
void leave_behind(const std::string& path) {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("a client of this host is accepted by a path, whoever it runs as") {
    const test::TemporaryDir dir;
    const std::string path = dir.path() + "/sock";
    auto listener = Listener::on_path(path);
    REQUIRE(listener.ok());
    CHECK(listener->local());
    CHECK((fs::status(path).permissions() & fs::perms::mask) == fs::perms::all);
    CHECK(listener->accept().socket.get() < 0);
    const Descriptor client = connect_to(path);
    REQUIRE(client.get() >= 0);
    const Listener::Accepted accepted = listener->accept();
    CHECK(accepted.socket.get() >= 0);
    CHECK(accepted.peer == "localhost");
}

TEST_CASE("a path goes with its listener, but not one that was put in its place") {
    const test::TemporaryDir dir;
    const std::string path = dir.path() + "/sock";
    {
        const auto listener = Listener::on_path(path);
        REQUIRE(listener.ok());
    }
    CHECK_FALSE(fs::exists(path));
    {
        const auto listener = Listener::on_path(path);
        REQUIRE(listener.ok());
        REQUIRE(fs::remove(path));
        std::ofstream(path) << "mine";
    }
    CHECK(fs::file_size(path) == 4);
}

TEST_CASE("a path that nobody listens on is taken over, any other is left alone") {
    const test::TemporaryDir dir;
    const std::string path = dir.path() + "/sock";
    leave_behind(path);
    REQUIRE(connect_to(path).get() < 0);
    {
        const auto first = Listener::on_path(path);
        REQUIRE(first.ok());
        const auto second = Listener::on_path(path);
        REQUIRE_FALSE(second.ok());
        CHECK(second.error().message == "gateway.socket: cannot listen on " + path +
                                            ": another process listens there; choose another path, or none");
        CHECK(connect_to(path).get() >= 0);
    }
    std::ofstream(path) << "mine";
    const auto file = Listener::on_path(path);
    REQUIRE_FALSE(file.ok());
    CHECK(file.error().message.find("it is a file, not a socket") != std::string::npos);
    CHECK(fs::file_size(path) == 4);
}

TEST_CASE("a path that cannot be one is named with the reason") {
    const test::TemporaryDir dir;
    const auto nowhere = Listener::on_path(dir.path() + "/none/sock");
    REQUIRE_FALSE(nowhere.ok());
    CHECK(nowhere.error().message.find("/none/sock: No such file or directory; choose another path") !=
          std::string::npos);
    const auto longer = Listener::on_path(dir.path() + "/" + std::string(socket_path_bytes_max, 'x'));
    REQUIRE_FALSE(longer.ok());
    CHECK(longer.error().message.find("it has more than 107 bytes") != std::string::npos);
}

TEST_CASE("the kernel lets go of a client that is gone without a word, also while an answer is on its way") {
    const auto listener = Listener::on_network("127.0.0.1", 0);
    REQUIRE(listener.ok());
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listener->fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const Listener::Accepted accepted = listener->accept();
    REQUIRE(accepted.socket.get() >= 0);
    const auto option = [&](int level, int name) {
        int value = 0;
        socklen_t bytes = sizeof value;
        REQUIRE(::getsockopt(accepted.socket.get(), level, name, &value, &bytes) == 0);
        return value;
    };
    constexpr int soon_s = 180;
    CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) < soon_s);
    CHECK(option(IPPROTO_TCP, TCP_USER_TIMEOUT) > 0);
    CHECK(option(IPPROTO_TCP, TCP_USER_TIMEOUT) < soon_s * 1000);
}
