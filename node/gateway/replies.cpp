#include "node/gateway/replies.hpp"

#include <algorithm>

#include "node/gateway/handshake.hpp"
#include "node/gateway/packets.hpp"

namespace ddb::gateway {
namespace {

constexpr std::size_t message_bytes_max = 511;  // MYSQL_ERRMSG_SIZE
constexpr std::uint8_t tracked_schema = 1;

// Not in the middle of a UTF-8 character.
std::string_view cut_message(std::string_view text) {
    if (text.size() <= message_bytes_max) return text;
    std::size_t end = message_bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end);
}

// A string of pieces, each its kind and its text; none at all is an empty string.
void put_extended_metadata(std::string& out, const Column& column) {
    constexpr char kind_type = 0;
    constexpr char kind_format = 1;
    std::string pieces;
    if (!column.type_name.empty()) {
        pieces.push_back(kind_type);
        put_lenenc_string(pieces, column.type_name);
    }
    if (!column.format_name.empty()) {
        pieces.push_back(kind_format);
        put_lenenc_string(pieces, column.format_name);
    }
    put_lenenc_string(out, pieces);
}

}  // namespace

std::string encode_ok(const OkAnswer& answer, std::uint64_t capabilities, std::uint8_t header) {
    const bool tracked = (capabilities & capability::session_track) != 0 && answer.new_database.has_value();
    std::string out(1, static_cast<char>(header));
    put_lenenc(out, answer.affected_rows);
    put_lenenc(out, answer.last_insert_id);
    put_int(out, answer.status_flags | (tracked ? status_session_state_changed : 0u), 2);
    put_int(out, answer.warnings, 2);
    // As the server: the text with its length in either case, and nothing at all where there is neither.
    if (!answer.info.empty() || tracked) put_lenenc_string(out, answer.info);
    if (!tracked) return out;
    std::string name;
    put_lenenc_string(name, *answer.new_database);
    std::string changes(1, static_cast<char>(tracked_schema));
    put_lenenc_string(changes, name);
    put_lenenc_string(out, changes);
    return out;
}

std::string encode_error(const Error& error) {
    std::string out(1, '\xff');
    put_int(out, error.mysql_code != 0 ? error.mysql_code : 1105u, 2);
    out += '#';
    out += error.sqlstate.size() == 5 ? error.sqlstate : "HY000";
    out += cut_message(error.message);
    return out;
}

std::string encode_eof(std::uint16_t status_flags, std::uint16_t warnings) {
    std::string out(1, '\xfe');
    put_int(out, warnings, 2);
    put_int(out, status_flags, 2);
    return out;
}

std::string encode_column_count(std::size_t columns) {
    std::string out;
    put_lenenc(out, columns);
    return out;
}

std::string encode_column(const Column& column, std::uint64_t capabilities, bool with_default) {
    std::string out;
    put_lenenc_string(out, "def");
    put_lenenc_string(out, column.database);
    put_lenenc_string(out, column.table);
    put_lenenc_string(out, column.original_table);
    put_lenenc_string(out, column.name);
    put_lenenc_string(out, column.original_name);
    if ((capabilities & capability::extended_metadata) != 0) put_extended_metadata(out, column);
    constexpr std::uint8_t fixed_bytes = 12;
    put_int(out, fixed_bytes, 1);
    put_int(out, column.charset, 2);
    put_int(out, column.length, 4);
    put_int(out, column.type, 1);
    put_int(out, column.flags, 2);
    put_int(out, column.decimals, 1);
    put_int(out, 0, 2);
    if (with_default) out.push_back('\xfb');
    return out;
}

Result<std::optional<std::string_view>> RowCutter::next() {
    if (rest_.empty()) return std::optional<std::string_view>();
    FieldReader fields(rest_);
    for (std::size_t i = 0; i < columns_; ++i) {
        if (!fields.empty() && fields.rest().front() == '\xfb') {
            (void)fields.bytes(1);
        } else if (!fields.lenenc_string()) {
            return fail(ErrorCode::corrupt, "a row of the result is damaged");
        }
    }
    const std::string_view row = rest_.substr(0, rest_.size() - fields.rest().size());
    if (row.empty()) return fail(ErrorCode::corrupt, "a row of the result is damaged");
    rest_ = fields.rest();
    return std::optional<std::string_view>(row);
}

}  // namespace ddb::gateway
