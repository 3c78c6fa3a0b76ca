#include "node/session/last_statement.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t scanned_bytes_max = 64u << 10;
constexpr std::size_t scanned_tokens_max = 10'000;
constexpr std::string_view row_count = "ROW_COUNT";
constexpr std::string_view found_rows = "FOUND_ROWS";
constexpr std::string_view autocommit_word = "AUTOCOMMIT";
constexpr std::string_view in_transaction_word = "IN_TRANSACTION";

// Elsewhere the words may stand for what runs later, as in a procedure's body.
[[nodiscard]] bool runs_at_once(StatementKind kind) {
    constexpr std::array kinds{StatementKind::read, StatementKind::set, StatementKind::dml, StatementKind::call};
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// Follows a statement's tokens as far as to say whether they belong to its list of columns.
class ColumnList {
  public:
    void next(const Token& token) {
        const bool ends = closes(token);
        begins_ = first_ || (ends && token.symbol(','));
        if (first_) inside_ = token.is("SELECT");
        first_ = false;
        if (token.symbol('(')) ++depth_;
        if (token.symbol(')')) --depth_;
        if (ends && !begins_) inside_ = false;
    }
    [[nodiscard]] bool inside() const { return inside_; }
    [[nodiscard]] bool begins() const { return begins_; }  // behind the token
    // What ends a column, and was not given to next() yet.
    [[nodiscard]] bool closes(const Token& token) const {
        constexpr std::array<std::string_view, 8> words{"FROM",   "INTO",  "WHERE", "GROUP",
                                                        "HAVING", "ORDER", "LIMIT", "UNION"};
        if (!inside_ || depth_ != 0) return false;
        return token.kind == Token::Kind::end || token.symbol(',') || token.symbol(';') ||
               std::any_of(words.begin(), words.end(), [&](auto word) { return token.is(word); });
    }

  private:
    bool first_ = true;
    bool inside_ = false;
    bool begins_ = false;
    int depth_ = 0;
};

// As wide as the functions' own results: a number alone would be of a narrower type.
[[nodiscard]] std::string as_bigint(std::int64_t value) {
    constexpr std::size_t width = 21;
    const std::string digits = std::to_string(value);
    const std::size_t sign = value < 0 ? 1 : 0;
    return "CAST('" + digits.substr(0, sign) + std::string(width - digits.size(), '0') + digits.substr(sign) +
           "' AS SIGNED)";
}

// Behind the token, which is not in quotes.
[[nodiscard]] std::size_t end_of(const Token& token) {
    const std::size_t signs = token.kind == Token::Kind::system_variable ? 2 : 0;
    return token.offset + signs + token.text.size();
}

// A column that is an expression is called by its text, unless it is given a name: then it ends with that, and not
// like these.
[[nodiscard]] std::string_view name_of_column(std::string_view sql, std::size_t begin, const Token& last) {
    constexpr std::size_t name_bytes_max = 64;
    const bool variable = last.kind == Token::Kind::system_variable;
    if (!last.symbol(')') && last.kind != Token::Kind::number && !variable) return {};
    const std::string_view text = sql.substr(begin, end_of(last) - begin);
    return text.size() > name_bytes_max || text.find('`') != std::string_view::npos ? std::string_view() : text;
}

// The session's own, where it is read.
[[nodiscard]] bool is_variable(const Token& token, const Token& behind, StatementKind kind, std::string_view name) {
    constexpr std::array<std::string_view, 3> scopes{"", "SESSION.", "LOCAL."};
    if (token.kind != Token::Kind::system_variable) return false;
    if (kind == StatementKind::set && (behind.symbol('=') || behind.symbol(':'))) return false;
    return std::any_of(scopes.begin(), scopes.end(), [&](auto scope) {
        return token.text.size() == scope.size() + name.size() &&
               equals_ignoring_case(token.text.substr(0, scope.size()), scope) &&
               equals_ignoring_case(token.text.substr(scope.size()), name);
    });
}

// Rows that LIMIT passed over count as found. 0 where the text ends otherwise, or where it joins several queries, of
// which servers count other rows.
[[nodiscard]] std::uint64_t rows_passed_over(std::string_view sql) {
    constexpr std::size_t tail = 80;
    if (sql.size() > scanned_bytes_max) return 0;
    if (!contains_ignoring_case(sql.substr(sql.size() - std::min(tail, sql.size())), "LIMIT")) return 0;
    std::vector<Token> tokens = scan(sql, scanned_tokens_max);
    if (!tokens.empty() && tokens.back().symbol(';')) tokens.pop_back();
    const auto joins = [](const Token& token) {
        return token.is("UNION") || token.is("EXCEPT") || token.is("INTERSECT");
    };
    if (tokens.size() < 4 || std::any_of(tokens.begin(), tokens.end(), joins)) return 0;
    const auto last = tokens.end() - 4;  // LIMIT offset, rows | LIMIT rows OFFSET offset
    if (!last[0].is("LIMIT") || !(last[2].symbol(',') || last[2].is("OFFSET"))) return 0;
    const std::string_view digits = last[2].symbol(',') ? last[1].text : last[3].text;
    std::uint64_t out = 0;
    const char* const end = digits.data() + digits.size();
    return std::from_chars(digits.data(), end, out).ptr == end ? out : 0;
}

// GET DIAGNOSTICS of ROW_COUNT, by which a server means the last thing that ran on its connection: what sets the same
// variables. Nothing for others, which the server is asked as they are.
[[nodiscard]] std::optional<std::string> diagnostics_as_set(std::string_view sql, const LastStatement& last) {
    if (!SqlScanner(sql).next().is("GET") || !contains_ignoring_case(sql, row_count)) return std::nullopt;
    std::vector<Token> tokens = scan(sql, scanned_tokens_max);
    if (tokens.back().symbol(';')) tokens.pop_back();
    std::size_t i = tokens.size() > 1 && tokens[1].is("CURRENT") ? 2 : 1;
    if (tokens.size() <= i || !tokens[i++].is("DIAGNOSTICS") || (tokens.size() - i) % 4 != 3) return std::nullopt;
    std::string out;
    for (; i < tokens.size(); i += 4) {  // @variable = item ,
        const bool counts = tokens[i + 2].is(row_count);
        if (tokens[i].kind != Token::Kind::user_variable || !tokens[i + 1].symbol('=')) return std::nullopt;
        if (!counts && !tokens[i + 2].is("NUMBER")) return std::nullopt;
        if (i + 3 < tokens.size() && !tokens[i + 3].symbol(',')) return std::nullopt;
        out.append(out.empty() ? "SET " : ", ");
        out.append(sql.substr(tokens[i].offset, tokens[i + 1].offset - tokens[i].offset)).append("= ");
        out.append(counts ? as_bigint(last.row_count) : "CAST(LEAST(@@warning_count, @@max_error_count) AS SIGNED)");
    }
    return out;
}

}  // namespace

