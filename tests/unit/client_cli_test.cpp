// ddb-cli as a program, against a node that is a script behind a real socket.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "bus/envelope.hpp"
#include "client_support.hpp"
#include "tests/unit/temporary_dir.hpp"

using namespace ddb;
using namespace ddb::client::test;
using nlohmann::json;

namespace {

class ScriptedNode {
  public:
    ScriptedNode() : context_(zmq_ctx_new()), router_(zmq_socket(context_, ZMQ_ROUTER)) {
        const int zero = 0;
        zmq_setsockopt(router_, ZMQ_LINGER, &zero, sizeof zero);
        REQUIRE(zmq_bind(router_, "tcp://127.0.0.1:*") == 0);
        std::array<char, 64> endpoint{};
        std::size_t size = endpoint.size();
        REQUIRE(zmq_getsockopt(router_, ZMQ_LAST_ENDPOINT, endpoint.data(), &size) == 0);
        address = std::string(endpoint.data()).substr(6);
        thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
    }
    ~ScriptedNode() {
        thread_.request_stop();
        thread_.join();
        zmq_close(router_);
        zmq_ctx_term(context_);
    }
    ScriptedNode(const ScriptedNode&) = delete;
    ScriptedNode& operator=(const ScriptedNode&) = delete;

    std::string address;

  private:
    void serve(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            zmq_pollitem_t item{router_, 0, ZMQ_POLLIN, 0};
            if (zmq_poll(&item, 1, 20) <= 0) continue;
            std::string route(256, '\0');
            std::string bytes(1 << 20, '\0');
            route.resize(static_cast<std::size_t>(zmq_recv(router_, route.data(), route.size(), 0)));
            bytes.resize(static_cast<std::size_t>(zmq_recv(router_, bytes.data(), bytes.size(), 0)));
            const auto envelope = bus::open_sealed(bytes, "", bus::Key{});
            if (!envelope) continue;
            auto message = decode(envelope->kind, envelope->payload);
            if (!message) continue;
            route_ = route;
            std::visit([this](const auto& m) { on(m); }, std::get<SessionMessage>(*message));
        }
    }

    void reply(const SessionMessage& message) {
        bus::Envelope envelope;
        envelope.cluster = "scripted";
        envelope.kind = kind_of(message);
        const std::string payload = encode(message);
        envelope.payload = payload;
        const std::string sealed = bus::seal(envelope, bus::ChecksumKind::blake2b, bus::Key{});
        zmq_send(router_, route_.data(), route_.size(), ZMQ_SNDMORE);
        zmq_send(router_, sealed.data(), sealed.size(), 0);
    }

    void on(const OpenSession& open) {
        SessionOpened opened;
        opened.session = open.session;
        opened.accepted = open.password == "right";
        opened.error = Error{ErrorCode::sql, "Access denied", 1045, "28000"};
        opened.node = NodeId{2};
        reply(opened);
    }
    void on(const Execute& execute) {
        if (execute.sql.starts_with("silence")) return;
        ResultEnd end;
        end.session = execute.session;
        end.request = execute.request;
        end.node = NodeId{2};
        end.coordinator = NodeId{3};
        end.status_flags = 2;
        if (execute.sql.starts_with("select")) {
            reply(ResultHeader{execute.session, execute.request, {column("n", 3, 63), column("t", 253)}});
            ResultRows rows = chunk({{"1", "a"}, {"2", std::nullopt}});
            rows.session = execute.session;
            rows.request = execute.request;
            reply(rows);
            end.rows = 2;
        } else if (execute.sql.starts_with("insert")) {
            end.txn = TxnId{Epoch{7}, 12};
            end.outcome.affected_rows = 1;
            end.replicated_on = end.members = 3;
            end.redirected = true;
        } else if (execute.sql.starts_with("noquorum")) {
            end.error = fail(ErrorCode::no_quorum, "no majority");
        } else if (execute.sql.starts_with("doubt")) {
            end.error = fail(ErrorCode::unknown_outcome, "who knows");
        } else {
            end.error = Error{ErrorCode::sql, "You have an error", 1064, "42000"};
        }
        reply(end);
    }
    void on(const VerbRequest& verb) {
        VerbReply answer{verb.id, std::nullopt, {}};
        if (verb.verb == "health") answer.json = R"({"healthy":false,"reason":"alone","nodes":[{"id":2}]})";
        if (verb.verb == "nodes") answer.json = R"({"nodes":[{"id":2,"address":"h","port":1}]})";
        if (answer.json.empty()) answer.error = fail(ErrorCode::invalid_argument, "unknown verb");
        reply(answer);
    }
    template <class M>
    void on(const M&) {}

