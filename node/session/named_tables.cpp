#include "node/session/named_tables.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <utility>

#include "node/session/sql_scan.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 4'000;  // an INSERT's rows are not looked through

// What stands behind a table's name and is no alias of it.
[[nodiscard]] bool follows_table(const Token& token) {
    constexpr std::array<std::string_view, 38> words{
        "WHERE", "JOIN",      "INNER",  "CROSS",     "LEFT",      "RIGHT",      "NATURAL",   "STRAIGHT_JOIN",
        "ON",    "USING",     "USE",    "FORCE",     "IGNORE",    "GROUP",      "HAVING",    "ORDER",
        "LIMIT", "UNION",     "EXCEPT", "INTERSECT", "MINUS",     "FOR",        "PROCEDURE", "LOCK",
        "INTO",  "SET",       "VALUES", "VALUE",     "WINDOW",    "FETCH",      "OFFSET",    "SELECT",
        "WITH",  "RETURNING", "OUTER",  "ROWS",      "PARTITION", "TABLESAMPLE"};
    return one_of(token, words);
}

[[nodiscard]] bool ends_list(const Token& token) {
    constexpr std::array<std::string_view, 15> words{"WHERE",     "GROUP", "HAVING", "ORDER",     "LIMIT",
                                                     "SET",       "UNION", "EXCEPT", "INTERSECT", "MINUS",
                                                     "PROCEDURE", "FOR",   "INTO",   "WINDOW",    "VALUES"};
    return one_of(token, words);
}

class Finder {
  public:
    Finder(std::string_view sql, std::string_view database)
        : tokens_(scan(sql, tokens_max)), database_(lower_case(database)) {}

    [[nodiscard]] NamedTables find() {
        read_head();
        while (i_ < tokens_.size()) step();
        NamedTables& out = out_;
        const auto on_top = [](const NamedTable& table) { return table.on_top; };
        if (changes_ && std::count_if(out.tables.begin(), out.tables.end(), on_top) == 1) {
            std::find_if(out.tables.begin(), out.tables.end(), on_top)->use = TableUse::written;
        } else {
            out.some_written = changes_;
        }
        return std::move(out);
    }

  private:
    struct Level {  // of parentheses
        bool query = false;
        bool list = false;  // of tables
        bool table_next = false;
    };

    [[nodiscard]] Token at(std::size_t ahead = 0) const {
        return i_ + ahead < tokens_.size() ? tokens_[i_ + ahead] : Token{};
    }
    bool skip(std::string_view word) {
        if (!at().is(word)) return false;
        ++i_;
        return true;
    }
    template <std::size_t n>
    void skip_all(const std::array<std::string_view, n>& words) {
        while (one_of(at(), words)) ++i_;
    }
    void skip_to(std::string_view word) {
        while (i_ < tokens_.size() && !at().is(word)) ++i_;
    }
    void end() { i_ = tokens_.size(); }

    void begin_list() { levels_.back().list = levels_.back().table_next = true; }

    bool read_table(TableUse use, bool may_have_alias) {
        const auto name = [](const Token& token) { return token.may_name() || token.kind == Token::Kind::number; };
        if (!name(at())) return false;
        NamedTable found;
        found.table = {database_, lower_case(at().text)};
        found.alias = at().text;
        found.text = as_written(at());
        ++i_;
        if (at().symbol('.') && name(at(1))) {
            found.table = {found.table.second, lower_case(at(1).text)};
            found.alias = at(1).text;
            found.text += '.' + as_written(at(1));
            i_ += 2;
        }
        if (use == TableUse::read && at().symbol('(')) return true;  // a function in a table's place
        if (at().is("PARTITION") && at(1).symbol('(')) {
            while (i_ < tokens_.size() && !tokens_[i_].symbol(')')) ++i_;
            ++i_;
        }
        const bool as = may_have_alias && skip("AS");
        if (as || (may_have_alias && at().may_name() && !follows_table(at()))) {
            found.alias = at().text;
            found.text_alias = as_written(at());
            ++i_;
        }
        found.use = use;
        found.on_top = levels_.size() == 1;
        out_.tables.push_back(std::move(found));
        return true;
    }

