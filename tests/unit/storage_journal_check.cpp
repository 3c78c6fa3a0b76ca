// The check of an external server, against one that is right and after each thing was made wrong.
#include <catch2/catch.hpp>

#include "node/storage/server_check.hpp"
#include "storage_journal_support.hpp"

using namespace ddb;
using namespace ddb::storage;
using namespace ddb::storage::test;

TEST_CASE("a server's variables and rights are checked, each with a remedy") {
    TemporaryDir dir;
    const ManagedOptions options = small_server(dir.path() + "/mysql");
    auto server = ManagedServer::start(options, nullptr);
    REQUIRE(server.ok());
    auto opened = Connection::open(service_account(**server, options));
    REQUIRE(opened.ok());
    Connection& connection = **opened;
    const ServerRequirements requirements;
    const auto own = connection.scalar("SHOW CREATE USER CURRENT_USER");
    REQUIRE(own.ok());
    CHECK(own->value_or("").find("PASSWORD EXPIRE NEVER") != std::string::npos);

    auto report = check_server(connection, requirements);
    REQUIRE(report.ok());
    for (const auto& problem : report->problems) FAIL(to_string(problem));
    CHECK(report->mariadb);

    for (const char* statement :
         {"SET GLOBAL binlog_format=MIXED", "SET GLOBAL event_scheduler=ON", "SET GLOBAL innodb_force_primary_key=OFF",
          "SET GLOBAL innodb_snapshot_isolation=OFF", "SET GLOBAL log_bin_compress=ON",
          "SET GLOBAL innodb_alter_copy_bulk=ON", "SET GLOBAL innodb_default_row_format=COMPACT",
          "SET GLOBAL innodb_file_per_table=OFF", "SET GLOBAL innodb_instant_alter_column_allowed=never",
          "SET GLOBAL innodb_read_only_compressed=ON", "SET GLOBAL gtid_strict_mode=ON",
          "SET GLOBAL binlog_row_image=MINIMAL", "SET GLOBAL max_allowed_packet=1048576",
          "SET GLOBAL lock_wait_timeout=86400", "SET GLOBAL max_binlog_cache_size=4294967296",
          "SET GLOBAL binlog_alter_two_phase=ON", "SET GLOBAL log_bin_trust_function_creators=OFF"}) {
        REQUIRE(connection.execute(statement).ok());
    }
    report = check_server(connection, requirements);
    REQUIRE(report.ok());
    CHECK(report->problems.size() == 17);
    CHECK(report->fit());
    REQUIRE(apply_settings(connection, *report).ok());
    report = check_server(connection, requirements);
    REQUIRE(report.ok());
    CHECK(report->problems.empty());

    ServerRequirements taken;
    taken.other_server_ids = {1};
    report = check_server(connection, taken);
    REQUIRE(report.ok());
    CHECK_FALSE(report->fit());
    CHECK(report->fatal_text().find("server_id is 1, expected a number no other server") == 0);

    REQUIRE(connection.execute("CREATE USER weak@localhost").ok());
    REQUIRE(connection.execute("GRANT SELECT, INSERT ON *.* TO weak@localhost").ok());
    ConnectOptions weak = service_account(**server, options);
    weak.user = "weak";
    weak.password = "";
    auto weak_connection = Connection::open(weak);
    REQUIRE(weak_connection.ok());
    report = check_server(**weak_connection, requirements);
    REQUIRE(report.ok());
    CHECK(report->fatal_text().find("rights of weak@localhost") == 0);
}