    void* context_;
    void* router_;
    std::string route_;
    std::jthread thread_;
};

struct Ran {
    int status = -1;
    std::string out, err;
};

std::string read_all(std::FILE* file) {
    std::string text;
    std::rewind(file);
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file)) text.append(buffer.data(), got);
    (void)std::fclose(file);
    return text;
}

// `interrupt_ms`: SIGINT after that time.
Ran run(std::vector<std::string> arguments, const std::string& input = {}, int interrupt_ms = 0) {
    std::FILE* in = std::tmpfile();
    std::FILE* out = std::tmpfile();
    std::FILE* err = std::tmpfile();
    REQUIRE((in != nullptr && out != nullptr && err != nullptr));
    (void)std::fwrite(input.data(), 1, input.size(), in);
    std::rewind(in);
    arguments.insert(arguments.begin(), DDB_CLI_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(::fileno(in), 0);
        ::dup2(::fileno(out), 1);
        ::dup2(::fileno(err), 2);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    if (interrupt_ms > 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(interrupt_ms));
        ::kill(pid, SIGINT);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    (void)std::fclose(in);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_all(out), read_all(err)};
}

std::vector<std::string> at(const ScriptedNode& node, std::vector<std::string> more) {
    std::vector<std::string> all{"-h", node.address, "--insecure", "-pright", "--timeout", "2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

}  // namespace

TEST_CASE("ddb-cli prints results on standard output and exits as promised") {
    const ScriptedNode node;
    Ran ran = run(at(node, {"-e", "select 1; select 2"}));
    CHECK(ran.status == 0);
    CHECK(ran.out == "n\tt\n1\ta\n2\tNULL\nn\tt\n1\ta\n2\tNULL\n");
    CHECK(ran.err.empty());

    ran = run(at(node, {"--format", "table", "-e", "insert into t values (1)"}));
    CHECK(ran.status == 0);
    CHECK(ran.out.find("node 2, coordinator 3, TXN-7-12, replicated on 3 of 3 nodes\n") != std::string::npos);
    CHECK(ran.err == "redirecting to coordinator 3\n");

    ran = run(at(node, {"--format", "json"}), "select 1;\nwrong;\nselect 2;");
    CHECK(ran.status == 1);
    CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 2);
    CHECK(json::parse(ran.out.substr(ran.out.find('\n')))["error"]["code"] == 1064);
    CHECK(ran.err == "ERROR 1064 (42000) at line 2: You have an error\n");

    ran = run(at(node, {"--force", "-N"}), "wrong; select 1;");
    CHECK(ran.status == 1);
    CHECK(ran.out == "1\ta\n2\tNULL\n");

    CHECK(run(at(node, {"-e", "noquorum"})).status == 4);
    ran = run(at(node, {"-e", "doubt"}));
    CHECK(ran.status == 5);
    CHECK(ran.err.find("ddb-cli txn REQ-") != std::string::npos);
}

TEST_CASE("ddb-cli and what goes wrong before any statement") {
    const ScriptedNode node;
    CHECK(run({"-h", node.address, "--insecure", "-pwrong", "-e", "select 1"}).status == 1);
    const Ran nobody = run({"-h", "127.0.0.1:1", "--insecure", "--timeout", "1", "-e", "select 1"});
    CHECK(nobody.status == 3);
    CHECK(nobody.err.find("127.0.0.1:1") != std::string::npos);
    CHECK(run({"--format", "xml"}).status == 2);
    CHECK(run({"--help"}).status == 0);
    CHECK(run(at(node, {}), "source /nowhere.sql;\n").status == 2);
    CHECK(run(at(node, {}), "").status == 0);
}

TEST_CASE("ddb-cli is interrupted") {
    const ScriptedNode node;
    CHECK(run(at(node, {"--timeout", "20", "-e", "silence"}), {}, 500).status == 130);
}

