#include "node/storage/server_dialect.hpp"

#include <charconv>

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
    constexpr int first_that_calculates = 11;
    static const MariaDbDialect mariadb(false);
    static const MariaDbDialect calculating_mariadb(true);
    static const MySqlDialect mysql;
    if (version.find("MariaDB") == std::string_view::npos) return mysql;
    int major = 0;
    (void)std::from_chars(version.data(), version.data() + version.size(), major);
    return major >= first_that_calculates ? calculating_mariadb : mariadb;
}

bool Connection::calculates_rows() const {
    return dialect().calculates_rows();
}

bool Connection::is_mysql() const {
    return dialect().is_mysql();
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
