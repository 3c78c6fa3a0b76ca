#include "node/session/keyless_inserts.hpp"

#include <array>
#include <cstddef>

#include "node/session/sql_scan.hpp"
#include "node/session/table_names.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t head_max = 16;

struct InsertHead {
    std::size_t begin = 0;  // of the table's name; 0: it is something else
    std::size_t end = 0;
    bool ignore = false;
};

// INSERT [LOW_PRIORITY | HIGH_PRIORITY | DELAYED] [IGNORE] [INTO] name VALUES (, and the same with REPLACE and VALUE.
[[nodiscard]] InsertHead insert_head(Tokens tokens) {
    constexpr std::array<std::string_view, 3> priorities{"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED"};
    if (!token_at(tokens, 0).is("INSERT") && !token_at(tokens, 0).is("REPLACE")) return {};
    InsertHead out;
    std::size_t i = 1;
    if (one_of(token_at(tokens, i), priorities)) ++i;
    out.ignore = token_at(tokens, i).is("IGNORE");
    if (out.ignore) ++i;
    if (token_at(tokens, i).is("INTO")) ++i;
    out.begin = out.end = i;
    if (!skip_name(tokens, out.end)) return {};
    const bool values = token_at(tokens, out.end).is("VALUES") || token_at(tokens, out.end).is("VALUE");
    const Token& row = token_at(tokens, out.end + 1);
    return values && (row.symbol('(') || row.is("ROW")) ? out : InsertHead{};
}

}  // namespace

std::string table_filled_unnamed(std::string_view sql) {
    const std::vector<Token> tokens = scan(sql, head_max);
    const InsertHead head = insert_head(tokens);
    return head.begin == 0 ? std::string() : as_written(tokens, head.begin, head.end);
}

bool ignores_errors(std::string_view insert) {
    const std::vector<Token> tokens = scan(insert, head_max);
    return insert_head(tokens).ignore;
}

std::string with_columns(std::string_view insert, std::string_view columns) {
    const std::vector<Token> tokens = scan(insert, head_max);
    const std::size_t at = tokens[insert_head(tokens).end].offset;
    std::string out(insert.substr(0, at));
    out.append("(").append(columns).append(") ");
    return out.append(insert.substr(at));
}

}  // namespace ddb::session
