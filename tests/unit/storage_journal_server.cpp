// The managed server: initialisation, take-over of a survivor, supervision, errors in words.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <fstream>
#include <future>

#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

namespace {

std::unique_ptr<ManagedServer> start(const ManagedOptions& options, ManagedServer::OnExit on_exit = nullptr) {
    auto server = ManagedServer::start(options, std::move(on_exit));
    if (!server.ok()) FAIL(server.error().message);
    return std::move(server).value();
}

std::unique_ptr<Connection> open(const ConnectOptions& options) {
    auto connection = Connection::open(options);
    if (!connection.ok()) FAIL(connection.error().message);
    return std::move(connection).value();
}

}  // namespace

TEST_CASE("a fresh server has its accounts, its settings and nothing else") {
    TemporaryDir dir;
    const ManagedOptions options = small_server(dir.path() + "/mysql");
    auto server = start(options);
    CHECK(server->fresh());
    CHECK(server->is_mariadb());
    auto connection = open(service_account(*server, options));
    auto accounts = connection->rows("SELECT User, Host FROM mysql.global_priv ORDER BY User");
    REQUIRE(accounts.ok());
    std::string list;
    for (const auto& row : *accounts) list += *row[0] + "@" + *row[1] + " ";
    CHECK(list == "ddb@localhost mariadb.sys@localhost root@localhost ");
    CHECK(*connection->scalar("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'test'") == "0");
    CHECK(*connection->scalar("SELECT @@gtid_binlog_state") == "");
    auto settings = connection->scalar(
        "SELECT CONCAT(@@binlog_row_image, @@innodb_snapshot_isolation, @@innodb_force_primary_key, @@server_id,"
        " @@event_scheduler, @@skip_networking, @@max_connections)");
    REQUIRE(settings.ok());
    CHECK(settings->value() == "FULLONON1OFFON2600");
    auto no_key = connection->execute("CREATE TABLE mysql.x (a INT) ENGINE=InnoDB");
    REQUIRE_FALSE(no_key.ok());
    CHECK(no_key.error().mysql_code == 1173);

    struct stat info {};
    REQUIRE(::stat(options.dir.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    CHECK(::access((options.dir + "/init.sql").c_str(), F_OK) != 0);
    const auto pid = static_cast<pid_t>(server->pid());
    server->stop();
    CHECK_FALSE(server->running());
    CHECK(::kill(pid, 0) != 0);
}

#ifndef __SANITIZE_THREAD__  // which does not follow threads that a forked process starts
TEST_CASE("a server that its node left behind is replaced quickly and keeps its data") {
    TemporaryDir dir;
    const ManagedOptions options = small_server(dir.path() + "/mysql");
    // A process that starts the server and dies without a word, as a killed node does.
    int pipe_fds[2];
    REQUIRE(::pipe(pipe_fds) == 0);
    const pid_t node = ::fork();
    REQUIRE(node >= 0);
    if (node == 0) {
        auto server = ManagedServer::start(options, nullptr);
        std::uint64_t pid = 0;
        if (server.ok()) {
            auto connection = Connection::open(service_account(**server, options));
            const std::vector<std::string> fill{"CREATE DATABASE t", "CREATE TABLE t.a (id INT PRIMARY KEY)",
                                                "INSERT INTO t.a VALUES (1), (2)"};
            if (connection.ok() && (*connection)->execute_all(fill).ok()) pid = (*server)->pid();
        }
        (void)!::write(pipe_fds[1], &pid, sizeof pid);
        ::_exit(0);
    }
    std::uint64_t orphan = 0;
    REQUIRE(::read(pipe_fds[0], &orphan, sizeof orphan) == sizeof orphan);
    ::waitpid(node, nullptr, 0);
    REQUIRE(orphan != 0);
    REQUIRE(::kill(static_cast<pid_t>(orphan), 0) == 0);

    const auto begin = std::chrono::steady_clock::now();
    auto server = start(options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    WARN("take-over took " << took.count() << " s");
    CHECK(server->pid() != orphan);
    CHECK_FALSE(server->fresh());
    CHECK(server->notes().size() == 1);
    auto connection = open(service_account(*server, options));
    CHECK(*connection->scalar("SELECT COUNT(*) FROM t.a") == "2");
    server->kill();
    CHECK(ManagedServer::wipe(options.dir).ok());
    CHECK(::access((options.dir + "/data").c_str(), F_OK) != 0);
}
#endif

TEST_CASE("a lock that a killed server left on its socket does not stand in the way, whoever has its process id") {
    TemporaryDir dir;
    const ManagedOptions options = small_server(dir.path() + "/mysql");
    auto server = start(options);
    const std::string lock = server->endpoint().socket + ".lock";
    server->kill();
    const std::string own = std::to_string(::getpid());
    std::ofstream(lock) << own << '\n';
    server = start(options);
    CHECK(open(service_account(*server, options))->scalar("SELECT 1").ok());
    std::string held;
    std::ifstream(lock) >> held;  // MariaDB has no such file
    CHECK(held != own);
}

TEST_CASE("the end of the server is reported once, and the next start changes the password") {
    TemporaryDir dir;
    ManagedOptions options = small_server(dir.path() + "/mysql");
    std::promise<std::string> ended;
    auto server = start(options, [&](const std::string& reason) { ended.set_value(reason); });
    REQUIRE(::kill(static_cast<pid_t>(server->pid()), SIGKILL) == 0);
    auto reason = ended.get_future();
    REQUIRE(reason.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
    CHECK(reason.get().find("killed by signal 9") != std::string::npos);
    CHECK_FALSE(server->running());
    server.reset();
    options.service_password = "another";
    server = start(options, [](const std::string&) { FAIL("not asked for"); });
    (void)open(service_account(*server, options));
}

TEST_CASE("a deep directory moves the socket, a second start in a used directory takes over") {
    TemporaryDir dir;
    const ManagedOptions options = small_server(dir.path() + "/" + std::string(120, 'd') + "/mysql");
    auto server = start(options);
    REQUIRE(server->notes().size() == 1);
    CHECK(server->endpoint().socket.size() < 108);
    CHECK(server->endpoint().socket.rfind("/tmp/ddb-", 0) == 0);
    (void)open(service_account(*server, options));
    server->stop();
    std::error_code ignored;
    std::filesystem::remove_all(std::filesystem::path(server->endpoint().socket).parent_path(), ignored);
}

TEST_CASE("a server that works is waited for when it starts, one that does nothing is not") {
    TemporaryDir dir;
    ManagedOptions options = small_server(dir.path() + "/mysql");
    start(options)->stop();
    // In front of the server: what takes as long as recovery behind a crash may, and what hangs.
    const std::string program = dir.path() + "/slow-mariadbd";
    const auto write_program = [&](const std::string& first) {
        std::ofstream(program) << "#!/bin/sh\n"
                               << R"(case "$*" in *--version*) ;; *) )" << first << " ;; esac\n"
                               << "PATH=$PATH:/usr/local/sbin:/usr/sbin exec mariadbd \"$@\"\n";
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    };
    options.program = program;
    options.start_timeout_ms = 2000;
    const std::string busy =
        "read up rest </proc/uptime; end=$((${up%.*} + 6));"
        " while [ ${up%.*} -lt $end ]; do read up rest </proc/uptime; done";
    SECTION("it works") {
        write_program(busy);
        auto server = start(options);
        (void)open(service_account(*server, options));
    }
    SECTION("it hangs") {
        write_program("exec sleep 100");
        auto server = ManagedServer::start(options, nullptr);
        REQUIRE_FALSE(server.ok());
        CHECK(server.error().message.find("has done nothing for it in the last 2000 ms") != std::string::npos);
    }
    SECTION("nobody waits for it any more") {
        write_program(busy);
        options.given_up = [] { return true; };
        auto server = ManagedServer::start(options, nullptr);
        REQUIRE_FALSE(server.ok());
        CHECK(server.error().code == ErrorCode::shutting_down);
    }
}

TEST_CASE("what is wrong is said in words") {
    TemporaryDir dir;
    ManagedOptions options = small_server(dir.path() + "/mysql");
    options.start_timeout_ms = 90'000;

    SECTION("port in use") {
        const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener, 1) == 0);
        socklen_t length = sizeof address;
        REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0);
        options.tcp_port = ntohs(address.sin_port);
        auto server = ManagedServer::start(options, nullptr);
        REQUIRE_FALSE(server.ok());
        CHECK(server.error().message.find("port " + std::to_string(options.tcp_port) + " is in use") !=
              std::string::npos);
        ::close(listener);
    }
    SECTION("program missing") {
        options.program = "/nowhere/mariadbd";
        auto server = ManagedServer::start(options, nullptr);
        REQUIRE_FALSE(server.ok());
        CHECK(server.error().message == "mysql.server: /nowhere/mariadbd is not an executable file");
    }
    SECTION("not a database server") {
        options.program = "/bin/false";
        auto server = ManagedServer::start(options, nullptr);
        REQUIRE_FALSE(server.ok());
        CHECK(server.error().message.find("/bin/false exited with status 1") != std::string::npos);
    }
    SECTION("directory is a file") {
        std::FILE* file = std::fopen(options.dir.c_str(), "w");
        std::fclose(file);
        auto server = ManagedServer::start(options, nullptr);
        REQUIRE_FALSE(server.ok());
        CHECK(server.error().message.find("not a directory") != std::string::npos);
    }
    SECTION("data directory without a database") {
        std::filesystem::create_directories(options.dir + "/data");
        auto server = ManagedServer::start(options, nullptr);
        REQUIRE_FALSE(server.ok());
        CHECK(server.error().code == ErrorCode::corrupt);
    }
    SECTION("full disk") {
        const std::string small = dir.path() + "/small";
        std::filesystem::create_directory(small);
        if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=20m") != 0) {
            WARN("tmpfs cannot be mounted here: " << std::strerror(errno));
            return;
        }
        options.dir = small + "/mysql";
        auto server = ManagedServer::start(options, nullptr);
        CHECK_FALSE(server.ok());
        if (!server.ok()) {
            INFO(server.error().message);
            CHECK(server.error().message.find("no space left on the disk") != std::string::npos);
        }
        ::umount(small.c_str());
    }
}
