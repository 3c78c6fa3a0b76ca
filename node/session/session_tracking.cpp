#include "node/session/session_tracking.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t scanned_bytes_max = 64u << 10;
constexpr std::size_t scanned_tokens_max = 10'000;

using Names = std::span<const std::string_view>;

// The first tokens of one assignment; in the global scope it is another thing.
[[nodiscard]] bool sets_one_of(Names names, const Token& first, const Token& second) {
    const bool scoped = first.is("SESSION") || first.is("LOCAL");
    const Token& token = scoped ? second : first;
    std::string_view name = token.text;
    if (token.kind == Token::Kind::system_variable) {
        for (const std::string_view scope : {"SESSION.", "LOCAL."}) {
            if (starts_ignoring_case(name, scope)) name.remove_prefix(scope.size());
        }
    } else if (token.kind != Token::Kind::word) {
        return false;
    }
    return std::any_of(names.begin(), names.end(), [&](auto word) { return equals_ignoring_case(name, word); });
}

[[nodiscard]] std::optional<std::string> without(Names names, std::string_view sql) {
    // Where a string ends depends on sql_mode once a backslash occurs; a statement that is only prepared keeps its
    // placeholders.
    if (sql.size() > scanned_bytes_max || sql.find_first_of("\\?") != std::string_view::npos) return std::nullopt;
    const std::vector<Token> tokens = scan(sql, scanned_tokens_max);
    const auto token_at = [&](std::size_t i) { return i < tokens.size() ? tokens[i] : Token{}; };
    if (!token_at(0).is("SET") || token_at(1).is("STATEMENT") || tokens.front().versioned) return std::nullopt;
    std::string out;
    bool found = false;
    bool global = false;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        const std::size_t start = i;
        if (tokens[start].is("GLOBAL") || tokens[start].is("PERSIST")) global = true;
        if (tokens[start].is("SESSION") || tokens[start].is("LOCAL")) global = false;
        for (int depth = 0; i < tokens.size() && (depth != 0 || !tokens[i].symbol(',')); ++i) {
            if (tokens[i].symbol('(')) ++depth;
            if (tokens[i].symbol(')')) --depth;
        }
        if (start < i && !global && sets_one_of(names, tokens[start], token_at(start + 1))) {
            found = true;
            continue;
        }
        const std::size_t begin = start < i ? tokens[start].offset : token_at(i).offset;
        const std::size_t end = i < tokens.size() ? tokens[i].offset : sql.size();
        out.append(out.empty() ? "SET " : ", ").append(sql.substr(begin, end - begin));
    }
    return found ? std::optional(out) : std::nullopt;
}

}  // namespace

std::optional<std::string> without_tracking(std::string_view sql) {
    constexpr std::array<std::string_view, 2> names{"SESSION_TRACK_SCHEMA", "SESSION_TRACK_SYSTEM_VARIABLES"};
    // Every statement comes by here.
    if (sql.size() > scanned_bytes_max || !contains_ignoring_case(sql, "SESSION_TRACK_S")) return std::nullopt;
    return without(names, sql);
}

std::optional<std::string> without_autocommit(std::string_view sql) {
    constexpr std::array<std::string_view, 1> names{"AUTOCOMMIT"};
    return without(names, sql);
}

}  // namespace ddb::session
