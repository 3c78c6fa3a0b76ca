#include "node/storage/binlog_stream.hpp"

#include <mysql.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <random>

#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

constexpr int heartbeat_ms = 1000;
constexpr int silence_ms_max = 10'000;  // ten heartbeats missed: the connection is dead
constexpr std::uint16_t dump_non_block = 1;

// The server ends an older dump that uses the same replica id, so every stream takes its own, far from real server ids.
std::uint32_t replica_id() {
    static thread_local std::mt19937 generator{std::random_device{}()};
    return 0x80000000u | static_cast<std::uint32_t>(generator());
}

void append_number(std::string& out, std::uint64_t n, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(n >> (8 * i) & 0xff));
}

// Whether everything of ours from `least` on lies in this file or in later ones.
Result<bool> begins_below(const ConnectOptions& options, const std::string& file, std::uint32_t server_id,
                          std::uint64_t least) {
    auto stream = BinlogStream::open(options, BinlogPosition{file, 4}, BinlogStream::End::stop);
    if (!stream.ok()) return stream.error();
    for (;;) {
        auto event = (*stream)->next();
        if (!event.ok()) return event.error();
        if (!*event || (*event)->is_gtid()) return false;  // without its list nothing is known
        if ((*event)->type != EventType::gtid_list) continue;
        const auto list = parse_gtid_list(**event);
        if (!list) return fail(ErrorCode::corrupt, "binary log: malformed GTID list event");
        return std::none_of(list->begin(), list->end(), [&](const GtidListItem& item) {
            return item.domain == statement_domain && item.server_id == server_id && item.sequence >= least;
        });
    }
}

Error library_error(MYSQL* mysql, const char* doing) {
    Error error = fail(ErrorCode::io, std::string("binary log: ") + doing + ": " + mysql_error(mysql));
    const unsigned code = mysql_errno(mysql);
    if (code >= 1000 && code < 2000) {
        error.code = ErrorCode::sql;
        error.mysql_code = static_cast<std::uint16_t>(code);
    }
    return error;
}

}  // namespace

Result<std::unique_ptr<BinlogStream>> BinlogStream::open(ConnectOptions options, const BinlogPosition& from, End end) {
    options.read_timeout_ms = silence_ms_max;
    options.program_name = "ddb capture";
    auto connection = Connection::open(options);
    if (!connection.ok()) return connection.error();
    // A replica that does not say that it understands checksums is refused by servers that write them, and one that
    // does not announce GTID support gets the events in a disguise.
    const std::array<std::string, 3> announce = {
        "SET @master_binlog_checksum='NONE', @source_binlog_checksum='NONE'", "SET @mariadb_slave_capability=4",
        "SET @master_heartbeat_period=" + std::to_string(std::uint64_t{heartbeat_ms} * 1'000'000) +
            ", @source_heartbeat_period=" + std::to_string(std::uint64_t{heartbeat_ms} * 1'000'000)};
    if (auto done = (*connection)->execute_all(announce); !done.ok()) return done.error();

    std::string request;
    append_number(request, from.offset, 4);
    append_number(request, end == End::stop ? dump_non_block : 0, 2);
    append_number(request, replica_id(), 4);
    request += from.file;
    auto* mysql = static_cast<MYSQL*>((*connection)->native());
    if (mysql->methods->db_command(mysql, COM_BINLOG_DUMP, request.data(), request.size(), 1, nullptr) != 0) {
        return library_error(mysql, "request");
    }
    const int socket = static_cast<int>(mysql_get_socket(mysql));
    return std::unique_ptr<BinlogStream>(new BinlogStream(std::move(*connection), socket));
}

Result<std::optional<EventView>> BinlogStream::next() {
    auto* mysql = static_cast<MYSQL*>(connection_->native());
    const unsigned long bytes = mysql_net_read_packet(mysql);
    if (bytes == packet_error) return library_error(mysql, "reading");
    const std::string_view packet(reinterpret_cast<const char*>(mysql->net.read_pos), bytes);
    constexpr std::size_t eof_bytes_max = 8;
    if (!packet.empty() && static_cast<std::uint8_t>(packet[0]) == 0xfe && packet.size() <= eof_bytes_max) {
        return std::optional<EventView>();
    }
    if (packet.size() < 1 + event_header_bytes || packet[0] != '\0') {
        return fail(ErrorCode::corrupt, "binary log: unexpected packet of " + std::to_string(packet.size()) + " bytes");
    }
    auto event = parse_event(packet.substr(1));
    if (!event) return fail(ErrorCode::corrupt, "binary log: event with a wrong length");
    note_end(*event);
    return event;
}

// MariaDB 11.8 writes a group as it was gathered, and no event of it but the first and the last says where it ends.
// What is sent in front of a file's events lies nowhere in it.
void BinlogStream::note_end(EventView& event) {
    constexpr std::uint16_t artificial = 0x20;
    if (event.type == EventType::rotate) end_ = 0;
    if (event.type == EventType::rotate || (event.flags & artificial) != 0) return;
    if (event.end == 0 && end_ != 0) event.end = end_ + static_cast<std::uint32_t>(event.raw.size());
    end_ = event.end;
}

