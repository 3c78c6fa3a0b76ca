#include "node/session/table_names.hpp"

namespace ddb::session {

using rules::token_at;
using rules::Tokens;

bool skip_name(Tokens tokens, std::size_t& i) {
    if (!token_at(tokens, i).may_name()) return false;
    ++i;
    if (!token_at(tokens, i).symbol('.')) return true;
    i += 2;
    return token_at(tokens, i - 1).may_name();
}

std::string as_written(Tokens tokens, std::size_t begin, std::size_t end) {
    std::string out;
    for (std::size_t i = begin; i < end; ++i) out += as_written(tokens[i]);
    return out;
}

CreateHead create_head(Tokens tokens) {
    if (!token_at(tokens, 0).is("CREATE")) return {};
    CreateHead out;
    out.replaces = token_at(tokens, 1).is("OR");
    std::size_t i = out.replaces ? 3 : 1;
    out.temporary = token_at(tokens, i).is("TEMPORARY");
    if (out.temporary) ++i;
    if (!token_at(tokens, i).is("TABLE")) return {};
    ++i;
    out.name = token_at(tokens, i).is("IF") ? i + 3 : i;
    return out;
}

std::size_t alter_head(Tokens tokens) {
    if (!token_at(tokens, 0).is("ALTER")) return 0;
    std::size_t i = 1;
    while (token_at(tokens, i).is("ONLINE") || token_at(tokens, i).is("IGNORE")) ++i;
    if (!token_at(tokens, i).is("TABLE")) return 0;
    ++i;
    return token_at(tokens, i).is("IF") ? i + 2 : i;
}

}  // namespace ddb::session
