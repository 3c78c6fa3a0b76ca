#include "node/storage/forced_logs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "node/storage/binlog_stream.hpp"
#include "node/storage/connection.hpp"

namespace ddb::storage {
namespace {

std::string redo_sql(const std::string& value) {
    return "SET GLOBAL innodb_flush_log_at_trx_commit=" + value;
}

}  // namespace

Result<LogSettings> log_settings(Connection& connection) {
    const auto rows = connection.rows("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_binlog");
    if (!rows) return rows.error();
    if (rows->size() != 1 || rows->front().size() != 2)
        return fail(ErrorCode::corrupt, "the server does not say how it forces its logs");
    return LogSettings{rows->front()[0].value_or("1"), rows->front()[1].value_or("1")};
}

std::string force_logs_sql() {
    return usual_logs_sql({"1", "1"});
}

std::string usual_logs_sql(const LogSettings& usual) {
    return redo_sql(usual.redo) + ", GLOBAL sync_binlog=" + usual.binlog;
}

// In one transaction: a marker that stays, be it for a moment, would be that of a write which the log does not have.
Status force_redo_log(Connection& connection) {
    const auto usual = log_settings(connection);
    if (!usual) return usual.error();
    const std::array<std::string, 6> statements = {redo_sql("1"),
                                                   "START TRANSACTION",
                                                   "INSERT INTO ddb_meta.applied VALUES (0)",
                                                   "DELETE FROM ddb_meta.applied WHERE txn=0",
                                                   "COMMIT",
                                                   redo_sql(usual->redo)};
    for (const std::string& sql : statements) {
        if (auto done = connection.execute(sql); !done) return done.error();
    }
    return ok();
}

Status force_binlog(Connection& connection, const std::string& files) {
    const auto newest = binlog_end(connection);
    if (!newest) return newest.error();
    const std::string path = files + "/" + newest->file;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool forced = fd >= 0 && ::fdatasync(fd) == 0;
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return forced ? ok() : fail(ErrorCode::io, "forcing " + path + " to the disk: " + std::strerror(error));
}

}  // namespace ddb::storage
