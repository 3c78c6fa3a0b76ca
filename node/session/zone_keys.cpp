#include "node/session/zone_keys.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "node/session/classifier_rules.hpp"
#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

using rules::token_at;
using rules::Tokens;

struct Column {
    bool timestamp = false;
    bool keyed = false;
    bool is_virtual = false;
    std::vector<Token> expression;  // of a virtual one
};

// Behind the parenthesis that closes the one at `open`.
[[nodiscard]] std::size_t behind_parenthesis(Tokens tokens, std::size_t open) {
    int depth = 0;
    for (std::size_t i = open; i < tokens.size(); ++i) {
        if (tokens[i].symbol('(')) ++depth;
        if (tokens[i].symbol(')') && --depth == 0) return i + 1;
    }
    return tokens.size();
}

[[nodiscard]] Tokens inside_parenthesis(Tokens tokens, std::size_t open) {
    const std::size_t end = behind_parenthesis(tokens, open);
    const bool closed = end > open + 1 && tokens[end - 1].symbol(')');
    return open < tokens.size() ? tokens.subspan(open + 1, end - open - (closed ? 2 : 1)) : Tokens();
}

// What stands between commas that are in no parenthesis.
[[nodiscard]] std::vector<Tokens> items_of(Tokens tokens) {
    std::vector<Tokens> out;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].symbol('(')) i = behind_parenthesis(tokens, i) - 1;
        if (i >= tokens.size() || !tokens[i].symbol(',')) continue;
        out.push_back(tokens.subspan(begin, i - begin));
        begin = i + 1;
    }
    out.push_back(tokens.subspan(std::min(begin, tokens.size())));
    return out;
}

[[nodiscard]] std::size_t find_open(Tokens tokens) {
    const auto found = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.symbol('('); });
    return static_cast<std::size_t>(found - tokens.begin());
}

// Without these words in front, as many of them as are there.
[[nodiscard]] Tokens behind(Tokens tokens, std::span<const std::string_view> words) {
    while (!tokens.empty() && one_of(tokens.front(), words)) tokens = tokens.subspan(1);
    return tokens;
}

// Without the name of a table, and of its database.
[[nodiscard]] Tokens behind_name(Tokens tokens) {
    const std::size_t words = token_at(tokens, 1).symbol('.') ? 3 : 1;
    return tokens.subspan(std::min(words, tokens.size()));
}

constexpr std::array<std::string_view, 4> before_column{"COLUMN", "IF", "NOT", "EXISTS"};
constexpr std::array<std::string_view, 3> before_table{"IF", "NOT", "EXISTS"};

// The columns of a table, as far as it matters here, by one text about it and another one that changes it.
class Definition {
  public:
    void read(Tokens tokens) {
        const bool alters = token_at(tokens, 0).is("ALTER");
        for (std::size_t i = 1; i < tokens.size() && !tokens[i].symbol('('); ++i) {
            const Tokens rest = tokens.subspan(i + 1);
            if (tokens[i].is("TABLE")) return alters ? read_alter(rest) : read_create(rest);
            if (tokens[i].is("INDEX")) return read_key(rest);
        }
    }

    [[nodiscard]] std::set<std::string> zone_dependent_keys() const {
        std::set<std::string> out;
        for (const auto& [name, column] : columns_) {
            std::set<const Column*> looked_at;
            if (column.keyed && depends(column, looked_at)) out.insert(name);
        }
        return out;
    }

  private:
    void read_create(Tokens tokens) {
        tokens = behind_name(behind(tokens, before_table));
        if (!token_at(tokens, 0).symbol('(')) return;
        const std::size_t end = behind_parenthesis(tokens, 0);
        const Tokens options = tokens.subspan(end);
        from_query_ =
            std::any_of(options.begin(), options.end(), [](const Token& token) { return token.is("SELECT"); });
        for (const Tokens item : items_of(inside_parenthesis(tokens, 0))) read_item(item);
    }

