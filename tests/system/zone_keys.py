#!/usr/bin/python3
"""Keys of virtual columns that depend on the session's time zone, in which MariaDB keeps old entries: they are refused. In a table
from before ddb, and on MySQL, they are right on every node, also on one that is loaded, while all sessions have the servers' own zone.
"""

import os

from ddb_cluster import MYSQL, STEADY, Cluster, check, equal, main

REFUSED = 1235
ZONE = "Europe/Berlin"
COLUMNS = "id INT PRIMARY KEY, ts TIMESTAMP NULL, dt DATETIME, v DATETIME AS (ts) VIRTUAL, u BIGINT AS (UNIX_TIMESTAMP(dt)) VIRTUAL, s DATE AS (ts) STORED"


def code(cluster, sql):
    return cluster.cli(2, sql).error.get("code", 0)


def refused(cluster):
    table = "CREATE TABLE z.made (id INT PRIMARY KEY, ts TIMESTAMP NULL, dt DATETIME, "
    cluster.sql(2, f"CREATE TABLE z.free ({COLUMNS})", "CREATE TABLE z.seconds (id INT PRIMARY KEY, ts TIMESTAMP NULL)",
                "CREATE TABLE z.dated (id INT PRIMARY KEY, dt DATETIME, v DATE AS (dt) VIRTUAL, KEY (v))")
    for sql in (table + "v DATETIME AS (ts) VIRTUAL, KEY (v))", table + "v INT AS (HOUR(ts)) UNIQUE)", table + "v BIGINT AS (UNIX_TIMESTAMP(dt)), KEY (v))",
                "CREATE TABLE z.made LIKE z.old", "CREATE INDEX k ON z.free (v)", "ALTER TABLE z.free ADD UNIQUE KEY (id, u)",
                "ALTER TABLE z.dated MODIFY dt TIMESTAMP", "ALTER TABLE z.seconds ADD h INT AS (HOUR(ts)) VIRTUAL, ADD KEY (h)",
                "SET STATEMENT sql_mode = '' FOR CREATE INDEX k ON z.free (v)", "EXECUTE IMMEDIATE 'CREATE INDEX k ON z.free (v)'",
                "CREATE TABLE z.made (v INT AS (HOUR(ts)) VIRTUAL, PRIMARY KEY (id), KEY (v)) SELECT id, ts FROM z.seconds"):
        equal(code(cluster, sql), REFUSED, sql)
    said = cluster.cli(2, "CREATE INDEX k ON z.free (v)").error["message"]
    check("virtual column v" in said and "time_zone" in said, said)


def served(cluster):
    """What only looks like it, and what depends on no zone."""
    table = "CREATE TABLE z.good (id INT PRIMARY KEY, ts TIMESTAMP NULL, dt DATETIME, "
    east, west = "SET time_zone = '+07:00'", "SET time_zone = '-03:00'"
    for columns in ("v INT AS (UNIX_TIMESTAMP(ts)), KEY (v), KEY (ts))", "v INT AS (IF(ts IS NULL, 1, NULL)), UNIQUE v (v, id))",
                    "v DATE AS (dt), KEY (v), w DATETIME AS (ts))", "v TIMESTAMP AS (ts), KEY (v))", "v DATE AS (ts) STORED, KEY (v), t TEXT, UNIQUE (t, ts))"):
        cluster.sql(2, table + columns, "CREATE TABLE IF NOT EXISTS z.old (ts TIMESTAMP NULL, v DATETIME AS (ts), KEY (v))", east,
                    "INSERT INTO z.good (id, ts, dt) VALUES (1, '2021-01-01 03:00:00', NOW()), (2, '2021-07-01 23:00:00', NOW())", west,
                    "UPDATE z.good SET ts = ts + INTERVAL 1 HOUR WHERE id = 2", "DELETE FROM z.good WHERE id = 1")
        cluster.settle()
        equal(cluster.same("SELECT id FROM z.good FORCE INDEX (v) ORDER BY v"), [["2"]], columns)
        cluster.same("CHECK TABLE z.good EXTENDED")
        cluster.sql(2, "DROP TABLE z.good")


def stored(cluster):
    """What is served: equal on a node that is loaded, also of a table with versions, and of one whose text only looks like it."""
    cluster.sql(2, "CREATE TABLE z.stored (id INT AUTO_INCREMENT PRIMARY KEY, ts TIMESTAMP NULL, s DATE AS (ts) STORED, y INT AS (DAY(s)) STORED, t TEXT, FULLTEXT (t)) "
                   "WITH SYSTEM VERSIONING", "INSERT INTO z.stored (ts) VALUES ('2021-07-02 00:30:00'), ('2021-01-02 00:30:00'), (NULL)",
                "UPDATE z.stored SET ts = ts + INTERVAL 1 MONTH", "CREATE TABLE z.plain (id INT PRIMARY KEY, ts TIMESTAMP NULL, n INT AS (id + 1) STORED, KEY (n))",
                "INSERT INTO z.plain (id, ts) VALUES (1, NOW())")
    load(cluster)
    for sql in ("SELECT *, row_start, row_end FROM z.stored FOR SYSTEM_TIME ALL ORDER BY id, row_start", "SELECT * FROM z.plain", "SHOW CREATE TABLE z.stored",
                "CHECK TABLE z.stored EXTENDED"):
        cluster.same(sql)
    cluster.sql(2, "INSERT INTO z.stored (ts) VALUES (NOW())")
    cluster.settle()
    equal(cluster.same("SELECT id FROM z.stored ORDER BY id"), [["1"], ["2"], ["3"], ["4"]], "numbers")


