#include "node/session/kept_warnings.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <variant>
#include <vector>

#include "node/session/classifier_rules.hpp"
#include "node/session/row_values.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 16;
constexpr std::size_t columns = 3;  // level, code, message

// Each row as it is in the result, with its level.
template <typename Take>
void each_row(const std::deque<SessionMessage>& messages, const Take& take) {
    for (const SessionMessage& message : messages) {
        const auto* chunk = std::get_if<ResultRows>(&message);
        if (chunk == nullptr) continue;
        std::size_t at = 0;
        for (std::uint32_t i = 0; i < chunk->row_count; ++i) {
            const std::size_t begin = at;
            const std::string_view level = value_at(chunk->rows, at);
            for (std::size_t column = 1; column < columns; ++column) (void)value_at(chunk->rows, at);
            take(level, std::string_view(chunk->rows).substr(begin, at - begin));
        }
    }
}

[[nodiscard]] bool number(const Token& token, std::uint64_t& out) {
    if (token.kind != Token::Kind::number) return false;
    const char* const end = token.text.data() + token.text.size();
    return std::from_chars(token.text.data(), end, out).ptr == end;
}

// LIMIT [offset,] rows | LIMIT rows OFFSET offset; nothing
[[nodiscard]] bool take_limit(Tokens tokens, WarningsAsked& out) {
    if (tokens.empty()) return true;
    if (!tokens[0].is("LIMIT") || !number(token_at(tokens, 1), out.limit)) return false;
    if (tokens.size() == 2) return true;
    if (tokens.size() != 4 || !number(tokens[3], out.offset)) return false;
    if (tokens[2].symbol(',')) std::swap(out.limit, out.offset);
    return tokens[2].symbol(',') || tokens[2].is("OFFSET");
}

}  // namespace

std::optional<WarningsAsked> asks_for_warnings(std::string_view sql) {
    const std::vector<Token> all = scan(sql, tokens_max);
    Tokens tokens(all);
    if (!tokens.empty() && tokens.back().symbol(';')) tokens = tokens.first(tokens.size() - 1);
    if (!token_at(tokens, 0).is("SHOW")) return std::nullopt;
    WarningsAsked out;
    std::size_t i = 1;
    if (token_at(tokens, i).is("COUNT")) {
        out.count = true;
        i += 4;  // COUNT(*)
    }
    out.errors = token_at(tokens, i).is("ERRORS");
    if (!out.errors && !token_at(tokens, i).is("WARNINGS")) return std::nullopt;
    const Tokens behind = tokens.subspan(i + 1);
    if (out.count ? !behind.empty() : !take_limit(behind, out)) return std::nullopt;
    return out;
}

KeptWarnings::Told KeptWarnings::as_answer_to(const WarningsAsked& asked, RequestNumber request) const {
    Told out;
    ResultRows told;
    for (const SessionMessage& message : messages) {
        const auto* header = std::get_if<ResultHeader>(&message);
        if (header == nullptr) continue;
        told.session = header->session;
        out.messages.emplace_back(*header);
        std::get<ResultHeader>(out.messages.back()).request = request;
    }
    told.request = request;
    std::uint64_t passed_over = 0;
    each_row(messages, [&](std::string_view level, std::string_view row) {
        if (asked.errors && level != "Error") return;
        if (passed_over++ < asked.offset || out.rows >= asked.limit) return;
        ++out.rows;
        ++told.row_count;
        told.rows += row;
    });
    if (out.rows != 0) out.messages.emplace_back(std::move(told));
    return out;
}

std::uint64_t KeptWarnings::errors() const {
    std::uint64_t out = 0;
    each_row(messages, [&](std::string_view level, std::string_view) { out += level == "Error" ? 1 : 0; });
    return out;
}

std::optional<std::string> KeptWarnings::counting_sql(std::string_view sql) const {
    // Of the type and width of the variables, which may be NULL: a number alone would be of a narrower type.
    const auto column = [&](bool of_errors, std::string_view name) {
        return "NULLIF(" + std::to_string(of_errors ? errors() : total) + ", -1) | 0 AS `" + std::string(name) + "`";
    };
    if (const auto asked = asks_for_warnings(sql)) {
        if (!asked->count) return std::nullopt;
        return "SELECT " + column(asked->errors, asked->errors ? "@@session.error_count" : "@@session.warning_count");
    }
    std::string out;
    for (const Token& token : scan(sql, tokens_max)) {
        if (token.kind != Token::Kind::system_variable) continue;
        const bool of_errors = equals_ignoring_case(token.text, "ERROR_COUNT");
        out += (out.empty() ? "SELECT " : ", ") + column(of_errors, "@@" + std::string(token.text));
    }
    return out.empty() ? std::nullopt : std::optional(std::move(out));
}

}  // namespace ddb::session
