#include "node/storage/dump_columns.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "node/storage/sql_words.hpp"

namespace ddb::storage {
namespace {

constexpr std::size_t block_bytes = 64u << 10;
constexpr std::size_t header_bytes = 4;  // three of the length, one of the number within its command
constexpr char choose_database = 2;
constexpr char query = 3;

bool address_of(const std::string& path, sockaddr_un& out) {
    out = {};
    out.sun_family = AF_UNIX;
    if (path.size() >= sizeof(out.sun_path)) return false;
    std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
    return true;
}

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace

Result<ExactColumns> exact_columns(Connection& connection) {
    // utf8mb3 and latin1 lose nothing on the way.
    const auto rows = connection.rows(
        "SELECT table_schema, table_name, column_name, CASE WHEN data_type='float' THEN 'DOUBLE' WHEN data_type IN "
        "('enum','set') AND column_type REGEXP '[(,]''''[,)]' THEN 'UNSIGNED' WHEN data_type IN "
        "('char','varchar','tinytext','text',"
        "'mediumtext','longtext') AND character_set_name NOT IN ('utf8mb4','utf8mb3','latin1') THEN 'BINARY' ELSE '' "
        "END FROM information_schema.columns WHERE table_schema NOT IN "
        "('information_schema','mysql','performance_schema','sys') ORDER BY table_schema, table_name, "
        "ordinal_position");
    if (!rows.ok()) return rows.error();
    ExactColumns out;
    for (const auto& row : *rows) {
        TableOfDump& table = out[{row.at(0).value_or(""), row.at(1).value_or("")}];
        table.columns.push_back(row.at(2).value_or(""));
        if (const std::string type = row.at(3).value_or(""); !type.empty()) table.as[table.columns.back()] = type;
    }
    std::erase_if(out, [](const auto& table) { return table.second.as.empty(); });
    return out;
}

std::string with_exact_columns(std::string_view sql, const std::string& database, const ExactColumns& exact) {
    constexpr std::string_view head = "SELECT /*!40001 SQL_NO_CACHE */ ";
    constexpr std::string_view from = " FROM ";
    if (!sql.starts_with(head)) return std::string(sql);
    std::size_t at = head.size();
    std::vector<std::pair<std::string, std::string_view>> columns;  // name, as it stands in the text
    for (;;) {
        while (at < sql.size() && (sql[at] == ' ' || sql[at] == ',') && !sql.substr(at).starts_with(from)) ++at;
        if (sql.substr(at).starts_with(from)) break;
        const std::size_t begin = at;
        auto name = take_quoted_name(sql, at);
        if (!name) {
            at = sql.find_first_of(", `", begin);  // row_start, row_end
            if (at == begin || at == std::string_view::npos) return std::string(sql);
        }
        if (!sql.substr(at).starts_with(',') && !sql.substr(at).starts_with(from)) return std::string(sql);
        columns.emplace_back(name.value_or(""), sql.substr(begin, at - begin));
    }
    const std::size_t behind_columns = at;
    at += from.size();
    const auto table = take_quoted_name(sql, at);
    const auto found = table ? exact.find({database, *table}) : exact.end();
    if (found == exact.end()) return std::string(sql);
    const TableOfDump& known = found->second;
    std::string out(head);
    const auto put = [&](const std::string& name, const std::string& text) {
        if (out.size() > head.size()) out += ", ";
        const auto type = known.as.find(name);
        out += type == known.as.end() ? text : "CAST(" + text + " AS " + type->second + ")";
    };
    const bool all = columns.size() == 1 && columns.front().second == "*";
    for (const auto& [name, text] : columns) {
        if (!all) put(name, std::string(text));
    }
    for (const std::string& name : known.columns) {
        if (all) put(name, quoted_name(name));
    }
    return out.append(sql.substr(behind_columns));
}

Result<std::unique_ptr<DumpRelay>> DumpRelay::open(const std::string& server_socket, ExactColumns exact) {
    std::unique_ptr<DumpRelay> out(new DumpRelay(server_socket, std::move(exact)));
    if (auto status = out->listen(); !status.ok()) return status.error();
    out->thread_ = std::jthread([relay = out.get()] { relay->run(); });
    return out;
}

DumpRelay::DumpRelay(std::string server_socket, ExactColumns exact)
    : server_socket_(std::move(server_socket)), exact_(std::move(exact)) {}

DumpRelay::~DumpRelay() {
    stop_.close_writer();
    if (thread_.joinable()) thread_.join();
    if (listener_ >= 0) ::close(listener_);
    remove_path();
}

void DumpRelay::remove_path() const {
    if (directory_.empty()) return;
    ::unlink(socket().c_str());
    ::rmdir(directory_.c_str());
}

Status DumpRelay::listen() {
    const auto failed = [](const char* what) { return fail(ErrorCode::io, std::string(what) + std::strerror(errno)); };
    std::string directory = "/tmp/ddb-dump.XXXXXX";  // for this user only
    if (::mkdtemp(directory.data()) == nullptr) return failed("a directory for the dump's socket: ");
    directory_ = directory;
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address;
    if (listener_ < 0 || !stop_.ok() || !address_of(socket(), address) ||
        ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(listener_, 1) != 0) {
        return failed("the dump's socket: ");
    }
    return ok();
}

// The program connects once. Its way in is gone then: a node that is killed leaves nothing behind.
void DumpRelay::run() {
    std::array<pollfd, 2> fds{{{listener_, POLLIN, 0}, {stop_.reader(), POLLIN, 0}}};
    while (::poll(fds.data(), fds.size(), -1) < 0) {
        if (errno != EINTR) return;
    }
    if (fds[1].revents != 0) return;
    const int program = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (program < 0) return;
    remove_path();
    relay(program);
    ::close(program);
}

// Until one of the two ends it.
void DumpRelay::relay(int program) {
    const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address;
    bool open = server >= 0 && address_of(server_socket_, address) &&
                ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    std::string asked;
    std::string block(block_bytes, '\0');
    while (open) {
        std::array<pollfd, 3> fds{{{program, POLLIN, 0}, {server, POLLIN, 0}, {stop_.reader(), POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) break;
        if (fds[2].revents != 0) break;
        for (std::size_t i = 0; i < 2 && open; ++i) {
            if (fds[i].revents == 0) continue;
            const ssize_t got = ::recv(fds[i].fd, block.data(), block.size(), 0);
            if (got < 0 && errno == EINTR) continue;
            open = got > 0;
            if (!open) break;
            const std::string_view bytes = std::string_view(block).substr(0, static_cast<std::size_t>(got));
            if (i == 0) asked.append(bytes);
            open = i == 0 ? send_all(server, rewritten(asked)) : send_all(program, bytes);
        }
    }
    if (server >= 0) ::close(server);
}

// The whole packets at its beginning, which are taken off. What begins a command has the number 0.
std::string DumpRelay::rewritten(std::string& from_program) {
    std::string out;
    std::string_view rest = from_program;
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<std::uint8_t>(rest[i])); };
    while (rest.size() >= header_bytes) {
        const std::size_t size = byte(0) | byte(1) << 8 | byte(2) << 16;
        if (rest.size() < header_bytes + size) break;
        const std::string_view body = rest.substr(header_bytes, size);
        const bool begins = byte(3) == 0 && !body.empty();
        if (begins && body[0] == choose_database) database_ = body.substr(1);
        if (begins && body[0] == query) {
            // In front of the text MySQL's clients say that it has no attributes.
            constexpr std::string_view no_attributes("\0\1", 2);
            const std::string_view said = body.substr(1).starts_with(no_attributes) ? no_attributes : "";
            const std::string sql =
                std::string(said) + with_exact_columns(body.substr(1 + said.size()), database_, exact_);
            const std::size_t length = sql.size() + 1;
            out += static_cast<char>(length & 0xFF);
            out += static_cast<char>(length >> 8 & 0xFF);
            out += static_cast<char>(length >> 16 & 0xFF);
            out += '\0';
            out += query;
            out += sql;
        } else {
            out.append(rest.substr(0, header_bytes + size));
        }
        rest.remove_prefix(header_bytes + size);
    }
    from_program.erase(0, from_program.size() - rest.size());
    return out;
}

}  // namespace ddb::storage
