#!/usr/bin/python3
"""Definitions that a server does not show as they are, or that depend on settings which nothing tells: the others, or a node
that is loaded, would have something else. They are refused; what is like them works, also on a node that is loaded.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

from ddb_cluster import STEADY, Cluster, equal, main  # noqa: E402

REFUSED = 1235


def code(cluster, sql):
    return cluster.cli(2, sql).error.get("code", 0)


def good(cluster, sql):
    cluster.sql(2, sql)


def functions_of_the_session(cluster):
    """In another expression a server shows NULL in place of what the session that opened the table has not."""
    table = "CREATE TABLE s.folded (id INT PRIMARY KEY, t VARCHAR(90) "
    for column in ("DEFAULT (CONCAT('x', DATABASE())))", "DEFAULT (COALESCE(CURRENT_ROLE(), 'none')))", "DEFAULT (UPPER(SCHEMA())))",
                   "DEFAULT (COALESCE(CURRENT_ROLE, CURRENT_USER())))", "AS (CONCAT(id, DATABASE())) VIRTUAL)",
                   "DEFAULT (DATABASE()), u VARCHAR(90) DEFAULT (CONCAT(DATABASE())))", "DEFAULT (DATABASE() <=> 'a'))"):
        equal(code(cluster, table + column), REFUSED, column)
    for column in ("DEFAULT (DATABASE()))", "DEFAULT DATABASE())", "DEFAULT (CURRENT_ROLE))", "DEFAULT (CONCAT(CURRENT_USER(), USER())))",
                   "DEFAULT 'CONCAT(DATABASE())')", "DEFAULT (CONCAT('DATABASE', 'SCHEMA()')))", ") AS SELECT 1 AS id, CONCAT(DATABASE(), 'x') AS t"):
        good(cluster, table + column)
        good(cluster, "INSERT INTO s.folded (id) VALUES (2)")
        equal(code(cluster, "ALTER TABLE s.folded ADD u VARCHAR(90) DEFAULT (LOWER(DATABASE()))"), REFUSED, "a column that is added")
        good(cluster, "DROP TABLE s.folded")
    good(cluster, table + "DEFAULT (DATABASE()), `database` INT, `schema` INT, KEY (`schema`))")


def columns_without_versions(cluster):
    good(cluster, "CREATE TABLE s.versioned (id INT PRIMARY KEY, w INT WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING")
    equal(code(cluster, "ALTER TABLE s.versioned DROP SYSTEM VERSIONING"), REFUSED, "what a column keeps of it")
    equal(code(cluster, "SET STATEMENT sql_mode = '' FOR ALTER TABLE s.versioned ADD x INT, DROP SYSTEM VERSIONING"), REFUSED, "the same, otherwise said")
    good(cluster, "CREATE TABLE s.plain (id INT PRIMARY KEY, w INT COMMENT 'WITHOUT SYSTEM VERSIONING') WITH SYSTEM VERSIONING")
    good(cluster, "ALTER TABLE s.plain DROP SYSTEM VERSIONING")
    cluster.sql(2, "SET system_versioning_alter_history = KEEP", "ALTER TABLE s.versioned MODIFY w INT WITH SYSTEM VERSIONING",
                "ALTER TABLE s.versioned DROP SYSTEM VERSIONING")


def stop_words(cluster):
    """A list of one's own is in no log and no dump: the others found other rows."""
    good(cluster, "CREATE TABLE s.stop (value VARCHAR(30) PRIMARY KEY)")
    for name in ("SESSION innodb_ft_user_stopword_table", "GLOBAL innodb_ft_server_stopword_table"):
        equal(code(cluster, f"SET {name} = 's/stop'"), REFUSED, name)
        good(cluster, f"SET {name} = DEFAULT")
        good(cluster, f"SET {name} = NULL")


def definitions_shown():
    with Cluster(settings=STEADY) as cluster:
        good(cluster, "CREATE DATABASE s")
        for part in (functions_of_the_session, columns_without_versions, stop_words):
            part(cluster)
        cluster.same_tables("s")
        before = cluster.same("SHOW CREATE TABLE s.folded; SHOW CREATE TABLE s.versioned; SHOW CREATE TABLE s.plain")
        lost = cluster.others(cluster.coordinator())[0]
        cluster.kill(lost, with_mysql=True)
        cluster.tool("wipe", lost)
        cluster.start(lost)
        cluster.settle()
        after = cluster.same("SHOW CREATE TABLE s.folded; SHOW CREATE TABLE s.versioned; SHOW CREATE TABLE s.plain")
        equal(after, before, "definitions on a node that was loaded")


if __name__ == "__main__":
    main(definitions_shown)
