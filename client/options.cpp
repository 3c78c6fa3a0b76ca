#include "client/options.hpp"

#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

constexpr double timeout_seconds_max = 86'400;
constexpr double audit_timeout_s = 3600;
constexpr std::array<std::string_view, 10> verbs{"status", "nodes",  "health",   "txn",   "step-down",
                                                 "add",    "remove", "snapshot", "audit", "trace"};
constexpr const char* description =
    "SQL for a ddb cluster, and its cluster verbs.\n"
    "Without a host the nodes are found by themselves. Standard input is read when it is no terminal and -e is not "
    "given.\n"
    "Verbs: status, nodes, health, txn ID, step-down, add ADDR, remove ID, snapshot, audit, trace TXN";
constexpr const char* exit_text =
    "Exit status: 0 done, 1 SQL error, 2 usage, 3 cannot connect, 4 no quorum or timed out before anything happened,\n"
    "5 outcome unknown, 130 interrupted.\n"
    "Environment: DDB_PASSWORD, DDB_CLIENT_KEY (file), DDB_KEY_DIR (directory of client.key), DDB_DISCOVERY_PORT, "
    "NO_COLOR.\n";

struct RawOptions {
    Options options;
    std::string format;
    std::string consistency = "strong";
    std::string read_balance;
    std::string write_concern = "majority";
    std::string nodes;
    double timeout_s = 10;
    bool version = false;
    bool help = false;
    std::vector<std::string> words;
};

// Options that take the next argument, which may then look like anything, `-p` included.
bool takes_value(const std::string& argument) {
    static constexpr std::array<std::string_view, 19> names{"-h",
                                                            "--host",
                                                            "-P",
                                                            "--port",
                                                            "--nodes",
                                                            "-u",
                                                            "--user",
                                                            "-D",
                                                            "--database",
                                                            "-e",
                                                            "--execute",
                                                            "--format",
                                                            "--consistency",
                                                            "--read-balance",
                                                            "--write-concern",
                                                            "--timeout",
                                                            "--key",
                                                            "--cluster",
                                                            "--discovery-port"};
    return std::find(names.begin(), names.end(), argument) != names.end();
}

// As with the mysql client a password is attached or asked for, never the next argument.
std::vector<std::string> take_password(const std::vector<std::string>& arguments, Options& options) {
    std::vector<std::string> rest;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "--") {
            rest.insert(rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
            break;
        }
        if (argument == "-p" || argument == "--password") {
            options.ask_password = true;
        } else if (argument.starts_with("--password=")) {
            options.password = argument.substr(11);
        } else if (argument.starts_with("-p")) {
            options.password = argument.substr(2);
        } else {
            rest.push_back(argument);
            if (takes_value(argument) && i + 1 < arguments.size()) rest.push_back(arguments[++i]);
        }
    }
    return rest;
}

