// Statements that would touch what replication stands on: which values, words and rights are let through nonetheless.
#include <catch2/catch.hpp>

#include "node/session/classifier.hpp"

using namespace ddb::session;
using Kind = StatementKind;

namespace {

Kind kind_of(const std::string& sql) {
    return classify(sql).kind;
}
bool refused(const std::string& sql) {
    const auto c = classify(sql);
    return c.kind == Kind::refused && !c.refusal.empty();
}

}  // namespace

TEST_CASE("SET of what replication stands on is let through to the value that it has, or to no value at all") {
    for (const char* sql : {"SET SESSION binlog_format = ROW",
                            "SET SESSION binlog_format = MIXED",
                            "SET binlog_format=DEFAULT",
                            "SET `binlog_format` = 'mixed'",
                            "SET GLOBAL binlog_format = MIXED",
                            "SET @@completion_type = 0",
                            "SET GLOBAL binlog_format='row'",
                            "SET binlog_format = foo",
                            "SET @@SESSION.sql_log_bin = 1",
                            "SET sql_log_bin=ON",
                            "SET sql_log_bin='maybe'",
                            "SET innodb_snapshot_isolation=ON",
                            "SET GLOBAL event_scheduler = OFF",
                            "SET GLOBAL event_scheduler=0",
                            "SET GLOBAL local_infile = 1;",
                            "SET autocommit = 0;",
                            "SET GLOBAL init_connect=''",
                            "SET GLOBAL max_allowed_packet = 1073741824",
                            "SET GLOBAL max_allowed_packet=1024*1024*1024",
                            "SET GLOBAL sql_select_limit = DEFAULT",
                            "SET completion_type = 'NO_CHAIN', x = 1",
                            "SET SESSION enforce_storage_engine=InnoDB",
                            "SET GLOBAL autocommit = 1",
                            "SET @@session.`sql_log_bin` = 1",
                            "SET @@global .event_scheduler = OFF",
                            "SET @@session.`sort_buffer_size` = 65536",
                            "SET STATEMENT innodb_snapshot_isolation=ON FOR SELECT 1"}) {
        INFO(sql);
        CHECK_FALSE(refused(sql));
    }
    for (const char* sql : {"SET SESSION binlog_format = MIXED, sql_log_bin = 0",
                            "SET SESSION binlog_format = MIXED, SESSION autocommit = 1",
                            "SET STATEMENT binlog_format = MIXED FOR SELECT 1",
                            "SET binlog_format='statement'",
                            "SET binlog_format=1",
                            "SET completion_type = 1",
                            "SET SESSION innodb_flush_log_at_trx_commit = 1, sql_log_bin = 0",
                            "SET binlog_format=CONCAT(@saved)",
                            "SET binlog_format=@saved, sql_log_bin=@saved",
                            "SET sql_log_bin=@a:=0",
                            "SET sql_log_bin=@`a b`",
                            "SET STATEMENT sql_log_bin=@saved FOR INSERT INTO t VALUES (1)",
                            "SET binlog_format = 'MI\\XED'",
                            "SET binlog_format='MI' 'XED'",
                            "SET binlog_format=_utf8'MIXED'",
                            "SET sql_log_bin=0",
                            "SET sql_log_bin=FALSE",
                            "SET sql_log_bin='OFF'",
                            "SET sql_log_bin=1-1",
                            "SET sql_log_bin=-1",
                            "SET sql_log_bin=''",
                            "SET innodb_snapshot_isolation=OFF",
                            "SET GLOBAL event_scheduler=ON",
                            "SET GLOBAL event_scheduler=foo",
                            "SET GLOBAL read_only=0",
                            "SET GLOBAL local_infile=0",
                            "SET GLOBAL innodb_alter_copy_bulk=ON",
                            "SET GLOBAL innodb_default_row_format=COMPACT",
                            "SET GLOBAL innodb_file_per_table=OFF",
                            "SET GLOBAL innodb_instant_alter_column_allowed=never",
                            "SET GLOBAL innodb_read_only_compressed=ON",
                            "SET GLOBAL init_connect='SET @a=1'",
                            "SET GLOBAL max_allowed_packet=16777216, GLOBAL net_buffer_length=1024",
                            "SET GLOBAL max_allowed_packet=1024+",
                            "SET GLOBAL max_allowed_packet=1073741824-1",
                            "SET GLOBAL max_allowed_packet=1073741824*0.1",
                            "SET GLOBAL max_allowed_packet=4294967296*4294967296",
                            "SET GLOBAL sql_select_limit=10",
                            "SET GLOBAL max_join_size=1",
                            "SET @@global.sql_big_selects=0",
                            "SET GLOBAL sql_select_limit='DEFAULT'",
                            "SET GLOBAL sync_binlog=1+1",
                            "SET GLOBAL innodb_flush_log_at_trx_commit=ON",
                            "SET SESSION enforce_storage_engine=FooBar",
                            "SET SESSION enforce_storage_engine=NULL",
                            "SET binlog_format = ROW, sql_log_bin = 0",
                            "SET `binlog_format` = `MIXED`",
                            "SET @@session.`sql_log_bin` = 0",
                            "SET @@session.'sql_log_bin' = 0",
                            "SET @@session. sql_log_bin = 0",
                            "SET @@session/**/.sql_log_bin = 0",
                            "SET x = 1, @@local.`sql_log_bin` = 0",
                            "SET @@global.`event_scheduler` = ON",
                            "SET @@global .event_scheduler = ON",
                            "SET @@GLOBAL . `event_scheduler` = ON",
                            "SET @@session.`autocommit` = 0 + 0",
                            "SET GLOBAL tx_isolation='SERIALIZABLE'",
                            "SET @@GLOBAL.transaction_isolation=3",
                            "SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                            "SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"}) {
        INFO(sql);
        CHECK(refused(sql));
    }
}

TEST_CASE("a variable is known by its name however that stands behind its scope") {
    for (const char* sql : {"SET @@session.autocommit = 0", "SET @@session.`autocommit` = 0",
                            "SET @@session . autocommit = 0", "SET @@session. 'autocommit' = 0"}) {
        INFO(sql);
        CHECK(classify(sql).autocommit == false);
    }
    CHECK(classify("SET @@global .tx_isolation = 'READ-COMMITTED'").global_isolation);
}

TEST_CASE("scripts may ask for less than what every node has: it stays, and they are warned") {
    const auto warning = [](const std::string& sql) {
        const auto c = classify(sql);
        return c.kind == Kind::plain && c.kept_setting ? c.kept_setting->sql + "; " + c.kept_setting->warning : "";
    };
    CHECK(warning("SET GLOBAL max_allowed_packet=1000000000") ==
          "SET GLOBAL max_allowed_packet = 1073741824; Truncated incorrect max_allowed_packet value: '1000000000'; on "
          "every "
          "node it is 1073741824");
    CHECK(warning("set @@global.max_allowed_packet = 64 * 1024 * 1024;").find("'67108864'") != std::string::npos);
    CHECK(warning("SET GLOBAL max_allowed_packet = 2*1024*1024 + 1024").find("'2098176'") != std::string::npos);
    CHECK(warning("SET GLOBAL max_allowed_packet = DEFAULT").find("'DEFAULT'") != std::string::npos);
    CHECK(warning("SET GLOBAL log_bin_trust_function_creators = DEFAULT").find("'DEFAULT'") != std::string::npos);
    CHECK(warning("SET GLOBAL innodb_flush_log_at_trx_commit = 0").find("trx_commit stays") != std::string::npos);
    CHECK(warning("SET GLOBAL sync_binlog = 1").find("stays") == std::string::npos);
    CHECK(warning("SET GLOBAL innodb_flush_log_at_trx_commit = 1").find("stays") == std::string::npos);
    CHECK(warning("SET @@global.SYNC_BINLOG = DEFAULT").find("sync_binlog stays") != std::string::npos);
    CHECK(warning("SET GLOBAL log_bin_trust_function_creators = 0").find("it is 1") != std::string::npos);
    CHECK(warning("SET GLOBAL log_bin_trust_function_creators = OFF").find("'OFF'") != std::string::npos);
    for (const char* sql : {"SET GLOBAL max_allowed_packet=1073741824", "SET max_allowed_packet=16777216",
                            "SET GLOBAL net_buffer_length=16384", "SET @max_allowed_packet=16777216",
                            "SET GLOBAL log_bin_trust_function_creators = 1"}) {
        CHECK(kind_of(sql) == Kind::set);
    }
}

TEST_CASE("scripts may put back what they found: whether it is so is known when the variable is read") {
    const auto asked = [](const std::string& sql) {
        const auto c = classify(sql);
        return c.kind == Kind::plain && c.asked_setting ? c.asked_setting->sql + c.asked_setting->variable : "";
    };
    CHECK(asked("SET GLOBAL max_allowed_packet=@saved") == "SET GLOBAL max_allowed_packet = @`saved`");
    CHECK(asked("set @@session.sql_log_bin = @'old.x';") == "SET SESSION sql_log_bin = @`old.x`");
    CHECK(asked("SET @@global.init_connect = @@session.tmpdir") == "SET GLOBAL init_connect = @@session.tmpdir");
    CHECK(asked("/*!40101 SET binlog_format=@`a` */") == "SET SESSION binlog_format = @`a`");
    CHECK(kind_of("SET sort_buffer_size = @saved") == Kind::set);
    CHECK(kind_of("SET @binlog_format = @saved") == Kind::set);
}

TEST_CASE("a level set in the global scope is one that sessions to come may begin with") {
    for (const char* sql :
         {"SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED",
          "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
          "SET GLOBAL tx_isolation = 'READ-UNCOMMITTED'", "SET @@GLOBAL.transaction_isolation = @saved"}) {
        INFO(sql);
        const auto c = classify(sql);
        CHECK(c.kind == Kind::set);
        CHECK(c.global_isolation);
        CHECK_FALSE(c.repeatable);
        CHECK_FALSE(c.session_state);
        CHECK_FALSE(c.each_statement_reads_anew);
    }
    CHECK_FALSE(classify("SET tx_isolation = 'READ-COMMITTED'").global_isolation);
}

TEST_CASE("hidden text may ask for what replication stands on, or talk of it") {
    for (const char* sql :
         {"CALL p('statements are unsafe since BINLOG_FORMAT = STATEMENT')", "PREPARE s FROM 'SELECT @@binlog_format'",
          "BEGIN NOT ATOMIC SELECT @@gtid_domain_id; END"}) {
        INFO(sql);
        CHECK_FALSE(refused(sql));
    }
    for (const char* sql :
         {"CALL p('set binlog_format = STATEMENT')", "PREPARE s FROM 'SET sql_log_bin=0'",
          "EXECUTE IMMEDIATE 'SET gtid_seq_no=1'", "BEGIN NOT ATOMIC SET SESSION sql_log_bin=0; END"}) {
        INFO(sql);
        CHECK(refused(sql));
    }
}

TEST_CASE("REVOKE ALL from PUBLIC is refused, as the node's own rights would go with it") {
    for (const char* sql :
         {"REVOKE ALL PRIVILEGES, GRANT OPTION FROM PUBLIC", "revoke all, grant option from a@b, `public`",
          "REVOKE ALL PRIVILEGES, GRANT OPTION FROM a,b,c,d,e,f,g,h,i,j,k,l,m,n,PUBLIC"}) {
        INFO(sql);
        CHECK(refused(sql));
    }
    for (const char* sql :
         {"REVOKE ALL PRIVILEGES, GRANT OPTION FROM a@b", "REVOKE ALL ON d.* FROM PUBLIC",
          "REVOKE SELECT ON d.* FROM PUBLIC", "REVOKE ALL PRIVILEGES, GRANT OPTION FROM PUBLIC@localhost"}) {
        INFO(sql);
        CHECK(kind_of(sql) == Kind::account);
    }
}

TEST_CASE("RESET is refused, but of the query cache") {
    CHECK(kind_of("RESET QUERY CACHE") == Kind::ddl);
    CHECK(kind_of("reset query cache ;") == Kind::ddl);
    for (const char* sql : {"RESET QUERY CACHE, MASTER", "RESET MASTER", "RESET SLAVE ALL", "RESET"})
        CHECK(refused(sql));
}
