#include "node/session/pinned_settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>

namespace ddb::session::rules {
namespace {

// Variables that capture, apply or the two-phase commit stand on: refused in every scope.
constexpr std::array<std::string_view, 24> pinned_variables{
    "SQL_LOG_BIN", "SERVER_ID", "SESSION_TRACK_GTIDS", "SESSION_TRACK_SYSTEM_VARIABLES", "SESSION_TRACK_SCHEMA",
    "SESSION_TRACK_STATE_CHANGE", "SESSION_TRACK_TRANSACTION_INFO", "SKIP_REPLICATION", "PSEUDO_SLAVE_MODE",
    "PSEUDO_REPLICA_MODE", "PSEUDO_THREAD_ID", "COMPLETION_TYPE", "ENFORCE_STORAGE_ENGINE", "INNODB_SNAPSHOT_ISOLATION",
    "SQL_REQUIRE_PRIMARY_KEY", "XA_DETACH_ON_PREPARE", "SQL_ERROR_LOG", "LOG_BIN", "SYSTEM_VERSIONING_INSERT_HISTORY",
    "CREATE_TMP_TABLE_BINLOG_FORMATS",
    // by which statements about accounts are judged as an older server would
    "ORIGINAL_SERVER_VERSION", "IMMEDIATE_SERVER_VERSION",
    // no log and no dump tells of them
    "INNODB_FT_USER_STOPWORD_TABLE", "INNODB_FT_SERVER_STOPWORD_TABLE"};
constexpr std::array<std::string_view, 7> pinned_prefixes{"GTID_", "BINLOG_", "LOG_BIN_COMPRESS", "WSREP_",
                                                          "RPL_",  "SLAVE_",  "REPLICATE_"};
// Refused in the global scope only: the node's own sessions begin with them, those that read a whole table too.
constexpr std::array<std::string_view, 30> pinned_globals{"READ_ONLY",
                                                          "PARTIAL_REVOKES",
                                                          "INNODB_FILE_PER_TABLE",
                                                          "INNODB_INSTANT_ALTER_COLUMN_ALLOWED",
                                                          "INNODB_READ_ONLY_COMPRESSED",
                                                          "INNODB_DEFAULT_ROW_FORMAT",
                                                          "INNODB_ALTER_COPY_BULK",
                                                          "LOG_BIN_TRUST_FUNCTION_CREATORS",
                                                          "TX_READ_ONLY",
                                                          "TRANSACTION_READ_ONLY",
                                                          "SQL_SELECT_LIMIT",
                                                          "SQL_BIG_SELECTS",
                                                          "MAX_JOIN_SIZE",
                                                          "MAX_SESSION_MEM_USED",
                                                          "MAX_TMP_SESSION_SPACE_USAGE",
                                                          "MAX_TMP_TOTAL_SPACE_USAGE",
                                                          "MAX_BINLOG_TOTAL_SIZE",
                                                          "SUPER_READ_ONLY",
                                                          "EVENT_SCHEDULER",
                                                          "MAX_BINLOG_CACHE_SIZE",
                                                          "MAX_BINLOG_STMT_CACHE_SIZE",
                                                          "SYNC_BINLOG",
                                                          "EXPIRE_LOGS_DAYS",
                                                          "AUTOCOMMIT",
                                                          "INNODB_FORCE_PRIMARY_KEY",
                                                          "INNODB_FLUSH_LOG_AT_TRX_COMMIT",
                                                          "MAX_ALLOWED_PACKET",
                                                          "LOCAL_INFILE",
                                                          "PROXY_PROTOCOL_NETWORKS",
                                                          "INIT_CONNECT"};

// What a variable has on every node, because the node sees to it or nobody could change it, and its other values.
struct Fixed {
    std::string_view name;
    std::span<const std::string_view> has;
    std::span<const std::string_view> others;  // none: any word may be one
};
constexpr std::array<std::string_view, 3> on{"ON", "TRUE", "1"};
constexpr std::array<std::string_view, 3> off{"OFF", "FALSE", "0"};
constexpr std::array<std::string_view, 1> row{"ROW"};
constexpr std::array<std::string_view, 2> other_formats{"STATEMENT", "MIXED"};
constexpr std::array<std::string_view, 1> full{"FULL"};
constexpr std::array<std::string_view, 3> other_images{"MINIMAL", "NOBLOB", "FULL_NODUP"};
constexpr std::array<std::string_view, 2> no_chain{"NO_CHAIN", "0"};
constexpr std::array<std::string_view, 2> other_ends{"CHAIN", "RELEASE"};
constexpr std::array<std::string_view, 1> dynamic{"DYNAMIC"};
constexpr std::array<std::string_view, 2> other_rows{"COMPACT", "REDUNDANT"};
constexpr std::array<std::string_view, 2> reorder{"ADD_DROP_REORDER", "2"};
constexpr std::array<std::string_view, 2> other_alters{"NEVER", "ADD_LAST"};
constexpr std::array<std::string_view, 1> innodb{"INNODB"};
constexpr std::array<std::string_view, 2> no_limit{"DEFAULT", "18446744073709551615"};
constexpr std::array<std::string_view, 1> nothing{""};
constexpr std::array<std::string_view, 2> no_table{"DEFAULT", "NULL"};
// read_only is not among them: it is ON where the coordinator's office is not, which may end meanwhile.
constexpr std::array<Fixed, 24> fixed_variables{{{"LOG_BIN_TRUST_FUNCTION_CREATORS", on, off},
                                                 {"INNODB_FILE_PER_TABLE", on, off},
                                                 {"INNODB_INSTANT_ALTER_COLUMN_ALLOWED", reorder, other_alters},
                                                 {"INNODB_READ_ONLY_COMPRESSED", off, on},
                                                 {"INNODB_DEFAULT_ROW_FORMAT", dynamic, other_rows},
                                                 {"INNODB_ALTER_COPY_BULK", off, on},
                                                 {"SQL_LOG_BIN", on, off},
                                                 {"BINLOG_FORMAT", row, other_formats},
                                                 {"BINLOG_ROW_IMAGE", full, other_images},
                                                 {"SKIP_REPLICATION", off, on},
                                                 {"COMPLETION_TYPE", no_chain, other_ends},
                                                 {"ENFORCE_STORAGE_ENGINE", innodb, {}},
                                                 {"INNODB_SNAPSHOT_ISOLATION", on, off},
                                                 {"INNODB_FORCE_PRIMARY_KEY", on, off},
                                                 {"SQL_SELECT_LIMIT", no_limit, {}},
                                                 {"EVENT_SCHEDULER", off, {}},
                                                 {"BINLOG_ANNOTATE_ROW_EVENTS", off, on},
                                                 {"TX_READ_ONLY", off, on},
                                                 {"TRANSACTION_READ_ONLY", off, on},
                                                 {"AUTOCOMMIT", on, off},
                                                 {"LOCAL_INFILE", on, off},
                                                 {"INIT_CONNECT", nothing, {}},
                                                 {"INNODB_FT_USER_STOPWORD_TABLE", no_table, {}},
                                                 {"INNODB_FT_SERVER_STOPWORD_TABLE", no_table, {}}}};

// max_allowed_packet of every server, the most that they take: what one row becomes must fit.
constexpr std::uint64_t packet_bytes = 1ULL << 30;

// Letters alone, so that no escape, introducer or number can mean another one.
[[nodiscard]] bool plain_word(const Token& token) {
    if (token.kind != Token::Kind::word && token.kind != Token::Kind::string) return false;
    return !token.text.empty() && std::all_of(token.text.begin(), token.text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    });
}

// The product that numbers and asterisks are; 0 for anything else, and for what is too large.
[[nodiscard]] std::uint64_t product(Tokens value) {
    constexpr std::uint64_t factor_max = 1ULL << 31;
    std::uint64_t out = value.size() % 2;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (i % 2 == 1) {
            if (!value[i].symbol('*')) return 0;
            continue;
        }
        const std::string_view text = value[i].text;
        std::uint64_t factor = 0;
        const auto end = text.data() + text.size();
        const bool number = value[i].kind == Token::Kind::number;
        if (!number || std::from_chars(text.data(), end, factor).ptr != end || factor > factor_max) return 0;
        if (out > factor_max) return 0;
        out *= factor;
    }
    return out;
}

