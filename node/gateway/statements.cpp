#include "node/gateway/statements.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "node/gateway/field_types.hpp"
#include "node/gateway/packets.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::gateway {
namespace {

using session::SqlScanner;
using session::Token;

Error bad_arguments() {
    return Error{ErrorCode::invalid_argument, "Incorrect arguments to mysqld_stmt_execute", 1210, "HY000"};
}

// --- placeholders ----------------------------------------------------------------------------------------------------

struct Place {
    std::size_t offset = 0;
    bool limit = false;          // a number of rows
    bool before_string = false;  // "SELECT ? 'name'": literals side by side would become one
};

// Knows where a LIMIT wants its numbers: LIMIT ?, ? | LIMIT ? OFFSET ? | OFFSET ? ROWS | FETCH FIRST ? ROWS |
// LIMIT … ROWS EXAMINED ?
class LimitFinder {
  public:
    // True when `token` stands where a number of rows does.
    bool next(const Token& token) {
        const bool wanted = state_ == State::wants;
        const bool first = token.is("FIRST") || token.is("NEXT");
        if (token.is("LIMIT") || token.is("OFFSET") || (fetch_ && first) || (rows_ && token.is("EXAMINED")) ||
            (state_ == State::behind && token.symbol(','))) {
            state_ = State::wants;
        } else {
            state_ = wanted ? State::behind : State::none;
        }
        fetch_ = token.is("FETCH");
        rows_ = token.is("ROWS");
        return wanted;
    }

  private:
    enum class State : std::uint8_t { none, wants, behind };
    State state_ = State::none;
    bool fetch_ = false;
    bool rows_ = false;
};

// One more than parameters_max when there are too many.
std::vector<Place> find_places(std::string_view sql, bool no_backslash) {
    std::string neutral;
    if (no_backslash && sql.find('\\') != std::string_view::npos) {
        // The scanner takes backslashes for escapes. Where they are not, they mean no more than a letter.
        neutral = sql;
        std::replace(neutral.begin(), neutral.end(), '\\', 'x');
        sql = neutral;
    }
    std::vector<Place> places;
    SqlScanner scanner(sql);
    LimitFinder limit;
    bool behind_place = false;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        const bool is_limit = limit.next(token);
        if (behind_place && token.kind == Token::Kind::string) places.back().before_string = true;
        behind_place = token.symbol('?');
        if (!behind_place) continue;
        places.push_back({token.offset, is_limit, false});
        if (places.size() > parameters_max) break;
    }
    return places;
}

// --- decoding --------------------------------------------------------------------------------------------------------

bool time_length_fits(std::uint8_t type, std::size_t length) {
    if (type == field_type::time_) return length == 0 || length == 8 || length == 12;
    return length == 0 || length == 4 || length == 7 || length == 11;
}

// --- literals --------------------------------------------------------------------------------------------------------

void put_digits(std::string& out, std::uint64_t value, std::size_t width) {
    const std::string digits = std::to_string(value);
    if (digits.size() < width) out.append(width - digits.size(), '0');
    out += digits;
}

// The value's bits, sign-extended where it is signed; nothing when it is not as long as its type.
std::optional<std::uint64_t> integer_of(const Parameter& parameter) {
    const int bytes = number_bytes(parameter.type);
    if (parameter.value.size() != static_cast<std::size_t>(bytes)) return std::nullopt;
    const auto raw = FieldReader(parameter.value).integer(bytes);
    if (!raw || parameter.is_unsigned) return raw;
    const int spare_bits = 64 - 8 * bytes;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(*raw << spare_bits) >> spare_bits);
}

bool put_integer(std::string& out, const Parameter& parameter) {
    const auto bits = integer_of(parameter);
    if (!bits) return false;
    out += parameter.is_unsigned ? std::to_string(*bits) : std::to_string(static_cast<std::int64_t>(*bits));
    return true;
}

// A FLOAT is widened, as a server does with it: only so it equals what a FLOAT column holds.
std::optional<double> floating_of(const Parameter& parameter) {
    const int bytes = number_bytes(parameter.type);
    if (parameter.value.size() != static_cast<std::size_t>(bytes)) return std::nullopt;
    const auto raw = FieldReader(parameter.value).integer(bytes);
    if (!raw) return std::nullopt;
    const double value = bytes == 4 ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(*raw)))
                                    : std::bit_cast<double>(*raw);
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// Always with an exponent: 1.5 would be a DECIMAL.
bool put_floating(std::string& out, const Parameter& parameter) {
    const auto value = floating_of(parameter);
    if (!value) return false;
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.begin(), digits.end(), *value, std::chars_format::scientific).ptr;
    out.append(digits.begin(), end);
    return true;
}

