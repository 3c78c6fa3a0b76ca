#include "node/session/last_statement.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t scanned_bytes_max = 64u << 10;
constexpr std::size_t scanned_tokens_max = 10'000;
constexpr std::string_view row_count = "ROW_COUNT";
constexpr std::string_view found_rows = "FOUND_ROWS";

// Elsewhere the words may stand for what runs later, as in a procedure's body.
[[nodiscard]] bool runs_at_once(StatementKind kind) {
    constexpr std::array kinds{StatementKind::read, StatementKind::set, StatementKind::dml, StatementKind::call};
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// Follows a statement's tokens as far as to say whether they belong to its list of columns.
class ColumnList {
  public:
    void next(const Token& token) {
        constexpr std::array<std::string_view, 8> ends{"FROM",   "INTO",  "WHERE", "GROUP",
                                                       "HAVING", "ORDER", "LIMIT", "UNION"};
        if (first_) inside_ = token.is("SELECT");
        first_ = false;
        if (token.symbol('(')) ++depth_;
        if (token.symbol(')')) --depth_;
        if (depth_ == 0 && std::any_of(ends.begin(), ends.end(), [&](auto word) { return token.is(word); }))
            inside_ = false;
    }
    [[nodiscard]] bool inside() const { return inside_ && depth_ == 0; }

  private:
    bool first_ = true;
    bool inside_ = false;
    int depth_ = 0;
};

// A column that is nothing but this function is called by its text.
[[nodiscard]] bool whole_column(const Token& before, const Token& behind) {
    const bool begins = before.is("SELECT") || before.symbol(',');
    const bool ends = behind.kind == Token::Kind::end || behind.symbol(',') || behind.symbol(';') ||
                      behind.is("FROM") || behind.is("INTO") || behind.is("LIMIT");
    return begins && ends;
}

}  // namespace

std::int64_t row_count_of(const ResultEnd& end) {
    return end.error || end.rows ? -1 : static_cast<std::int64_t>(end.outcome.affected_rows);
}

std::optional<std::string> with_last_statement(std::string_view sql, StatementKind kind, const LastStatement& last) {
    // Where a string ends depends on sql_mode once a backslash occurs.
    if (!runs_at_once(kind) || sql.size() > scanned_bytes_max || sql.find('\\') != std::string_view::npos)
        return std::nullopt;
    const bool asks_found = last.found_rows && contains_ignoring_case(sql, found_rows);
    if (!asks_found && !contains_ignoring_case(sql, row_count)) return std::nullopt;
    const std::vector<Token> tokens = scan(sql, scanned_tokens_max);
    const auto token_at = [&](std::size_t i) { return i < tokens.size() ? tokens[i] : Token{}; };
    ColumnList columns;
    std::string out;
    std::size_t copied = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const Token& token = tokens[i];
        columns.next(token);
        const bool counts = token.is(row_count);
        if (!counts && !(asks_found && token.is(found_rows))) continue;
        if (!token_at(i + 1).symbol('(') || !token_at(i + 2).symbol(')')) continue;
        const Token before = i == 0 ? Token{} : tokens[i - 1];
        if (before.symbol('.')) continue;  // a function of the same name in some database
        const std::size_t end = tokens[i + 2].offset + 1;
        const std::string_view text = sql.substr(token.offset, end - token.offset);
        const std::string value = counts ? std::to_string(last.row_count) : std::to_string(*last.found_rows);
        out.append(sql.substr(copied, token.offset - copied)).append("CAST(" + value + " AS SIGNED)");
        if (columns.inside() && whole_column(before, token_at(i + 3)) && text.find('`') == std::string_view::npos)
            out.append(" AS `").append(text).append("`");
        copied = end;
    }
    if (copied == 0) return std::nullopt;
    return out.append(sql.substr(copied));
}

}  // namespace ddb::session