void BinlogStream::interrupt() {
    ::shutdown(socket_, SHUT_RDWR);
}

Result<BinlogPosition> binlog_end(Connection& connection) {
    auto rows = connection.rows(connection.dialect().binlog_position_sql());
    if (!rows.ok()) return rows.error();
    if (rows->empty() || rows->front().size() < 2 || !rows->front()[0] || !rows->front()[1]) {
        return fail(ErrorCode::invalid_argument, "the database server writes no binary log: start it with log_bin");
    }
    const auto& row = rows->front();
    return BinlogPosition{*row[0], static_cast<std::uint32_t>(std::strtoul(row[1]->c_str(), nullptr, 10))};
}

Result<std::string> format_description(const ConnectOptions& options, const BinlogPosition& at) {
    auto stream = BinlogStream::open(options, BinlogPosition{at.file, 4}, BinlogStream::End::stop);
    if (!stream.ok()) return stream.error();
    for (;;) {
        auto event = (*stream)->next();
        if (!event.ok()) return event.error();
        if (!*event) return fail(ErrorCode::corrupt, "binary log without a format description");
        if ((*event)->type != EventType::format_description) continue;
        const auto algorithm = checksum_algorithm(**event);
        if (!algorithm || *algorithm != 0) {
            return fail(ErrorCode::invalid_argument, "the binary log carries checksums: set binlog_checksum=NONE");
        }
        return std::string((*event)->raw);
    }
}

namespace {

// A host that lost its power has kept the last binary log of that run as far as it was forced to the disk; what lies
// behind was written, but no statement's GTID is among it.
[[nodiscard]] bool is_torn(const Error& error) {
    constexpr std::array<std::string_view, 3> reasons{"bogus data", "truncated", "exceeded max_allowed_packet"};
    const auto said = [&](std::string_view reason) { return error.message.find(reason) != std::string::npos; };
    return error.code == ErrorCode::sql && std::any_of(reasons.begin(), reasons.end(), said);
}

[[nodiscard]] bool ends_group(const EventView& event, const GtidEvent& group) {
    if (event.type == EventType::xid) return true;
    if (event.type != EventType::query) return false;
    const auto query = parse_query(event);
    return query && (group.standalone || query->text == "COMMIT");
}

// Of this file alone. A group counts when its last event is there: the server undoes what it finds logged in part.
Status add_statements(const ConnectOptions& options, const std::string& file, std::uint32_t server_id,
                      RanStatements& out) {
    auto stream = BinlogStream::open(options, BinlogPosition{file, 4}, BinlogStream::End::stop);
    if (!stream.ok()) return stream.error();
    std::optional<GtidEvent> group;
    bool rows = false;
    for (;;) {
        auto event = (*stream)->next();
        if (!event.ok()) return event.error();
        if (!*event || ((*event)->type == EventType::rotate && rotated_to(**event) != file)) return ok();
        if ((*event)->type == EventType::gtid) {
            group = parse_gtid(**event);
            if (!group) return fail(ErrorCode::corrupt, "binary log: malformed GTID event");
            if (group->domain != statement_domain || (*event)->server_id != server_id) group.reset();
            rows = false;
        }
        rows = rows || (*event)->is_rows();
        if (!group || !ends_group(**event, *group)) continue;
        RanStatement& statement = out[first_sequence(group->sequence)];
        statement.last = group->sequence;
        statement.with_rows = statement.with_rows || rows;
        group.reset();
    }
}

}  // namespace

Result<RanStatements> statements_in_binlog(const ConnectOptions& options, std::uint64_t least) {
    auto connection = Connection::open(options);
    if (!connection.ok()) return connection.error();
    auto files = (*connection)->rows("SHOW BINARY LOGS");
    if (!files.ok()) return files.error();
    auto own_id = (*connection)->scalar("SELECT @@server_id");
    if (!own_id.ok()) return own_id.error();
    const auto server_id = static_cast<std::uint32_t>(std::strtoul(own_id->value_or("0").c_str(), nullptr, 10));
    RanStatements out;
    const std::size_t newest = files->size() - 1;
    std::size_t first = files->size();
    while (first > 0) {
        --first;
        const auto far_enough = begins_below(options, files->at(first).at(0).value_or(""), server_id, least);
        if (!far_enough.ok() && (first == newest || !is_torn(far_enough.error()))) return far_enough.error();
        if (far_enough.ok() && *far_enough) break;
    }
    for (std::size_t i = first; i < files->size(); ++i) {
        const Status read = add_statements(options, files->at(i).at(0).value_or(""), server_id, out);
        if (!read.ok() && (i == newest || !is_torn(read.error()))) return read.error();
    }
    return out;
}

}  // namespace ddb::storage
