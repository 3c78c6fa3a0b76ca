// LOCK TABLES on the coordinator. Servers refuse XA under it, in which everything here runs, so the node keeps these
// locks itself: a statement whose text names a table that another session has locked waits, for lock_wait_ms at most.
// What its server does is to wait for the transactions that had the tables in use before (back_locks.cpp). A DROP
// DATABASE names all of its tables.
//
// What the session itself may do under its locks it asks its server, where the text lets doubt it (named_tables.hpp).
//
// Not seen: tables behind a view, a trigger, a foreign key or a function. Reads outside of transactions run on their
// client's node and do not wait. CALL and EXECUTE, which tell nothing, wait for every lock of another session.
//
// Loop thread only. Sessions are known by their serial; all locks end with their sessions, and those with the office.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "node/session/waiting_line.hpp"

namespace ddb::session {

// Database and table, in lower case. Servers on Linux tell upper from lower case in names of tables; taking two for one
// makes somebody wait, or lets a session do what its locks do not allow, no more.
using TableName = std::pair<std::string, std::string>;

struct LockRequest {
    std::map<TableName, bool> tables;  // true: for writing
    std::map<std::pair<TableName, std::string>, bool>
        aliases;  // likewise, by the names, as written, that its session may use
    std::optional<std::uint64_t> wait_ms;
};
inline constexpr std::size_t locked_tables_max = 20'000;

// Whether LOCK TABLES asks for some table to write to it.
[[nodiscard]] bool locks_for_writing(std::string_view sql);

// What LOCK TABLES asks for; nullopt: it is none that we understand, or asks for more than locked_tables_max. Names
// without a database are of `database`.
[[nodiscard]] std::optional<LockRequest> tables_to_lock(std::string_view sql, std::string_view database);
// LOCK TABLES of what is left of it; empty: nothing is.
[[nodiscard]] std::string lock_sql_of(const LockRequest& asked);

class TableLocks {
  public:
    struct Statement {
        std::string_view sql;
        std::string_view database;
        bool reads = false;       // nothing else
        bool hides = false;       // what it does is not in its text
        std::uint64_t began = 0;  // the transaction that it runs in, as lock()'s `number`; 0: none yet
    };

    // `wake`: a session that waits may ask again, later, and not from inside the call.
    explicit TableLocks(std::function<void(std::uint64_t)> wake) : wake_(std::move(wake)) {}

    // False: it may run. True: it waits and is woken when that may have changed.
    [[nodiscard]] bool must_wait(std::uint64_t serial, const Statement& statement);
    [[nodiscard]] bool must_wait(std::uint64_t serial, const LockRequest& request);
    [[nodiscard]] bool must_wait_for_writers(std::uint64_t serial);  // for others that have locked a table for writing
    void statement_over(std::uint64_t serial);

    // Nobody new gets at the tables. Transactions that began before `number` still do, as they may have them in use:
    // the locks are not given before such statements have ended, and their transactions have been met.
    void lock(std::uint64_t serial, LockRequest request, std::uint64_t number);
    // A statement of `other` that was let run before: it counts as one that got in.
    void under_way(std::uint64_t serial, std::uint64_t other, const Statement& statement);
    [[nodiscard]] bool others_inside(std::uint64_t serial);  // woken when they have ended
    [[nodiscard]] bool give(std::uint64_t serial);  // false: some went in meanwhile, whose transactions are to be met
    void release(std::uint64_t serial);
    void dropped(std::uint64_t serial, const std::vector<TableName>& tables);  // by the holder: nobody has them locked

    [[nodiscard]] const LockRequest& held(std::uint64_t serial) const { return held_.at(serial).asked; }
    [[nodiscard]] bool holds(std::uint64_t serial) const { return held_.contains(serial); }
    [[nodiscard]] bool holds_for_writing(std::uint64_t serial) const;
    [[nodiscard]] bool empty() const { return held_.empty(); }
    [[nodiscard]] bool some_wait_for_users() const;  // locks that are asked for, and not given yet

  private:
    struct Held {
        LockRequest asked;
        std::uint64_t since = 0;
        bool given = false;
        bool entered = false;            // somebody, since others_inside() was asked
        std::set<std::uint64_t> inside;  // sessions whose statements run, though they name a table of it
    };
    // Those of the statement's names that some session has locked; nullopt: hidden, or too long to look for them.
    using Names = std::optional<std::vector<TableName>>;
    [[nodiscard]] Names locked_names(const Statement& statement) const;
    [[nodiscard]] static bool in_the_way(const Held& held, const Names& names, bool reads);

    void leave(std::uint64_t serial);
    void forget_name(const std::string& table);

    std::function<void(std::uint64_t)> wake_;
    std::map<std::uint64_t, Held> held_;
    struct Locked {
        int count = 0;
        std::string upper;  // the name, to be searched for
    };
    std::unordered_map<std::string, Locked> names_;  // of locked tables, in any database
    WaitingLine waiting_;
};

}  // namespace ddb::session