    void read_definition(bool several = false) {
        if (skip("IF")) {
            (void)skip("NOT");
            (void)skip("EXISTS");
        }
        while (read_table(TableUse::defined, false) && several && at().symbol(',')) ++i_;
    }

    void read_head();
    void read_change(const Token& verb);
    void read_drop();
    void read_create();
    void step();
    bool step_over_word();

    std::vector<Token> tokens_;
    std::string database_;
    std::size_t i_ = 0;
    std::vector<Level> levels_{Level{}};
    bool changes_ = false;  // UPDATE or DELETE
    bool creates_ = false;  // a table, perhaps LIKE another
    NamedTables out_;
};

void Finder::read_head() {
    constexpr std::array<std::string_view, 6> explaining{"EXPLAIN", "DESCRIBE", "DESC",
                                                         "ANALYZE", "EXTENDED", "PARTITIONS"};
    skip_all(explaining);
    if (i_ != 0 && skip("FORMAT")) i_ += 2;
    const Token verb = at();
    if (verb.is("TRUNCATE")) {
        ++i_;
        (void)skip("TABLE");
        read_definition();
    } else if (verb.is("ALTER")) {
        constexpr std::array<std::string_view, 3> words{"ALTER", "ONLINE", "IGNORE"};
        skip_all(words);
        if (skip("TABLE")) read_definition();
        end();
    } else if (verb.is("DROP")) {
        read_drop();
    } else if (verb.is("FLUSH")) {
        constexpr std::array<std::string_view, 3> words{"FLUSH", "LOCAL", "NO_WRITE_TO_BINLOG"};
        skip_all(words);
        if (skip("TABLE") || skip("TABLES")) read_definition(true);
        end();
    } else if (verb.is("CREATE")) {
        read_create();
    } else if (verb.is("SHOW") && at(1).is("CREATE")) {
        i_ += 3;
        const bool table = at().kind != Token::Kind::end && (tokens_[i_ - 1].is("TABLE") || tokens_[i_ - 1].is("VIEW"));
        if (table) (void)read_table(TableUse::shown, false);
        end();
    } else if (verb.is("SHOW") || verb.is("RENAME")) {
        end();
    } else {
        read_change(verb);
    }
}

void Finder::read_change(const Token& verb) {
    constexpr std::array<std::string_view, 6> how{"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED",
                                                  "IGNORE",       "QUICK",         "INTO"};
    if (verb.is("LOAD")) {
        out_.loads = true;
        skip_to("INTO");
        (void)skip("INTO");
        if (skip("TABLE")) (void)read_table(TableUse::written, false);
        return;
    }
    const bool inserts = verb.is("INSERT") || verb.is("REPLACE");
    changes_ = verb.is("UPDATE") || verb.is("DELETE");
    if (!inserts && !changes_) return;
    ++i_;
    skip_all(how);
    if (inserts) {
        (void)read_table(TableUse::written, false);
        return;
    }
    if (verb.is("DELETE")) {  // the names in front of FROM are those of tables behind it
        skip_to("FROM");
        (void)skip("FROM");
    }
    begin_list();
}

void Finder::read_drop() {
    ++i_;
    if (skip("TABLE") || skip("TABLES") || skip("SEQUENCE")) {
        read_definition(true);
    } else if (skip("INDEX")) {
        skip_to("ON");
        if (skip("ON")) read_definition();
    }
    end();
}

void Finder::read_create() {
    constexpr std::array<std::string_view, 10> words{"CREATE",  "OR",     "REPLACE", "UNIQUE", "FULLTEXT",
                                                     "SPATIAL", "ONLINE", "OFFLINE", "IGNORE", "TEMPORARY"};
    skip_all(words);
    const bool temporary = i_ != 0 && tokens_[i_ - 1].is("TEMPORARY");
    if (skip("TABLE")) {
        creates_ = true;
        if (!temporary) read_definition();
    } else if (skip("SEQUENCE")) {
        read_definition();
    } else if (skip("INDEX")) {
        skip_to("ON");
        if (skip("ON")) read_definition();
        end();
    } else {
        skip_to("TRIGGER");
        if (skip("TRIGGER")) skip_to("ON");
        if (skip("ON")) read_definition();
        end();
    }
}