void declare(CLI::App& app, RawOptions& raw) {
    Options& o = raw.options;
    app.set_help_flag();
    // The last one counts, so that a script's arguments can be overridden.
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.add_flag("--help", raw.help, "Print this help and exit");
    app.add_flag("-V,--version", raw.version, "Print the version and exit");
    app.add_option("-h,--host", o.host, "Node to connect to: HOST or HOST:PORT");
    app.add_option("-P,--port", o.port, "Port of the node")->capture_default_str()->check(CLI::Range(1, 65535));
    app.add_option("--nodes", raw.nodes, "Nodes to try: HOST:PORT,HOST:PORT");
    app.add_option("-u,--user", o.user, "Database user (default: name of the system user)");
    app.add_option("-D,--database", o.database, "Database to use");
    app.add_option("-e,--execute", o.execute, "SQL to execute; may be repeated")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false);
    app.add_option("--format", raw.format,
                   "table, tsv, vertical, csv, json or ndjson (default: table on a terminal, else tsv)");
    app.add_option("--consistency", raw.consistency, "Of reads: strong, session or local")->capture_default_str();
    app.add_option("--read-balance", raw.read_balance,
                   "Where reads run: off (on the node's server), round_robin or least_loaded (on those of all nodes); "
                   "default: as the node is configured");
    app.add_option("--write-concern", raw.write_concern, "majority or all")->capture_default_str();
    app.add_option("--timeout", raw.timeout_s, "Seconds a statement may take before it answers; an audit has 3600")
        ->capture_default_str();
    app.add_flag("-N,--skip-column-names", o.skip_column_names, "No header line");
    app.add_flag("-w,--watch", o.watch, "status, nodes, health: once a second, until interrupted");
    app.add_flag("-f,--force", o.force, "Go on after an SQL error");
    app.add_option("--key", o.key_file, "Key file of the cluster's clients (client.key)");
    app.add_flag("--insecure", o.insecure, "For a cluster that runs without keys: no encryption, no authentication");
    app.add_option("--cluster", o.cluster, "Name of the cluster, where several are known");
    app.add_option("--discovery-port", o.discovery_port, "UDP port of the nodes' beacons (default 6100)")
        ->check(CLI::Range(1, 65535));
    app.add_option("words", raw.words, "Verb and its arguments")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->option_text(" ")
        ->type_name("");
    // NOLINTNEXTLINE: footer takes its text by value
    app.footer("\n-p[PASSWORD], --password[=PASSWORD]  Password; asked for when not attached\n\n" +
               std::string(exit_text));
}

std::string system_user() {
    const passwd* entry = ::getpwuid(::geteuid());
    return entry != nullptr ? entry->pw_name : "root";
}

Status check_choices(RawOptions& raw) {
    Options& o = raw.options;
    if (!raw.format.empty()) {
        o.format = parse_format(raw.format);
        if (!o.format)
            return fail(ErrorCode::invalid_argument,
                        "--format is '" + raw.format + "'; expected table, tsv, vertical, csv, json or ndjson");
    }
    if (raw.consistency == "session") {
        o.consistency = Consistency::session;
    } else if (raw.consistency == "local") {
        o.consistency = Consistency::local;
    } else if (raw.consistency != "strong") {
        return fail(ErrorCode::invalid_argument,
                    "--consistency is '" + raw.consistency + "'; expected strong, session or local");
    }
    if (!raw.read_balance.empty()) {
        o.read_balance = read_balance_of(raw.read_balance);
        if (!o.read_balance)
            return fail(ErrorCode::invalid_argument,
                        "--read-balance is '" + raw.read_balance + "'; expected off, round_robin or least_loaded");
    }
    if (raw.write_concern == "all") {
        o.write_concern = WriteConcern::all;
    } else if (raw.write_concern != "majority") {
        return fail(ErrorCode::invalid_argument,
                    "--write-concern is '" + raw.write_concern + "'; expected majority or all");
    }
    if (!std::isfinite(raw.timeout_s) || raw.timeout_s <= 0 || raw.timeout_s > timeout_seconds_max) {
        return fail(ErrorCode::invalid_argument, "--timeout must lie above 0 and be at most 86400 seconds");
    }
    o.timeout_ms = std::max(1U, static_cast<std::uint32_t>(raw.timeout_s * 1000));
    return ok();
}

Status check_addresses(RawOptions& raw) {
    Options& o = raw.options;
    std::vector<std::string> given = split_list(raw.nodes, ',');
    if (!o.host.empty()) given.insert(given.begin(), o.host);
    for (const std::string& address : given) {
        const std::string full = with_port(address, o.port);
        if (full.empty())
            return fail(ErrorCode::invalid_argument, "'" + address + "' is no address; expected HOST or HOST:PORT");
        o.nodes.push_back(full);
    }
    return ok();
}

bool is_node_id(const std::string& text) {
    return text.find_first_not_of("0123456789") == std::string::npos &&
           text.find_first_not_of('0') != std::string::npos;
}

