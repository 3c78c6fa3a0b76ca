#include "client/failover.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "client/text_tools.hpp"

namespace ddb::client {
namespace {

constexpr std::size_t settings_max = 256;
constexpr std::size_t settings_bytes_max = 256u << 10;
// Longer reads are treated as possible writes instead of being searched.
constexpr std::size_t read_bytes_max = 1u << 20;
constexpr std::size_t searched_bytes_max = 64u << 10;

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
}

// Behind blanks and comments; the inside of an executable comment counts as text.
std::string_view skip_to_text(std::string_view sql) {
    for (;;) {
        sql = trim(sql);
        if (sql.starts_with("/*!") || sql.starts_with("/*M!")) {
            sql.remove_prefix(sql[2] == 'M' ? 4 : 3);
            while (!sql.empty() && std::isdigit(static_cast<unsigned char>(sql[0])) != 0) sql.remove_prefix(1);
        } else if (sql.starts_with("/*")) {
            const std::size_t end = sql.find("*/", 2);
            if (end == std::string_view::npos) return {};
            sql.remove_prefix(end + 2);
        } else if (sql.starts_with("#") || sql.starts_with("-- ") || sql.starts_with("--\n") ||
                   sql.starts_with("--\t")) {
            const std::size_t end = sql.find('\n');
            if (end == std::string_view::npos) return {};
            sql.remove_prefix(end + 1);
        } else {
            return sql;
        }
    }
}

std::string take_word(std::string_view& sql) {
    sql = skip_to_text(sql);
    std::size_t end = 0;
    while (end < sql.size() && end < 64 && is_word(sql[end])) ++end;
    std::string word = lower(sql.substr(0, end));
    sql.remove_prefix(end);
    return word;
}

// Words that may stand before a parenthesis in a statement without effect. Functions with effects (GET_LOCK, NEXTVAL,
// SLEEP's kin excepted) and everything unknown are missing on purpose.
constexpr std::array harmless_before_parenthesis = std::to_array<std::string_view>({"abs",
                                                                                    "adddate",
                                                                                    "addtime",
                                                                                    "all",
                                                                                    "and",
                                                                                    "any",
                                                                                    "as",
                                                                                    "ascii",
                                                                                    "avg",
                                                                                    "between",
                                                                                    "bin",
                                                                                    "bit_and",
                                                                                    "bit_count",
                                                                                    "bit_length",
                                                                                    "bit_or",
                                                                                    "bit_xor",
                                                                                    "by",
                                                                                    "case",
                                                                                    "cast",
                                                                                    "ceil",
                                                                                    "ceiling",
                                                                                    "char",
                                                                                    "char_length",
                                                                                    "charset",
                                                                                    "coalesce",
                                                                                    "collation",
                                                                                    "concat",
                                                                                    "concat_ws",
                                                                                    "connection_id",
                                                                                    "conv",
                                                                                    "convert",
                                                                                    "count",
                                                                                    "crc32",
                                                                                    "curdate",
                                                                                    "current_date",
                                                                                    "current_time",
                                                                                    "current_timestamp",
                                                                                    "current_user",
                                                                                    "curtime",
                                                                                    "database",
                                                                                    "date",
                                                                                    "date_add",
                                                                                    "date_format",
                                                                                    "date_sub",
                                                                                    "datediff",
                                                                                    "day",
                                                                                    "dayname",
                                                                                    "dayofmonth",
                                                                                    "dayofweek",
                                                                                    "dayofyear",
                                                                                    "decimal",
                                                                                    "dense_rank",
                                                                                    "distinct",
                                                                                    "div",
                                                                                    "else",
                                                                                    "elt",
                                                                                    "except",
                                                                                    "exists",
                                                                                    "exp",
                                                                                    "extract",
                                                                                    "field",
                                                                                    "find_in_set",
                                                                                    "first_value",
                                                                                    "floor",
                                                                                    "format",
                                                                                    "found_rows",
                                                                                    "from",
                                                                                    "from_days",
                                                                                    "from_unixtime",
                                                                                    "greatest",
                                                                                    "group_concat",
                                                                                    "having",
                                                                                    "hex",
                                                                                    "hour",
                                                                                    "if",
                                                                                    "ifnull",
                                                                                    "in",
                                                                                    "inet_aton",
                                                                                    "inet_ntoa",
                                                                                    "insert",
                                                                                    "instr",
                                                                                    "intersect",
                                                                                    "interval",
                                                                                    "isnull",
                                                                                    "join",
                                                                                    "json_array",
                                                                                    "json_contains",
                                                                                    "json_extract",
                                                                                    "json_length",
                                                                                    "json_object",
                                                                                    "json_unquote",
                                                                                    "json_valid",
                                                                                    "key",
                                                                                    "lag",
                                                                                    "last_day",
                                                                                    "last_insert_id",
                                                                                    "last_value",
                                                                                    "lcase",
                                                                                    "lead",
                                                                                    "least",
                                                                                    "left",
                                                                                    "length",
                                                                                    "like",
                                                                                    "limit",
                                                                                    "ln",
                                                                                    "locate",
                                                                                    "log",
                                                                                    "log10",
                                                                                    "log2",
                                                                                    "lower",
                                                                                    "lpad",
                                                                                    "ltrim",
                                                                                    "make_set",
                                                                                    "makedate",
                                                                                    "maketime",
                                                                                    "max",
                                                                                    "md5",
                                                                                    "mid",
                                                                                    "min",
                                                                                    "minute",
                                                                                    "mod",
                                                                                    "month",
                                                                                    "monthname",
                                                                                    "not",
                                                                                    "now",
                                                                                    "ntile",
                                                                                    "nullif",
                                                                                    "oct",
                                                                                    "octet_length",
                                                                                    "on",
                                                                                    "or",
                                                                                    "ord",
                                                                                    "over",
                                                                                    "partition",
                                                                                    "percent_rank",
                                                                                    "period_add",
                                                                                    "period_diff",
                                                                                    "pi",
                                                                                    "position",
                                                                                    "pow",
                                                                                    "power",
                                                                                    "quarter",
                                                                                    "quote",
                                                                                    "radians",
                                                                                    "rand",
                                                                                    "rank",
                                                                                    "repeat",
                                                                                    "replace",
                                                                                    "reverse",
                                                                                    "right",
                                                                                    "round",
                                                                                    "row_count",
                                                                                    "row_number",
                                                                                    "rpad",
                                                                                    "rtrim",
                                                                                    "schema",
                                                                                    "sec_to_time",
                                                                                    "second",
                                                                                    "select",
                                                                                    "session_user",
                                                                                    "sha",
                                                                                    "sha1",
                                                                                    "sha2",
                                                                                    "sign",
                                                                                    "sin",
                                                                                    "sleep",
                                                                                    "some",
                                                                                    "soundex",
                                                                                    "space",
                                                                                    "sqrt",
                                                                                    "std",
                                                                                    "stddev",
                                                                                    "str_to_date",
                                                                                    "strcmp",
                                                                                    "subdate",
                                                                                    "substr",
                                                                                    "substring",
                                                                                    "substring_index",
                                                                                    "subtime",
                                                                                    "sum",
                                                                                    "sysdate",
                                                                                    "system_user",
                                                                                    "tan",
                                                                                    "then",
                                                                                    "time",
                                                                                    "time_format",
                                                                                    "time_to_sec",
                                                                                    "timediff",
                                                                                    "timestamp",
                                                                                    "timestampadd",
                                                                                    "timestampdiff",
                                                                                    "to_base64",
                                                                                    "to_days",
                                                                                    "trim",
                                                                                    "truncate",
                                                                                    "ucase",
                                                                                    "unhex",
                                                                                    "union",
                                                                                    "unix_timestamp",
                                                                                    "upper",
                                                                                    "user",
                                                                                    "using",
                                                                                    "utc_date",
                                                                                    "utc_time",
                                                                                    "utc_timestamp",
                                                                                    "uuid",
                                                                                    "values",
                                                                                    "var_pop",
                                                                                    "variance",
                                                                                    "version",
                                                                                    "week",
                                                                                    "weekday",
                                                                                    "weekofyear",
                                                                                    "when",
                                                                                    "where",
                                                                                    "with",
                                                                                    "xor",
                                                                                    "year",
                                                                                    "yearweek"});
static_assert(std::is_sorted(harmless_before_parenthesis.begin(), harmless_before_parenthesis.end()));

bool harmless_call(std::string_view word) {
    return std::binary_search(harmless_before_parenthesis.begin(), harmless_before_parenthesis.end(), word);
}

// Moves behind a quoted text that opens at `at`.
std::size_t skip_quoted(std::string_view sql, std::size_t at) {
    const char quote = sql[at++];
    while (at < sql.size() && sql[at] != quote) at += sql[at] == '\\' && quote != '`' ? 2 : 1;
    return at + 1;
}

// A query: true when nothing in it can have an effect.
bool harmless_query(std::string_view sql) {
    if (sql.size() > read_bytes_max) return false;
    std::string word;        // the last one
    bool name_call = false;  // a quoted or qualified name stands before what comes next
    for (std::size_t at = 0; at < sql.size();) {
        const char c = sql[at];
        if (c == '\'' || c == '"' || c == '`') {
            name_call = c != '\'';
            at = skip_quoted(sql, at);
            word.clear();
        } else if (is_word(c)) {
            std::size_t end = at;
            while (end < sql.size() && is_word(sql[end])) ++end;
            word = lower(sql.substr(at, end - at));
            // INTO (file, variable), NEXT VALUE FOR, := and executable comments are not looked at any closer.
            if (word == "into" || word == "next" || word == "nextval" || word == "procedure") return false;
            name_call = at > 0 && sql[at - 1] == '.';
            at = end;
        } else if (c == '(') {
            if (name_call || (!word.empty() && !harmless_call(word))) return false;
            word.clear();
            ++at;
        } else if (sql.substr(at).starts_with(":=") || sql.substr(at).starts_with("/*!") ||
                   sql.substr(at).starts_with("/*M!")) {
            return false;
        } else {
            if (std::isspace(static_cast<unsigned char>(c)) == 0) {
                word.clear();
                if (c != '.') name_call = false;
            }
            ++at;
        }
    }
    return true;
}

StatementClass classify_rollback(std::string_view rest) {
    std::string word = take_word(rest);
    if (word == "work") word = take_word(rest);
    return word == "to" ? StatementClass::dml : StatementClass::rollback;
}

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

StatementClass classify(std::string_view sql) {
    std::string_view rest = skip_to_text(sql);
    const std::string_view text = rest;
    const std::string word = take_word(rest);
    if (one_of(word, {"show", "desc", "describe", "help"})) return StatementClass::read;
    if (word.empty() || one_of(word, {"select", "with", "values", "table", "explain"})) {
        if (!word.empty() || text.starts_with("("))
            return harmless_query(text) ? StatementClass::read : StatementClass::dml;
        return StatementClass::other;
    }
    if (word == "use") return StatementClass::setting;
    if (word == "set") {
        const std::string scope = take_word(rest);
        return one_of(scope, {"global", "persist", "persist_only", "password", "default", "role", "statement"})
                   ? StatementClass::other
                   : StatementClass::setting;
    }
    if (word == "begin") {
        const std::string next = take_word(rest);
        return next == "not" ? StatementClass::other : StatementClass::begin;
    }
    if (word == "start") return take_word(rest) == "transaction" ? StatementClass::begin : StatementClass::other;
    if (word == "commit") return StatementClass::commit;
    if (word == "rollback") return classify_rollback(rest);
    if (one_of(word,
               {"insert", "update", "delete", "replace", "load", "savepoint", "release", "call", "do", "execute"})) {
        return StatementClass::dml;
    }
    return StatementClass::other;
}

void SessionMemory::succeeded(StatementClass kind, std::string_view sql, RequestNumber request) {
    switch (kind) {
        case StatementClass::setting:
            // The default database is told with every answer and travels in OpenSession.
            if (lower(skip_to_text(sql).substr(0, 3)) != "use") remember(std::string(sql), request);
            return;
        case StatementClass::dml: {
            std::string_view rest = sql;
            const std::string word = take_word(rest);
            // A query or call may have taken a user lock or set a variable.
            const std::string text = lower(sql.substr(0, searched_bytes_max));
            const bool query =
                !one_of(word, {"insert", "update", "delete", "replace", "load", "savepoint", "release", "rollback"});
            const bool leaves = text.find('@') != std::string::npos || text.find("get_lock") != std::string::npos;
            if (query && leaves) restorable_ = false;
            return;
        }
        case StatementClass::other: {
            std::string_view rest = sql;
            const std::string word = take_word(rest);
            const std::string second = take_word(rest);
            const std::string third = take_word(rest);
            if (one_of(word, {"prepare", "lock", "handler", "set"}) || second == "temporary" || third == "temporary" ||
                (word == "create" && (second == "or" && take_word(rest) == "temporary"))) {
                restorable_ = false;
            }
            return;
        }
        default:
            return;
    }
}

void SessionMemory::generated_id(std::uint64_t last_insert_id, RequestNumber request) {
    if (last_insert_id != 0) generated_ = {request, "SET last_insert_id=" + std::to_string(last_insert_id)};
}

std::vector<SessionMemory::Setting> SessionMemory::settings() const {
    std::vector<Setting> out = settings_;
    if (generated_.request) out.push_back(generated_);
    std::sort(out.begin(), out.end(), [](const Setting& a, const Setting& b) { return a.request < b.request; });
    return out;
}

// Dumps repeat the same few settings for every table: of equal ones the last is kept.
void SessionMemory::remember(std::string sql, RequestNumber request) {
    const auto same = std::find_if(settings_.begin(), settings_.end(), [&](const Setting& s) { return s.sql == sql; });
    if (same != settings_.end()) {
        bytes_ -= same->sql.size();
        settings_.erase(same);
    }
    if (settings_.size() >= settings_max || bytes_ + sql.size() > settings_bytes_max) {
        restorable_ = false;
        return;
    }
    bytes_ += sql.size();
    settings_.push_back({request, std::move(sql)});
}

}  // namespace ddb::client