void Finder::step() {
    Level& level = levels_.back();
    if (at().symbol('(')) {
        out_.parentheses = true;
        const bool tables = std::exchange(level.table_next, false);
        ++i_;
        levels_.push_back({false, tables, tables});
    } else if (at().symbol(')')) {
        ++i_;
        if (levels_.size() > 1) levels_.pop_back();
    } else if (at().symbol(',')) {
        ++i_;
        level.table_next = level.list;
    } else if (!step_over_word()) {
        if (!std::exchange(level.table_next, false) || !read_table(TableUse::read, true)) ++i_;
    }
}

bool Finder::step_over_word() {
    Level& level = levels_.back();
    const Token token = at();
    if (token.kind != Token::Kind::word) return false;
    if (token.is("SELECT")) {
        level = {true, false, false};
    } else if ((token.is("FROM") && level.query) || (token.is("USING") && changes_ && !at(1).symbol('('))) {
        begin_list();
    } else if (token.is("JOIN") || token.is("STRAIGHT_JOIN")) {
        level.table_next = level.list;
    } else if (ends_list(token)) {
        level.list = level.table_next = false;
    } else if (token.is("LIKE") && creates_) {
        level.table_next = true;
    } else if (!token.is("LATERAL")) {
        return false;
    }
    ++i_;
    return true;
}

// How the session has locked it under that name, or under any where `defined`; nullopt: not at all.
[[nodiscard]] std::optional<bool> locked_for_writing(const NamedTable& named, const LockRequest& held) {
    if (named.use == TableUse::defined) {
        const auto table = held.tables.find(named.table);
        return table == held.tables.end() ? std::nullopt : std::optional(table->second);
    }
    const auto alias = held.aliases.find({named.table, named.alias});
    return alias == held.aliases.end() ? std::nullopt : std::optional(alias->second);
}

[[nodiscard]] std::string explain_delete(const NamedTable& named) {
    if (named.text_alias.empty()) return "EXPLAIN DELETE FROM " + named.text;
    return "EXPLAIN DELETE " + named.text_alias + " FROM " + named.text + " AS " + named.text_alias;
}

}  // namespace

NamedTables named_tables(std::string_view sql, std::string_view database) {
    return Finder(sql, database).find();
}

std::vector<TableName> dropped_tables(std::string_view sql, std::string_view database) {
    std::vector<TableName> out;
    const std::vector<Token> head = scan(sql, 2);
    if (head.size() < 2 || !head[0].is("DROP") || !(head[1].is("TABLE") || head[1].is("TABLES"))) return out;
    for (NamedTable& table : named_tables(sql, database).tables) out.push_back(std::move(table.table));
    return out;
}

LockQuestions lock_questions(std::string_view sql, std::string_view database, const LockRequest& held) {
    const NamedTables named = named_tables(sql, database);
    LockQuestions out;
    bool itself = false;
    std::map<std::pair<TableName, std::string>, int> uses;
    bool reads_some = false;
    for (const NamedTable& table : named.tables) {
        if (table.table.first.empty() || table.table.first == "information_schema") continue;
        const auto write = locked_for_writing(table, held);
        const bool changes = table.use == TableUse::written || table.use == TableUse::defined;
        const bool of_its_own = changes && (table.use == TableUse::defined || named.loads);
        if (!write && (of_its_own || table.use == TableUse::shown))
            out.prepare.push_back("SELECT 1 FROM " + table.text);
        if (changes && !write.value_or(false)) out.explain.push_back(explain_delete(table));
        if (write && !*write && table.on_top) reads_some = true;
        // A table that a statement names twice must be locked under two names.
        if (!of_its_own && table.use != TableUse::shown && (!write || ++uses[{table.table, table.alias}] > 1))
            itself = true;
    }
    if (itself) out.prepare.emplace_back(sql);
    // Functions might do something even so.
    if (named.some_written && reads_some && !named.parentheses) out.explain.push_back("EXPLAIN " + std::string(sql));
    return out;
}

}  // namespace ddb::session
