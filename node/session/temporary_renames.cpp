#include "node/session/temporary_renames.hpp"

#include <cstddef>

#include "node/session/sql_scan.hpp"
#include "node/session/table_names.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

constexpr std::size_t tokens_max = 10'000;

// Of RENAME TABLE [IF EXISTS]: the index of what stands behind; 0 when it is something else.
[[nodiscard]] std::size_t behind_head(Tokens tokens) {
    const Token what = token_at(tokens, 1);
    if (!token_at(tokens, 0).is("RENAME") || !(what.is("TABLE") || what.is("TABLES"))) return 0;
    return token_at(tokens, 2).is("IF") && token_at(tokens, 3).is("EXISTS") ? 4 : 2;
}

}  // namespace

std::vector<std::string> renamed_tables(std::string_view sql) {
    const std::vector<Token> tokens = scan(sql, tokens_max);
    std::vector<std::string> names;
    std::size_t i = behind_head(tokens);
    if (i == 0) return {};
    for (;; ++i) {
        const std::size_t begin = i;
        if (!skip_name(tokens, i)) return {};
        names.push_back(as_written(tokens, begin, i));
        while (i < tokens.size() && !tokens[i].is("TO")) ++i;  // WAIT n, NOWAIT
        if (!skip_name(tokens, ++i)) return {};
        if (!token_at(tokens, i).symbol(',')) return names;
    }
}

std::string as_alter_table(std::string_view rename_table) {
    const std::vector<Token> tokens = scan(rename_table, tokens_max);
    std::size_t to = behind_head(tokens);
    (void)skip_name(tokens, to);
    while (!token_at(tokens, to).is("TO") && to < tokens.size()) ++to;
    const std::size_t behind_table = tokens[1].offset + tokens[1].text.size();
    const std::size_t at = token_at(tokens, to).offset;
    return "ALTER TABLE" + std::string(rename_table.substr(behind_table, at - behind_table)) + "RENAME " +
           std::string(rename_table.substr(at));
}

}  // namespace ddb::session
