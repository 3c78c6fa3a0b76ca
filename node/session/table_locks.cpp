#include "node/session/table_locks.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "node/session/sql_scan.hpp"
#include "schemas/result.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 4'000'000;   // more than an INSERT of a dump has
constexpr std::size_t searched_names_max = 16;  // beyond, reading the text once is cheaper

// One may begin with a digit.
bool names(const Token& token) {
    return token.may_name() || token.kind == Token::Kind::number;
}

class Reader {
  public:
    explicit Reader(std::string_view sql) : scanner_(sql), token_(scanner_.next()) {}

    [[nodiscard]] bool word(std::string_view keyword) {
        if (!token_.is(keyword)) return false;
        token_ = scanner_.next();
        return true;
    }
    [[nodiscard]] bool symbol(char c) {
        if (!token_.symbol(c)) return false;
        token_ = scanner_.next();
        return true;
    }
    [[nodiscard]] bool name(std::string& out) {
        if (!names(token_)) return false;
        out = token_.text;
        token_ = scanner_.next();
        return true;
    }
    [[nodiscard]] bool seconds(std::uint64_t& out) {
        if (token_.kind != Token::Kind::number) return false;
        const char* const end = token_.text.data() + token_.text.size();
        const bool whole = std::from_chars(token_.text.data(), end, out).ptr == end;
        token_ = scanner_.next();
        return whole;
    }
    [[nodiscard]] bool at_end() const { return token_.kind == Token::Kind::end; }
    [[nodiscard]] bool at_level() const { return token_.is("READ") || token_.is("WRITE") || token_.is("LOW_PRIORITY"); }

  private:
    SqlScanner scanner_;
    Token token_;
};

// [database .] table [[AS] alias] {READ [LOCAL] | [LOW_PRIORITY] WRITE [CONCURRENT]}
bool read_table(Reader& in, std::string_view database, LockRequest& out) {
    TableName table{std::string(database), {}};
    if (!in.name(table.second)) return false;
    if (in.symbol('.')) {
        table.first = std::exchange(table.second, {});
        if (!in.name(table.second)) return false;
    }
    std::string alias = table.second;
    table = {lower_case(table.first), lower_case(table.second)};
    if ((in.word("AS") || !in.at_level()) && !in.name(alias)) return false;
    bool& write = out.tables[table];  // may stand there twice, under two aliases
    bool& write_alias = out.aliases[{std::move(table), std::move(alias)}];
    if (in.word("READ")) {
        (void)in.word("LOCAL");
        return true;
    }
    (void)in.word("LOW_PRIORITY");
    if (!in.word("WRITE")) return false;
    (void)in.word("CONCURRENT");
    write = write_alias = true;
    return true;
}

// In lower case; empty for every other statement.
std::string dropped_database(std::string_view sql) {
    Reader in(sql);
    std::string name;
    if (!in.word("DROP") || !(in.word("DATABASE") || in.word("SCHEMA"))) return {};
    if (in.word("IF")) (void)in.word("EXISTS");
    return in.name(name) ? lower_case(name) : std::string();
}

}  // namespace

bool locks_for_writing(std::string_view sql) {
    const auto asked = tables_to_lock(sql, {});
    if (!asked) return false;  // the server refuses it
    return std::any_of(asked->tables.begin(), asked->tables.end(), [](const auto& table) { return table.second; });
}

std::string lock_sql_of(const LockRequest& asked) {
    const auto quoted = [](const std::string& name) { return '`' + name + '`'; };  // within quotes as it was written
    std::string out;
    for (const auto& [names, write] : asked.aliases) {
        const auto& [table, alias] = names;
        out += (out.empty() ? "LOCK TABLES " : ", ") + quoted(table.first) + "." + quoted(table.second);
        if (alias != table.second) out += " AS " + quoted(alias);
        out += write ? " WRITE" : " READ";
    }
    return out;
}

std::optional<LockRequest> tables_to_lock(std::string_view sql, std::string_view database) {
    Reader in(sql);
    if (!in.word("LOCK") || !(in.word("TABLES") || in.word("TABLE"))) return std::nullopt;
    LockRequest out;
    do {
        if (!read_table(in, database, out) || out.tables.size() > locked_tables_max) return std::nullopt;
    } while (in.symbol(','));
    std::uint64_t wait_s = 0;
    const bool waits = in.word("WAIT");
    if (waits && !in.seconds(wait_s)) return std::nullopt;
    if (waits || in.word("NOWAIT")) out.wait_ms = std::min<std::uint64_t>(wait_s, UINT32_MAX) * 1000;
    (void)in.symbol(';');
    return in.at_end() ? std::optional(std::move(out)) : std::nullopt;
}

TableLocks::Names TableLocks::locked_names(const Statement& statement) const {
    if (statement.hides) return std::nullopt;
    std::vector<TableName> out;
    if (const std::string database = dropped_database(statement.sql); !database.empty()) {
        for (const auto& [owner, held] : held_) {
            for (const auto& [table, write] : held.asked.tables) {
                if (table.first == database) out.push_back(table);
            }
        }
        return out;
    }
    // Most statements name none of a few tables, which is seen sooner than where their words begin and end.
    const bool few = names_.size() <= searched_names_max;
    if (few && std::none_of(names_.begin(), names_.end(),
                            [&](const auto& name) { return contains_ignoring_case(statement.sql, name.second.upper); }))
        return out;
    SqlScanner scanner(statement.sql);
    std::array<Token, 2> before;  // the nearer one last
    std::size_t count = 0;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (++count > tokens_max) return std::nullopt;
        if (names(token)) {
            std::string table = lower_case(token.text);
            const bool qualified = before[1].symbol('.') && names(before[0]);
            if (names_.contains(table))
                out.emplace_back(lower_case(qualified ? before[0].text : statement.database), std::move(table));
        }
        before = {before[1], token};
    }
    return out;
}