def from_before(cluster):
    rows = "(1, '2021-01-01 03:00:00', '2021-01-01 03:00:00'), (2, '2021-07-01 23:00:00', '2021-07-01 23:00:00'), (3, '2021-07-01 23:00:00', NULL)"
    cluster.sql(2, f"INSERT INTO z.old (id, ts, dt) VALUES {rows}", "UPDATE z.old SET ts = ts + INTERVAL 1 HOUR, dt = ts WHERE id = 2", "DELETE FROM z.old WHERE id = 1")
    entries(cluster, ["3", "2"])
    load(cluster)
    entries(cluster, ["3", "2"])
    cluster.sql(2, "UPDATE z.old SET ts = ts - INTERVAL 5 HOUR, dt = ts WHERE id = 3", "DELETE FROM z.old WHERE id = 2",
                "ALTER TABLE z.old ADD w INT, ADD KEY (w)", "UPDATE z.old SET dt = NOW()")
    entries(cluster, ["3"])


def stays_as_loaded(cluster):
    """Two moments that are one day in the servers' zone, of which a key permits one row, and two days in UTC: a node that is loaded says so."""
    cluster.sql(2, "CREATE TABLE z.days (id INT PRIMARY KEY, ts TIMESTAMP NULL, day DATE AS (DATE(ts)) STORED UNIQUE)",
                "SET time_zone = '+00:00'", "INSERT INTO z.days (id, ts) VALUES (1, '2021-07-01 23:00:00'), (2, '2021-07-02 09:00:00')")
    lost = load(cluster)
    check("1 tables keep what they calculate in a time zone as UTC has it" in cluster.log(lost) and "`z`.`days` (Duplicate entry" in cluster.log(lost),
          f"node {lost} says what it could not make anew")
    cluster.same("SELECT * FROM z.days ORDER BY id")


def load(cluster):
    lost = cluster.others(cluster.coordinator())[0]
    cluster.kill(lost, with_mysql=True)
    cluster.tool("wipe", lost)
    cluster.start(lost)
    cluster.settle()
    return lost


def on_mysql(cluster):
    """It is served there, and a node that is loaded has the same entries."""
    table = "(id INT PRIMARY KEY, ts TIMESTAMP NULL, n BIGINT, s DATETIME AS (ts) STORED, v DATETIME AS (ts) VIRTUAL, t TEXT, KEY (v)"
    tables = (table + ")", table + ", FULLTEXT (t))", "(id INT PRIMARY KEY, ts TIMESTAMP NULL, n BIGINT, v DATETIME AS (FROM_UNIXTIME(n)), KEY v (v), KEY ((HOUR(ts))))")
    for number, columns in enumerate(tables):
        cluster.sql(2, f"CREATE TABLE z.t{number} {columns}", f"INSERT INTO z.t{number} (id, ts, n) VALUES (1, '2021-01-01 23:30:00', 9), (2, '2021-07-01 23:30:00', 8), (3, NULL, 0)")
    load(cluster)
    for change in ("DO 0", "UPDATE z.t{} SET ts = ts + INTERVAL 1 HOUR, n = n + 1 WHERE id = 2", "DELETE FROM z.t{} WHERE id = 1"):
        cluster.sql(2, *[change.format(number) for number in range(len(tables))])
        cluster.settle()
        for number in range(len(tables)):
            cluster.same(f"SELECT v, id FROM z.t{number} FORCE INDEX (v) ORDER BY v, id")
            cluster.same(f"SELECT v FROM z.t{number} FORCE INDEX (v) ORDER BY v")
            cluster.same(f"SELECT * FROM z.t{number} ORDER BY id")
            cluster.same(f"SELECT COUNT(*) FROM z.t{number} WHERE HOUR(ts) = 23")
            cluster.same(f"CHECK TABLE z.t{number} EXTENDED")


def entries(cluster, expected):
    cluster.settle()
    for key in ("v", "u"):
        equal(cluster.same(f"SELECT id FROM z.old FORCE INDEX ({key}) ORDER BY {key}, id"), [[row] for row in expected], f"by key {key}")
    cluster.same("SELECT v FROM z.old FORCE INDEX (v)")
    cluster.same("SELECT id, s FROM z.old ORDER BY id")
    cluster.same("CHECK TABLE z.old EXTENDED")


def zone_keys():
    os.environ["TZ"] = ZONE
    with Cluster(settings=STEADY) as cluster:
        cluster.sql(2, "CREATE DATABASE z")
        cluster.settle()
        if not MYSQL:
            for node in cluster.nodes:
                cluster.mysql(node, f"SET sql_log_bin = 0; CREATE TABLE z.old ({COLUMNS}, KEY (v), KEY (u))")
        for part in (on_mysql,) if MYSQL else (refused, served, stored, from_before, stays_as_loaded):
            part(cluster)
        for node in cluster.nodes:
            check("fenced" not in cluster.log(node), f"node {node} is not fenced")


if __name__ == "__main__":
    main(zone_keys)
