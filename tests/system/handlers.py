#!/usr/bin/python3
"""HANDLER through every node: every answer as a plain server gives it, one that lies idle holds up nobody, and one ends with its
coordinator, which its session is told.
"""

import os
import struct
import time

from ddb_cluster import SLOW, STEADY, Cluster, check, code, equal, good, main, note
from gateway import PlainServer
import gateway
from wire_client import INIT_DB, RESET_CONNECTION, Client

USER, PASSWORD = "app", "secret"
LONG = 3  # type of a parameter

# Each is said in turn; a pair is prepared, and executed with these values.
STATEMENTS = [
    "CREATE DATABASE h", "USE h", "CREATE TABLE t (id INT PRIMARY KEY, v INT, KEY (v))", "CREATE TABLE u (id INT PRIMARY KEY)",
    "INSERT INTO t VALUES (1, 40), (2, 30), (3, 20), (4, 10)", "CREATE VIEW vw AS SELECT * FROM t",
    "HANDLER t READ FIRST", "HANDLER t CLOSE", "HANDLER nowhere OPEN", "HANDLER vw OPEN", "HANDLER information_schema.TABLES OPEN",
    "HANDLER t OPEN", "HANDLER t OPEN", "HANDLER h.t OPEN AS x", "HANDLER t READ", "HANDLER t READ SOMEWHERE", "HANDLER", "HANDLER t",
    "HANDLER t READ FIRST", "HANDLER t READ NEXT", "INSERT INTO u VALUES (1)", "HANDLER t READ NEXT", "SELECT COUNT(*) FROM t",
    "HANDLER x READ v FIRST", "HANDLER x READ v NEXT LIMIT 2", "HANDLER x READ v NEXT", "HANDLER x READ v NEXT", "HANDLER x READ v PREV",
    "HANDLER x READ v LAST", "HANDLER x READ v = (20)", "HANDLER x READ v > (20)", "HANDLER x READ `PRIMARY` <= (3) LIMIT 9",
    "HANDLER x READ `PRIMARY` PREV", "HANDLER x READ nokey FIRST", "HANDLER x READ FIRST WHERE v < 30 LIMIT 1, 5", "HANDLER x READ FIRST WHERE nothing = 1",
    "HANDLER x READ FIRST WHERE id IN (SELECT id FROM u)", "SHOW WARNINGS", "HANDLER x READ `PRIMARY` = (1, 2)",
    "BEGIN", "HANDLER x READ `PRIMARY` LAST", "INSERT INTO t VALUES (5, 50)", "HANDLER x READ `PRIMARY` LAST", "HANDLER u OPEN", "ROLLBACK",
    "HANDLER x READ `PRIMARY` LAST", "HANDLER u READ FIRST", "BEGIN", "DELETE FROM t WHERE id = 1", "COMMIT", "HANDLER t READ `PRIMARY` FIRST",
    "START TRANSACTION READ ONLY", "HANDLER t READ `PRIMARY` NEXT", "SELECT id FROM t", "HANDLER t READ `PRIMARY` NEXT", "COMMIT", "HANDLER t READ `PRIMARY` NEXT",
    "HANDLER t READ `PRIMARY` NEXT", "SET autocommit = 0", "HANDLER u CLOSE", "HANDLER u OPEN", "HANDLER t READ `PRIMARY` FIRST", "COMMIT",
    "SET autocommit = 1", "SET TRANSACTION READ ONLY", "HANDLER t READ `PRIMARY` NEXT", "INSERT INTO u VALUES (2)",
    "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "HANDLER t READ `PRIMARY` NEXT", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "LOCK TABLES t READ", "HANDLER t READ FIRST", "HANDLER u OPEN AS z", "HANDLER t CLOSE", "UNLOCK TABLES", "HANDLER t READ `PRIMARY` FIRST",
    "HANDLER t READ `PRIMARY` NEXT", "USE mysql", "HANDLER t READ `PRIMARY` NEXT", "HANDLER x READ `PRIMARY` FIRST", "USE h",
    "CREATE TEMPORARY TABLE tmp (id INT PRIMARY KEY)", "INSERT INTO tmp VALUES (1), (2), (3)", "HANDLER tmp OPEN", "HANDLER tmp READ FIRST",
    "INSERT INTO u VALUES (3)", "HANDLER tmp READ NEXT", "BEGIN", "INSERT INTO u VALUES (4)", "HANDLER tmp READ NEXT", "COMMIT", "HANDLER tmp READ NEXT",
    "HANDLER tmp READ `PRIMARY` FIRST", "DROP TEMPORARY TABLE tmp", "HANDLER tmp READ FIRST", "HANDLER tmp CLOSE",
    "CREATE TEMPORARY TABLE u (id INT PRIMARY KEY, other INT)", "HANDLER u READ FIRST", "HANDLER u CLOSE", "HANDLER u OPEN", "HANDLER u READ FIRST",
    "DROP TEMPORARY TABLE u", "HANDLER u OPEN", "HANDLER u READ FIRST", "ALTER TABLE u ADD w INT", "HANDLER u READ FIRST", "HANDLER u OPEN",
    "TRUNCATE u", "HANDLER u READ FIRST", "HANDLER u OPEN", "RENAME TABLE u TO u2", "HANDLER u READ FIRST", "HANDLER u2 OPEN", "DROP TABLE u2",
    "HANDLER u2 READ FIRST", "HANDLER t READ `PRIMARY` FIRST", "ANALYZE TABLE t", "HANDLER t READ FIRST", "HANDLER t OPEN",
    "PREPARE s FROM 'HANDLER t READ `PRIMARY` FIRST'", "EXECUTE s", "EXECUTE s", "PREPARE s FROM 'HANDLER t READ `PRIMARY` >= (?) LIMIT 2'",
    "SET @a = 3", "EXECUTE s USING @a", "HANDLER t READ FIRST WHERE (@b := id) > 2", "SELECT @b", "CREATE PROCEDURE p() HANDLER t OPEN",
    ("HANDLER t READ `PRIMARY` FIRST", ()), ("HANDLER t READ `PRIMARY` > (?)", (3,)), ("HANDLER t READ FIRST WHERE v = ?", (20,)),
    ("HANDLER gone READ FIRST", ()), ("HANDLER t CLOSE", ()), ("HANDLER t OPEN AS y", ()), "HANDLER y READ FIRST",
    "/* why */ HANDLER y READ NEXT", "HANDLER y /* not */ READ NEXT", "handler y close", "HANDLER `y` READ FIRST"]


