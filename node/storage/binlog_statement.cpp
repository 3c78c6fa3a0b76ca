#include "node/storage/binlog_statement.hpp"

#include "node/storage/binlog_event.hpp"
#include "node/storage/calculation_settings.hpp"
#include "schemas/entry.hpp"

namespace ddb::storage {

std::string base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out((bytes.size() + 2) / 3 * 4, '=');
    char* to = out.data();
    const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])); };
    std::size_t i = 0;
    for (; i + 2 < bytes.size(); i += 3) {
        const std::uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = digits[group >> 6 & 63];
        *to++ = digits[group & 63];
    }
    const std::size_t left = bytes.size() - i;
    if (left > 0) {
        const std::uint32_t group = at(i) << 16 | (left == 2 ? at(i + 1) << 8 : 0);
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        if (left == 2) *to++ = digits[group >> 6 & 63];
    }
    return out;
}

std::string binlog_statement(std::string_view events) {
    return "BINLOG '" + base64(events) + "'";
}

Status BinlogPacker::add(std::string_view group) {
    EventReader reader(group);
    while (const auto event = reader.next()) {
        if (event->type == settings_event_type) {
            settings_ = event->body;
            continue;
        }
        if (auto status = add_rows(*event); !status.ok()) return status;
    }
    if (reader.malformed()) return fail(ErrorCode::corrupt, "rows entry with a malformed event");
    return ok();
}

Status BinlogPacker::add_rows(const EventView& event) {
    const bool is_map = event.type == EventType::table_map;
    if (!is_map && !event.is_rows()) return fail(ErrorCode::corrupt, "rows entry with an event that holds no rows");
    // Maps belong to the rows behind them, so a piece ends only in front of rows, or between statements.
    if (settings_ != session_) {
        if (auto status = set(settings_); !status.ok()) return status;
    }
    if (has_rows_ && piece_.size() + event.raw.size() > binlog_statement_bytes_max) {
        if (auto status = send(); !status.ok()) return status;
    }
    piece_.append(event.raw);
    if (is_map) {
        maps_.emplace_back(event.raw);
        return ok();
    }
    has_rows_ = true;
    const auto rows = parse_rows(event);
    if (!rows) return fail(ErrorCode::corrupt, "rows entry with a malformed event");
    if (rows->statement_end) maps_.clear();
    return ok();
}

Status BinlogPacker::set(const std::string& settings) {
    if (auto status = send(); !status.ok()) return status;
    session_ = settings;
    return sink_(settings);
}

Status BinlogPacker::add_piece(std::string_view piece) {
    const std::string_view before = cut_.empty() ? piece : std::string_view(cut_.append(piece));
    const std::size_t whole = whole_events_bytes(before);
    if (before.size() - whole > row_event_bytes_max) return fail(ErrorCode::corrupt, "rows entries without an end");
    Status status = whole > 0 ? add(before.substr(0, whole)) : ok();
    if (cut_.empty()) {
        cut_ = piece.substr(whole);
    } else {
        cut_.erase(0, whole);
    }
    return status;
}

Status BinlogPacker::flush() {
    if (!cut_.empty()) return fail(ErrorCode::corrupt, "rows entries that end in the middle of an event");
    if (auto status = send(); !status.ok()) return status;
    return session_ == usual_settings_ ? ok() : set(usual_settings_);
}

// What follows begins with the maps of the statement under way.
Status BinlogPacker::send() {
    Status status = ok();
    if (has_rows_) status = sink_(binlog_statement(piece_));
    piece_.clear();
    for (const std::string& map : maps_) piece_.append(map);
    has_rows_ = false;
    return status;
}

}  // namespace ddb::storage
