// What the shell does by itself: commands, nodes, completion.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/client_commands.hpp"
#include "client/session_nodes.hpp"
#include "client/shell.hpp"
#include "client/text_tools.hpp"
#include "client/verbs.hpp"

namespace ddb::client {
namespace {

constexpr int verb_timeout_ms = 3000;
constexpr std::size_t names_max = 5000;
constexpr std::array keywords =
    std::to_array<std::string_view>({"ALTER",    "AND",         "AS",         "ASC",       "AUTO_INCREMENT",
                                     "BEGIN",    "BETWEEN",     "BY",         "CALL",      "CASE",
                                     "COLUMN",   "COMMIT",      "CONSTRAINT", "COUNT",     "CREATE",
                                     "DATABASE", "DEFAULT",     "DELETE",     "DELIMITER", "DESC",
                                     "DESCRIBE", "DISTINCT",    "DROP",       "ELSE",      "END",
                                     "EXISTS",   "EXPLAIN",     "FOREIGN",    "FROM",      "FUNCTION",
                                     "GRANT",    "GROUP",       "HAVING",     "IN",        "INDEX",
                                     "INNER",    "INSERT",      "INTO",       "IS",        "JOIN",
                                     "KEY",      "LEFT",        "LIKE",       "LIMIT",     "NOT",
                                     "NULL",     "ON",          "OR",         "ORDER",     "OUTER",
                                     "PRIMARY",  "PROCEDURE",   "REFERENCES", "REPLACE",   "RETURNING",
                                     "REVOKE",   "RIGHT",       "ROLLBACK",   "SAVEPOINT", "SELECT",
                                     "SET",      "SHOW",        "START",      "TABLE",     "TABLES",
                                     "THEN",     "TRANSACTION", "TRIGGER",    "TRUNCATE",  "UNION",
                                     "UNIQUE",   "UPDATE",      "USE",        "USER",      "USING",
                                     "VALUES",   "VIEW",        "WHEN",       "WHERE",     "WITH"});

// First column of a small result.
class NameCollector : public ResultListener {
  public:
    explicit NameCollector(std::vector<std::string>& out) : out_(out) {}
    void on_header(const std::vector<Column>& columns) override { columns_ = columns.size(); }
    Status on_rows(const ResultRows& rows) override {
        RowReader reader(rows, columns_);
        for (Row row;;) {
            const Result<bool> more = reader.next(row);
            if (!more) return more.error();
            if (!*more) return ok();
            if (!row.empty() && row[0] && out_.size() < names_max) out_.emplace_back(*row[0]);
        }
    }
    void on_end(const ResultEnd&) override {}