Status check_verb(RawOptions& raw) {
    Options& o = raw.options;
    if (raw.words.empty()) {
        if (o.watch) return fail(ErrorCode::invalid_argument, "--watch goes with status, nodes and health only");
        return ok();
    }
    o.verb = raw.words[0];
    o.verb_arguments.assign(raw.words.begin() + 1, raw.words.end());
    if (!is_verb(o.verb)) {
        return fail(ErrorCode::invalid_argument,
                    "unknown verb '" + o.verb +
                        "'; known are status, nodes, health, txn ID, step-down, add ADDR, "
                        "remove ID, snapshot, audit, trace TXN (SQL goes behind -e, a database behind -D)");
    }
    if (!o.execute.empty()) return fail(ErrorCode::invalid_argument, "a verb and -e do not go together");
    const bool needs_one = o.verb == "txn" || o.verb == "add" || o.verb == "remove" || o.verb == "trace";
    if (needs_one && o.verb_arguments.size() != 1)
        return fail(ErrorCode::invalid_argument, "'" + o.verb + "' needs one argument");
    if (!needs_one && !o.verb_arguments.empty()) {
        return fail(ErrorCode::invalid_argument, "'" + o.verb + "' takes no argument");
    }
    if (o.watch && o.verb != "status" && o.verb != "nodes" && o.verb != "health")
        return fail(ErrorCode::invalid_argument, "--watch goes with status, nodes and health only");
    if (o.verb == "remove" && !is_node_id(o.verb_arguments[0])) {
        return fail(ErrorCode::invalid_argument,
                    "'" + o.verb_arguments[0] + "' is no node; expected its id, as 'nodes' shows it");
    }
    TxnId txn;
    SessionId session;
    RequestNumber request;
    if (o.verb == "txn" && !parse_txn_id(o.verb_arguments[0], txn) &&
        !parse_request_name(o.verb_arguments[0], session, request)) {
        return fail(
            ErrorCode::invalid_argument,
            "'" + o.verb_arguments[0] + "' is no transaction; expected TXN-<epoch>-<number> or REQ-<session>-<number>");
    }
    return ok();
}

}  // namespace

Environment process_environment() {
    return [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value != nullptr ? value : "");
    };
}

bool is_verb(std::string_view word) {
    return std::find(verbs.begin(), verbs.end(), word) != verbs.end();
}

Result<Options> parse_options(const std::vector<std::string>& arguments, const Environment& environment) {
    RawOptions raw;
    CLI::App app(description, "ddb-cli");
    raw.options.password = environment("DDB_PASSWORD");
    try {
        declare(app, raw);
        std::vector<std::string> rest = take_password(arguments, raw.options);
        std::reverse(rest.begin(), rest.end());  // CLI11 takes from the back
        app.parse(rest);
        const bool audit = !raw.words.empty() && raw.words.front() == "audit";
        if (audit && app.get_option("--timeout")->count() == 0) raw.timeout_s = audit_timeout_s;
    } catch (const CLI::Error& error) {
        return fail(ErrorCode::invalid_argument, error.what());
    }
    if (raw.help) raw.options.print_and_exit = app.help();
    if (raw.version) raw.options.print_and_exit = "ddb-cli 0.1.0\n";
    if (!raw.options.print_and_exit.empty()) return raw.options;
    for (const auto check : {check_choices, check_addresses, check_verb}) {
        if (const Status status = check(raw); !status) return status.error();
    }
    Options& o = raw.options;
    if (o.user.empty()) o.user = system_user();
    const std::string port = environment("DDB_DISCOVERY_PORT");
    if (o.discovery_port == 0 && !port.empty()) {
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), o.discovery_port);
        if (error != std::errc() || end != port.data() + port.size() || o.discovery_port == 0) {
            return fail(ErrorCode::invalid_argument, "DDB_DISCOVERY_PORT is '" + port + "'; expected a port number");
        }
    }
    return o;
}

Exit exit_status(const Error& error) {
    switch (error.code) {
        case ErrorCode::unknown_outcome:
        case ErrorCode::too_old:
            return Exit::unknown;
        case ErrorCode::no_quorum:
        case ErrorCode::timeout:
        case ErrorCode::overloaded:
        case ErrorCode::not_coordinator:
        case ErrorCode::shutting_down:
            return Exit::nothing_happened;
        default:
            return Exit::sql_error;
    }
}

}  // namespace ddb::client
