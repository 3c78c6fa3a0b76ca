// ddb-bench-load: the same closed loop against a MySQL-protocol server or against ddb's bus. Each client is a thread
// with a connection of its own that sends its next operation when the last is answered. Prints one JSON line.
#include <mysql.h>
#include <zmq.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bus/keys.hpp"
#include "bus/request_client.hpp"
#include "schemas/result.hpp"
#include "schemas/session_messages.hpp"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    std::string target = "mysql";    // a server; or "gateway", "ddb"
    std::vector<std::string> nodes;  // host:port, or paths of sockets
    std::string client_key;
    std::string operation = "update";
    std::string consistency = "strong";
    unsigned clients = 1;
    double seconds = 5;
    double warmup_s = 1;
    unsigned rows = 10'000;
    unsigned timeout_ms = 10'000;
};

enum class Answer { done, retry, failed };

// One client's connection.
class Link {
  public:
    Link() = default;
    virtual ~Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    virtual ddb::Status open() = 0;
    virtual Answer execute(const std::string& sql, std::string& error) = 0;
};

class MysqlLink final : public Link {
  public:
    // `consistency` is a ddb node's; empty for a server.
    MysqlLink(std::string node, std::string consistency)
        : node_(std::move(node)), consistency_(std::move(consistency)), handle_(mysql_init(nullptr)) {}
    ~MysqlLink() override { mysql_close(handle_); }

    ddb::Status open() override {
        const std::size_t colon = node_.rfind(':');
        const bool network = !node_.starts_with('/') && colon != std::string::npos;
        const std::string host = network ? node_.substr(0, colon) : "localhost";
        const unsigned port = network ? static_cast<unsigned>(std::stoul(node_.substr(colon + 1))) : 0;
        const std::string set = "SET ddb_read_consistency = " + consistency_;
        if (mysql_real_connect(handle_, host.c_str(), "bench", "bench", "bench", port,
                               network ? nullptr : node_.c_str(), 0) == nullptr ||
            (!consistency_.empty() && mysql_query(handle_, set.c_str()) != 0)) {
            return ddb::fail(ddb::ErrorCode::io, mysql_error(handle_));
        }
        return ddb::ok();
    }

    Answer execute(const std::string& sql, std::string& error) override {
        if (mysql_real_query(handle_, sql.data(), sql.size()) != 0) {
            error = mysql_error(handle_);
            const unsigned code = mysql_errno(handle_);
            return code == 1213 || code == 1205 || code == 1020 ? Answer::retry : Answer::failed;
        }
        if (MYSQL_RES* result = mysql_store_result(handle_)) mysql_free_result(result);
        return Answer::done;
    }

  private:
    std::string node_;
    std::string consistency_;
    MYSQL* handle_;
};

class DdbLink final : public Link {
  public:
    DdbLink(const Options& options, const ddb::bus::ClientKeys& keys, std::string node, void* context)
        : options_(options), keys_(keys), node_(std::move(node)), context_(context) {}

    ddb::Status open() override {
        auto client =
            ddb::bus::RequestClient::open({.cluster = {}, .nodes = {node_}, .keys = &keys_, .context = context_});
        if (!client) return client.error();
        client_ = std::move(client).value();
        if (auto status = client_->connect(5000); !status) return status.error();
        std::random_device random;
        for (auto& byte : session_.bytes) byte = static_cast<std::uint8_t>(random());
        ddb::OpenSession open{.session = session_,
                              .user = "root",
                              .password = {},
                              .database = "bench",
                              .client = "bench",
                              .read_balance = {},
                              .host = {}};
        if (auto status = client_->send(open); !status) return status.error();
        while (auto message = client_->receive(5000)) {
            const auto* opened = std::get_if<ddb::SessionOpened>(&*message);
            if (opened == nullptr) continue;
            return opened->accepted ? ddb::ok() : ddb::Status(opened->error);
        }
        return ddb::fail(ddb::ErrorCode::timeout, "no answer from " + node_);
    }

