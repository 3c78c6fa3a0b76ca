#include "node/storage/orphan_routines.hpp"

#include "node/storage/metadata.hpp"
#include "node/storage/server_dialect.hpp"

namespace ddb::storage {

Status drop_orphan_routines(Connection& service, const std::string& replaced) {
    if (!service.dialect().leaves_routines_behind()) return ok();
    std::string where = "mysql.proc WHERE db NOT IN (SELECT SCHEMA_NAME FROM information_schema.SCHEMATA)";
    if (!replaced.empty()) where += " OR db = " + to_hex_literal(replaced);
    const auto found = service.scalar("SELECT COUNT(*) FROM " + where);
    if (!found.ok()) return found.error();
    if (found->value_or("0") == "0") return ok();
    // DROP PROCEDURE would take the rights on it as well, which DROP DATABASE leaves.
    if (auto done = service.execute("DELETE FROM " + where); !done.ok()) return done.error();
    return forget_routines(service);
}

}  // namespace ddb::storage