// The same of products that plus signs join.
[[nodiscard]] std::uint64_t sum(Tokens value) {
    constexpr std::uint64_t sum_max = 1ULL << 62;
    std::uint64_t out = 0;
    while (true) {
        const auto sign =
            std::find_if(value.begin(), value.end(), [](const Token& token) { return token.symbol('+'); });
        const auto before = static_cast<std::size_t>(sign - value.begin());
        const std::uint64_t summand = product(value.first(before));
        if (summand == 0 || summand > sum_max || out > sum_max) return 0;
        out += summand;
        if (sign == value.end()) return out;
        value = value.subspan(before + 1);
    }
}

[[nodiscard]] bool says_default(Tokens value) {
    return value.size() == 1 && value[0].is("DEFAULT");
}

[[nodiscard]] bool says_one(Tokens value) {
    return value.size() == 1 && value[0].kind == Token::Kind::number && value[0].text == "1";
}

// How often a server's own files are synced, which imports ask for.
[[nodiscard]] std::optional<KeptSetting> kept_sync(std::string_view name, Tokens value) {
    constexpr std::array<std::string_view, 2> names{"INNODB_FLUSH_LOG_AT_TRX_COMMIT", "SYNC_BINLOG"};
    if (!listed(name, names) || value.size() != 1) return std::nullopt;
    if (value[0].kind != Token::Kind::number && !says_default(value)) return std::nullopt;
    KeptSetting kept;
    kept.sql = "SET GLOBAL max_allowed_packet = " + std::to_string(packet_bytes);  // who may not set that either
    if (says_one(value)) return kept;  // synced with each commit, as those of the majority are
    kept.warning = lower_case(name) +
                   " stays as the node has it: what is acknowledged is in the journals of a majority of nodes, "
                   "whatever one server does";
    return kept;
}