    Answer execute(const std::string& sql, std::string& error) override {
        ddb::Execute request;
        request.session = session_;
        request.request = request_ = next(request_);
        request.sql = sql;
        request.consistency = options_.consistency == "local"     ? ddb::Consistency::local
                              : options_.consistency == "session" ? ddb::Consistency::session
                                                                  : ddb::Consistency::strong;
        request.timeout_ms = options_.timeout_ms;
        request.seen = seen_;
        if (auto status = client_->send(request); !status) {
            error = status.error().message;
            return Answer::failed;
        }
        while (auto message = client_->receive(static_cast<int>(options_.timeout_ms) + 1000)) {
            const auto* end = std::get_if<ddb::ResultEnd>(&*message);
            if (end == nullptr || end->request != request_ || end->more) continue;
            seen_ = std::max(seen_, end->index);
            if (!end->error) return Answer::done;
            error = end->error->message;
            const auto code = end->error->mysql_code;
            return code == 1213 || code == 1205 || code == 1020 ? Answer::retry : Answer::failed;
        }
        error = "no answer within the deadline";
        return Answer::failed;
    }

  private:
    const Options& options_;
    const ddb::bus::ClientKeys& keys_;
    std::string node_;
    void* context_;  // one thread of ZeroMQ for all clients, as in an application with many connections
    std::unique_ptr<ddb::bus::RequestClient> client_;
    ddb::SessionId session_;
    ddb::RequestNumber request_;
    ddb::LogIndex seen_;
};

// What one client does again and again.
class Work {
  public:
    Work(const Options& options, unsigned client)
        : options_(options), random_(client * 7919 + 1), row_(1, options.rows) {}

    // The statements of the next operation, in a vector that is reused.
    const std::vector<std::string>& next_operation() {
        statements_.clear();
        if (options_.operation == "update") {
            statements_.push_back(update(row_(random_)));
        } else if (options_.operation == "insert") {
            statements_.push_back("INSERT INTO inserted (v) VALUES ('" + std::string(60, 'x') + "')");
        } else if (options_.operation == "read") {
            statements_.push_back(select(row_(random_)));
        } else {  // transaction: five reads and five updates, in id order so that clients rarely deadlock
            std::vector<unsigned> ids(5);
            for (auto& id : ids) id = row_(random_);
            std::sort(ids.begin(), ids.end());
            statements_.emplace_back("BEGIN");
            for (const unsigned id : ids) {
                statements_.push_back(select(id));
                statements_.push_back(update(id));
            }
            statements_.emplace_back("COMMIT");
        }
        return statements_;
    }

  private:
    std::string update(unsigned id) { return "UPDATE rows_ SET k = k + 1 WHERE id = " + std::to_string(id); }
    std::string select(unsigned id) { return "SELECT v FROM rows_ WHERE id = " + std::to_string(id); }

    const Options& options_;
    std::mt19937 random_;
    std::uniform_int_distribution<unsigned> row_;
    std::vector<std::string> statements_;
};

struct Tally {
    std::vector<std::uint32_t> latencies_us;
    std::uint64_t retries = 0, failures = 0;
    std::string error;  // the last one
};

enum class Phase { warmup, measured, over };