constexpr int exponent_max = 100;  // no DECIMAL has as many digits

// Sign, digits, fraction and exponent of a number as people write it.
struct DecimalText {
    bool negative = false;
    std::string_view whole;
    std::string_view fraction;
    int exponent = 0;
};

// The number that a text begins with, as a server takes it: 0 when it begins with none. A client that does not say how
// long its text is sends all of the buffer that it stands in.
DecimalText parse_decimal(std::string_view text) {
    const auto take_digits = [&text] {
        const auto end = std::find_if(text.begin(), text.end(), [](char c) { return c < '0' || c > '9'; });
        const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
        text.remove_prefix(digits.size());
        return digits;
    };
    DecimalText number;
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
    number.negative = text.starts_with('-');
    if (number.negative || text.starts_with('+')) text.remove_prefix(1);
    number.whole = take_digits();
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        number.fraction = take_digits();
    }
    if (!text.starts_with('e') && !text.starts_with('E')) return number;
    text.remove_prefix(1);
    if (text.starts_with('+')) text.remove_prefix(1);
    const bool shrinks = text.starts_with('-');
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number.exponent);
    // Beyond these there is but zero, and the largest number, which the server makes of it.
    if (error == std::errc::result_out_of_range) number.exponent = shrinks ? -exponent_max : exponent_max;
    number.exponent = std::clamp(number.exponent, -exponent_max, exponent_max);
    return number;
}

// Written out, with a point: an exponent would make it a DOUBLE, digits alone an integer.
void put_decimal(std::string& out, const Parameter& parameter) {
    const DecimalText number = parse_decimal(parameter.value);
    std::string digits(number.whole);
    digits += number.fraction;
    auto point = static_cast<std::ptrdiff_t>(number.whole.size()) + number.exponent;
    if (point <= 0) {
        digits.insert(0, static_cast<std::size_t>(1 - point), '0');
        point = 1;
    }
    const auto whole = static_cast<std::size_t>(point);
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    if (number.negative) out += '-';
    out.append(digits, 0, whole);
    out += '.';
    out.append(digits, whole);
}

void put_clock(std::string& out, std::uint64_t hour, std::uint64_t minute, std::uint64_t second, std::uint64_t micros) {
    put_digits(out, hour, 2);
    out += ':';
    put_digits(out, minute, 2);
    out += ':';
    put_digits(out, second, 2);
    if (micros == 0) return;
    out += '.';
    put_digits(out, micros, 6);
}

// A literal with its type is refused when the calendar has no such day; as text the server's sql_mode decides about it,
// as it does about a bound one.
bool in_calendar(std::uint64_t year, std::uint64_t month, std::uint64_t day) {
    const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(year)},
                                           std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    return year != 0 && date.ok();
}

// One that is out of range becomes zero, as with a server, but without its warning.
bool put_date(std::string& out, const Parameter& parameter) {
    if (!time_length_fits(parameter.type, parameter.value.size())) return false;
    FieldReader fields(parameter.value);
    const auto part = [&fields](int bytes) { return fields.integer(bytes).value_or(0); };
    std::array<std::uint64_t, 7> parts{part(2), part(1), part(1), part(1), part(1), part(1), part(4)};
    const auto& [year, month, day, hour, minute, second, micros] = parts;
    const bool date_only = parameter.type == field_type::date;
    if (date_only) std::fill(parts.begin() + 3, parts.end(), 0);
    if (year > 9999 || month > 12 || day > 31 || hour > 23 || minute > 59 || second > 59 || micros > 999'999) {
        parts.fill(0);
    }
    if (in_calendar(year, month, day)) out += date_only ? "DATE" : "TIMESTAMP";
    out += '\'';
    put_digits(out, year, 4);
    out += '-';
    put_digits(out, month, 2);
    out += '-';
    put_digits(out, day, 2);
    if (!date_only) {
        out += ' ';
        put_clock(out, hour, minute, second, micros);
    }
    out += '\'';
    return true;
}

