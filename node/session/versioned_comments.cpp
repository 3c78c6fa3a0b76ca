#include "node/session/versioned_comments.hpp"

#include <atomic>
#include <charconv>

namespace ddb::session {
namespace {

constexpr unsigned mariadb_version = 101100;  // whose rules decide, whichever it is
std::atomic<unsigned> mysql_version{0};       // 0: the server is MariaDB

// 9.7.4 as 90704, the way MySQL counts.
unsigned number_of(std::string_view version) {
    unsigned out = 0;
    const char* at = version.data();
    const char* const end = version.data() + version.size();
    for (int part = 0; part < 3; ++part) {
        unsigned number = 0;
        const auto parsed = std::from_chars(at, end, number);
        if (parsed.ec == std::errc()) at = parsed.ptr;
        out = out * 100 + number;
        if (at != end && *at == '.') ++at;
    }
    return out;
}

}  // namespace

void set_server_version(std::string_view version) {
    mysql_version = version.find("MariaDB") == std::string_view::npos ? number_of(version) : 0;
}

bool runs_versioned_comment(bool for_mariadb, unsigned version) {
    const unsigned mysql = mysql_version;
    if (mysql != 0) return !for_mariadb && version <= mysql;
    const bool foreign = !for_mariadb && version >= 50700 && version <= 99999;
    return version <= mariadb_version && !foreign;
}

}  // namespace ddb::session
