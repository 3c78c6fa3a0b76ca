#include "node/session/open_handlers.hpp"

#include <vector>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

struct Names {
    std::string table;  // as written, with its database
    std::string handler;
};

// HANDLER [database .] table OPEN [[AS] name] | HANDLER name …; nothing of any other text.
[[nodiscard]] Names names_in(std::string_view sql, std::string_view database) {
    constexpr std::size_t longest = 8;
    const std::vector<Token> tokens = scan(sql, longest);
    const auto at = [&](std::size_t i) { return i < tokens.size() ? tokens[i] : Token{}; };
    Names out;
    if (!at(0).is("HANDLER") || at(1).kind == Token::Kind::end) return out;
    std::size_t i = 1;
    out.table = as_written(at(i));
    if (at(i + 1).symbol('.')) {
        out.table += '.' + as_written(at(i + 2));
        i += 2;
    } else if (!database.empty()) {
        out.table.insert(0, '`' + std::string(database) + "`.");
    }
    out.handler = lower_case(at(i).text);
    ++i;
    if (!at(i).is("OPEN")) return out;
    if (at(i + 1).is("AS")) ++i;
    if (at(i + 1).may_name()) out.handler = lower_case(at(i + 1).text);
    return out;
}

}  // namespace

void OpenHandlers::opened(std::string_view sql, std::string_view database) {
    Names names = names_in(sql, database);
    tables_[std::move(names.handler)] = std::move(names.table);
}

void OpenHandlers::closed(std::string_view sql) {
    tables_.erase(names_in(sql, {}).handler);
}

std::string_view OpenHandlers::read_by(std::string_view sql) const {
    const auto found = tables_.find(names_in(sql, {}).handler);
    return found == tables_.end() ? std::string_view{} : found->second;
}

}  // namespace ddb::session
