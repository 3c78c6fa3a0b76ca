#include "node/storage/own_routines.hpp"

#include <algorithm>
#include <string_view>

#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {
namespace {

struct Place {
    std::string_view table;
    std::string_view where;
    bool of_privileges;
};
constexpr std::array<Place, 3> places{
    {{"mysql.proc", "db = 'ddb_meta' AND name IN ('mark', 'statement_begin', 'statement_end') AND type = 'PROCEDURE'",
      false},
     {"mysql.procs_priv", "Host = '' AND Db = 'ddb_meta' AND User = 'PUBLIC'", true},
     {"mysql.tables_priv", "Host = '' AND Db = 'ddb_meta' AND User = 'PUBLIC'", true}}};

[[nodiscard]] std::string said(const Place& place) {
    return std::string(place.table) + " WHERE " + std::string(place.where);
}

template <typename Rows>
[[nodiscard]] Status put_back(Connection& service, const Place& place, const Rows& rows) {
    std::string sql = "REPLACE INTO " + std::string(place.table) + " VALUES ";
    const char* between = "(";
    for (const auto& row : rows) {
        sql += between;
        const char* separator = "";
        for (const auto& value : row) {
            sql += separator + (value ? to_hex_literal(*value) : std::string("NULL"));
            separator = ",";
        }
        between = "),(";
    }
    const auto done = service.execute(sql + ")");
    return done.ok() ? ok() : Status(done.error());
}

}  // namespace

Status OwnRoutines::learn(Connection& service) {
    if (!service.dialect().leaves_routines_behind()) return ok();  // has no such tables
    std::array<Rows, tables> found;
    for (std::size_t i = 0; i < tables; ++i) {
        auto rows = service.rows("SELECT * FROM " + said(places.at(i)));
        if (!rows.ok()) return rows.error();
        found.at(i) = std::move(*rows);
    }
    std::lock_guard lock(mutex_);
    rows_ = std::move(found);
    return ok();
}

Status OwnRoutines::mend(Connection& service) const {
    std::array<Rows, tables> wanted;
    {
        std::lock_guard lock(mutex_);
        wanted = rows_;
    }
    bool privileges = false;
    bool routines = false;
    for (std::size_t i = 0; i < tables; ++i) {
        if (wanted.at(i).empty()) continue;
        const auto there = service.rows("SELECT * FROM " + said(places.at(i)));
        if (!there.ok()) return there.error();
        if (*there == wanted.at(i)) continue;
        if (auto status = put_back(service, places.at(i), wanted.at(i)); !status.ok()) return status;
        (places.at(i).of_privileges ? privileges : routines) = true;
    }
    if (privileges) {
        if (auto done = service.execute("FLUSH PRIVILEGES"); !done.ok()) return done.error();
    }
    // Sessions may have read one that was changed; they forget it when a routine is made or dropped.
    return routines ? forget_routines(service) : ok();
}

}  // namespace ddb::storage