// MIXED leaves it to the server what it logs as rows: here that is everything.
[[nodiscard]] std::optional<KeptSetting> kept_format(std::string_view name, Tokens value, bool global) {
    if (!equals_ignoring_case(name, "BINLOG_FORMAT") || value.size() != 1) return std::nullopt;
    const bool mixed = plain_word(value[0]) && equals_ignoring_case(value[0].text, "MIXED");
    if (!mixed && !says_default(value)) return std::nullopt;
    return KeptSetting{std::string(global ? "SET GLOBAL" : "SET SESSION") + " binlog_format = ROW", ""};
}

}  // namespace

bool pinned(std::string_view name, bool global) {
    if (listed(name, pinned_variables)) return true;
    for (const auto prefix : pinned_prefixes) {
        if (starts_ignoring_case(name, prefix)) return true;
    }
    return global && listed(name, pinned_globals);
}

bool changes_nothing(std::string_view name, Tokens value) {
    if (equals_ignoring_case(name, "MAX_ALLOWED_PACKET")) return sum(value) >= packet_bytes;
    const auto fixed = std::find_if(fixed_variables.begin(), fixed_variables.end(),
                                    [&](const Fixed& one) { return equals_ignoring_case(name, one.name); });
    if (fixed == fixed_variables.end() || value.size() != 1) return false;
    const Token& token = value[0];
    if (token.kind == Token::Kind::number) return listed(token.text, fixed->has);
    if (token.kind == Token::Kind::string && token.text.empty()) return listed("", fixed->has);
    if (!plain_word(token)) return false;
    const bool standard = equals_ignoring_case(token.text, "DEFAULT");
    if (listed(token.text, fixed->has)) return !standard || token.kind == Token::Kind::word;
    return !fixed->others.empty() && !standard && !listed(token.text, fixed->others);
}

std::optional<KeptSetting> kept_setting(std::string_view name, Tokens value, bool global) {
    const auto kept = [](const std::string& variable, const std::string& asked, const std::string& has) {
        return KeptSetting{"SET GLOBAL " + variable + " = " + has,
                           "Truncated incorrect " + variable + " value: '" + asked + "'; on every node it is " + has};
    };
    if (auto format = kept_format(name, value, global)) return format;
    if (!global) return std::nullopt;
    if (auto sync = kept_sync(name, value)) return sync;
    if (equals_ignoring_case(name, "MAX_ALLOWED_PACKET")) {
        if (says_default(value)) return kept("max_allowed_packet", "DEFAULT", std::to_string(packet_bytes));
        const std::uint64_t asked = sum(value);
        if (asked == 0 || asked >= packet_bytes) return std::nullopt;
        return kept("max_allowed_packet", std::to_string(asked), std::to_string(packet_bytes));
    }
    if (!equals_ignoring_case(name, "LOG_BIN_TRUST_FUNCTION_CREATORS") || value.size() != 1) return std::nullopt;
    const bool number = value[0].kind == Token::Kind::number;
    const bool is_off = (number || plain_word(value[0])) && listed(value[0].text, off);
    if (!is_off && !says_default(value)) return std::nullopt;
    return kept("log_bin_trust_function_creators", std::string(value[0].text), "1");
}

}  // namespace ddb::session::rules