// One that is too long becomes the longest, one that no clock shows becomes zero, as with a server.
bool put_time(std::string& out, const Parameter& parameter) {
    constexpr std::uint64_t hour_max = 838;
    if (!time_length_fits(parameter.type, parameter.value.size())) return false;
    FieldReader fields(parameter.value);
    const auto part = [&fields](int bytes) { return fields.integer(bytes).value_or(0); };
    const bool negative = part(1) != 0;
    std::array<std::uint64_t, 5> parts{part(4), part(1), part(1), part(1), part(4)};
    const auto& [days, hours, minute, second, micros] = parts;
    if (days * 24 + hours > hour_max) parts = {0, hour_max, 59, 59, micros};
    if (minute > 59 || second > 59 || micros > 999'999) parts.fill(0);
    out += negative ? "TIME'-" : "TIME'";
    put_clock(out, days * 24 + hours, minute, second, micros);
    out += '\'';
    return true;
}

bool is_binary(std::uint8_t type) {
    return (type >= field_type::tiny_blob && type <= field_type::blob) || type == field_type::bit ||
           type == field_type::geometry;
}

bool is_decimal(std::uint8_t type) {
    return type == field_type::decimal || type == field_type::new_decimal;
}

// Places where a backslash follows a byte above 127.
std::size_t count_joints(std::string_view text) {
    std::size_t joints = 0;
    for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at + 1)) {
        if (at > 0 && (static_cast<unsigned char>(text[at - 1]) & 0x80U) != 0) ++joints;
    }
    return joints;
}

// Right in every character set that a client may choose, without knowing it. In gbk, sjis and others a backslash can be
// the second half of a character, a quote never: so quotes are doubled, and between a byte above 127 and a backslash
// the literal ends and another begins, which the server joins. It copies all that it has at each such joint, so many
// of them, as in a picture that is bound as text, are left to CONCAT. Behind an introducer it would convert the second
// one; there the bytes above 127 get a backslash each, which makes them stand alone. (Elsewhere that must not be:
// MariaDB takes the literal for pure ASCII then.) Control characters may stand as they are; the less is escaped, the
// less depends on sql_mode.
void put_string(std::string& out, std::string_view text, bool binary, bool no_backslash) {
    constexpr std::size_t joints_max = 16;
    const bool concat = !binary && !no_backslash && count_joints(text) > joints_max;
    std::size_t copied = 0;
    std::size_t high = 0;  // so many bytes in front of this one are above 127
    if (concat) out += "CONCAT(";
    out += binary ? "_binary'" : "'";
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && !no_backslash) {
            const std::size_t run = binary ? high : 0;
            out += text.substr(copied, i - run - copied);
            for (const char byte : text.substr(i - run, run)) {
                out += '\\';
                out += byte;
            }
            if (high > run) out += concat ? "','" : "' '";
            out += '\\';
            copied = i;
        } else if (c == '\'') {
            out += text.substr(copied, i - copied);
            out += '\'';
            copied = i;
        }
        high = (static_cast<unsigned char>(c) & 0x80U) != 0 ? high + 1 : 0;
    }
    out += text.substr(copied);
    out += concat ? "')" : "'";
}

// --- numbers of rows -------------------------------------------------------------------------------------------------

// The integer that a text begins with; 0 when it begins with none. Negative ones wrap around as the server's do.
std::uint64_t leading_integer(std::string_view text, bool rounded) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    if (rounded && text.size() > 1 && text[0] == '.' && text[1] >= '5' && text[1] <= '9') ++value;
    return negative ? 0 - value : value;
}

// A LIMIT takes nothing but integers in SQL, while a server makes one of whatever is bound there: some drivers bind
// every number as a DOUBLE, others as text.
bool put_limit(std::string& out, const Parameter& parameter) {
    std::optional<std::uint64_t> value;
    if (parameter.null) {
        value = 0;
    } else if (parameter.long_data || number_bytes(parameter.type) == 0) {
        if (has_date(parameter.type) || parameter.type == field_type::time_) return false;
        value = leading_integer(parameter.value, is_decimal(parameter.type));
    } else if (is_floating(parameter.type)) {
        const auto rows = floating_of(parameter);
        if (!rows || std::abs(*rows) >= 0x1p63) return false;
        value = static_cast<std::uint64_t>(std::llrint(*rows));
    } else {
        value = integer_of(parameter);
    }
    if (!value) return false;
    out += std::to_string(*value);
    return true;
}

bool put_literal(std::string& out, const Parameter& parameter, const Place& place, bool no_backslash) {
    if (!parameter.variable.empty()) {
        out += parameter.variable;
        return true;
    }
    if (parameter.is_default) {
        out += "DEFAULT";
        return true;
    }
    if (place.limit) return put_limit(out, parameter);
    if (parameter.null) {
        out += "NULL";
        return true;
    }
    if (!parameter.long_data) {
        if (is_floating(parameter.type)) return put_floating(out, parameter);
        if (number_bytes(parameter.type) != 0) return put_integer(out, parameter);
        if (is_decimal(parameter.type)) {
            put_decimal(out, parameter);
            return true;
        }
        if (has_date(parameter.type)) return put_date(out, parameter);
        if (parameter.type == field_type::time_) return put_time(out, parameter);
    }
    if (place.before_string) out += '(';
    put_string(out, parameter.value, is_binary(parameter.type), no_backslash);
    if (place.before_string) out += ')';
    return true;
}

}  // namespace

