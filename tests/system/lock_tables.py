#!/usr/bin/python3
"""LOCK TABLES through every node: who writes to a locked table waits, who counts under a lock counts right, a dump under locks is
whole, a session is refused what its locks do not allow as on a plain server, and a lock ends with its coordinator, which its session
is told. The same of FLUSH TABLES WITH READ LOCK.
"""

import contextlib
import os
import re
import subprocess
import threading

from ddb_cluster import MYSQL, SLOW, STEADY, Background, Cluster, check, code, equal, good, main, need, note, wait_until
from gateway import PlainServer
import gateway
from wire_client import Client

USER, PASSWORD = "app", "secret"


def prepare(cluster):
    cluster.sql(1, "CREATE DATABASE l", "CREATE TABLE l.seq (n INT PRIMARY KEY, who INT)", "CREATE TABLE l.a (id INT PRIMARY KEY, v INT)",
                "CREATE TABLE l.b (id INT PRIMARY KEY, v INT)", "INSERT INTO l.a VALUES (1, 0)", "INSERT INTO l.b VALUES (1, 0)",
                f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON *.* TO {USER}@'%'")
    cluster.settle()


def connect(cluster, node):
    return Client(cluster.nodes[node]["address"], cluster.port + 2, USER, PASSWORD, "l", deadline_s=60 * SLOW)


class Counter(Background):
    """Takes the next number as old applications do, where a key alone would not keep two from taking the same."""

    def __init__(self, cluster, node):
        super().__init__()
        self.client, self.node, self.taken, self.failed = connect(cluster, node), node, 0, []

    def step(self):
        good(self.client, "LOCK TABLES seq WRITE")
        (newest,), = good(self.client, "SELECT COALESCE(MAX(n), 0) FROM seq")
        answer = self.client.query(f"INSERT INTO seq VALUES ({int(newest) + 1}, {self.node})")
        if answer[-1][0] == "error":
            self.failed.append(answer)
        good(self.client, "UNLOCK TABLES")
        self.taken += 1


def counts_under_a_lock():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        counters = [Counter(cluster, node) for node in list(cluster.nodes) * 2]
        with contextlib.ExitStack() as running:
            for counter in counters:
                running.enter_context(counter)
            wait_until(lambda: min(counter.taken for counter in counters) >= 20, 60 * SLOW, "each counts to twenty")
        taken = [counter.taken for counter in counters]
        equal([counter.failed for counter in counters], [[]] * len(counters), "nobody takes a number twice")
        equal(good(connect(cluster, 1), "SELECT COUNT(*), MAX(n) FROM seq"), [[str(sum(taken)).encode()] * 2], "the numbers have no gap")
        note(f"{sum(taken)} numbers taken by six sessions on three nodes: {taken}")


# What a session with these locks may do on a plain server depends on aliases, levels, temporary tables, and on what triggers, views
# and functions use.
OWN_TABLES = ["CREATE DATABASE o", "USE o", *(f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)" for name in ("t", "u", "w", "tr", "log", "p")),
              "CREATE TRIGGER g BEFORE INSERT ON tr FOR EACH ROW INSERT INTO log VALUES (NEW.id, 1)", "CREATE VIEW vp AS SELECT * FROM p",
              "CREATE VIEW vw AS SELECT * FROM w", "CREATE FUNCTION fp() RETURNS INT READS SQL DATA RETURN (SELECT MAX(v) FROM p)",
              "CREATE TABLE dropped (id INT PRIMARY KEY)"]
UNDER_LOCKS = """CREATE TEMPORARY TABLE tmp (id INT PRIMARY KEY, v INT)
LOCK TABLES t WRITE, u READ LOCAL, w AS x READ, w AS y WRITE, tr WRITE, vw READ, dropped WRITE
SELECT 1
SELECT * FROM t
SELECT * FROM t AS a
SELECT * FROM t, t AS a
SELECT * FROM w AS x, w y
SELECT * FROM vw
SELECT * FROM vp
SELECT * FROM p
SELECT COUNT(*) FROM (SELECT * FROM p) AS d
SELECT * FROM log
SELECT * FROM tmp
SELECT * FROM nowhere
SELECT * FROM o.p
SELECT COUNT(*) FROM mysql.user
SELECT COUNT(*) > 0 FROM information_schema.TABLES
SELECT * FROM t WHERE id IN (SELECT id FROM t)
SELECT * FROM t WHERE id IN (SELECT id FROM u)
WITH c AS (SELECT id FROM t) SELECT * FROM c
WITH c AS (SELECT id FROM p) SELECT * FROM c
SELECT * FROM t UNION SELECT * FROM p
SELECT id FROM p FOR UPDATE
SET @a = (SELECT MAX(v) FROM p)
DO (SELECT MAX(v) FROM p)
EXPLAIN SELECT * FROM p
SHOW CREATE TABLE p
SHOW COLUMNS FROM p
SHOW CREATE TABLE t
INSERT INTO t VALUES (1, 1)
INSERT INTO t SELECT id + 1, v FROM t
INSERT INTO t SELECT id, v FROM u
INSERT INTO tr VALUES (1, 1)
INSERT INTO log VALUES (2, 2)
INSERT INTO tmp VALUES (1, 1)
INSERT INTO tmp SELECT * FROM p
INSERT INTO u VALUES (1, 1)
INSERT INTO p VALUES (1, 1)
INSERT INTO nowhere VALUES (1, 1)
REPLACE INTO u VALUES (1, 1)
UPDATE t SET v = 2
UPDATE u SET v = 2
UPDATE p SET v = 2
UPDATE w AS x SET v = 2
UPDATE w AS y SET v = 2
UPDATE w SET v = 2
UPDATE t, u SET t.v = 1
UPDATE t, u SET u.v = 1
UPDATE t SET v = (SELECT MAX(v) FROM p)
DELETE FROM u
DELETE FROM p
DELETE t FROM t, u WHERE t.id = u.id
DELETE u FROM t, u WHERE t.id = u.id
DELETE t FROM t, p WHERE t.id = p.id
LOAD DATA INFILE '/nowhere/rows' INTO TABLE p
LOAD DATA INFILE '/nowhere/rows' INTO TABLE u
CREATE TABLE n (id INT PRIMARY KEY)
CREATE TABLE n LIKE t
CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY)
CREATE TEMPORARY TABLE tmp2 LIKE p
CREATE TEMPORARY TABLE tmp3 (id INT PRIMARY KEY)
ALTER TABLE p ADD z INT
ALTER TABLE u ADD z INT
ALTER TABLE t ADD z INT
CREATE INDEX i ON p (v)
CREATE INDEX i ON u (v)
DROP INDEX i ON u
CREATE TRIGGER g2 BEFORE INSERT ON p FOR EACH ROW SET @b = 1
CREATE TRIGGER g2 BEFORE INSERT ON u FOR EACH ROW SET @b = 1
TRUNCATE p
TRUNCATE u
TRUNCATE t
DROP TABLE p
DROP TABLE u
DROP TABLE IF EXISTS nowhere
DROP TABLE dropped
SELECT * FROM p
SELECT * FROM vw
UPDATE u SET v = 2
UPDATE w AS y SET v = 3
DROP TEMPORARY TABLE tmp
UNLOCK TABLES
SELECT * FROM p
SELECT * FROM log
DROP TABLE p""".splitlines()
if not MYSQL:
    AT = UNDER_LOCKS.index("TRUNCATE p")
    UNDER_LOCKS[AT:AT] = """TRUNCATE nowhere
TRUNCATE vp
DROP TABLE nowhere
DROP TABLE IF EXISTS p
DROP TABLE IF EXISTS u
CREATE PROCEDURE made() SELECT 1
DROP PROCEDURE IF EXISTS made
ALTER FUNCTION fp COMMENT 'c'
CREATE OR REPLACE DEFINER = CURRENT_USER FUNCTION fp() RETURNS INT RETURN 1
SET STATEMENT sql_mode = '' FOR CREATE VIEW made AS SELECT 1
ALTER VIEW vw AS SELECT 1
DROP VIEW IF EXISTS vw
RENAME TABLE t TO t2
RENAME TABLE p TO p2
CREATE DATABASE made
CREATE SCHEMA IF NOT EXISTS made
ALTER DATABASE o COMMENT 'c'
DROP DATABASE made
CREATE SEQUENCE made
DROP SEQUENCE IF EXISTS made""".splitlines()


def told(client, sql):
    """Rows, or the error's number and text."""
    answer = client.query(sql)
    errors = [(word[1], word[3]) for word in answer if word[0] == "error"]
    return errors or [word[1] for word in answer if word[0] == "row"]


def under_locks_as_on_a_plain_server():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
            client = Client("127.0.0.1", plain.port, gateway.USER, gateway.PASSWORD, "", deadline_s=60 * SLOW)
            for sql in OWN_TABLES:
                good(client, sql)
            expected = [told(client, sql) for sql in UNDER_LOCKS]
        codes = [answer[0][0] for answer in expected if answer and isinstance(answer[0], tuple)]
        check(codes.count(1099) >= 10 and codes.count(1100) >= 25, f"the plain server refuses: {codes}")
        for node in cluster.nodes:
            client = connect(cluster, node)
            for sql in OWN_TABLES:
                good(client, sql)
            for sql, answer in zip(UNDER_LOCKS, expected):
                equal(told(client, sql), answer, f"through node {node}: {sql}")
            good(client, "DROP DATABASE o")
        note(f"{len(UNDER_LOCKS)} statements under locks, {len(codes)} of them refused, through each node")


class Pairs(Background):
    """Changes both tables alike, in one transaction."""

    def __init__(self, cluster, node):
        super().__init__()
        self.client, self.done = connect(cluster, node), 0

    def step(self):
        for sql in ("BEGIN", "UPDATE a SET v = v + 1", "UPDATE b SET v = v + 1", "COMMIT"):
            good(self.client, sql)
        self.done += 1


def a_dump_under_locks_is_whole():
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        with Pairs(cluster, 1) as writer:
            for node in cluster.nodes:
                wanted = writer.done + 10
                wait_until(lambda wanted=wanted: writer.done > wanted, 30 * SLOW, "the writer writes")
                for _ in range(3):
                    dump = subprocess.run([need("mariadb-dump"), "--no-defaults", "-h", cluster.nodes[node]["address"], "-P", str(cluster.port + 2),
                                           "-u", USER, "--lock-tables", "--skip-tz-utc", "l", "a", "b"],
                                          env=dict(os.environ, MYSQL_PWD=PASSWORD), capture_output=True, text=True, timeout=60 * SLOW, check=False)
                    equal(dump.returncode, 0, f"mariadb-dump: {dump.stderr}")
                    rows = re.findall(r"^INSERT INTO `[ab]` VALUES\s*\(1,(\d+)\)", dump.stdout, re.M)
                    equal((len(rows), len(set(rows))), (2, 1), f"both tables as of one moment, through node {node}: {rows}")


# Those of the second session have a plus in front.
UNDER_READ_LOCK = """CREATE FUNCTION wf() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO log VALUES (77, 1); RETURN 1; END
CREATE PROCEDURE wp() INSERT INTO log VALUES (78, 1)
CREATE PROCEDURE rp() SELECT COUNT(*) FROM t
CREATE TEMPORARY TABLE tmp (id INT PRIMARY KEY)
+USE o
+SET lock_wait_timeout = 1
+CREATE TEMPORARY TABLE tmp (id INT PRIMARY KEY)
SET autocommit = 0
INSERT INTO t VALUES (1, 1)
+BEGIN
+INSERT INTO u VALUES (1, 1)
FLUSH TABLES WITH READ LOCK
ROLLBACK
SET autocommit = 1
+COMMIT
+INSERT INTO u VALUES (2, 2)
+SELECT COUNT(*) FROM u
+ROLLBACK
+SELECT COUNT(*) FROM u
+BEGIN
+SELECT COUNT(*) FROM t
+COMMIT
+UPDATE t SET v = 9
+SELECT id FROM t FOR UPDATE
+SELECT id FROM t LOCK IN SHARE MODE
+SELECT wf()
+SET @a = wf()
+CALL wp()
+INSERT INTO tmp VALUES (1)
+CREATE TABLE n (id INT PRIMARY KEY)
+LOCK TABLES t WRITE
+LOCK TABLES t READ
+UNLOCK TABLES
+FLUSH LOCAL TABLES WITH READ LOCK
+UPDATE t SET v = 9
+UNLOCK TABLES
+DROP TEMPORARY TABLE tmp
INSERT INTO t VALUES (2, 2)
UPDATE t SET v = 2
DELETE FROM u
REPLACE INTO u VALUES (1, 1)
INSERT INTO tmp VALUES (1)
UPDATE tmp SET id = 2
SELECT * FROM tmp
SELECT * FROM t
SELECT id FROM t FOR UPDATE
SELECT id FROM t LOCK IN SHARE MODE
SELECT wf()
SET @a = wf()
SET @a = (SELECT MAX(id) FROM t)
SELECT @a
CALL wp()
CALL rp()
CREATE TABLE n (id INT PRIMARY KEY)
CREATE TABL n (id INT PRIMARY KEY)
ALTER TABLE t ADD z INT
TRUNCATE t
DROP TABLE t
CREATE VIEW v2 AS SELECT 1
DROP DATABASE o
CREATE USER somebody
FLUSH TABLES
CREATE TEMPORARY TABLE tmp2 (id INT PRIMARY KEY)
DROP TEMPORARY TABLE tmp2
SELECT GET_LOCK('l', 0)
SELECT RELEASE_LOCK('l')
LOCK TABLES t WRITE
LOCK TABLES t READ
INSERT INTO t VALUES (3, 3)
UNLOCK TABLES
+INSERT INTO t VALUES (4, 4)
LOCK TABLES t READ
FLUSH TABLES WITH READ LOCK
UNLOCK TABLES
+LOCK TABLES t WRITE
SET lock_wait_timeout = 1
FLUSH TABLES WITH READ LOCK
+INSERT INTO t VALUES (5, 5)
+UNLOCK TABLES
FLUSH TABLE WITH READ LOCK
START TRANSACTION WITH CONSISTENT SNAPSHOT
+INSERT INTO t VALUES (6, 6)
UNLOCK TABLES
+INSERT INTO t VALUES (7, 7)
SELECT id FROM t
COMMIT
SELECT id FROM t
INSERT INTO t VALUES (8, 8)
SELECT COUNT(*) FROM log""".splitlines()


def read_lock_as_on_a_plain_server():
    def all_told(connect_one):
        first, second = connect_one(), connect_one()
        for sql in OWN_TABLES:
            good(first, sql)
        return [told(second, sql[1:]) if sql[0] == "+" else told(first, sql) for sql in UNDER_READ_LOCK]

    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        with PlainServer(os.path.join(cluster.base, "plain")) as plain:
            if MYSQL:
                plain.server.sql("SET GLOBAL log_bin_trust_function_creators = 1")
            expected = all_told(lambda: Client("127.0.0.1", plain.port, gateway.USER, gateway.PASSWORD, "", deadline_s=60 * SLOW))
        codes = [answer[0][0] for answer in expected if answer and isinstance(answer[0], tuple)]
        check(codes.count(1223) >= 15 and codes.count(1205) >= 10, f"the plain server refuses: {codes}")
        through = cluster.others(cluster.coordinator())[0]
        for sql, found, answer in zip(UNDER_READ_LOCK, all_told(lambda: connect(cluster, through)), expected):
            equal(found, answer, sql)
        note(f"{len(UNDER_READ_LOCK)} statements, {codes.count(1223)} of them refused and {codes.count(1205)} too late")


def a_dump_under_the_read_lock_is_whole():
    ways = [["--lock-all-tables"], *([] if MYSQL else [["--master-data=2"], ["--master-data=2", "--single-transaction"]])]
    with Cluster(settings=STEADY) as cluster:
        prepare(cluster)
        with Pairs(cluster, 1) as writer:
            for node in cluster.nodes:
                wanted = writer.done + 10
                wait_until(lambda wanted=wanted: writer.done > wanted, 30 * SLOW, "the writer writes")
                for way in ways:
                    dump = subprocess.run([need("mariadb-dump"), "--no-defaults", "-h", cluster.nodes[node]["address"], "-P", str(cluster.port + 2),
                                           "-u", USER, *way, "--skip-tz-utc", "l", "a", "b"],
                                          env=dict(os.environ, MYSQL_PWD=PASSWORD), capture_output=True, text=True, timeout=60 * SLOW, check=False)
                    equal(dump.returncode, 0, f"mariadb-dump {way}: {dump.stderr}")
                    rows = re.findall(r"^INSERT INTO `[ab]` VALUES\s*\(1,(\d+)\)", dump.stdout, re.M)
                    equal((len(rows), len(set(rows))), (2, 1), f"{way}: both tables as of one moment, through node {node}: {rows}")


@contextlib.contextmanager
def waiting_writer(cluster, coordinator, writer):
    """It waits through the block, behind which the coordinator dies, and writes at the next."""
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(code(writer, "UPDATE a SET v = v + 1")))
    waiting.start()
    yield
    check(not answers, "the writer waits")
    cluster.kill(coordinator)
    waiting.join(60 * SLOW)
    equal(answers, [0], "the writer goes on with the next coordinator")


