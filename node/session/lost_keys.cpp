#include "node/session/lost_keys.hpp"

#include <vector>

#include "node/session/keyless_tables.hpp"

namespace ddb::session {
namespace {

constexpr const char* tried_table = "`ddb_meta`.`tried_definition`";
constexpr const char* drop_tried = "DROP TABLE IF EXISTS `ddb_meta`.`tried_definition`";
// As InnoDB has it: unique, of whole columns, none of which may be NULL.
constexpr const char* ask_key =
    "SELECT 1 FROM information_schema.statistics WHERE table_schema='ddb_meta' AND table_name='tried_definition' AND "
    "non_unique=0 GROUP BY index_name HAVING SUM(nullable='YES')=0 AND COUNT(sub_part)=0 LIMIT 1";

// Whether the table has a key behind the statement; true when nobody can tell.
[[nodiscard]] bool keeps_key(storage::Connection& service, const AlteredTable& altered) {
    std::vector<std::string> before{"SET SESSION sql_log_bin=0, foreign_key_checks=0", drop_tried,
                                    "CREATE TABLE " + std::string(tried_table) + " LIKE " + altered.name, altered.sql};
    if (!service.execute_all(before)) return true;
    const auto found = service.scalar(ask_key);
    return !found || found->has_value();
}

}  // namespace

std::optional<Error> refuse_lost_key(const storage::LocalDatabase& database, storage::Connection& session,
                                     const std::string& sql) {
    if (!session.lets_keys_go()) return std::nullopt;
    const AlteredTable altered = altered_instead(sql, tried_table);
    if (altered.name.empty()) return std::nullopt;
    const auto current = session.current_database();
    if (!current) return current.error();
    storage::ConnectOptions options = database.service();
    options.database = *current;
    auto service = storage::Connection::open(options);
    if (!service) return std::nullopt;
    const bool keeps = keeps_key(**service, altered);
    (void)(*service)->execute(drop_tried);
    if (keeps) return std::nullopt;
    return Error{ErrorCode::sql, "This table type requires a primary key", 1173, "42000"};
}

}  // namespace ddb::session
