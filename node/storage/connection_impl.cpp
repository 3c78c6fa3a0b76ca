#include "node/storage/connection_impl.hpp"

#include <charconv>
#include <utility>

#include "node/storage/column_description.hpp"
#include "node/storage/session_track.hpp"

namespace ddb::storage {

Connection::Impl::~Impl() {
    // Freeing an unfinished result would read it to its end first; the connection goes away, so do not.
    if (result_ != nullptr) {
        result_->handle = nullptr;
        mysql_free_result(result_);
    }
    mysql_close(mysql_);
}

Error Connection::Impl::fail_now() {
    Error error = error_of(mysql_);
    if (error.code == ErrorCode::io || ends_connection(error.mysql_code)) broken_ = true;
    return error;
}

std::optional<Error> Connection::Impl::read_ahead(std::size_t count) {
    std::optional<Error> first_error;
    for (; count > 0 && !broken_; --count) {
        if (auto status = read_reply_and_discard(); !status.ok() && !first_error) first_error = status.error();
    }
    return first_error;
}

bool Connection::Impl::send_early(std::string_view sql, std::span<const std::string> before) {
    const bool plain = !encrypted() && (mysql_->client_flag & CLIENT_COMPRESS) == 0;
    const bool ready = !broken_ && behind_ == 0 && result_ == nullptr && !mysql_more_results(mysql_);
    if (!plain || !ready) return false;
    QueryPackets packets;
    for (const std::string& statement : before) packets.add(statement);
    packets.add(sql);
    if (packets.bytes() > early_bytes_max) return false;
    bool would_block = false;
    if (!packets.send_some(mysql_get_socket(mysql_), would_block) || would_block) {
        if (packets.untouched()) return false;
        broken_ = true;  // half a packet: the next call says so
    }
    early_ = before.size() + 1;
    return true;
}

Status Connection::Impl::read_header() {
    // The library clears these when it sends; here it did not send. `info` would point at an older packet.
    mysql_->net.last_errno = 0;
    mysql_->net.last_error[0] = '\0';
    mysql_->info = nullptr;
    if (mysql_read_query_result(mysql_) != 0) return fail_now();
    return take_header();
}

Status Connection::Impl::take_header() {
    columns_.clear();
    ok_ = OkPacket{};
    if (mysql_field_count(mysql_) == 0) {
        take_ok_packet();
        return ok();
    }
    result_ = mysql_use_result(mysql_);
    if (result_ == nullptr) return fail_now();
    take_columns(result_);
    return ok();
}

Status Connection::Impl::load(std::string_view sql, FileForServer& file) {
    const auto offer = file_.offer(file);
    mysql_->info = nullptr;
    left_state_ = false;
    if (mysql_real_query(mysql_, sql.data(), sql.size()) != 0) return fail_now();
    // The library can only end a file: the server may have taken a part of it for the whole.
    if (auto failure = file.failure()) {
        broken_ = true;
        return std::move(*failure);
    }
    return take_header();
}

void Connection::Impl::take_columns(MYSQL_RES* result) {
    const unsigned count = mysql_num_fields(result);
    const MYSQL_FIELD* fields = mysql_fetch_fields(result);
    columns_.reserve(count);
    for (unsigned i = 0; i < count; ++i) columns_.push_back(column_of(fields[i]));
}

Status Connection::Impl::describe(std::string_view sql) {
    columns_.clear();
    ok_ = OkPacket{};
    const std::unique_ptr<MYSQL_STMT, my_bool (*)(MYSQL_STMT*)> statement(mysql_stmt_init(mysql_), mysql_stmt_close);
    if (statement == nullptr) return fail(ErrorCode::io, "database client library: out of memory");
    if (mysql_stmt_prepare(statement.get(), sql.data(), sql.size()) != 0) return fail_now();
    const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> fields(mysql_stmt_result_metadata(statement.get()),
                                                                  mysql_free_result);
    if (fields != nullptr) take_columns(fields.get());
    ok_.parameters = static_cast<std::uint16_t>(mysql_stmt_param_count(statement.get()));
    ok_.status_flags = static_cast<std::uint16_t>(mysql_->server_status);
    ok_.warnings = static_cast<std::uint16_t>(mysql_stmt_warning_count(statement.get()));
    return ok();
}

Result<MYSQL_ROW> Connection::Impl::fetch() {
    MYSQL_ROW row = mysql_fetch_row(result_);
    if (row != nullptr) return row;
    const bool failed = mysql_errno(mysql_) != 0;
    std::optional<Error> error;
    if (failed) error = fail_now();
    mysql_free_result(result_);
    result_ = nullptr;
    if (error) return *error;
    ok_ = OkPacket{};
    ok_.warnings = static_cast<std::uint16_t>(mysql_warning_count(mysql_));
    ok_.status_flags = static_cast<std::uint16_t>(mysql_->server_status);
    left_state_ = left_state_ || (mysql_->server_status & SERVER_SESSION_STATE_CHANGED) != 0;
    return row;
}

Result<bool> Connection::Impl::next_header() {
    if (!mysql_more_results(mysql_)) return false;
    mysql_->info = nullptr;
    const int rc = mysql_next_result(mysql_);
    if (rc > 0) return fail_now();
    if (rc < 0) return false;
    if (auto status = take_header(); !status.ok()) return status.error();
    return true;
}

Status Connection::Impl::discard() {
    for (;;) {
        while (result_ != nullptr) {
            auto row = fetch();
            if (!row.ok()) return row.error();
            if (*row == nullptr) break;
        }
        auto more = next_header();
        if (!more.ok()) return more.error();
        if (!*more) return ok();
    }
}

Status Connection::Impl::read_reply_and_discard() {
    if (auto status = read_header(); !status.ok()) return status;
    return discard();
}

Status Connection::Impl::read_behind() {
    --behind_;
    return read_reply_and_discard();
}

void Connection::Impl::drop_unread() {
    if (!broken_ && (result_ != nullptr || mysql_more_results(mysql_))) (void)discard();
}

Status Connection::Impl::make_ready() {
    DDB_ASSERT(early_ == 0);
    drop_unread();
    while (!broken_ && behind_ > 0) (void)read_behind();
    if (broken_) return fail(ErrorCode::io, "database server: connection is lost");
    return ok();
}

ByteCursor Connection::Impl::read_info(std::string& info) const {
    const unsigned char* const begin = mysql_->net.read_pos + 1;
    ByteCursor in({reinterpret_cast<const char*>(begin), static_cast<std::size_t>(mysql_->net.buff_end - begin)});
    (void)in.packed();                             // affected rows
    (void)in.packed();                             // insert id
    in.take(4);                                    // status, warnings
    constexpr std::uint64_t info_bytes_max = 512;  // the server's own limit on the message
    const std::uint64_t n = in.packed();
    const std::string_view text = in.take(static_cast<std::size_t>(n));
    if (n <= info_bytes_max) info = text;
    return in;
}

void Connection::Impl::take_ok_packet() {
    ok_.affected_rows = mysql_affected_rows(mysql_);
    ok_.last_insert_id = mysql_insert_id(mysql_);
    ok_.warnings = static_cast<std::uint16_t>(mysql_warning_count(mysql_));
    ok_.status_flags = static_cast<std::uint16_t>(mysql_->server_status);
    std::string info;
    const ByteCursor behind_info = read_info(info);
    if (mysql_info(mysql_) != nullptr) ok_.info = std::move(info);
    // The library keeps the state of an older packet when this one carries none: the flag tells.
    if ((mysql_->server_status & SERVER_SESSION_STATE_CHANGED) == 0) return;
    const TrackedState tracked = tracked_state(behind_info.rest());
    left_state_ = left_state_ || tracked.changed;
    if (tracked.gtid) ok_.gtid = *tracked.gtid;
    if (tracked.wait_timeout_s) {
        const std::string_view digits = *tracked.wait_timeout_s;
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), ok_.wait_timeout_s);
        wait_timeout_s_ = ok_.wait_timeout_s;
    }
    if (tracked.database) {
        ok_.database = *tracked.database;
        ok_.database_changed = true;
    }
    const char* data = nullptr;
    std::size_t length = 0;
    // MySQL's; MariaDB tells it as a variable.
    if (mysql_session_track_get_first(mysql_, SESSION_TRACK_GTIDS, &data, &length) == 0) ok_.gtid.assign(data, length);
}

}  // namespace ddb::storage
