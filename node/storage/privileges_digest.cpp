#include "node/storage/privileges_digest.hpp"

#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {

Result<std::string> privileges_digest(const ConnectOptions& service) {
    constexpr int answer_timeout_ms = 10'000;
    ConnectOptions options = service;
    options.read_timeout_ms = answer_timeout_ms;
    auto connection = open_service(options);
    if (!connection.ok()) return connection.error();
    std::string tables;
    for (const auto& table : (*connection)->dialect().privilege_tables())
        tables += (tables.empty() ? "mysql." : ", mysql.") + std::string(table.name);
    const auto sums = (*connection)->rows("CHECKSUM TABLE " + tables);
    if (!sums.ok()) return sums.error();
    std::string digest;
    for (const Connection::Row& sum : *sums) {
        if (sum.size() < 2 || !sum[1]) return fail(ErrorCode::sql, "the server sums up no table of privileges");
        digest += *sum[1] + " ";
    }
    return digest;
}

}  // namespace ddb::storage