void run_client(Link& link, Work work, const std::atomic<Phase>& phase, Tally& tally) {
    tally.latencies_us.reserve(200'000);
    while (phase.load(std::memory_order_relaxed) != Phase::over) {
        const auto& statements = work.next_operation();
        const auto begin = Clock::now();
        Answer answer = Answer::done;
        for (const auto& sql : statements) {
            answer = link.execute(sql, tally.error);
            if (answer != Answer::done) break;
        }
        if (answer != Answer::done && statements.size() > 1) {
            std::string ignored;
            (void)link.execute("ROLLBACK", ignored);
        }
        if (phase.load(std::memory_order_relaxed) != Phase::measured) continue;
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count();
        if (answer == Answer::done) tally.latencies_us.push_back(static_cast<std::uint32_t>(took));
        if (answer == Answer::retry) ++tally.retries;
        if (answer == Answer::failed && ++tally.failures > 1000) break;  // no tight loop against a dead server
    }
}

std::uint32_t percentile(std::vector<std::uint32_t>& sorted, double share) {
    if (sorted.empty()) return 0;
    const auto last = sorted.size() - 1;
    return sorted[static_cast<std::size_t>(share * static_cast<double>(last))];
}

int report(const Options& options, std::vector<Tally>& tallies, double seconds) {
    std::vector<std::uint32_t> all;
    std::uint64_t retries = 0, failures = 0;
    std::string error;
    for (auto& tally : tallies) {
        all.insert(all.end(), tally.latencies_us.begin(), tally.latencies_us.end());
        retries += tally.retries;
        failures += tally.failures;
        if (!tally.error.empty()) error = tally.error;
    }
    std::sort(all.begin(), all.end());
    const nlohmann::json line = {{"operation", options.operation},
                                 {"clients", options.clients},
                                 {"per_second", static_cast<double>(all.size()) / seconds},
                                 {"p50_us", percentile(all, 0.50)},
                                 {"p99_us", percentile(all, 0.99)},
                                 {"operations", all.size()},
                                 {"retries", retries},
                                 {"failures", failures},
                                 {"last_error", error}};
    std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return all.empty() ? 1 : 0;
}

int run(const Options& options) {
    std::unique_ptr<ddb::bus::ClientKeys> keys;
    if (options.target == "ddb") {
        auto loaded = ddb::bus::load_client_keys(options.client_key);
        if (!loaded) {
            std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
            return 2;
        }
        keys = std::make_unique<ddb::bus::ClientKeys>(loaded.value());
    }
    const std::unique_ptr<void, int (*)(void*)> context(keys ? zmq_ctx_new() : nullptr, zmq_ctx_term);
    std::vector<std::unique_ptr<Link>> links;
    for (unsigned i = 0; i < options.clients; ++i) {
        const auto& node = options.nodes[i % options.nodes.size()];
        if (keys) {
            links.push_back(std::make_unique<DdbLink>(options, *keys, node, context.get()));
        } else {
            const bool server = options.target == "mysql";
            links.push_back(std::make_unique<MysqlLink>(node, server ? std::string() : options.consistency));
        }
    }
    std::vector<Tally> tallies(options.clients);
    std::atomic<Phase> phase{Phase::warmup};
    double measured_s = 0;
    {
        // A link of the bus belongs to the thread that opens it.
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < options.clients; ++i) {
            threads.emplace_back([&, i] {
                if (auto status = links[i]->open(); !status) {
                    tallies[i].error = status.error().message;
                    tallies[i].failures = 1;
                    return;
                }
                run_client(*links[i], Work(options, i), phase, tallies[i]);
            });
        }
        std::this_thread::sleep_for(std::chrono::duration<double>(options.warmup_s));
        const auto begin = Clock::now();
        phase = Phase::measured;
        std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
        phase = Phase::over;
        measured_s = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    return report(options, tallies, measured_s);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("closed-loop load for tools/bench");
    app.add_option("--target", options.target)->check(CLI::IsMember({"mysql", "gateway", "ddb"}));
    app.add_option("--node", options.nodes, "host:port, or the path of a socket; repeatable, clients take turns")
        ->required();
    app.add_option("--client-key", options.client_key, "client.key of the cluster");
    app.add_option("--operation", options.operation)->check(CLI::IsMember({"update", "insert", "read", "transaction"}));
    app.add_option("--consistency", options.consistency)->check(CLI::IsMember({"strong", "session", "local"}));
    app.add_option("--clients", options.clients)->check(CLI::Range(1, 1024));
    app.add_option("--seconds", options.seconds);
    app.add_option("--warmup", options.warmup_s);
    app.add_option("--rows", options.rows);
    CLI11_PARSE(app, argc, argv);
    if (mysql_library_init(0, nullptr, nullptr) != 0) return 1;
    const int status = run(options);
    mysql_library_end();
    return status;
}