bool TableLocks::in_the_way(const Held& held, const Names& names, bool reads) {
    if (!names) {
        return std::any_of(held.asked.tables.begin(), held.asked.tables.end(),
                           [&](const auto& table) { return table.second || !reads; });
    }
    return std::any_of(names->begin(), names->end(), [&](const TableName& name) {
        const auto table = held.asked.tables.find(name);
        return table != held.asked.tables.end() && (table->second || !reads);
    });
}

bool TableLocks::must_wait(std::uint64_t serial, const Statement& statement) {
    if (held_.size() == 1 && holds(serial)) return false;
    const Names names = locked_names(statement);
    bool wait = false;
    std::vector<Held*> let_in;
    for (auto& [owner, held] : held_) {
        if (owner == serial || !in_the_way(held, names, statement.reads)) continue;
        if (!held.given && statement.began != 0 && statement.began < held.since) {
            let_in.push_back(&held);
        } else {
            wait = true;
        }
    }
    if (waiting_.stand(serial, wait)) {
        leave(serial);  // counted as running when the lock was asked for, it had not been asked itself yet
        return true;
    }
    for (Held* held : let_in) {
        held->inside.insert(serial);
        held->entered = true;
    }
    return false;
}

bool TableLocks::must_wait(std::uint64_t serial, const LockRequest& request) {
    const bool wait = std::any_of(held_.begin(), held_.end(), [&](const auto& entry) {
        const auto& locked = entry.second.asked.tables;
        return entry.first != serial && std::any_of(locked.begin(), locked.end(), [&](const auto& table) {
                   const auto other = request.tables.find(table.first);
                   return other != request.tables.end() && (table.second || other->second);
               });
    });
    return waiting_.stand(serial, wait);
}

bool TableLocks::must_wait_for_writers(std::uint64_t serial) {
    return waiting_.stand(serial, std::any_of(held_.begin(), held_.end(), [&](const auto& held) {
                              return held.first != serial && holds_for_writing(held.first);
                          }));
}

bool TableLocks::holds_for_writing(std::uint64_t serial) const {
    const auto held = held_.find(serial);
    if (held == held_.end()) return false;
    const auto& tables = held->second.asked.tables;
    return std::any_of(tables.begin(), tables.end(), [](const auto& table) { return table.second; });
}

void TableLocks::statement_over(std::uint64_t serial) {
    waiting_.leave(serial);
    leave(serial);
}

void TableLocks::leave(std::uint64_t serial) {
    for (auto& [owner, held] : held_) {
        if (held.inside.erase(serial) != 0 && held.inside.empty()) wake_(owner);
    }
}

void TableLocks::lock(std::uint64_t serial, LockRequest request, std::uint64_t number) {
    release(serial);
    Held& held = held_[serial];
    held.since = number;
    held.asked = std::move(request);
    for (const auto& [table, write] : held.asked.tables) {
        Locked& name = names_[table.second];
        if (++name.count == 1) name.upper = upper_case(table.second);
    }
}

void TableLocks::under_way(std::uint64_t serial, std::uint64_t other, const Statement& statement) {
    Held& held = held_.at(serial);
    if (!in_the_way(held, locked_names(statement), statement.reads)) return;
    held.inside.insert(other);
    held.entered = true;
}

bool TableLocks::others_inside(std::uint64_t serial) {
    Held& held = held_.at(serial);
    held.entered = !held.inside.empty();
    return held.entered;
}

bool TableLocks::give(std::uint64_t serial) {
    Held& held = held_.at(serial);
    held.given = !held.entered;
    return held.given;
}

bool TableLocks::some_wait_for_users() const {
    return std::any_of(held_.begin(), held_.end(), [](const auto& held) { return !held.second.given; });
}

void TableLocks::forget_name(const std::string& table) {
    const auto name = names_.find(table);
    DDB_ASSERT(name != names_.end());
    if (--name->second.count == 0) names_.erase(name);
}

void TableLocks::release(std::uint64_t serial) {
    const auto it = held_.find(serial);
    if (it == held_.end()) return;
    for (const auto& [table, write] : it->second.asked.tables) forget_name(table.second);
    held_.erase(it);
    waiting_.wake_all(wake_);
}

void TableLocks::dropped(std::uint64_t serial, const std::vector<TableName>& tables) {
    const auto it = held_.find(serial);
    if (it == held_.end()) return;
    LockRequest& asked = it->second.asked;
    for (const TableName& table : tables) {
        if (asked.tables.erase(table) == 0) continue;
        forget_name(table.second);
        std::erase_if(asked.aliases, [&](const auto& alias) { return alias.first.first == table; });
    }
    if (asked.tables.empty()) {
        release(serial);
    } else {
        waiting_.wake_all(wake_);
    }
}

}  // namespace ddb::session
