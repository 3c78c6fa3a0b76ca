#include "node/storage/own_rows.hpp"

#include <string_view>

#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"
#include "node/storage/sql_words.hpp"

namespace ddb::storage {
namespace {

using Place = ServerDialect::VitalTable;

[[nodiscard]] std::string asked(const Place& place) {
    return "SELECT " + std::string(place.columns) + " FROM " + place.table + " WHERE " + place.where;
}

template <typename Rows>
[[nodiscard]] Status put_back(Connection& service, const Place& place, const Rows& rows) {
    std::string sql = "REPLACE INTO " + std::string(place.table) + " VALUES ";
    const char* between = "(";
    for (const auto& row : rows) {
        sql += between;
        const char* separator = "";
        for (const auto& value : row) {
            // As text: bare digits of hex would be another number to MySQL.
            sql += separator + (value ? "_utf8mb4 " + to_hex_literal(*value) : std::string("NULL"));
            separator = ",";
        }
        between = "),(";
    }
    const auto done = service.execute(sql + ")");
    return done.ok() ? ok() : Status(done.error());
}

}  // namespace

bool may_read_accounts(std::string_view sql) {
    return contains(sql, "FLUSH") && contains(sql, "PRIVILEGES");
}

Status OwnRows::learn(Connection& service) {
    std::vector<Rows> found;
    for (const Place& place : service.dialect().vital_tables()) {
        auto rows = service.rows(asked(place));
        if (!rows.ok()) return rows.error();
        found.push_back(std::move(*rows));
    }
    std::lock_guard lock(mutex_);
    rows_ = std::move(found);
    return ok();
}

Status OwnRows::mend(Connection& service) const {
    std::vector<Rows> wanted;
    {
        std::lock_guard lock(mutex_);
        wanted = rows_;
    }
    if (wanted.empty()) return ok();
    const std::vector<Place> places = service.dialect().vital_tables();
    bool privileges = false;
    bool routines = false;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (wanted.at(i).empty()) continue;
        const auto there = service.rows(asked(places[i]));
        if (!there.ok()) return there.error();
        const bool changed = there->size() < wanted[i].size() || (!places[i].may_change && *there != wanted[i]);
        if (!changed) continue;
        if (auto status = put_back(service, places[i], wanted[i]); !status.ok()) return status;
        (places[i].of_privileges ? privileges : routines) = true;
    }
    if (privileges) {
        if (auto done = service.execute("FLUSH PRIVILEGES"); !done.ok()) return done.error();
    }
    // Sessions may have read one that was changed; they forget it when a routine is made or dropped.
    return routines ? forget_routines(service) : ok();
}

}  // namespace ddb::storage