def a_read_lock_ends_with_its_coordinator():
    with Cluster() as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        holder, writer = (connect(cluster, node) for node in cluster.others(coordinator))
        good(holder, "FLUSH TABLES WITH READ LOCK")
        with waiting_writer(cluster, coordinator, writer):
            equal(good(holder, "SELECT v FROM a"), [[b"0"]], "its holder reads")
        equal(code(holder, "SELECT v FROM a"), 1927, "the session is told that its lock is gone")
        equal(good(holder, "SELECT v FROM a"), [[b"1"]], "and goes on without it")
        cluster.start(coordinator)
        cluster.settle()


def a_lock_ends_with_its_coordinator():
    with Cluster() as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        holder, writer = (connect(cluster, node) for node in cluster.others(coordinator))
        good(holder, "LOCK TABLES a WRITE, b READ")
        with waiting_writer(cluster, coordinator, writer):
            good(holder, "UPDATE a SET v = 10")
        equal(code(holder, "UPDATE a SET v = 20"), 1927, "the session is told that its locks are gone")
        equal(good(holder, "SELECT v FROM a"), [[b"11"]], "and goes on without them")
        good(holder, "LOCK TABLES a READ")
        good(holder, "UNLOCK TABLES")
        cluster.start(coordinator)
        cluster.settle()


if __name__ == "__main__":
    main(counts_under_a_lock, under_locks_as_on_a_plain_server, a_dump_under_locks_is_whole, a_lock_ends_with_its_coordinator,
         read_lock_as_on_a_plain_server, a_dump_under_the_read_lock_is_whole, a_read_lock_ends_with_its_coordinator)