  private:
    std::vector<std::string>& out_;
    std::size_t columns_ = 0;
};

std::string address_of(const std::string& nodes_json, const std::string& id) {
    const auto document = nlohmann::json::parse(nodes_json, nullptr, false);
    if (!document.is_object() || !document.contains("nodes") || !document["nodes"].is_array()) return {};
    for (const auto& node : document["nodes"]) {
        if (!node.is_object() || !node.contains("id") || node["id"].dump() != id) continue;
        const std::vector<std::string> found = addresses_in(nlohmann::json{{"nodes", {node}}}.dump());
        return found.empty() ? std::string() : found[0];
    }
    return {};
}

}  // namespace

bool Shell::obey(const std::string& line) {
    const ShellCommand command = parse_command(line).value_or(ShellCommand{});
    using Kind = ShellCommand::Kind;
    switch (command.kind) {
        case Kind::quit:
            return false;
        case Kind::clear:
            break;
        case Kind::status:
            show_info();
            break;
        case Kind::node:
            command.argument.empty() ? show_nodes() : change_node(command.argument);
            break;
        case Kind::source:
            run_file(command.argument);
            break;
        case Kind::tee:
            set_tee(command.argument);
            break;
        case Kind::no_tee:
            set_tee({});
            break;
        case Kind::pager: {
            const char* preset = std::getenv("PAGER");
            set_pager(!command.argument.empty()              ? command.argument
                      : preset != nullptr && *preset != '\0' ? preset
                                                             : "less -FSX");
            break;
        }
        case Kind::no_pager:
            set_pager({});
            break;
        case Kind::help:
            output_.write(command_help());
            break;
        case Kind::use:
            typed_ = "use " + command.argument + "\n";
            splitter_.feed(typed_);
            run_statements();
            break;
        case Kind::refused:
            voice_.error("this client starts no other programs and no editor");
            break;
        case Kind::unknown:
            voice_.error("unknown command; \\h lists the known ones");
            break;
    }
    output_.flush();
    return true;
}

void Shell::run_file(const std::string& name) {
    if (name.empty()) {
        voice_.error("a file name is needed");
        return;
    }
    runner_->start_over();
    (void)runner_->run_file(name);
    runner_->start_over();
}

void Shell::show_info() {
    const SessionClient::Info info = session_->info();
    std::string text;
    const auto row = [&](const char* name, const std::string& value) { text += name + printable(value, false) + "\n"; };
    row("Node:          ",
        info.connected ? to_string(info.node) + " at " + info.address : "none; the next statement connects again");
    row("Coordinator:   ", info.coordinator ? to_string(info.coordinator) : "none known");
    row("Cluster:       ", target_.cluster);
    row("Known nodes:   ", [&] {
        std::string all;
        for (const std::string& node : session_->nodes()) all += (all.empty() ? "" : ", ") + node;
        return all;
    }());
    row("Client key:    ", target_.keys ? target_.key_file : "none: not encrypted, not authenticated");
    row("User:          ", options_.user);
    row("Database:      ", info.database.empty() ? "(none)" : info.database);
    row("Server:        ", info.server_version);
    row("Connection id: ", std::to_string(info.connection_id));
    row("Transaction:   ", info.in_transaction ? "open" : "none");
    row("Log index:     ", to_string(info.seen));
    row("Consistency:   ", options_.consistency == Consistency::strong    ? "strong"
                           : options_.consistency == Consistency::session ? "session"
                                                                          : "local");
    output_.write(text + "\n");
}

Result<std::string> Shell::ask_nodes() {
    Target target = target_;
    const std::vector<std::string>& learnt = session_->nodes();
    if (!learnt.empty()) target.nodes = learnt;
    auto client = open_client(target);
    if (!client) return client.error();
    if (const Status connected = (*client)->connect(verb_timeout_ms); !connected) return connected.error();
    return (*client)->verb("nodes", {}, verb_timeout_ms);
}

void Shell::show_nodes() {
    const Result<std::string> reply = ask_nodes();
    if (!reply) {
        voice_.error("nodes: " + reply.error().message);
        return;
    }
    const Status rendered = render_document(*reply, FormatSettings{}, output_);
    if (!rendered) voice_.error(rendered.error().message);
    output_.write("This session is at node " + to_string(session_->info().node) + "\n\n");
}

void Shell::change_node(const std::string& where) {
    if (session_->info().in_transaction) {
        voice_.error("a transaction is open: COMMIT or ROLLBACK first");
        return;
    }
    std::string address;
    const bool number = !where.empty() && where.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
        const Result<std::string> reply = ask_nodes();
        if (!reply) {
            voice_.error("nodes: " + reply.error().message);
            return;
        }
        address = address_of(*reply, where);
    } else {
        address = with_port(where, options_.port);
    }
    if (address.empty()) {
        voice_.error(number ? "no node " + where + " in this cluster"
                            : "'" + where + "' is no node number and no HOST:PORT");
        return;
    }
    auto session = opener_({address}, session_->info().database);
    if (!session) {
        voice_.error(session.error().message + "; staying at node " + to_string(session_->info().node));
        return;
    }
    use_session(std::move(*session));
    const SessionClient::Info info = session_->info();
    output_.write("Now at node " + to_string(info.node) + ", " + info.address +
                  "; variables and temporary tables start anew\n\n");
}

void Shell::set_tee(const std::string& name) {
    output_.flush();
    output_.copy_to(nullptr);
    tee_.reset();
    if (tee_fd_ >= 0) ::close(tee_fd_);
    tee_fd_ = -1;
    if (name.empty()) return;
    tee_fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (tee_fd_ < 0) {
        voice_.error("cannot open '" + name + "': " + std::strerror(errno));
        return;
    }
    tee_ = std::make_unique<FdSink>(tee_fd_);
    output_.copy_to(tee_.get());
    output_.write("Copying output to '" + name + "'\n");
}

void Shell::set_pager(const std::string& command) {
    pager_ = split_list(command, ' ');
    output_.write(pager_.empty() ? "Results are shown directly\n" : "Results are shown through '" + command + "'\n");
}

// Asked once per database, never inside a transaction: completion must not touch what the user is doing.
void Shell::load_names() {
    const SessionClient::Info info = session_->info();
    if (info.database == names_database_ || info.database.empty() || info.in_transaction || !info.connected) return;
    names_database_ = info.database;
    names_.clear();
    StatementSettings settings;
    settings.consistency = Consistency::local;
    settings.timeout_ms = 1000;
    NameCollector collector(names_);
    (void)session_->execute("SHOW TABLES", settings, collector);
}

std::vector<std::string> Shell::complete(const std::string& prefix) {
    load_names();
    const std::string wanted = lower(prefix);
    std::vector<std::string> out;
    for (const std::string_view word : keywords) {
        if (lower(word).starts_with(wanted)) out.emplace_back(prefix == wanted ? lower(word) : std::string(word));
    }
    for (const std::string& name : names_) {
        if (lower(name).starts_with(wanted)) out.push_back(name);
    }
    return out;
}

}  // namespace ddb::client