    void read_alter(Tokens tokens) {
        constexpr std::array<std::string_view, 1> no_wait{"NOWAIT"};
        tokens = behind(behind_name(behind(tokens, before_table)), no_wait);
        if (token_at(tokens, 0).is("WAIT")) tokens = tokens.subspan(std::min<std::size_t>(2, tokens.size()));
        for (const Tokens item : items_of(tokens)) {
            if (item.empty()) continue;
            const Tokens rest = behind(item.subspan(1), before_column);
            if (item.front().is("ADD")) {
                if (!token_at(rest, 0).symbol('(')) read_item(rest);
                if (token_at(rest, 0).symbol('('))
                    for (const Tokens added : items_of(inside_parenthesis(rest, 0))) read_item(added);
            } else if (item.front().is("MODIFY")) {
                read_column(rest);
            } else if (item.front().is("CHANGE")) {
                rename(token_at(rest, 0), token_at(rest, 1));
                read_column(rest.subspan(std::min<std::size_t>(1, rest.size())));
            } else if (item.front().is("RENAME") && token_at(rest, 1).is("TO") && token_at(item, 1).is("COLUMN")) {
                rename(token_at(rest, 0), token_at(rest, 2));
            }
        }
    }

    // Of a table's list: a column or a key.
    void read_item(Tokens item) {
        constexpr std::array<std::string_view, 7> keys{"INDEX",   "KEY",     "UNIQUE", "FULLTEXT",
                                                       "SPATIAL", "PRIMARY", "FOREIGN"};
        constexpr std::array<std::string_view, 2> others{"CHECK", "LIKE"};
        item = behind(item, before_column);
        if (token_at(item, 0).is("CONSTRAINT")) {
            item = item.subspan(1);
            if (!one_of(token_at(item, 0), keys) && !one_of(token_at(item, 0), others))
                item = item.subspan(std::min<std::size_t>(1, item.size()));
        }
        if (one_of(token_at(item, 0), keys)) return read_key(item);
        if (!one_of(token_at(item, 0), others)) read_column(item);
    }

    // Its columns are those of the first parenthesis, whatever is said in front.
    void read_key(Tokens tokens) {
        for (const Tokens part : items_of(inside_parenthesis(tokens, find_open(tokens)))) {
            if (token_at(part, 0).may_name()) columns_[lower_case(part.front().text)].keyed = true;
        }
    }

    void read_column(Tokens tokens) {
        constexpr std::array<std::string_view, 4> keys{"UNIQUE", "KEY", "PRIMARY", "REFERENCES"};
        if (!token_at(tokens, 0).may_name()) return;
        Column& column = columns_[lower_case(tokens.front().text)];
        column.timestamp = token_at(tokens, 1).is("TIMESTAMP");
        column.is_virtual = false;
        column.expression.clear();
        for (std::size_t i = 1; i < tokens.size(); ++i) {
            if (tokens[i].symbol('(')) {
                if (tokens[i - 1].is("AS")) {
                    const Tokens expression = inside_parenthesis(tokens, i);
                    column.expression.assign(expression.begin(), expression.end());
                    column.is_virtual = true;
                }
                i = behind_parenthesis(tokens, i) - 1;
                continue;
            }
            column.keyed |= one_of(tokens[i], keys);
            if (tokens[i].is("STORED") || tokens[i].is("PERSISTENT")) column.is_virtual = false;
        }
    }

    // Keys go along, and so do the names in what is calculated.
    void rename(const Token& from, const Token& to) {
        const std::string old_name = lower_case(from.text);
        const std::string new_name = lower_case(to.text);
        const auto found = columns_.find(old_name);
        if (!from.may_name() || !to.may_name() || old_name == new_name || found == columns_.end()) return;
        columns_[new_name] = found->second;
        for (auto& [name, column] : columns_) {
            for (Token& token : column.expression) {
                if (token.may_name() && lower_case(token.text) == old_name) token.text = to.text;
            }
        }
        columns_.erase(old_name);
    }

    [[nodiscard]] const Column* named(const Token& token) const {
        const auto found = token.may_name() ? columns_.find(lower_case(token.text)) : columns_.end();
        return found == columns_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] bool is_timestamp(const Token& token) const {
        const Column* column = named(token);
        return column != nullptr && column->timestamp;
    }

