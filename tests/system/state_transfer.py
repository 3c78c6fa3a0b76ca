#!/usr/bin/python3
"""A node whose database cannot be brought up to date from the log is loaded from another node's, while the cluster serves.

A node that was away past the end of the kept log, a wiped one that is killed three times on its way back, one whose
server was changed behind its back and that loses its donor in the middle: each ends with the same tables, accounts and
definitions as the others, and writes go on meanwhile. A cluster can begin with the data of one node.
"""

import os
import random
import re
import signal
import time

from ddb_cluster import LONG, MYSQL, OK, Background, Cluster, check, equal, main, note, wait_until
from ledger import TABLE, Ledger

KILLS = 12 if LONG else 3
MEGABYTES = 400 if LONG else 32
SEED = int(os.environ.get("DDB_SEED") or 1)

OBJECTS = """
CREATE DATABASE x CHARACTER SET utf8mb4;
CREATE DATABASE `odd ``name`;
CREATE USER u@localhost IDENTIFIED BY 'pw';
CREATE ROLE r;
GRANT SELECT ON x.* TO r;
GRANT r TO u@localhost;
SET DEFAULT ROLE r FOR u@localhost;
CREATE TABLE x.parent (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100), KEY (v));
CREATE TABLE x.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES x.parent(id) ON DELETE CASCADE);
CREATE TABLE x.blobs (id INT PRIMARY KEY, b LONGBLOB, j JSON);
CREATE TABLE x.floats (f FLOAT PRIMARY KEY, `g``, h` FLOAT UNIQUE, n FLOAT(9,4), d DOUBLE);
CREATE TABLE x.old_floats (id INT PRIMARY KEY, f FLOAT) WITH SYSTEM VERSIONING;
CREATE TABLE x.versions (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
CREATE SEQUENCE x.s START WITH 10;
CREATE TABLE x.numbered (id INT PRIMARY KEY DEFAULT nextval(x.s), v INT);
CREATE TRIGGER x.tr AFTER INSERT ON x.child FOR EACH ROW UPDATE x.parent SET v = CONCAT(v, '+') WHERE id = NEW.p;
CREATE VIEW x.v AS SELECT id, v FROM x.parent WHERE id > 1;
CREATE VIEW x.a AS SELECT id FROM x.v;
CREATE TABLE x.stale (id INT PRIMARY KEY, a INT, b INT);
CREATE TRIGGER x.stale1 BEFORE INSERT ON x.stale FOR EACH ROW SET NEW.b = NEW.a;
CREATE TRIGGER x.stale2 BEFORE UPDATE ON x.stale FOR EACH ROW SET NEW.b = OLD.a;
INSERT INTO x.stale (id, a) VALUES (1, 5);
ALTER TABLE x.stale DROP COLUMN a;
CREATE FUNCTION x.f(n INT) RETURNS INT DETERMINISTIC RETURN n + 1;
CREATE FUNCTION x.told(n INT) RETURNS INT DETERMINISTIC RETURN n /* not
-- more; than one's own */ + 1;
INSERT INTO x.parent (v) VALUES ('one'), ('two'), ('zwölf');
INSERT INTO x.child VALUES (1, 1), (2, 2);
INSERT INTO x.blobs VALUES (1, UNHEX(REPEAT('00FF0A0D27', 1000)), '{"a": [1, 2]}');
INSERT INTO x.floats VALUES (16777214, 1.2345671, 1.23456, 0.1), (16777215, 1.2345672, 99999.1234, -1e300), (3.4028234e38, 1.2e-38, NULL, NULL);
INSERT INTO x.old_floats VALUES (1, 0.12345678), (2, NULL);
UPDATE x.old_floats SET f = 16777213 WHERE id = 1;
SET sql_mode = 'ALLOW_INVALID_DATES';
CREATE TABLE x.dates (id INT PRIMARY KEY, d DATE DEFAULT '2020-02-31', t DATETIME);
INSERT INTO x.dates (id, t) VALUES (1, '2021-02-30 10:00:00');
SET sql_mode = '';
CREATE TABLE x.enums (e ENUM('a','') PRIMARY KEY);
INSERT INTO x.enums VALUES (''), ('b'), ('a');
SET sql_mode = DEFAULT;
CREATE TABLE x.texts (id INT PRIMARY KEY, t VARCHAR(9) CHARACTER SET cp932, u TEXT CHARACTER SET ucs2);
INSERT INTO x.texts VALUES (1, X'8790EEEFFA54', 'ż'), (2, '', NULL);
INSERT INTO x.versions VALUES (1, 1);
UPDATE x.versions SET v = 2;
INSERT INTO x.numbered (v) VALUES (1), (2);
CREATE TABLE x.bulk (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(4000));
"""
# What no server makes in the order of a dump: numbers from a database that comes later, and from what is gone.
SEQUENCES = """
SET sql_mode = 'NO_UNSIGNED_SUBTRACTION';
CREATE TABLE x.less (a INT UNSIGNED PRIMARY KEY, b INT UNSIGNED, c BIGINT AS (a - b) STORED);
INSERT INTO x.less (a, b) VALUES (1, 2);
SET sql_mode = DEFAULT;
CREATE SEQUENCE x.wraps START WITH 8 MINVALUE 1 MAXVALUE 9 CACHE 2 CYCLE;
SELECT NEXTVAL(x.wraps), NEXTVAL(x.wraps), NEXTVAL(x.wraps), NEXTVAL(x.wraps);
CREATE DATABASE z COLLATE latin1_bin COMMENT 'later';
CREATE SEQUENCE z.s START WITH 100 INCREMENT BY 10;
CREATE TABLE x.across (id INT PRIMARY KEY DEFAULT nextval(z.s), v INT);
INSERT INTO x.across (v) VALUES (1), (2);
CREATE SEQUENCE x.`g``one`;
CREATE DATABASE lost;
CREATE SEQUENCE lost.s;
CREATE TABLE x.orphan (id INT PRIMARY KEY DEFAULT (nextval(x.`g``one`) + 1), n INT DEFAULT nextval(lost.s));
INSERT INTO x.orphan VALUES ();
DROP SEQUENCE x.`g``one`;
DROP DATABASE lost;
"""
if not MYSQL:
    OBJECTS += SEQUENCES

