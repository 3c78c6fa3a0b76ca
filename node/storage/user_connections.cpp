#include "node/storage/user_connections.hpp"

#include <thread>

namespace ddb::storage {

Result<std::size_t> kill_user_connections(Connection& service, const std::string& service_user, Victims victims) {
    std::string sql =
        "SELECT p.id FROM information_schema.processlist p WHERE p.user NOT IN ('system user', 'event_scheduler', '" +
        service.escape(service_user) + "') AND p.command NOT IN ('Daemon', 'Binlog Dump', 'Killed')";
    if (victims == Victims::in_transaction) {
        sql += " AND (p.command <> 'Sleep' OR p.id IN (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx))";
    }
    auto rows = service.rows(sql);
    if (!rows.ok()) return rows.error();
    for (const auto& row : *rows) {
        // One that has just gone is as good as killed.
        (void)service.execute("KILL CONNECTION " + row[0].value_or("0"));
        if (service.broken()) return fail(ErrorCode::io, "connection lost while ending user connections");
    }
    return rows->size();
}

Status end_user_connections(Connection& service, const std::string& service_user, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        auto count = kill_user_connections(service, service_user, Victims::all);
        if (!count.ok()) return count.error();
        if (*count == 0) return ok();
        if (std::chrono::steady_clock::now() >= deadline) {
            return fail(ErrorCode::timeout, std::to_string(*count) + " user connections do not end");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the server offers nothing to wait on
    }
}

}  // namespace ddb::storage
