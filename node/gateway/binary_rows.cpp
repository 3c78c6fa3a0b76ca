// Text rows as binary ones. Lengths of dates and times are those that MariaDB's Protocol_binary sends: parts that are
// zero at the end are left out.
#include <bit>
#include <charconv>
#include <cmath>
#include <optional>

#include "node/gateway/field_types.hpp"
#include "node/gateway/packets.hpp"
#include "node/gateway/statements.hpp"

namespace ddb::gateway {
namespace {

constexpr std::size_t null_bitmap_offset = 2;
constexpr char null_value = '\xFB';

template <class Number>
std::optional<Number> parse(std::string_view text) {
    Number value{};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
}

// Servers cut off what does not fit: they say INT of some expressions with greater values (1e20 DIV 7).
bool put_integer(std::string& out, std::string_view text, int bytes) {
    if (const auto value = parse<std::int64_t>(text)) {
        put_int(out, static_cast<std::uint64_t>(*value), bytes);
        return true;
    }
    const auto value = parse<std::uint64_t>(text);
    if (!value) return false;
    put_int(out, *value, bytes);
    return true;
}

bool put_floating(std::string& out, std::string_view text, std::uint8_t type) {
    if (type == field_type::float_) {
        const auto value = parse<float>(text);
        if (!value || !std::isfinite(*value)) return false;
        put_int(out, std::bit_cast<std::uint32_t>(*value), 4);
        return true;
    }
    const auto value = parse<double>(text);
    if (!value || !std::isfinite(*value)) return false;
    put_int(out, std::bit_cast<std::uint64_t>(*value), 8);
    return true;
}

// --- dates and times -------------------------------------------------------------------------------------------------

// Takes digits off the front: at least `min` of them, at most `max`.
std::optional<std::uint32_t> take_digits(std::string_view& text, std::size_t min, std::size_t max) {
    std::uint32_t value = 0;
    std::size_t taken = 0;
    while (taken < max && taken < text.size() && text[taken] >= '0' && text[taken] <= '9') {
        value = value * 10 + static_cast<std::uint32_t>(text[taken++] - '0');
    }
    if (taken < min) return std::nullopt;
    text.remove_prefix(taken);
    return value;
}

bool take(std::string_view& text, char c) {
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
}

struct Clock {
    std::uint32_t hour = 0;
    std::uint32_t minute = 0;
    std::uint32_t second = 0;
    std::uint32_t micros = 0;
};

// HH:MM:SS with up to six digits of a fraction, and nothing behind.
std::optional<Clock> parse_clock(std::string_view text, std::uint32_t hour_max) {
    const auto hour = take_digits(text, 2, 3);
    if (!hour || *hour > hour_max || !take(text, ':')) return std::nullopt;
    const auto minute = take_digits(text, 2, 2);
    if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
    const auto second = take_digits(text, 2, 2);
    if (!second || *second > 59) return std::nullopt;
    Clock clock{*hour, *minute, *second, 0};
    if (text.empty()) return clock;
    if (!take(text, '.')) return std::nullopt;
    const std::size_t digits = text.size();
    const auto fraction = take_digits(text, 1, 6);
    if (!fraction || !text.empty()) return std::nullopt;
    clock.micros = *fraction;
    for (std::size_t i = digits; i < 6; ++i) clock.micros *= 10;
    return clock;
}

void put_clock(std::string& out, const Clock& clock, bool with_micros) {
    put_int(out, clock.hour, 1);
    put_int(out, clock.minute, 1);
    put_int(out, clock.second, 1);
    if (with_micros) put_int(out, clock.micros, 4);
}

bool put_date(std::string& out, std::string_view text, bool with_time) {
    const auto year = take_digits(text, 4, 4);
    if (!year || !take(text, '-')) return false;
    const auto month = take_digits(text, 2, 2);
    if (!month || *month > 12 || !take(text, '-')) return false;
    const auto day = take_digits(text, 2, 2);
    if (!day || *day > 31) return false;
    Clock clock;
    if (!text.empty()) {
        if (!with_time || !take(text, ' ')) return false;
        const auto parsed = parse_clock(text, 23);
        if (!parsed) return false;
        clock = *parsed;
    }
    const bool time = clock.hour != 0 || clock.minute != 0 || clock.second != 0;
    std::uint64_t length = 0;
    if (clock.micros != 0) {
        length = 11;
    } else if (time) {
        length = 7;
    } else if (*year != 0 || *month != 0 || *day != 0) {
        length = 4;
    }
    put_int(out, length, 1);
    if (length == 0) return true;
    put_int(out, *year, 2);
    put_int(out, *month, 1);
    put_int(out, *day, 1);
    if (length > 4) put_clock(out, clock, length == 11);
    return true;
}

bool put_time(std::string& out, std::string_view text) {
    const bool negative = take(text, '-');
    auto clock = parse_clock(text, 838);
    if (!clock) return false;
    if (clock->hour == 0 && clock->minute == 0 && clock->second == 0 && clock->micros == 0) {
        put_int(out, 0, 1);
        return true;
    }
    const bool with_micros = clock->micros != 0;
    put_int(out, with_micros ? 12 : 8, 1);
    put_int(out, negative ? 1 : 0, 1);
    put_int(out, clock->hour / 24, 4);
    clock->hour %= 24;
    put_clock(out, *clock, with_micros);
    return true;
}

bool put_value(std::string& out, std::string_view text, const Column& column) {
    if (is_floating(column.type)) return put_floating(out, text, column.type);
    if (const int bytes = number_bytes(column.type); bytes != 0) {
        return put_integer(out, text, bytes);
    }
    if (has_date(column.type)) return put_date(out, text, column.type != field_type::date);
    if (column.type == field_type::time_) return put_time(out, text);
    put_lenenc_string(out, text);
    return true;
}

}  // namespace

Result<std::string> binary_row(std::string_view text_row, const std::vector<Column>& columns) {
    std::string out(1 + (columns.size() + 7 + null_bitmap_offset) / 8, '\0');
    out.reserve(out.size() + text_row.size() + 8 * columns.size());
    FieldReader fields(text_row);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (fields.rest().starts_with(null_value)) {
            (void)fields.bytes(1);
            const std::size_t bit = i + null_bitmap_offset;
            char& byte = out[1 + bit / 8];
            byte = static_cast<char>(static_cast<unsigned char>(byte) | 1U << bit % 8);
            continue;
        }
        const auto text = fields.lenenc_string();
        if (!text) return fail(ErrorCode::corrupt, "a row of the result ends within column " + columns[i].name);
        if (!put_value(out, *text, columns[i])) {
            return fail(ErrorCode::corrupt, "column " + columns[i].name + " of the result holds no value of its type " +
                                                std::to_string(columns[i].type));
        }
    }
    if (!fields.empty()) return fail(ErrorCode::corrupt, "a row of the result has more values than columns");
    return out;
}

}  // namespace ddb::gateway