if MYSQL:  # it has neither versions nor sequences
    for theirs, ours in (("SET DEFAULT ROLE r FOR", "SET DEFAULT ROLE r TO"), (" WITH SYSTEM VERSIONING", ""),
                         ("CREATE SEQUENCE x.s START WITH 10;", ""), ("DEFAULT nextval(x.s)", "AUTO_INCREMENT")):
        check(theirs in OBJECTS, f"{theirs} is gone from the objects")
        OBJECTS = OBJECTS.replace(theirs, ours)

# Of a client whose characters have backslashes in them: one here, where others see it hide the quote behind it.
SJIS = b"SET NAMES sjis;\nCREATE FUNCTION x.sjis() RETURNS VARCHAR(9) CHARACTER SET utf8mb4 NO SQL RETURN '\x95\x5c' -- '\n;\nSET NAMES utf8mb4;\n"

# Beside tables and their rows.
DEFINITIONS = [
    "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_STATEMENT, DEFINER, SQL_MODE FROM information_schema.TRIGGERS ORDER BY 1, 2",
    "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_DEFINITION, DEFINER FROM information_schema.ROUTINES "
    "WHERE ROUTINE_SCHEMA NOT IN ('ddb_meta', 'sys', 'mysql') ORDER BY 1, 2",
    "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION, DEFINER FROM information_schema.VIEWS "
    "WHERE TABLE_SCHEMA NOT IN ('sys', 'mysql') ORDER BY 1, 2",
    "SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA ORDER BY 1",
    "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS "
    "WHERE TABLE_SCHEMA IN ('x', 'z', 'lost') ORDER BY 1, 2, 3",
    "SELECT * FROM mysql.db ORDER BY 1, 2, 3",
]
DEFINITIONS += [
    # The node's own account has a salt of its own on each.
    "SELECT Host, User, Select_priv, Super_priv, plugin, authentication_string, account_locked FROM mysql.user "
    "WHERE User <> 'ddb' ORDER BY 1, 2",
    "SELECT * FROM mysql.global_grants ORDER BY 1, 2, 3",
    "SELECT * FROM mysql.role_edges ORDER BY 1, 2, 3, 4",
    "SELECT * FROM mysql.default_roles ORDER BY 1, 2, 3, 4",
] if MYSQL else [
    "SELECT Host, User, JSON_REMOVE(Priv, '$.password_last_changed') FROM mysql.global_priv ORDER BY 1, 2",
    "SELECT * FROM mysql.roles_mapping ORDER BY 1, 2, 3",
    "SELECT id, v FROM x.versions FOR SYSTEM_TIME ALL ORDER BY id, v",
    "SELECT id, f + 0e0 FROM x.old_floats FOR SYSTEM_TIME ALL ORDER BY 1, 2",
    "SELECT * FROM x.wraps",
]
TRANSACTIONS = "SELECT log_index, txn, kind, `rows` FROM ddb_meta.transactions_log ORDER BY log_index DESC LIMIT 200"


