#include "node/session/table_locks.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "node/session/sql_scan.hpp"
#include "schemas/result.hpp"

namespace ddb::session {
namespace {

constexpr std::size_t tokens_max = 100'000;

// Servers on Linux tell upper from lower case in names of tables. Taking two for one makes somebody wait, no more.
std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

// ANSI_QUOTES may make a name of "text".
bool names(const Token& token) {
    return token.kind == Token::Kind::word || token.kind == Token::Kind::quoted ||
           (token.kind == Token::Kind::string && token.quote == '"');
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
        out = lower(token_.text);
        token_ = scanner_.next();
        return true;
    }
    [[nodiscard]] bool number() { return token_.kind == Token::Kind::number && (token_ = scanner_.next(), true); }
    [[nodiscard]] bool at_end() const { return token_.kind == Token::Kind::end; }
    [[nodiscard]] bool at_level() const { return token_.is("READ") || token_.is("WRITE") || token_.is("LOW_PRIORITY"); }

  private:
    SqlScanner scanner_;
    Token token_;
};

// [database .] table [[AS] alias] {READ [LOCAL] | [LOW_PRIORITY] WRITE [CONCURRENT]}
bool read_table(Reader& in, std::string_view database, LockedTable& out) {
    out.database = lower(database);
    if (!in.name(out.table)) return false;
    if (in.symbol('.')) {
        out.database = std::exchange(out.table, {});
        if (!in.name(out.table)) return false;
    }
    std::string alias;
    if ((in.word("AS") || !in.at_level()) && !in.name(alias)) return false;
    if (in.word("READ")) {
        (void)in.word("LOCAL");
        return true;
    }
    (void)in.word("LOW_PRIORITY");
    out.write = in.word("WRITE");
    if (out.write) (void)in.word("CONCURRENT");
    return out.write;
}

}  // namespace

std::optional<std::vector<LockedTable>> tables_to_lock(std::string_view sql, std::string_view database) {
    Reader in(sql);
    if (!in.word("LOCK") || !(in.word("TABLES") || in.word("TABLE"))) return std::nullopt;
    std::vector<LockedTable> out;
    do {
        if (!read_table(in, database, out.emplace_back())) return std::nullopt;
    } while (in.symbol(','));
    if (in.word("WAIT") && !in.number()) return std::nullopt;
    (void)in.word("NOWAIT");
    (void)in.symbol(';');
    return in.at_end() ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::vector<TableLocks::Name>> TableLocks::locked_names(const Statement& statement) const {
    std::vector<Name> out;
    SqlScanner scanner(statement.sql);
    std::array<Token, 2> before;  // the nearer one last
    std::size_t count = 0;
    for (Token token = scanner.next(); token.kind != Token::Kind::end; token = scanner.next()) {
        if (++count > tokens_max) return std::nullopt;
        if (names(token)) {
            std::string table = lower(token.text);
            const bool qualified = before[1].symbol('.') && names(before[0]);
            if (names_.contains(table))
                out.push_back({lower(qualified ? before[0].text : statement.database), std::move(table)});
        }
        before = {before[1], token};
    }
    return out;
}

bool TableLocks::must_wait(std::uint64_t serial, const Statement& statement) {
    const auto found = statement.hides ? std::nullopt : locked_names(statement);
    bool wait = false;
    std::vector<Held*> let_in;
    for (auto& [owner, held] : held_) {
        const auto in_the_way = [&](const LockedTable& locked) {
            if (statement.reads && !locked.write) return false;
            return !found || std::any_of(found->begin(), found->end(), [&](const Name& name) {
                return name.table == locked.table && name.database == locked.database;
            });
        };
        if (owner == serial || !std::any_of(held.tables.begin(), held.tables.end(), in_the_way)) continue;
        if (!held.given && statement.began != 0 && statement.began < held.since) {
            let_in.push_back(&held);
        } else {
            wait = true;
        }
    }
    if (stand_in_line(serial, wait)) return true;
    for (Held* held : let_in) {
        held->inside.insert(serial);
        held->entered = true;
    }
    return false;
}

bool TableLocks::must_wait(std::uint64_t serial, const std::vector<LockedTable>& tables) {
    const auto conflict = [&](const LockedTable& one) {
        return std::any_of(tables.begin(), tables.end(), [&](const LockedTable& other) {
            return one.table == other.table && one.database == other.database && (one.write || other.write);
        });
    };
    const bool wait = std::any_of(held_.begin(), held_.end(), [&](const auto& entry) {
        const auto& locked = entry.second.tables;
        return entry.first != serial && std::any_of(locked.begin(), locked.end(), conflict);
    });
    return stand_in_line(serial, wait);
}

// Who asks again keeps the place it has.
bool TableLocks::stand_in_line(std::uint64_t serial, bool wait) {
    const auto place = std::find(waiting_.begin(), waiting_.end(), serial);
    if (wait && place == waiting_.end()) waiting_.push_back(serial);
    if (!wait && place != waiting_.end()) waiting_.erase(place);
    return wait;
}

void TableLocks::statement_over(std::uint64_t serial) {
    std::erase(waiting_, serial);
    for (auto& [owner, held] : held_) {
        if (held.inside.erase(serial) != 0 && held.inside.empty()) wake_(owner);
    }
}

void TableLocks::lock(std::uint64_t serial, std::vector<LockedTable> tables, std::uint64_t number) {
    release(serial);
    Held& held = held_[serial];
    held.since = number;
    held.tables = std::move(tables);
    for (const LockedTable& one : held.tables) ++names_[one.table];
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

void TableLocks::release(std::uint64_t serial) {
    const auto it = held_.find(serial);
    if (it == held_.end()) return;
    for (const LockedTable& one : it->second.tables) {
        const auto name = names_.find(one.table);
        DDB_ASSERT(name != names_.end());
        if (--name->second == 0) names_.erase(name);
    }
    held_.erase(it);
    for (const std::uint64_t other : waiting_) wake_(other);  // deferred: none of them asks before this ends
}

}  // namespace ddb::session