    // Each column is looked at once, however often it is named: who names two others twice would take for ever.
    [[nodiscard]] bool depends(const Column& column, std::set<const Column*>& looked_at) const {
        if (!column.is_virtual || !looked_at.insert(&column).second) return false;
        const Tokens all = column.expression;
        const bool alone = all.size() == 1 && is_timestamp(all.front());
        if (column.timestamp && !alone) return true;
        for (std::size_t i = 0; i < all.size() && !(column.timestamp && alone); ++i) {
            if (all[i].is("UNIX_TIMESTAMP") && token_at(all, i + 1).symbol('(')) {
                // What the row has, of a TIMESTAMP.
                if (!is_timestamp(token_at(all, i + 2)) || !token_at(all, i + 3).symbol(')')) return true;
                i += 3;
                continue;
            }
            if (!all[i].may_name() || token_at(all, i + 1).symbol('(')) continue;
            const Column* const used = named(all[i]);
            if (used == nullptr && from_query_ && all[i].kind != Token::Kind::string && !word_of_expression(all[i]))
                return true;  // a column of the query, of whatever type
            if (used == nullptr) continue;
            if (used->timestamp && !only_null_matters(all, i)) return true;
            if (depends(*used, looked_at)) return true;
        }
        return false;
    }

    // ISNULL(ts), ts IS NULL, ts IS NOT NULL
    [[nodiscard]] static bool only_null_matters(Tokens all, std::size_t i) {
        if (token_at(all, i + 1).is("IS")) return true;
        return i >= 2 && all[i - 1].symbol('(') && all[i - 2].is("ISNULL") && token_at(all, i + 1).symbol(')');
    }

    [[nodiscard]] static bool word_of_expression(const Token& token) {
        constexpr std::array<std::string_view, 24> words{"AND",    "AS",      "BETWEEN", "BINARY", "CASE",     "CHAR",
                                                         "DIV",    "ELSE",    "END",     "IN",     "INTEGER",  "IS",
                                                         "LIKE",   "DECIMAL", "MOD",     "NOT",    "UNSIGNED", "NULL",
                                                         "SIGNED", "OR",      "THEN",    "USING",  "WHEN",     "XOR"};
        return one_of(token, words);
    }

    std::map<std::string, Column> columns_;  // by their names in lower case
    bool from_query_ = false;                // some columns are those of a query
};

}  // namespace

bool defines_keys(std::string_view sql) {
    constexpr std::size_t head_max = 6;  // CREATE OR REPLACE UNIQUE INDEX
    constexpr std::array<std::string_view, 2> kinds{"TABLE", "INDEX"};
    const std::vector<Token> head = scan(sql, head_max);
    if (head.empty() || !(head[0].is("CREATE") || head[0].is("ALTER"))) return false;
    return std::any_of(head.begin(), head.end(), [&](const Token& token) { return one_of(token, kinds); });
}

std::string table_copied(std::string_view sql) {
    const std::vector<Token> all = scan(sql, sql.size());
    std::size_t i = 0;
    while (i < all.size() && !all[i].is("TABLE")) ++i;
    Tokens rest = Tokens(all).subspan(std::min(i + 1, all.size()));
    rest = behind_name(behind(rest, before_table));
    if (token_at(rest, 0).symbol('(')) rest = rest.subspan(1);
    if (!token_at(rest, 0).is("LIKE") || !token_at(rest, 1).may_name()) return {};
    std::string out = as_written(rest[1]);
    if (token_at(rest, 2).symbol('.')) out += "." + as_written(token_at(rest, 3));
    return out;
}

std::string zone_dependent_key(std::string_view shown, std::string_view sql) {
    const std::vector<Token> before = scan(shown, shown.size());
    const std::vector<Token> change = scan(sql, sql.size());
    Definition definition;
    definition.read(before);
    const std::set<std::string> there = definition.zone_dependent_keys();
    definition.read(change);
    for (const std::string& name : definition.zone_dependent_keys()) {
        if (!there.contains(name)) return name;
    }
    return {};
}

}  // namespace ddb::session