class Writer(Background):
    """Inserts rows one by one through one node, until told to stop."""

    made = 0

    def __init__(self, cluster, node):
        super().__init__()
        Writer.made += 1
        self.name = f"w{Writer.made}"
        self.cluster, self.node = cluster, node
        self.ledger, self.number = Ledger(), 0
        self.slowest_s = 0.0

    def step(self):
        begun = time.monotonic()
        token = f"{self.name}-{self.number}"
        self.ledger.record(token, self.cluster.cli(self.node, f"INSERT INTO x.w (token) VALUES ('{token}')", timeout=20))
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        self.number += 1
        self.over.wait(0.05)


def fill(cluster, node, megabytes):
    cluster.sql(node, "INSERT INTO x.bulk (v) VALUES " + ",".join(["(RAND())"] * 256), timeout=30)
    cluster.sql(node, "UPDATE x.bulk SET v = RPAD(v, 3900, SHA2(v, 256))", timeout=30)
    have = 1
    while have < megabytes:
        step = min(have, megabytes - have, 16)
        cluster.sql(node, f"INSERT INTO x.bulk (v) SELECT CONCAT(id, v) FROM x.bulk WHERE id <= {step * 256} * 2", timeout=60)
        have += step


def status(cluster, node):
    """What the node says of itself; empty while it does not."""
    return cluster.verb(node, "status", timeout=2).last


def receiving(cluster, node):
    """The transfer this node receives, if any."""
    return next((transfer for transfer in status(cluster, node).get("transfers") or [] if "from" in transfer), {})


def wait_level(cluster, node, deadline_s=60):
    """Until the node is an ordinary follower that has applied everything the coordinator knows to be decided by now.

    Its own word for what is decided is not enough: just started, it has not heard of what it missed."""
    target = wait_until(lambda: cluster.applied(wait_until(cluster.coordinator, 30, "a coordinator"))[1], 30, "what is decided")

    def level():
        said = status(cluster, node)
        return (said.get("rebuilding") is False and not said.get("fenced") and said.get("role") in ("follower", "coordinator")
                and said.get("applied", -1) == said.get("decided", -2) and said["applied"] >= target and cluster.cli(node, "SELECT 1", timeout=3).code == OK)
    wait_until(level, deadline_s, f"node {node} is level again: {status(cluster, node)}")
    cluster.nodes[node].update(status(cluster, node))


