#include "node/session/definition_reach.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "node/session/hidden_writes.hpp"
#include "node/session/named_tables.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 4000;    // as many as named_tables() looks at
constexpr std::size_t word_bytes_max = 64;  // of a name

// What is a name's byte in a text is one in a file's name, too ('$' is not).
[[nodiscard]] bool in_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

[[nodiscard]] bool is_word(std::string_view name) {
    return !name.empty() && name.size() <= word_bytes_max && std::all_of(name.begin(), name.end(), in_word);
}

// None where it is not sure what is a string: a backslash may escape a quote or not.
[[nodiscard]] std::vector<Token> known_tokens(std::string_view sql) {
    if (sql.find('\\') != std::string_view::npos) return {};
    std::vector<Token> tokens = scan(sql, tokens_max);
    if (tokens.size() == tokens_max) tokens.clear();
    return tokens;
}

// Another table takes part, or the table gets another name.
[[nodiscard]] bool moves_tables(const std::vector<Token>& tokens) {
    constexpr std::array<std::string_view, 3> parts{"COLUMN", "INDEX", "KEY"};
    constexpr std::array<std::string_view, 2> whole{"TABLE", "PARTITION"};
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const Token after = i + 1 < tokens.size() ? tokens[i + 1] : Token{};
        if (tokens[i].is("EXCHANGE") || (tokens[i].is("RENAME") && !one_of(after, parts))) return true;
        if (tokens[i].is("CONVERT") && one_of(after, whole)) return true;
    }
    return false;
}

// And not what may contain other statements, as a routine does.
[[nodiscard]] bool creates_other(const std::vector<Token>& tokens) {
    constexpr std::array<std::string_view, 7> kinds{"OR",      "REPLACE", "UNIQUE", "FULLTEXT",
                                                    "SPATIAL", "ONLINE",  "OFFLINE"};
    constexpr std::array<std::string_view, 2> known{"TABLE", "INDEX"};
    std::size_t i = 1;
    while (i < tokens.size() && one_of(tokens[i], kinds)) ++i;
    return tokens[0].is("CREATE") && (i == tokens.size() || !one_of(tokens[i], known));
}

// OPTIMIZE, ANALYZE, CHECK, REPAIR [NO_WRITE_TO_BINLOG | LOCAL] TABLE [database .] table [, …] …
[[nodiscard]] std::vector<std::string> maintained_tables(const std::vector<Token>& tokens) {
    std::vector<std::string> out;
    std::size_t i = 1;
    while (i < tokens.size() && !tokens[i].is("TABLE") && !tokens[i].is("TABLES")) ++i;
    do {
        i += i + 3 < tokens.size() && tokens[i + 2].symbol('.') ? 3 : 1;
        if (i >= tokens.size() || !(tokens[i].may_name() || tokens[i].kind == Token::Kind::number)) return {};
        out.emplace_back(tokens[i++].text);
    } while (i < tokens.size() && tokens[i].symbol(','));
    return out;
}

[[nodiscard]] std::vector<std::string> changed_tables(std::string_view sql) {
    constexpr std::array<std::string_view, 4> maintaining{"OPTIMIZE", "ANALYZE", "CHECK", "REPAIR"};
    constexpr std::array<std::string_view, 4> defining{"ALTER", "CREATE", "DROP", "TRUNCATE"};
    const std::vector<Token> tokens = known_tokens(sql);
    if (tokens.empty()) return {};
    if (one_of(tokens[0], maintaining)) return maintained_tables(tokens);
    if (!one_of(tokens[0], defining) || moves_tables(tokens) || creates_other(tokens)) return {};
    std::vector<std::string> out;
    for (NamedTable& named : named_tables(sql, {}).tables) {
        if (named.use == TableUse::defined) out.push_back(std::move(named.table.second));
    }
    return out;
}

}  // namespace

std::optional<DefinitionReach> DefinitionReach::of(std::string_view sql) {
    const std::vector<std::string> tables = changed_tables(sql);
    DefinitionReach reach;
    for (const std::string& table : tables) {
        if (!reach.add(table)) return std::nullopt;
    }
    return tables.empty() ? std::nullopt : std::optional(std::move(reach));
}

std::optional<DefinitionReach> DefinitionReach::of_all(const std::vector<storage::NamedText>& named) {
    DefinitionReach reach;
    const bool all = std::all_of(named.begin(), named.end(), [&](const auto& each) { return reach.add(each.name); });
    return all ? std::optional(std::move(reach)) : std::nullopt;
}

bool makes_table(std::string_view sql) {
    constexpr std::size_t head_tokens = 4;
    const std::vector<Token> head = scan(sql, head_tokens);
    return !head.empty() && head[0].is("CREATE") &&
           std::any_of(head.begin(), head.end(), [](const Token& token) { return token.is("TABLE"); });
}

bool fills_table(std::string_view sql) {
    return makes_table(sql) && !query_that_fills(sql).empty();
}

bool ignores_what_it_fills(std::string_view sql) {
    const std::string_view query = query_that_fills(sql);
    if (query.empty()) return false;
    std::vector<Token> head = scan(sql.substr(0, sql.size() - query.size()), tokens_max);
    while (!head.empty() && (head.back().symbol('(') || head.back().is("AS"))) head.pop_back();
    return !head.empty() && head.back().is("IGNORE");
}

bool makes_rows_only(std::string_view sql) {
    // What a sequence is at is a row of it.
    constexpr std::array<std::string_view, 5> elsewhere{"REFERENCES", "NEXTVAL", "SETVAL", "LASTVAL", "NEXT"};
    const std::vector<Token> tokens = known_tokens(sql);
    if (tokens.size() < 2 || !tokens[0].is("CREATE") || !tokens[1].is("TABLE")) return false;
    return std::none_of(tokens.begin(), tokens.end(), [&](const Token& token) { return one_of(token, elsewhere); });
}

bool DefinitionReach::add(std::string_view name) {
    if (!is_word(name) || names_.size() >= names_max) return false;
    names_.insert(lower_case(name));
    return true;
}

bool DefinitionReach::spread(std::vector<storage::NamedText> others) {
    for (bool grown = true; std::exchange(grown, false);) {
        const auto concerned = std::stable_partition(
            others.begin(), others.end(), [&](const storage::NamedText& other) { return !concerns(other.text); });
        for (auto it = concerned; it != others.end(); ++it) {
            if (!add(it->name)) return false;
            grown = true;
        }
        others.erase(concerned, others.end());
    }
    return true;
}

bool DefinitionReach::concerns(std::string_view sql) const {
    // The version in front may touch a name.
    if (sql.find("/*!") != std::string_view::npos || sql.find("/*M!") != std::string_view::npos) return true;
    std::string word;
    for (std::size_t i = 0; i < sql.size();) {
        if (!in_word(sql[i])) {
            ++i;
            continue;
        }
        const std::size_t begin = i;
        while (i < sql.size() && in_word(sql[i])) ++i;
        if (i - begin > word_bytes_max) continue;
        word = lower_case(sql.substr(begin, i - begin));
        if (names_.contains(word)) return true;
    }
    return false;
}

}  // namespace ddb::session