Error statement_too_long() {
    return Error{ErrorCode::overloaded, "Got a packet bigger than 'max_allowed_packet' bytes", 1153, "08S01"};
}

std::optional<std::string_view> read_value(FieldReader& fields, std::uint8_t type) {
    if (const int bytes = number_bytes(type); bytes != 0) return fields.bytes(static_cast<std::size_t>(bytes));
    const auto value = fields.lenenc_string();
    if ((has_date(type) || type == field_type::time_) && value && !time_length_fits(type, value->size())) {
        return std::nullopt;
    }
    return value;
}

Result<std::vector<std::size_t>> find_placeholders(std::string_view sql, bool no_backslash) {
    const auto places = find_places(sql, no_backslash);
    if (places.size() > parameters_max) {
        return Error{ErrorCode::overloaded, "Prepared statement contains too many placeholders", 1390, "HY000"};
    }
    std::vector<std::size_t> offsets;
    offsets.reserve(places.size());
    for (const Place& place : places) offsets.push_back(place.offset);
    return offsets;
}

void Parameter::take_type(std::uint16_t sent) {
    type = static_cast<std::uint8_t>(sent & 0xFFU);
    is_unsigned = (sent & 0x8000U) != 0;
}

bool read_types(FieldReader& fields, std::size_t count, std::vector<std::uint16_t>& types) {
    const auto said = fields.bytes(count * 2);
    if (!said) return false;
    FieldReader each(*said);
    types.clear();
    while (const auto type = each.integer(2)) types.push_back(static_cast<std::uint16_t>(*type));
    return true;
}

Result<std::vector<Parameter>> decode_parameters(std::string_view payload, std::size_t count,
                                                 std::vector<std::uint16_t>& types,
                                                 const std::map<std::uint16_t, std::string>& long_data) {
    if (count == 0) return std::vector<Parameter>{};
    if (count > parameters_max) return bad_arguments();
    FieldReader fields(payload);
    const auto nulls = fields.bytes((count + 7) / 8);
    const auto types_follow = fields.integer(1);
    if (!nulls || !types_follow) return bad_arguments();
    if (*types_follow != 0) {
        if (!read_types(fields, count, types)) return bad_arguments();
    }
    if (types.size() != count) return bad_arguments();
    std::vector<Parameter> parameters(count);
    for (std::size_t i = 0; i < count; ++i) {
        Parameter& parameter = parameters[i];
        parameter.take_type(types[i]);
        if (const auto sent = long_data.find(static_cast<std::uint16_t>(i)); sent != long_data.end()) {
            parameter.long_data = true;
            parameter.value = sent->second;
            continue;
        }
        const bool null_bit = (static_cast<unsigned char>((*nulls)[i / 8]) >> i % 8 & 1U) != 0;
        parameter.null = null_bit || parameter.type == field_type::null;
        if (parameter.null) continue;
        const auto value = read_value(fields, parameter.type);
        if (!value) return bad_arguments();
        parameter.value = *value;
    }
    return parameters;
}

Result<std::string> bind(std::string_view sql, const std::vector<std::size_t>& placeholders,
                         const std::vector<Parameter>& parameters, bool no_backslash) {
    const auto places = find_places(sql, no_backslash);
    const bool same = std::equal(places.begin(), places.end(), placeholders.begin(), placeholders.end(),
                                 [](const Place& place, std::size_t offset) { return place.offset == offset; });
    if (!same) {
        // A value must never land where the server now sees the inside of a string.
        return Error{ErrorCode::invalid_argument,
                     "The statement reads differently since sql_mode changed; prepare it again", 1210, "HY000"};
    }
    if (parameters.size() != places.size()) return bad_arguments();
    if (sql.size() > statement_bytes_max) return statement_too_long();
    std::string out;
    std::size_t copied = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        out += sql.substr(copied, places[i].offset - copied);
        copied = places[i].offset + 1;
        if (out.size() + parameters[i].value.size() > statement_bytes_max) return statement_too_long();
        // Spaces keep it apart from what stands beside it: "LIMIT?", "-?".
        out += ' ';
        if (!put_literal(out, parameters[i], places[i], no_backslash)) return bad_arguments();
        out += ' ';
    }
    out += sql.substr(copied);
    if (out.size() > statement_bytes_max) return statement_too_long();
    return out;
}

}  // namespace ddb::gateway