// The shell on a terminal of its own.
class Terminal {
  public:
    Terminal(std::vector<std::string> arguments, const std::string& home) {
        arguments.insert(arguments.begin(), DDB_CLI_PROGRAM);
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        pid_ = ::forkpty(&fd_, nullptr, nullptr, nullptr);
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::setenv("HOME", home.c_str(), 1);
            ::setenv("TERM", "dumb", 1);
            ::setenv("LC_ALL", "C.UTF-8", 1);
            ::execv(argv[0], argv.data());
            ::_exit(127);
        }
    }
    ~Terminal() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(fd_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(const std::string& text) {
        REQUIRE(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    // Everything shown since the last call, up to `what`.
    bool shows(const std::string& what) {
        for (int tries = 0; tries < 100; ++tries) {
            const std::size_t found = seen_.find(what);
            if (found != std::string::npos) {
                seen_.erase(0, found + what.size());
                return true;
            }
            pollfd item{fd_, POLLIN, 0};
            if (::poll(&item, 1, 100) <= 0) continue;
            std::array<char, 4096> buffer{};
            const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
            if (got <= 0) break;
            seen_.append(buffer.data(), static_cast<std::size_t>(got));
        }
        WARN("not shown: " << what << "; seen: " << seen_);
        return false;
    }
    int wait() {
        int status = 0;
        REQUIRE(::waitpid(pid_, &status, 0) == pid_);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

  private:
    int fd_ = -1;
    pid_t pid_ = -1;
    std::string seen_;
};

TEST_CASE("the shell on a terminal") {
    const ScriptedNode node;
    const ddb::test::TemporaryDir directory;
    const std::string& home = directory.path();
    {
        Terminal shell(at(node, {}), home);
        CHECK(shell.shows("Connected to node 2"));
        CHECK(shell.shows("ddb [(none)]> "));
        shell.type("select 1,\n");
        CHECK(shell.shows("    -> "));
        shell.type("'\xC3\xA9' ;\n");
        CHECK(shell.shows("2 rows in set ("));
        CHECK(shell.shows("node 2, coordinator 3"));
        shell.type("insert into t values (1);\n");
        CHECK(shell.shows("redirecting to coordinator 3"));
        CHECK(shell.shows("TXN-7-12, replicated on 3 of 3 nodes"));
        shell.type("select 1\\G\n");
        CHECK(shell.shows("1. row"));
        shell.type("create user u identified by 'secret';\n");
        CHECK(shell.shows("ERROR 1064"));
        shell.type("select 'open\n");
        CHECK(shell.shows("    '> "));
        shell.type("\x03");  // Ctrl-C
        CHECK(shell.shows("ddb [(none)]> "));
        shell.type(":info\n");
        CHECK(shell.shows("Node:          2"));
        shell.type(":node\n");
        CHECK(shell.shows("This session is at node 2"));
        shell.type("\\! ls\n");
        CHECK(shell.shows("starts no other programs"));
        shell.type("\\P cat -n\n");
        CHECK(shell.shows("through 'cat -n'"));
        shell.type("select 1;\n");
        CHECK(shell.shows("1\t+"));
        shell.type(":exit\n");
        CHECK(shell.shows("Bye"));
        CHECK(shell.wait() == 0);
    }
    const std::string history = home + "/.ddb_history";
    struct stat info {};
    REQUIRE(::stat(history.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777u) == 0600u);
    const std::string text = read_all(std::fopen(history.c_str(), "r"));
    CHECK(text.find("insert") != std::string::npos);
    CHECK(text.find("secret") == std::string::npos);
    CHECK(::unlink(history.c_str()) == 0);
    CHECK(::rmdir(home.c_str()) == 0);
}

TEST_CASE("ddb-cli verbs") {
    const ScriptedNode node;
    Ran ran = run(at(node, {"health"}));
    CHECK(ran.status == 4);
    CHECK(ran.out == "name\tvalue\nhealthy\tfalse\nreason\talone\nid\n2\n");
    ran = run(at(node, {"nodes", "--format", "json"}));
    CHECK(ran.status == 0);
    CHECK(json::parse(ran.out)["nodes"][0]["id"] == 2);
    ran = run(at(node, {"audit"}));
    CHECK(ran.status == 2);
    CHECK(ran.err == "ERROR: audit: unknown verb\n");
}