def same_everything(cluster, writers=()):
    """Tables, definitions and accounts are equal on all nodes; one client run a node, as they are slow to start."""
    cluster.settle()
    any_node = next(iter(cluster.nodes))
    names = [f"`{schema}`.`{table}`" for schema, table in cluster.mysql(
        any_node, "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'x' AND "
                  "TABLE_TYPE NOT LIKE '%VIEW' ORDER BY 1, 2")]
    shows = [f"SHOW CREATE TABLE {name}" for name in names]
    text = ";\n".join([f"CHECKSUM TABLE {', '.join(names)} EXTENDED", *shows, *DEFINITIONS])
    # A coordinator writes its rows of transactions_log once a second.
    newest = "SELECT MAX(log_index) FROM ddb_meta.transactions_log"
    wait_until(lambda: len({str(cluster.mysql(node, newest)) for node in cluster.nodes}) == 1, 10, "equal transactions_log")
    cluster.same(text, view=lambda rows: [[re.sub(r" AUTO_INCREMENT=\d+", "", str(value)) for value in row] for row in rows])
    # A coordinator writes down what it committed about once a second.
    wait_until(lambda: len({str(cluster.mysql(node, TRANSACTIONS)) for node in cluster.nodes}) == 1, 10,
               "the lists of transactions are equal")
    for writer in writers:
        rows = {node: [row[0] for row in cluster.mysql(node, "SELECT token FROM x.w WHERE token LIKE "
                                                       f"'{writer.name}-%'")] for node in cluster.nodes}
        writer.ledger.check(rows)
        note(f"writes meanwhile: {writer.ledger.summary()}, slowest {writer.slowest_s:.1f} s")


def loaded_times(cluster, node):
    return cluster.log(node).count("this node's database is that of node")


def away_too_long(cluster, node, coordinator):
    """The log that the others keep begins behind what this node has."""
    cluster.settle()  # its log may hold more than it has applied
    has = cluster.applied(node)[0]
    cluster.tool("stop", node)
    for _ in range(6):
        cluster.sql(coordinator, *[f"UPDATE x.parent SET v = '{n}' WHERE id = 3" for n in range(60)], timeout=30)
    wait_until(lambda: all(status(cluster, other).get("kept_from", 0) > has + 1 for other in cluster.others(node)), 30,
               f"the others no longer keep entry {has + 1}")
    before = loaded_times(cluster, node)
    cluster.start(node, wait=False)
    wait_level(cluster, node)
    check(loaded_times(cluster, node) > before, "the node was loaded, as the log no longer reaches back")
    same_everything(cluster)


def wiped_and_killed(cluster, node, coordinator):
    cluster.tool("stop", node)
    cluster.tool("wipe", node)
    chance = random.Random(SEED)
    with Writer(cluster, coordinator) as writer:
        for kill in range(KILLS):
            before = loaded_times(cluster, node)
            cluster.start(node, wait=False)
            if kill:  # once before it begins; then somewhere in it
                wait_until(lambda: receiving(cluster, node) or loaded_times(cluster, node) > before, 30, "the transfer begins")
            time.sleep(chance.uniform(0, 1))
            transfer = receiving(cluster, node)
            cluster.kill(node, with_mysql=kill % 2 == 0)
            done = loaded_times(cluster, node) > before
            note(f"receiver killed: {'it was loaded' if done else transfer or 'before its transfer'}")
            if done:
                cluster.start(node)  # takes over the server that may have been left running
                cluster.tool("stop", node)
                cluster.tool("wipe", node)
        before = loaded_times(cluster, node)
        cluster.start(node, wait=False)
        seen = wait_until(lambda: receiving(cluster, node), 30, "the transfer begins")
        local = cluster.cli(node, "SELECT COUNT(*) FROM x.parent", arguments=["--consistency", "local"], timeout=4)
        # The client asks again until its time is over: it may see the end of the load, but nothing before.
        refused = local.code != OK and "loaded from another" in str(local)
        check(refused or (local.code == OK and loaded_times(cluster, node) > before), f"a half-loaded database is refused in words: {local}")
        wait_level(cluster, node)
        note(f"loaded from node {seen['from']}")
    same_everything(cluster, [writer])


