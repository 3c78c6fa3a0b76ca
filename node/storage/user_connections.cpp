#include "node/storage/user_connections.hpp"

#include <thread>

namespace ddb::storage {

namespace {

using Row = Connection::Row;

Result<std::vector<Row>> connections_in_transaction(Connection& service) {
    return service.rows(
        "SELECT p.id, p.user, p.host, p.db, p.command FROM information_schema.processlist p WHERE p.command <> 'Sleep' "
        "OR p.id IN (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx)");
}

bool is_of_user(const Row& thread, const std::string& service_user) {
    constexpr std::size_t user_column = 1, command_column = 4;
    if (thread.size() <= command_column) return false;
    const std::string user = thread[user_column].value_or("");
    const std::string command = thread[command_column].value_or("");
    return user != "system user" && user != "event_scheduler" && user != service_user && command != "Daemon" &&
           command != "Binlog Dump" && command != "Killed";
}

}  // namespace

Result<std::size_t> kill_user_connections(Connection& service, const std::string& service_user, Victims victims) {
    // All of them not from information_schema: that table is built on the disk that may be full, and an office must be
    // left all the same.
    auto rows = victims == Victims::all ? service.rows("SHOW PROCESSLIST") : connections_in_transaction(service);
    if (!rows.ok()) return rows.error();
    std::size_t count = 0;
    for (const Row& row : *rows) {
        if (!is_of_user(row, service_user)) continue;
        ++count;
        // One that has just gone is as good as killed.
        (void)service.execute("KILL CONNECTION " + row[0].value_or("0"));
        if (service.broken()) return fail(ErrorCode::io, "connection lost while ending user connections");
    }
    return count;
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
