#!/usr/bin/python3
"""LOCK TABLES through every node: who writes to a locked table waits, who counts under a lock counts right, a dump under locks is
whole, and a lock ends with its coordinator, which its session is told.
"""

import contextlib
import os
import re
import subprocess
import threading

from ddb_cluster import SLOW, STEADY, Background, Cluster, check, code, equal, good, main, need, note, wait_until
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


def a_lock_ends_with_its_coordinator():
    with Cluster() as cluster:
        prepare(cluster)
        coordinator = cluster.coordinator()
        holder, writer = (connect(cluster, node) for node in cluster.others(coordinator))
        good(holder, "LOCK TABLES a WRITE, b READ")
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(code(writer, "UPDATE a SET v = v + 1")))
        waiting.start()
        good(holder, "UPDATE a SET v = 10")
        check(not answers, "the writer waits")
        cluster.kill(coordinator)
        waiting.join(60 * SLOW)
        equal(answers, [0], "the writer goes on with the next coordinator")
        equal(code(holder, "UPDATE a SET v = 20"), 1927, "the session is told that its locks are gone")
        equal(good(holder, "SELECT v FROM a"), [[b"11"]], "and goes on without them")
        good(holder, "LOCK TABLES a READ")
        good(holder, "UNLOCK TABLES")
        cluster.start(coordinator)
        cluster.settle()


if __name__ == "__main__":
    main(counts_under_a_lock, a_dump_under_locks_is_whole, a_lock_ends_with_its_coordinator)
