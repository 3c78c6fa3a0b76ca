#include "node/storage/server_dialect.hpp"

#include "node/storage/calculation_settings.hpp"
#include "node/storage/connection.hpp"
#include "node/storage/server_dialects.hpp"

namespace ddb::storage {

std::string select_as_is_sql(std::initializer_list<std::string_view> expressions) {
    std::string out;
    for (const std::string_view expression : expressions) {
        out += out.empty() ? "SELECT CAST(" : ", CAST(";
        out.append(expression).append(" AS BINARY)");
    }
    return out + " LIMIT 1";
}

const ServerDialect& ServerDialect::of(std::string_view version) {
    static const MariaDbDialect mariadb;
    static const MySqlDialect mysql;
    if (version.find("MariaDB") != std::string_view::npos) return mariadb;
    return mysql;
}

bool Connection::calculates_rows() const {
    return storage::calculates_rows(dialect());
}

bool Connection::leaves_out_defaults() const {
    return dialect().leaves_out_defaults();
}

bool Connection::lets_keys_go() const {
    return dialect().lets_keys_go(server_version());
}

bool Connection::locks_what_it_fills() const {
    return dialect().locks_what_it_fills();
}
bool Connection::logs_temporary_renames() const {
    return dialect().logs_temporary_renames();
}

bool Connection::forgets_warnings() const {
    return dialect().forgets_warnings();
}

const ServerDialect& Connection::dialect() const {
    return ServerDialect::of(server_version());
}

}  // namespace ddb::storage
