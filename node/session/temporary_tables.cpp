#include "node/session/temporary_tables.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "node/session/sql_scan.hpp"
#include "node/session/table_names.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;
using Name = std::pair<std::string, std::string>;

constexpr std::size_t tokens_max = 4096;
constexpr std::size_t names_max = 1000;

// The name at `i`, which is put behind it.
[[nodiscard]] std::optional<Name> take_name(Tokens tokens, std::size_t& i, std::string_view database) {
    const std::size_t begin = i;
    if (!skip_name(tokens, i)) return std::nullopt;
    const std::string last(tokens[i - 1].text);
    return i == begin + 1 ? Name(database, last) : Name(tokens[begin].text, last);
}

[[nodiscard]] std::optional<Name> created(Tokens tokens, std::string_view database) {
    CreateHead head = create_head(tokens);
    return head.name != 0 && head.temporary ? take_name(tokens, head.name, database) : std::nullopt;
}

// Of DROP [TEMPORARY] TABLE [IF EXISTS]; none of any other statement.
[[nodiscard]] std::vector<Name> dropped(Tokens tokens, std::string_view database) {
    std::vector<Name> out;
    if (!token_at(tokens, 0).is("DROP")) return out;
    std::size_t i = token_at(tokens, 1).is("TEMPORARY") ? 2 : 1;
    if (!token_at(tokens, i).is("TABLE") && !token_at(tokens, i).is("TABLES")) return out;
    ++i;
    if (token_at(tokens, i).is("IF")) i += 2;
    while (auto name = take_name(tokens, i, database)) {
        out.push_back(std::move(*name));
        if (!token_at(tokens, i).symbol(',')) break;
        ++i;
    }
    return out;
}

}  // namespace

void TemporaryTables::ran(const Classified& statement, std::string_view sql, std::string_view database) {
    const bool makes = makes_temporary_tables(statement);
    if (unknown_ || (!makes && !(any() && statement.kind == StatementKind::ddl))) return;
    const std::vector<Token> tokens = scan(sql, tokens_max);
    const std::vector<Name> gone = dropped(tokens, database);
    for (const Name& name : gone) names_.erase(name);
    const auto renames = [](const Token& token) { return token.is("RENAME"); };
    if (!makes) {
        unknown_ = std::any_of(tokens.begin(), tokens.end(), renames);  // of a temporary one, perhaps
    } else if (auto name = created(tokens, database); name && !statement.hides_temporary && names_.size() < names_max) {
        names_.insert(std::move(*name));
    } else if (gone.empty()) {
        unknown_ = true;
    }
}

}  // namespace ddb::session