std::int64_t row_count_of(const ResultEnd& end) {
    return end.error || end.rows ? -1 : static_cast<std::int64_t>(end.outcome.affected_rows);
}

std::optional<std::uint64_t> found_rows_of(std::string_view sql, const ResultEnd& end, bool local,
                                           const LastStatement& before) {
    // What servers answer without looking into tables counts as no rows found.
    constexpr std::array<std::string_view, 6> uncounted{"CREATE", "GRANTS",   "PROCESSLIST",
                                                        "FULL",   "WARNINGS", "ERRORS"};
    constexpr std::size_t head = 3;
    const std::vector<Token> tokens = scan(sql, head);
    const auto is = [&](std::size_t i, std::string_view word) { return i < tokens.size() && tokens[i].is(word); };
    if (is(0, "SHOW") && std::any_of(uncounted.begin(), uncounted.end(), [&](auto word) { return is(1, word); })) {
        if (is(1, "FULL") && !is(2, "PROCESSLIST")) return local ? end.rows : end.found_rows;
        return before.found_rows;
    }
    if (is(0, "CREATE") && !end.error && contains_ignoring_case(sql.substr(0, scanned_bytes_max), "SELECT") &&
        (is(1, "TABLE") || is(1, "OR"))) {
        return 0;
    }
    // Of rows that came from the coordinator, its connection knows how many there were.
    const auto found = local ? end.rows : end.found_rows;
    if (local && found.value_or(0) > 0) return *found + rows_passed_over(sql);
    return found || end.rows ? found : before.found_rows;
}

std::optional<std::string> with_last_statement(std::string_view sql, StatementKind kind, const LastStatement& last,
                                               SessionState state) {
    if (kind == StatementKind::plain) return diagnostics_as_set(sql, last);
    // Where a string ends depends on sql_mode once a backslash occurs.
    if (!runs_at_once(kind) || sql.size() > scanned_bytes_max || sql.find('\\') != std::string_view::npos)
        return std::nullopt;
    const bool asks_found = last.found_rows && contains_ignoring_case(sql, found_rows);
    const bool asks_autocommit = !state.autocommit && contains_ignoring_case(sql, autocommit_word);
    const bool asks_in_transaction = !state.in_transaction && contains_ignoring_case(sql, in_transaction_word);
    if (!asks_found && !asks_autocommit && !asks_in_transaction && !contains_ignoring_case(sql, row_count))
        return std::nullopt;
    const std::vector<Token> tokens = scan(sql, scanned_tokens_max);
    const auto token_at = [&](std::size_t i) { return i < tokens.size() ? tokens[i] : Token{}; };
    ColumnList columns;
    std::string out;
    std::size_t copied = 0;
    std::size_t column_begin = 0;
    bool changed = false;  // in this column
    const auto put = [&](const Token& token, std::int64_t value, std::size_t end) {
        out.append(sql.substr(copied, token.offset - copied)).append(as_bigint(value));
        copied = end;
        changed = columns.inside();
    };
    for (std::size_t i = 0; i <= tokens.size(); ++i) {
        const Token token = token_at(i);
        if (changed && columns.closes(token)) {
            const std::size_t end = end_of(tokens[i - 1]);
            if (const auto name = name_of_column(sql, column_begin, tokens[i - 1]); !name.empty()) {
                out.append(sql.substr(copied, end - copied)).append(" AS `").append(name).append("`");
                copied = end;
            }
            changed = false;
        }
        columns.next(token);
        if (columns.begins()) column_begin = token_at(i + 1).offset;
        if ((asks_autocommit && is_variable(token, token_at(i + 1), kind, autocommit_word)) ||
            (asks_in_transaction && is_variable(token, token_at(i + 1), kind, in_transaction_word))) {
            put(token, 0, end_of(token));
        }
        const bool counts = token.is(row_count);
        if (!counts && !(asks_found && token.is(found_rows))) continue;
        if (!token_at(i + 1).symbol('(') || !token_at(i + 2).symbol(')')) continue;
        if (i > 0 && tokens[i - 1].symbol('.')) continue;  // a function of the same name in some database
        put(token, counts ? last.row_count : static_cast<std::int64_t>(*last.found_rows), tokens[i + 2].offset + 1);
    }
    if (copied == 0) return std::nullopt;
    return out.append(sql.substr(copied));
}

}  // namespace ddb::session
