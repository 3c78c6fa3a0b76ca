// Which keys stand on virtual columns that depend on the session's time zone.
#include <catch2/catch.hpp>

#include "node/session/zone_keys.hpp"

namespace ddb::session::test {
namespace {

const char* const shown =
    "CREATE TABLE `t` (\n  `id` int(11) NOT NULL,\n  `ts` timestamp NULL DEFAULT NULL,\n  `dt` datetime DEFAULT "
    "NULL,\n  "
    "`v` datetime GENERATED ALWAYS AS (`ts`) VIRTUAL,\n  `w` int(11) GENERATED ALWAYS AS (year(`v`)) VIRTUAL,\n  `s` "
    "date GENERATED ALWAYS AS (`ts`) STORED,\n  `x` int(11) GENERATED ALWAYS AS (year(`s`)) VIRTUAL,\n  `y` int(11) "
    "GENERATED ALWAYS AS (year(`dt`)) VIRTUAL,\n  PRIMARY KEY (`id`),\n  KEY `y` (`y`)\n) ENGINE=InnoDB";

}  // namespace

TEST_CASE("keys of columns that depend on the zone") {
    const std::string table =
        "CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP(6) NOT NULL DEFAULT now(6), dt DATETIME, ";
    for (const char* columns :
         {"a DATETIME AS (ts) VIRTUAL, KEY (a))", "a INT AS (HOUR(ts)) UNIQUE)",
          "a INT AS (HOUR(`TS`)), UNIQUE k (dt, a))",
          "a INT GENERATED ALWAYS AS (UNIX_TIMESTAMP(dt)) VIRTUAL, CONSTRAINT c UNIQUE KEY k (A DESC))",
          "a INT AS (UNIX_TIMESTAMP(ts + INTERVAL 1 DAY)), INDEX USING BTREE (a))",
          "a VARCHAR(9) AS (IFNULL(ts, 'x')), KEY (a(3)))",
          "b DATETIME AS (ts), a INT AS (IF(b IS NULL, 1, YEAR(b))) INVISIBLE, KEY (a)) ENGINE=InnoDB",
          "a TIMESTAMP AS (dt), KEY (a))", "a INT AS (dt > ts) REFERENCES u (id))",
          "a INT AS (x + 1), KEY (a)) SELECT 1 x", "a DATE AS (ts), CONSTRAINT FOREIGN KEY f (a) REFERENCES u (d))"}) {
        INFO(columns);
        CHECK(zone_dependent_key("", table + columns) == "a");
    }
    CHECK(zone_dependent_key("", "CREATE OR REPLACE TABLE d.`t` (a DATETIME AS (ts), KEY (a), ts TIMESTAMP)") == "a");
}

TEST_CASE("keys of columns that do not") {
    const std::string table =
        "CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP(6) NOT NULL DEFAULT now(6), dt DATETIME, ";
    for (const char* columns :
         {"a DATETIME AS (ts) VIRTUAL, KEY (ts))", "a DATETIME AS (ts) STORED, KEY (a))", "a INT AS (HOUR(dt)) UNIQUE)",
          "a INT AS (UNIX_TIMESTAMP(ts)) UNIQUE)", "a INT AS (IF(ts IS NULL, 1, NULL)), UNIQUE (dt, a))",
          "a INT AS (ISNULL(ts)), KEY (a), b INT AS (HOUR(ts)))",
          "a INT AS (NOT (ts IS NOT NULL)), KEY (a), CHECK (ts > dt))", "a TIMESTAMP AS (ts), KEY (a))",
          "b DATE AS (ts) PERSISTENT, a INT AS (YEAR(b)), KEY (a))",
          "a INT AS (dt > 'ts' OR dt > '2020'), KEY (a) COMMENT 'ts') COMMENT 'AS (ts)'",
          "a INT AS (id + 1), KEY (a)) SELECT 1 id"}) {
        INFO(columns);
        CHECK(zone_dependent_key("", table + columns).empty());
    }
    CHECK(zone_dependent_key("", "CREATE TABLE t LIKE u").empty());
    CHECK(zone_dependent_key("", "CREATE TABLE t (a INT AS (").empty());
    CHECK(zone_dependent_key("", "CREATE TABLE t").empty());
    CHECK(zone_dependent_key("", "").empty());
}

TEST_CASE("keys that a change makes depend on the zone") {
    for (const char* sql : {"ALTER TABLE t ADD KEY (v)", "ALTER TABLE d.t WAIT 5 ADD z INT, ADD UNIQUE INDEX k (id, v)",
                            "CREATE INDEX k ON t (v)", "CREATE OR REPLACE UNIQUE INDEX k USING BTREE ON d.t (id, v)",
                            "ALTER ONLINE TABLE IF EXISTS t NOWAIT ADD INDEX IF NOT EXISTS k (v)",
                            "ALTER TABLE t ADD CONSTRAINT v FOREIGN KEY (v) REFERENCES u (d)",
                            "ALTER TABLE t MODIFY v DATE AS (ts) UNIQUE"}) {
        INFO(sql);
        CHECK(zone_dependent_key(shown, sql) == "v");
    }
    CHECK(zone_dependent_key(shown, "CREATE INDEX k ON t (w)") == "w");
    CHECK(zone_dependent_key(shown, "ALTER TABLE t ADD (p INT, q INT AS (HOUR(ts)), KEY (q))") == "q");
    CHECK(zone_dependent_key(shown, "ALTER TABLE t ADD COLUMN IF NOT EXISTS q INT AS (HOUR(ts)) UNIQUE FIRST") == "q");
    CHECK(zone_dependent_key(shown, "ALTER TABLE t MODIFY COLUMN dt TIMESTAMP") == "y");
    CHECK(zone_dependent_key(shown, "ALTER TABLE t CHANGE dt du TIMESTAMP NULL") == "y");
    CHECK(zone_dependent_key(shown, "ALTER TABLE t RENAME COLUMN ts TO tt, ADD KEY (v)") == "v");
}

TEST_CASE("changes that make none") {
    for (const char* sql :
         {"ALTER TABLE t ADD z INT, ADD KEY (z)", "CREATE INDEX k ON t (x)", "CREATE INDEX k ON t (ts, s)",
          "ALTER TABLE t DROP COLUMN v", "ALTER TABLE t MODIFY ts DATETIME, ADD KEY (v)",
          "ALTER TABLE t RENAME COLUMN dt TO du, ADD KEY (dt)", "ALTER TABLE t", "ALTER TABLE t ADD UNIQUE (z",
          "ALTER TABLE t RENAME TO u", "ALTER TABLE t CHANGE y yy INT AS (MONTH(dt))"}) {
        INFO(sql);
        CHECK(zone_dependent_key(shown, sql).empty());
    }
    const std::string keyed = zone_dependent_key(
        "", std::string(shown).replace(std::string(shown).find("KEY `y`"), 7, "KEY `v` (`v`), KEY `y`"));
    CHECK(keyed == "v");
    const std::string old = std::string(shown).replace(std::string(shown).find("KEY `y`"), 7, "KEY `v` (`v`), KEY `y`");
    CHECK(zone_dependent_key(old, "ALTER TABLE t ADD z INT").empty());
    CHECK(zone_dependent_key(old, "ALTER TABLE t ADD KEY (w)") == "w");
}

TEST_CASE("what is looked at") {
    CHECK(defines_keys("CREATE OR REPLACE UNIQUE INDEX k ON t (a)"));
    CHECK(defines_keys("ALTER ONLINE IGNORE TABLE t ADD z INT"));
    CHECK_FALSE(defines_keys("CREATE VIEW v AS SELECT 1"));
    CHECK_FALSE(defines_keys("DROP TABLE t"));
    CHECK(table_copied("CREATE TABLE a.b LIKE `c`.d") == "`c`.d");
    CHECK(table_copied("CREATE OR REPLACE TABLE IF NOT EXISTS b (LIKE c)") == "c");
    CHECK(table_copied("CREATE TABLE b (c INT) SELECT 1 LIKE 2").empty());
}

TEST_CASE("columns that name others over and over are looked at once") {
    std::string sql = "CREATE TABLE t (c0 INT";
    for (int i = 1; i <= 200; ++i) {
        const std::string before = "c" + std::to_string(i - 1);
        sql += ", c" + std::to_string(i) + " INT AS (" + before + " + " + before + ")";
    }
    CHECK(zone_dependent_key("", sql + ", KEY (c200))").empty());
}

}  // namespace ddb::session::test