def diverged_and_donor_lost(cluster, node, coordinator):
    donor = next(other for other in cluster.others(node) if other != coordinator)
    before = loaded_times(cluster, node)
    with Writer(cluster, coordinator) as writer:
        cluster.mysql(node, "SET sql_log_bin = 0; DELETE FROM x.parent WHERE id = 3")
        cluster.sql(coordinator, "UPDATE x.parent SET v = 'changed' WHERE id = 3")
        seen = wait_until(lambda: receiving(cluster, node).get("bytes", 0) > 0 and receiving(cluster, node), 30,
                          "the diverged node is being loaded")
        equal(seen["from"], donor, "the donor is the follower")
        os.kill(cluster.record()["nodes"][str(donor)]["process"]["pid"], signal.SIGKILL)
        note(f"donor {donor} killed: {seen}")
        again = wait_until(lambda: receiving(cluster, node).get("from") == coordinator and receiving(cluster, node), 40,
                           "the coordinator takes its place")
        note(f"then from the coordinator: {again}")
        # A definition waits until the dump is complete, or is refused in words; what is in between loses nothing.
        cluster.sql(coordinator, "CREATE TABLE x.during (id INT PRIMARY KEY)", timeout=60)
        cluster.start(donor, wait=False)
        wait_level(cluster, node)
        wait_level(cluster, donor)
    check(loaded_times(cluster, node) > before, "the node was loaded")
    same_everything(cluster, [writer])


def state_transfer():
    # A short log, so that a moment's absence is a long one.
    with Cluster(settings=["journal.kept_entries=60", "journal.kept_entries_hard=120"]) as cluster:
        coordinator = wait_until(cluster.coordinator, 30, "a coordinator")
        first, second = cluster.others(coordinator)
        cluster.sql(coordinator, text=OBJECTS.encode() + (b"" if MYSQL else SJIS), timeout=30)
        cluster.sql(coordinator, f"CREATE TABLE x.w {TABLE}")
        away_too_long(cluster, first, coordinator)
        fill(cluster, coordinator, MEGABYTES)
        wiped_and_killed(cluster, second, coordinator)
        diverged_and_donor_lost(cluster, first, coordinator)


def begin_with_data():
    with Cluster(settings=["cluster.expect=4"], wait=False) as cluster:
        holder = 2
        wait_until(lambda: status(cluster, holder).get("mysql_socket"), 30, "the server of an unformed node")
        cluster.nodes[holder].update(status(cluster, holder))
        cluster.mysql(holder, "SET sql_log_bin = 0;" + OBJECTS + f"CREATE TABLE x.w {TABLE};"
                      f"SET {'sql_require_primary_key' if MYSQL else 'GLOBAL innodb_force_primary_key'} = 0; CREATE TABLE x.nokey (a INT); INSERT INTO x.nokey VALUES (1)")
        cluster.tool("down")
        for line in cluster.tool("up", "--set", "cluster.expect=3", *cluster.server_arguments, "--wait", "60", deadline_s=90).splitlines():
            note(line[:60])
        for node in cluster.nodes:
            wait_level(cluster, node)
        check(loaded_times(cluster, holder) == 0, "the node with the data keeps it")
        for node in cluster.others(holder):
            check(loaded_times(cluster, node) == 1, f"node {node} was loaded from it, once")
        answer = cluster.sql(1, "SELECT COUNT(*) FROM x.parent")
        check(answer.value in (3, "3"), f"the data is there: {answer.rows}")
        cluster.sql(3, "INSERT INTO x.parent (v) VALUES ('later')", "INSERT INTO x.child VALUES (9, 3)")
        same_everything(cluster)
        if not LONG:
            return
        # A node that is wiped later must not begin with an empty database and the log alone.
        cluster.tool("stop", 1)
        cluster.tool("wipe", 1)
        cluster.start(1, wait=False)
        wait_level(cluster, 1)
        same_everything(cluster)


if __name__ == "__main__":
    main(state_transfer, begin_with_data)
