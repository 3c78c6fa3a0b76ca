#!/usr/bin/python3
"""Definitions of tables that are being written to, from all nodes, while nodes and their servers are killed: the nodes hold the same at
the end, and none was stopped by an entry that it could not apply. `--seed` and `--seconds` repeat and prolong it.
"""

import argparse
import contextlib
import random
import sys
import time

from ddb_cluster import SLOW, Background, Cluster, check, main, note, of_server, wait_until

ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("--seed", type=int, default=None)
ARGUMENTS.add_argument("--seconds", type=float, default=40)
OPTIONS = ARGUMENTS.parse_args([word for word in sys.argv[1:] if word != "under_kills"])
SEED = OPTIONS.seed if OPTIONS.seed is not None else random.randrange(1_000_000)

ROWS = 12_000  # of 1 kB: a table goes into the log in parts
PARENT = ("SET foreign_key_checks=0; CREATE OR REPLACE TABLE d.parent (id INT PRIMARY KEY, v INT, t TEXT); "
          f"INSERT INTO d.parent SELECT seq, 1, REPEAT('x', 900) FROM d.seq_1_to_{ROWS}")
WORDS_OF_LOSS = "this database must be rebuilt"  # of a node that ended in the middle of a definition: nothing else may stop one


def written(rnd):
    some, row = rnd.randrange(1, 20), rnd.randrange(1, ROWS)
    return rnd.choice([
        f"INSERT INTO d.other (note) VALUES ('{some}')", f"UPDATE d.other SET note = '{some}' WHERE id % 7 = {some % 7}",
        f"INSERT INTO d.child (pid) VALUES ({some})", f"DELETE FROM d.parent WHERE id = {some}",
        f"INSERT IGNORE INTO d.parent (id, v) VALUES ({some}, 1)", f"UPDATE d.copy SET text = 'z' WHERE id = {row}",
        f"DELETE FROM d.copy WHERE id = {row}", "INSERT INTO d.other (note) SELECT COUNT(*) FROM d.copy",
        "INSERT INTO d.other (note) VALUES (d.f())"])


def defined(rnd):
    return rnd.choice([
        "CREATE TABLE d.copy (PRIMARY KEY (id)) AS SELECT * FROM d.big", "DROP TABLE IF EXISTS d.copy", "DROP TABLE d.copy",
        f"CREATE OR REPLACE TABLE d.copy (PRIMARY KEY (id)) AS SELECT * FROM d.big WHERE id < {ROWS // 2}",
        "ALTER TABLE d.big ENGINE=InnoDB, ALGORITHM=COPY", "TRUNCATE TABLE d.copy", "ALTER TABLE d.other ADD INDEX x (note)",
        "ALTER TABLE d.other DROP INDEX x", PARENT, PARENT, "SET foreign_key_checks=0; TRUNCATE TABLE d.parent"])


class Client(Background):
    def __init__(self, cluster, node, statement, seed):
        super().__init__()
        self.cluster, self.node, self.statement, self.rnd = cluster, node, statement, random.Random(seed)
        self.codes = {}

    def step(self):
        answer = self.cluster.cli(self.node, self.statement(self.rnd), deadline_s=60 * SLOW, timeout=50 * SLOW)
        self.codes[answer.code] = self.codes.get(answer.code, 0) + 1


def kills(cluster, rnd, end):
    while time.monotonic() < end:
        time.sleep(rnd.uniform(2, 9))
        node = cluster.coordinator() if rnd.random() < .6 else rnd.choice(list(cluster.nodes))
        if not node:
            continue
        cluster.kill(node, with_mysql=rnd.random() < .4)
        time.sleep(rnd.uniform(.2, 2))
        cluster.start(node, wait=False)
        wait_until(cluster.coordinator, 60, "a coordinator")


def under_kills():
    note(f"seed {SEED}")
    rnd = random.Random(SEED)
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE d", "CREATE TABLE d.big (id INT PRIMARY KEY, text VARCHAR(1000))",
                    "CREATE TABLE d.other (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(10))",
                    "CREATE TABLE d.parent (id INT PRIMARY KEY, v INT)",
                    "CREATE TABLE d.child (id INT AUTO_INCREMENT PRIMARY KEY, pid INT, "
                    "FOREIGN KEY (pid) REFERENCES d.parent (id) ON DELETE CASCADE)",
                    "CREATE FUNCTION d.f() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM d.copy)")
        cluster.sql(1, of_server(f"INSERT INTO d.big SELECT seq, REPEAT(LEFT(SHA2(seq, 256), 32), 31) FROM d.seq_1_to_{ROWS}"),
                    timeout=100, deadline_s=100)
        clients = [Client(cluster, node, written, SEED + node) for node in cluster.nodes]
        clients.append(Client(cluster, rnd.choice(list(cluster.nodes)), defined, SEED))
        with contextlib.ExitStack() as running:
            for client in clients:
                running.enter_context(client)
            kills(cluster, rnd, time.monotonic() + OPTIONS.seconds)
        for client in clients:
            note(f"node {client.node}: answers by exit code {client.codes}")
        cluster.settle(deadline_s=120)
        for node in cluster.nodes:
            stopped = [line for line in cluster.log(node).splitlines() if "fenced, nothing" in line]
            note(f"node {node} was loaded anew {len(stopped)} times")
            for line in stopped:
                check(WORDS_OF_LOSS in line, f"node {node} could not apply an entry: {line}")
        cluster.same_tables("d")


sys.argv[1:] = []
main(under_kills)