def said(client, statement):
    """Every word of the answer."""
    if isinstance(statement, str):
        return client.query(statement)
    sql, values = statement
    number, answer = client.prepare(sql)
    if number is None:
        return answer
    told = client.execute(number, [(LONG, False, struct.pack("<i", value)) for value in values])
    client.close_statement(number)
    return [answer[0][:2], told]


def connect(cluster, node, database="d"):
    return Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, database, deadline_s=60 * SLOW)


def prepare(cluster):
    cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 10), (2, 20), (3, 30)",
                f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON *.* TO {USER}@'%'")
    cluster.settle()


def as_on_a_plain_server():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
            client = Client("127.0.0.1", plain.port, gateway.USER, gateway.PASSWORD, "", deadline_s=60 * SLOW)
            expected = [said(client, statement) for statement in STATEMENTS]
        read = sum(any(word[0] == "row" for word in answer) for answer in expected)
        check(read >= 35, f"the plain server reads: {read}")
        for node in cluster.nodes:
            client = connect(cluster, node, "")
            for statement, answer in zip(STATEMENTS, expected):
                equal(said(client, statement), answer, f"through node {node}: {statement}")
            good(client, "DROP DATABASE h")
        note(f"{len(STATEMENTS)} statements, through each node")


def a_session_begins_anew_without_them():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        for node in cluster.nodes:
            client = connect(cluster, node)
            for anew in (lambda: client.simple(RESET_CONNECTION), lambda: client.change_user("d")):
                good(client, "HANDLER t OPEN")
                equal(good(client, "HANDLER t READ FIRST"), [[b"1", b"10"]], "a row")
                equal(anew()[0][0], "ok", "begins anew")
                client.simple(INIT_DB, b"d")
                equal(code(client, "HANDLER t READ NEXT"), 1109, "it is not open any more")


def idle_ones_hold_up_nobody():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        reader, other = (connect(cluster, node) for node in cluster.others(cluster.coordinator()))
        good(reader, "HANDLER t OPEN AS h")
        begin = time.monotonic()
        for i, sql in enumerate(["ALTER TABLE t ADD w INT", "FLUSH TABLES t", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.w = 7",
                                 "LOCK TABLES t WRITE", "TRUNCATE t"]):
            good(other, "UNLOCK TABLES")
            good(other, f"INSERT INTO t (id, v) VALUES ({10 + i}, {i})")
            equal(good(reader, "HANDLER h READ `PRIMARY` LAST")[0][0], str(10 + i).encode(), "sees the newest row")
            good(other, sql)
        check(time.monotonic() < begin + 10 * SLOW, "none of them waited for long")
        good(other, "UNLOCK TABLES")
        equal(good(reader, "HANDLER h READ FIRST"), [], "the table is empty")
        cluster.settle()
        equal(len({tuple(map(tuple, cluster.mysql(node, "SHOW CREATE TABLE d.t"))) for node in cluster.nodes}), 1, "all nodes have the same table")


def they_end_with_their_coordinator():
    with Cluster() as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        readers = [connect(cluster, node) for node in cluster.others(coordinator)]
        for reader in readers:
            good(reader, "HANDLER t OPEN")
            equal(good(reader, "HANDLER t READ FIRST"), [[b"1", b"10"]], "a row")
        cluster.kill(coordinator)
        for reader in readers:
            equal(code(reader, "HANDLER t READ NEXT"), 1927, "the session is told")
            equal(code(reader, "HANDLER t READ NEXT"), 1109, "and the server knows of none")
            good(reader, "HANDLER t OPEN")
            equal(good(reader, "HANDLER t READ FIRST"), [[b"1", b"10"]], "the next coordinator reads")
        cluster.start(coordinator)
        cluster.settle()


if __name__ == "__main__":
    main(as_on_a_plain_server, a_session_begins_anew_without_them, idle_ones_hold_up_nobody, they_end_with_their_coordinator)
